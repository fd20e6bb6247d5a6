//! Named targets as profiles of an AWS credentials file and config file. Takes a profile out before it expires.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::process_json::process_json;
use crate::codec::aws_profiles::{PlainPath, ProfileError, ProfileFile, ProfileValue, ProfilesBuilder};
use crate::credential::{ServiceCredential, UserCredentials, s3a};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::name::{Region, Scheme, TargetName};
use crate::store::{CredentialStore, Version};
use crate::sys::file::{self, FileError};
use crate::sys::random::Random;
use crate::time::{Clock, Moment};

/// The longest time between two looks at the clock: a wall clock that is set forward is noticed within the margin that
/// a credential is no longer served in.
const LOOK: Duration = Duration::from_secs(5);

/// Stack of the thread: it writes two files.
const STACK: usize = 256 * 1024;

/// What begins the names of the files that profiles' commands print, one a target.
const OUTPUT: &str = "aws-process-";

/// What stands in profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfileForm {
    /// Keys. Each client knows them, and most read them once.
    #[default]
    Keys,
    /// A command that prints keys and their end, so that clients which run commands ask again in time.
    Process,
}

/// What is to stand in the files.
#[derive(Debug, Clone, Default)]
pub struct ProfileSettings {
    /// In each profile.
    pub form: ProfileForm,
    /// Where its buckets are.
    pub regions: ProfileRegions,
}

/// The regions that stand in profiles.
#[derive(Debug, Clone, Default)]
pub struct ProfileRegions {
    /// Where a target has none of its own.
    pub default: Option<Region>,
    /// Those of single targets.
    pub by_target: BTreeMap<TargetName, Region>,
}

impl ProfileRegions {
    fn of(&self, target: &TargetName) -> Option<&Region> {
        self.by_target.get(target).or(self.default.as_ref())
    }
}

/// The files `aws-credentials` and `aws-config` in a folder, with a profile for each named target of `s3a`. What is there of
/// these names is taken for ours; so they are not the names that people give to theirs in `~/.aws`. A profile that names a
/// command has its keys in a file `aws-process-TARGET.json` beside them.
///
/// There is never a profile `default` in them: SDKs look into files before they ask the endpoint, and keep keys from a
/// file for ever, so it would take the endpoint's place and then expire.
pub struct CredentialsFile {
    directory: PathBuf,
    files: ProfileFiles,
    /// How the paths of the files begin that commands print, if profiles name commands.
    output: Option<PlainPath>,
    regions: ProfileRegions,
    random: Arc<dyn Random>,
    written: Option<Written>,
}

/// Where the two files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFiles {
    /// What `AWS_SHARED_CREDENTIALS_FILE` is to be: an absolute path.
    pub credentials: PathBuf,
    /// What `AWS_CONFIG_FILE` is to be: an absolute path.
    pub config: PathBuf,
}

/// What the files hold.
struct Written {
    /// Of which bundle.
    version: Option<Version>,
    /// Which targets, with those that could not be written.
    targets: BTreeSet<TargetName>,
    refused: Option<CredentialsFileError>,
}

impl CredentialsFile {
    /// The files in `directory`. Takes away what an older run may have left.
    ///
    /// # Errors
    /// [`CredentialsFileError`] if one cannot be taken away, or the directory's path cannot stand in a command.
    pub fn prepare(
        directory: &Path,
        settings: ProfileSettings,
        random: Arc<dyn Random>,
    ) -> Result<Self, CredentialsFileError> {
        // A command may change its working directory, so it is told whole paths. This asks for no file.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let files =
            ProfileFiles { credentials: directory.join("aws-credentials"), config: directory.join("aws-config") };
        let output = match settings.form {
            ProfileForm::Keys => None,
            ProfileForm::Process => {
                let plain = directory.join(OUTPUT).to_str().and_then(|path| PlainPath::new(path).ok());
                Some(plain.ok_or_else(|| CredentialsFileError::Path { path: directory.clone() })?)
            }
        };
        let sink = Self { directory, files, output, regions: settings.regions, random, written: None };
        sink.remove()?;
        Ok(sink)
    }

    /// Where the files are.
    #[must_use]
    pub fn files(&self) -> ProfileFiles {
        self.files.clone()
    }

    /// Brings the files to what `store` holds and may serve at `at`. Does nothing if that is what they hold.
    ///
    /// # Errors
    /// [`CredentialsFileError`]: what could not be replaced is as it was, unless nothing in it may be used any more.
    pub fn update(&mut self, store: &CredentialStore, at: Moment) -> Result<(), CredentialsFileError> {
        let newest = store.newest();
        let version = newest.as_ref().map(|newest| newest.version);
        // Rule: no expired credential is left in a file, nor one that could expire on its way into a request.
        let servable = newest.map(|newest| newest.credentials.servable(at)).unwrap_or_default();
        let mut profiles = profiles(&servable);
        let targets: BTreeSet<TargetName> = profiles.keys().map(|name| (*name).clone()).collect();
        if let Some(held) = &self.written
            && held.version == version
            && held.targets == targets
        {
            return held.refused.clone().map_or(Ok(()), Err);
        }
        let refused = self.drop_unwritable(&mut profiles);
        if let Err(error) = self.write(&profiles) {
            if profiles.is_empty() {
                // A full disk lets nobody write, but it lets us take away.
                self.remove()?;
            }
            return Err(error.into());
        }
        self.written = Some(Written { version, targets, refused: refused.clone() });
        refused.map_or(Ok(()), Err)
    }

