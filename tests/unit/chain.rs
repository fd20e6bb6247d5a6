//! Roles that are assumed one after the other: what each request says, what signs it, and what is made of the answers.

#[path = "../support/signature.rs"]
#[allow(unreachable_pub, reason = "other test files are crates of their own")]
mod signature;

use super::*;
use crate::name::{ExternalId, TagKey, TagValue};
use crate::provider::{
    Chain, ChainError, ChainStep, MAX_STEPS, MAX_TAGS, PolicyArn, PolicyDocument, PolicyError, Refusal, SessionPolicy,
};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const MANAGED: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// The form of AWS's documented example for AssumeRole, with made-up values.
fn assumed(step: usize, expiration: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId>\
         <Arn>arn:aws:sts::21098765432{step}:assumed-role/demo/TestAR</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>ASIAMADEUPMADEUP010{step}</AccessKeyId><SecretAccessKey>PLANTED/SECRET+{step}</SecretAccessKey>\
         <SessionToken>PLANTED/SESSION={step}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         <PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>\
         <ResponseMetadata><RequestId>r-{step}</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

fn step(n: usize) -> ChainStep {
    ChainStep {
        role_arn: RoleArn::new(&format!("arn:aws:iam::21098765432{n}:role/demo")).unwrap(),
        external_id: None,
        duration: None,
        source_identity: false,
        tags: Vec::new(),
    }
}

fn tag(key: &str, value: &str) -> (TagKey, TagValue) {
    (TagKey::new(key).unwrap(), TagValue::new(value).unwrap())
}

/// A request as it would go out.
struct Sent {
    body: String,
    /// None for the first, which carries the token and no signature.
    headers: Option<Vec<(String, String)>>,
}

/// The provider with this chain, against a service that gives these answers one after the other.
fn chained(
    change: impl FnOnce(&mut AwsStsSettings),
    answers: Vec<(u16, String)>,
) -> (Result<ServiceCredential, AwsStsError>, Vec<Sent>) {
    let mut settings = settings(region());
    settings.role.session_name = Some(SessionName::new("driver-1").unwrap());
    change(&mut settings);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (kept, answers) = (Arc::clone(&sent), Mutex::new(answers.into_iter()));
    let http = move |request: &HttpRequest<'_>| {
        assert!(request.bearer.is_none());
        let headers = request.signature.map(|signature| {
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("host", request.url.host()),
                ("authorization", &signature.headers.authorization),
                ("x-amz-date", &signature.headers.date_time),
                ("x-amz-security-token", signature.session_token.unwrap().expose()),
            ];
            headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
        });
        let body = String::from_utf8(request.form.unwrap().as_slice().to_vec()).unwrap();
        kept.lock().unwrap().push(Sent { body, headers });
        let (status, body) = answers.lock().unwrap().next().expect("one request more than answers");
        Ok(super::answer(status, body.as_bytes(), Some(7)))
    };
    let result = resolve_with(&AwsSts::new(settings, Arc::new(http)).unwrap());
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    (result, sent)
}

fn of(steps: impl IntoIterator<Item = ChainStep>) -> impl FnOnce(&mut AwsStsSettings) {
    let chain = Chain::new(steps.into_iter().collect()).unwrap();
    move |settings| settings.role.chain = chain
}

