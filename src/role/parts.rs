//! Puts together what driver and resolve need for an exchange.

use std::path::Path;
use std::sync::Arc;

use safe_conduct::config::{DriverWay, ExchangeConfig, IdentityConfig, KeysFrom};
use safe_conduct::distribute::DriverProof;
use safe_conduct::ingest::{FileTokenIngestor, KeySource};
use safe_conduct::provider::{AwsSts, Providers};
use safe_conduct::sys::http::{HttpClient, HttpError, UreqClient};
use safe_conduct::time::Moment;

use super::Failure;
use super::pods::PodTokens;

/// What reads and verifies the token file, and what exchanges it for each credential.
pub(crate) fn exchange(config: ExchangeConfig) -> Result<(FileTokenIngestor, Providers), Failure> {
    let sts = logged("the STS", client(config.aws_ca_file.as_deref())?);
    let mut providers = Providers::new();
    for (name, settings) in config.aws {
        providers = providers.with(name, Arc::new(AwsSts::new(settings, Arc::clone(&sts))?));
    }
    let keys = key_source(&config.identity, config.aws_ca_file.as_deref())?;
    Ok((FileTokenIngestor::new(config.token_file, config.identity.verifier, keys), providers))
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
    key_source_over(identity, || Ok(logged("the issuer's keys", client(identity.ca_file.as_deref().or(default_ca))?)))
}

/// The same with a client of one's own, which is made if there is somebody to ask.
pub(crate) fn key_source_over(
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

/// An HTTP client that trusts the roots of a file, or else the usual ones.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<UreqClient, HttpError> {
    ca_file.map_or_else(UreqClient::with_default_roots, UreqClient::with_ca_file)
}

/// The client, and a line that says which roots it trusts.
fn logged(whom: &str, client: UreqClient) -> Arc<dyn HttpClient> {
    log::info!("roots for {whom}: {}", client.roots());
    Arc::new(client)
}
