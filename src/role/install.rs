//! `safe-conduct install DIR`: copies this program where another container can run it.

use std::io::Write;
use std::path::{Path, PathBuf};

use safe_conduct::sys::file::{FileError, copy_executable};
use safe_conduct::sys::random::{Random, SystemRandomness};

use super::{Failure, OutputError};

/// Copies the program and says where to.
pub(crate) fn run(own: Option<PathBuf>, directory: &Path) -> Result<(), Failure> {
    // Without /proc a program cannot find its own file.
    let own = own.ok_or(FileError::NotFound { path: PathBuf::from("/proc/self/exe") })?;
    let made = install(&own, directory, &SystemRandomness::new())?;
    writeln!(std::io::stdout().lock(), "{}", made.display()).map_err(OutputError::from)?;
    Ok(())
}

/// Copies `own`, this program's file, into `directory` as `safe-conduct`, mode 0755, whole or not at all.
fn install(own: &Path, directory: &Path, random: &dyn Random) -> Result<PathBuf, FileError> {
    let to = directory.join("safe-conduct");
    copy_executable(own, &to, random)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use safe_conduct::sys::file::temporary_directory;
    use safe_conduct::sys::random::SystemRandomness;

    use super::*;

    #[test]
    fn the_copy_can_be_run_by_everybody_and_replaces_an_older_one() {
        let random = SystemRandomness::new();
        let directory = temporary_directory(&std::env::temp_dir(), &random).unwrap();
        let own = directory.join("own");
        for content in ["one", "another"] {
            std::fs::write(&own, content).unwrap();
            let copy = install(&own, &directory, &random).unwrap();
            assert_eq!(copy, directory.join("safe-conduct"));
            assert_eq!(std::fs::read_to_string(&copy).unwrap(), content);
            assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o755);
        }
        let missing = install(&own, &directory.join("missing"), &random);
        assert!(matches!(missing, Err(FileError::NotFound { .. })));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
