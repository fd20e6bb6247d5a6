//! How driver and executors prove themselves: which of the ways is configured, and whether it is whole.

use std::path::PathBuf;

use super::error::ConfigError;
use super::raw::{Settings, full, invalid};
use crate::distribute::{DriverProof, ExecutorProof, OwnFiles, PeerFiles};
use crate::sys::tls::PeerName;

const KEY_FILE: &str = "distribution.keyFile";
const CA_FILE: &str = "distribution.tls.caFile";
const CERT_FILE: &str = "distribution.tls.certFile";
const TLS_KEY_FILE: &str = "distribution.tls.keyFile";
const PEER_NAME: &str = "distribution.tls.peerName";

/// All settings of certificates.
const CERTIFICATES: [&str; 4] = [CA_FILE, CERT_FILE, TLS_KEY_FILE, PEER_NAME];

/// The driver's way.
pub(super) fn driver_proof(settings: &Settings) -> Result<DriverProof, ConfigError> {
    Ok(match key_file(settings)? {
        Some(path) => DriverProof::KeyFile(path),
        None => DriverProof::Certificates { own: own(settings)?, executors: peer(settings)? },
    })
}

/// The executor's way.
pub(super) fn executor_proof(settings: &Settings) -> Result<ExecutorProof, ConfigError> {
    Ok(match key_file(settings)? {
        Some(path) => ExecutorProof::KeyFile(path),
        None => ExecutorProof::Certificates { own: own(settings)?, driver: peer(settings)? },
    })
}

/// The key file, if that is the way; none of the others may then be configured, and one of them must be otherwise.
fn key_file(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let other = CERTIFICATES.into_iter().find(|key| settings.text(key).is_some());
    match (settings.path(KEY_FILE), other) {
        (Some(_), Some(other)) => Err(ConfigError::Conflict { key: full(KEY_FILE), other: full(other) }),
        (Some(path), None) => Ok(Some(path)),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(ConfigError::Missing { key: full(KEY_FILE) }),
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "keyFile=/k";
    const CERTIFICATES: [&str; 4] = ["tls.caFile=/ca", "tls.certFile=/c", "tls.keyFile=/t", "tls.peerName=peer.test"];

    fn settings(of: &[&str]) -> Settings {
        let all: Vec<String> = of.iter().map(|text| format!("spark.security.oidc.distribution.{text}")).collect();
        Settings::read(None, &all).unwrap()
    }

    /// What both sides say to settings that neither takes.
    fn refused(of: &[&str]) -> ConfigError {
        let (driver, executor) = (driver_proof(&settings(of)).unwrap_err(), executor_proof(&settings(of)).unwrap_err());
        assert_eq!(driver.to_string(), executor.to_string());
        driver
    }

    #[test]
    fn each_way_is_taken_when_it_is_whole() {
        assert!(matches!(driver_proof(&settings(&[KEYS])), Ok(DriverProof::KeyFile(_))));
        assert!(matches!(executor_proof(&settings(&[KEYS])), Ok(ExecutorProof::KeyFile(_))));
        assert!(matches!(driver_proof(&settings(&CERTIFICATES)), Ok(DriverProof::Certificates { .. })));
        assert!(matches!(executor_proof(&settings(&CERTIFICATES)), Ok(ExecutorProof::Certificates { .. })));
    }

    #[test]
    fn no_way_or_half_of_one_is_refused_with_the_missing_key() {
        let missing = |of: &[&str]| match refused(of) {
            ConfigError::Missing { key } => key,
            other => panic!("{other}"),
        };
        assert_eq!(missing(&[]), "spark.security.oidc.distribution.keyFile");
        for left_out in CERTIFICATES {
            let rest: Vec<&str> = CERTIFICATES.into_iter().filter(|setting| *setting != left_out).collect();
            let key = left_out.split('=').next().unwrap();
            assert_eq!(missing(&rest), format!("spark.security.oidc.distribution.{key}"));
        }
    }

    #[test]
    fn two_ways_at_once_are_refused_with_both_keys() {
        for setting in CERTIFICATES {
            let error = refused(&[KEYS, setting]);
            let key = setting.split('=').next().unwrap();
            let wanted = full(&format!("distribution.{key}"));
            assert!(matches!(&error, ConfigError::Conflict { other, .. } if *other == wanted), "{error}");
        }
    }

    #[test]
    fn a_peers_name_that_is_no_dns_name_is_refused() {
        for name in ["*.test", "10.0.0.1", "a b"] {
            let wrong = format!("tls.peerName={name}");
            let error = refused(&[CERTIFICATES[0], CERTIFICATES[1], CERTIFICATES[2], &wrong]);
            assert!(matches!(&error, ConfigError::Invalid { key, .. } if key.ends_with("tls.peerName")), "{error}");
        }
    }
}
