//! The two files beside the loopback endpoint: its token and its address. Knows nothing of what the endpoint serves.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::codec::url::ServiceUrl;
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::secret::{Secret, WipedBuffer};
use crate::sys::file::{self, FileError};
use crate::sys::random::{Random, RandomError};

/// Random bytes of a token that we make.
const TOKEN_BYTES: usize = 32;

/// Shortest token that is taken from a file: 256 bits in base64url without padding have 43 characters, in hexadecimal
/// digits 64; 32 characters leave room for other alphabets.
pub const MIN_TOKEN: usize = 32;

/// Longest token that is taken from a file: it has to fit into a request's head with everything else.
pub const MAX_TOKEN: usize = 1024;

/// Longest address: `http://127.0.0.1:65535/v1/credentials` has 37 characters.
const MAX_URL_FILE: usize = 256;

/// Where clients find the endpoint's token, and `ready` its address: `endpoint.token` and `endpoint.url` in
/// `endpoint.directory`.
#[derive(Debug)]
pub struct EndpointFiles {
    token_file: PathBuf,
    url_file: PathBuf,
    /// The token is ours, not one that was there before.
    made_token: bool,
}

impl EndpointFiles {
    /// Makes `directory` (0700) if it is not there, and in it a new token (0600), unless `existing_token_file` has one;
    /// that file is used as it is. Takes away the address that an older run may have left.
    ///
    /// # Errors
    /// [`EndpointFilesError`] says which file or which rule.
    pub fn prepare(
        directory: &Path,
        existing_token_file: Option<&Path>,
        random: &dyn Random,
    ) -> Result<(Self, Secret), EndpointFilesError> {
        file::private_directory(directory)?;
        let files = Self::at(directory, existing_token_file);
        // Whoever trusts an old address would show the new token to whoever has that port now.
        file::replace(&files.url_file, b"", random)?;
        if existing_token_file.is_some() {
            let token = read_token(&files.token_file)?;
            return Ok((files, token));
        }
        let token = new_token(random)?;
        // SDKs send the file's bytes as they are: no newline behind the token.
        file::replace(&files.token_file, token.expose().as_bytes(), random)?;
        Ok((files, token))
    }

    /// What `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` is to be: an absolute path.
    #[must_use]
    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// Says where the endpoint listens.
    ///
    /// # Errors
    /// [`EndpointFilesError::File`] if the file cannot be written.
    pub fn publish_url(&self, url: &str, random: &dyn Random) -> Result<(), EndpointFilesError> {
        Ok(file::replace(&self.url_file, url.as_bytes(), random)?)
    }

    /// Takes away the address, and the token unless it was there before: nobody answers to them any more.
    ///
    /// # Errors
    /// [`EndpointFilesError::File`] if one cannot be removed.
    pub fn remove(&self) -> Result<(), EndpointFilesError> {
        file::remove(&self.url_file)?;
        if self.made_token {
            file::remove(&self.token_file)?;
        }
        Ok(())
    }

    /// The endpoint's address and its token, as a running safe-conduct has left them.
    ///
    /// # Errors
    /// [`EndpointFilesError::NotPublished`] if no endpoint listens yet.
    pub fn read(directory: &Path, token_file: Option<&Path>) -> Result<(ServiceUrl, Secret), EndpointFilesError> {
        let files = Self::at(directory, token_file);
        let url = match file::read(&files.url_file, MAX_URL_FILE) {
            Ok(url) => url.content,
            Err(FileError::NotFound { .. }) => return Err(EndpointFilesError::NotPublished),
            Err(error) => return Err(error.into()),
        };
        if url.as_slice().is_empty() {
            return Err(EndpointFilesError::NotPublished);
        }
        let url = std::str::from_utf8(url.as_slice()).ok().and_then(|url| ServiceUrl::new(url).ok());
        // Rule: the token is shown to nobody but loopback.
        let url = url.filter(ServiceUrl::is_loopback).ok_or(EndpointFilesError::NoLoopbackUrl)?;
        Ok((url, read_token(&files.token_file)?))
    }

    fn at(directory: &Path, token_file: Option<&Path>) -> Self {
        // A command may change its working directory, so it is told whole paths. This asks for no file.
        let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let made_token = token_file.is_none();
        let token_file = token_file.map_or_else(|| directory.join("endpoint.token"), Path::to_owned);
        Self { token_file: whole(token_file), url_file: whole(directory.join("endpoint.url")), made_token }
    }
}

