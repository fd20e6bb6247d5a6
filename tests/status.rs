//! The status listener over real sockets, and its metrics as Prometheus reads them: three paths, no secret, no names.

#[path = "support/job.rs"]
mod job;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use job::{Job, ManualClock, s3a, secret_in};
use safe_conduct::Secret;
use safe_conduct::codec::base64url;
use safe_conduct::distribute::Answer;
use safe_conduct::name::CredentialName;
use safe_conduct::sink::{EndpointSettings, LoopbackEndpoint};
use safe_conduct::status::{Snapshot, StatusError, StatusListener, render};
use safe_conduct::sys::http_server::RunningHttpServer;
use safe_conduct::time::{Clock, Timestamp};

/// Made up for this test; what an executor of the job would get, and what would open the endpoint.
const PLANTED: [&str; 2] =
    ["PLANTEDsecretKEY0123456789abcdefPLANTED", "4f0d6a1bc2e3958877665544332211000112233445566778899aabbccddeeff0"];

/// As long as any wait here may take before the test fails; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn listen() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A listener that shows what the job's store shows.
fn watching(job: &Job) -> RunningHttpServer {
    let store = Arc::clone(&job.store);
    let source = Box::new(move |at| Snapshot::of(&store, at));
    StatusListener::start(listen(), source, job.clock.clone()).unwrap()
}

struct Said {
    status: u16,
    head: String,
    body: String,
}

