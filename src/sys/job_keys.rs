//! The key files of a job: each side's own private key and the other side's public keys. Knows no connection.

use std::fmt;

use crate::codec::pem::{self, KeyKind, PemError};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::secret::WipedBuffer;
use crate::sys::random::{Random, RandomError};
use crate::sys::tls::{self, Acceptor, Connector, OwnKey};

/// Longest key file in bytes. One with 16 Ed25519 keys has under 2 KiB.
pub const MAX_KEY_FILE: usize = 16 * 1024;

/// An Ed25519 private key in PKCS #8 (RFC 8410, section 7), up to the 32 bytes of the key.
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410, section 4), up to the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Bytes of an Ed25519 key, private or public (RFC 8032, section 5.1.5).
const KEY_LENGTH: usize = 32;

/// One side's keys of a job, ready for connections.
#[derive(Debug)]
pub struct JobKeys {
    acceptor: Acceptor,
    connector: Connector,
}

impl JobKeys {
    /// Reads exactly one private key and at least one public key, all Ed25519, and nothing else.
    ///
    /// # Errors
    /// [`JobKeysError`] names what is there too much, too little or of the wrong kind.
    pub fn from_pem(text: &[u8]) -> Result<Self, JobKeysError> {
        let keys = pem::decode(text).map_err(JobKeysError::Pem)?;
        let of_kind = |wanted| keys.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, der)| der.as_slice());
        let mut private = of_kind(KeyKind::Private);
        let (Some(own), None) = (private.next(), private.next()) else {
            return Err(JobKeysError::PrivateKeys { count: of_kind(KeyKind::Private).count() });
        };
        let own = OwnKey::from_pkcs8(own).ok_or(JobKeysError::PrivateKeyKind)?;
        let peers: Vec<Vec<u8>> = of_kind(KeyKind::Public).map(<[u8]>::to_vec).collect();
        if peers.is_empty() {
            return Err(JobKeysError::NoPublicKey);
        }
        if let Some(position) = peers.iter().position(|peer| !is_ed25519(peer)) {
            return Err(JobKeysError::PublicKeyKind { position });
        }
        // One key pair on both sides would let an executor play the driver.
        if peers.iter().any(|peer| peer.as_slice() == own.public()) {
            return Err(JobKeysError::OwnKeyAsPeer);
        }
        let (acceptor, connector) = tls::pinned(own, peers).map_err(|_| JobKeysError::Unusable)?;
        Ok(Self { acceptor, connector })
    }

    /// What takes connections with them: the driver's side.
    #[must_use]
    pub fn acceptor(self) -> Acceptor {
        self.acceptor
    }

    /// What makes connections with them: the executors' side.
    #[must_use]
    pub fn connector(self) -> Connector {
        self.connector
    }
}

/// Makes the two key files of a job: the driver's and the executors', as PEM. Each has its own private key and the
/// other's public key.
///
/// # Errors
/// [`JobKeysError::Randomness`] if the operating system gives none.
pub fn new_job_keys(random: &dyn Random) -> Result<(WipedBuffer, WipedBuffer), JobKeysError> {
    let (driver, driver_public) = new_key(random)?;
    let (executors, executors_public) = new_key(random)?;
    Ok((key_file(&driver, executors_public.public())?, key_file(&executors, driver_public.public())?))
}

/// A private key as PKCS #8, and the same ready for use.
fn new_key(random: &dyn Random) -> Result<(WipedBuffer, OwnKey), JobKeysError> {
    let mut der = WipedBuffer::zeroed(PKCS8_PREFIX.len().saturating_add(KEY_LENGTH));
    if let Some((prefix, key)) = der.as_mut_slice().split_at_mut_checked(PKCS8_PREFIX.len()) {
        prefix.copy_from_slice(&PKCS8_PREFIX);
        // Any 32 random bytes are a private key (RFC 8032, section 5.1.5).
        random.fill(key).map_err(JobKeysError::Randomness)?;
    }
    let own = OwnKey::from_pkcs8(der.as_slice()).ok_or(JobKeysError::Unusable)?;
    Ok((der, own))
}