/// 256 random bits as 64 hexadecimal digits.
fn new_token(random: &dyn Random) -> Result<Secret, EndpointFilesError> {
    let mut bytes = WipedBuffer::zeroed(TOKEN_BYTES);
    random.fill(bytes.as_mut_slice()).map_err(|RandomError| EndpointFilesError::NoRandomness)?;
    let mut text = WipedBuffer::with_capacity(TOKEN_BYTES.saturating_mul(2));
    for byte in bytes.as_slice() {
        write!(text, "{byte:02x}").map_err(|_| EndpointFilesError::NoRandomness)?;
    }
    check_token(&text)
}

fn read_token(path: &Path) -> Result<Secret, EndpointFilesError> {
    let read = file::read(path, MAX_TOKEN)?;
    if read.readable_by_others {
        log::warn!(
            "every user of this machine may read {}; mount it with defaultMode 0440 and set fsGroup, or make it 0600",
            path.display()
        );
    }
    check_token(&read.content)
}

/// Rule: a token is one HTTP header value that needs no trimming: SDKs send the file's bytes as they are, and some
/// fail with a misleading error where there is a newline.
fn check_token(content: &WipedBuffer) -> Result<Secret, EndpointFilesError> {
    let bytes = content.as_slice();
    if let Some(position) = bytes.iter().position(|byte| !byte.is_ascii_graphic()) {
        return Err(EndpointFilesError::TokenCharacter { position });
    }
    if bytes.len() < MIN_TOKEN {
        return Err(EndpointFilesError::TokenTooShort { length: bytes.len() });
    }
    content.to_secret().map_err(|error| EndpointFilesError::TokenCharacter { position: error.valid_up_to() })
}

/// What is wrong with the endpoint's files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointFilesError {
    /// A file or the directory cannot be used.
    File(FileError),
    /// No randomness for a token.
    NoRandomness,
    /// The token has fewer than [`MIN_TOKEN`] characters.
    TokenTooShort {
        /// How many.
        length: usize,
    },
    /// The token has something other than printable ASCII characters: a newline at its end, mostly.
    TokenCharacter {
        /// Where, counted in bytes from 0.
        position: usize,
    },
    /// There is no address: no endpoint listens yet.
    NotPublished,
    /// The address is not one of loopback's.
    NoLoopbackUrl,
}

impl fmt::Display for EndpointFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoRandomness => f.write_str("the operating system gave no random bytes for the endpoint's token"),
            Self::TokenTooShort { length } => {
                write!(f, "the endpoint's token has {length} characters, fewer than {MIN_TOKEN}")
            }
            Self::TokenCharacter { position } => {
                write!(
                    f,
                    "the endpoint's token has a newline or another character that is not allowed at byte {position}"
                )
            }
            Self::NotPublished => f.write_str("the endpoint does not listen yet"),
            Self::NoLoopbackUrl => f.write_str("the file endpoint.url does not hold a loopback address"),
        }
    }
}

impl std::error::Error for EndpointFilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::NoRandomness
            | Self::TokenTooShort { .. }
            | Self::TokenCharacter { .. }
            | Self::NotPublished
            | Self::NoLoopbackUrl => None,
        }
    }
}

