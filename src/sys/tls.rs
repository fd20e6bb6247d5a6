//! TLS: the only room that knows rustls.

mod certificates;
mod pinned;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use certificates::{
    CertificatesError, PeerFault, certificates_from_pem, is_usable_as_root, peer_fault, peer_fault_in,
};
pub use pinned::{MutualTls, OwnKey, TlsError, TlsStream};

/// The algorithms of every TLS connection: ring's. Passed in everywhere; there is no process-wide default.
#[must_use]
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
