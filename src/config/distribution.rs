//! How driver and executors prove themselves: which of the three ways is configured, and whether it is whole.

use std::path::PathBuf;

use super::error::ConfigError;
use super::exchange::{self, IdentityConfig, KeysFrom};
use super::raw::{Settings, full, invalid};
use crate::distribute::{DriverProof, ExecutorProof, OwnFiles, PeerFiles};
use crate::identity::{ClaimPath, TokenVerifier};
use crate::name::{Audience, Issuer};
use crate::sys::tls::PeerName;

const KEY_FILE: &str = "distribution.keyFile";
const CA_FILE: &str = "distribution.tls.caFile";
const CERT_FILE: &str = "distribution.tls.certFile";
const TLS_KEY_FILE: &str = "distribution.tls.keyFile";
const PEER_NAME: &str = "distribution.tls.peerName";
const TOKEN_FILE: &str = "distribution.executorToken.file";
const ISSUER: &str = "distribution.executorToken.issuer";
const AUDIENCE: &str = "distribution.executorToken.audience";
const NAMESPACE: &str = "distribution.executorToken.namespace";
const SERVICE_ACCOUNT: &str = "distribution.executorToken.serviceAccount";
const POD_PREFIX: &str = "distribution.executorToken.podPrefix";

const CERTIFICATES: [&str; 4] = [CA_FILE, CERT_FILE, TLS_KEY_FILE, PEER_NAME];
const TOKENS: [&str; 6] = [TOKEN_FILE, ISSUER, AUDIENCE, NAMESPACE, SERVICE_ACCOUNT, POD_PREFIX];

/// The driver's way. Exhaustive, so that a role cannot forget one.
#[derive(Debug)]
pub enum DriverWay {
    /// One that needs nothing but its files.
    Files(DriverProof),
    /// A certificate, and executors' own tokens.
    ExecutorTokens {
        /// The driver's certificate.
        own: OwnFiles,
        /// How executors' tokens are judged.
        tokens: Box<ExecutorTokens>,
    },
}

/// How executors' tokens are judged.
#[derive(Debug)]
pub struct ExecutorTokens {
    /// The rules, and where the issuer's keys are. The principal is the pod's name.
    pub identity: IdentityConfig,
    /// What the pod's name begins with.
    pub pod_prefix: Option<String>,
}

/// Which of the three ways is configured.
enum Way {
    KeyFile(PathBuf),
    Certificates,
    Tokens,
}

impl DriverWay {
    /// Reads the driver's way.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(match way(settings)? {
            Way::KeyFile(path) => Self::Files(DriverProof::KeyFile(path)),
            Way::Certificates => {
                Self::Files(DriverProof::Certificates { own: own(settings)?, executors: peer(settings)? })
            }
            Way::Tokens => {
                // Executors have no certificates here: these two would be taken for a check that is not made.
                excluded(settings, ISSUER, &[CA_FILE, PEER_NAME])?;
                Self::ExecutorTokens { own: own(settings)?, tokens: Box::new(ExecutorTokens::from_settings(settings)?) }
            }
        })
    }
}

/// The executor's way.
pub(super) fn executor_proof(settings: &Settings) -> Result<ExecutorProof, ConfigError> {
    Ok(match way(settings)? {
        Way::KeyFile(path) => ExecutorProof::KeyFile(path),
        Way::Certificates => ExecutorProof::Certificates { own: own(settings)?, driver: peer(settings)? },
        Way::Tokens => {
            excluded(settings, TOKEN_FILE, &[CERT_FILE, TLS_KEY_FILE])?;
            ExecutorProof::Token { token: settings.required_path(TOKEN_FILE)?, driver: peer(settings)? }
        }
    })
}

fn way(settings: &Settings) -> Result<Way, ConfigError> {
    let tokens = TOKENS.iter().any(|key| settings.text(key).is_some());
    let certificates = CERTIFICATES.iter().any(|key| settings.text(key).is_some());
    match settings.path(KEY_FILE) {
        Some(path) => {
            excluded(settings, KEY_FILE, &CERTIFICATES)?;
            excluded(settings, KEY_FILE, &TOKENS)?;
            Ok(Way::KeyFile(path))
        }
        None if tokens => Ok(Way::Tokens),
        None if certificates => Ok(Way::Certificates),
        None => Err(ConfigError::Missing { key: full(KEY_FILE) }),
    }
}

