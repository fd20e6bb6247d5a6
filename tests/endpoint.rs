//! The loopback endpoint over real sockets, with a clock of the test's own: what it answers, for how long, and its end.

#[path = "support/endpoint.rs"]
mod endpoint;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use endpoint::{Client, Fixture, GOOD, TOKEN, listening, seconds, serving, settings};
use safe_conduct::Secret;
use safe_conduct::credential::s3a;
use safe_conduct::sink::{EndpointError, LoopbackEndpoint};

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
fn each_target_has_a_path_of_its_own_and_is_never_made_up_for_by_another() {
    let fixture = listening();
    let is = |path: &str, status: u16, part: &str| {
        let (answered, body) = fixture.get(path);
        assert!(answered == status && body.contains(part), "{path}: {answered} {body}");
    };
    is("/v1/credentials/logs", 503, "NO_CREDENTIALS_YET");
    fixture.publish_named(&[("s3a", "ID-1", 3600), ("s3a/logs", "ID-LOGS", 1800), ("gs/raw", "ID-GS", 3600)]);
    is("/v1/credentials", 200, "\"ID-1\"");
    is("/v1/credentials/logs", 200, "\"ID-LOGS\"");
    is("/v1/credentials/logs?a=REFLECTED", 200, "\"ID-LOGS\"");
    is("/v1/credentials/raw", 404, "TARGET_UNKNOWN");
    is(&format!("/v1/credentials/{}", "a".repeat(32)), 404, "TARGET_UNKNOWN");
    // The unnamed one would do for none of these.
    fixture.clock.advance(seconds(1785), seconds(1785));
    is("/v1/credentials/logs", 503, "CREDENTIALS_EXPIRED");
    is("/v1/credentials", 200, "\"ID-1\"");
}

#[test]
fn a_targets_path_is_as_strict_as_the_unnamed_one_and_tells_strangers_nothing_of_targets() {
    let fixture = listening();
    fixture.publish_named(&[("s3a", "ID-1", 3600), ("s3a/logs", "ID-LOGS", 3600)]);
    let is = |request: &str, status: u16| assert_eq!(fixture.ask(request).status, status, "{request}");
    for target in ["logs", "raw"] {
        let line = format!("GET /v1/credentials/{target} HTTP/1.1\r\n");
        is(&format!("{line}Host: ADDRESS\r\n\r\n"), 403);
        is(&format!("{line}Host: ADDRESS\r\nAuthorization: {}\r\n\r\n", &TOKEN[1..]), 403);
        is(&format!("{line}Host: evil.test:PORT\r\nAuthorization: TOKEN\r\n\r\n"), 403);
        is(&format!("{line}Host: ADDRESS\r\nAuthorization: TOKEN\r\nVia: 1.1 x\r\n\r\n"), 403);
        is(&format!("POST /v1/credentials/{target} HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: TOKEN\r\n\r\n"), 405);
    }
    let too_long = format!("/{}", "a".repeat(33));
    let below = ["/", "/LOGS", "/logs/", "/logs/logs", "/./logs", "/lo%67s", "/logs%20", "/default", "logs", "//logs"];
    for path in below.into_iter().chain([too_long.as_str()]) {
        let (status, body) = fixture.get(&format!("/v1/credentials{path}"));
        assert!(status == 403 && body.contains("ACCESS_DENIED"), "{path}: {status} {body}");
    }
}

#[test]
fn a_job_of_named_targets_only_says_so_at_the_unnamed_path_while_there_is_something_to_serve() {
    let fixture = listening();
    fixture.publish_named(&[("s3a/logs", "ID-LOGS", 1800), ("s3a/raw", "ID-RAW", 3600)]);
    let unnamed = || fixture.get("/v1/credentials");
    assert!(unnamed().0 == 404 && unnamed().1.contains("NO_UNNAMED_CREDENTIALS"), "{:?}", unnamed());
    assert!(!unnamed().1.contains("ID-"));
    fixture.clock.advance(seconds(1785), seconds(1785));
    assert_eq!(unnamed().0, 404, "one of two may be served");
    fixture.clock.advance(seconds(1800), seconds(1800));
    assert!(unnamed().0 == 503 && unnamed().1.contains("CREDENTIALS_EXPIRED"), "{:?}", unnamed());
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