#[test]
fn each_step_is_signed_with_the_credential_of_the_step_before_and_the_last_one_is_handed_out() {
    let answers = vec![
        (200, AWS.to_owned()),
        (200, assumed(1, "2026-11-22T19:30:00Z")),
        (200, assumed(2, "2026-11-22T19:45:00Z")),
    ];
    let first = ChainStep {
        external_id: Some(ExternalId::new("a:b/c").unwrap()),
        duration: Some(Duration::from_secs(900)),
        source_identity: true,
        tags: vec![tag("team", "data lake"), tag("job", "")],
        ..step(1)
    };
    let (result, sent) = chained(of([first, step(2)]), answers);
    let credential = result.unwrap();
    // Written by hand from the API's reference.
    let bodies: Vec<&str> = sent.iter().map(|request| request.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fspark\
             &RoleSessionName=driver-1&WebIdentityToken=PLANTED-header.PLANTED_payload.PLANTED~",
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Fdemo\
             &RoleSessionName=driver-1&DurationSeconds=900&ExternalId=a%3Ab%2Fc&SourceIdentity=driver-1\
             &Tags.member.1.Key=team&Tags.member.1.Value=data%20lake&Tags.member.2.Key=job&Tags.member.2.Value=",
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A210987654322%3Arole%2Fdemo\
             &RoleSessionName=driver-1",
        ]
    );
    assert!(sent[0].headers.is_none(), "a header beside the token misleads the service");
    for (request, id, secret, session) in [
        (&sent[1], "ASIAMADEUPMADEUP0001", "MADE/UP/SECRET+KEY", "MADE/UP+SESSION=TOKEN"),
        (&sent[2], "ASIAMADEUPMADEUP0101", "PLANTED/SECRET+1", "PLANTED/SESSION=1"),
    ] {
        let headers = request.headers.as_ref().unwrap();
        let scope = signature::scope_of("/", headers, request.body.as_bytes(), secret);
        assert_eq!(scope.as_deref(), Some("20261122/eu-central-1/sts/aws4_request"));
        let value = |name: &str| &headers.iter().find(|(known, _)| known == name).unwrap().1;
        assert!(value("authorization").contains(&format!("Credential={id}/")));
        assert_eq!(value("x-amz-security-token"), session);
        assert!(!format!("{headers:?}{}", request.body).contains(secret), "the key itself goes nowhere");
    }
    assert_eq!(property(&credential, s3a::ACCESS_KEY), "ASIAMADEUPMADEUP0102");
    assert_eq!(property(&credential, s3a::SECRET_KEY), "PLANTED/SECRET+2");
    assert_eq!(property(&credential, s3a::SESSION_TOKEN), "PLANTED/SESSION=2");
    assert_eq!(property(&credential, s3a::ACCOUNT_ID), "210987654322");
    assert_eq!(credential.expires_at().to_string(), "2026-11-22T19:30:00Z", "the earliest of 20:00, 19:30 and 19:45");
    let origin = credential.provenance();
    assert_eq!(origin.role.as_deref(), Some("arn:aws:iam::210987654322:role/demo"));
    let via: Vec<_> = origin
        .via
        .iter()
        .map(|step| (step.role.as_str(), step.credential_id.as_str(), step.request_id.as_deref()))
        .collect();
    assert_eq!(
        via,
        [
            (
                "arn:aws:iam::123456789012:role/spark",
                "ASIAMADEUPMADEUP0001",
                Some("ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE")
            ),
            ("arn:aws:iam::210987654321:role/demo", "ASIAMADEUPMADEUP0101", Some("r-1")),
        ]
    );
}

#[test]
fn a_custom_endpoint_is_signed_for_the_region_that_is_set() {
    let url = ServiceUrl::new("https://minio.test").unwrap();
    for (region, expected) in [(None, "us-east-1"), (Some("home-1"), "home-1")] {
        let signing_region = region.map(|region| Region::new(region).unwrap());
        let endpoint = AwsStsEndpoint::Url { url: url.clone(), signing_region };
        let change = |settings: &mut AwsStsSettings| {
            of([step(1)])(settings);
            settings.endpoint = endpoint;
        };
        let (_, sent) = chained(change, vec![(200, AWS.to_owned()), (200, assumed(1, "2026-11-22T20:00:00Z"))]);
        let scope =
            signature::scope_of("/", sent[1].headers.as_ref().unwrap(), sent[1].body.as_bytes(), "MADE/UP/SECRET+KEY");
        assert_eq!(scope.unwrap(), format!("20261122/{expected}/sts/aws4_request"));
    }
}

#[test]
fn policies_narrow_the_last_step_and_no_other() {
    let narrowed = |settings: &mut AwsStsSettings| {
        let inline = PolicyDocument::new(format!("\n{POLICY}\n").as_bytes()).unwrap();
        settings.role.policy = SessionPolicy::new(Some(inline), vec![PolicyArn::new(MANAGED).unwrap()]).unwrap();
    };
    let expected = "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess\
                    &Policy=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let (result, sent) = chained(narrowed, vec![(200, AWS.to_owned())]);
    assert!(result.is_ok());
    assert!(sent[0].body.contains(&format!("{expected}&WebIdentityToken=")), "{}", sent[0].body);
    let both = |settings: &mut AwsStsSettings| {
        narrowed(settings);
        of([step(1), step(2)])(settings);
    };
    let whole = "2026-11-22T20:00:00Z";
    let (result, sent) = chained(both, vec![(200, AWS.to_owned()), (200, assumed(1, whole)), (200, assumed(2, whole))]);
    assert!(result.is_ok());
    assert!(!sent[0].body.contains("Policy") && !sent[1].body.contains("Policy"));
    assert!(sent[2].body.ends_with(expected), "{}", sent[2].body);
}

