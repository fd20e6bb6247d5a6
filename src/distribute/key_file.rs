//! A key file that may be rotated: read anew for each connection, and the last good pair stays in use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Actionable;
use crate::sys::job_keys::{JobKeys, JobKeysError};

/// A key file and the last good keys from it.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Arc<JobKeys>,
    /// The code of what is wrong with the file now, once it has been said.
    said: Option<&'static str>,
}

impl KeyFile {
    /// Reads the file for the first time.
    pub(super) fn open(path: PathBuf) -> Result<Self, JobKeysError> {
        let keys = JobKeys::from_file(&path)?;
        if keys.readable_by_others() {
            log::warn!(
                "{} can be read by every user of this machine; give it mode 0600, or mount it with defaultMode 0440",
                path.display()
            );
        }
        Ok(Self { path, state: Mutex::new(State { keys: Arc::new(keys), said: None }) })
    }

    /// What the file holds now; what it held before, if it cannot be used now.
    pub(super) fn current(&self) -> Arc<JobKeys> {
        // Read before locking: a slow volume must hold up nobody else.
        let last = Arc::clone(&self.lock().keys);
        let read = last.refreshed(&self.path);
        let mut state = self.lock();
        match read {
            Ok(keys) => *state = State { keys, said: None },
            Err(error) => {
                let code = error.facts().code;
                if state.said != Some(code) {
                    log::warn!("{error}; the last good keys stay in use [{code}]: {}", error.facts().remedy);
                    state.said = Some(code);
                }
            }
        }
        Arc::clone(&state.keys)
    }

    /// The state is replaced in single assignments, so a poisoned lock still holds a whole one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
