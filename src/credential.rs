//! Service credentials, the bundle of them, and their one encoding. Knows nothing of who they were made for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::frame::{FieldReader, FieldWriter, FrameError};
use crate::name::{CredentialName, PropertyName, Scheme};
use crate::secret::Secret;
use crate::time::{Moment, Timestamp};

/// The property names of an `s3a` credential: Hadoop's own, and the account, which some SDKs show.
pub mod s3a {
    /// AWS access key id. Not a secret, but part of the credential.
    pub const ACCESS_KEY: &str = "fs.s3a.access.key";
    /// AWS secret access key.
    pub const SECRET_KEY: &str = "fs.s3a.secret.key";
    /// AWS session token.
    pub const SESSION_TOKEN: &str = "fs.s3a.session.token";
    /// AWS account id, where the service said it.
    pub const ACCOUNT_ID: &str = "fs.s3a.account.id";
    /// All of them: what an executor accepts for this scheme.
    pub const PROPERTIES: [&str; 4] = [ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, ACCOUNT_ID];
}

/// How long before its expiry a credential is no longer handed out: an SDK needs some seconds to use what it gets,
/// and the EKS Pod Identity Agent leaves the same margin.
pub const SERVING_MARGIN: Duration = Duration::from_secs(15);

/// Most credentials in one bundle: there are a handful of schemes in the world, and one of them may have targets.
pub const MAX_CREDENTIALS: usize = 16;

/// Most named targets of one scheme. A bundle has to fit into one frame of 65,536 bytes: with the unnamed credential
/// these are 13, whose session tokens may have 4 KiB each, as those of a MinIO with a full set of claims.
pub const MAX_TARGETS: usize = 12;

/// Most properties of one credential: the largest that we know has five.
pub const MAX_PROPERTIES: usize = 16;

/// Longest value of a property in bytes. STS sets no bound for a session token; a MinIO token with a full set of
/// claims has 4 KiB.
pub const MAX_VALUE: usize = 16 * 1024;

/// A short-lived credential for one scheme, and for one target of it where there are several.
#[derive(Debug)]
pub struct ServiceCredential {
    properties: BTreeMap<PropertyName, Secret>,
    expires_at: Timestamp,
    learned: Moment,
    provenance: Provenance,
}

/// Where a credential came from: for audit lines, never sent to executors.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// What was asked for, such as a role's ARN.
    pub role: Option<String>,
    /// The name of the session at the service.
    pub session_name: Option<String>,
    /// The public id of the credential, such as an AWS access key id.
    pub credential_id: Option<String>,
    /// The service's id of the request.
    pub request_id: Option<String>,
    /// The credentials that led to this one, in their order; they are gone.
    pub via: Vec<ProvenanceStep>,
}

/// Where a credential came from that only served to get another one.
#[derive(Debug, Clone)]
pub struct ProvenanceStep {
    /// What was asked for, such as a role's ARN.
    pub role: String,
    /// The public id of the credential.
    pub credential_id: String,
    /// The service's id of the request.
    pub request_id: Option<String>,
}

impl ServiceCredential {
    /// A credential that expires at `expires_at` by the clock which, when we learned of it, showed `learned.wall`.
    ///
    /// `learned.monotonic` is our own: from then on, the time that really passes counts too, so that a clock which is
    /// wrong or set back cannot stretch the credential's life.
    ///
    /// # Errors
    /// [`CredentialError`] if there is no property, too many, an empty or too long value, or it has expired already.
    pub fn new(
        properties: BTreeMap<PropertyName, Secret>,
        expires_at: Timestamp,
        learned: Moment,
    ) -> Result<Self, CredentialError> {
        if properties.is_empty() || properties.len() > MAX_PROPERTIES {
            return Err(CredentialError::PropertyCount { count: properties.len() });
        }
        for (name, value) in &properties {
            let length = value.length();
            if length == 0 || length > MAX_VALUE {
                return Err(CredentialError::ValueLength { name: name.clone(), length });
            }
        }
        if expires_at <= learned.wall {
            return Err(CredentialError::Expired { expires_at, now: learned.wall });
        }
        Ok(Self { properties, expires_at, learned, provenance: Provenance::default() })
    }

