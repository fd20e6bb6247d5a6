//! What each side proves itself with: from files that may be rotated, read anew for each connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::hash::Sha256;
use crate::distribute::{AskError, PeerVerifier};
use crate::error::{Actionable, Facts};
use crate::ingest::{self, IngestError};
use crate::secret::{Secret, WipedBuffer};
use crate::sys::certificate_files::{CertificateFilesError, MAX_CERTIFICATES_FILE};
use crate::sys::file::{self, FileError};
use crate::sys::job_keys::{JobKeys, JobKeysError, MAX_KEY_FILE};
use crate::sys::tls::{Acceptor, Authorities, Connector, OwnCertificate, PeerName, Purpose};

/// How the driver proves itself, and how executors prove themselves to it.
#[derive(Debug, Clone)]
pub enum DriverProof {
    /// The driver's key file of the job, with the executors' public keys.
    KeyFile(PathBuf),
    /// Certificates on both sides.
    Certificates {
        /// The driver's own.
        own: OwnFiles,
        /// Who vouches for executors, and their name.
        executors: PeerFiles,
    },
    /// A certificate on the driver's side; executors send tokens of their own.
    ExecutorTokens {
        /// The driver's own.
        own: OwnFiles,
        /// Who judges the tokens.
        verifier: Arc<dyn PeerVerifier>,
    },
}

/// How an executor proves itself, and how the driver proves itself to it.
#[derive(Debug, Clone)]
pub enum ExecutorProof {
    /// The executors' key file of the job, with the driver's public key.
    KeyFile(PathBuf),
    /// Certificates on both sides.
    Certificates {
        /// The executors' own.
        own: OwnFiles,
        /// Who vouches for the driver, and its name.
        driver: PeerFiles,
    },
    /// A token of one's own, for a driver with a certificate.
    Token {
        /// The token's file. It is read anew for each ask.
        token: PathBuf,
        /// Who vouches for the driver, and its name.
        driver: PeerFiles,
    },
}

/// The PEM files of one's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFiles {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
}

/// How the other side's certificate is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFiles {
    /// The PEM file of the authorities.
    pub authorities: PathBuf,
    /// The name that the certificate must be for.
    pub name: PeerName,
}

impl DriverProof {
    /// Who judges the tokens of executors, where they send any.
    pub(super) fn verifier(&self) -> Option<Arc<dyn PeerVerifier>> {
        match self {
            Self::KeyFile(_) | Self::Certificates { .. } => None,
            Self::ExecutorTokens { verifier, .. } => Some(Arc::clone(verifier)),
        }
    }

    /// Whether its files can be used as they are now.
    ///
    /// # Errors
    /// [`ProofError`] says which cannot.
    pub fn check(&self) -> Result<(), ProofError> {
        self.open().map(|_| ())
    }

    pub(super) fn open(&self) -> Result<Rotated<Acceptor>, ProofError> {
        match self.clone() {
            Self::KeyFile(path) => Rotated::open(vec![Source::private(path, MAX_KEY_FILE)], |texts| {
                let [keys] = texts else { return Err(JobKeysError::Unusable.into()) };
                Ok(JobKeys::from_pem(keys)?.acceptor())
            }),
            Self::Certificates { own, executors } => {
                let (sources, name) = (own.sources().chain([executors.source()]).collect(), executors.name);
                Rotated::open(sources, move |texts| {
                    let [certificate, key, authorities] = texts else {
                        return Err(CertificateFilesError::Library.into());
                    };
                    let own = OwnCertificate::from_pem(certificate, key, Purpose::Driver)?;
                    Ok(own.mutual_acceptor(Authorities::from_pem(authorities, name.clone())?)?)
                })
            }
            Self::ExecutorTokens { own, .. } => Rotated::open(own.sources().collect(), |texts| {
                let [certificate, key] = texts else { return Err(CertificateFilesError::Library.into()) };
                Ok(OwnCertificate::from_pem(certificate, key, Purpose::Driver)?.acceptor()?)
            }),
        }
    }
}

