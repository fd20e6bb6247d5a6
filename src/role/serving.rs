//! What driver and executor have in common once they hold credentials: the endpoint, the command, the end.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use safe_conduct::config::{ConfigError, EndpointConfig, EndpointDirectory};
use safe_conduct::counter::Counts;
use safe_conduct::name::Scheme;
use safe_conduct::secret::Secret;
use safe_conduct::sink::{
    self, CredentialsFile, EndpointFiles, EndpointSettings, LoopbackEndpoint, ProfileFiles, RunningCredentialsFile,
    RunningEndpoint,
};
use safe_conduct::store::CredentialStore;
use safe_conduct::sys::file::{self, FileError};
use safe_conduct::sys::process::{self, Event, Events};
use safe_conduct::sys::random::SystemRandomness;
use safe_conduct::time::Clock;

use super::{Command, Failure, command};

/// The endpoint's requests by status: empty until it is open.
pub(crate) type EndpointRequests = Arc<OnceLock<Counts<u16>>>;

/// The endpoint before there is anything to serve: its token and files are ready, its port is not open.
pub(crate) struct PreparedEndpoint {
    config: EndpointConfig,
    // Before the folder that they are in: fields are dropped in this order.
    credentials_file: Option<CredentialsFile>,
    files: OwnFiles,
    token: Arc<Secret>,
    requests: EndpointRequests,
}

/// The endpoint's files: they go when the role ends, however it ends.
struct OwnFiles {
    files: EndpointFiles,
    /// Their folder, if it was made for this run.
    fresh: Option<PathBuf>,
}

impl Drop for OwnFiles {
    fn drop(&mut self) {
        let removed = self.files.remove().map_err(|error| error.to_string());
        let folder = self.fresh.as_deref().map_or(Ok(()), file::remove_directory);
        if let Err(error) = removed.and(folder.map_err(|error| error.to_string())) {
            log::warn!("at the end: {error}");
        }
    }
}

/// The endpoint at work.
pub(crate) struct Serving {
    // Before the folder that they are in: fields are dropped in this order.
    credentials_file: Option<(RunningCredentialsFile, ProfileFiles)>,
    files: OwnFiles,
    endpoint: RunningEndpoint,
    token: Arc<Secret>,
}

impl PreparedEndpoint {
    /// Makes the directory and the token file.
    pub(crate) fn new(mut config: EndpointConfig) -> Result<Self, Failure> {
        let random = SystemRandomness::new();
        let (directory, fresh) = match &config.directory {
            EndpointDirectory::Fixed(directory) => (directory.clone(), None),
            EndpointDirectory::FreshUnder(parent) => {
                let made = fresh_directory(parent, &random)?;
                (made.clone(), Some(made))
            }
        };
        let (files, token) = EndpointFiles::prepare(&directory, config.token_file.as_deref(), &random)?;
        let credentials_file = config
            .credentials_file
            .take()
            .map(|regions| CredentialsFile::prepare(&directory, regions, Arc::new(SystemRandomness::new())))
            .transpose()?;
        let requests = EndpointRequests::default();
        Ok(Self { config, files: OwnFiles { files, fresh }, token: Arc::new(token), requests, credentials_file })
    }

    /// Where its requests will be counted.
    pub(crate) fn requests(&self) -> EndpointRequests {
        Arc::clone(&self.requests)
    }

    /// Opens the port: called once the store holds something, so that no SDK ever sees an answer with 5xx while
    /// the first credentials are on their way.
    pub(crate) fn serve(self, store: Arc<CredentialStore>, clock: Arc<dyn Clock>) -> Result<Serving, Failure> {
        let credentials_file = self
            .credentials_file
            .map(|file| {
                let files = file.files();
                log::info!("profiles of named targets in {}", files.credentials.display());
                file.start(Arc::clone(&store), Arc::clone(&clock)).map(|running| (running, files))
            })
            .transpose()?;
        let settings = EndpointSettings { listen: self.config.listen, scheme: Scheme::s3a() };
        let endpoint = LoopbackEndpoint::start(settings, Arc::clone(&self.token), store, clock)?;
        // It is opened once, so nobody has set this before.
        let _ = self.requests.set(endpoint.requests());
        let url = endpoint.url();
        self.files.files.publish_url(&url, &SystemRandomness::new())?;
        log::info!("serving credentials at {url}");
        Ok(Serving { files: self.files, endpoint, token: self.token, credentials_file })
    }
}

impl Serving {
    /// Runs the command until it ends, or serves until a signal comes, and gives the exit status.
    pub(crate) fn run(self, events: &Events, command: Option<Command>) -> Result<u8, Failure> {
        let Some(Command { line, inherited }) = command else {
            wait_for_end(events);
            return Ok(0);
        };
        let url = self.endpoint.url();
        let profiles = self.credentials_file.as_ref().map(|(_, files)| files);
        let token_file = self.files.files.token_file();
        let environment = sink::child_environment(inherited.into_iter(), &url, token_file, &self.token, profiles);
        if !environment.removed().is_empty() {
            log::warn!("removed from the command's environment: {}", environment.removed().join(", "));
        }
        let child = process::spawn(&line, &environment).map_err(|error| {
            let status = error.exit_status();
            Failure::with_status(error, status)
        })?;
        drop(environment);
        Ok(command::run(events, child))
    }
}

fn fresh_directory(parent: &std::path::Path, random: &SystemRandomness) -> Result<PathBuf, Failure> {
    file::temporary_directory(parent, random).map_err(|error| match error {
        FileError::NotFound { .. } => ConfigError::NoDirectory.into(),
        other => Failure::from(other),
    })
}

fn wait_for_end(events: &Events) {
    while let Some(event) = events.next(None) {
        if let Event::Signal(signal) = event
            && process::ends_us(signal)
        {
            log::info!("ending on signal {signal}");
            return;
        }
    }
}
