//! `safe-conduct doctor` on the driver's side, against an issuer and an STS on loopback: each check ok, warn and fail.

#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;
#[path = "properties/http_date.rs"]
mod http_date;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/services.rs"]
mod services;
#[path = "support/signature.rs"]
mod signature;
#[path = "support/tokens.rs"]
mod tokens;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

use folder::Folder;
use safe_conduct::identity::Algorithm;
use serde_json::Value;
use services::{Date, SECRET, SESSION, Services, refusal};

const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");

/// All checks of this side, in their order.
const CHECKS: [&str; 13] = [
    "settings",
    "token file",
    "token rotation",
    "issuer",
    "issuer's keys",
    "issuer's clock",
    "token rules",
    "STS",
    "STS's clock",
    "exchange",
    "caller identity",
    "driver's files",
    "driver's port",
];

/// A driver whose every check is ok, until a test changes something.
struct World {
    folder: Folder,
    services: Services,
    settings: BTreeMap<&'static str, String>,
    /// What must never be shown.
    secrets: Vec<String>,
    /// Somebody who listens where the driver does.
    _listening: TcpListener,
}

/// What doctor said.
struct Said {
    status: i32,
    text: String,
    /// Name to verdict, code and sentence, in the order of the document.
    checks: Vec<(String, String, String, String)>,
}

impl Said {
    fn of(&self, name: &str) -> (&str, &str, &str) {
        let found = self.checks.iter().find(|(known, ..)| known == name);
        let (_, verdict, code, sentence) = found.unwrap_or_else(|| panic!("no {name} in {}", self.text));
        (verdict, code, sentence)
    }

    /// The checks that have this verdict.
    fn with(&self, verdict: &str) -> Vec<&str> {
        self.checks.iter().filter(|check| check.1 == verdict).map(|check| check.0.as_str()).collect()
    }

