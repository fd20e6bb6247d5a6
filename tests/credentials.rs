//! Credentials, bundles and the store: limits, lives by two clocks, and what a bundle may set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use safe_conduct::Secret;
use safe_conduct::codec::frame::{FieldReader, FieldWriter, FrameError};
use safe_conduct::credential::{
    AcceptedProperties, CredentialError, MAX_CREDENTIALS, MAX_PROPERTIES, MAX_TARGETS, MAX_VALUE, SERVING_MARGIN,
    ServiceCredential, UserCredentials, s3a,
};
use safe_conduct::distribute::message::{Reply, Timing};
use safe_conduct::name::{CredentialName, NameError, PropertyName, Scheme};
use safe_conduct::store::{CredentialStore, Epoch, Version, VersionedCredentials};
use safe_conduct::time::{Moment, Timestamp};

const NOW: u64 = 1_800_000_000;

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn moment(wall: u64, monotonic: u64) -> Moment {
    Moment { wall: time(wall), monotonic: Duration::from_secs(monotonic) }
}

fn name(text: &str) -> PropertyName {
    PropertyName::new(text).unwrap()
}

fn properties(count: usize) -> BTreeMap<PropertyName, Secret> {
    (0..count).map(|n| (name(&format!("p{n}")), Secret::from_text("value"))).collect()
}

fn credential(life: u64) -> ServiceCredential {
    ServiceCredential::new(properties(1), time(NOW + life), moment(NOW, 100)).unwrap()
}

fn accepted(schemes: usize) -> AcceptedProperties {
    (0..schemes).fold(AcceptedProperties::none(), |accepted, n| {
        accepted.with(Scheme::new(&format!("s{n}")).unwrap(), (0..=MAX_PROPERTIES).map(|n| name(&format!("p{n}"))))
    })
}

fn decoded(body: &FieldWriter, accepted: &AcceptedProperties) -> Result<UserCredentials, CredentialError> {
    let mut fields = FieldReader::new(body.body());
    let bundle = UserCredentials::decode(&mut fields, accepted, moment(NOW, 7))?;
    fields.end()?;
    Ok(bundle)
}

#[test]
fn a_credential_has_1_to_16_properties() {
    for (count, allowed) in [(0, false), (1, true), (MAX_PROPERTIES, true), (MAX_PROPERTIES + 1, false)] {
        let made = ServiceCredential::new(properties(count), time(NOW + 60), moment(NOW, 0)).map(|_| ());
        assert_eq!(made, if allowed { Ok(()) } else { Err(CredentialError::PropertyCount { count }) });
    }
}

#[test]
fn a_value_has_1_to_16_384_bytes() {
    for (length, allowed) in [(0, false), (1, true), (MAX_VALUE, true), (MAX_VALUE + 1, false)] {
        let properties = [(name("p"), Secret::from_text(&"x".repeat(length)))].into();
        let made = ServiceCredential::new(properties, time(NOW + 60), moment(NOW, 0)).map(|_| ());
        assert_eq!(made, if allowed { Ok(()) } else { Err(CredentialError::ValueLength { name: name("p"), length }) });
    }
}

#[test]
fn a_credential_that_has_expired_is_none() {
    let expired = CredentialError::Expired { expires_at: time(NOW), now: time(NOW) };
    assert_eq!(ServiceCredential::new(properties(1), time(NOW), moment(NOW, 0)).map(|_| ()), Err(expired));
    assert!(ServiceCredential::new(properties(1), time(NOW + 1), moment(NOW, 0)).is_ok());
}

#[test]
fn a_credential_is_served_until_15_seconds_before_the_earlier_of_two_ends() {
    assert_eq!(SERVING_MARGIN, Duration::from_secs(15));
    let held = credential(3600);
    let left = |wall: u64, monotonic: u64| held.servable_for(moment(wall, monotonic)).as_secs();
    assert_eq!(left(NOW, 100), 3585);
    assert_eq!(left(NOW + 3584, 100 + 3584), 1);
    assert_eq!(left(NOW + 3585, 100 + 3585), 0);
    assert_eq!(left(NOW + 3600, 100), 0, "the wall clock alone ends it");
    assert_eq!(left(NOW, 100 + 3585), 0, "the time that passed alone ends it");
    assert_eq!(left(NOW - 7200, 100 + 10), 3575, "a clock that is set back adds nothing");
    assert_eq!(left(NOW + 9999, 100), 0);
}

