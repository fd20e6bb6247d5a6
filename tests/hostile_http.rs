//! The HTTP client against servers that misbehave, over real sockets on loopback.
//!
//! Numbers are those of the list of bad inputs. What the provider makes of them is in tests/hostile_sts.rs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use safe_conduct::codec::sts_xml::{Action, XmlError, parse_assume_role_answer};
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::secret::{Secret, WipedBuffer};
use safe_conduct::sys::http::{
    HttpClient, HttpError, HttpRequest, HttpResponse, MAX_HEAD, MAX_RETRY_AFTER, Phase, Roots, UreqClient,
};

/// Longest body that the tests take.
const MOST: usize = 1000;

/// Limits for peers that would keep us waiting: the only waiting in this file.
const SHORT: Duration = Duration::from_millis(300);

fn client() -> UreqClient {
    UreqClient::new(Roots::Compiled).unwrap()
}

/// Serves one connection with `serve` once the request's body has arrived.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 1024];
        while !request.ends_with(b"token") {
            match peer.read(&mut chunk).unwrap() {
                0 => panic!("the request ended early"),
                count => request.extend_from_slice(&chunk[..count]),
            }
        }
        serve(peer);
    });
    (address, thread)
}

fn post(client: &UreqClient, url: &str) -> Result<HttpResponse, HttpError> {
    let mut form = WipedBuffer::with_capacity(16);
    form.push(b"WebId=token").unwrap();
    let url = ServiceUrl::new(url).unwrap();
    client.send(&HttpRequest { url: &url, form: Some(&form), bearer: None, signature: None, most: MOST })
}

/// What becomes of these bytes, after which the peer closes.
fn answered(bytes: impl Into<Vec<u8>>) -> Result<HttpResponse, HttpError> {
    let bytes = bytes.into();
    // The client may have closed first, having read enough.
    let (address, thread) = server(move |mut peer| drop(peer.write_all(&bytes)));
    let result = post(&client(), &format!("http://{address}/"));
    // If the client went elsewhere, the server is still waiting: this lets it fail instead.
    drop(TcpStream::connect(address));
    thread.join().unwrap();
    result
}

/// What becomes of these bytes, after which the peer says nothing more and waits for us to hang up.
fn held(bytes: &'static [u8]) -> HttpError {
    let (address, thread) = server(move |mut peer| {
        peer.write_all(bytes).unwrap();
        let _ = peer.read(&mut [0; 16]);
    });
    let error = post(&client().with_limits(SHORT, SHORT), &format!("http://{address}/")).unwrap_err();
    thread.join().unwrap();
    error
}

fn body_of(response: &HttpResponse) -> &[u8] {
    response.body.as_slice()
}

#[test]
fn bad_input_209_proxies_in_the_environment_are_ignored() {
    // Nobody listens on port 1: this very test program, run again for one test, would fail through such a proxy.
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "bad_input_232_answers_without_a_body_have_an_empty_one"]);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn bad_input_210_a_redirect_is_an_answer_and_nobody_follows_it() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = elsewhere.local_addr().unwrap();
    for status in [300, 301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} X\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(answered(head).unwrap().status, status);
        assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{status} was followed");
    }
}

#[test]
fn bad_inputs_216_217_218_a_slow_peer_costs_the_time_limit_and_no_more() {
    let timeout = HttpError::Timeout { phase: Phase::Answer };
    assert_eq!(held(b""), timeout);
    assert_eq!(held(b"HTTP/1.1 200 OK\r\nContent-Le"), timeout);
    assert_eq!(held(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"), timeout);
    assert_eq!(held(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), timeout);
}

#[test]
fn bad_inputs_219_227_a_body_that_ends_early_is_no_answer() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
    assert_eq!(answered(short).unwrap_err(), HttpError::Disconnected);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    assert_eq!(answered(chunked).unwrap_err(), HttpError::Disconnected);
    assert_eq!(answered("").unwrap_err(), HttpError::Disconnected);
    // Closing a socket on which something is unread resets the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut [0; 1]).unwrap();
        peer.write_all(short.as_bytes()).unwrap();
    });
    assert_eq!(post(&client(), &format!("http://{address}/")).unwrap_err(), HttpError::Disconnected);
    thread.join().unwrap();
}

