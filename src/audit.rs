//! What is recorded of who got what, as one JSON line an event. Holds no secret and writes nothing itself.

use crate::codec::json::JsonLine;
use crate::credential::{Provenance, ProvenanceStep};
use crate::name::{CredentialName, ExecutorName, Issuer, PodName, Principal, Subject};
use crate::store::Version;
use crate::time::Timestamp;

/// Takes audit events. The binary writes them to `audit.file` or standard error.
pub trait AuditLog: Send + Sync {
    /// Records `event`, which happened at `now`. It must not block for long and must not fail loudly: an audit
    /// trail that cannot be written is said once in the log.
    fn record(&self, event: &AuditEvent<'_>, now: Timestamp);
}

/// Drops every event. For library users who have no audit trail.
#[derive(Debug)]
pub struct NoAudit;

impl AuditLog for NoAudit {
    fn record(&self, _: &AuditEvent<'_>, _: Timestamp) {}
}

/// Something that an auditor wants to find again.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuditEvent<'a> {
    /// An identity was exchanged, or was not.
    Exchange {
        /// Whom the credential is for.
        principal: &'a Principal,
        /// Who says so.
        issuer: &'a Issuer,
        /// Which one: what it opens, and for which target.
        name: &'a CredentialName,
        /// Whether the token's signature was checked.
        signature_checked: bool,
        /// What came of it.
        outcome: Exchanged<'a>,
    },
    /// The token file now names somebody else.
    IdentityChanged {
        /// Whom it named.
        from: &'a Principal,
        /// Whom it names now.
        to: &'a Principal,
        /// Who says so.
        issuer: &'a Issuer,
    },
    /// An executor that had nothing asked and was answered.
    FirstAsk {
        /// What it calls itself; it proves nothing.
        executor: &'a ExecutorName,
        /// The address that it asked from.
        peer: std::net::IpAddr,
        /// Who it proved to be, where it sent a token of its own.
        identity: Option<&'a ExecutorIdentity>,
        /// What it was given; `None` if there was nothing to give.
        version: Option<Version>,
    },
    /// Token and command run in one container, so the command can read the token.
    SharedContainer,
}

/// Who an executor is, by a verified token of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorIdentity {
    /// Whose token it is: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: Subject,
    /// In which pod.
    pub pod: PodName,
}

/// What came of an exchange.
#[derive(Debug)]
#[non_exhaustive]
pub enum Exchanged<'a> {
    /// A credential.
    Credential {
        /// Where it came from.
        provenance: &'a Provenance,
        /// When it expires.
        expires_at: Timestamp,
        /// The bundle that it is part of; `None` at a start that still waits for another credential.
        version: Option<Version>,
    },
    /// A failure.
    Failed {
        /// Its stable code.
        code: &'static str,
    },
}

impl AuditEvent<'_> {
    /// The event as one line of JSON, without a line end.
    #[must_use]
    pub fn to_json(&self, now: Timestamp) -> String {
        let mut line = JsonLine::new();
        line.text("time", &now.to_string());
        match self {
            Self::Exchange { principal, issuer, name, signature_checked, outcome } => {
                line.text("event", "exchange");
                line.text("principal", principal.as_str());
                line.text("issuer", issuer.as_str());
                line.text("scheme", name.scheme().as_str());
                if let Some(target) = name.target() {
                    line.text("target", target.as_str());
                }
                line.flag("signature_checked", *signature_checked);
                outcome.write(&mut line);
            }
            Self::IdentityChanged { from, to, issuer } => {
                line.text("event", "identity_changed");
                line.text("from", from.as_str());
                line.text("to", to.as_str());
                line.text("issuer", issuer.as_str());
            }
            Self::FirstAsk { executor, peer, identity, version } => {
                line.text("event", "first_ask");
                line.text("executor", executor.as_str());
                line.text("peer", &peer.to_string());
                if let Some(ExecutorIdentity { subject, pod }) = identity {
                    line.text("subject", subject.as_str());
                    line.text("pod", pod.as_str());
                }
                match version {
                    Some(version) => write_version(&mut line, *version),
                    None => line.text("outcome", "nothing_yet"),
                }
            }
            Self::SharedContainer => line.text("event", "token_and_command_share_a_container"),
        }
        line.finish()
    }
}

impl Exchanged<'_> {
    fn write(&self, line: &mut JsonLine) {
        match self {
            Self::Credential { provenance, expires_at, version } => {
                line.text("outcome", "credential");
                let known = [
                    ("role", &provenance.role),
                    ("session_name", &provenance.session_name),
                    ("credential_id", &provenance.credential_id),
                    ("request_id", &provenance.request_id),
                ];
                for (name, value) in known {
                    if let Some(value) = value {
                        line.text(name, value);
                    }
                }
                if !provenance.via.is_empty() {
                    line.objects("via", provenance.via.iter().map(step));
                }
                line.text("expires_at", &expires_at.to_string());
                if let Some(version) = version {
                    write_version(line, *version);
                }
            }
            Self::Failed { code } => {
                line.text("outcome", "failed");
                line.text("code", code);
            }
        }
    }
}

fn step(step: &ProvenanceStep) -> JsonLine {
    let mut line = JsonLine::new();
    line.text("role", &step.role);
    line.text("credential_id", &step.credential_id);
    if let Some(id) = &step.request_id {
        line.text("request_id", id);
    }
    line
}

fn write_version(line: &mut JsonLine, version: Version) {
    line.text("epoch", &version.epoch.to_string());
    line.number("version", version.number);
}
