//! Many clients at once, slow ones and strange ones at the loopback endpoint: bad inputs 300 to 305, and its caps.

#[path = "support/endpoint.rs"]
mod endpoint;
#[path = "support/sockets.rs"]
mod sockets;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use endpoint::{Client, GOOD, PATIENCE, TOKEN, listening, seconds, serving, settings};
use safe_conduct::Secret;
use safe_conduct::codec::http1::{Answer, Content, Head, Http1Error, Status};
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::name::{PropertyName, Scheme};
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sink::{LoopbackEndpoint, RunningEndpoint};
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::http_server::{HttpLimits, HttpListener, HttpService};
use safe_conduct::time::{Clock, Moment};

/// An endpoint whose clock is the real one, with a credential of an hour.
fn in_real_time() -> RunningEndpoint {
    let now = SystemClock::new().moment();
    let named = |name: &str| (PropertyName::new(name).unwrap(), Secret::from_text("x"));
    let properties = [s3a::ACCESS_KEY, s3a::SECRET_KEY, s3a::SESSION_TOKEN].map(named).into();
    let credential = ServiceCredential::new(properties, now.wall.plus(seconds(3600)), now).unwrap();
    let store = Arc::new(CredentialStore::new());
    store.publish(Epoch([7; 16]), UserCredentials::new().with(Scheme::s3a(), Arc::new(credential)));
    let token = Arc::new(Secret::from_text(TOKEN));
    LoopbackEndpoint::start(settings("127.0.0.1:0"), token, store, Arc::new(SystemClock::new())).unwrap()
}

fn connect(endpoint: &RunningEndpoint) -> Client {
    let stream = TcpStream::connect(endpoint.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client { stream, address: endpoint.local_addr() }
}

/// Whether a client with the patience of JavaScript's SDK, 4 tries of 1 s, gets an answer.
fn answered_within_its_tries(endpoint: &RunningEndpoint) -> bool {
    (0..4).any(|_| {
        let mut client = connect(endpoint);
        client.stream.set_read_timeout(Some(seconds(1))).unwrap();
        client.send(GOOD);
        let mut status = [0; 12];
        client.stream.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 200"
    })
}

#[test]
fn bad_input_300_two_hundred_clients_that_drip_do_not_hold_up_an_honest_one_and_are_all_closed() {
    let endpoint = in_real_time();
    let request = GOOD.replace("ADDRESS", &endpoint.local_addr().to_string());
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(&endpoint).stream).collect();
    assert!(answered_within_its_tries(&endpoint));
    // The pace is that of the reads: those of a round are about a second, however many are left.
    for byte in request.as_bytes().iter().take(60) {
        let pause = seconds(1) / u32::try_from(slow.len()).unwrap();
        slow.retain_mut(|stream| {
            stream.set_read_timeout(Some(pause)).unwrap();
            let open = matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            open && stream.write_all(&[*byte]).is_ok()
        });
        if slow.is_empty() {
            break;
        }
    }
    assert_eq!(slow.len(), 0, "each had 2 s for its head");
    assert!(answered_within_its_tries(&endpoint));
    let others: u64 = endpoint.requests().read().iter().filter(|(status, _)| **status != 200).map(|(_, n)| n).sum();
    assert_eq!(others, 0, "none of them got an answer");
}

#[test]
fn bad_input_301_a_client_that_says_nothing_is_closed_without_an_answer() {
    let endpoint = in_real_time();
    let mut silent = connect(&endpoint);
    assert_eq!(silent.stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(endpoint.requests().read().values().sum::<u64>(), 0);
}

#[test]
fn bad_input_302_a_second_request_behind_the_first_is_judged_by_itself() {
    let fixture = serving();
    let mut client = fixture.connect();
    let smuggled = GOOD.replace("Authorization: TOKEN", "Authorization: REFLECTED");
    client.send(&format!("{GOOD}{smuggled}{}", GOOD.replace("GET", "POST")));
    client.stream.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    client.stream.read_to_string(&mut said).unwrap();
    let statuses: Vec<&str> = said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "403", "405"]);
    assert!(!said.contains("REFLECTED"));
}

#[test]
fn bad_input_303_half_closed_and_reset_connections_in_storms_leave_the_others_served() {
    let fixture = serving();
    for round in 0..500 {
        let mut client = fixture.connect();
        match round % 5 {
            0 => {}
            1 => client.send("GET /v1/cred"),
            2 => client.send(GOOD),
            3 => {
                // The answer is there, and is not read.
                client.send(GOOD);
                assert!(client.stream.peek(&mut [0; 1]).unwrap() > 0);
            }
            _ => client.stream.shutdown(Shutdown::Write).unwrap(),
        }
        if round % 5 == 4 {
            assert!(client.is_closed());
        } else {
            sockets::reset(client.stream);
        }
        assert!(round % 50 != 0 || fixture.ask(GOOD).status == 200, "{round}");
    }
    assert_eq!(fixture.ask(GOOD).status, 200);
}

