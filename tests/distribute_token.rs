//! Executors that send a service account token of their own: whose is taken, who fetches keys, and what each way refuses.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;
#[path = "../src/role/pods.rs"]
mod pods;
#[path = "support/tokens.rs"]
mod tokens;

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use certificates::{own, peer};
use job::{Job, NOW};
use pods::PodTokens;
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::distribute::message::Ask;
use safe_conduct::distribute::{
    Answer, AskError, ClientLimits, DriverProof, ExecutorProof, PeerRefusal, PeerVerifier, Refusal, RunningServer,
    ServerLimits,
};
use safe_conduct::error::Actionable;
use safe_conduct::identity::{Algorithm, ClaimPath, TokenVerifier};
use safe_conduct::ingest::KeySource;
use safe_conduct::name::{Audience, ExecutorName, Issuer};
use safe_conduct::secret::{Secret, WipedBuffer};
use safe_conduct::sys::file::FileError;
use safe_conduct::sys::http::{HttpClient, HttpError, HttpRequest, HttpResponse};
use safe_conduct::sys::tls::{Authorities, TlsError};
use safe_conduct::time::Clock;

const LONG: Duration = Duration::from_secs(20);

/// Claims as Kubernetes writes them for a pod of the job; `from` is replaced by `to`.
fn claims(from: &str, to: &str) -> String {
    let (issued, expires) = (NOW - 60, NOW + 3540);
    let claims = format!(
        r#"{{"iss":"https://cluster.example","aud":["safe-conduct"],"iat":{issued},"nbf":{issued},"exp":{expires},
        "sub":"system:serviceaccount:spark:etl-exec","kubernetes.io":{{"namespace":"spark",
        "pod":{{"name":"etl-1-exec-7","uid":"u"}},"serviceaccount":{{"name":"etl-exec","uid":"v"}}}}}}"#
    );
    assert!(claims.contains(from), "{from}");
    claims.replace(from, to)
}

fn token(from: &str, to: &str) -> String {
    tokens::signed(Algorithm::Es256, &claims(from, to))
}

fn good_token() -> String {
    token("etl-1-exec-7", "etl-1-exec-7")
}

fn verifier() -> TokenVerifier {
    let path = |pointer: &str| ClaimPath::new(pointer).unwrap();
    let (issuer, audience) = (Issuer::new("https://cluster.example").unwrap(), Audience::new("safe-conduct").unwrap());
    TokenVerifier::new(issuer, audience)
        .required_claim(path("/kubernetes.io/namespace"), "spark".to_owned())
        .required_claim(path("/kubernetes.io/serviceaccount/name"), "etl-exec".to_owned())
        .principal_claim(path("/kubernetes.io/pod/name"))
}

fn pod_tokens(job: &Job, source: KeySource) -> Arc<PodTokens> {
    Arc::new(PodTokens::new(verifier(), Some("etl-1-exec-".to_owned()), source, job.clock.moment()))
}

fn driver_proof(job: &Job) -> DriverProof {
    let source = KeySource::file(job.folder.write("jwks.json", tokens::jwks().as_bytes()));
    DriverProof::ExecutorTokens { own: own(&job.folder, "driver"), verifier: pod_tokens(job, source) }
}

fn executor_proof(job: &Job, token: PathBuf) -> ExecutorProof {
    ExecutorProof::Token { token, driver: peer(&job.folder, "ca", "driver.job.test") }
}

fn served() -> (Job, RunningServer) {
    let job = Job::new();
    job.publish("value", 3600);
    let server = job.serve_proving(driver_proof(&job), ServerLimits::default()).unwrap();
    (job, server)
}

fn ask(job: &Job, server: &RunningServer, token: &str) -> Result<Answer, AskError> {
    let proof = executor_proof(job, job.folder.write("token", token.as_bytes()));
    job.executor_proving(server.local_addr().port(), proof, ClientLimits::default()).unwrap().ask(None)
}

