//! Bad inputs 210 and 216 to 271 at the provider, number by number, over real sockets on loopback: each answer of a
//! service ends in its code, nothing of it is repeated, and the token went out once.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use folder::Folder;
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::error::{Actionable, Retry};
use safe_conduct::identity::{Algorithm, TokenVerifier, UserContext};
use safe_conduct::ingest::{FileTokenIngestor, KeySource, TokenIngestor};
use safe_conduct::name::{Audience, Issuer, RoleArn, Scheme};
use safe_conduct::provider::{AwsSts, AwsStsEndpoint, AwsStsSettings, CredentialProvider, ResolveError, RoleSettings};
use safe_conduct::sys::http::{Roots, UreqClient};
use safe_conduct::time::{Moment, Timestamp};

// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

/// Limits for peers that would keep us waiting: the only waiting in this file.
const SHORT: Duration = Duration::from_millis(300);

const ID: &str = "<AccessKeyId>ASIAEXAMPLE000000000</AccessKeyId>";
const SECRET: &str = "<SecretAccessKey>PLANTED-secret</SecretAccessKey>";
const SESSION: &str = "<SessionToken>PLANTED-session</SessionToken>";
const EXPIRATION: &str = "<Expiration>2027-01-15T09:00:00Z</Expiration>";

/// A whole answer of STS with this inside its result.
fn result(inside: &str) -> String {
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult>{inside}</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}

fn good() -> String {
    result(&format!("<Credentials>{ID}{SECRET}{SESSION}{EXPIRATION}</Credentials>"))
}

/// The same with `from` written as `to`.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let whole = good();
    assert!(whole.contains(from), "{from}");
    ok(&whole.replace(from, to))
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

fn with_head(status: u16, head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn http(status: u16, body: &str) -> Vec<u8> {
    with_head(status, "", body)
}

fn ok(body: &str) -> Vec<u8> {
    http(200, body)
}

fn user() -> UserContext {
    let folder = Folder::new();
    let (issued, expires) = (NOW - 60, NOW + 3000);
    let claims =
        format!("{{\"iss\":\"https://i\",\"aud\":\"a\",\"sub\":\"alice\",\"iat\":{issued},\"exp\":{expires}}}");
    let token = folder.write("token", tokens::signed(Algorithm::EdDsa, &claims).as_bytes());
    let keys = KeySource::file(folder.write("jwks.json", tokens::jwks().as_bytes()));
    let verifier = TokenVerifier::new(Issuer::new("https://i").unwrap(), Audience::new("a").unwrap());
    FileTokenIngestor::new(token, verifier, keys).load(now()).unwrap()
}

fn now() -> Moment {
    Moment { wall: Timestamp::from_unix_seconds(NOW).unwrap(), monotonic: Duration::ZERO }
}

/// Serves one connection with `serve` once the whole request has arrived.
fn service(serve: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (peer, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(peer);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("&WebIdentityToken="));
        serve(reader.into_inner());
        // Rule: the token is sent once. Whoever asked again would be in the queue by now.
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was asked again");
    });
    (address, thread)
}

fn asked(address: SocketAddr, limit: Duration) -> Result<(), ResolveError> {
    let url = ServiceUrl::new(&format!("http://{address}/")).unwrap();
    let role = RoleSettings::new(RoleArn::new("arn:aws:iam::123456789012:role/spark").unwrap());
    let settings = AwsStsSettings { role, endpoint: AwsStsEndpoint::Url { url, signing_region: None } };
    let http = UreqClient::new(Roots::Compiled).unwrap().with_limits(limit, limit);
    let sts = AwsSts::new(settings, Arc::new(http)).unwrap();
    sts.resolve(&user(), &Scheme::s3a(), now()).map(|_| ())
}

/// What becomes of a service that does this: a code and whether waiting helps.
fn outcome(limit: Duration, serve: impl FnOnce(TcpStream) + Send + 'static) -> (&'static str, Retry) {
    let (address, thread) = service(serve);
    let outcome = asked(address, limit);
    thread.join().unwrap();
    match outcome {
        Ok(()) => ("OK", Retry::Never),
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("PLANTED") && !shown.contains("eyJ"), "{shown}");
            (error.facts().code, error.facts().retry)
        }
    }
}