#[test]
fn a_bundle_reads_back_as_it_was_written() {
    let bundle = (0..MAX_CREDENTIALS).fold(UserCredentials::new(), |bundle, n| {
        bundle.with(Scheme::new(&format!("s{n}")).unwrap(), Arc::new(credential(600)))
    });
    let mut body = FieldWriter::new();
    bundle.encode(&mut body).unwrap();
    let read = decoded(&body, &accepted(MAX_CREDENTIALS)).unwrap();
    assert_eq!(read.iter().count(), MAX_CREDENTIALS);
    for (scheme, held) in read.iter() {
        assert!(held.property("p0").unwrap().matches(b"value"), "{scheme}");
        assert_eq!((held.expires_at(), held.life()), (time(NOW + 600), Duration::from_secs(600)));
    }
    let mut again = FieldWriter::new();
    read.encode(&mut again).unwrap();
    assert_eq!(again.body(), body.body());
}

#[test]
fn a_bundle_has_at_most_16_credentials() {
    let bundle = (0..=MAX_CREDENTIALS).fold(UserCredentials::new(), |bundle, n| {
        bundle.with(Scheme::new(&format!("s{n}")).unwrap(), Arc::new(credential(600)))
    });
    let mut body = FieldWriter::new();
    bundle.encode(&mut body).unwrap();
    assert_eq!(
        decoded(&body, &accepted(MAX_CREDENTIALS + 1)).map(|_| ()),
        Err(CredentialError::Frame(FrameError::TooLong))
    );
}

/// A bundle of the unnamed credential and so many targets, each with a session token of so many bytes.
fn with_targets(count: usize, token: usize) -> UserCredentials {
    let values = [(s3a::ACCESS_KEY, 20), (s3a::SECRET_KEY, 40), (s3a::SESSION_TOKEN, token), (s3a::ACCOUNT_ID, 12)];
    let made = || {
        let properties = values.map(|(property, length)| (name(property), Secret::from_text(&"a".repeat(length))));
        Arc::new(ServiceCredential::new(properties.into(), time(NOW + 600), moment(NOW, 100)).unwrap())
    };
    (0..count).fold(UserCredentials::new().with(Scheme::s3a(), made()), |bundle, n| {
        let target = format!("{}{n:02}", "a".repeat(30));
        bundle.with(CredentialName::parse(&format!("s3a/{target}")).unwrap(), made())
    })
}

#[test]
fn twelve_targets_with_tokens_of_4_kib_fit_into_a_frame_and_read_back() {
    let encoded = |bundle: UserCredentials| {
        let version = Version { epoch: Epoch([7; 16]), number: 1 };
        let timing = Timing { now: time(NOW), next_ask: Duration::from_secs(60) };
        Reply::Bundle(VersionedCredentials { version, credentials: bundle }).encode(timing)
    };
    assert!(encoded(with_targets(MAX_TARGETS, 4096)).is_ok());
    // Why the limit is not three higher.
    assert_eq!(encoded(with_targets(MAX_TARGETS + 3, 4096)).map(drop), Err(FrameError::TooLong));
    let mut body = FieldWriter::new();
    with_targets(MAX_TARGETS, 4096).encode(&mut body).unwrap();
    let accepted = AcceptedProperties::none().with(Scheme::s3a(), s3a::PROPERTIES.map(name));
    let read = decoded(&body, &accepted).unwrap();
    assert_eq!(read.iter().filter(|(name, _)| name.target().is_some()).count(), MAX_TARGETS);
    assert!(read.get(&Scheme::s3a().into()).is_some());
}

/// A bundle of one scheme, written field by field: name, expiry, and one property for each name given.
fn written(schemes: &[(&str, u64, &[&str])]) -> FieldWriter {
    let mut body = FieldWriter::new();
    body.count(schemes.len()).unwrap();
    for (scheme, expires_at, names) in schemes {
        body.text(scheme).unwrap();
        body.u64(*expires_at).unwrap();
        body.count(names.len()).unwrap();
        for name in *names {
            body.text(name).unwrap();
            body.secret(&Secret::from_text("value")).unwrap();
        }
    }
    body
}

