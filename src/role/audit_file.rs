//! Where audit lines go: a file, or standard error.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use safe_conduct::audit::{AuditEvent, AuditLog};
use safe_conduct::sys::file::{self, AppendedFile, FileError};
use safe_conduct::time::Timestamp;

/// Writes one JSON line an event.
pub(crate) struct AuditFile {
    writer: Mutex<Writer>,
}

struct Writer {
    /// Standard error, if there is none.
    file: Option<AppendedFile>,
    failing: bool,
}

impl AuditFile {
    /// Appends to `path`, or writes to standard error.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, FileError> {
        let file = path.map(file::open_append).transpose()?;
        Ok(Self { writer: Mutex::new(Writer { file, failing: false }) })
    }
}

impl AuditLog for AuditFile {
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp) {
        let line = format!("{}\n", event.to_json(now));
        // One write a line: a panic elsewhere leaves no half line behind.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match &mut writer.file {
            Some(file) => file.append(line.as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
        if written.is_err() && !writer.failing {
            log::error!(
                "audit lines cannot be written [FILE_IO]; check the disk behind spark.security.oidc.audit.file"
            );
        }
        writer.failing = written.is_err();
    }
}
