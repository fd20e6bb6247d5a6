//! How the endpoint ends a connection: whatever a client has sent meanwhile, its answer arrives whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::name::Scheme;
use safe_conduct::sink::{EndpointSettings, LoopbackEndpoint};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::clock::SystemClock;

/// More than the endpoint reads at a time (8 KiB), and little enough to be sent in one piece.
const UNREAD: usize = 20 * 1024;

// A close with unread bytes is a reset, after which a client reads an error where the answer should end.
#[test]
fn an_answer_arrives_whole_also_where_more_was_sent_than_is_read() {
    let settings = EndpointSettings { listen: ([127, 0, 0, 1], 0).into(), scheme: Scheme::s3a() };
    let (token, store) = (Arc::new(Secret::from_text(&"0".repeat(64))), Arc::new(CredentialStore::new()));
    let endpoint = LoopbackEndpoint::start(settings, token, store, Arc::new(SystemClock::new())).unwrap();
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "403"),
        ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", "403"),
        ("PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"),
    ] {
        for unread in [0, UNREAD] {
            let mut socket = TcpStream::connect(endpoint.local_addr()).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket.write_all(format!("{head}{}", "x".repeat(unread)).as_bytes()).unwrap();
            let mut answer = String::new();
            let read = socket.read_to_string(&mut answer).map_err(|error| error.kind());
            assert_eq!(read, Ok(answer.len()), "{head:?} and {unread} bytes");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {answer}");
            assert!(answer.ends_with('}'), "{head:?}: {answer}");
        }
    }
}