/// What becomes of these bytes, after which the service closes.
fn answered(bytes: Vec<u8>) -> (&'static str, Retry) {
    // We may have closed first, having read enough.
    outcome(Duration::from_secs(10), move |mut peer| drop(peer.write_all(&bytes)))
}

/// Each answer ends in this code.
fn all(code: &str, retry: Retry, answers: Vec<(u16, Vec<u8>)>) {
    for (number, bytes) in answers {
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
        assert_eq!(answered(bytes), (code, retry), "bad input {number}: {shown}");
    }
}

#[test]
fn a_sound_answer_is_taken_however_its_end_is_marked_also_229_and_261() {
    let no_namespace = good().replace(" xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"", "");
    let body = good();
    all(
        "OK",
        Retry::Never,
        vec![
            (0, ok(&body)),
            (0, format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes()),
            (229, format!("HTTP/1.0 200 OK\r\n\r\n{body}").into_bytes()),
            (
                0,
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
                    .into_bytes(),
            ),
            (
                230,
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                    .into_bytes(),
            ),
            (261, ok(&no_namespace)),
        ],
    );
}

#[test]
fn bad_input_210_a_redirect_ends_the_exchange_and_the_token_goes_nowhere_else() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("Location: http://{}/\r\n", elsewhere.local_addr().unwrap());
    let all_of_them = [300, 301, 302, 303, 307, 308].map(|status| (210, with_head(status, &location, "")));
    all("STS_REDIRECTED", Retry::Never, all_of_them.into());
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn bad_inputs_216_217_218_a_service_that_is_slow_or_silent_costs_its_time_and_no_more() {
    for start in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<"] {
        let code = outcome(SHORT, move |mut peer| {
            peer.write_all(start.as_bytes()).unwrap();
            // Until it hangs up.
            let _ = peer.read(&mut [0; 16]);
        });
        assert_eq!(code, ("HTTP_TIMEOUT", Retry::Backoff), "{start}");
    }
}

#[test]
fn bad_inputs_219_227_228_an_answer_that_is_cut_is_asked_for_again() {
    let body = good();
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}", body.len());
    let answers =
        [whole.len() - 1, whole.len() - body.len(), 20].map(|length| (227, whole.as_bytes()[..length].to_vec()));
    all("HTTP_DISCONNECTED", Retry::Backoff, answers.into());
    all("HTTP_DISCONNECTED", Retry::Backoff, vec![(219, chunked.into_bytes()), (219, Vec::new())]);
    let until_closed = |length: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}", &body[..length]).into_bytes();
    // Behind the root's tag: before a tag, in a name, in a value and in the last tag.
    let places = [
        body.find("<Credentials").unwrap(),
        body.find("AccessKeyId").unwrap() + 3,
        body.find("PLANTED").unwrap() + 3,
        body.len() - 1,
    ];
    all("STS_ANSWER_CUT", Retry::Backoff, places.map(|length| (228, until_closed(length))).into());
}

#[test]
fn bad_inputs_220_to_222_what_is_too_long_is_not_read_to_its_end() {
    let head = |head: String| format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n").into_bytes();
    all("HTTP_HEAD_TOO_LONG", Retry::Backoff, vec![(220, head(format!("X: {}\r\n", "x".repeat(2_000_000))))]);
    all("HTTP_PROTOCOL", Retry::Backoff, vec![(221, head("X: y\r\n".repeat(5000)))]);
    let endless = outcome(Duration::from_secs(10), |mut peer| {
        peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        while peer.write_all(b"4\r\nxxxx\r\n").is_ok() {}
    });
    assert_eq!(endless, ("HTTP_BODY_TOO_LONG", Retry::Backoff), "222");
    let text = result(&format!("<x>{}</x>", "x".repeat(1_000_000)));
    let message = http(403, &error("AccessDenied", &format!("PLANTED{}", "x".repeat(1_000_000))));
    all("HTTP_BODY_TOO_LONG", Retry::Backoff, vec![(260, ok(&text)), (238, message)]);
}

