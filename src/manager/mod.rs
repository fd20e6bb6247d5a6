//! The renewal thread.

use std::time::Duration;

/// How long one exchange may take before the manager counts it as failed: three HTTP time limits of 10 s.
pub const RESOLVE_LIMIT: Duration = Duration::from_secs(30);
