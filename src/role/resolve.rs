//! `safe-conduct resolve`: one exchange, printed as `credential_process` JSON.

use std::io::Write;

use safe_conduct::audit::{AuditEvent, AuditLog, Exchanged};
use safe_conduct::config::{ConfigError, ExchangeConfig, PREFIX, Settings};
use safe_conduct::credential::ServiceCredential;
use safe_conduct::error::Actionable;
use safe_conduct::identity::UserContext;
use safe_conduct::ingest::TokenIngestor;
use safe_conduct::name::{CredentialName, Scheme};
use safe_conduct::provider::{CredentialProvider, ResolveError};
use safe_conduct::sink::process_json;
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::process;
use safe_conduct::time::{Clock, Moment};

use super::audit_file::AuditFile;
use super::{Failure, OutputError, parts};

/// Exchanges once; the SDK that asked calls again when the credential is about to expire.
pub(crate) fn run(mut settings: Settings) -> Result<(), Failure> {
    process::harden(false)?;
    let config = ExchangeConfig::from_settings(&mut settings)?;
    for warning in settings.take_warnings() {
        log::warn!("{warning}");
    }
    let audit = AuditFile::open(settings.audit_file().as_deref())?;
    let (mut ingestor, providers) = parts::exchange(config)?;
    let name = CredentialName::from(Scheme::s3a());
    // An SDK that runs this reads one credential, so it is the unnamed one.
    let provider = providers.get(&name).ok_or_else(|| ConfigError::Missing { key: format!("{PREFIX}aws.roleArn") })?;
    let at = SystemClock::new().moment();
    let user = ingestor.load(at)?;
    print(&exchanged(&**provider, &user, &name, &audit, at)?)?;
    Ok(())
}

/// One exchange, and its audit line.
pub(crate) fn exchanged(
    provider: &dyn CredentialProvider,
    user: &UserContext,
    name: &CredentialName,
    audit: &AuditFile,
    at: Moment,
) -> Result<ServiceCredential, ResolveError> {
    let resolved = provider.resolve(user, name.scheme(), at);
    let outcome = match &resolved {
        Ok(credential) => Exchanged::Credential {
            provenance: credential.provenance(),
            expires_at: credential.expires_at(),
            version: None,
        },
        Err(error) => Exchanged::Failed { code: error.facts().code },
    };
    let event = AuditEvent::Exchange {
        principal: user.principal(),
        issuer: user.issuer(),
        name,
        signature_checked: user.signature_checked(),
        outcome,
    };
    audit.record(&event, at.wall);
    resolved
}

fn print(credential: &ServiceCredential) -> Result<(), OutputError> {
    let json = process_json(credential);
    let mut output = std::io::stdout().lock();
    output.write_all(json.as_slice())?;
    output.write_all(b"\n")?;
    output.flush()?;
    Ok(())
}