    /// The same credential, with what is known of its origin.
    #[must_use]
    pub fn with_provenance(mut self, provenance: Provenance) -> Self {
        self.provenance = provenance;
        self
    }

    /// A property's value.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Secret> {
        self.properties.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value)
    }

    /// The names of all properties.
    pub fn property_names(&self) -> impl Iterator<Item = &PropertyName> {
        self.properties.keys()
    }

    /// When it expires, by the clock of the service that issued it.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// How long it lived, or will live, from when we learned of it.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.learned.wall.until(self.expires_at)
    }

    /// How long ago we learned of it.
    #[must_use]
    pub fn age(&self, at: Moment) -> Duration {
        at.monotonic.saturating_sub(self.learned.monotonic)
    }

    /// Where it came from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// How long it may still be served: the smaller of what the wall clock leaves and what the time that really
    /// passed leaves, each less [`SERVING_MARGIN`]. Zero means: no more.
    #[must_use]
    pub fn servable_for(&self, at: Moment) -> Duration {
        self.remaining(at).saturating_sub(SERVING_MARGIN)
    }

    /// How long until it expires, by the stricter of both clocks.
    #[must_use]
    pub fn remaining(&self, at: Moment) -> Duration {
        let by_wall = at.wall.until(self.expires_at);
        by_wall.min(self.life().saturating_sub(self.age(at)))
    }
}

/// The bundle: at most one credential of a name. A clone shares it.
#[derive(Debug, Clone, Default)]
pub struct UserCredentials {
    by_name: Arc<BTreeMap<CredentialName, Arc<ServiceCredential>>>,
}

impl UserCredentials {
    /// A bundle without any credential.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same bundle with `credential` as the one of that name; a scheme alone is the unnamed one's.
    #[must_use]
    pub fn with(mut self, name: impl Into<CredentialName>, credential: Arc<ServiceCredential>) -> Self {
        Arc::make_mut(&mut self.by_name).insert(name.into(), credential);
        self
    }

    /// The credential of that name.
    #[must_use]
    pub fn get(&self, name: &CredentialName) -> Option<&Arc<ServiceCredential>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&CredentialName, &Arc<ServiceCredential>)> {
        self.by_name.iter()
    }

    /// The shortest time for which a credential of the bundle may still be served; `None` for an empty bundle.
    #[must_use]
    pub fn servable_for(&self, at: Moment) -> Option<Duration> {
        self.by_name.values().map(|credential| credential.servable_for(at)).min()
    }

    /// The bundle with only what may still be served at `at`.
    #[must_use]
    pub fn servable(&self, at: Moment) -> Self {
        let servable = self.by_name.iter().filter(|(_, credential)| !credential.servable_for(at).is_zero());
        Self { by_name: Arc::new(servable.map(|(name, credential)| (name.clone(), Arc::clone(credential))).collect()) }
    }

    /// Writes the bundle: a count, then for each credential its name, expiry and properties.
    ///
    /// # Errors
    /// [`FrameError`] if it does not fit into the frame.
    pub fn encode(&self, to: &mut FieldWriter) -> Result<(), FrameError> {
        to.count(self.by_name.len())?;
        for (name, credential) in self.by_name.iter() {
            to.text(&name.to_string())?;
            to.u64(credential.expires_at.unix_seconds())?;
            to.count(credential.properties.len())?;
            for (name, value) in &credential.properties {
                to.text(name.as_str())?;
                to.secret(value)?;
            }
        }
        Ok(())
    }

    /// Reads what [`UserCredentials::encode`] wrote. `learned` pairs the sender's wall clock with our monotonic one.
    ///
    /// Only what `accepted` names is taken; anything else is an error, so that a bundle can never set more than the
    /// receiver asked for. A credential that has expired by the sender's own clock is an error too.
    ///
    /// # Errors
    /// [`CredentialError`] names the rule; nothing of a value is in it.
    pub fn decode(
        from: &mut FieldReader<'_>,
        accepted: &AcceptedProperties,
        learned: Moment,
    ) -> Result<Self, CredentialError> {
        let count = from.count(MAX_CREDENTIALS)?;
        let mut by_name = BTreeMap::new();
        for _ in 0..count {
            let of = CredentialName::parse(from.text()?).map_err(CredentialError::Name)?;
            let expires_at = Timestamp::from_unix_seconds(from.u64()?).ok_or(CredentialError::ExpiryRange)?;
            let mut properties = BTreeMap::new();
            for _ in 0..from.count(MAX_PROPERTIES)? {
                let name = PropertyName::new(from.text()?).map_err(CredentialError::Name)?;
                let value = from.secret(MAX_VALUE)?;
                if !accepted.contains(of.scheme(), &name) {
                    return Err(CredentialError::NotAccepted { scheme: of.scheme().clone(), name });
                }
                if properties.insert(name.clone(), value).is_some() {
                    return Err(CredentialError::Duplicate { of });
                }
            }
            let credential = Arc::new(ServiceCredential::new(properties, expires_at, learned)?);
            if by_name.insert(of.clone(), credential).is_some() {
                return Err(CredentialError::Duplicate { of });
            }
        }
        Ok(Self { by_name: Arc::new(by_name) })
    }
}