/// The whole of what comes back until the listener closes.
fn ask(address: SocketAddr, request: &str) -> Said {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.replace("ADDRESS", &address.to_string()).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(!text.contains("REFLECTED"), "nothing of a request is part of an answer");
    for secret in PLANTED {
        let forms = [secret.to_owned(), base64url::encode(secret.as_bytes())];
        assert!(forms.iter().all(|form| !text.contains(form)), "{text}");
    }
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.contains("\r\nConnection: close") && head.contains("\r\nCache-Control: no-store"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; ") && !head.contains("Access-Control"), "{head}");
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
    Said { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(address: SocketAddr, path: &str) -> Said {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: ADDRESS\r\n\r\n"))
}

/// After the format's text, with values made up for the purpose: a backslash, a quote and a line feed among them.
const GOLDEN: &str = r#"# HELP safe_conduct_build_info The version of safe-conduct.
# TYPE safe_conduct_build_info gauge
safe_conduct_build_info{version="9.8.7-\\\"\n"} 1
# HELP safe_conduct_ready 1 while credentials are valid and can be renewed, as /readyz says.
# TYPE safe_conduct_ready gauge
safe_conduct_ready 0
# HELP safe_conduct_credential_version Number of the newest bundle of this driver's run.
# TYPE safe_conduct_credential_version gauge
safe_conduct_credential_version 3
# HELP safe_conduct_credential_expiry_seconds Seconds until the credential expires, 0 once it has.
# TYPE safe_conduct_credential_expiry_seconds gauge
safe_conduct_credential_expiry_seconds{scheme="gs"} 0
safe_conduct_credential_expiry_seconds{scheme="s3a"} 1799
# HELP safe_conduct_last_success_timestamp_seconds When the credential was last exchanged (driver) or confirmed by the driver (executor).
# TYPE safe_conduct_last_success_timestamp_seconds gauge
safe_conduct_last_success_timestamp_seconds{scheme="s3a",target="logs"} 1795378259
# HELP safe_conduct_failures_total Failures by code; the scheme is empty where it is no exchange's. What lasts is counted at each look.
# TYPE safe_conduct_failures_total counter
safe_conduct_failures_total{scheme="",code="TOKEN_NOT_ROTATED"} 12
safe_conduct_failures_total{scheme="s3a",code="STS_THROTTLED"} 2
# HELP safe_conduct_token_not_rotated_total How often an expired identity token was still in its file.
# TYPE safe_conduct_token_not_rotated_total counter
safe_conduct_token_not_rotated_total 1
# HELP safe_conduct_token_worse_total How often the identity token's file became worse than the last good token.
# TYPE safe_conduct_token_worse_total counter
safe_conduct_token_worse_total 0
# HELP safe_conduct_asks_total Asks between executors and driver, as this side saw them end.
# TYPE safe_conduct_asks_total counter
safe_conduct_asks_total{outcome="bundle"} 4
safe_conduct_asks_total{outcome="failed"} 18446744073709551615
# HELP safe_conduct_endpoint_requests_total Requests to the credentials endpoint by HTTP status.
# TYPE safe_conduct_endpoint_requests_total counter
safe_conduct_endpoint_requests_total{status="200"} 70
"#;

#[test]
fn a_snapshot_is_written_as_prometheus_text_format_0_0_4() {
    let [unnamed, logs, gs] = ["s3a", "s3a/logs", "gs"].map(|name| CredentialName::parse(name).unwrap());
    let snapshot = Snapshot {
        build: "9.8.7-\\\"\n",
        ready: Err("TOKEN_NOT_ROTATED"),
        version: Some(3),
        remaining: [(unnamed.clone(), Duration::from_millis(1_799_999)), (gs, Duration::ZERO)].into(),
        last_success: [(logs, Timestamp::from_unix_seconds(1_795_378_259).unwrap())].into(),
        failures: [((Some(unnamed), "STS_THROTTLED"), 2), ((None, "TOKEN_NOT_ROTATED"), 12)].into(),
        token_not_rotated: Some(1),
        token_worse: Some(0),
        asks: [("failed", u64::MAX), ("bundle", 4)].into(),
        endpoint_requests: [(200, 70)].into(),
    };
    assert_eq!(render(&snapshot), GOLDEN);
    assert_eq!(strict(GOLDEN).map(|samples| samples.len()), Ok(13));
}

type Samples = BTreeSet<(String, Vec<(String, String)>, u64)>;

/// Reads Prometheus' text format, and less of it than Prometheus does: HELP, TYPE and all samples of a metric stand
/// together, each once, in this order; values are whole numbers; counters are called so.
fn strict(text: &str) -> Result<Samples, String> {
    let (mut samples, mut seen, mut described) = (Samples::new(), BTreeSet::new(), None);
    let mut current: Option<(&str, &str)> = None;
    for line in text.strip_suffix('\n').ok_or("no line feed at the end")?.split('\n') {
        let wrong = |what: &str| format!("{what}: {line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if !is_name(name, true) || help.contains('\\') || !seen.insert(name) {
                return Err(wrong("help"));
            }
            described = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let fits = matches!(kind, "gauge" | "counter") && (kind == "counter") == name.ends_with("_total");
            if described.take() != Some(name) || !fits {
                return Err(wrong("type"));
            }
            current = Some((name, kind));
        } else {
            let (series, value) = line.rsplit_once(' ').ok_or_else(|| wrong("no value"))?;
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => {
                    (name, labels(rest.strip_suffix('}').ok_or_else(|| wrong("no brace"))?).ok_or(wrong("labels"))?)
                }
                None => (series, Vec::new()),
            };
            let value = value.parse().map_err(|_| wrong("value"))?;
            let known = samples.iter().any(|(other, same, _)| other == name && *same == labels);
            if current.map(|(name, _)| name) != Some(name) || described.is_some() || known {
                return Err(wrong("sample"));
            }
            samples.insert((name.to_owned(), labels, value));
        }
    }
    Ok(samples)
}

fn is_name(name: &str, colons: bool) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    name.starts_with(|c: char| allowed(c) && !c.is_ascii_digit()) && name.chars().all(allowed)
}

/// `name="value",name="value"`, with exactly the three escapes.
fn labels(text: &str) -> Option<Vec<(String, String)>> {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        let (name, quoted) = rest.split_once("=\"").filter(|(name, _)| is_name(name, false))?;
        let (mut value, mut characters) = (String::new(), quoted.chars());
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(match characters.next()? {
                    'n' => '\n',
                    same @ ('\\' | '"') => same,
                    _ => return None,
                }),
                '\n' => return None,
                other => value.push(other),
            }
        }
        if found.iter().any(|(known, _)| known == name) {
            return None;
        }
        found.push((name.to_owned(), value));
        rest = characters.as_str();
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix(',')?;
    }
}

