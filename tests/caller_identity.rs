//! GetCallerIdentity: what is signed and sent, and which answers are read.

#[path = "support/signature.rs"]
mod signature;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::codec::sts_xml::{CallerAnswer, CallerIdentity, XmlError, parse_caller_identity_answer};
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::credential::{ServiceCredential, s3a};
use safe_conduct::error::Actionable;
use safe_conduct::name::{PropertyName, Region, RoleArn};
use safe_conduct::provider::{AwsSts, AwsStsEndpoint, AwsStsError, AwsStsSettings, Refusal, RoleSettings, Variant};
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sys::http::{HttpError, HttpRequest, HttpResponse};
use safe_conduct::time::{Moment, Timestamp};

const SECRET: &str = "PLANTED+secret/key";
const SESSION: &str = "PLANTED/session+token==";

/// AWS STS API Reference, GetCallerIdentity, the example of an assumed role.
const ANSWER: &[u8] = include_bytes!("../fuzz/corpus/sts_xml/caller.xml");

fn at() -> Moment {
    let wall = Timestamp::parse_rfc3339("2026-11-22T20:10:59Z").unwrap();
    Moment { wall, monotonic: Duration::from_secs(5) }
}

fn credential() -> ServiceCredential {
    let values = [(s3a::ACCESS_KEY, "ASIAMADEUPMADEUP0001"), (s3a::SECRET_KEY, SECRET), (s3a::SESSION_TOKEN, SESSION)];
    let values: BTreeMap<_, _> =
        values.map(|(name, value)| (PropertyName::new(name).unwrap(), Secret::from_text(value))).into();
    ServiceCredential::new(values, at().wall.plus(Duration::from_secs(3600)), at()).unwrap()
}

/// What was sent: path, headers, body.
type Sent = (String, Vec<(String, String)>, Vec<u8>);

/// Asks an STS at `endpoint` that answers so.
fn asked(endpoint: AwsStsEndpoint, status: u16, answer: &[u8]) -> (Result<CallerIdentity, AwsStsError>, Sent) {
    let (sent, answer) = (Arc::new(Mutex::new(None)), answer.to_vec());
    let kept = Arc::clone(&sent);
    let http = move |request: &HttpRequest<'_>| -> Result<HttpResponse, HttpError> {
        let signed = request.signature.unwrap();
        assert!(request.bearer.is_none());
        let rest = request.url.as_str().split_once("://").unwrap().1;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", host),
            ("authorization", &signed.headers.authorization),
            ("x-amz-date", &signed.headers.date_time),
            ("x-amz-security-token", signed.session_token.unwrap().expose()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        *kept.lock().unwrap() = Some((format!("/{path}"), headers, request.form.unwrap().as_slice().to_vec()));
        Ok(HttpResponse { status, body: WipedBuffer::copy_of(&answer), retry_after: None, date: None })
    };
    let role_arn = RoleArn::new("arn:aws:iam::123456789012:role/spark").unwrap();
    let settings = AwsStsSettings { role: RoleSettings::new(role_arn), endpoint };
    let result = AwsSts::new(settings, Arc::new(http)).unwrap().caller_identity(&credential(), at());
    let sent = sent.lock().unwrap().take().unwrap();
    (result, sent)
}

fn url(text: &str) -> AwsStsEndpoint {
    AwsStsEndpoint::Url { url: ServiceUrl::new(text).unwrap(), signing_region: None }
}

fn at_url(status: u16, answer: &[u8]) -> Result<CallerIdentity, AwsStsError> {
    asked(url("https://sts.example"), status, answer).0
}

#[test]
fn the_request_is_signed_for_its_host_path_region_and_day_and_holds_no_secret_key() {
    let region = AwsStsEndpoint::Region { region: Region::new("eu-central-1").unwrap(), variant: Variant::default() };
    for (endpoint, host, expected) in [
        (region, "sts.eu-central-1.amazonaws.com", "20261122/eu-central-1/sts/aws4_request"),
        (url("http://127.0.0.1:9000"), "127.0.0.1:9000", "20261122/us-east-1/sts/aws4_request"),
        (url("https://ceph.example/sts/"), "ceph.example", "20261122/us-east-1/sts/aws4_request"),
    ] {
        let (result, (path, headers, body)) = asked(endpoint, 200, ANSWER);
        assert!(result.is_ok(), "{result:?}");
        assert!(headers.contains(&("host".to_owned(), host.to_owned())));
        assert_eq!(body, b"Action=GetCallerIdentity&Version=2011-06-15");
        assert_eq!(signature::scope_of(&path, &headers, &body, SECRET).as_deref(), Some(expected), "{host}");
        assert_eq!(signature::scope_of(&path, &headers, &body, "another"), None);
        assert_eq!(signature::scope_of("/elsewhere", &headers, &body, SECRET), None);
        assert!(!format!("{headers:?}").contains(SECRET));
    }
}