impl From<FileError> for EndpointFilesError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl Actionable for EndpointFilesError {
    fn facts(&self) -> Facts {
        match self {
            Self::File(error) => error.facts(),
            Self::NoRandomness => Facts::new(
                "ENDPOINT_NO_RANDOMNESS",
                Fault::Configuration,
                Retry::Backoff,
                "Give the container access to the kernel's random source.",
            ),
            Self::TokenTooShort { .. } => Facts::new(
                "ENDPOINT_TOKEN_TOO_SHORT",
                Fault::Configuration,
                Retry::Never,
                "Put 32 random bytes as 64 hexadecimal digits into endpoint.tokenFile (openssl rand -hex 32).",
            ),
            Self::TokenCharacter { .. } => Facts::new(
                "ENDPOINT_TOKEN_CHARACTER",
                Fault::Configuration,
                Retry::Never,
                "Write the file of endpoint.tokenFile again, without a newline at its end (printf, not echo).",
            ),
            Self::NotPublished => Facts::new(
                "ENDPOINT_NOT_PUBLISHED",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait until safe-conduct has credentials; if it takes long, read its log.",
            ),
            Self::NoLoopbackUrl => Facts::new(
                "ENDPOINT_NO_LOOPBACK_URL",
                Fault::Configuration,
                Retry::Never,
                "Find out who wrote endpoint.url in endpoint.directory, and let only safe-conduct write there.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::random::SystemRandomness;

    /// A folder of the test's own.
    fn folder() -> PathBuf {
        file::temporary_directory(&std::env::temp_dir(), &SystemRandomness::new()).unwrap()
    }

    struct Counting;

    impl Random for Counting {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
            out.iter_mut().zip(0..).for_each(|(byte, count)| *byte = count);
            Ok(())
        }
    }

    #[test]
    fn a_new_token_has_256_bits_and_no_newline_and_is_for_its_owner_only() {
        let directory = folder().join("endpoint");
        let (files, token) = EndpointFiles::prepare(&directory, None, &Counting).unwrap();
        assert_eq!(token.expose(), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        assert_eq!(files.token_file(), directory.join("endpoint.token"));
        assert_eq!(std::fs::read_to_string(files.token_file()).unwrap(), token.expose());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(files.token_file())), (0o700, 0o600));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn at_the_end_the_files_are_gone_but_for_a_token_that_was_there_before() {
        let (directory, random) = (folder(), SystemRandomness::new());
        let (files, _) = EndpointFiles::prepare(&directory, None, &random).unwrap();
        files.publish_url("http://127.0.0.1:7442/v1/credentials", &random).unwrap();
        for _ in 0..2 {
            files.remove().unwrap();
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        }
        let existing = directory.join("from-a-secret");
        std::fs::write(&existing, "a".repeat(MIN_TOKEN)).unwrap();
        let (files, _) = EndpointFiles::prepare(&directory, Some(&existing), &random).unwrap();
        files.remove().unwrap();
        let left: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [existing]);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn each_start_makes_another_token() {
        let (directory, random) = (folder(), SystemRandomness::new());
        let (_, first) = EndpointFiles::prepare(&directory, None, &random).unwrap();
        let (_, second) = EndpointFiles::prepare(&directory, None, &random).unwrap();
        assert!(!first.matches(second.expose().as_bytes()));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_address_is_there_while_an_endpoint_listens_and_an_old_one_is_taken_away() {
        let (directory, random) = (folder(), SystemRandomness::new());
        assert_eq!(EndpointFiles::read(&directory, None).err(), Some(EndpointFilesError::NotPublished));
        let (files, token) = EndpointFiles::prepare(&directory, None, &random).unwrap();
        files.publish_url("http://127.0.0.1:7442/v1/credentials", &random).unwrap();
        let (url, read) = EndpointFiles::read(&directory, None).unwrap();
        assert_eq!((url.host(), url.port()), ("127.0.0.1", Some(7442)));
        assert!(read.matches(token.expose().as_bytes()));
        EndpointFiles::prepare(&directory, None, &random).unwrap();
        assert_eq!(EndpointFiles::read(&directory, None).err(), Some(EndpointFilesError::NotPublished));
        files.publish_url("https://example.com/v1/credentials", &random).unwrap();
        assert_eq!(EndpointFiles::read(&directory, None).err(), Some(EndpointFilesError::NoLoopbackUrl));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn an_existing_token_is_used_as_it_is_and_never_overwritten() {
        let (directory, random) = (folder(), SystemRandomness::new());
        let file = directory.join("from-a-secret");
        let prepare = |content: &str| {
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            let prepared = EndpointFiles::prepare(&directory, Some(&file), &random);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
            prepared.map(|(files, token)| {
                assert_eq!(files.token_file(), file);
                assert_eq!(token.expose(), content);
            })
        };
        assert_eq!(prepare(&"a".repeat(MIN_TOKEN)), Ok(()));
        assert_eq!(
            prepare(&"a".repeat(MIN_TOKEN - 1)),
            Err(EndpointFilesError::TokenTooShort { length: MIN_TOKEN - 1 })
        );
        assert_eq!(prepare(&"a".repeat(MAX_TOKEN)), Ok(()));
        let too_long = FileError::TooLong { path: file.clone(), most: MAX_TOKEN };
        assert_eq!(prepare(&"a".repeat(MAX_TOKEN + 1)), Err(EndpointFilesError::File(too_long)));
        for (content, position) in [("a\n", 40), ("a b", 41), ("aé", 41)] {
            let content = format!("{}{content}", "a".repeat(if position == 40 { 39 } else { 40 }));
            assert_eq!(prepare(&content), Err(EndpointFilesError::TokenCharacter { position }));
        }
        assert!(!directory.join("endpoint.token").exists());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