#[test]
fn the_strict_reader_refuses_what_is_not_the_format() {
    let good = "# HELP a_total b\n# TYPE a_total counter\na_total{c=\"d\"} 1\n";
    assert_eq!(strict(good).map(|samples| samples.len()), Ok(1));
    for (from, to) in [
        ("} 1\n", "} 1"),
        ("} 1", "} x"),
        ("\"d\"", "\"d"),
        ("\"d\"", "\"\\d\""),
        ("\"d\"", "\"\"\""),
        ("\"d\"", "\"d\",c=\"e\""),
        ("\"d\"", "\"d\","),
        ("{c=", "{0="),
        ("a_total{", "b_total{"),
        ("} 1\n", "} 1\na_total{c=\"d\"} 2\n"),
        ("# TYPE a_total counter\n", ""),
        ("# HELP a_total b\n", ""),
        ("counter", "gauge"),
        ("} 1\n", "} 1\n\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(strict(&bad).is_err(), "{bad}");
    }
}

/// Numbers that look random and are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Of characters that the format gives a meaning to, and some that it does not.
    fn text(&mut self) -> &'static str {
        const CHARACTERS: [char; 14] = ['\\', '"', '\n', '{', '}', ',', '=', ' ', '#', '\r', '\0', 'n', 'é', 'A'];
        let pick = |numbers: &mut Self| CHARACTERS[usize::try_from(numbers.below(14)).unwrap()];
        let text: String = (0..self.below(8)).map(|_| pick(self)).collect();
        Box::leak(text.into_boxed_str())
    }

    fn name(&mut self) -> CredentialName {
        let names = ["s3a", "gs", "a+b", "a.b", "0-", "s3a/logs", "s3a/0-"];
        CredentialName::parse(names[usize::try_from(self.below(7)).unwrap()]).unwrap()
    }
}