/// The addresses of this machine that are not loopback's, as the kernel lists them.
fn own_addresses() -> Vec<Ipv4Addr> {
    let listed = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let lines: Vec<&str> = listed.lines().collect();
    let locals = lines.windows(2).filter(|pair| pair[1].trim_end().ends_with("/32 host LOCAL"));
    let mut found: Vec<Ipv4Addr> = locals.filter_map(|pair| pair[0].rsplit(' ').next()?.parse().ok()).collect();
    found.retain(|address| !address.is_loopback());
    found
}

#[test]
fn bad_input_305_a_peer_that_is_not_loopback_is_closed_before_it_is_heard() {
    let fixture = serving();
    let Some(outside) = own_addresses().first().copied() else {
        eprintln!("not run: this machine has loopback addresses only");
        return;
    };
    let send = |from| {
        let stream = sockets::connect_from(from, fixture.endpoint.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { stream, address: fixture.endpoint.local_addr() };
        client.send(GOOD);
        client
    };
    assert_eq!(send(Ipv4Addr::new(127, 0, 0, 9)).answer().status, 200);
    assert!(send(outside).is_closed());
    assert_eq!(fixture.endpoint.requests().read().values().sum::<u64>(), 1);
}

/// Says when a request has come in, and answers when it is told to; panics where the path says so.
struct Gated {
    entered: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl HttpService for Gated {
    const NAME: &'static str = "gated";

    fn answer(&self, request: Result<&Head<'_>, Http1Error>, _: Moment) -> Answer {
        match request.map(Head::path) {
            Ok("/panic") => panic!("as the test wants it"),
            Ok("/wait") => {
                self.entered.lock().unwrap().send(()).unwrap();
                let _ = self.go_on.lock().unwrap().recv_timeout(PATIENCE);
            }
            _ => {}
        }
        Answer::new(Status::Ok, Content::Text, WipedBuffer::copy_of(b"done"))
    }
}

#[test]
fn as_many_requests_as_threads_are_answered_at_once_and_the_next_one_waits() {
    let ((entered, has_entered), (go, go_on)) = (channel(), channel());
    let limits = HttpLimits { threads: 2, reserve: 0, requests: 1, loopback_peers_only: true };
    let listener = HttpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let service = Gated { entered: Mutex::new(entered), go_on: Mutex::new(go_on) };
    let server = listener.serve(service, limits, Arc::new(SystemClock::new())).unwrap();
    let clients: Vec<TcpStream> = (0..3).map(|_| send(server.local_addr(), "/wait")).collect();
    assert!((0..2).all(|_| has_entered.recv_timeout(PATIENCE).is_ok()));
    assert!(has_entered.recv_timeout(Duration::from_millis(300)).is_err(), "there are two threads");
    go.send(()).unwrap();
    assert!(has_entered.recv_timeout(PATIENCE).is_ok(), "one is free again");
    (0..2).for_each(|_| go.send(()).unwrap());
    assert!(clients.into_iter().all(|client| said(client).ends_with("done")));
}

#[test]
fn bad_input_325_a_panic_in_an_answer_costs_its_connection_and_no_thread() {
    let ((entered, _has_entered), (_go, go_on)) = (channel(), channel());
    let limits = HttpLimits { threads: 1, reserve: 0, requests: 100, loopback_peers_only: true };
    let listener = HttpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let service = Gated { entered: Mutex::new(entered), go_on: Mutex::new(go_on) };
    let server = listener.serve(service, limits, Arc::new(SystemClock::new())).unwrap();
    for _ in 0..3 {
        assert_eq!(said(send(server.local_addr(), "/panic")), "");
    }
    let mut client = send(server.local_addr(), "/other");
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("done"), "{answer}");
}

fn send(to: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    stream
}

fn said(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_head_may_be_as_long_as_8_kib_and_have_32_lines_and_not_more() {
    let fixture = listening();
    let mut head = GOOD.replace("ADDRESS", &fixture.endpoint.local_addr().to_string()).replace("TOKEN", TOKEN);
    head.truncate(head.len() - 2);
    let filled = |length: usize| format!("{head}A: {}\r\n\r\n", "a".repeat(length - head.len() - "A: \r\n\r\n".len()));
    // With nothing to serve, 503 says that the request was understood.
    assert_eq!((filled(8192).len(), fixture.ask(&filled(8192)).status), (8192, 503));
    assert_eq!(fixture.ask(&filled(8193)).status, 400);
    let lines = |count: usize| format!("{head}{}\r\n", "A: b\r\n".repeat(count - 2));
    assert_eq!((fixture.ask(&lines(32)).status, fixture.ask(&lines(33)).status), (503, 400));
    let query = |length: usize| {
        let fixed = "GET /v1/credentials? HTTP/1.1\r\n".len();
        head.replace("credentials HTTP", &format!("credentials?{} HTTP", "q".repeat(length - fixed))) + "\r\n"
    };
    assert_eq!((fixture.ask(&query(2048)).status, fixture.ask(&query(2049)).status), (503, 400));
}
