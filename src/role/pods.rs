//! Judges executors' service account tokens for the driver: the namespace, the service account, and the pod.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use safe_conduct::audit::ExecutorIdentity;
use safe_conduct::distribute::{PeerRefusal, PeerVerifier};
use safe_conduct::error::{Actionable, Facts, Fault, Retry};
use safe_conduct::identity::{KeySet, TokenVerifier};
use safe_conduct::ingest::{KeySource, KeySourceError};
use safe_conduct::name::{NameError, PodName};
use safe_conduct::secret::Secret;
use safe_conduct::time::Moment;

/// Tokens of pods, by a verifier whose principal is the pod's name.
pub(crate) struct PodTokens {
    verifier: TokenVerifier,
    pod_prefix: Option<String>,
    /// Held while keys are fetched, by one thread.
    source: Mutex<KeySource>,
    /// The keys that were used last: for all others, while one fetches.
    ready: Mutex<Option<Arc<KeySet>>>,
}

impl PodTokens {
    /// Fetches the keys once, so that the first executors need not wait for it. That it fails is no reason not to
    /// start: each ask tries again.
    pub(crate) fn new(verifier: TokenVerifier, pod_prefix: Option<String>, source: KeySource, at: Moment) -> Self {
        let tokens = Self { verifier, pod_prefix, source: Mutex::new(source), ready: Mutex::new(None) };
        if let Err(refusal) = tokens.fetch(None, at, lock(&tokens.source)) {
            log::warn!("there are no keys yet for the executors' tokens: {refusal}");
        }
        tokens
    }

    /// The keys for a token that names `key_id`. While another thread fetches, nobody waits: a stranger with a made-up
    /// key id would otherwise hold up every executor for as long as the issuer takes.
    fn keys(&self, key_id: Option<&str>, at: Moment) -> Result<Arc<KeySet>, PeerRefusal> {
        match self.source.try_lock() {
            Ok(source) => self.fetch(key_id, at, source),
            Err(TryLockError::Poisoned(poisoned)) => self.fetch(key_id, at, poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let ready = lock(&self.ready).clone();
                let known = ready.filter(|keys| key_id.is_none_or(|id| keys.has(id)));
                known.ok_or_else(|| unchecked(&PodError::Fetching))
            }
        }
    }

    fn fetch(
        &self,
        key_id: Option<&str>,
        at: Moment,
        mut source: MutexGuard<'_, KeySource>,
    ) -> Result<Arc<KeySet>, PeerRefusal> {
        let keys = Arc::clone(source.keys(key_id, at).map_err(|error: KeySourceError| unchecked(&error))?);
        *lock(&self.ready) = Some(Arc::clone(&keys));
        Ok(keys)
    }
}

impl PeerVerifier for PodTokens {
    fn verify(&self, token: Secret, at: Moment) -> Result<ExecutorIdentity, PeerRefusal> {
        let key_id = TokenVerifier::unverified_key_id(&token).map_err(|error| refused(&error))?;
        let keys = self.keys(key_id.as_deref(), at)?;
        let user = self.verifier.verify(token, &keys, at.wall).map_err(|error| refused(&error))?;
        let pod = PodName::new(user.principal().as_str()).map_err(|error| refused(&PodError::Name(error)))?;
        if self.pod_prefix.as_ref().is_some_and(|prefix| !pod.as_str().starts_with(prefix.as_str())) {
            return Err(refused(&PodError::Prefix));
        }
        Ok(ExecutorIdentity { subject: user.subject().clone(), pod })
    }
}

impl fmt::Debug for PodTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PodTokens")
    }
}

fn refused(error: &dyn Actionable) -> PeerRefusal {
    PeerRefusal::Refused { code: error.facts().code, what: error.to_string() }
}

fn unchecked(error: &dyn Actionable) -> PeerRefusal {
    PeerRefusal::Unchecked { code: error.facts().code, what: error.to_string() }
}

/// Each lock's value is replaced in one step, so poison says nothing about it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What only a pod's token can be refused for.
#[derive(Debug)]
enum PodError {
    /// Another thread fetches keys, and there are none yet that could be the token's.
    Fetching,
    /// The pod's name is none that Kubernetes gives.
    Name(NameError),
    /// The pod's name begins otherwise.
    Prefix,
}

impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetching => f.write_str("the issuer's keys are being fetched"),
            Self::Name(error) => error.fmt(f),
            Self::Prefix => f.write_str("the pod's name does not begin with distribution.executorToken.podPrefix"),
        }
    }
}

impl std::error::Error for PodError {}

impl Actionable for PodError {
    fn facts(&self) -> Facts {
        match self {
            Self::Fetching => Facts::new(
                "POD_KEYS_FETCHING",
                Fault::Unreachable,
                Retry::Backoff,
                "Wait; if it stays so, check how long the issuer takes to answer.",
            ),
            Self::Name(_) => Facts::new(
                "POD_NAME",
                Fault::Identity,
                Retry::OnNewToken,
                "Find out who issued a token with such a pod's name; Kubernetes does not.",
            ),
            Self::Prefix => Facts::new(
                "POD_PREFIX",
                Fault::Identity,
                Retry::Never,
                "Compare distribution.executorToken.podPrefix with this job's spark.kubernetes.executor.podNamePrefix.",
            ),
        }
    }
}