#[test]
fn whatever_a_snapshot_holds_a_strict_reader_reads_it_back() {
    let mut numbers = Numbers(0x005a_fe0c_0d0c_7001);
    for _ in 0..2_000 {
        let n = &mut numbers;
        let snapshot = Snapshot {
            build: n.text(),
            ready: if n.below(2) == 0 { Ok(()) } else { Err(n.text()) },
            version: (n.below(2) == 0).then(|| n.next()),
            remaining: (0..n.below(4)).map(|_| (n.name(), Duration::from_nanos(n.next()))).collect(),
            last_success: (0..n.below(4)).map(|_| (n.name(), Timestamp::MAX)).collect(),
            failures: (0..n.below(6)).map(|_| (((n.below(2) == 0).then(|| n.name()), n.text()), n.next())).collect(),
            token_not_rotated: (n.below(2) == 0).then(|| n.next()),
            token_worse: (n.below(2) == 0).then(|| n.next()),
            asks: (0..n.below(4)).map(|_| (n.text(), n.next())).collect(),
            endpoint_requests: (0..n.below(4)).map(|_| (u16::try_from(n.below(600)).unwrap(), n.next())).collect(),
        };
        let text = render(&snapshot);
        let samples = strict(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let options = [snapshot.version, snapshot.token_not_rotated, snapshot.token_worse];
        let maps = snapshot.remaining.len() + snapshot.last_success.len() + snapshot.failures.len();
        let counts = snapshot.asks.len() + snapshot.endpoint_requests.len();
        assert_eq!(samples.len(), 2 + options.iter().flatten().count() + maps + counts);
        for ((name, code), count) in &snapshot.failures {
            let scheme = name.as_ref().map_or("", |name| name.scheme().as_str()).to_owned();
            let mut labels = vec![("scheme".to_owned(), scheme), ("code".to_owned(), (*code).to_owned())];
            if let Some(target) = name.as_ref().and_then(CredentialName::target) {
                labels.insert(1, ("target".to_owned(), target.as_str().to_owned()));
            }
            assert!(samples.contains(&("safe_conduct_failures_total".to_owned(), labels, *count)), "{text}");
        }
    }
}

#[test]
fn it_is_alive_at_once_and_ready_while_credentials_may_be_served() {
    let job = Job::new();
    let listener = watching(&job);
    let ready = || get(listener.local_addr(), "/readyz");
    let is = |answer: Said, status, body: &str| assert_eq!((answer.status, answer.body.as_str()), (status, body));
    is(get(listener.local_addr(), "/livez"), 200, "alive\n");
    is(ready(), 503, "not ready: NO_CREDENTIALS_YET\n");
    job.publish(PLANTED[0], 3600);
    is(ready(), 200, "ready\n");
    job.clock.advance(Duration::from_secs(3584));
    is(ready(), 200, "ready\n");
    job.clock.advance(Duration::from_secs(1));
    is(ready(), 503, "not ready: CREDENTIALS_EXPIRED\n");
    is(get(listener.local_addr(), "/livez"), 200, "alive\n");
    let metrics = get(listener.local_addr(), "/metrics");
    assert!(metrics.head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8"), "{}", metrics.head);
    assert!(strict(&metrics.body).is_ok(), "{}", metrics.body);
    let build = format!("\nsafe_conduct_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    for line in [
        &build,
        "\nsafe_conduct_ready 0\n",
        "\nsafe_conduct_credential_version 1\n",
        "\nsafe_conduct_credential_expiry_seconds{scheme=\"s3a\"} 15\n",
    ] {
        assert!(metrics.body.contains(line), "{line}: {}", metrics.body);
    }
}

/// The numbers are those of the list of bad inputs that the tests work through.
#[test]
fn bad_requests_are_refused_as_the_endpoint_refuses_them() {
    let job = Job::new();
    job.publish(PLANTED[0], 3600);
    let listener = watching(&job);
    let header = |line: &str| format!("GET /readyz HTTP/1.1\r\nHost: ADDRESS\r\n{line}\r\n\r\n");
    let line = |line: &str| format!("{line}\r\nHost: ADDRESS\r\n\r\n");
    let path = |path: &str| line(&format!("GET {path} HTTP/1.1"));
    let mut rows = vec![
        (287, 400, "GET /readyz HTTP/1.1\r\n\r\n".to_owned()),
        (287, 400, header("Host: ADDRESS")),
        (292, 405, header("Origin: http://evil.com").replace("GET", "OPTIONS")),
        (293, 400, "M".repeat(3000)),
        (294, 400, path("http://ADDRESS/readyz")),
        (294, 400, line("CONNECT ADDRESS HTTP/1.1")),
        (294, 400, line("OPTIONS * HTTP/1.1")),
        (295, 400, path("/readyz\0")),
        (295, 400, path(&format!("/{}", "a".repeat(8192)))),
        (296, 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (296, 400, "GET /readyz\r\n\r\n".to_owned()),
        (299, 400, header(&format!("A: {}", "a".repeat(9 * 1024)))),
        (299, 400, header(&vec!["A: b"; 200].join("\r\n"))),
        (308, 400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()),
    ];
    rows.extend(
        ["POST", "PUT", "DELETE", "TRACE", "get", "Head"]
            .map(|method| (293, 405, line(&format!("{method} /metrics HTTP/1.1")))),
    );
    rows.extend(
        ["/", "/readyz/", "/x/../readyz", "//readyz", "/%72eadyz", "/Readyz", "/v1/credentials", "/REFLECTED%0d%0aA:b"]
            .map(|wrong| (295, 404, path(wrong))),
    );
    rows.extend(["HTTP/1.2", "HTTP/0.9"].map(|version| (296, 400, line(&format!("GET /readyz {version}")))));
    rows.extend(
        [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            "Content-Length: 4\r\n\r\nbody",
        ]
        .map(|sent| (297, 400, header(sent))),
    );
    rows.extend([" folded: x", "A: b\nC: d", "A: b\rC: d", "A : b", ": b", "A: b\0"].map(|s| (298, 400, header(s))));
    for (number, status, request) in rows {
        let answer = ask(listener.local_addr(), &request);
        assert_eq!(answer.status, status, "{number}: {request:?}");
        assert_eq!(answer.head.contains("\r\nAllow: GET, HEAD\r\n"), status == 405, "{number}: {}", answer.head);
    }
    assert_eq!(get(listener.local_addr(), "/readyz?verbose=REFLECTED").status, 200, "a query means nothing");
}

#[test]
fn head_gets_the_head_of_the_answer_to_get_and_one_connection_gets_one_answer() {
    let job = Job::new();
    let listener = watching(&job);
    for path in ["/livez", "/readyz", "/metrics", "/other"] {
        let whole = get(listener.local_addr(), path);
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: ADDRESS\r\n\r\n");
        let answer = ask(listener.local_addr(), &request);
        assert_eq!((answer.head, answer.body.as_str()), (whole.head, ""), "{path}");
        assert_eq!(ask(listener.local_addr(), &request.repeat(3)).body, "", "{path}");
    }
}

#[test]
fn silent_connections_do_not_hold_up_a_probe() {
    let job = Job::new();
    let listener = watching(&job);
    let silent: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(listener.local_addr()).unwrap()).collect();
    let mut probe = TcpStream::connect(listener.local_addr()).unwrap();
    // Less than what a silent connection gets while a thread is free.
    probe.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
    probe.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(silent);
}

#[test]
fn it_listens_where_it_is_told_to_and_a_taken_port_is_said() {
    let clock = || -> Arc<ManualClock> { ManualClock::at(job::NOW) };
    let start = |listen: SocketAddr, clock: Arc<dyn Clock>| {
        let store = Job::new().store;
        StatusListener::start(listen, Box::new(move |at| Snapshot::of(&store, at)), clock)
    };
    let everywhere = start("0.0.0.0:0".parse().unwrap(), clock()).unwrap();
    let port = everywhere.local_addr().port();
    assert_eq!(get(SocketAddr::from(([127, 0, 0, 1], port)), "/livez").status, 200);
    let taken = StatusError::Bind { listen: everywhere.local_addr(), kind: ErrorKind::AddrInUse };
    assert_eq!(start(everywhere.local_addr(), clock()).err(), Some(taken));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    drop(everywhere);
    assert_eq!(TcpStream::connect(address).map_err(|error| error.kind()).err(), Some(ErrorKind::ConnectionRefused));
}

#[test]
fn the_driver_counts_asks_by_what_became_of_them() {
    let job = Job::new();
    let server = job.serve();
    let (asks, port) = (server.asks(), server.local_addr().port());
    assert_eq!(asks.read(), [("bundle", 0), ("failed", 0), ("refused", 0), ("unchanged", 0)].into());
    let executor = job.executor(port);
    let _ = executor.ask(None).unwrap();
    job.publish("first", 3600);
    for _ in 0..2 {
        let Ok(Answer::Bundle { bundle, .. }) = executor.ask(None) else { panic!() };
        assert_eq!(secret_in(&bundle.credentials), "first");
    }
    let _ = executor.ask(job.store.newest().map(|held| held.version)).unwrap();
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let _ = executor.ask(None).unwrap();
    // An ask is counted once it has ended; stopping waits for that.
    server.stop();
    let counted = asks.read();
    let failed = counted["failed"];
    assert_eq!(counted, [("bundle", 3), ("failed", failed), ("refused", 1), ("unchanged", 1)].into());
    assert!(failed <= 1, "the one that said nothing, unless the stop came first");
}

#[test]
fn the_endpoint_counts_requests_by_status() {
    let job = Job::new();
    let settings = EndpointSettings { listen: listen(), scheme: s3a() };
    let token = Arc::new(Secret::from_text(PLANTED[1]));
    let endpoint = LoopbackEndpoint::start(settings, token, Arc::clone(&job.store), job.clock.clone()).unwrap();
    for (request, times) in [
        (format!("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\nAuthorization: {}\r\n\r\n", PLANTED[1]), 3),
        ("GET /v1/credentials HTTP/1.1\r\nHost: ADDRESS\r\n\r\n".to_owned(), 2),
        ("POST / HTTP/1.1\r\nHost: ADDRESS\r\n\r\n".to_owned(), 1),
    ] {
        for _ in 0..times {
            let mut stream = TcpStream::connect(endpoint.local_addr()).unwrap();
            let request = request.replace("ADDRESS", &endpoint.local_addr().to_string());
            stream.write_all(request.as_bytes()).unwrap();
            assert!(stream.read(&mut [0; 1]).unwrap() > 0);
        }
    }
    assert_eq!(endpoint.requests().read(), [(200, 0), (400, 0), (403, 2), (404, 0), (405, 1), (503, 3)].into());
}