    /// Rule: a profile of the config file has keys in the other one. SDKs go on to other credentials, the unnamed ones
    /// of the endpoint too, for a profile that is there without keys, and refuse one that is not there at all.
    fn write(&self, profiles: &BTreeMap<&TargetName, &ServiceCredential>) -> Result<(), FileError> {
        let before = self.written.as_ref().map(|held| held.targets.clone()).unwrap_or_default();
        // What a command prints goes first: its profile then fails, also where the disk is too full for other files.
        for gone in before.iter().filter(|name| !profiles.contains_key(name)) {
            self.output_of(gone).map_or(Ok(()), |output| file::remove(output.as_path()))?;
        }
        let staying = || profiles.keys().copied().filter(|name| before.contains(*name));
        if staying().count() < before.len() {
            self.write_config(staying())?;
        }
        let mut builder = ProfilesBuilder::new(ProfileFile::Credentials);
        let texts: Vec<Texts> = profiles.iter().map(|(name, credential)| self.texts(name, credential)).collect();
        for ((name, credential), texts) in profiles.iter().zip(&texts) {
            if let Some(output) = &texts.output {
                file::replace(output.as_path(), process_json(credential).as_slice(), self.random.as_ref())?;
            }
            // Their values were tried before.
            let _ = lines(credential, texts).map(|lines| builder.add(name, &lines));
        }
        file::replace(&self.files.credentials, builder.finish().as_slice(), self.random.as_ref())?;
        self.write_config(profiles.keys().copied())
    }

    fn write_config<'a>(&self, names: impl Iterator<Item = &'a TargetName>) -> Result<(), FileError> {
        let mut builder = ProfilesBuilder::new(ProfileFile::Config);
        for name in names {
            if let Some(region) = self.regions.of(name) {
                // A region is of letters, digits and dashes.
                let _ = builder.add(name, &[("region", ProfileValue::Text(region.as_str()))]);
            }
        }
        file::replace(&self.files.config, builder.finish().as_slice(), self.random.as_ref())
    }

    /// Takes out what cannot be written, so that the others can; says the first reason.
    fn drop_unwritable(
        &self,
        profiles: &mut BTreeMap<&TargetName, &ServiceCredential>,
    ) -> Option<CredentialsFileError> {
        let mut first = None;
        profiles.retain(|name, credential| {
            let texts = self.texts(name, credential);
            let mut trial = ProfilesBuilder::new(ProfileFile::Credentials);
            let tried = match lines(credential, &texts) {
                Some(lines) => {
                    let added = trial.add(name, &lines);
                    added.map_err(|error| CredentialsFileError::Value { target: (*name).clone(), error })
                }
                None => Err(CredentialsFileError::Incomplete { target: (*name).clone() }),
            };
            let writable = tried.is_ok();
            first = first.take().or(tried.err());
            writable
        });
        first
    }

    fn texts(&self, name: &TargetName, credential: &ServiceCredential) -> Texts {
        Texts { expires_at: credential.expires_at().to_string(), output: self.output_of(name) }
    }

    /// The file that the command of a profile prints, if it names one.
    fn output_of(&self, name: &TargetName) -> Option<PlainPath> {
        let stem = self.output.as_ref()?.as_path().display();
        // A target's name is of characters that may stand there.
        PlainPath::new(&format!("{stem}{name}.json")).ok()
    }

    fn remove(&self) -> Result<(), FileError> {
        file::remove(&self.files.config)?;
        file::remove(&self.files.credentials)?;
        file::remove_beginning_with(&self.directory, OUTPUT)
    }

    /// Writes the files and keeps them as the store is. A credential that cannot stand in a file is said, and is no reason
    /// to keep the others waiting.
    ///
    /// # Errors
    /// [`CredentialsFileError`] if a file cannot be written now, or there is no thread.
    pub fn start(
        mut self,
        store: Arc<CredentialStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<RunningCredentialsFile, CredentialsFileError> {
        if let Err(error @ CredentialsFileError::File(_)) = self.update(&store, clock.moment()) {
            return Err(error);
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let (seen, stop) = (Arc::clone(&store), Arc::clone(&stopped));
        let builder = std::thread::Builder::new().name("credentials-file".to_owned()).stack_size(STACK);
        let thread = builder.spawn(move || self.keep(&seen, clock.as_ref(), &stop));
        let thread = thread.map_err(|_| CredentialsFileError::NoThread)?;
        Ok(RunningCredentialsFile { store, stopped, thread: Some(thread) })
    }

    fn keep(&mut self, store: &CredentialStore, clock: &dyn Clock, stopped: &AtomicBool) {
        let mut said = None;
        while !stopped.load(Ordering::Acquire) {
            let seen = store.newest().map(|newest| newest.version);
            let code = match self.update(store, clock.moment()) {
                Ok(()) => None,
                Err(error) => {
                    let Facts { code, remedy, .. } = error.facts();
                    if said != Some(code) {
                        log::warn!("[{code}] the credentials file: {error}. {remedy}");
                    }
                    Some(code)
                }
            };
            if let (Some(code), None) = (said, code) {
                log::info!("recovered from {code}");
            }
            said = code;
            store.wait_change(seen, LOOK, stopped);
        }
    }
}

/// Whatever ends the role or its start takes the files away.
impl Drop for CredentialsFile {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            log::warn!("[{}] the credentials file stays: {error}", error.facts().code);
        }
    }
}

