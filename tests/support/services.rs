//! An issuer and an STS on loopback for the binary, each answer as a test wants it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::{Clock, Timestamp};

use crate::http_date;
use crate::requests::{self, Request};

/// The secret access key and the session token that the STS gives out.
pub const SECRET: &str = "PLANTED-secret";
pub const SESSION: &str = "PLANTED-session";

/// What one of them says of the time.
#[derive(Clone, Copy)]
pub enum Date {
    /// So many seconds later than it is.
    Ahead(u64),
    /// So many seconds earlier.
    Behind(u64),
    /// Nothing.
    Silent,
}

/// What it answers; what is not named is as it must be.
#[derive(Clone)]
pub struct Answers {
    pub issuers_date: Date,
    pub sts_date: Date,
    /// Status and body of the discovery document.
    pub discovery: Option<(u16, String)>,
    pub jwks: String,
    /// Status and body of an exchange.
    pub exchange: Option<(u16, String)>,
    /// A role, by its name, that may not be assumed.
    pub denied: Option<&'static str>,
    /// Status and body of GetCallerIdentity.
    pub caller: Option<(u16, String)>,
}

/// Both of them, on one port.
pub struct Services {
    pub address: SocketAddr,
    pub answers: Arc<Mutex<Answers>>,
    pub requests: Arc<Mutex<Vec<Request>>>,
}

impl Services {
    /// They end with the test's process.
    pub fn start(jwks: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (issuers_date, sts_date) = (Date::Ahead(0), Date::Ahead(0));
        let (exchange, denied) = (None, None);
        let answers = Answers { issuers_date, sts_date, discovery: None, jwks, exchange, denied, caller: None };
        let services =
            Self { address, answers: Arc::new(Mutex::new(answers)), requests: Arc::new(Mutex::new(Vec::new())) };
        let (answers, seen) = (Arc::clone(&services.answers), Arc::clone(&services.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = Request::read(&mut stream);
                let answers = answers.lock().unwrap().clone();
                let (status, date, body) = answer(&request, &answers, address);
                seen.lock().unwrap().push(request);
                requests::answer(&mut stream, status, &date, &body);
            }
        });
        services
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far that `action` stands in.
    pub fn of(&self, action: &str) -> Vec<Request> {
        let all = self.requests.lock().unwrap().clone();
        all.into_iter().filter(|request| request.body.contains(action)).collect()
    }
}

fn answer(request: &Request, answers: &Answers, at: SocketAddr) -> (u16, String, String) {
    let of_issuer = date(answers.issuers_date);
    let of_sts = date(answers.sts_date);
    let form = &request.body;
    match request.path() {
        "/.well-known/openid-configuration" => {
            let document = format!("{{\"issuer\":\"http://{at}\",\"jwks_uri\":\"http://{at}/keys\"}}");
            let (status, body) = answers.discovery.clone().unwrap_or((200, document));
            (status, of_issuer, body)
        }
        "/keys" => (200, of_issuer, answers.jwks.clone()),
        _ if answers.denied.is_some_and(|role| form.contains(&format!("role%2F{role}&"))) => {
            (403, of_sts, refusal("AccessDenied"))
        }
        _ if form.contains("Action=AssumeRoleWithWebIdentity") => {
            let (status, body) = answers.exchange.clone().unwrap_or_else(|| (200, credentials()));
            (status, of_sts, body)
        }
        _ if form.contains("Action=GetCallerIdentity") => {
            let (status, body) = answers.caller.clone().unwrap_or_else(|| (200, caller()));
            (status, of_sts, body)
        }
        // What AWS does with a GET.
        _ => (302, of_sts, String::new()),
    }
}

fn date(said: Date) -> String {
    let now = now();
    let at = match said {
        Date::Ahead(seconds) => now.plus(Duration::from_secs(seconds)),
        Date::Behind(seconds) => now.minus(Duration::from_secs(seconds)),
        Date::Silent => return String::new(),
    };
    format!("date: {}\r\n", http_date::printed(at))
}

pub fn now() -> Timestamp {
    SystemClock::new().moment().wall
}

fn credentials() -> String {
    let expiration = now().plus(Duration::from_secs(3600));
    format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <AccessKeyId>ASIAEXAMPLE000000000</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>{SESSION}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}

fn caller() -> String {
    "<GetCallerIdentityResponse><GetCallerIdentityResult>\
     <Arn>arn:aws:sts::123456789012:assumed-role/spark/alice-session</Arn><UserId>AROAEXAMPLE:alice-session</UserId>\
     <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        .to_owned()
}

/// An error as STS writes it.
pub fn refusal(code: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>PLANTED</Message></Error></ErrorResponse>")
}
