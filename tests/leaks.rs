//! Planted secrets, followed through the whole way: what may hold them, and what must not.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/tokens.rs"]
mod tokens;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use folder::Folder;
use safe_conduct::Secret;
use safe_conduct::audit::{AuditEvent, AuditLog};
use safe_conduct::codec::base64url;
use safe_conduct::codec::frame::FieldWriter;
use safe_conduct::codec::url::ServiceUrl;
use safe_conduct::credential::{AcceptedProperties, s3a};
use safe_conduct::distribute::{
    ClientSettings, DriverAddress, DriverProof, DriverServer, ExecutorClient, ExecutorProof, ListenAddress,
    ServerSettings,
};
use safe_conduct::identity::{Algorithm, TokenVerifier};
use safe_conduct::ingest::{FileTokenIngestor, KeySource};
use safe_conduct::manager::{ManagerParts, ManagerSettings, UserCredentialManager};
use safe_conduct::name::{Audience, CredentialName, ExecutorName, Issuer, PropertyName, RoleArn, Scheme};
use safe_conduct::provider::{AwsSts, AwsStsEndpoint, AwsStsSettings, Providers, RoleSettings};
use safe_conduct::secret::WipedBuffer;
use safe_conduct::sink::{self, CredentialsFile, EndpointFiles, EndpointSettings, LoopbackEndpoint, ProfileSettings};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::http::{HttpError, HttpRequest, HttpResponse};
use safe_conduct::sys::job_keys::new_job_keys;
use safe_conduct::sys::random::{Random, SystemRandomness};
use safe_conduct::time::{Clock, Timestamp};

const PATIENCE: Duration = Duration::from_secs(10);
const SECRET_KEY: &str = "PLANTEDsecretKEY0123456789abcdefPLANTED";
const SESSION_TOKEN: &str = "PLANTEDsessionTOKEN0123456789PLANTED";

/// Everything that is logged at any level, by any crate.
static LOGGED: Mutex<String> = Mutex::new(String::new());

struct Everything;

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // rustls traces what it sends, encrypted or not; that is why the binary leaves other crates out.
        if record.target().starts_with("safe_conduct") {
            writeln!(LOGGED.lock().unwrap(), "{}", record.args()).unwrap();
        }
    }

    fn flush(&self) {}
}

#[derive(Default)]
struct Audit(Mutex<String>);

impl AuditLog for Audit {
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp) {
        writeln!(self.0.lock().unwrap(), "{} {event:?}", event.to_json(now)).unwrap();
    }
}

/// The secret as it may be written: raw, base64 in both alphabets at any alignment, hexadecimal.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), secret.bytes().map(|byte| format!("{byte:02x}")).collect()];
    for skipped in 0..3 {
        let whole = (secret.len() - skipped) / 3 * 3;
        let encoded = base64url::encode(&secret.as_bytes()[skipped..skipped + whole]);
        forms.push(encoded.replace('-', "+").replace('_', "/"));
        forms.push(encoded);
    }
    forms
}

fn holds(text: &str, secret: &str) -> bool {
    forms(secret).iter().any(|form| text.contains(form.as_str()))
}

fn sts(_: &HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
    let expiration = SystemClock::new().moment().wall.plus(Duration::from_secs(3600));
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLE000000000</AccessKeyId>\
         <SecretAccessKey>{SECRET_KEY}</SecretAccessKey><SessionToken>{SESSION_TOKEN}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>"
    );
    let mut body = WipedBuffer::with_capacity(answer.len());
    body.push(answer.as_bytes()).unwrap();
    Ok(HttpResponse { status: 200, body, retry_after: None, date: None })
}