#[test]
fn bad_inputs_223_to_226_229_to_231_framing_that_can_be_read_in_two_ways_is_no_answer() {
    let body = good();
    let framed = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes();
    all(
        "HTTP_PROTOCOL",
        Retry::Backoff,
        vec![
            (223, framed("Transfer-Encoding: chunked")),
            (224, framed(&format!("Transfer-Encoding: chunked\r\nContent-Length: {}", body.len()))),
            (225, framed(&format!("Content-Length: {}\r\nContent-Length: 5", body.len()))),
            (226, framed("Content-Length: -1")),
            (226, framed("Content-Length: 99999999999999999999")),
            (229, body.clone().into_bytes()),
        ],
    );
    all("HTTP_CONTENT_ENCODING", Retry::Backoff, vec![(231, framed("Content-Encoding: gzip"))]);
    let interim = outcome(SHORT, |mut peer| while peer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {});
    assert_eq!(interim, ("HTTP_HEAD_TOO_LONG", Retry::Backoff), "230");
}

#[test]
fn bad_inputs_232_to_237_270_271_a_status_and_a_document_count_together() {
    all("STS_REDIRECTED", Retry::Never, vec![(232, b"HTTP/1.1 304 X\r\n\r\n".to_vec())]);
    all(
        "STS_ANSWER_MALFORMED",
        Retry::Never,
        vec![
            (232, b"HTTP/1.1 204 X\r\n\r\n".to_vec()),
            (233, http(401, "<html><body>PLANTED</body></html>")),
            (233, http(403, "Forbidden PLANTED")),
            (271, ok("{\"Credentials\":{\"SecretAccessKey\":\"PLANTED\"}}")),
            (271, http(400, "{\"__type\":\"AccessDenied\"}")),
        ],
    );
    let paused = |status: u16, body: &str| with_head(status, "Retry-After: 7\r\n", body);
    all("STS_GATEWAY", Retry::Backoff, vec![(234, paused(429, "busy")), (234, paused(503, "<html>busy</html>"))]);
    all("STS_THROTTLED", Retry::Backoff, vec![(234, paused(503, &error("SlowDown", "PLANTED")))]);
    all("STS_EXPIRED_TOKEN", Retry::OnNewToken, vec![(235, http(400, &error("ExpiredToken", "PLANTED")))]);
    all("STS_IDP_UNREACHABLE", Retry::Backoff, vec![(236, http(400, &error("IDPCommunicationError", "PLANTED")))]);
    all("STS_ACCESS_DENIED", Retry::Never, vec![(237, http(403, &error("AccessDenied", "PLANTED")))]);
    let contradictions =
        vec![(270, http(500, &good())), (270, ok(&error("AccessDenied", "PLANTED"))), (270, http(201, &good()))];
    all("STS_ANSWER_STATUS", Retry::Backoff, contradictions);
}

#[test]
fn bad_inputs_238_239_nothing_that_a_service_says_is_repeated() {
    let refused = |message: &str| http(403, &error("AccessDenied", message));
    let id = |id: &str| http(403, &error("AccessDenied", "m").replace("r-1", id));
    let messages = ["PLANTED eyJhbGciOiJub25lIn0", "&lt;script&gt;PLANTED&lt;/script&gt;", "a\nerror[PLANTED]: b"];
    all("STS_ACCESS_DENIED", Retry::Never, messages.map(|message| (238, refused(message))).into());
    all("STS_ACCESS_DENIED", Retry::Never, vec![(239, id("PLANTED\r\nX: y")), (239, id("PLANTED&#13;&#10;X: y"))]);
    all(
        "STS_ANSWER_MALFORMED",
        Retry::Never,
        vec![(238, refused("\u{1b}[31mPLANTED")), (238, refused("&#27;[31mPLANTED"))],
    );
}

