//! The loopback endpoint over real sockets, with a clock of the test's own: real clients are served, others refused.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::name::{PropertyName, Scheme};
use safe_conduct::sink::{EndpointError, EndpointSettings, LoopbackEndpoint, RunningEndpoint};
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::time::{Clock, Moment, Timestamp};

/// Made up for this test.
const TOKEN: &str = "4f0d6a1bc2e3958877665544332211000112233445566778899aabbccddeeff0";

/// 2026-11-22T20:10:59Z (`date -u -d @1795378259`).
const EXPIRES_AT: u64 = 1_795_378_259;

/// As long as any wait here may take before the test fails; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

struct ManualClock {
    state: Mutex<(Moment, u64)>,
    looked: Condvar,
}

impl ManualClock {
    fn advance(&self, wall: Duration, monotonic: Duration) {
        let now = &mut self.state.lock().unwrap().0;
        *now = Moment { wall: now.wall.plus(wall), monotonic: now.monotonic + monotonic };
    }

    /// Waits until the endpoint has looked at the clock so many times.
    fn wait_for_looks(&self, count: u64) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.looked.wait_timeout_while(state, PATIENCE, |(_, looks)| *looks < count).unwrap();
        assert!(state.1 >= count);
    }
}

impl Clock for ManualClock {
    fn moment(&self) -> Moment {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.looked.notify_all();
        state.0
    }
}

struct Fixture {
    endpoint: RunningEndpoint,
    store: Arc<CredentialStore>,
    clock: Arc<ManualClock>,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn settings(listen: &str) -> EndpointSettings {
    EndpointSettings { listen: listen.parse().unwrap(), scheme: Scheme::new("s3a").unwrap() }
}

/// An endpoint that listens, with an empty store. The time is an hour before `EXPIRES_AT`.
fn listening() -> Fixture {
    let wall = Timestamp::from_unix_seconds(EXPIRES_AT - 3600).unwrap();
    let clock = Arc::new(ManualClock {
        state: Mutex::new((Moment { wall, monotonic: seconds(50) }, 0)),
        looked: Condvar::new(),
    });
    let store = Arc::new(CredentialStore::new());
    let token = Arc::new(Secret::from_text(TOKEN));
    let endpoint = LoopbackEndpoint::start(settings("127.0.0.1:0"), token, Arc::clone(&store), clock.clone());
    Fixture { endpoint: endpoint.unwrap(), store, clock }
}

/// The same with a credential of an hour.
fn serving() -> Fixture {
    let fixture = listening();
    fixture
        .publish("s3a", &[(s3a::ACCESS_KEY, "ID-1"), (s3a::SECRET_KEY, "KEY/1+\""), (s3a::SESSION_TOKEN, "SESSION-1")]);
    fixture
}

impl Fixture {
    fn publish(&self, scheme: &str, properties: &[(&str, &str)]) {
        let named = |(name, value): &(&str, &str)| (PropertyName::new(name).unwrap(), Secret::from_text(value));
        let properties: BTreeMap<_, _> = properties.iter().map(named).collect();
        let expires_at = Timestamp::from_unix_seconds(EXPIRES_AT).unwrap();
        let credential = ServiceCredential::new(properties, expires_at, self.clock.moment()).unwrap();
        let bundle = UserCredentials::new().with(Scheme::new(scheme).unwrap(), Arc::new(credential));
        self.store.publish(Epoch([7; 16]), bundle);
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.endpoint.local_addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, address: self.endpoint.local_addr() }
    }

    /// The status and body of the answer to one request on a connection of its own.
    fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }
}