fn key_file(own: &WipedBuffer, peer: &[u8]) -> Result<WipedBuffer, JobKeysError> {
    let (own, peer) = (pem::encode(KeyKind::Private, own.as_slice()), pem::encode(KeyKind::Public, peer));
    let mut text = WipedBuffer::with_capacity(own.as_slice().len().saturating_add(peer.as_slice().len()));
    let whole = text.push(own.as_slice()).and_then(|()| text.push(peer.as_slice()));
    whole.map(|()| text).map_err(|_| JobKeysError::Unusable)
}

fn is_ed25519(spki: &[u8]) -> bool {
    spki.strip_prefix(&SPKI_PREFIX).is_some_and(|key| key.len() == KEY_LENGTH)
}

/// What is wrong with a key file. Nothing of a key is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobKeysError {
    /// It is not PEM of keys.
    Pem(PemError),
    /// There is no private key, or more than one.
    PrivateKeys {
        /// How many.
        count: usize,
    },
    /// The private key is not Ed25519.
    PrivateKeyKind,
    /// There is no public key of a peer.
    NoPublicKey,
    /// A public key is not Ed25519.
    PublicKeyKind {
        /// Which of them, from 0.
        position: usize,
    },
    /// The peer's public key is our own.
    OwnKeyAsPeer,
    /// The operating system gave no randomness for new keys.
    Randomness(RandomError),
    /// The TLS library does not take the keys.
    Unusable,
}

impl fmt::Display for JobKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "the key file is not PEM of keys: {error}"),
            Self::PrivateKeys { count } => write!(f, "the key file has {count} private keys, not one"),
            Self::PrivateKeyKind => f.write_str("the private key in the key file is not Ed25519"),
            Self::NoPublicKey => f.write_str("the key file has no public key of the other side"),
            Self::PublicKeyKind { position } => {
                write!(f, "public key {position} (counted from 0) in the key file is not Ed25519")
            }
            Self::OwnKeyAsPeer => f.write_str("the key file names its own key as the other side's"),
            Self::Randomness(error) => error.fmt(f),
            Self::Unusable => f.write_str("the TLS library does not take the keys"),
        }
    }
}

impl std::error::Error for JobKeysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pem(error) => Some(error),
            Self::Randomness(error) => Some(error),
            Self::PrivateKeys { .. }
            | Self::PrivateKeyKind
            | Self::NoPublicKey
            | Self::PublicKeyKind { .. }
            | Self::OwnKeyAsPeer
            | Self::Unusable => None,
        }
    }
}

