//! The part of doctor that talks to the STS: whether it answers, its clock, one exchange, and whose credential it gave.

use std::path::Path;
use std::sync::Arc;

use safe_conduct::codec::sts_xml::{CallerIdentity, MAX_ANSWER};
use safe_conduct::credential::ServiceCredential;
use safe_conduct::identity::UserContext;
use safe_conduct::provider::{AnswerError, AwsSts, AwsStsError, AwsStsSettings, Refusal};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::http::{HttpClient, HttpRequest};
use safe_conduct::time::Clock;

use super::identity::RULES;
use super::report::Report;
use super::watched::Watched;
use super::{clocks, reached};
use crate::role::audit_file::AuditFile;
use crate::role::{parts, resolve};

const STS: &str = "STS";
const CLOCK: &str = "STS's clock";
const EXCHANGE: &str = "exchange";
const CALLER: &str = "caller identity";

/// All checks of this part, in their order.
pub(super) const NAMES: [&str; 4] = [STS, CLOCK, EXCHANGE, CALLER];

/// Checks all of it, for a user if there is one.
pub(super) fn examine(
    report: &mut Report,
    settings: AwsStsSettings,
    ca_file: Option<&Path>,
    user: Option<UserContext>,
    audit_file: Option<&Path>,
    show_claims: bool,
) {
    let watched = match parts::client(ca_file) {
        Ok(client) => Arc::new(Watched::new(client)),
        Err(error) => {
            report.fail(STS, &error);
            return report.needs(STS, &[CLOCK, EXCHANGE, CALLER]);
        }
    };
    let sts = match AwsSts::new(settings, Arc::<Watched>::clone(&watched)) {
        Ok(sts) => sts,
        Err(error) => {
            report.fail(STS, &error);
            return report.needs(STS, &[CLOCK, EXCHANGE, CALLER]);
        }
    };
    // A question without a token or a form: any answer shows that the way, the name and the certificate are right.
    let probe = HttpRequest { url: sts.url(), form: None, bearer: None, signature: None, most: MAX_ANSWER };
    let _ = watched.send(&probe);
    let heard = watched.heard();
    let reachable = reached(report, STS, sts.url().as_str(), &watched, heard.as_ref());
    clocks::compare(report, CLOCK, "the STS", STS, heard.as_ref());
    if !reachable {
        return report.needs(STS, &[EXCHANGE, CALLER]);
    }
    let Some(user) = user else { return report.needs(RULES, &[EXCHANGE, CALLER]) };
    match exchange(report, &sts, &user, audit_file) {
        Some(credential) => caller(report, &sts, &credential, show_claims),
        None => report.needs(EXCHANGE, &[CALLER]),
    }
}

fn exchange(
    report: &mut Report,
    sts: &AwsSts,
    user: &UserContext,
    audit_file: Option<&Path>,
) -> Option<ServiceCredential> {
    let audit = match AuditFile::open(audit_file) {
        Ok(audit) => audit,
        Err(error) => {
            report.fail(EXCHANGE, &error);
            return None;
        }
    };
    let at = SystemClock::new().moment();
    match resolve::exchanged(sts, user, &audit, at) {
        Ok(credential) => {
            let role = credential.provenance().role.as_deref().unwrap_or("no role");
            let (life, until) = (credential.life().as_secs(), credential.expires_at());
            report.ok(EXCHANGE, format_args!("a credential for {role} that lives {life} s, until {until}"));
            Some(credential)
        }
        Err(error) => {
            report.fail(EXCHANGE, &error);
            None
        }
    }
}

fn caller(report: &mut Report, sts: &AwsSts, credential: &ServiceCredential, show_claims: bool) {
    match sts.caller_identity(credential, SystemClock::new().moment()) {
        Ok(CallerIdentity { account, arn, user_id }) => {
            let (arn, user_id) =
                if show_claims { (arn, user_id) } else { (without_session(&arn, '/'), without_session(&user_id, ':')) };
            report.ok(CALLER, format_args!("account {account}, {arn}, user id {user_id}"));
        }
        Err(error) => match missing(&error) {
            Some(said) => {
                report.skip(
                    CALLER,
                    format_args!("this service has no GetCallerIdentity, or allows it to nobody: {said}"),
                );
            }
            None => report.fail(CALLER, &error),
        },
    }
}

/// What a service says that has no such action: MinIO and others have only those that make credentials. A signature or
/// a credential that is refused has codes of its own.
fn missing(error: &AwsStsError) -> Option<String> {
    match error {
        AwsStsError::Refused {
            refusal: Refusal::InvalidParameter | Refusal::Configuration | Refusal::AccessDenied,
            code,
            status,
            ..
        } => Some(format!("{code}, status {status}")),
        AwsStsError::Answer(AnswerError::Malformed { status, .. }) if (400..500).contains(status) => {
            Some(format!("status {status}"))
        }
        _ => None,
    }
}

/// The name of a role's session comes behind the last separator; by default it is made of the principal's.
fn without_session(text: &str, separator: char) -> String {
    match text.rsplit_once(separator) {
        Some((role, _)) if separator == ':' || role.contains(":assumed-role/") => {
            format!("{role}{separator}(hidden; --show-claims)")
        }
        _ => text.to_owned(),
    }
}