struct Client {
    stream: TcpStream,
    address: SocketAddr,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    /// Sends a request, with `ADDRESS`, `PORT` and `TOKEN` put in.
    fn send(&mut self, request: &str) {
        let request = request.replace("ADDRESS", &self.address.to_string()).replace("TOKEN", TOKEN);
        let request = request.replace("PORT", &self.address.port().to_string());
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    /// One read: an answer is one write, so it arrives whole.
    fn answer(&mut self) -> Answer {
        let mut bytes = vec![0; 64 * 1024];
        let count = self.stream.read(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..count]).unwrap();
        assert!(!text.contains(TOKEN), "the token is never part of an answer");
        assert!(!text.contains("REFLECTED"), "nothing of a request is part of an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("one read has the whole head");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "one read has the whole body: {text}");
        assert!(head.contains("\r\nCache-Control: no-store") && head.contains("\r\nX-Content-Type-Options: nosniff"));
        assert!(head.contains("\r\nContent-Type: application/json") && !head.contains("Access-Control"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

const GOOD: &str = "GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n";

#[test]
fn the_answer_has_the_members_that_every_sdk_reads() {
    let fixture = serving();
    let answer = fixture.ask(GOOD);
    assert_eq!(answer.status, 200);
    // Written by hand after the members that the SDKs ask for; the escapes are RFC 8259's.
    assert_eq!(
        answer.body,
        r#"{"AccessKeyId":"ID-1","SecretAccessKey":"KEY/1+\"","Token":"SESSION-1","Expiration":"2026-11-22T20:10:59Z"}"#
    );
    fixture.publish(
        "s3a",
        &[(s3a::ACCESS_KEY, "a"), (s3a::SECRET_KEY, "b"), (s3a::SESSION_TOKEN, "c"), (s3a::ACCOUNT_ID, "123456789012")],
    );
    assert!(fixture.ask(GOOD).body.ends_with(r#","AccountId":"123456789012"}"#));
}

/// Requests as these clients were seen to write them.
#[test]
fn every_client_is_served() {
    let fixture = serving();
    for (client, lines) in [
        (
            "boto3",
            "Accept-Encoding: identity\r\nHost: ADDRESS\r\nUser-Agent: python-urllib3/2.8.0\r\nAccept: application/json\r\nAuthorization: TOKEN",
        ),
        (
            "s3fs",
            "Host: ADDRESS\r\nAuthorization: TOKEN\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: Python/3.11 aiohttp/3.14.5",
        ),
        ("AWS C++", "accept: */*\r\nauthorization: TOKEN\r\nhost: ADDRESS\r\nuser-agent: aws-sdk-cpp/1.11.900 ua/2.1"),
        ("polars", "authorization: TOKEN\r\naccept: */*\r\nuser-agent: polars/0.55.1\r\nhost: ADDRESS"),
        ("object_store", "authorization: TOKEN\r\naccept: */*\r\nuser-agent: object_store/0.14.2\r\nhost: ADDRESS"),
        ("JS v3", "Authorization: TOKEN\r\nHost: localhost:PORT\r\nConnection: keep-alive"),
        (
            "Go v2",
            "Host: ADDRESS\r\nUser-Agent: Go-http-client/1.1\r\nAccept: application/json\r\nAmz-Sdk-Request: attempt=1; max=3\r\nAuthorization: TOKEN\r\nAccept-Encoding: gzip",
        ),
        ("Rust", "authorization: TOKEN\r\naccept: application/json\r\nhost: ADDRESS"),
        (
            "Java v2, S3A",
            "Accept: text/html, image/gif, image/jpeg, */*; q=0.2\r\nAuthorization: TOKEN\r\nUser-Agent: aws-sdk-java/2.57.8 md/io#sync\r\nHost: ADDRESS\r\nConnection: keep-alive",
        ),
        (
            "Java v1",
            "Authorization: TOKEN\r\nUser-Agent: aws-sdk-java/1.12.262 Linux/6.1\r\nAccept: */*\r\nHost: 127.0.0.1:PORT\r\nConnection: keep-alive",
        ),
        ("by IPv6's name", "Host: [::1]:PORT\r\nAuthorization: \t TOKEN \t\r\nContent-Length: 0"),
    ] {
        let answer = fixture.ask(&format!("GET /v1/credentials HTTP/1.1\r\n{lines}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{client}");
        assert!(!answer.head.contains("Connection: close"), "{client}");
    }
    assert_eq!(
        fixture.ask("GET /v1/credentials?a=REFLECTED HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n").status,
        200
    );
    let old = fixture.ask("GET /v1/credentials HTTP/1.0\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n");
    assert_eq!((old.status, old.head.contains("Connection: close")), (200, true));
}

/// The numbers are those of the list of bad inputs that the tests work through.
#[test]
fn bad_inputs_are_refused() {
    let fixture = serving();
    let header =
        |line: &str| format!("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n{line}\r\n\r\n");
    let token =
        |token: &str| format!("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: {token}\r\n\r\n");
    let host = |host: &str| format!("GET /v1/credentials HTTP/1.1\r\nHost: {host}\r\nAuthorization: TOKEN\r\n\r\n");
    let line = |line: &str| format!("{line}\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n");
    let path = |path: &str| line(&format!("GET {path} HTTP/1.1"));
    let other = format!("0{}", &TOKEN[1..]);

    let mut rows = vec![(284, 403, "GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\n\r\n".to_owned())];
    // 285: of the same length, one digit less, one more, a prefix form, nothing.
    rows.extend(
        [&other, &TOKEN[1..], &TOKEN[..63], "TOKEN0", "Bearer TOKEN", ""].map(|wrong| (285, 403, token(wrong))),
    );
    rows.push((286, 403, "GET /v1/credentials?token=TOKEN HTTP/1.1\r\nHost: ADDRESS\r\n\r\n".to_owned()));
    rows.push((287, 400, "GET /v1/credentials HTTP/1.1\r\nAuthorization: TOKEN\r\n\r\n".to_owned()));
    rows.push((287, 403, "GET /v1/credentials HTTP/1.0\r\nAuthorization: TOKEN\r\n\r\n".to_owned()));
    rows.push((287, 400, header("Host: ADDRESS")));
    rows.extend(
        [
            "evil.com",
            "evil.com:PORT",
            "127.0.0.1.evil.com:PORT",
            "2130706433:PORT",
            "127.0.0.1:1",
            "127.0.0.1",
            "127.1:PORT",
        ]
        .map(|wrong| (287, 403, host(wrong))),
    );
    rows.push((288, 403, header("Origin: http://ADDRESS")));
    rows.push((289, 403, header("Sec-Fetch-Site: cross-site")));
    rows.push((290, 403, header("referer: http://ADDRESS/")));
    rows.extend(
        ["X-Forwarded-For: 10.0.0.1", "X-FORWARDED-HOST: x", "Forwarded: for=10.0.0.1", "Via: 1.1 proxy"]
            .map(|sent| (291, 403, header(sent))),
    );
    let preflight = "OPTIONS /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nOrigin: http://evil.com\r\n";
    rows.push((292, 405, format!("{preflight}Access-Control-Request-Method: GET\r\n\r\n")));
    rows.push((292, 405, format!("{preflight}Access-Control-Request-Private-Network: true\r\n\r\n")));
    rows.push((292, 403, header("Access-Control-Request-Headers: authorization")));
    rows.extend(
        ["POST", "PUT", "DELETE", "TRACE", "HEAD", "CONNECT", "get", "Get"]
            .map(|method| (293, 405, line(&format!("{method} /v1/credentials HTTP/1.1")))),
    );
    rows.push((293, 400, "M".repeat(3000)));
    rows.push((294, 400, path("http://ADDRESS/v1/credentials")));
    rows.push((294, 400, line("CONNECT ADDRESS HTTP/1.1")));
    rows.push((294, 400, line("OPTIONS * HTTP/1.1")));
    rows.extend(
        [
            "/",
            "/v1/credentials/",
            "/v1/../v1/credentials",
            "//v1/credentials",
            "/v1/%63redentials",
            "/V1/credentials",
            "/REFLECTED%0d%0aA:b",
        ]
        .map(|wrong| (295, 403, path(wrong))),
    );
    rows.push((295, 400, path("/v1/credentials\0")));
    rows.push((295, 400, path(&format!("/{}", "a".repeat(8192)))));
    rows.push((296, 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()));
    rows.push((296, 400, "GET /v1/credentials\r\n\r\n".to_owned()));
    rows.extend(["HTTP/1.2", "HTTP/0.9", "HTCPCP/1.0"].map(|v| (296, 400, line(&format!("GET /v1/credentials {v}")))));
    rows.extend(
        [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding : chunked",
            "Content-Length: +5",
            "Content-Length: 5,5",
            "Content-Length: 4\r\n\r\nbody",
        ]
        .map(|sent| (297, 400, header(sent))),
    );
    rows.extend(
        [" folded: x", "A: b\nC: d", "A: b\rC: d", "A : b", ": b", "A: b\0"].map(|sent| (298, 400, header(sent))),
    );
    rows.push((299, 400, header(&format!("A: {}", "a".repeat(9 * 1024)))));
    rows.push((299, 400, header(&vec!["A: b"; 200].join("\r\n"))));
    rows.push((308, 400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()));

    let refusals: Vec<Answer> = rows
        .iter()
        .map(|(number, status, request)| {
            let answer = fixture.ask(request);
            assert_eq!(answer.status, *status, "{number}: {request:?}");
            let ends = matches!(status, 400 | 405) || request.contains("HTTP/1.0");
            assert_eq!(answer.head.contains("Connection: close"), ends, "{number}: {request:?}");
            assert_eq!(answer.head.contains("\r\nAllow: GET"), *status == 405);
            answer
        })
        .collect();
    let mut denied = refusals.iter().filter(|answer| answer.status == 403).map(|answer| &answer.body);
    let first = denied.next().unwrap();
    assert!(first.starts_with(r#"{"Code":"ACCESS_DENIED","Message":"#), "{first}");
    assert!(denied.all(|body| body == first), "every 403 looks the same");
}

#[test]
fn credentials_are_served_until_15_s_before_their_expiry_and_no_longer() {
    let fixture = serving();
    for (advance, status, code) in
        [(3584, 200, "AccessKeyId"), (1, 503, "CREDENTIALS_EXPIRED"), (14, 503, "CREDENTIALS_EXPIRED")]
    {
        fixture.clock.advance(seconds(advance), seconds(advance));
        // A connection of its own each time: an open one would have met its deadline.
        let answer = fixture.ask(GOOD);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(code), "{}", answer.body);
    }
}

// AWS SDK for Java 1.12.262, 2.24.6 and 2.35.4 were seen to read `code` and `message` and to ignore `Code` and `Message`,
// and version 2 to show the message alone; JavaScript, Go and others read the upper-case names.
#[test]
fn an_error_has_its_code_where_each_sdk_shows_it() {
    let body = listening().ask(GOOD).body;
    let message = "NO_CREDENTIALS_YET: No credentials have arrived yet. Safe-conduct's log says why.";
    let fields = |code: &str, text: &str| format!(r#""{code}":"NO_CREDENTIALS_YET","{text}":"{message}""#);
    assert_eq!(body, format!("{{{},{}}}", fields("Code", "Message"), fields("code", "message")));
}

#[test]
fn a_wall_clock_that_stands_still_does_not_stretch_a_life() {
    let fixture = serving();
    fixture.clock.advance(Duration::ZERO, seconds(3585));
    assert_eq!(fixture.ask(GOOD).status, 503);
}

#[test]
fn nothing_to_serve_is_503_with_a_code() {
    let fixture = listening();
    assert!(fixture.ask(GOOD).body.contains("NO_CREDENTIALS_YET"));
    fixture.publish("gs", &[("token", "x")]);
    assert!(fixture.ask(GOOD).body.contains("NO_CREDENTIALS_YET"), "another scheme's credential is not served");
    fixture.publish("s3a", &[(s3a::ACCESS_KEY, "x"), (s3a::SECRET_KEY, "y")]);
    let answer = fixture.ask(GOOD);
    assert_eq!((answer.status, answer.body.contains("CREDENTIALS_INCOMPLETE")), (503, true));
}

#[test]
fn a_new_version_is_served_at_once_also_on_an_open_connection() {
    let fixture = serving();
    let mut client = fixture.connect();
    client.send(GOOD);
    assert!(client.answer().body.contains("SESSION-1"));
    fixture.publish("s3a", &[(s3a::ACCESS_KEY, "a"), (s3a::SECRET_KEY, "b"), (s3a::SESSION_TOKEN, "SESSION-2")]);
    client.send(GOOD);
    assert!(client.answer().body.contains("SESSION-2"));
}

#[test]
fn the_100th_answer_on_a_connection_is_the_last() {
    let fixture = serving();
    let mut client = fixture.connect();
    for request in 1..=100 {
        client.send(GOOD);
        assert_eq!(client.answer().head.contains("Connection: close"), request == 100, "{request}");
    }
    assert!(client.is_closed());
}

#[test]
fn a_connection_serves_on_after_a_refusal_and_ends_when_asked_to() {
    let fixture = serving();
    let mut client = fixture.connect();
    client.send("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\n\r\n");
    assert_eq!(client.answer().status, 403);
    client.send("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\nConnection: Close\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.head.contains("Connection: close")), (200, true));
    assert!(client.is_closed());
}

#[test]
fn pipelined_requests_are_answered_in_order_and_each_is_judged() {
    let fixture = serving();
    let mut client = fixture.connect();
    let denied = "GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\n\r\n";
    client.send(&format!("{GOOD}{denied}{GOOD}\0"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    client.stream.read_to_string(&mut text).unwrap();
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "403", "200", "400"]);
}

#[test]
fn a_client_that_drips_bytes_is_cut_off_after_2_s() {
    let fixture = listening();
    let mut client = fixture.connect();
    let request = GOOD.replace("ADDRESS", &client.address.to_string()).replace("TOKEN", TOKEN);
    // It looks once for the deadline, and once before each read.
    fixture.clock.wait_for_looks(2);
    client.send(&request[..1]);
    fixture.clock.wait_for_looks(3);
    fixture.clock.advance(seconds(2), seconds(2));
    client.send(&request[1..2]);
    fixture.clock.wait_for_looks(4);
    // The connection may have ended by now, or not yet.
    let _ = client.stream.write_all(&request.as_bytes()[2..]);
    assert!(client.is_closed(), "the head was whole too late, and must not be answered");
}

#[test]
fn silent_connections_do_not_hold_up_others_and_are_closed() {
    let fixture = serving();
    let mut idle = fixture.connect();
    idle.send(GOOD);
    assert_eq!(idle.answer().status, 200);
    let mut silent: Vec<Client> = (0..64).map(|_| fixture.connect()).collect();
    let mut honest = fixture.connect();
    // As long as Java and JavaScript SDKs wait.
    honest.stream.set_read_timeout(Some(seconds(1))).unwrap();
    honest.send(GOOD);
    assert_eq!(honest.answer().status, 200);
    assert!(silent.iter_mut().all(Client::is_closed));
    assert!(idle.is_closed());
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let fixture = serving();
    for _ in 0..300 {
        drop(fixture.connect());
        let mut client = fixture.connect();
        client.send("GET /v1/cred");
    }
    let mut half_closed = fixture.connect();
    half_closed.send(GOOD);
    half_closed.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(half_closed.answer().status, 200);
    assert!(half_closed.is_closed());
}

#[test]
fn dropping_the_endpoint_closes_port_and_connections_at_once() {
    let fixture = serving();
    let (mut silent, mut idle, mut halfway) = (fixture.connect(), fixture.connect(), fixture.connect());
    idle.send(GOOD);
    assert_eq!(idle.answer().status, 200);
    halfway.send("GET /v1/credentials HT");
    let address = fixture.endpoint.local_addr();
    // Less than what any of them might still have said nothing for.
    for client in [&silent, &idle, &halfway] {
        client.stream.set_read_timeout(Some(seconds(1))).unwrap();
    }
    let dropping = std::thread::spawn(move || drop(fixture.endpoint));
    assert!(silent.is_closed() && idle.is_closed() && halfway.is_closed());
    dropping.join().unwrap();
    assert_eq!(TcpStream::connect(address).map_err(|error| error.kind()).err(), Some(ErrorKind::ConnectionRefused));
}

#[test]
fn it_listens_on_loopback_only_and_says_where() {
    let start = |listen: &str| {
        let clock = Arc::clone(&listening().clock);
        LoopbackEndpoint::start(settings(listen), Arc::new(Secret::from_text(TOKEN)), Arc::default(), clock)
    };
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"] {
        let refused = EndpointError::NotLoopback { listen: listen.parse().unwrap() };
        assert_eq!(start(listen).err(), Some(refused), "{listen}");
    }
    let Fixture { endpoint, .. } = listening();
    let address = endpoint.local_addr();
    assert_eq!(endpoint.url(), format!("http://{address}/v1/credentials"));
    let taken = EndpointError::Bind { listen: address, kind: ErrorKind::AddrInUse };
    assert_eq!(start(&address.to_string()).err(), Some(taken));
}
