//! An STS for the example: it checks the token's signature, issuer, audience and expiry itself, and answers in AWS's
//! form.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use safe_conduct::codec::base64url;
use serde_json::Value;

use super::issuer::Issuer;
use super::world::{HttpServer, MovedClock, Stepped};

/// The STS at work.
pub struct Sts {
    server: HttpServer,
    calls: Arc<AtomicUsize>,
}

/// What the STS trusts.
struct Trust {
    issuer: String,
    key: Vec<u8>,
    clock: Arc<MovedClock>,
}

impl Sts {
    /// Serves `AssumeRoleWithWebIdentity` on loopback for tokens of `issuer`.
    pub fn start(issuer: &Issuer, clock: Arc<MovedClock>) -> Stepped<Self> {
        let trust = Trust { issuer: issuer.url().to_owned(), key: issuer.public_key(), clock };
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let server = HttpServer::start(Arc::new(move |_: &str, path: &str, body: &[u8]| {
            counted.fetch_add(1, Ordering::SeqCst);
            match trust.assume_role(path, body) {
                Ok(answer) => (200, answer.into_bytes()),
                Err(code) => (400, error(code).into_bytes()),
            }
        }))?;
        Ok(Self { server, calls })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Stops it: connections are refused from now on.
    pub fn stop(&mut self) {
        self.server.stop();
    }
}

impl Trust {
    fn assume_role(&self, path: &str, body: &[u8]) -> Result<String, &'static str> {
        let form = form(body).ok_or("InvalidParameterValue")?;
        let field = |name: &str| form.get(name).map(String::as_str).ok_or("MissingParameter");
        if path != "/" || field("Action")? != "AssumeRoleWithWebIdentity" || field("Version")? != "2011-06-15" {
            return Err("InvalidAction");
        }
        let claims = self.verified(field("WebIdentityToken")?)?;
        let subject = claims["sub"].as_str().ok_or("InvalidIdentityToken")?;
        let (role, session) = (field("RoleArn")?, field("RoleSessionName")?);
        let role_name = role.rsplit('/').next().unwrap_or_default();
        let seconds = field("DurationSeconds")?.parse().map_err(|_| "ValidationError")?;
        let expiration = self.clock.now().plus(Duration::from_secs(seconds));
        // AWS names an IAM provider's ARN, which is the issuer without https://; this one has http:// on loopback.
        let provider = &self.issuer;
        Ok(format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Audience>sts.amazonaws.com</Audience><AssumedRoleUser>\
             <AssumedRoleId>AROAEXAMPLE:{session}</AssumedRoleId>\
             <Arn>arn:aws:sts::123456789012:assumed-role/{role_name}/{session}</Arn></AssumedRoleUser>\
             <Provider>{provider}</Provider><Credentials><AccessKeyId>ASIAEXAMPLE00000{subject}</AccessKeyId>\
             <SecretAccessKey>secret-of-{subject}</SecretAccessKey><SessionToken>session-of-{subject}</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials>\
             <SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken></AssumeRoleWithWebIdentityResult>\
             <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>\
             </AssumeRoleWithWebIdentityResponse>"
        ))
    }

    /// What a real STS does with a token: signature first, then issuer, audience and expiry.
    fn verified(&self, token: &str) -> Result<Value, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("InvalidIdentityToken")?;
        let bytes = |part: &str| base64url::decode(part, 20_000).map_err(|_| "InvalidIdentityToken");
        let signature = bytes(signature)?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key);
        key.verify(signed.as_bytes(), signature.as_slice()).map_err(|_| "InvalidIdentityToken")?;
        let payload = bytes(signed.rsplit('.').next().unwrap_or_default())?;
        let claims: Value = serde_json::from_slice(payload.as_slice()).map_err(|_| "InvalidIdentityToken")?;
        let audience = claims["aud"].as_array().is_some_and(|all| all.contains(&Value::from("sts.amazonaws.com")));
        if claims["iss"] != self.issuer.as_str() || !audience {
            return Err("InvalidIdentityToken");
        }
        let live = claims["exp"].as_u64().is_some_and(|expires| expires > self.clock.now().unix_seconds());
        if live { Ok(claims) } else { Err("ExpiredTokenException") }
    }
}

fn error(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>refused</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

/// Reads `application/x-www-form-urlencoded`.
fn form(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let text = std::str::from_utf8(body).ok()?;
    text.split('&')
        .map(|pair| pair.split_once('=').and_then(|(name, value)| Some((decoded(name)?, decoded(value)?))))
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}
