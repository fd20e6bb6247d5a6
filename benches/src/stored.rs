//! A store with one credential for S3 in it, of a real one's size.

use std::sync::Arc;
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::credential::{ServiceCredential, UserCredentials, s3a};
use safe_conduct::name::{PropertyName, Scheme};
use safe_conduct::store::{CredentialStore, Epoch};
use safe_conduct::time::Clock;

pub fn store(clock: &dyn Clock) -> Arc<CredentialStore> {
    let store = Arc::new(CredentialStore::new());
    let at = clock.moment();
    let values = [(s3a::ACCESS_KEY, 20), (s3a::SECRET_KEY, 40), (s3a::SESSION_TOKEN, 1300)];
    let values =
        values.map(|(name, length)| (PropertyName::new(name).unwrap(), Secret::from_text(&"x".repeat(length))));
    let credential = ServiceCredential::new(values.into(), at.wall.plus(Duration::from_secs(3600)), at).unwrap();
    store.publish(Epoch([1; 16]), UserCredentials::new().with(Scheme::s3a(), Arc::new(credential)));
    store
}
