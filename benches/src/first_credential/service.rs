//! An issuer and an STS on one loopback port, which answer at once: what is measured is whoever asks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use safe_conduct::time::Timestamp;

use crate::tokens;

pub const AUDIENCE: &str = "sts.amazonaws.com";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/spark";

/// What is given out; by the first, whoever asked shows that it was read.
pub const KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

pub struct Service {
    pub url: String,
}

impl Service {
    /// Serves until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = url.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let issuer = issuer.clone();
                // A client that goes away early is seen by its exit status.
                std::thread::spawn(move || drop(serve(&stream.unwrap(), &issuer)));
            }
        });
        Self { url }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a token that `issuer` signs.
pub fn claims(issuer: &str) -> String {
    let (now, subject) = (now(), "system:serviceaccount:spark:etl");
    format!(
        r#"{{"aud":["{AUDIENCE}"],"exp":{},"iat":{now},"iss":"{issuer}","nbf":{now},"sub":"{subject}"}}"#,
        now + 7200
    )
}

fn serve(stream: &TcpStream, issuer: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, content) = answer(&first, &String::from_utf8_lossy(&body), issuer);
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    (&mut &*stream).write_all(&[head.as_bytes(), content.as_bytes()].concat())
}

fn answer(request: &str, body: &str, issuer: &str) -> (&'static str, String) {
    match request.split(' ').take(2).collect::<Vec<_>>().as_slice() {
        ["GET", "/.well-known/openid-configuration"] => {
            ("200 OK", format!(r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/jwks"}}"#))
        }
        ["GET", "/jwks"] => ("200 OK", tokens::jwks()),
        ["POST", "/"] if is_exchange(body) => ("200 OK", credential()),
        _ => ("400 Bad Request", String::new()),
    }
}

/// Whether it is the call that is measured, with a token in it.
fn is_exchange(body: &str) -> bool {
    let has = |wanted: &str| body.split('&').any(|field| field.starts_with(wanted));
    has("Action=AssumeRoleWithWebIdentity") && has("WebIdentityToken=ey")
}

fn credential() -> String {
    let expiration = Timestamp::from_unix_seconds(now()).unwrap().plus(Duration::from_secs(3600));
    let token = "FwoGZXIvYXdzEJr/".repeat(62);
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:alice</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/spark/alice</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId>\
         </ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    )
}
