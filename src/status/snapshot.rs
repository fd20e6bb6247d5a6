//! How a role fares at one moment: numbers, codes of ours and credentials' names, and nothing else that could be secret.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::name::CredentialName;
use crate::store::CredentialStore;
use crate::time::{Moment, Timestamp};

/// How a role fares. It has no field for a principal, an executor's name or an address: whoever may scrape learns no
/// names, and there are never more lines than credentials and codes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version of this program.
    pub build: &'static str,
    /// Whether credentials are valid and can still be renewed; else the code of what is wrong.
    pub ready: Result<(), &'static str>,
    /// The number of the newest bundle.
    pub version: Option<u64>,
    /// How long each credential still lives; zero once it has expired.
    pub remaining: BTreeMap<CredentialName, Duration>,
    /// When each credential was last exchanged (driver), or last confirmed by the driver (executor).
    pub last_success: BTreeMap<CredentialName, Timestamp>,
    /// How often each code was met, by credential; without one where a failure belongs to none.
    pub failures: BTreeMap<(Option<CredentialName>, &'static str), u64>,
    /// How often the identity token's file was found not to be rotated (driver).
    pub token_not_rotated: Option<u64>,
    /// How often the identity token's file was found to have become worse (driver).
    pub token_worse: Option<u64>,
    /// Asks by what became of them, as this side saw it.
    pub asks: BTreeMap<&'static str, u64>,
    /// Requests to the credentials endpoint, by HTTP status.
    pub endpoint_requests: BTreeMap<u16, u64>,
}

impl Snapshot {
    /// What `store` alone shows at `at`; ready if every credential in it may be served.
    #[must_use]
    pub fn of(store: &CredentialStore, at: Moment) -> Self {
        let newest = store.newest();
        let servable = newest.as_ref().and_then(|newest| newest.credentials.servable_for(at));
        let remaining = newest.iter().flat_map(|newest| newest.credentials.iter());
        Self {
            build: env!("CARGO_PKG_VERSION"),
            ready: match servable {
                None => Err("NO_CREDENTIALS_YET"),
                Some(left) if left.is_zero() => Err("CREDENTIALS_EXPIRED"),
                Some(_) => Ok(()),
            },
            version: newest.as_ref().map(|newest| newest.version.number),
            remaining: remaining.map(|(name, held)| (name.clone(), held.remaining(at))).collect(),
            last_success: BTreeMap::new(),
            failures: BTreeMap::new(),
            token_not_rotated: None,
            token_worse: None,
            asks: BTreeMap::new(),
            endpoint_requests: BTreeMap::new(),
        }
    }
}
