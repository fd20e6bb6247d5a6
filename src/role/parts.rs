//! Puts together what driver and resolve need for an exchange.

use std::path::Path;
use std::sync::Arc;

use safe_conduct::config::{DriverWay, ExchangeConfig, IdentityConfig, KeysFrom};
use safe_conduct::distribute::DriverProof;
use safe_conduct::ingest::{FileTokenIngestor, KeySource};
use safe_conduct::provider::AwsSts;
use safe_conduct::sys::http::{HttpClient, UreqClient};
use safe_conduct::time::Moment;

use super::Failure;
use super::pods::PodTokens;

/// Reads and verifies the token file.
pub(crate) fn ingestor(config: ExchangeConfig) -> Result<(FileTokenIngestor, AwsSts), Failure> {
    let sts_ca = config.aws_ca_file.as_deref();
    let sts = client("the STS", sts_ca)?;
    let provider = AwsSts::new(config.aws, Arc::clone(&sts))?;
    let keys_ca = config.identity.ca_file.as_deref().or(sts_ca);
    // The same roots are read once: with a system's bundle that is a good part of the time to the first credential.
    let http = || if keys_ca == sts_ca { Ok(Arc::clone(&sts)) } else { client("the issuer's keys", keys_ca) };
    let keys = key_source_by(&config.identity, http)?;
    Ok((FileTokenIngestor::new(config.token_file, config.identity.verifier, keys), provider))
}

/// What the driver proves itself with, and whom it lets in.
pub(crate) fn driver_proof(way: DriverWay, default_ca: Option<&Path>, at: Moment) -> Result<DriverProof, Failure> {
    Ok(match way {
        DriverWay::Files(proof) => proof,
        DriverWay::ExecutorTokens { own, tokens } => {
            let source = key_source(&tokens.identity, default_ca)?;
            let verifier = PodTokens::new(tokens.identity.verifier, tokens.pod_prefix, source, at);
            DriverProof::ExecutorTokens { own, verifier: Arc::new(verifier) }
        }
    })
}

/// Where the issuer's keys come from.
pub(crate) fn key_source(identity: &IdentityConfig, default_ca: Option<&Path>) -> Result<KeySource, Failure> {
    key_source_by(identity, || client("the issuer's keys", identity.ca_file.as_deref().or(default_ca)))
}

fn key_source_by(
    identity: &IdentityConfig,
    http: impl FnOnce() -> Result<Arc<dyn HttpClient>, Failure>,
) -> Result<KeySource, Failure> {
    let (bearer, refresh, max_stale) = (identity.bearer_token_file.clone(), identity.refresh, identity.max_stale);
    Ok(match &identity.keys {
        KeysFrom::Nowhere => KeySource::none(),
        KeysFrom::File(path) => KeySource::file(path.clone()),
        KeysFrom::Url(url) => KeySource::url(url.clone(), http()?, bearer, refresh, max_stale),
        KeysFrom::Discovery => KeySource::discovery(&identity.issuer, http()?, bearer, refresh, max_stale)?,
    })
}

/// An HTTP client, and a line that says which roots it trusts.
fn client(whom: &str, ca_file: Option<&Path>) -> Result<Arc<dyn HttpClient>, Failure> {
    let client = match ca_file {
        Some(path) => UreqClient::with_ca_file(path)?,
        None => UreqClient::with_default_roots()?,
    };
    log::info!("roots for {whom}: {}", client.roots());
    Ok(Arc::new(client))
}