fn refusal(answer: Result<Answer, AskError>) -> Refusal {
    match answer {
        Ok(Answer::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_of_the_job_gets_the_bundle_and_the_audit_line_says_which_one() {
    let (job, server) = served();
    assert!(matches!(ask(&job, &server, &good_token()), Ok(Answer::Bundle { .. })));
    // As kubelet writes it, and as an editor does.
    assert!(matches!(ask(&job, &server, &format!("{}\n", good_token())), Ok(Answer::Bundle { .. })));
    let lines = job.audit.0.lock().unwrap();
    let who = r#""peer":"127.0.0.1","subject":"system:serviceaccount:spark:etl-exec","pod":"etl-1-exec-7""#;
    assert!(lines[0].contains(who), "{}", lines[0]);
    let secret = good_token();
    assert!(secret.split('.').all(|part| !lines.iter().any(|line| line.contains(part))));
}

#[test]
fn a_token_of_anybody_else_is_refused_by_the_rule_that_it_breaks() {
    let (job, server) = served();
    let judge = pod_tokens(&job, KeySource::file(job.file("jwks.json")));
    for (from, to, code) in [
        (r#""namespace":"spark""#, r#""namespace":"other""#, "TOKEN_CLAIM_VALUE"),
        (r#""namespace":"spark""#, r#""namespace":"spark2""#, "TOKEN_CLAIM_VALUE"),
        (r#""serviceaccount":{"name":"etl-exec""#, r#""serviceaccount":{"name":"default""#, "TOKEN_CLAIM_VALUE"),
        (r#""pod":{"name":"etl-1-exec-7""#, r#""pod":{"name":"etl-10-exec-7""#, "POD_PREFIX"),
        (r#""pod":{"name":"etl-1-exec-7""#, r#""pod":{"name":"my-etl-1-exec-7""#, "POD_PREFIX"),
        (r#""pod":{"name":"etl-1-exec-7""#, r#""pod":{"name":"etl-1-exec-7\n""#, "TOKEN_CLAIM"),
        (r#""pod":{"name":"etl-1-exec-7""#, r#""pod":{"name":"etl-1-exec-A""#, "POD_NAME"),
        (r#""pod":{"name":"etl-1-exec-7""#, r#""pods":{"name":"etl-1-exec-7""#, "TOKEN_CLAIM"),
        // The identity token, or one for the API server.
        (r#""aud":["safe-conduct"]"#, r#""aud":["sts.amazonaws.com"]"#, "TOKEN_AUDIENCE"),
        ("https://cluster.example", "https://other.example", "TOKEN_ISSUER"),
    ] {
        let sent = token(from, to);
        let said = judge.verify(Secret::from_text(&sent), job.clock.moment()).unwrap_err();
        assert!(matches!(&said, PeerRefusal::Refused { code: said, .. } if *said == code), "{to}: {said}");
        assert_eq!(refusal(ask(&job, &server, &sent)), Refusal::TokenRefused, "{to}");
        assert!(sent.split('.').all(|part| !said.to_string().contains(part)), "nothing of the token is repeated");
    }
    let unsigned = tokens::signed_with_other_key(r#"{"alg":"RS256","kid":"rsa"}"#, &claims("spark", "spark"));
    assert_eq!(refusal(ask(&job, &server, &unsigned)), Refusal::TokenRefused);
    assert_eq!(refusal(ask(&job, &server, "no.to.ken")), Refusal::TokenRefused);
    assert!(job.audit.0.lock().unwrap().is_empty(), "who is refused is no first ask");
    job.clock.advance(Duration::from_secs(3600));
    job.publish("value", 3600);
    assert_eq!(refusal(ask(&job, &server, &good_token())), Refusal::TokenRefused, "expired");
}

#[test]
fn a_token_file_that_is_not_there_or_empty_is_an_error_of_the_executor() {
    let (job, server) = served();
    let port = server.local_addr().port();
    let missing = job.file("missing");
    let client = job.executor_proving(port, executor_proof(&job, missing.clone()), ClientLimits::default()).unwrap();
    let refused = client.ask(None).map(drop);
    assert_eq!(refused, Err(AskError::Token(FileError::NotFound { path: missing })));
    let refused = ask(&job, &server, "").map(drop);
    assert_eq!(refused, Err(AskError::NoToken { path: job.file("token") }));
    assert_eq!(refused.unwrap_err().facts().code, "ASK_NO_TOKEN");
}

#[test]
fn a_rotated_token_counts_at_the_next_ask() {
    let (job, server) = served();
    let path = job.folder.write("token", token("spark", "other").as_bytes());
    let client = job.executor_proving(server.local_addr().port(), executor_proof(&job, path), ClientLimits::default());
    let client = client.unwrap();
    assert_eq!(refusal(client.ask(None)), Refusal::TokenRefused);
    job.folder.write("token", good_token().as_bytes());
    assert!(matches!(client.ask(None), Ok(Answer::Bundle { .. })));
}

#[test]
fn no_token_is_sent_to_a_driver_that_has_not_proved_itself() {
    // A driver of another name, and of another authority: the handshake ends before there is anything to send into.
    let (job, server) = served();
    let path = job.folder.write("token", good_token().as_bytes());
    for driver in [peer(&job.folder, "ca", "other.job.test"), peer(&job.folder, "other-ca", "driver.job.test")] {
        let proof = ExecutorProof::Token { token: path.clone(), driver };
        let client = job.executor_proving(server.local_addr().port(), proof, ClientLimits::default()).unwrap();
        assert!(matches!(client.ask(None), Err(AskError::DriverCertificate { .. })));
    }
}

/// A client in TLS with the driver that then says what it likes.
fn admitted(job: &Job, server: &RunningServer) -> safe_conduct::sys::tls::TlsStream {
    let name = peer(&job.folder, "ca", "driver.job.test").name;
    let connector = Authorities::from_pem(&certificates::text("ca.pem"), name).unwrap().connector().unwrap();
    let socket = Arc::new(TcpStream::connect(server.local_addr()).unwrap());
    let mut stream = connector.connect(socket, LONG).unwrap();
    stream.set_deadline(LONG);
    stream
}

#[test]
fn an_older_executor_that_asks_without_a_token_is_refused_with_a_reason() {
    let (job, server) = served();
    let mut stream = admitted(&job, &server);
    let ask = Ask { executor: ExecutorName::new("old").unwrap(), have: None }.encode().unwrap();
    stream.write_all(ask.as_slice()).unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).unwrap();
    // Kind 4, and reason 3 at the end of 17 bytes of body.
    assert_eq!((&answer[..8], answer[24]), (&b"SC\x01\x04\0\0\0\x11"[..], 3));
}

#[test]
fn bad_inputs_309_to_313_a_stranger_gets_no_more_time_or_room_than_an_ask_needs() {
    let (job, _) = served();
    let far_off = Duration::from_secs(3600);
    let closed = |server: &RunningServer, header: &[u8]| {
        let mut stream = admitted(&job, server);
        let _ = stream.write_all(header);
        let said = stream.read_exact(&mut [0; 1]);
        assert!(matches!(said, Err(TlsError::Broken { .. })), "{header:?}: {said:?}");
    };
    // 20,259 bytes announced (by `printf %x 20259`), one more than the longest; an answer's kind; an empty body. None is
    // waited for: the deadline is far off.
    let limits = ServerLimits { threads: 1, authenticate: far_off, exchange: far_off };
    let server = job.serve_proving(driver_proof(&job), limits).unwrap();
    for header in [b"SC\x01\x05\0\0\x4f\x23", b"SC\x01\x02\0\0\0\0", b"SC\x01\x05\0\0\0\0"] {
        closed(&server, header);
    }
    server.stop();
    // The longest, announced and never sent: closed when the time to prove oneself is over, not an hour later.
    let limits = ServerLimits { authenticate: Duration::from_millis(600), ..limits };
    let server = job.serve_proving(driver_proof(&job), limits).unwrap();
    closed(&server, b"SC\x01\x05\0\0\x4f\x22");
    assert!(matches!(ask(&job, &server, &good_token()), Ok(Answer::Bundle { .. })), "the one thread is free again");
}

/// Serves the keys, counts how often, and waits for the test where it is told to.
struct Keys {
    calls: AtomicUsize,
    slow: Mutex<Option<(Arc<Barrier>, Arc<Barrier>)>>,
}

impl HttpClient for Keys {
    fn send(&self, _: &HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some((begun, go_on)) = self.slow.lock().unwrap().take() {
            begun.wait();
            go_on.wait();
        }
        let mut body = WipedBuffer::with_capacity(64 * 1024);
        body.push(tokens::jwks().as_bytes()).unwrap();
        Ok(HttpResponse { status: 200, body, retry_after: None, date: None })
    }
}

#[test]
fn one_thread_fetches_keys_and_no_other_waits_for_it_or_fetches_too() {
    let job = Job::new();
    let issuer = Arc::new(Keys { calls: AtomicUsize::new(0), slow: Mutex::new(None) });
    let url = ServiceUrl::new("https://cluster.example/keys").unwrap();
    let hour = Duration::from_secs(3600);
    let source = KeySource::url(url, issuer.clone(), None, hour, hour * 24);
    let judge = pod_tokens(&job, source);
    assert_eq!(issuer.calls.load(Ordering::SeqCst), 1, "once at start");
    let judged = |token: &str| judge.verify(Secret::from_text(token), job.clock.moment());
    let header = r#"{"alg":"ES256","kid":"made-up"}"#;
    let stranger = tokens::signed_with_header(Algorithm::Es256, header, &claims("spark", "spark"));
    // Within 30 s of a fetch, a key id that nobody knows fetches nothing.
    assert!(matches!(judged(&stranger), Err(PeerRefusal::Refused { code: "KEY_UNKNOWN", .. })));
    assert_eq!(issuer.calls.load(Ordering::SeqCst), 1);
    job.clock.advance(Duration::from_secs(31));
    let (begun, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    *issuer.slow.lock().unwrap() = Some((begun.clone(), go_on.clone()));
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| judged(&stranger));
        begun.wait();
        // The issuer does not answer yet. Whoever has a known key goes through, whoever has not is told to come again.
        let (tell, told) = channel();
        let (judged, stranger) = (&judged, &stranger);
        scope.spawn(move || tell.send(Vec::from_iter((0..32).map(|_| (judged(&good_token()), judged(stranger))))));
        let verdicts = told.recv_timeout(LONG);
        go_on.wait();
        for (known, unknown) in verdicts.expect("nobody waits for the issuer") {
            assert!(known.is_ok(), "{known:?}");
            assert!(matches!(unknown, Err(PeerRefusal::Unchecked { code: "POD_KEYS_FETCHING", .. })), "{unknown:?}");
        }
        assert!(matches!(fetching.join().unwrap(), Err(PeerRefusal::Refused { code: "KEY_UNKNOWN", .. })));
    });
    assert_eq!(issuer.calls.load(Ordering::SeqCst), 2);
}

#[test]
fn keys_that_cannot_be_had_are_a_reason_to_ask_again() {
    let job = Job::new();
    job.publish("value", 3600);
    let verifier = pod_tokens(&job, KeySource::file(job.file("no-jwks.json")));
    let proof = DriverProof::ExecutorTokens { own: own(&job.folder, "driver"), verifier };
    let server = job.serve_proving(proof, ServerLimits::default()).unwrap();
    assert_eq!(refusal(ask(&job, &server, &good_token())), Refusal::TokenUnchecked);
    job.folder.write("no-jwks.json", tokens::jwks().as_bytes());
    assert!(matches!(ask(&job, &server, &good_token()), Ok(Answer::Bundle { .. })));
}

#[test]
fn each_way_takes_its_own_executors_and_refuses_those_of_the_other_two() {
    let job = Job::new();
    job.publish("value", 3600);
    let path = job.folder.write("token", good_token().as_bytes());
    let drivers = [DriverProof::KeyFile(job.file("driver.pem")), certificates::driver(&job.folder), driver_proof(&job)];
    let executors = [
        ExecutorProof::KeyFile(job.file("executors.pem")),
        certificates::executor(&job.folder, own(&job.folder, "executor")),
        executor_proof(&job, path),
    ];
    for (driver, driver_proof) in drivers.into_iter().enumerate() {
        let server = job.serve_proving(driver_proof, ServerLimits::default()).unwrap();
        for (executor, proof) in executors.iter().enumerate() {
            let port = server.local_addr().port();
            let client = job.executor_proving(port, proof.clone(), ClientLimits::default()).unwrap();
            let said = client.ask(None);
            let expected = match (driver, executor) {
                (0, 0) | (1, 1) | (2, 2) => matches!(said, Ok(Answer::Bundle { .. })),
                // Keys or certificates: that is settled in the hellos. A certificate is asked for, and there is none.
                (0, 1 | 2) | (1, 0 | 2) | (2, 0) => {
                    matches!(&said, Err(error @ AskError::OtherProof { .. }) if error.facts().code == "ASK_OTHER_PROOF")
                }
                // No certificate is asked for, but a token is.
                _ => matches!(&said, Ok(Answer::Refused { refusal: refusal @ Refusal::TokenRequired, .. })
                    if refusal.facts().remedy.contains("distribution.executorToken.file")),
            };
            assert!(expected, "driver {driver}, executor {executor}: {said:?}");
        }
    }
    assert_eq!(job.audit.0.lock().unwrap().len(), 3, "nobody else got to ask");
}
