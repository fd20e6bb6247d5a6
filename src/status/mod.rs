//! What a person, a probe or Prometheus may know of a running role. Knows credentials' times, never their values.

mod listener;
mod metrics;
mod snapshot;

pub use listener::{StatusError, StatusListener};
pub use metrics::render;
pub use snapshot::Snapshot;