impl ExecutorProof {
    /// The executor's token as it is now, if it has to send one.
    pub(super) fn token(&self) -> Result<Option<Secret>, AskError> {
        let path = match self {
            Self::KeyFile(_) | Self::Certificates { .. } => return Ok(None),
            Self::Token { token, .. } => token,
        };
        ingest::read_token(path).map(|found| Some(found.token)).map_err(|error| match error {
            IngestError::File(error) => AskError::Token(error),
            _ => AskError::NoToken { path: path.clone() },
        })
    }

    pub(super) fn open(&self) -> Result<Rotated<Connector>, ProofError> {
        match self.clone() {
            Self::KeyFile(path) => Rotated::open(vec![Source::private(path, MAX_KEY_FILE)], |texts| {
                let [keys] = texts else { return Err(JobKeysError::Unusable.into()) };
                Ok(JobKeys::from_pem(keys)?.connector())
            }),
            Self::Certificates { own, driver } => {
                let (sources, name) = (own.sources().chain([driver.source()]).collect(), driver.name);
                Rotated::open(sources, move |texts| {
                    let [certificate, key, authorities] = texts else {
                        return Err(CertificateFilesError::Library.into());
                    };
                    let own = OwnCertificate::from_pem(certificate, key, Purpose::Executor)?;
                    Ok(own.mutual_connector(Authorities::from_pem(authorities, name.clone())?)?)
                })
            }
            Self::Token { driver, .. } => {
                let (source, name) = (driver.source(), driver.name);
                Rotated::open(vec![source], move |texts| {
                    let [authorities] = texts else { return Err(CertificateFilesError::Library.into()) };
                    Ok(Authorities::from_pem(authorities, name.clone())?.connector()?)
                })
            }
        }
    }
}

impl OwnFiles {
    fn sources(self) -> impl Iterator<Item = Source> {
        [Source::public(self.certificate), Source::private(self.key, MAX_KEY_FILE)].into_iter()
    }
}

impl PeerFiles {
    fn source(&self) -> Source {
        Source::public(self.authorities.clone())
    }
}

/// A file, and how much of it is read.
struct Source {
    path: PathBuf,
    most: usize,
    private: bool,
}

impl Source {
    fn private(path: PathBuf, most: usize) -> Self {
        Self { path, most, private: true }
    }

    fn public(path: PathBuf) -> Self {
        Self { path, most: MAX_CERTIFICATES_FILE, private: false }
    }
}

/// What is made of some files' texts, in the sources' order.
type Make<T> = Box<dyn Fn(&[&[u8]]) -> Result<T, ProofError> + Send + Sync>;

/// Something made of files, and the last good one of it.
pub(super) struct Rotated<T> {
    sources: Vec<Source>,
    make: Make<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    made: Arc<T>,
    /// Of the contents that it was made of. What cannot be used is tried each time: time alone may mend it, as with a
    /// certificate that is not valid yet.
    made_of: Vec<Sha256>,
    /// The code of what is wrong with the files now, once it has been said.
    said: Option<&'static str>,
}

impl<T> Rotated<T> {
    /// Reads the files for the first time.
    fn open(
        sources: Vec<Source>,
        make: impl Fn(&[&[u8]]) -> Result<T, ProofError> + Send + Sync + 'static,
    ) -> Result<Self, ProofError> {
        let make: Make<T> = Box::new(make);
        let texts = read(&sources, warn_of_readers)?;
        let state = State { made: Arc::new(make(&slices(&texts))?), made_of: hashes(&texts), said: None };
        Ok(Self { sources, make, state: Mutex::new(state) })
    }

