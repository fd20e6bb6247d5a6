//! The part of doctor that talks to the STS: whether it answers, its clock, one exchange, and whose credential it gave.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use safe_conduct::codec::sts_xml::{CallerIdentity, MAX_ANSWER};
use safe_conduct::credential::ServiceCredential;
use safe_conduct::identity::UserContext;
use safe_conduct::name::CredentialName;
use safe_conduct::provider::{AnswerError, AwsSts, AwsStsError, AwsStsSettings, Refusal};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::sys::http::{HttpClient, HttpRequest};
use safe_conduct::time::Clock;

use super::identity::RULES;
use super::report::Report;
use super::watched::Watched;
use super::{clocks, reached};
use crate::role::audit_file::AuditFile;
use crate::role::{Failure, parts, resolve};

const STS: &str = "STS";
const CLOCK: &str = "STS's clock";
const EXCHANGE: &str = "exchange";
const CALLER: &str = "caller identity";

/// All checks of this part, in their order.
pub(super) const NAMES: [&str; 4] = [STS, CLOCK, EXCHANGE, CALLER];

/// Checks all of it, for a user if there is one: the service once, each credential by itself.
pub(super) fn examine(
    report: &mut Report,
    settings: BTreeMap<CredentialName, AwsStsSettings>,
    ca_file: Option<&Path>,
    user: Option<UserContext>,
    audit_file: Option<&Path>,
    show_claims: bool,
) {
    let targets: Vec<Target> = settings.keys().map(Target::of).collect();
    let checks: Vec<&str> = targets.iter().flat_map(Target::checks).collect();
    let (watched, all) = match providers(settings, ca_file) {
        Ok(both) => both,
        Err(failure) => {
            report.fail(STS, failure.error());
            report.needs(STS, &[CLOCK]);
            return report.needs(STS, &checks);
        }
    };
    // All credentials are asked for at one service.
    let Some(first) = all.first() else { return };
    // A question without a token or a form: any answer shows that the way, the name and the certificate are right.
    let probe = HttpRequest { url: first.url(), form: None, bearer: None, signature: None, most: MAX_ANSWER };
    let _ = watched.send(&probe);
    let heard = watched.heard();
    let reachable = reached(report, STS, first.url().as_str(), &watched, heard.as_ref());
    clocks::compare(report, CLOCK, "the STS", STS, heard.as_ref());
    if !reachable {
        return report.needs(STS, &checks);
    }
    let Some(user) = user else { return report.needs(RULES, &checks) };
    for (target, sts) in targets.iter().zip(&all) {
        match exchange(report, target, sts, &user, audit_file) {
            Some(credential) => caller(report, &target.caller, sts, &credential, show_claims),
            None => report.needs(&target.exchange, &[&target.caller]),
        }
    }
}

/// The checks of one credential.
struct Target {
    name: CredentialName,
    exchange: String,
    caller: String,
}

impl Target {
    fn of(name: &CredentialName) -> Self {
        let named = |check: &str| match name.target() {
            None => check.to_owned(),
            Some(target) => format!("{check} ({target})"),
        };
        Self { name: name.clone(), exchange: named(EXCHANGE), caller: named(CALLER) }
    }

    fn checks(&self) -> [&str; 2] {
        [&self.exchange, &self.caller]
    }
}

/// What exchanges for each credential, and the client that all of them use.
fn providers(
    settings: BTreeMap<CredentialName, AwsStsSettings>,
    ca_file: Option<&Path>,
) -> Result<(Arc<Watched>, Vec<AwsSts>), Failure> {
    let watched = Arc::new(Watched::new(parts::client(ca_file)?));
    let all = settings.into_values().map(|settings| AwsSts::new(settings, Arc::<Watched>::clone(&watched)));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    Ok((watched, all))
}

fn exchange(
    report: &mut Report,
    target: &Target,
    sts: &AwsSts,
    user: &UserContext,
    audit_file: Option<&Path>,
) -> Option<ServiceCredential> {
    let audit = match AuditFile::open(audit_file) {
        Ok(audit) => audit,
        Err(error) => {
            report.fail(&target.exchange, &error);
            return None;
        }
    };
    let at = SystemClock::new().moment();
    match resolve::exchanged(sts, user, &target.name, &audit, at) {
        Ok(credential) => {
            let role = credential.provenance().role.as_deref().unwrap_or("no role");
            let (life, until) = (credential.life().as_secs(), credential.expires_at());
            report.ok(&target.exchange, format_args!("a credential for {role} that lives {life} s, until {until}"));
            Some(credential)
        }
        Err(error) => {
            report.fail(&target.exchange, &error);
            None
        }
    }
}

fn caller(report: &mut Report, check: &str, sts: &AwsSts, credential: &ServiceCredential, show_claims: bool) {
    match sts.caller_identity(credential, SystemClock::new().moment()) {
        Ok(CallerIdentity { account, arn, user_id }) => {
            let (arn, user_id) =
                if show_claims { (arn, user_id) } else { (without_session(&arn, '/'), without_session(&user_id, ':')) };
            report.ok(check, format_args!("account {account}, {arn}, user id {user_id}"));
        }
        Err(error) => match missing(&error) {
            Some(said) => {
                report
                    .skip(check, format_args!("this service has no GetCallerIdentity, or allows it to nobody: {said}"));
            }
            None => report.fail(check, &error),
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
