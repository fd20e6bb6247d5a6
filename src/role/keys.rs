//! `safe-conduct keys new DIR`: makes the two key files of a job.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use safe_conduct::error::{Actionable, Facts};
use safe_conduct::sys::file::{self, FileError};
use safe_conduct::sys::job_keys::{JobKeysError, new_job_keys};
use safe_conduct::sys::random::{Random, SystemRandomness};

use super::{Failure, OutputError};

/// The two files that were made.
#[derive(Debug, PartialEq, Eq)]
struct NewKeys {
    /// For the driver alone.
    driver: PathBuf,
    /// For the executors.
    executors: PathBuf,
}

/// Makes the files and says which.
pub(crate) fn run(directory: &Path) -> Result<(), Failure> {
    let made = new_keys(directory, &SystemRandomness::new())?;
    let mut output = std::io::stdout().lock();
    let said = writeln!(output, "{}  for the driver alone", made.driver.display())
        .and_then(|()| writeln!(output, "{}  for the executors of this job", made.executors.display()));
    said.map_err(OutputError::from)?;
    Ok(())
}

/// Writes `driver.pem` and `executors.pem`, mode 0600, into `directory`, which is made (0700) if it is not there.
///
/// # Errors
/// [`KeysError`]; what exists already is never overwritten.
fn new_keys(directory: &Path, random: &dyn Random) -> Result<NewKeys, KeysError> {
    file::private_directory(directory).map_err(KeysError::File)?;
    let (driver, executors) = new_job_keys(random).map_err(KeysError::Keys)?;
    let paths = NewKeys { driver: directory.join("driver.pem"), executors: directory.join("executors.pem") };
    // Neither is written if one is there: half a pair is of no use to anybody.
    if let Some(path) = [&paths.driver, &paths.executors].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(KeysError::File(FileError::Exists { path: path.clone() }));
    }
    file::create_new(&paths.driver, driver.as_slice()).map_err(KeysError::File)?;
    file::create_new(&paths.executors, executors.as_slice()).map_err(KeysError::File)?;
    Ok(paths)
}

/// Why there are no new keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysError {
    /// A file cannot be written.
    File(FileError),
    /// The keys cannot be made.
    Keys(JobKeysError),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Keys(error) => Some(error),
        }
    }
}

impl Actionable for KeysError {
    fn facts(&self) -> Facts {
        match self {
            Self::File(error) => error.facts(),
            Self::Keys(error) => error.facts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use safe_conduct::sys::job_keys::JobKeys;

    use super::*;

    #[test]
    fn new_keys_are_private_files_and_never_overwrite_one() {
        let random = SystemRandomness::new();
        let folder = file::temporary_directory(&std::env::temp_dir(), &random).unwrap();
        let directory = folder.join("keys");
        let made = new_keys(&directory, &random).unwrap();
        let (driver, executors) = (std::fs::read(&made.driver).unwrap(), std::fs::read(&made.executors).unwrap());
        for path in [&directory, &made.driver, &made.executors] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
        assert!(JobKeys::from_pem(&driver).is_ok() && JobKeys::from_pem(&executors).is_ok());
        let exists = |path: &Path| KeysError::File(FileError::Exists { path: path.to_owned() });
        assert_eq!(new_keys(&directory, &random), Err(exists(&made.driver)));
        std::fs::remove_file(&made.driver).unwrap();
        assert_eq!(new_keys(&directory, &random), Err(exists(&made.executors)));
        assert!(!made.driver.exists(), "no half of a pair is made");
        std::fs::remove_file(&made.executors).unwrap();
        std::os::unix::fs::symlink(folder.join("elsewhere"), &made.driver).unwrap();
        assert_eq!(new_keys(&directory, &random), Err(exists(&made.driver)), "nor is a link followed");
        std::fs::remove_file(&made.driver).unwrap();
        let again = new_keys(&directory, &random).unwrap();
        assert_ne!(std::fs::read(&again.driver).unwrap(), driver);
        assert_ne!(std::fs::read(&again.executors).unwrap(), executors);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
