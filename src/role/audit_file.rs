//! Where audit lines go: a file, or standard error.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use safe_conduct::audit::{AuditEvent, AuditLog};
use safe_conduct::sys::file::{self, FileError};
use safe_conduct::time::Timestamp;

/// Writes one JSON line an event.
pub(crate) struct AuditFile {
    writer: Mutex<Writer>,
}

struct Writer {
    to: Box<dyn Write + Send>,
    failing: bool,
}

impl AuditFile {
    /// Appends to `path`, or writes to standard error.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, FileError> {
        let to: Box<dyn Write + Send> = match path {
            Some(path) => Box::new(file::open_append(path)?),
            None => Box::new(std::io::stderr()),
        };
        Ok(Self { writer: Mutex::new(Writer { to, failing: false }) })
    }
}

impl AuditLog for AuditFile {
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp) {
        let line = format!("{}\n", event.to_json(now));
        // One write a line: a panic elsewhere leaves no half line behind.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writer.to.write_all(line.as_bytes()).and_then(|()| writer.to.flush());
        if written.is_err() && !writer.failing {
            log::error!("audit lines cannot be written; check the disk behind spark.security.oidc.audit.file");
        }
        writer.failing = written.is_err();
    }
}
