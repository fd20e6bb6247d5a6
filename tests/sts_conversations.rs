//! Answers of AWS, MinIO, moto and Ceph as they were recorded or documented, each to its exact value or error.
//!
//! Of recorded answers the secrets are replaced. AWS's are the examples of its API Reference; Ceph's are written as its
//! source and a run of 16.2 showed them: no namespace, nanoseconds, `AssumeRoleId`, `Error` as the root.

use safe_conduct::codec::sts_xml::{
    Action, AssumedRole, Says, ServiceError, StsAnswer, XmlError, parse_assume_role_answer,
};

/// What stands in a credential: key id, secret, token, expiry, subject, provider, ARN, request id, packed size.
type Values =
    (String, String, String, String, Option<String>, Option<String>, Option<String>, Option<String>, Option<u32>);

fn read(name: &str, action: Action) -> Result<StsAnswer, XmlError> {
    let path = format!("{}/fuzz/corpus/sts_xml/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    parse_assume_role_answer(&std::fs::read(path).unwrap(), action)
}

fn credential(name: &str, action: Action) -> Values {
    let Ok(StsAnswer::Credentials(role)) = read(name, action) else { panic!("{name} has no credential") };
    let AssumedRole { access_key_id, secret_access_key, session_token, expiration, .. } = *role;
    let (secret, token) = (secret_access_key.expose().to_owned(), session_token.expose().to_owned());
    let AssumedRole { subject, provider, assumed_role_arn, request_id, packed_policy_size, .. } = *role;
    let expiration = expiration.to_string();
    (access_key_id, secret, token, expiration, subject, provider, assumed_role_arn, request_id, packed_policy_size)
}

fn values(all: [&str; 4], optional: [Option<&str>; 4], size: Option<u32>) -> Values {
    let [id, secret, token, expiration] = all.map(str::to_owned);
    let [subject, provider, arn, request] = optional.map(|text| text.map(str::to_owned));
    (id, secret, token, expiration, subject, provider, arn, request, size)
}

const MADE_UP: &str = "MADEUP0000000000000000000000000000000000";
const SUBJECT: Option<&str> = Some("system:serviceaccount:spark:driver");
const ARN: Option<&str> = Some("arn:aws:sts::123456789012:assumed-role/spark/driver-1");

#[test]
fn a_web_identitys_credential_has_its_exact_values() {
    for (name, expected) in [
        (
            "aws",
            values(
                ["ASIAMADEUPMADEUP0001", "MADE/UP/SECRET+KEY", "MADE/UP+SESSION=TOKEN", "2026-11-22T20:00:00Z"],
                [
                    SUBJECT,
                    Some("arn:aws:iam::123456789012:oidc-provider/issuer.example"),
                    ARN,
                    Some("ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE"),
                ],
                Some(81),
            ),
        ),
        (
            "minio",
            values(
                ["VBJYV8STPEX0YK5O263Y", MADE_UP, "made.up.token", "2026-11-22T20:10:59Z"],
                [SUBJECT, None, None, Some("18EA763233B180F6")],
                None,
            ),
        ),
        (
            "moto",
            values(
                ["ASIAMADEUPMADEUP0002", MADE_UP, "MADEUPTOKEN", "2026-11-22T20:07:35Z"],
                [None, None, ARN, Some("c6104cbe-af31-11e0-8154-cbc7ccf896c7")],
                Some(6),
            ),
        ),
        (
            "ceph",
            values(
                ["MADEUPKEY0000000", MADE_UP, "made&up=", "2026-11-23T01:02:03Z"],
                [
                    SUBJECT,
                    Some("https://issuer.example/realms/spark"),
                    Some("arn:aws:sts:::assumed-role/spark/driver-1"),
                    None,
                ],
                Some(0),
            ),
        ),
    ] {
        assert_eq!(credential(name, Action::AssumeRoleWithWebIdentity), expected, "{name}");
    }
}

#[test]
fn a_chained_credential_has_its_exact_values() {
    for (name, expected) in [
        (
            "aws-assume-role",
            values(
                [
                    "ASIAIOSFODNN7EXAMPLE",
                    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW=",
                    "2019-11-09T13:34:41Z",
                ],
                [
                    None,
                    None,
                    Some("arn:aws:sts::123456789012:assumed-role/demo/TestAR"),
                    Some("c6104cbe-af31-11e0-8154-cbc7ccf896c7"),
                ],
                Some(6),
            ),
        ),
        (
            "minio-assume-role",
            values(
                ["Z26VCNLVPJWCISDYSHDR", MADE_UP, "made.up.token", "2026-11-23T08:32:10Z"],
                [None, None, None, Some("18EA9C2FE16B0C8B")],
                None,
            ),
        ),
        (
            "moto-assume-role",
            values(
                [
                    "ASIARZPUZDIKJXZPXHZ3",
                    "MADEUP/000000000000000000000000000000000",
                    "MADEUP/TOKEN=",
                    "2026-11-23T08:32:11Z",
                ],
                [
                    None,
                    None,
                    Some("arn:aws:sts::123456789012:assumed-role/demo/driver-1"),
                    Some("fTpHrR1XCGzJmSMsrF8bTVFcLkP0x55zQh1tz5oSgpjSOuqTzbo9"),
                ],
                Some(6),
            ),
        ),
        (
            "ceph-assume-role",
            values(
                ["MADEUPKEY0000001", MADE_UP, "made&up=", "2026-11-23T01:02:03Z"],
                [None, None, Some("arn:aws:sts:::assumed-role/spark/driver-1"), None],
                Some(0),
            ),
        ),
    ] {
        assert_eq!(credential(name, Action::AssumeRole), expected, "{name}");
    }
}

#[test]
fn an_answer_to_one_action_is_none_to_another() {
    let (web, chained, caller) = (Action::AssumeRoleWithWebIdentity, Action::AssumeRole, Action::GetCallerIdentity);
    for name in ["aws", "minio", "moto", "ceph"] {
        for other in [chained, caller] {
            assert_eq!(read(name, other).err(), Some(XmlError::Root), "{name}");
        }
        for other in [web, caller] {
            assert_eq!(read(&format!("{name}-assume-role"), other).err(), Some(XmlError::Root), "{name}");
        }
    }
    // moto, for an action that it does not know or that is not signed: status 200.
    for action in [web, chained, caller] {
        assert_eq!(read("bad-moto-buckets", action).err(), Some(XmlError::Namespace));
    }
}

#[test]
fn an_error_has_its_exact_code_what_it_says_and_its_request() {
    for (name, code, says, request) in [
        ("aws-error", "InvalidIdentityToken", Some(Says::VerificationKey), Some("r-1")),
        ("minio-error", "InvalidParameterValue", Some(Says::TokenExpired), Some("18EA763233B180F7")),
        ("minio-skewed", "RequestTimeTooSkewed", None, Some("18EA9C2FE2956997")),
        ("minio-bad-session", "AccessDenied", Some(Says::Signature), Some("18EA9C2FE304E04F")),
        ("ceph-error", "AccessDenied", None, Some("tx-1")),
    ] {
        let expected = ServiceError { code: code.to_owned(), says, request_id: request.map(str::to_owned) };
        for action in [Action::AssumeRoleWithWebIdentity, Action::AssumeRole] {
            match read(name, action) {
                Ok(StsAnswer::Error(error)) => assert_eq!(error, expected, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
