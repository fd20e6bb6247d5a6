//! `FileTokenIngestor`: the identity token from a file, opened afresh for every exchange. Remembers nothing of it.

use std::path::{Path, PathBuf};

use crate::codec::hash::Sha256;
use crate::codec::jwt::{JwtError, MAX_TOKEN};
use crate::identity::{TokenVerifier, UserContext, VerifyError};
use crate::ingest::{IngestError, KeySource, TokenIngestor};
use crate::secret::{Secret, WipedBuffer};
use crate::sys::file::{self, PrivateFile};
use crate::time::Moment;

/// Bytes of the longest line end that may follow the token.
const LINE_END: usize = 2;

/// Reads the token from a file, as kubelet and others rotate it.
///
/// kubelet's path is a link into a folder that is swapped as a whole, so the path is opened anew each time and one
/// open file is read to its end: the token is the old one or the new one, never a mixture.
#[derive(Debug)]
pub struct FileTokenIngestor {
    path: PathBuf,
    verifier: TokenVerifier,
    keys: KeySource,
    warned_of_permissions: bool,
}

impl FileTokenIngestor {
    /// An ingestor that reads `path` and believes what `verifier` believes with the keys of `keys`.
    #[must_use]
    pub fn new(path: PathBuf, verifier: TokenVerifier, keys: KeySource) -> Self {
        Self { path, verifier, keys, warned_of_permissions: false }
    }

    fn read(&mut self) -> Result<WipedBuffer, IngestError> {
        let found = read_file(&self.path)?;
        if found.readable_by_others && !self.warned_of_permissions {
            self.warned_of_permissions = true;
            let path = self.path.display();
            log::warn!("{path} can be read by everybody; mount it with defaultMode 0440 and set the pod's fsGroup");
        }
        Ok(found.content)
    }
}

/// A token as it stands in its file, not verified.
#[derive(Debug)]
pub struct TokenFile {
    /// The token.
    pub token: Secret,
    /// Whether every user of the machine may read it.
    pub readable_by_others: bool,
}

/// The token in the file at `path`, not verified.
///
/// # Errors
/// [`IngestError`] if the file cannot be read or is empty.
pub fn read_token(path: &Path) -> Result<TokenFile, IngestError> {
    let PrivateFile { content, readable_by_others } = read_file(path)?;
    Ok(TokenFile { token: token_in(content, path)?, readable_by_others })
}

fn read_file(path: &Path) -> Result<PrivateFile, IngestError> {
    let found = file::read(path, MAX_TOKEN.saturating_add(LINE_END)).map_err(IngestError::File)?;
    if found.content.as_slice().is_empty() {
        return Err(IngestError::Empty { path: path.to_owned() });
    }
    Ok(found)
}

fn token_in(mut content: WipedBuffer, path: &Path) -> Result<Secret, IngestError> {
    content.truncate(length_without_line_end(content.as_slice()));
    if content.as_slice().is_empty() {
        return Err(IngestError::Empty { path: path.to_owned() });
    }
    // Bytes that are not even text are characters that no token has.
    content.to_secret().map_err(|error| {
        IngestError::Verify(VerifyError::Malformed(JwtError::Character { position: error.valid_up_to() }))
    })
}

impl TokenIngestor for FileTokenIngestor {
    fn load(&mut self, at: Moment) -> Result<UserContext, IngestError> {
        let content = self.read()?;
        let token = token_in(content, &self.path)?;
        let key_id = TokenVerifier::unverified_key_id(&token).map_err(IngestError::Verify)?;
        let keys = self.keys.keys(key_id.as_deref(), at).map_err(IngestError::Keys)?;
        self.verifier.verify(token, keys, at.wall).map_err(IngestError::Verify)
    }

    fn fingerprint(&mut self) -> Result<Sha256, IngestError> {
        Ok(Sha256::of(self.read()?.as_slice()))
    }
}

/// Exactly one line end is no part of the token: editors and `echo` add it. A second one is.
pub(super) fn length_without_line_end(content: &[u8]) -> usize {
    let rest = content.strip_suffix(b"\r\n").or_else(|| content.strip_suffix(b"\n"));
    rest.unwrap_or(content).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_line_end_is_no_part_of_the_token() {
        for (content, length) in [
            (&b"a.b.c"[..], 5),
            (b"a.b.c\n", 5),
            (b"a.b.c\r\n", 5),
            (b"a.b.c\n\n", 6),
            (b"a.b.c\r", 6),
            (b"\n", 0),
            (b"", 0),
        ] {
            assert_eq!(length_without_line_end(content), length, "{content:?}");
        }
    }
}