#[test]
fn bad_inputs_240_to_261_268_269_what_is_not_plain_xml_is_refused() {
    let in_front = |text: &str| ok(&format!("{text}{}", good()));
    let laughs = "<!DOCTYPE l [<!ENTITY a \"PLANTED\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let utf_16: String = good().chars().flat_map(|c| [c, '\0']).collect();
    let with_bytes = |bytes: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        [head.as_bytes(), bytes].concat()
    };
    let deep = result(&"<x>".repeat(20_000));
    all(
        "STS_ANSWER_MALFORMED",
        Retry::Never,
        vec![
            (240, with_bytes(&[good().as_bytes(), b"\xff"].concat())),
            (241, with_bytes(&[b"\xff\xfe", utf_16.as_bytes()].concat())),
            (242, in_front("<!DOCTYPE AssumeRoleWithWebIdentityResponse>")),
            (243, in_front(laughs)),
            (244, in_front(&format!("<!DOCTYPE l [<!ENTITY a \"{}\">]>", "PLANTED".repeat(10_000)))),
            (245, in_front("<!DOCTYPE l [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>")),
            (246, in_front("<!DOCTYPE l [<!ENTITY % a SYSTEM \"http://127.0.0.1:1/\"> %a;]>")),
            (247, in_front("<?xml-stylesheet href='PLANTED'?>")),
            (248, changed("ASIAEXAMPLE", "ASIA<!-- PLANTED -->EXAMPLE")),
            (250, changed("PLANTED-secret", "&nbsp;PLANTED")),
            (251, changed("PLANTED-secret", "&#0;PLANTED")),
            (251, changed("PLANTED-secret", "&#xD800;PLANTED")),
            (252, in_front(&good())),
            (253, in_front("PLANTED")),
            (257, ok(&good().replacen(" xmlns", &format!(" {} xmlns", "a=\"b\" ".repeat(30_000)), 1))),
            (258, ok(&good().replacen(" xmlns", " xmlns:a=\"PLANTED\" xmlns", 1))),
            (259, ok(&deep)),
            (261, changed("https://sts.amazonaws.com/doc/2011-06-15/", "http://s3.amazonaws.com/doc/2006-03-01/")),
            (261, changed("Credentials", "s:Credentials")),
            (268, in_front("<?xml version=\"1.1\"?>")),
            (268, in_front("<?xml version=\"1.0\" encoding=\"UTF-16\"?>")),
            (269, changed("PLANTED-secret", "PLANTED\u{1}")),
        ],
    );
    // Broken behind its root, as damage on the way would break it.
    all(
        "STS_ANSWER_CUT",
        Retry::Backoff,
        vec![
            (249, changed("PLANTED-secret", "<![CDATA[PLANTED]]>")),
            (254, ok(&good().replace("</AssumeRoleWithWebIdentityResponse>", ""))),
            (255, changed("</SecretAccessKey>", "</SessionToken>")),
        ],
    );
    all("STS_ANSWER_MALFORMED", Retry::Never, vec![(256, ok(&good().replacen(" xmlns", " xmlns=\"a\" xmlns", 1)))]);
}

#[test]
fn bad_inputs_262_to_267_a_value_that_is_not_exactly_one_of_its_form_is_no_credential() {
    let credentials = format!("<Credentials>{ID}{SECRET}{SESSION}{EXPIRATION}</Credentials>");
    let elsewhere = good().replace("AssumeRoleWithWebIdentityResult", "AssumeRoleResult");
    let expires = |text: &str| changed("2027-01-15T09:00:00Z", text);
    all(
        "STS_ANSWER_MALFORMED",
        Retry::Never,
        vec![
            (262, ok(&result(&format!("{credentials}{credentials}")))),
            (263, changed(SECRET, &format!("{SECRET}{SECRET}"))),
            (263, changed(SECRET, "")),
            (263, changed(SECRET, "<SecretAccessKey/>")),
            (264, ok(&elsewhere)),
            (264, http(403, &format!("<Error>{credentials}</Error>"))),
            (265, changed("SecretAccessKey", "secretAccessKey")),
            (266, expires("soon")),
            (266, expires("2027-01-15T09:00:00")),
            (266, expires("10000-01-01T00:00:00Z")),
            (267, changed("ASIAEXAMPLE000000000", "ASIA EXAMPLE00000000")),
            (267, changed("ASIAEXAMPLE000000000", &"A".repeat(200))),
        ],
    );
    all("STS_ANSWER_EXPIRED", Retry::Backoff, vec![(266, expires("2027-01-15T08:00:00Z"))]);
    all("STS_ANSWER_LIFE", Retry::Never, vec![(266, expires("2029-01-15T08:00:00Z"))]);
    all("OK", Retry::Never, vec![(266, expires("2027-01-15T21:00:00Z"))]);
}