#[test]
fn the_host_is_signed_as_it_is_sent_also_with_the_schemes_own_port() {
    let (_, (path, mut headers, body)) = asked(url("https://sts.example:443"), 200, ANSWER);
    // The client leaves the scheme's own port out (RFC 9110, section 7.2).
    headers.iter_mut().find(|(name, _)| name == "host").unwrap().1 = "sts.example".to_owned();
    assert!(signature::scope_of(&path, &headers, &body, SECRET).is_some());
}

#[test]
fn account_arn_and_user_id_are_read() {
    let expected = CallerIdentity {
        account: "123456789012".to_owned(),
        arn: "arn:aws:sts::123456789012:assumed-role/my-role-name/my-role-session-name".to_owned(),
        user_id: "ARO123EXAMPLE123:my-role-session-name".to_owned(),
    };
    assert_eq!(at_url(200, ANSWER), Ok(expected.clone()));
    assert_eq!(parse_caller_identity_answer(ANSWER), Ok(CallerAnswer::Identity(expected)));
}

#[test]
fn a_value_that_is_missing_twice_there_or_of_another_form_is_refused_by_its_name() {
    let text = String::from_utf8(ANSWER.to_vec()).unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        parse_caller_identity_answer(text.replace(from, to).as_bytes()).unwrap_err()
    };
    for (element, name) in [("Account", "Account"), ("Arn", "the caller's Arn"), ("UserId", "UserId")] {
        assert_eq!(replaced(&format!("{element}>"), "Other>"), XmlError::Missing { element: name });
        let twice = format!("<{element}>x</{element}></GetCallerIdentityResult>");
        assert_eq!(replaced("</GetCallerIdentityResult>", &twice), XmlError::Duplicate { element: name });
    }
    for (from, to, element) in [
        ("<Account>123456789012", "<Account>12345678901", "Account"),
        ("<Account>123456789012", "<Account>1234567890123", "Account"),
        ("<Account>123456789012", "<Account>12345678901a", "Account"),
        ("<Arn>arn:aws", "<Arn>urn:aws", "the caller's Arn"),
        ("my-role-name/", "my role name/", "the caller's Arn"),
        ("<UserId>ARO123EXAMPLE123:", "<UserId>\u{e9}", "UserId"),
    ] {
        assert_eq!(replaced(from, to), XmlError::Value { element }, "{to}");
    }
    let role = include_bytes!("../fuzz/corpus/sts_xml/aws.xml");
    assert_eq!(parse_caller_identity_answer(role), Err(XmlError::Root), "another action's answer");
}

#[test]
fn a_refusal_a_redirect_and_an_answer_that_contradicts_its_status_are_errors_of_their_own() {
    let error = |code: &str| format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>").into_bytes();
    let refused = at_url(403, &error("SignatureDoesNotMatch")).unwrap_err();
    assert!(matches!(&refused, AwsStsError::Refused { refusal: Refusal::Signature, status: 403, .. }), "{refused:?}");
    assert_eq!(refused.facts().code, "STS_SIGNATURE");
    assert_eq!(at_url(302, b""), Err(AwsStsError::Redirected { status: 302 }));
    assert_eq!(at_url(500, b"<html>"), Err(AwsStsError::Unavailable { status: 500, retry_after: None }));
    assert_eq!(at_url(200, &error("AccessDenied")).unwrap_err().facts().code, "STS_ANSWER_STATUS");
    assert_eq!(at_url(404, ANSWER).unwrap_err().facts().code, "STS_ANSWER_STATUS");
    assert_eq!(at_url(200, b"<html/>").unwrap_err().facts().code, "STS_ANSWER_MALFORMED");
}