#[test]
fn managed_policies_that_a_service_passes_over_are_no_reason_to_hand_out_a_wider_credential() {
    let silent = assumed(1, "2026-11-22T20:00:00Z").replace("<PackedPolicySize>6</PackedPolicySize>", "");
    let asked = |url: Option<&str>, managed: bool, steps: usize, answer: &str| {
        let change = |settings: &mut AwsStsSettings| {
            of((0..steps).map(|_| step(1)))(settings);
            if let Some(url) = url {
                settings.endpoint = AwsStsEndpoint::Url { url: ServiceUrl::new(url).unwrap(), signing_region: None };
            }
            if managed {
                settings.role.policy = SessionPolicy::new(None, vec![PolicyArn::new(MANAGED).unwrap()]).unwrap();
            }
        };
        let mut answers = vec![(200, AWS.to_owned())];
        answers.extend((0..steps).map(|_| (200, answer.to_owned())));
        chained(change, answers).0
    };
    let refused = AwsStsError::Answer(AnswerError::PolicyPassedOver);
    let minio = Some("https://minio.test");
    for steps in [0, 1] {
        assert_eq!(asked(minio, true, steps, &silent).unwrap_err(), refused);
        assert!(asked(minio, false, steps, &silent).is_ok());
        assert!(asked(None, true, steps, &silent).is_ok(), "AWS applies them");
    }
    assert!(asked(minio, true, 1, &assumed(1, "2026-11-22T20:00:00Z")).is_ok(), "it says what they take");
}

#[test]
fn a_step_that_is_refused_ends_the_chain_with_its_number_and_its_own_code() {
    let failed = |status, body: String| {
        let answers = vec![(200, AWS.to_owned()), (200, assumed(1, "2026-11-22T20:00:00Z")), (status, body)];
        let (result, sent) = chained(of([step(1), step(2), step(3)]), answers);
        assert_eq!(sent.len(), 3, "nothing is sent after a failure");
        let error = result.unwrap_err();
        assert!(error.to_string().starts_with("step 2 of the chain: "), "{error}");
        assert!(!format!("{error} {error:?}").contains("PLANTED"));
        error
    };
    let code = |status, code: &str, message: &str| {
        let error = failed(status, error_document(code, message));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        (error.facts().code, error.facts().retry)
    };
    assert_eq!(code(403, "AccessDenied", "not PLANTED"), ("STS_CHAIN_DENIED", Retry::Never));
    assert_eq!(code(400, "ExpiredToken", "PLANTED"), ("STS_SIGNATURE", Retry::Never));
    assert_eq!(code(403, "RequestTimeTooSkewed", "PLANTED"), ("STS_CLOCK", Retry::Backoff));
    assert_eq!(code(403, "SignatureDoesNotMatch", "Signature expired: PLANTED"), ("STS_CLOCK", Retry::Backoff));
    assert_eq!(code(403, "SignatureDoesNotMatch", "PLANTED"), ("STS_SIGNATURE", Retry::Never));
    assert_eq!(code(400, "Throttling", "Rate exceeded"), ("STS_THROTTLED", Retry::Backoff));
    assert_eq!(failed(302, String::new()).facts().code, "STS_REDIRECTED");
    assert_eq!(failed(200, AWS.to_owned()).facts().code, "STS_ANSWER_MALFORMED", "another action's answer");
    assert_eq!(failed(500, assumed(2, "2026-11-22T20:00:00Z")).facts().code, "STS_ANSWER_STATUS");
    assert_eq!(failed(200, assumed(2, NOW)).facts().code, "STS_ANSWER_EXPIRED");
    assert_eq!(failed(200, assumed(2, "2027-11-23T19:00:01Z")).facts().code, "STS_ANSWER_LIFE");
    let (result, sent) = chained(of([step(1)]), vec![(403, error_document("AccessDenied", "m"))]);
    assert!(matches!(result, Err(AwsStsError::Refused { refusal: Refusal::AccessDenied, .. })), "the token's own step");
    assert_eq!(sent.len(), 1);
}

// As MinIO answers a request of 1,000 s ago or from 1,000 s ahead, and as AWS documents both.
#[test]
fn bad_input_281_a_clock_that_is_15_minutes_off_has_a_code_of_its_own_and_its_remedy() {
    let aws = |message| error_document("SignatureDoesNotMatch", message);
    for answer in [
        include_str!("../../fuzz/corpus/sts_xml/minio-skewed.xml").to_owned(),
        aws("Signature expired: 20261122T190000Z is now earlier than 20261122T191600Z (20261122T193100Z - 15 min.)"),
        aws(
            "Signature not yet current: 20261122T190000Z is still later than 20261122T184400Z (20261122T182900Z + 15 min.)",
        ),
    ] {
        let (result, _) = chained(of([step(1)]), vec![(200, AWS.to_owned()), (403, answer)]);
        let facts = result.unwrap_err().facts();
        assert_eq!((facts.code, facts.fault, facts.retry), ("STS_CLOCK", Fault::Configuration, Retry::Backoff));
        assert!(facts.remedy.starts_with("Set this machine's clock"));
    }
}