    /// Asserts what came of one check and the exit status.
    fn shows(&self, name: &str, verdict: &str, code: &str, status: i32) {
        assert_eq!((self.of(name).0, self.of(name).1, self.status), (verdict, code, status), "{name}: {}", self.text);
    }
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let keys = folder.path("keys");
        assert!(Command::new(PROGRAM).args(["keys", "new"]).arg(&keys).output().unwrap().status.success());
        folder.write("ca.pem", include_bytes!("certs/ca.pem"));
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let services = Services::start(tokens::jwks());
        let path = |name: &str| folder.path(name).display().to_string();
        let settings = [
            ("identityToken.file", path("token")),
            ("identityToken.issuer", services.url()),
            ("identityToken.audience", "sts".to_owned()),
            ("aws.roleArn", "arn:aws:iam::123456789012:role/spark".to_owned()),
            ("aws.stsEndpoint", format!("{}/sts", services.url())),
            // A small file: the system's bundle takes a second to read without optimisation.
            ("aws.caFile", path("ca.pem")),
            ("distribution.keyFile", path("keys/driver.pem")),
            ("distribution.listen", listening.local_addr().unwrap().to_string()),
            ("audit.file", path("audit.jsonl")),
        ];
        let private = std::fs::read_to_string(path("keys/driver.pem")).unwrap();
        let private = private.lines().nth(1).unwrap().to_owned();
        let secrets = vec![SECRET.to_owned(), SESSION.to_owned(), "PLANTED".to_owned(), private];
        let mut world = Self { folder, services, settings: settings.into(), secrets, _listening: listening };
        world.write_token("sts", -10, 600);
        world
    }

    /// Writes a token that was, or will be, issued and expires so many seconds from now.
    fn write_token(&mut self, audience: &str, issued: i64, expires: i64) {
        let now = i64::try_from(services::now().unix_seconds()).unwrap();
        let (issuer, issued, expires) = (self.services.url(), now + issued, now + expires);
        let claims = format!(r#"{{"iss":"{issuer}","sub":"alice","aud":"{audience}","iat":{issued},"exp":{expires}}}"#);
        let token = tokens::signed(Algorithm::Es256, &claims);
        self.folder.write("token", token.as_bytes());
        self.secrets.push(token.rsplit('.').next().unwrap().to_owned());
        self.secrets.push(token);
    }

    fn mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.folder.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn set(&mut self, key: &'static str, value: impl ToString) {
        self.settings.insert(key, value.to_string());
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(PROGRAM);
        command.arg("doctor").args(arguments).env_remove("SPARK_DRIVER_URL");
        for (key, value) in &self.settings {
            command.arg("--conf").arg(format!("spark.security.oidc.{key}={value}"));
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        for secret in &self.secrets {
            assert!(!out.contains(secret) && !error.contains(secret), "{secret} in {out}{error}");
        }
        (output.status.code().unwrap(), out, error)
    }

    fn examined(&self, arguments: &[&str]) -> Said {
        let (status, text, _) = self.run(&[arguments, &["--json"]].concat());
        let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((&document["exit_status"], &document["side"]), (&status.into(), &"driver".into()));
        let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
        let mut checks = Vec::new();
        for check in document["checks"].as_array().unwrap() {
            let verdict = word(check, "verdict");
            let bad = matches!(verdict.as_str(), "warn" | "fail");
            assert_eq!((check["code"].is_string(), check["hint"].is_string()), (bad, bad), "{text}");
            checks.push((word(check, "check"), verdict, word(check, "code"), word(check, "found")));
        }
        Said { status, text, checks }
    }
}

/// What doctor says after `change`.
fn after(change: impl FnOnce(&mut World)) -> Said {
    let mut world = World::new();
    change(&mut world);
    world.examined(&[])
}

#[test]
fn a_driver_that_is_set_up_well_has_only_ok_and_one_exchange_is_made_and_audited() {
    let world = World::new();
    let (status, text, error) = world.run(&[]);
    assert_eq!(status, 0, "{text}{error}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), CHECKS.len() + 1, "{text}");
    for (line, name) in lines.iter().zip(CHECKS) {
        assert!(line.starts_with(&format!("ok    {name}: ")), "{line}");
    }
    assert_eq!(lines.last(), Some(&"13 ok, 0 warn, 0 fail, 0 skip; exit status 0"));
    assert_eq!(world.services.of("Action=AssumeRoleWithWebIdentity").len(), 1);
    let audit = std::fs::read_to_string(world.folder.path("audit.jsonl")).unwrap();
    assert!(audit.contains("\"event\":\"exchange\"") && audit.lines().count() == 1, "{audit}");
    let [asked] = world.services.of("Action=GetCallerIdentity").try_into().ok().unwrap();
    let scope = signature::scope_of("/sts", &asked.headers, asked.body.as_bytes(), SECRET).unwrap();
    assert!(scope.ends_with("/us-east-1/sts/aws4_request"), "{scope}");
    assert!(asked.headers.contains(&("x-amz-security-token".to_owned(), SESSION.to_owned())));
}

#[test]
fn text_says_what_json_says_with_a_hint_below_each_warning_and_failure() {
    let mut world = World::new();
    world.write_token("other", -800, 200);
    let said = world.examined(&[]);
    let (status, text, _) = world.run(&[]);
    assert_eq!((status, said.status), (77, 77));
    let lines: Vec<&str> = text.lines().collect();
    let mut place = 0;
    for (name, verdict, code, found) in &said.checks {
        let bad = !code.is_empty();
        let code = if bad { format!("[{code}] ") } else { String::new() };
        let start = format!("{verdict:<4}  {name}: {code}");
        assert!(lines[place].starts_with(&start), "{start} is not {}", lines[place]);
        // Seconds that are left may have passed in between.
        assert!(bad || verdict == "ok" || lines[place].ends_with(found), "{found} is not {}", lines[place]);
        assert_eq!(lines[place + 1].starts_with("      hint: "), bad, "{text}");
        place += if bad { 2 } else { 1 };
    }
    assert_eq!(lines[place..], ["9 ok, 1 warn, 1 fail, 2 skip; exit status 77"]);
}

#[test]
fn who_it_is_for_is_shown_only_when_asked_for() {
    let world = World::new();
    let said = world.examined(&[]);
    assert!(!said.text.contains("alice"), "{}", said.text);
    let (_, _, caller) = said.of("caller identity");
    let hidden = "(hidden; --show-claims)";
    assert_eq!(
        caller,
        format!(
            "account 123456789012, arn:aws:sts::123456789012:assumed-role/spark/{hidden}, user id AROAEXAMPLE:{hidden}"
        )
    );
    let shown = world.examined(&["--show-claims"]);
    assert!(shown.of("token rules").2.contains("principal alice"), "{}", shown.text);
    assert!(shown.of("caller identity").2.contains("assumed-role/spark/alice-session"), "{}", shown.text);
}

#[test]
fn settings_that_are_wrong_fail_and_everything_else_says_that_it_needs_them() {
    let unknown = after(|world| world.set("aws.rolearn", "PLANTED"));
    unknown.shows("settings", "fail", "CONFIG_UNKNOWN_KEY", 78);
    assert_eq!(unknown.with("skip"), CHECKS[1..]);
    assert!(unknown.checks[1..].iter().all(|check| check.3 == "needs: settings"), "{}", unknown.text);
    let missing = after(|world| drop(world.settings.remove("aws.roleArn")));
    missing.shows("settings", "fail", "CONFIG_MISSING_KEY", 78);
    let odd = after(|world| world.set("enabled", true));
    odd.shows("settings", "warn", "DOCTOR_SETTINGS", 0);
    assert_eq!(odd.with("ok"), CHECKS[1..]);
}

#[test]
fn a_token_file_is_missing_empty_writable_or_readable_by_everybody() {
    let missing = after(|world| std::fs::remove_file(world.folder.path("token")).unwrap());
    missing.shows("token file", "fail", "FILE_NOT_FOUND", 78);
    assert_eq!(missing.with("skip"), ["token rotation", "token rules", "exchange", "caller identity"]);
    assert_eq!(missing.of("exchange").2, "needs: token rules");
    let empty = after(|world| drop(world.folder.write("token", b"\n")));
    empty.shows("token file", "fail", "TOKEN_FILE_EMPTY", 77);
    after(|world| world.mode("token", 0o620)).shows("token file", "fail", "FILE_WRITABLE_BY_OTHERS", 78);
    let readable = after(|world| world.mode("token", 0o644));
    readable.shows("token file", "warn", "DOCTOR_TOKEN_READABLE", 0);
    assert_eq!(readable.with("ok").len(), CHECKS.len() - 1);
}

#[test]
fn a_token_past_four_fifths_of_its_life_is_a_warning_and_one_before_is_none() {
    // Of 1000 s. The test itself may take some.
    let young = after(|world| world.write_token("sts", -700, 300));
    young.shows("token rotation", "ok", "", 0);
    let aging = after(|world| world.write_token("sts", -800, 200));
    aging.shows("token rotation", "warn", "DOCTOR_TOKEN_AGING", 0);
    let garbage = after(|world| drop(world.folder.write("token", b"a.b")));
    assert_eq!(garbage.of("token rotation").0, "skip");
    garbage.shows("token rules", "fail", "TOKEN_MALFORMED", 77);
}

#[test]
fn every_broken_rule_is_named_and_the_first_gives_the_code() {
    let said = after(|world| world.write_token("other", -900, -600));
    said.shows("token rules", "fail", "TOKEN_AUDIENCE", 77);
    let (_, _, sentence) = said.of("token rules");
    assert!(sentence.starts_with("aud: ") && sentence.contains("; exp: ") && !sentence.contains("nbf"), "{sentence}");
    assert_eq!(said.with("skip"), ["exchange", "caller identity"]);
    let forged = after(|world| {
        world.services.answers.lock().unwrap().jwks = format!("{{\"keys\":[{{{}}}]}}", tokens::foreign_jwk());
    });
    forged.shows("token rules", "fail", "KEY_UNKNOWN", 77);
}

#[test]
fn an_issuer_that_does_not_answer_or_has_no_keys_leaves_the_rest_to_be_checked() {
    let closed = after(|world| world.set("jwks.url", "http://127.0.0.1:1/keys"));
    closed.shows("issuer", "fail", "HTTP_CONNECT", 69);
    assert_eq!(closed.of("issuer's keys").2, "needs: issuer");
    assert_eq!((closed.of("issuer's clock").2, closed.of("token rules").2), ("needs: issuer", "needs: issuer's keys"));
    assert_eq!((closed.of("STS").0, closed.of("STS's clock").0), ("ok", "ok"));
    let none = after(|world| world.services.answers.lock().unwrap().discovery = Some((404, String::new())));
    none.shows("issuer's keys", "fail", "KEYS_STATUS", 69);
    assert_eq!(none.of("issuer").0, "ok");
    let both = after(|world| {
        world.services.answers.lock().unwrap().discovery = Some((404, String::new()));
        world.write_token("other", -10, 600);
    });
    both.shows("token rules", "fail", "TOKEN_AUDIENCE", 77);
    let bearer = after(|world| world.set("jwks.bearerTokenFile", "/nowhere"));
    bearer.shows("issuer's keys", "fail", "FILE_NOT_FOUND", 78);
    assert_eq!(bearer.of("issuer").0, "skip");
    let file = after(|world| {
        let path = world.folder.write("jwks.json", tokens::jwks().as_bytes());
        world.set("jwks.file", path.display());
    });
    assert_eq!((file.status, file.with("skip")), (0, vec!["issuer", "issuer's clock"]));
    let unchecked = after(|world| world.set("identityToken.dangerouslySkipSignature", true));
    unchecked.shows("settings", "warn", "DOCTOR_SETTINGS", 0);
    assert_eq!(unchecked.with("skip"), ["issuer", "issuer's keys", "issuer's clock"]);
}

#[test]
fn a_key_that_is_not_used_is_a_warning_and_one_for_encryption_is_none() {
    let with = |key: &str| {
        let jwks = tokens::jwks().replacen('[', &format!("[{key},"), 1);
        after(|world| world.services.answers.lock().unwrap().jwks = jwks)
    };
    with(r#"{"kty":"RSA","d":"AQAB"}"#).shows("issuer's keys", "warn", "KEY_PRIVATE", 0);
    with(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#).shows("issuer's keys", "warn", "KEY_UNUSABLE", 0);
    with(r#"{"kty":"RSA","use":"enc"}"#).shows("issuer's keys", "ok", "", 0);
}

#[test]
fn control_characters_break_out_of_no_line() {
    let mut world = World::new();
    world.set("identityToken.file", "/nowhere\u{1b}[2J\nok    token rules: none\r/token");
    let (status, text, _) = world.run(&[]);
    assert_eq!(status, 78, "{text}");
    assert!(text.contains(" /nowhere\u{fffd}[2J\u{fffd}ok    token rules: none\u{fffd}/token does not"), "{text}");
    assert!(!text.contains(['\u{1b}', '\r']), "{text}");
    // The issuer's key ids stand in a line too: such a one is refused with its key.
    let jwks = tokens::jwks().replacen("\"p384\"", "\"\\u001b[2Jp384\"", 1);
    after(|world| world.services.answers.lock().unwrap().jwks = jwks).shows("issuer's keys", "warn", "KEY_UNUSABLE", 0);
}

#[test]
fn clocks_are_compared_with_the_issuers_and_the_services_date() {
    for (check, is_issuers) in [("issuer's clock", true), ("STS's clock", false)] {
        let with = |date: Date| {
            after(|world| {
                let mut answers = world.services.answers.lock().unwrap();
                *(if is_issuers { &mut answers.issuers_date } else { &mut answers.sts_date }) = date;
            })
        };
        for date in [Date::Ahead(60), Date::Behind(60)] {
            with(date).shows(check, "warn", "DOCTOR_CLOCKS", 0);
        }
        for date in [Date::Ahead(400), Date::Behind(400)] {
            let said = with(date);
            said.shows(check, "fail", "DOCTOR_CLOCKS", 78);
            assert_eq!(said.with("fail"), [check]);
        }
        assert!(with(Date::Ahead(400)).of(check).2.contains("s behind the"));
        assert!(with(Date::Behind(400)).of(check).2.contains("s ahead of the"));
        let silent = with(Date::Silent);
        assert_eq!((silent.status, silent.with("skip")), (0, vec![check]));
    }
}

#[test]
fn an_sts_that_cannot_be_reached_or_refuses_is_told_by_its_code() {
    let closed = after(|world| world.set("aws.stsEndpoint", "http://127.0.0.1:1"));
    closed.shows("STS", "fail", "HTTP_CONNECT", 69);
    assert_eq!((closed.of("STS's clock").2, closed.of("exchange").2), ("needs: STS", "needs: STS"));
    let roots = after(|world| {
        let path = world.folder.write("ca.pem", b"no certificate");
        world.set("aws.caFile", path.display());
        world.set("jwks.caFile", "/nowhere");
    });
    roots.shows("STS", "fail", "TLS_ROOTS", 78);
    assert_eq!(roots.of("issuer").1, "FILE_NOT_FOUND");
    let denied = after(|world| world.services.answers.lock().unwrap().exchange = Some((403, refusal("AccessDenied"))));
    denied.shows("exchange", "fail", "STS_ACCESS_DENIED", 76);
    assert_eq!(denied.of("caller identity").2, "needs: exchange");
    let audit = after(|world| world.set("audit.file", "/nowhere/audit"));
    audit.shows("exchange", "fail", "FILE_NOT_FOUND", 78);
}

#[test]
fn each_target_has_an_exchange_and_a_caller_of_its_own_and_one_that_is_refused_hides_no_other() {
    let of_targets = |world: &mut World| {
        world.set("aws.target.logs.roleArn", "arn:aws:iam::123456789012:role/logs");
        world.set("aws.target.raw-2.roleArn", "arn:aws:iam::123456789012:role/raw");
    };
    let mut world = World::new();
    of_targets(&mut world);
    let all = ["exchange", "caller identity", "exchange (logs)", "caller identity (logs)", "exchange (raw-2)"];
    let all: Vec<&str> = all.into_iter().chain(["caller identity (raw-2)"]).collect();
    let said = world.examined(&[]);
    let names: Vec<&str> = said.checks.iter().map(|check| check.0.as_str()).collect();
    assert_eq!((said.status, &names[9..15]), (0, all.as_slice()), "{}", said.text);
    assert!(said.of("exchange (logs)").2.contains("role/logs "), "{}", said.text);
    for (action, count) in [("Action=AssumeRoleWithWebIdentity", 3), ("Action=GetCallerIdentity", 3)] {
        assert_eq!(world.services.of(action).len(), count, "{action}");
    }
    let audit = std::fs::read_to_string(world.folder.path("audit.jsonl")).unwrap();
    assert_eq!((audit.lines().count(), audit.matches("\"target\":\"logs\"").count()), (3, 1), "{audit}");

    let denied = after(|world| {
        of_targets(world);
        world.services.answers.lock().unwrap().denied = Some("logs");
    });
    denied.shows("exchange (logs)", "fail", "STS_ACCESS_DENIED", 76);
    assert_eq!(denied.of("caller identity (logs)").2, "needs: exchange (logs)");
    assert_eq!((denied.with("fail").len(), denied.with("skip").len()), (1, 1), "{}", denied.text);
    let closed = after(|world| {
        of_targets(world);
        world.set("aws.stsEndpoint", "http://127.0.0.1:1");
    });
    assert!(all.iter().all(|name| closed.of(name).2 == "needs: STS"), "{}", closed.text);
}

#[test]
fn a_service_without_getcalleridentity_is_skipped_and_one_that_refuses_the_credential_fails() {
    let with =
        |status: u16, body: String| after(|world| world.services.answers.lock().unwrap().caller = Some((status, body)));
    // MinIO's answers, signed and unsigned; a 404 of a server that has another router.
    for (status, body) in [
        (400, refusal("InvalidParameterValue")),
        (403, refusal("AccessDenied")),
        (400, refusal("InvalidAction")),
        (404, "not found".to_owned()),
    ] {
        let said = with(status, body);
        assert_eq!((said.status, said.with("skip")), (0, vec!["caller identity"]), "{}", said.text);
    }
    with(403, refusal("SignatureDoesNotMatch")).shows("caller identity", "fail", "STS_SIGNATURE", 76);
    with(403, refusal("InvalidClientTokenId")).shows("caller identity", "fail", "STS_SIGNATURE", 76);
    with(200, "<html/>".to_owned()).shows("caller identity", "fail", "STS_ANSWER_MALFORMED", 78);
    with(503, String::new()).shows("caller identity", "fail", "STS_GATEWAY", 69);
}

#[test]
fn the_drivers_files_and_port_are_checked_and_only_where_they_are_set() {
    let other = after(|world| world.set("distribution.keyFile", "/nowhere"));
    other.shows("driver's files", "fail", "FILE_NOT_FOUND", 78);
    let executors = after(|world| {
        let path = world.folder.write("keys/driver.pem", b"garbage");
        world.set("distribution.keyFile", path.display());
    });
    executors.shows("driver's files", "fail", "KEYS_NOT_PEM", 78);
    for address in ["127.0.0.1:1", "127.0.0.1:0"] {
        let closed = after(|world| world.set("distribution.listen", address));
        assert_eq!((closed.status, closed.with("skip")), (0, vec!["driver's port"]), "{}", closed.text);
    }
    let resolve = after(|world| world.settings.retain(|key, _| !key.starts_with("distribution.")));
    assert_eq!((resolve.status, resolve.with("skip")), (0, vec!["driver's files", "driver's port"]));
}

#[test]
fn the_status_is_that_of_the_worst_failure() {
    let said = after(|world| {
        world.set("jwks.url", "http://127.0.0.1:1/keys");
        world.set("distribution.keyFile", "/nowhere");
        world.write_token("other", -10, 600);
    });
    assert_eq!(said.with("fail"), ["issuer", "token rules", "driver's files"]);
    assert_eq!(said.status, 78);
    let without = after(|world| {
        world.set("jwks.url", "http://127.0.0.1:1/keys");
        world.write_token("other", -10, 600);
    });
    assert_eq!(without.status, 77, "{}", without.text);
}
