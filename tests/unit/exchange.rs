//! The provider `aws-sts` against recorded answers: what it sends, what it takes, and what it makes of each error.
//!
//! It is compiled into the library's own tests, because only there a user can be made without a signed token.

#[path = "chain.rs"]
mod chain;
#[path = "refusals.rs"]
mod refusals;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{AwsSts, AwsStsEndpoint, AwsStsError, AwsStsSettings, MAX_LIFE, RoleSettings, Variant};
use crate::codec::url::ServiceUrl;
use crate::credential::{ServiceCredential, s3a};
use crate::error::{Actionable, Fault, Retry};
use crate::identity::UserContext;
use crate::name::{Region, RoleArn, Scheme, SessionName};
use crate::provider::{AnswerError, CredentialProvider, ResolveError};
use crate::secret::WipedBuffer;
use crate::sys::http::{HttpError, HttpRequest, HttpResponse, Phase, Roots, UreqClient};
use crate::time::{Moment, Timestamp};

const ISSUER: &str = "https://issuer.example/realms/spark";
const SUBJECT: &str = "system:serviceaccount:spark:driver";
/// Not a token, only of a token's alphabet.
const TOKEN: &str = "PLANTED-header.PLANTED_payload.PLANTED~";
const NOW: &str = "2026-11-22T19:00:00Z";

/// The form of AWS's documented example, with made-up values.
const AWS: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:spark:driver</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/spark/driver-1</Arn>
      <AssumedRoleId>AROAEXAMPLEEXAMPLE123:driver-1</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>MADE/UP+SESSION=TOKEN</SessionToken>
      <SecretAccessKey>MADE/UP/SECRET+KEY</SecretAccessKey>
      <Expiration>2026-11-22T20:00:00Z</Expiration>
      <AccessKeyId>ASIAMADEUPMADEUP0001</AccessKeyId>
    </Credentials>
    <Provider>arn:aws:iam::123456789012:oidc-provider/issuer.example/realms/spark</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
"#;

fn at() -> Moment {
    Moment { wall: Timestamp::parse_rfc3339(NOW).unwrap(), monotonic: Duration::from_secs(5) }
}

fn user() -> UserContext {
    UserContext::for_tests(SUBJECT, ISSUER, TOKEN, 1_795_374_000, 1_795_377_600)
}

fn settings(endpoint: AwsStsEndpoint) -> AwsStsSettings {
    let role_arn = RoleArn::new("arn:aws:iam::123456789012:role/spark").unwrap();
    AwsStsSettings { role: RoleSettings::new(role_arn), endpoint }
}

fn region() -> AwsStsEndpoint {
    AwsStsEndpoint::Region { region: Region::new("eu-central-1").unwrap(), variant: Variant::default() }
}

fn answer(status: u16, body: &[u8], retry_after: Option<u64>) -> HttpResponse {
    let mut content = WipedBuffer::with_capacity(body.len());
    content.push(body).unwrap();
    HttpResponse { status, body: content, retry_after: retry_after.map(Duration::from_secs), date: None }
}