/// None of `others` may be set beside `key`.
fn excluded(settings: &Settings, key: &str, others: &[&'static str]) -> Result<(), ConfigError> {
    match others.iter().find(|other| settings.text(other).is_some()) {
        Some(other) => Err(ConfigError::Conflict { key: full(key), other: full(other) }),
        None => Ok(()),
    }
}

fn own(settings: &Settings) -> Result<OwnFiles, ConfigError> {
    Ok(OwnFiles { certificate: settings.required_path(CERT_FILE)?, key: settings.required_path(TLS_KEY_FILE)? })
}

fn peer(settings: &Settings) -> Result<PeerFiles, ConfigError> {
    let authorities = settings.required_path(CA_FILE)?;
    let name = PeerName::new(settings.required(PEER_NAME)?).ok_or_else(|| invalid(PEER_NAME, None))?;
    Ok(PeerFiles { authorities, name })
}

impl ExecutorTokens {
    /// Namespace and service account are required: without them, any token of the cluster would do.
    fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        settings.required(ISSUER)?;
        settings.required(AUDIENCE)?;
        let issuer = settings.parsed(ISSUER, Issuer::new)?;
        let issuer = issuer.ok_or_else(|| ConfigError::Missing { key: full(ISSUER) })?;
        let audience = settings.parsed(AUDIENCE, Audience::new)?;
        let audience = audience.ok_or_else(|| ConfigError::Missing { key: full(AUDIENCE) })?;
        let identity = settings.required("identityToken.audience")?;
        // Either token could be sent in place of the other.
        if identity.split(',').any(|other| other.trim() == audience.as_str()) {
            return Err(invalid(AUDIENCE, Some("identityToken.audience names it too".to_owned())));
        }
        let claim = |pointer: &str| ClaimPath::new(pointer).map_err(|error| invalid(ISSUER, Some(error.to_string())));
        let verifier = TokenVerifier::new(issuer.clone(), audience)
            .required_claim(claim("/kubernetes.io/namespace")?, kubernetes_name(settings, NAMESPACE)?)
            .required_claim(claim("/kubernetes.io/serviceaccount/name")?, kubernetes_name(settings, SERVICE_ACCOUNT)?)
            .principal_claim(claim("/kubernetes.io/pod/name")?);
        let pod_prefix = settings.text(POD_PREFIX).map(|_| kubernetes_name(settings, POD_PREFIX)).transpose()?;
        // Without the dash, the prefix of job 1 would be that of job 10 too.
        if pod_prefix.as_ref().is_some_and(|prefix| !prefix.ends_with('-')) {
            return Err(invalid(POD_PREFIX, None));
        }
        Ok(Self { identity: keys_of(settings, issuer, verifier)?, pod_prefix })
    }
}

/// The issuer's keys: where the identity token's are, if both have one issuer, else by discovery. The signature is
/// checked also where the identity token's is not, and no other issuer is sent the bearer token.
fn keys_of(settings: &Settings, issuer: Issuer, verifier: TokenVerifier) -> Result<IdentityConfig, ConfigError> {
    let same = settings.text("identityToken.issuer") == Some(issuer.as_str());
    let keys = if same { exchange::keys(settings, true)? } else { KeysFrom::Discovery };
    let mut config = IdentityConfig::with_keys(settings, issuer, verifier, keys)?;
    config.bearer_token_file = config.bearer_token_file.filter(|_| same);
    Ok(config)
}