impl fmt::Debug for CredentialsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialsFile({})", self.files.credentials.display())
    }
}

/// Files that are kept fresh. Dropping it takes them away.
pub struct RunningCredentialsFile {
    store: Arc<CredentialStore>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for RunningCredentialsFile {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        self.store.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the credentials file ended in a panic");
        }
    }
}

impl fmt::Debug for RunningCredentialsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningCredentialsFile")
    }
}

/// The named targets of `s3a`.
fn profiles(bundle: &UserCredentials) -> BTreeMap<&TargetName, &ServiceCredential> {
    let ours = bundle.iter().filter(|(name, _)| *name.scheme() == Scheme::s3a());
    ours.filter_map(|(name, credential)| Some((name.target()?, credential.as_ref()))).collect()
}

/// What a profile's lines hold beside the credential.
struct Texts {
    expires_at: String,
    output: Option<PlainPath>,
}

/// The lines of a profile; `None` for a credential without AWS keys.
fn lines<'a>(credential: &'a ServiceCredential, texts: &'a Texts) -> Option<Vec<(&'static str, ProfileValue<'a>)>> {
    let secret = |name| credential.property(name).map(ProfileValue::Secret);
    // SDKs know the first three; the time is what other tools write there, for people and scripts.
    let keys = vec![
        ("aws_access_key_id", secret(s3a::ACCESS_KEY)?),
        ("aws_secret_access_key", secret(s3a::SECRET_KEY)?),
        ("aws_session_token", secret(s3a::SESSION_TOKEN)?),
        ("x_security_token_expires", ProfileValue::Text(&texts.expires_at)),
    ];
    // Rule: not both. Where there are keys, boto3 and others never run the command.
    Some(texts.output.as_ref().map_or(keys, |output| vec![("credential_process", ProfileValue::Cat(output))]))
}

/// Why the files are not as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsFileError {
    /// A file cannot be replaced or taken away.
    File(FileError),
    /// A credential has a value that cannot stand in such a file; its profile is left out.
    Value {
        /// Whose.
        target: TargetName,
        /// Which value, and why.
        error: ProfileError,
    },
    /// A credential has no AWS keys; its profile is left out.
    Incomplete {
        /// Whose.
        target: TargetName,
    },
    /// The files' directory cannot stand in a command.
    Path {
        /// Which.
        path: PathBuf,
    },
    /// The operating system gave no thread.
    NoThread,
}

impl From<FileError> for CredentialsFileError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl fmt::Display for CredentialsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Value { target, error } => write!(f, "profile {target} is left out: {error}"),
            Self::Incomplete { target } => write!(f, "profile {target} is left out: the credential has no AWS keys"),
            Self::Path { path } => write!(f, "{} cannot stand in a profile's command", path.display()),
            Self::NoThread => f.write_str("the operating system gave no thread for the credentials file"),
        }
    }
}

impl std::error::Error for CredentialsFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Value { error, .. } => Some(error),
            Self::Incomplete { .. } | Self::Path { .. } | Self::NoThread => None,
        }
    }
}

impl Actionable for CredentialsFileError {
    fn facts(&self) -> Facts {
        match self {
            Self::File(error) => error.facts(),
            Self::Value { .. } => Facts::new(
                "PROFILE_VALUE",
                Fault::Service,
                Retry::Backoff,
                "Find out why the STS gives keys with spaces or line ends; until then use the target's path on the endpoint.",
            ),
            Self::Incomplete { .. } => Facts::new(
                "PROFILE_INCOMPLETE",
                Fault::Service,
                Retry::Backoff,
                "Run the same version of safe-conduct on driver and executors, and read the driver's log.",
            ),
            Self::Path { .. } => Facts::new(
                "PROFILE_PATH",
                Fault::Configuration,
                Retry::Never,
                "Set endpoint.directory to a path of letters, digits and /._- or sink.credentialsFile=true.",
            ),
            Self::NoThread => Facts::new(
                "PROFILE_NO_THREAD",
                Fault::Configuration,
                Retry::Backoff,
                "Raise the container's limit of processes or memory.",
            ),
        }
    }
}