#[test]
fn bad_inputs_220_221_a_head_has_a_limit() {
    let head = |length: usize| {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    assert_eq!(answered(head(MAX_HEAD)).unwrap().status, 200);
    assert_eq!(answered(head(MAX_HEAD + 1)).unwrap_err(), HttpError::HeadTooLong);
    assert_eq!(answered(head(2_000_000)).unwrap_err(), HttpError::HeadTooLong);
    let many = |count: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(answered(many(500)).unwrap_err(), HttpError::Protocol);
    assert_eq!(answered(many(5000)).unwrap_err(), HttpError::Protocol);
}

#[test]
fn bad_input_222_a_body_is_read_to_its_limit_and_not_a_byte_further() {
    let sized = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
    assert_eq!(body_of(&answered(sized(MOST)).unwrap()).len(), MOST);
    assert_eq!(answered(sized(MOST + 1)).unwrap_err(), HttpError::BodyTooLong { most: MOST });
    let until_closed = |length: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(length));
    assert_eq!(body_of(&answered(until_closed(MOST)).unwrap()).len(), MOST);
    assert_eq!(answered(until_closed(MOST + 1)).unwrap_err(), HttpError::BodyTooLong { most: MOST });
    // Chunks for ever: the server stops only when the client has gone.
    let (address, thread) = server(|mut peer| {
        peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        while peer.write_all(b"4\r\nxxxx\r\n").is_ok() {}
    });
    let error = post(&client(), &format!("http://{address}/")).unwrap_err();
    assert_eq!(error, HttpError::BodyTooLong { most: MOST });
    thread.join().unwrap();
}

#[test]
fn bad_inputs_223_to_226_and_229_framing_that_can_be_read_in_two_ways_is_refused() {
    for head in [
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\nx",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "Content-Length: -1\r\n\r\nx",
        "Content-Length: 99999999999999999999\r\n\r\nx",
    ] {
        let error = answered(format!("HTTP/1.1 200 OK\r\n{head}")).err();
        assert_eq!(error, Some(HttpError::Protocol), "{head:?}");
    }
    assert_eq!(answered("<html>no status line</html>\r\n\r\n").unwrap_err(), HttpError::Protocol);
    assert_eq!(answered("HTTP/1.0 400 Bad\r\n\r\nold").unwrap().status, 400);
}

#[test]
fn bad_input_228_an_answer_without_a_length_that_is_cut_is_noticed_by_the_xml() {
    let response = answered("HTTP/1.1 200 OK\r\n\r\n<Error><Code>AccessDenied</Co").unwrap();
    let parsed = parse_assume_role_answer(body_of(&response), Action::AssumeRoleWithWebIdentity);
    assert_eq!(parsed.unwrap_err(), XmlError::Syntax);
}

#[test]
fn bad_input_230_interim_answers_do_not_go_on_for_ever() {
    let (address, thread) = server(|mut peer| while peer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {});
    let error = post(&client().with_limits(SHORT, SHORT), &format!("http://{address}/")).unwrap_err();
    assert_eq!(error, HttpError::HeadTooLong);
    thread.join().unwrap();
}

#[test]
fn bad_input_231_a_compressed_body_is_refused_by_its_header() {
    for coding in ["gzip", "br", "identity", ""] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(answered(head).unwrap_err(), HttpError::ContentEncoding, "{coding}");
    }
}

#[test]
fn bad_input_232_answers_without_a_body_have_an_empty_one() {
    for status in [204, 304] {
        let response = answered(format!("HTTP/1.1 {status} X\r\n\r\n")).unwrap();
        assert_eq!((response.status, body_of(&response)), (status, &b""[..]));
    }
}

#[test]
fn bad_input_234_a_pause_is_a_number_of_seconds_up_to_an_hour() {
    let pause = |text: &str| {
        answered(format!("HTTP/1.1 503 X\r\nRetry-After: {text}\r\nContent-Length: 0\r\n\r\n")).unwrap().retry_after
    };
    assert_eq!(pause("7"), Some(Duration::from_secs(7)));
    assert_eq!(pause("3600"), Some(MAX_RETRY_AFTER));
    assert_eq!(pause("3601"), Some(MAX_RETRY_AFTER));
    assert_eq!(pause("999999999"), Some(MAX_RETRY_AFTER));
    for text in ["", "-1", "+7", "1e3", "9999999999", "Sun, 22 Nov 2026 20:00:00 GMT"] {
        assert_eq!(pause(text), None, "{text}");
    }
}

#[test]
fn nobody_listening_is_an_error_that_says_so() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = post(&client(), &format!("http://{address}/")).unwrap_err();
    assert_eq!(error, HttpError::Connect { kind: ErrorKind::ConnectionRefused });
}

#[test]
fn a_get_carries_the_bearer_token_in_its_header() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = ServiceUrl::new(&format!("http://{}/keys", listener.local_addr().unwrap())).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let count = peer.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..count]);
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        String::from_utf8(request).unwrap()
    });
    let bearer = Secret::from_text("PLANTED");
    let request = HttpRequest { url: &url, form: None, bearer: Some(&bearer), signature: None, most: MOST };
    assert_eq!(body_of(&client().send(&request).unwrap()), b"{}");
    let sent = thread.join().unwrap();
    assert!(sent.starts_with("GET /keys HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("\r\nauthorization: Bearer PLANTED\r\n"), "{sent}");
}
