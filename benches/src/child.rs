//! A server of a bench as a process of its own, so that its memory and its CPU time are its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that serves until this is dropped.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
}

impl Server {
    /// This bench once more, with `arguments`: it says its address on its first line, and ends with its input.
    pub fn of_this_bench(arguments: &[&str]) -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).args(arguments))
    }

    /// The same with a program of one's own.
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, address: line.trim().parse().unwrap() }
    }

    /// Most memory that it has had, in KiB, as the kernel says it (VmHWM).
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(self.entry("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// CPU time of the threads that it has now. A tick of `stat` is 10 ms, which is longer than 50 deliveries take.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(self.entry("task")).unwrap();
        let spent = tasks.map(|task| {
            let spent = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
            spent.split_whitespace().next().map_or(0, |nanoseconds| nanoseconds.parse().unwrap())
        });
        Duration::from_nanos(spent.sum())
    }

    fn entry(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.process.id()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child's side: says where it listens, and returns when the parent has gone.
pub fn serve(address: SocketAddr) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
}