fn resolve_with(sts: &AwsSts) -> Result<ServiceCredential, AwsStsError> {
    match sts.resolve(&user(), &Scheme::new("s3a").unwrap(), at()) {
        Ok(credential) => Ok(credential),
        Err(ResolveError::AwsSts(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

/// One exchange that is answered like this.
fn exchange(status: u16, body: &str) -> Result<ServiceCredential, AwsStsError> {
    let body = body.to_owned();
    let http = move |_: &HttpRequest<'_>| Ok(answer(status, body.as_bytes(), None));
    resolve_with(&AwsSts::new(settings(region()), Arc::new(http)).unwrap())
}

fn refused(status: u16, body: &str) -> AnswerError {
    match exchange(status, body) {
        Err(AwsStsError::Answer(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn error_document(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

fn property<'a>(credential: &'a ServiceCredential, name: &str) -> &'a str {
    credential.property(name).unwrap().expose()
}

// What is sent.

#[test]
fn the_token_goes_in_the_body_of_a_post_and_nowhere_else() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&sent);
    let http = move |request: &HttpRequest<'_>| {
        assert_eq!(request.url.as_str(), "https://sts.eu-central-1.amazonaws.com");
        assert!(request.bearer.is_none());
        keep.lock().unwrap().push(String::from_utf8(request.form.unwrap().as_slice().to_vec()).unwrap());
        Ok(answer(200, AWS.as_bytes(), None))
    };
    let http = Arc::new(http);
    let mut named = settings(region());
    named.role.session_name = Some(SessionName::new("driver-1").unwrap());
    named.role.duration = Some(Duration::from_secs(900));
    resolve_with(&AwsSts::new(named, Arc::clone(&http) as _).unwrap()).unwrap();
    resolve_with(&AwsSts::new(settings(region()), http).unwrap()).unwrap();
    // Written by hand from the API's reference. The digits: `printf %s 'SUBJECT|ISSUER' | sha256sum | cut -c-8`.
    assert_eq!(
        *sent.lock().unwrap(),
        [
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fspark\
             &RoleSessionName=driver-1&DurationSeconds=900\
             &WebIdentityToken=PLANTED-header.PLANTED_payload.PLANTED~",
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fspark\
             &RoleSessionName=system-serviceaccount-spark-driver-95824118\
             &WebIdentityToken=PLANTED-header.PLANTED_payload.PLANTED~",
        ]
    );
}

#[test]
fn one_request_over_a_real_socket_has_no_more_headers_than_it_needs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        while !request.ends_with(b"PLANTED~") {
            let count = peer.read(&mut chunk).unwrap();
            assert_ne!(count, 0, "the request ended early");
            request.extend_from_slice(&chunk[..count]);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", AWS.len());
        peer.write_all(format!("{head}{AWS}").as_bytes()).unwrap();
        // Rule: no connection is kept. The client closes it once the answer is read.
        assert_eq!(peer.read(&mut chunk).unwrap(), 0);
        String::from_utf8(request).unwrap()
    });
    let url = ServiceUrl::new(&format!("http://{address}/sts")).unwrap();
    let url = AwsStsEndpoint::Url { url, signing_region: None };
    let http = Arc::new(UreqClient::new(Roots::Compiled).unwrap());
    let credential = resolve_with(&AwsSts::new(settings(url), http).unwrap()).unwrap();
    assert_eq!(property(&credential, s3a::ACCESS_KEY), "ASIAMADEUPMADEUP0001");
    let request = server.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head.split("\r\n").map(str::to_ascii_lowercase).collect();
    lines[1..].sort();
    assert_eq!(
        lines,
        [
            "post /sts http/1.1".to_owned(),
            "accept-encoding: identity".to_owned(),
            "accept: */*".to_owned(),
            format!("content-length: {}", body.len()),
            "content-type: application/x-www-form-urlencoded".to_owned(),
            format!("host: {address}"),
            format!("user-agent: safe-conduct/{}", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[test]
fn a_duration_is_taken_from_900_to_43200_seconds() {
    let made = |seconds| {
        let mut settings = settings(region());
        settings.role.duration = Some(Duration::from_secs(seconds));
        let http = |_: &HttpRequest<'_>| Err(HttpError::Resolve);
        AwsSts::new(settings, Arc::new(http)).map(|_| ())
    };
    assert_eq!(made(899), Err(AwsStsError::Duration { seconds: 899 }));
    assert_eq!(made(900), Ok(()));
    assert_eq!(made(43_200), Ok(()));
    assert_eq!(made(43_201), Err(AwsStsError::Duration { seconds: 43_201 }));
}

#[test]
fn another_scheme_than_s3a_is_refused_before_anything_is_sent() {
    let http = |_: &HttpRequest<'_>| -> Result<HttpResponse, HttpError> { panic!("sent") };
    let sts = AwsSts::new(settings(region()), Arc::new(http)).unwrap();
    let error = sts.resolve(&user(), &Scheme::new("gs").unwrap(), at()).unwrap_err();
    assert_eq!(error.facts().code, "STS_SCHEME");
}

// What is taken.

#[test]
fn an_answer_of_aws_becomes_a_credential_with_its_origin() {
    let credential = exchange(200, AWS).unwrap();
    assert_eq!(property(&credential, s3a::ACCESS_KEY), "ASIAMADEUPMADEUP0001");
    assert_eq!(property(&credential, s3a::SECRET_KEY), "MADE/UP/SECRET+KEY");
    assert_eq!(property(&credential, s3a::SESSION_TOKEN), "MADE/UP+SESSION=TOKEN");
    assert_eq!(property(&credential, s3a::ACCOUNT_ID), "123456789012");
    assert_eq!(credential.life(), Duration::from_secs(3600));
    let origin = credential.provenance();
    assert_eq!(origin.role.as_deref(), Some("arn:aws:iam::123456789012:role/spark"));
    assert_eq!(origin.credential_id.as_deref(), Some("ASIAMADEUPMADEUP0001"));
    assert_eq!(origin.request_id.as_deref(), Some("ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE"));
    assert!(origin.session_name.as_deref().unwrap().starts_with("system-serviceaccount-spark-driver-"));
}

#[test]
fn recorded_answers_of_minio_moto_and_ceph_become_credentials() {
    for (seed, account) in [
        (include_str!("../../fuzz/corpus/sts_xml/minio.xml"), None),
        (include_str!("../../fuzz/corpus/sts_xml/moto.xml"), Some("123456789012")),
        (include_str!("../../fuzz/corpus/sts_xml/ceph.xml"), None),
    ] {
        let credential = exchange(200, seed).unwrap();
        assert_eq!(credential.property(s3a::ACCOUNT_ID).map(|account| account.expose()), account);
        assert_eq!(property(&credential, s3a::SECRET_KEY).len(), 40);
    }
}

#[test]
fn a_credential_for_another_subject_is_refused() {
    for subject in ["system:serviceaccount:spark:other", "System:serviceaccount:spark:driver", "driver"] {
        assert_eq!(refused(200, &AWS.replace(SUBJECT, subject)), AnswerError::Subject, "{subject}");
    }
}

#[test]
fn a_provider_is_the_issuer_or_its_iam_arn_and_nothing_else() {
    let arn = "arn:aws:iam::123456789012:oidc-provider/issuer.example/realms/spark";
    for provider in [ISSUER, &arn.replace("arn:aws:", "arn:aws-us-gov:"), ""] {
        assert!(exchange(200, &AWS.replace(arn, provider)).is_ok(), "{provider}");
    }
    for provider in [
        "issuer.example/realms/spark",
        "https://issuer.example/realms/spark/",
        "https://issuer.example/realms",
        "arn:aws:iam::123456789012:oidc-provider/issuer.example/realms/sparks",
        "arn:aws:iam::123456789012:oidc-provider/evil.example/issuer.example/realms/spark",
        "arn:aws:iam::123456789012:saml-provider/issuer.example/realms/spark",
        "arn:aws:iam::12345678901:oidc-provider/issuer.example/realms/spark",
        "arn:evil:iam::123456789012:oidc-provider/issuer.example/realms/spark",
        "arn:aws:sts::123456789012:oidc-provider/issuer.example/realms/spark",
        "arn:aws:iam:x:123456789012:oidc-provider/issuer.example/realms/spark",
    ] {
        assert_eq!(refused(200, &AWS.replace(arn, provider)), AnswerError::Provider, "{provider}");
    }
}

// The limit is 366 days; 1_795_374_000 is `date -u -d 2026-11-22T19:00:00Z +%s`.
#[test]
fn bad_input_266_an_expiration_lies_in_the_future_and_within_the_limit() {
    let expires = |text: &str| AWS.replace("2026-11-22T20:00:00Z", text);
    let now = Timestamp::from_unix_seconds(1_795_374_000).unwrap();
    assert_eq!(refused(200, &expires(NOW)), AnswerError::Expired { expires_at: now, now });
    assert!(exchange(200, &expires("2026-11-22T19:00:01Z")).is_ok());
    let last = now.plus(MAX_LIFE);
    assert_eq!(last.to_string(), "2027-11-23T19:00:00Z");
    assert!(exchange(200, &expires("2027-11-23T19:00:00Z")).is_ok());
    let beyond = last.plus(Duration::from_secs(1));
    assert_eq!(refused(200, &expires("2027-11-23T19:00:01Z")), AnswerError::Life { expires_at: beyond, now });
}