/// Which properties of which schemes a receiver takes.
#[derive(Debug, Clone, Default)]
pub struct AcceptedProperties {
    schemes: BTreeMap<Scheme, Vec<PropertyName>>,
}

impl AcceptedProperties {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Also these properties of `scheme`.
    #[must_use]
    pub fn with(mut self, scheme: Scheme, properties: impl IntoIterator<Item = PropertyName>) -> Self {
        self.schemes.entry(scheme).or_default().extend(properties);
        self
    }

    /// Whether `name` of `scheme` is accepted.
    #[must_use]
    pub fn contains(&self, scheme: &Scheme, name: &PropertyName) -> bool {
        self.schemes.get(scheme).is_some_and(|names| names.contains(name))
    }
}

/// Why a credential or a bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// No property, or more than [`MAX_PROPERTIES`].
    PropertyCount {
        /// How many there are.
        count: usize,
    },
    /// A value is empty or longer than [`MAX_VALUE`].
    ValueLength {
        /// Which property.
        name: PropertyName,
        /// How many bytes it has.
        length: usize,
    },
    /// It has expired already.
    Expired {
        /// When.
        expires_at: Timestamp,
        /// The time it was compared with.
        now: Timestamp,
    },
    /// The expiry lies after year 9999.
    ExpiryRange,
    /// A credential or one of its properties stands there twice.
    Duplicate {
        /// Which credential.
        of: CredentialName,
    },
    /// The receiver was not told to accept this property.
    NotAccepted {
        /// Of which scheme.
        scheme: Scheme,
        /// Which property.
        name: PropertyName,
    },
    /// A name is malformed.
    Name(crate::name::NameError),
    /// The bytes are not of the bundle's form.
    Frame(FrameError),
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PropertyCount { count } => {
                write!(f, "a credential has {count} properties, not 1 to {MAX_PROPERTIES}")
            }
            Self::ValueLength { name, length } => {
                write!(f, "the value of {name} has {length} bytes, not 1 to {MAX_VALUE}")
            }
            Self::Expired { expires_at, now } => write!(f, "a credential expired at {expires_at}; it is {now}"),
            Self::ExpiryRange => f.write_str("a credential expires after year 9999"),
            Self::Duplicate { of } => write!(f, "credential {of} or one of its properties stands there twice"),
            Self::NotAccepted { scheme, name } => write!(f, "property {name} of scheme {scheme} is not accepted here"),
            Self::Name(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CredentialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Frame(error) => Some(error),
            Self::PropertyCount { .. }
            | Self::ValueLength { .. }
            | Self::Expired { .. }
            | Self::ExpiryRange
            | Self::Duplicate { .. }
            | Self::NotAccepted { .. } => None,
        }
    }
}

impl From<FrameError> for CredentialError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}
