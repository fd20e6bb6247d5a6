//! The only door to the outside: files, HTTP, TLS, the clock, randomness, processes.

pub mod certificate_files;
pub mod clock;
pub mod environment;
pub mod file;
pub mod http;
pub mod http_server;
pub mod job_keys;
#[cfg(feature = "cli")]
pub mod process;
pub mod random;
pub mod tls;