/// A name as Kubernetes has it.
fn kubernetes_name(settings: &Settings, key: &'static str) -> Result<String, ConfigError> {
    let text = settings.required(key)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if text.len() > 253 || !text.chars().all(allowed) {
        return Err(invalid(key, None));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "keyFile=/k";
    const CERTIFICATES: [&str; 4] = ["tls.caFile=/ca", "tls.certFile=/c", "tls.keyFile=/t", "tls.peerName=peer.test"];
    const TOKENS_ON_DRIVER: [&str; 7] = [
        "tls.certFile=/c",
        "tls.keyFile=/t",
        "executorToken.issuer=https://cluster.example",
        "executorToken.audience=safe-conduct",
        "executorToken.namespace=spark",
        "executorToken.serviceAccount=etl-exec",
        "executorToken.podPrefix=etl-1-exec-",
    ];
    const TOKEN_ON_EXECUTOR: [&str; 3] = ["tls.caFile=/ca", "tls.peerName=peer.test", "executorToken.file=/token"];

    fn settings(of: &[&str]) -> Settings {
        let all = of.iter().map(|text| format!("spark.security.oidc.distribution.{text}"));
        let identity = ["identityToken.issuer=https://issuer.example", "identityToken.audience=sts.a, sts.b"];
        let identity = identity.iter().map(|text| format!("spark.security.oidc.{text}"));
        Settings::read(None, &identity.chain(all).collect::<Vec<_>>()).unwrap()
    }

    fn driver(of: &[&str]) -> Result<DriverWay, ConfigError> {
        DriverWay::from_settings(&settings(of))
    }

    fn executor(of: &[&str]) -> Result<ExecutorProof, ConfigError> {
        executor_proof(&settings(of))
    }

    fn missing<T: std::fmt::Debug>(said: Result<T, ConfigError>) -> String {
        match said {
            Err(ConfigError::Missing { key }) => {
                key.strip_prefix("spark.security.oidc.distribution.").unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    fn without<'a>(of: &[&'a str], key: &str) -> Vec<&'a str> {
        of.iter().copied().filter(|setting| !setting.starts_with(&format!("{key}="))).collect()
    }

    #[test]
    fn each_way_is_taken_when_it_is_whole() {
        assert!(matches!(driver(&[KEYS]), Ok(DriverWay::Files(DriverProof::KeyFile(_)))));
        assert!(matches!(executor(&[KEYS]), Ok(ExecutorProof::KeyFile(_))));
        assert!(matches!(driver(&CERTIFICATES), Ok(DriverWay::Files(DriverProof::Certificates { .. }))));
        assert!(matches!(executor(&CERTIFICATES), Ok(ExecutorProof::Certificates { .. })));
        assert!(matches!(driver(&TOKENS_ON_DRIVER), Ok(DriverWay::ExecutorTokens { .. })));
        assert!(matches!(executor(&TOKEN_ON_EXECUTOR), Ok(ExecutorProof::Token { .. })));
        let any_pod = without(&TOKENS_ON_DRIVER, "executorToken.podPrefix");
        let Ok(DriverWay::ExecutorTokens { tokens, .. }) = driver(&any_pod) else { panic!() };
        assert_eq!(tokens.pod_prefix, None);
    }

    #[test]
    fn no_way_or_half_of_one_is_refused_with_the_missing_key() {
        assert_eq!(missing(driver(&[])), "keyFile");
        assert_eq!(missing(executor(&[])), "keyFile");
        for key in ["tls.caFile", "tls.certFile", "tls.keyFile", "tls.peerName"] {
            assert_eq!(missing(driver(&without(&CERTIFICATES, key))), key);
            assert_eq!(missing(executor(&without(&CERTIFICATES, key))), key);
        }
        for key in TOKENS_ON_DRIVER.map(|setting| setting.split('=').next().unwrap()) {
            if key != "executorToken.podPrefix" {
                assert_eq!(missing(driver(&without(&TOKENS_ON_DRIVER, key))), key);
            }
        }
        for key in ["tls.caFile", "tls.peerName"] {
            assert_eq!(missing(executor(&without(&TOKEN_ON_EXECUTOR, key))), key);
        }
        // What is left without the token's file is half of the other way with certificates.
        assert_eq!(missing(executor(&without(&TOKEN_ON_EXECUTOR, "executorToken.file"))), "tls.certFile");
        // The driver's settings of this way, on an executor.
        assert_eq!(missing(executor(&["executorToken.issuer=https://cluster.example"])), "executorToken.file");
    }

    #[test]
    fn a_driver_that_takes_any_token_of_the_cluster_cannot_be_configured() {
        for key in ["executorToken.namespace", "executorToken.serviceAccount"] {
            assert_eq!(missing(driver(&without(&TOKENS_ON_DRIVER, key))), key);
            let blank = format!("{key}= ");
            let mut of = without(&TOKENS_ON_DRIVER, key);
            of.push(&blank);
            assert_eq!(missing(driver(&of)), key);
        }
    }

    #[test]
    fn two_ways_at_once_are_refused_with_both_keys() {
        let conflict = |error: ConfigError, key: &str| {
            let wanted = full(&format!("distribution.{}", key.split('=').next().unwrap()));
            assert!(matches!(&error, ConfigError::Conflict { other, .. } if *other == wanted), "{error}");
        };
        for setting in CERTIFICATES.iter().chain(&TOKENS_ON_DRIVER).chain(&TOKEN_ON_EXECUTOR) {
            conflict(driver(&[KEYS, setting]).unwrap_err(), setting);
            conflict(executor(&[KEYS, setting]).unwrap_err(), setting);
        }
        for setting in ["tls.caFile=/ca", "tls.peerName=peer.test"] {
            conflict(driver(&[&TOKENS_ON_DRIVER[..], &[setting]].concat()).unwrap_err(), setting);
        }
        for setting in ["tls.certFile=/c", "tls.keyFile=/t"] {
            conflict(executor(&[&TOKEN_ON_EXECUTOR[..], &[setting]].concat()).unwrap_err(), setting);
        }
    }

    #[test]
    fn values_that_cannot_be_are_refused_with_their_key() {
        let wrong = |of: &[&str], setting: &str| {
            let key = setting.split('=').next().unwrap();
            let of = [&without(of, key)[..], &[setting]].concat();
            let error =
                if key.starts_with("executorToken") { driver(&of).unwrap_err() } else { executor(&of).unwrap_err() };
            let named = matches!(&error, ConfigError::Invalid { key: named, .. } if named.ends_with(key));
            assert!(named, "{setting}: {error}");
        };
        for name in ["*.test", "10.0.0.1", "a b"] {
            wrong(&CERTIFICATES, &format!("tls.peerName={name}"));
        }
        // One of the identity token's audiences: either token could be sent in place of the other.
        for setting in ["audience=sts.b", "namespace=Spark", "serviceAccount=a/b", "podPrefix=etl-1", "podPrefix=ETL-"]
        {
            wrong(&TOKENS_ON_DRIVER, &format!("executorToken.{setting}"));
        }
    }

    #[test]
    fn the_keys_are_the_identity_tokens_if_both_have_one_issuer_and_never_none() {
        let tokens = |issuer: &str, more: &[&str]| {
            let issuer = format!("executorToken.issuer={issuer}");
            let of = [&without(&TOKENS_ON_DRIVER, "executorToken.issuer")[..], &[&issuer]].concat();
            let mut all: Vec<String> =
                of.iter().map(|text| format!("spark.security.oidc.distribution.{text}")).collect();
            all.extend(
                ["identityToken.issuer=https://issuer.example", "identityToken.audience=sts.a"]
                    .iter()
                    .chain(more)
                    .map(|text| format!("spark.security.oidc.{text}")),
            );
            match DriverWay::from_settings(&Settings::read(None, &all).unwrap()).unwrap() {
                DriverWay::ExecutorTokens { tokens, .. } => tokens.identity,
                DriverWay::Files(_) => panic!(),
            }
        };
        let more = ["jwks.file=/jwks", "jwks.bearerTokenFile=/bearer", "identityToken.dangerouslySkipSignature=true"];
        let same = tokens("https://issuer.example", &more);
        assert_eq!(same.keys, KeysFrom::File(PathBuf::from("/jwks")));
        assert!(same.verifier.signature_checked() && same.bearer_token_file.is_some());
        let other = tokens("https://cluster.example", &more);
        assert_eq!(other.keys, KeysFrom::Discovery);
        assert!(other.verifier.signature_checked() && other.bearer_token_file.is_none());
        assert_eq!(tokens("https://issuer.example", &more[2..]).keys, KeysFrom::Discovery);
    }
}
