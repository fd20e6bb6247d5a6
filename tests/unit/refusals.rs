//! What is made of each refusal of a service: every row of the documents of AWS, MinIO and Ceph, and what they share one
//! code for.

use super::*;

/// The service's code, its status, our code, whose fault, whether waiting helps. From AWS's model, the list of what its SDKs
/// try again, and MinIO's source.
const CLASSES: [(&str, u16, &str, Fault, Retry); 40] = [
    ("ExpiredTokenException", 400, "STS_EXPIRED_TOKEN", Fault::Identity, Retry::OnNewToken),
    ("ExpiredToken", 400, "STS_EXPIRED_TOKEN", Fault::Identity, Retry::OnNewToken),
    ("IDPCommunicationError", 400, "STS_IDP_UNREACHABLE", Fault::Unreachable, Retry::Backoff),
    ("InvalidIdentityToken", 400, "STS_INVALID_TOKEN", Fault::Service, Retry::Never),
    ("IDPRejectedClaim", 403, "STS_CLAIM_REJECTED", Fault::Identity, Retry::OnNewToken),
    ("AccessDenied", 403, "STS_ACCESS_DENIED", Fault::Service, Retry::Never),
    ("AccessDeniedException", 403, "STS_ACCESS_DENIED", Fault::Service, Retry::Never),
    ("MalformedPolicyDocument", 400, "STS_POLICY", Fault::Service, Retry::Never),
    ("PackedPolicyTooLarge", 400, "STS_POLICY", Fault::Service, Retry::Never),
    ("ValidationError", 400, "STS_CONFIGURATION", Fault::Service, Retry::Never),
    ("MissingParameter", 400, "STS_CONFIGURATION", Fault::Service, Retry::Never),
    ("InvalidAction", 400, "STS_CONFIGURATION", Fault::Service, Retry::Never),
    ("InvalidArgument", 400, "STS_CONFIGURATION", Fault::Service, Retry::Never),
    ("MethodNotAllowed", 405, "STS_CONFIGURATION", Fault::Service, Retry::Never),
    ("NoSuchEntity", 404, "STS_UNKNOWN_ROLE", Fault::Service, Retry::Never),
    ("InvalidParameterValue", 400, "STS_INVALID_PARAMETER", Fault::Service, Retry::Never),
    ("RegionDisabledException", 403, "STS_REGION_DISABLED", Fault::Service, Retry::Never),
    ("SignatureDoesNotMatch", 403, "STS_SIGNATURE", Fault::Service, Retry::Never),
    ("IncompleteSignature", 400, "STS_SIGNATURE", Fault::Service, Retry::Never),
    ("InvalidClientTokenId", 403, "STS_SIGNATURE", Fault::Service, Retry::Never),
    ("MissingAuthenticationToken", 403, "STS_SIGNATURE", Fault::Service, Retry::Never),
    ("InvalidAccessKeyId", 403, "STS_SIGNATURE", Fault::Service, Retry::Never),
    ("RequestTimeTooSkewed", 403, "STS_CLOCK", Fault::Configuration, Retry::Backoff),
    ("RequestExpired", 400, "STS_CLOCK", Fault::Configuration, Retry::Backoff),
    ("Throttling", 400, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("ThrottlingException", 400, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("RequestLimitExceeded", 503, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("TooManyRequestsException", 429, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("ThrottledException", 400, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("RequestThrottledException", 400, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("SlowDown", 503, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("InternalFailure", 500, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
    ("InternalError", 500, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
    ("ServiceUnavailable", 503, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
    ("STSNotInitialized", 503, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
    ("STSIAMNotInitialized", 503, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
    ("XMinioServerNotInitialized", 503, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
    ("BrandNewCode", 400, "STS_REFUSED", Fault::Service, Retry::Never),
    ("BrandNewCode", 429, "STS_THROTTLED", Fault::Unreachable, Retry::Backoff),
    ("BrandNewCode", 599, "STS_UNAVAILABLE", Fault::Unreachable, Retry::Backoff),
];

#[test]
fn bad_inputs_235_236_237_every_code_of_the_service_has_a_class() {
    for (code, status, ours, fault, retry) in CLASSES {
        for document in [
            error_document(code, "m"),
            format!("<Error><Code>{code}</Code><Message/><RequestId>r-1</RequestId><HostId>h</HostId></Error>"),
        ] {
            let error = exchange(status, &document).unwrap_err();
            let facts = error.facts();
            assert_eq!((facts.code, facts.fault, facts.retry), (ours, fault, retry), "{code} {status}");
            assert!(error.to_string().contains(code), "{error}");
            assert!(error.to_string().contains("r-1"), "{error}");
        }
    }
}

/// Status, code and message as recorded from MinIO RELEASE.2026-02-12 and as AWS documents them; our code, and whether
/// waiting helps.
const MESSAGES: [(u16, &str, &str, &str, Retry); 29] = [
    (
        400,
        "InvalidIdentityToken",
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        "STS_KEY_NOT_RETRIEVED",
        Retry::Backoff,
    ),
    (400, "InvalidIdentityToken", "Incorrect token audience", "STS_AUDIENCE", Retry::Never),
    (
        400,
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://issuer.example",
        "STS_INVALID_TOKEN",
        Retry::Never,
    ),
    (400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT", "STS_INVALID_TOKEN", Retry::Never),
    (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        "STS_DURATION_REFUSED",
        Retry::Never,
    ),
    (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        "STS_DURATION_REFUSED",
        Retry::Never,
    ),
    (400, "ValidationError", "Request ARN is invalid", "STS_CONFIGURATION", Retry::Never),
    (400, "InvalidParameterValue", "Token is expired", "STS_EXPIRED_TOKEN", Retry::OnNewToken),
    (400, "InvalidParameterValue", "crypto/rsa: verification error", "STS_TOKEN_SIGNATURE", Retry::Never),
    (400, "InvalidParameterValue", "No public key found for kid k9", "STS_TOKEN_SIGNATURE", Retry::Never),
    (
        400,
        "InvalidParameterValue",
        "STS JWT Token has `azp` claim invalid, `azp` must match configured OpenID Client ID",
        "STS_AUDIENCE",
        Retry::Never,
    ),
    (
        400,
        "InvalidParameterValue",
        "token contains an invalid number of segments",
        "STS_INVALID_PARAMETER",
        Retry::Never,
    ),
    (
        400,
        "InvalidParameterValue",
        "Role arn:minio:iam:::role/dummy-internal does not exist",
        "STS_UNKNOWN_ROLE",
        Retry::Never,
    ),
    (
        400,
        "InvalidParameterValue",
        "RoleARN parse err: invalid ARN - bad partition field",
        "STS_UNKNOWN_ROLE",
        Retry::Never,
    ),
    (
        400,
        "InvalidParameterValue",
        "RoleARN arn:minio:iam:::role/nosuch is not defined.",
        "STS_UNKNOWN_ROLE",
        Retry::Never,
    ),
    (
        400,
        "InvalidParameterValue",
        "policy claim missing from the JWT token, credentials will not be generated",
        "STS_POLICY_CLAIM",
        Retry::Never,
    ),
    (
        400,
        "InvalidParameterValue",
        "None of the given policies (`nosuch`) are defined, credentials will not be generated",
        "STS_POLICY_CLAIM",
        Retry::Never,
    ),
    (400, "InvalidParameterValue", "invalid token expiry", "STS_DURATION_REFUSED", Retry::Never),
    (400, "InvalidParameterValue", "Version cannot be empty expecting '2012-10-17'", "STS_POLICY", Retry::Never),
    (
        403,
        "AccessDenied",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        "STS_SIGNATURE",
        Retry::Never,
    ),
    (
        403,
        "AccessDenied",
        "The Access Key Id you provided does not exist in our records.",
        "STS_SIGNATURE",
        Retry::Never,
    ),
    (403, "AccessDenied", "The security token included in the request is invalid", "STS_SIGNATURE", Retry::Never),
    (400, "MissingParameter", "Invalid STS API version , expecting 2011-06-15", "STS_CONFIGURATION", Retry::Never),
    (500, "InternalError", "Invalid arguments specified", "STS_INVALID_PARAMETER", Retry::Never),
    (500, "InternalError", "We encountered an internal error, please try again.", "STS_UNAVAILABLE", Retry::Backoff),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20261122T190000Z is now earlier than 20261122T191600Z",
        "STS_CLOCK",
        Retry::Backoff,
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature not yet current: 20261122T190000Z is still later than 20261122T184400Z",
        "STS_CLOCK",
        Retry::Backoff,
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.",
        "STS_SIGNATURE",
        Retry::Never,
    ),
    (403, "AccessDenied", "Token is expired", "STS_ACCESS_DENIED", Retry::Never),
];

#[test]
fn a_message_tells_what_one_code_stands_for() {
    for (status, code, message, ours, retry) in MESSAGES {
        let error = exchange(status, &error_document(code, message)).unwrap_err();
        assert_eq!((error.facts().code, error.facts().retry), (ours, retry), "{message}");
        assert!(!format!("{error} {error:?}").contains(message));
    }
}

#[test]
fn bad_inputs_238_239_nothing_of_a_message_or_an_odd_request_id_reaches_an_error() {
    for message in [TOKEN, "&lt;script&gt;PLANTED", &format!("PLANTED{}", "x".repeat(100_000))] {
        let error = exchange(403, &error_document("AccessDenied", message)).unwrap_err();
        assert_eq!(error.facts().code, "STS_ACCESS_DENIED");
        assert!(!format!("{error} {error:?}").contains("PLANTED"));
    }
    // Not XML at all with such a character, raw or as a number: then not even the code counts.
    for message in ["\u{1b}[31mPLANTED", "&#27;[31mPLANTED", &format!("PLANTED{}", "x".repeat(1_000_000))] {
        let error = exchange(403, &error_document("AccessDenied", message)).unwrap_err();
        assert_eq!(error.facts().code, "STS_ANSWER_MALFORMED");
        assert!(!format!("{error} {error:?}").contains("PLANTED"));
    }
    let split = error_document("AccessDenied", "m").replace("r-1", "r\r\nSet-Cookie: PLANTED");
    let error = exchange(403, &split).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("PLANTED"));
    assert!(error.to_string().ends_with("(AccessDenied, status 403)"), "{error}");
    let code = exchange(400, &error_document("PLANTED token", "m")).unwrap_err();
    assert_eq!(code.facts().code, "STS_ANSWER_MALFORMED");
    assert!(!format!("{code} {code:?}").contains("PLANTED"));
}

#[test]
fn bad_input_210_a_redirect_is_fatal_and_says_so() {
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let error = exchange(status, AWS).unwrap_err();
        assert_eq!(error, AwsStsError::Redirected { status });
        assert_eq!((error.facts().code, error.facts().retry), ("STS_REDIRECTED", Retry::Never));
    }
}

#[test]
fn bad_inputs_232_233_234_270_271_status_and_document_must_agree() {
    for status in [201, 204, 400, 500] {
        assert_eq!(refused(status, AWS), AnswerError::Status { status });
    }
    assert_eq!(refused(200, &error_document("AccessDenied", "m")), AnswerError::Status { status: 200 });
    for (status, body) in [(204, ""), (200, ""), (401, "Unauthorized"), (403, "{\"Code\":\"AccessDenied\"}")] {
        assert!(matches!(refused(status, body), AnswerError::Malformed { .. }), "{status} {body}");
    }
    // moto, for an action that it does not know or that is not signed.
    let buckets = exchange(200, include_str!("../../fuzz/corpus/sts_xml/bad-moto-buckets.xml")).unwrap_err();
    assert_eq!((buckets.facts().code, buckets.facts().retry), ("STS_ANSWER_MALFORMED", Retry::Never));
    // moto without a RoleArn, a busy gateway.
    for status in [429, 500, 502, 503] {
        let error = exchange(status, "<!doctype html><title>busy</title>").unwrap_err();
        assert_eq!(error, AwsStsError::Unavailable { status, retry_after: None });
        assert_eq!(error.facts().retry, Retry::Backoff);
    }
}

#[test]
fn the_services_pause_is_handed_on() {
    for body in ["busy", "<Error><Code>SlowDown</Code></Error>"] {
        let http = move |_: &HttpRequest<'_>| Ok(answer(503, body.as_bytes(), Some(7)));
        let sts = AwsSts::new(settings(region()), Arc::new(http)).unwrap();
        let error = sts.resolve(&user(), &Scheme::new("s3a").unwrap(), at()).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

#[test]
fn no_answer_is_an_error_of_the_network() {
    let http = |_: &HttpRequest<'_>| Err(HttpError::Timeout { phase: Phase::Connect });
    let error = resolve_with(&AwsSts::new(settings(region()), Arc::new(http)).unwrap()).unwrap_err();
    assert_eq!((error.facts().code, error.facts().retry), ("HTTP_TIMEOUT", Retry::Backoff));
    assert!(std::error::Error::source(&error).is_some());
}