#[test]
fn the_token_reaches_no_executor_no_file_no_log_and_no_audit_line() {
    log::set_logger(&Everything).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let folder = Folder::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let random: Arc<dyn Random> = Arc::new(SystemRandomness::new());
    let (driver, executors) = new_job_keys(random.as_ref()).unwrap();
    folder.write("driver.pem", driver.as_slice());
    folder.write("executors.pem", executors.as_slice());
    folder.write("jwks.json", tokens::jwks().as_bytes());
    let now = clock.moment().wall.unix_seconds();
    let claims =
        format!(r#"{{"iss":"https://issuer.example","sub":"alice","aud":"sts","iat":{now},"exp":{}}}"#, now + 600);
    let token = tokens::signed(Algorithm::Rs256, &claims);
    folder.write("token", token.as_bytes());

    let (store, audit) = (Arc::new(CredentialStore::new()), Arc::new(Audit::default()));
    let verifier = TokenVerifier::new(Issuer::new("https://issuer.example").unwrap(), Audience::new("sts").unwrap());
    let settings = AwsStsSettings {
        role: RoleSettings::new(RoleArn::new("arn:aws:iam::123456789012:role/spark").unwrap()),
        endpoint: AwsStsEndpoint::Url { url: ServiceUrl::new("https://sts.example").unwrap(), signing_region: None },
    };
    let keys = KeySource::file(folder.path("jwks.json"));
    let parts = ManagerParts {
        ingestor: Box::new(FileTokenIngestor::new(folder.path("token"), verifier, keys)),
        providers: Providers::new().with(Scheme::s3a(), Arc::new(AwsSts::new(settings, Arc::new(sts)).unwrap())),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        audit: audit.clone(),
    };
    let mut shown = String::new();
    let manager = UserCredentialManager::new(parts, ManagerSettings::default());
    write!(shown, "{manager:?}").unwrap();
    let manager = manager.start().unwrap();
    let server = ServerSettings {
        listen: ListenAddress::Exactly(([127, 0, 0, 1], 0).into()),
        proof: DriverProof::KeyFile(folder.path("driver.pem")),
        poll_interval: Duration::from_secs(60),
    };
    let server =
        DriverServer::start(server, Arc::clone(&store), Arc::clone(&clock), Arc::clone(&random), audit.clone())
            .unwrap();

    let names = s3a::PROPERTIES.map(|name| PropertyName::new(name).unwrap());
    let settings = ClientSettings {
        driver: DriverAddress::new("127.0.0.1", server.local_addr().port()).unwrap(),
        proof: ExecutorProof::KeyFile(folder.path("executors.pem")),
        name: ExecutorName::new("executor-1").unwrap(),
        accepted: AcceptedProperties::none().with(Scheme::s3a(), names),
        poll_interval: Duration::from_secs(60),
    };
    let received = Arc::new(CredentialStore::new());
    let client = ExecutorClient::new(settings, Arc::clone(&clock)).unwrap();
    let client = client.start(Arc::clone(&received), Arc::clone(&random), Box::new(|_| {})).unwrap();
    let bundle = received.wait_newer(None, PATIENCE).expect("a bundle");
    let (files, endpoint_token) = EndpointFiles::prepare(&folder.path("run"), None, random.as_ref()).unwrap();
    let endpoint_token = Arc::new(endpoint_token);
    let settings = EndpointSettings { listen: ([127, 0, 0, 1], 0).into(), scheme: Scheme::s3a() };
    let endpoint =
        LoopbackEndpoint::start(settings, Arc::clone(&endpoint_token), Arc::clone(&received), clock).unwrap();
    files.publish_url(&endpoint.url(), random.as_ref()).unwrap();

    let mut stream = TcpStream::connect(endpoint.local_addr()).unwrap();
    let head = format!("GET /v1/credentials HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", endpoint.local_addr());
    write!(stream, "{head}Authorization: {}\r\n\r\n", endpoint_token.expose()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let environment =
        sink::child_environment(std::iter::empty(), &endpoint.url(), files.token_file(), &endpoint_token, None);
    let named = CredentialName::parse("s3a/logs").unwrap();
    let credential = Arc::clone(bundle.credentials.get(&Scheme::s3a().into()).unwrap());
    received.publish(bundle.version.epoch, bundle.credentials.clone().with(named, credential));
    std::fs::create_dir(folder.path("profiles")).unwrap();
    let settings = ProfileSettings::default();
    let profiles = CredentialsFile::prepare(&folder.path("profiles"), settings, Arc::clone(&random)).unwrap();
    write!(shown, "{profiles:?}").unwrap();
    let profiles = profiles.start(Arc::clone(&received), Arc::new(SystemClock::new())).unwrap();
    let profile = std::fs::read_to_string(folder.path("profiles/aws-credentials")).unwrap();
    write!(shown, "{profiles:?}").unwrap();
    let mut body = FieldWriter::new();
    bundle.credentials.encode(&mut body).unwrap();
    write!(shown, "{manager:?} {server:?} {client:?} {endpoint:?} {files:?} {environment:?} {bundle:?} {store:?}")
        .unwrap();
    write!(shown, "{body:?} {endpoint_token:?} {:?}", folder.root()).unwrap();

    let mut written = String::new();
    for entry in std::fs::read_dir(folder.path("run")).unwrap() {
        written.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    drop((client, endpoint, profiles, server, manager));
    let logged = LOGGED.lock().unwrap().clone();
    let audited = audit.0.lock().unwrap().clone();
    let bundle_bytes = String::from_utf8_lossy(body.body()).into_owned();

    // The control: what must hold a secret does, so the search can find one. In "debug" is what types print: bad input
    // 326.
    assert!(holds(&answer, SECRET_KEY) && holds(&answer, SESSION_TOKEN) && holds(&bundle_bytes, SECRET_KEY));
    assert!(holds(&written, endpoint_token.expose()));
    assert!(holds(&profile, SECRET_KEY) && holds(&profile, SESSION_TOKEN));
    assert!(logged.contains("credential until") && audited.contains("\"event\":\"exchange\""), "{logged}{audited}");
    let signature = token.rsplit('.').next().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    for (place, text) in [
        ("answer", &answer),
        ("bundle", &bundle_bytes),
        ("files", &written),
        ("profile", &profile),
        ("log", &logged),
        ("audit", &audited),
        ("debug", &shown),
    ] {
        for part in [token.as_str(), payload, signature] {
            assert!(!holds(text, part), "the identity token is in the {place}");
        }
    }
    for (place, text) in [("files", &written), ("log", &logged), ("audit", &audited), ("debug", &shown)] {
        for secret in [SECRET_KEY, SESSION_TOKEN] {
            assert!(!holds(text, secret), "a credential is in the {place}");
        }
    }
    for (place, text) in [("answer", &answer), ("log", &logged), ("audit", &audited), ("debug", &shown)] {
        assert!(!holds(text, endpoint_token.expose()), "the endpoint's token is in the {place}");
    }
}

#[test]
fn a_secret_in_any_of_its_forms_is_found_by_the_search() {
    let secret = Secret::from_text("PLANTED-0123456789");
    for form in forms(secret.expose()) {
        assert!(holds(&format!("x{form}y"), secret.expose()), "{form}");
    }
    assert!(!holds("PLANTED-012345678", secret.expose()));
}