#[test]
fn what_stands_twice_is_not_accepted_is_misnamed_or_has_expired_is_refused() {
    let s0 = Scheme::new("s0").unwrap();
    let later = NOW + 600;
    let refused = |schemes: &[(&str, u64, &[&str])]| decoded(&written(schemes), &accepted(1)).map(|_| ()).unwrap_err();
    let duplicate = CredentialError::Duplicate { of: s0.clone().into() };
    assert_eq!(refused(&[("s0", later, &["p0", "p0"])]), duplicate);
    assert_eq!(refused(&[("s0", later, &["p0"]), ("s0", later, &["p0"])]), duplicate);
    assert_eq!(
        refused(&[("s0", later, &["endpoint"])]),
        CredentialError::NotAccepted { scheme: s0, name: name("endpoint") }
    );
    let s1 = Scheme::new("s1").unwrap();
    assert_eq!(refused(&[("s1", later, &["p0"])]), CredentialError::NotAccepted { scheme: s1, name: name("p0") });
    let upper = NameError::Character { what: "scheme", position: 0 };
    assert_eq!(refused(&[("S0", later, &["p0"])]), CredentialError::Name(upper));
    assert_eq!(refused(&[("s0", NOW, &["p0"])]), CredentialError::Expired { expires_at: time(NOW), now: time(NOW) });
    assert_eq!(refused(&[("s0", u64::MAX, &["p0"])]), CredentialError::ExpiryRange);
    // A target is accepted as its scheme is, may set no more, and stands there once.
    let target = CredentialName::parse("s0/logs").unwrap();
    assert!(decoded(&written(&[("s0", later, &["p0"]), ("s0/logs", later, &["p0"])]), &accepted(1)).is_ok());
    let duplicate = CredentialError::Duplicate { of: target };
    assert_eq!(refused(&[("s0/logs", later, &["p0"]), ("s0/logs", later, &["p0"])]), duplicate);
    let s0 = Scheme::new("s0").unwrap();
    let not_accepted = CredentialError::NotAccepted { scheme: s0, name: name("endpoint") };
    assert_eq!(refused(&[("s0/logs", later, &["endpoint"])]), not_accepted);
    for (text, error) in [
        ("s0/default", NameError::Reserved { what: "target name" }),
        ("s0/a]\n[b", NameError::Character { what: "target name", position: 1 }),
        ("s0/", NameError::Length { what: "target name", length: 0, least: 1, most: 32 }),
    ] {
        assert_eq!(refused(&[(text, later, &["p0"])]), CredentialError::Name(error));
    }
    assert_eq!(refused(&[("s0", later, &[])]), CredentialError::PropertyCount { count: 0 });
}

#[test]
fn whoever_waits_for_something_newer_gets_it_or_the_end_of_the_wait() {
    let store = Arc::new(CredentialStore::new());
    assert!(store.newest().is_none() && store.wait_newer(None, Duration::ZERO).is_none());
    let epoch = Epoch([3; 16]);
    let waiting = Arc::clone(&store);
    let thread = std::thread::spawn(move || waiting.wait_newer(None, Duration::from_secs(60)).unwrap().version);
    let bundle = || UserCredentials::new().with(Scheme::s3a(), Arc::new(credential(600)));
    assert_eq!(store.publish(epoch, bundle()), Version { epoch, number: 1 });
    assert_eq!(thread.join().unwrap(), Version { epoch, number: 1 });
    let seen = Some(Version { epoch, number: 1 });
    assert!(store.wait_newer(seen, Duration::ZERO).is_none());
    assert_eq!(store.publish(epoch, bundle()), Version { epoch, number: 2 });
    assert_eq!(store.wait_newer(seen, Duration::ZERO).unwrap().version.number, 2);
    let other = Epoch([4; 16]);
    assert_eq!(store.publish(other, bundle()), Version { epoch: other, number: 1 }, "another run starts at 1");
}