    /// What the files hold now; what they held before, if that cannot be used.
    pub(super) fn current(&self) -> Arc<T> {
        // Read before locking: a slow volume must hold up nobody else.
        let read = read(&self.sources, |_| ());
        let mut state = self.lock();
        let remade = match read {
            // Making it anew costs as much as a handshake.
            Ok(texts) => {
                let seen = hashes(&texts);
                if state.made_of == seen {
                    state.said = None;
                    return Arc::clone(&state.made);
                }
                (self.make)(&slices(&texts)).map(|made| (made, seen))
            }
            Err(error) => Err(error),
        };
        match remade {
            Ok((made, made_of)) => *state = State { made: Arc::new(made), made_of, said: None },
            Err(error) => {
                let code = error.facts().code;
                if state.said != Some(code) {
                    log::warn!("{error}; the last good keys stay in use [{code}]: {}", error.facts().remedy);
                    state.said = Some(code);
                }
            }
        }
        Arc::clone(&state.made)
    }

    /// What is made is replaced in single assignments, so a poisoned lock still holds a whole one.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Rotated<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|source| &source.path)).finish()
    }
}

fn read(sources: &[Source], readable_by_others: impl Fn(&Path)) -> Result<Vec<WipedBuffer>, ProofError> {
    let mut texts = Vec::with_capacity(sources.len());
    for source in sources {
        let found = file::read(&source.path, source.most).map_err(ProofError::File)?;
        if source.private && found.readable_by_others {
            readable_by_others(&source.path);
        }
        texts.push(found.content);
    }
    Ok(texts)
}

fn warn_of_readers(path: &Path) {
    log::warn!(
        "{} can be read by every user of this machine; give it mode 0600, or mount it with defaultMode 0440",
        path.display()
    );
}

fn slices(texts: &[WipedBuffer]) -> Vec<&[u8]> {
    texts.iter().map(WipedBuffer::as_slice).collect()
}

fn hashes(texts: &[WipedBuffer]) -> Vec<Sha256> {
    texts.iter().map(|text| Sha256::of(text.as_slice())).collect()
}

/// Why a side has nothing to prove itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// A file cannot be read, or must not be.
    File(FileError),
    /// The key file of the job.
    Keys(JobKeysError),
    /// The certificates.
    Certificates(CertificateFilesError),
}

impl From<JobKeysError> for ProofError {
    fn from(error: JobKeysError) -> Self {
        Self::Keys(error)
    }
}

impl From<CertificateFilesError> for ProofError {
    fn from(error: CertificateFilesError) -> Self {
        Self::Certificates(error)
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "a file for the connection cannot be used: {error}"),
            Self::Keys(error) => error.fmt(f),
            Self::Certificates(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProofError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Keys(error) => Some(error),
            Self::Certificates(error) => Some(error),
        }
    }
}

impl Actionable for ProofError {
    fn facts(&self) -> Facts {
        match self {
            Self::File(error) => error.facts(),
            Self::Keys(error) => error.facts(),
            Self::Certificates(error) => error.facts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::sys::random::SystemRandomness;

    #[test]
    fn what_the_files_hold_is_made_anew_only_when_it_has_changed_or_could_not_be_used() {
        let random = SystemRandomness::new();
        let folder = file::temporary_directory(&std::env::temp_dir(), &random).unwrap();
        let path = folder.join("file");
        let write = |content: &[u8]| file::replace(&path, content, &random).unwrap();
        let makes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&makes);
        let made = move |texts: &[&[u8]]| {
            counted.fetch_add(1, Ordering::SeqCst);
            if texts[0] == b"bad" { Err(JobKeysError::NoPublicKey.into()) } else { Ok(texts[0].to_vec()) }
        };
        write(b"one");
        let rotated = Rotated::open(vec![Source::public(path.clone())], made).unwrap();
        let seen = |expected: &[u8], count| {
            for _ in 0..3 {
                assert_eq!(rotated.current().as_slice(), expected);
            }
            assert_eq!(makes.load(Ordering::SeqCst), count);
        };
        seen(b"one", 1);
        write(b"two");
        seen(b"two", 2);
        std::fs::remove_dir_all(&folder).unwrap();
        seen(b"two", 2);
        file::private_directory(&folder).unwrap();
        write(b"two");
        seen(b"two", 2);
        write(b"bad");
        seen(b"two", 5);
        write(b"three");
        seen(b"three", 6);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