#[test]
fn a_chain_and_its_steps_have_limits() {
    let chain = |count| Chain::new((0..count).map(|_| step(1)).collect()).map(|_| ());
    assert_eq!(chain(MAX_STEPS), Ok(()));
    assert_eq!(chain(MAX_STEPS + 1), Err(ChainError::TooManySteps { count: 6 }));
    let lasts = |seconds| ChainStep { duration: Some(Duration::from_secs(seconds)), ..step(1) }.check();
    assert_eq!(lasts(899), Err(ChainError::Duration { seconds: 899 }));
    assert_eq!((lasts(900), lasts(3600)), (Ok(()), Ok(())));
    assert_eq!(
        Chain::new(vec![ChainStep { duration: Some(Duration::from_secs(3601)), ..step(1) }]).unwrap_err(),
        ChainError::Duration { seconds: 3601 }
    );
    let tagged =
        |count: usize| ChainStep { tags: (0..count).map(|n| tag(&format!("k{n}"), "v")).collect(), ..step(1) }.check();
    assert_eq!(tagged(MAX_TAGS), Ok(()));
    assert_eq!(tagged(MAX_TAGS + 1), Err(ChainError::TooManyTags { count: 51 }));
    let twice = ChainStep { tags: vec![tag("Team", "a"), tag("team", "b")], ..step(1) };
    assert_eq!(twice.check(), Err(ChainError::DuplicateTag));
}

#[test]
fn a_session_policy_is_whole_json_of_at_most_2048_characters_with_version_and_statement() {
    let made = |text: &str| PolicyDocument::new(text.as_bytes()).map(|_| ());
    let sized = |count: usize, filler: &str| {
        let (start, end) = (r#"{"Version":"2012-10-17","Statement":[],"Id":""#, r#""}"#);
        made(&format!("{start}{}{end}", filler.repeat(count - start.len() - end.len())))
    };
    assert_eq!((sized(2048, "x"), sized(2048, "\u{e9}")), (Ok(()), Ok(())));
    assert_eq!(sized(2049, "x"), Err(PolicyError::TooLong { count: 2049 }));
    assert_eq!(sized(2049, "\u{e9}"), Err(PolicyError::TooLong { count: 2049 }));
    assert_eq!(made(r#"{"Version":"2008-10-17","Statement":{}}"#), Ok(()));
    for version in [r#""2012-10-18""#, "20121017", "null", r#""""#] {
        assert_eq!(made(&format!(r#"{{"Version":{version},"Statement":[]}}"#)), Err(PolicyError::Version), "{version}");
    }
    assert_eq!(made(r#"{"Statement":[]}"#), Err(PolicyError::Version));
    assert_eq!(made(r#"{"Version":"2012-10-17","statement":[]}"#), Err(PolicyError::Statement));
    assert_eq!(made(r#"{"Version":"2012-10-17","Statement":"x"}"#), Err(PolicyError::Statement));
    assert_eq!(
        made("{\"Version\":\"2012-10-17\",\"Statement\":[],\"Id\":\"\u{100}\"}"),
        Err(PolicyError::Character { position: 45 })
    );
    for text in ["", "[]", "{", r#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}"#, "{} x"] {
        assert!(matches!(made(text), Err(PolicyError::Json(_))), "{text}");
    }
    assert!(matches!(PolicyDocument::new(b"\xff"), Err(PolicyError::Json(_))));
}

#[test]
fn managed_policies_are_at_most_10_arns_of_iam() {
    for arn in [MANAGED, "arn:aws-us-gov:iam::123456789012:policy/folder/Name_1+=,.@-"] {
        assert!(PolicyArn::new(arn).is_ok(), "{arn}");
    }
    for arn in [
        "",
        "ReadOnlyAccess",
        "arn:aws:iam::aws:role/ReadOnlyAccess",
        "arn:aws:iam::aws:policy/",
        "arn:aws:s3::aws:policy/ReadOnlyAccess",
        "arn:aws:iam:eu:aws:policy/ReadOnlyAccess",
        "arn:evil:iam::aws:policy/ReadOnlyAccess",
        "arn:aws:iam::12345678901:policy/Name",
        "arn:aws:iam::aws:policy/Read Only",
        "arn:aws:iam::aws:policy/a\nb-and-more",
        &format!("arn:aws:iam::aws:policy/{}", "x".repeat(2025)),
    ] {
        assert_eq!(PolicyArn::new(arn), Err(PolicyError::Arn), "{arn}");
    }
    let listed = |count| SessionPolicy::new(None, vec![PolicyArn::new(MANAGED).unwrap(); count]).map(|_| ());
    assert_eq!(listed(10), Ok(()));
    assert_eq!(listed(11), Err(PolicyError::TooManyArns { count: 11 }));
}
