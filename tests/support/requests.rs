//! Requests as a service on loopback reads them, one a connection, and its answers. No judgement of either.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request as it came, its headers' names in lower case.
#[derive(Clone)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap() <= 2 {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let line = if lines.is_empty() { String::new() } else { lines.remove(0) };
        let header = |line: &String| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.iter().filter_map(header).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        Self { line, headers, body: String::from_utf8(body).unwrap() }
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// Answers, with `more` lines in the head. Whoever asked may have gone.
pub fn answer(stream: &mut TcpStream, status: u16, more: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} -\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