impl Actionable for JobKeysError {
    fn facts(&self) -> Facts {
        match self {
            Self::Pem(_) => Facts::new(
                "KEYS_NOT_PEM",
                Fault::Configuration,
                Retry::Never,
                "Name a file made by `safe-conduct keys new` in distribution.keyFile; no text or certificate may be in it.",
            ),
            Self::PrivateKeys { .. } => Facts::new(
                "KEYS_PRIVATE_COUNT",
                Fault::Configuration,
                Retry::Never,
                "Leave exactly one PRIVATE KEY section in the file of distribution.keyFile.",
            ),
            Self::PrivateKeyKind => Facts::new(
                "KEYS_PRIVATE_NOT_ED25519",
                Fault::Configuration,
                Retry::Never,
                "Make Ed25519 keys with `safe-conduct keys new` and mount them as distribution.keyFile.",
            ),
            Self::NoPublicKey => Facts::new(
                "KEYS_NO_PEER",
                Fault::Configuration,
                Retry::Never,
                "Add the other side's PUBLIC KEY section to the file of distribution.keyFile.",
            ),
            Self::PublicKeyKind { .. } => Facts::new(
                "KEYS_PEER_NOT_ED25519",
                Fault::Configuration,
                Retry::Never,
                "Replace the PUBLIC KEY in the file of distribution.keyFile by the other side's Ed25519 key.",
            ),
            Self::OwnKeyAsPeer => Facts::new(
                "KEYS_OWN_AS_PEER",
                Fault::Configuration,
                Retry::Never,
                "Give driver and executors a key pair each: make both files with `safe-conduct keys new`.",
            ),
            Self::Randomness(_) => Facts::new(
                "KEYS_NO_RANDOMNESS",
                Fault::Configuration,
                Retry::Backoff,
                "Allow the getrandom system call, or make /dev/urandom readable, where the keys are made.",
            ),
            Self::Unusable => Facts::new(
                "KEYS_UNUSABLE",
                Fault::Configuration,
                Retry::Never,
                "Make new keys with `safe-conduct keys new`; if they are refused too, report a bug.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The private keys of RFC 8032, section 7.1, TEST 1 and TEST 2.
    struct StandardKeys(std::sync::Mutex<Vec<[u8; 32]>>);

    const TEST_1: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    const TEST_2: [u8; 32] = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a,
        0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb,
    ];

    impl Random for StandardKeys {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
            let next = self.0.lock().unwrap().pop().ok_or(RandomError)?;
            out.copy_from_slice(&next);
            Ok(())
        }
    }

    // Golden text: the public keys that RFC 8032 gives for these private keys, in the forms of RFC 8410, through
    // `xxd -r -p | base64`.
    #[test]
    fn new_files_hold_the_standards_keys_crosswise() {
        let random = StandardKeys(std::sync::Mutex::new(vec![TEST_2, TEST_1]));
        let (driver, executors) = new_job_keys(&random).unwrap();
        let expected_driver = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
            -----END PRIVATE KEY-----\n\
            -----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n\
            -----END PUBLIC KEY-----\n";
        let expected_executors = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n\
            -----END PRIVATE KEY-----\n\
            -----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
            -----END PUBLIC KEY-----\n";
        assert_eq!(std::str::from_utf8(driver.as_slice()).unwrap(), expected_driver);
        assert_eq!(std::str::from_utf8(executors.as_slice()).unwrap(), expected_executors);
        assert!(JobKeys::from_pem(driver.as_slice()).is_ok());
        assert_eq!(new_job_keys(&random).map(|_| ()), Err(JobKeysError::Randomness(RandomError)));
    }

    #[test]
    fn a_file_has_one_private_key_and_the_other_sides_public_key() {
        let random = StandardKeys(std::sync::Mutex::new(vec![TEST_2, TEST_1]));
        let (driver, executors) = new_job_keys(&random).unwrap();
        let (driver, executors) = (text(&driver), text(&executors));
        let (own, peer) = driver.split_at(driver.find("-----BEGIN PUBLIC").unwrap());
        let (_, own_public) = executors.split_at(executors.find("-----BEGIN PUBLIC").unwrap());
        let refused = |text: String| JobKeys::from_pem(text.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(refused(String::new()), JobKeysError::PrivateKeys { count: 0 });
        assert_eq!(refused(peer.to_owned()), JobKeysError::PrivateKeys { count: 0 });
        assert_eq!(refused(format!("{own}{own}{peer}")), JobKeysError::PrivateKeys { count: 2 });
        assert_eq!(refused(own.to_owned()), JobKeysError::NoPublicKey);
        assert_eq!(refused(format!("{own}{own_public}")), JobKeysError::OwnKeyAsPeer);
        assert_eq!(refused(format!("{driver}# a word")), JobKeysError::Pem(PemError::Foreign { line: 7 }));
        assert!(JobKeys::from_pem(format!("{peer}{own}{peer}").as_bytes()).is_ok(), "several peers allow rotation");
    }

    fn text(buffer: &WipedBuffer) -> String {
        String::from_utf8(buffer.as_slice().to_vec()).unwrap()
    }
}
