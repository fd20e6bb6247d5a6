//! The driver's settings, and those of the endpoint that both roles have.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::distribution::DriverWay;
use super::error::ConfigError;
use super::exchange::ExchangeConfig;
use super::raw::{Settings, invalid};
use super::targets;
use crate::distribute::ListenAddress;
use crate::manager::{ManagerSettings, RenewalSettings};
use crate::sink::ProfileSettings;

const SECOND: Duration = Duration::from_secs(1);

/// The default of `distribution.pollInterval`.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// Everything that the driver needs.
#[derive(Debug)]
pub struct DriverConfig {
    /// The exchange.
    pub exchange: ExchangeConfig,
    /// When to renew, and how long to try at start.
    pub manager: ManagerSettings,
    /// Where executors ask.
    pub listen: ListenAddress,
    /// How driver and executors prove themselves.
    pub way: DriverWay,
    /// Longest time between two asks of an executor.
    pub poll_interval: Duration,
    /// The endpoint for the driver's own pod.
    pub endpoint: EndpointConfig,
    /// Where the status listener is; `None`: there is none.
    pub status: Option<SocketAddr>,
    /// Where audit lines go; `None`: standard error.
    pub audit_file: Option<PathBuf>,
    /// What the user should know, to be said once.
    pub warnings: Vec<String>,
}

/// The endpoint's settings.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// An existing token.
    pub token_file: Option<PathBuf>,
    /// Where its files go.
    pub directory: EndpointDirectory,
    /// What stands in the credentials file; `None`: there is none.
    pub credentials_file: Option<ProfileSettings>,
}

/// Where the endpoint's files go. Exhaustive, so that a role cannot forget one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointDirectory {
    /// Here.
    Fixed(PathBuf),
    /// In a fresh directory under this one.
    FreshUnder(PathBuf),
}

impl DriverConfig {
    /// Reads the driver's settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is wrong.
    pub fn from_settings(mut settings: Settings) -> Result<Self, ConfigError> {
        let exchange = ExchangeConfig::from_settings(&mut settings)?;
        warn_of_proxies(&mut settings);
        let listen = settings.parsed("distribution.listen", str::parse::<SocketAddr>)?;
        let (longest, defaults) = (SECOND.saturating_mul(43_200), RenewalSettings::default());
        let renewal = RenewalSettings {
            safety_margin: settings.duration("renewal.safetyMargin", defaults.safety_margin, SECOND, longest)?,
            min_interval: settings.duration("renewal.minInterval", defaults.min_interval, SECOND, longest)?,
        };
        Ok(Self {
            manager: ManagerSettings {
                renewal,
                start_timeout: exchange.start_timeout,
                pin_principal: settings.flag("identityToken.pinPrincipal")?.unwrap_or(false),
            },
            exchange,
            listen: listen.map_or(ListenAddress::Everywhere, ListenAddress::Exactly),
            way: DriverWay::from_settings(&settings)?,
            poll_interval: poll_interval(&settings)?,
            endpoint: EndpointConfig::from_settings(&settings)?,
            status: status(&settings)?,
            audit_file: settings.path("audit.file"),
            warnings: settings.take_warnings(),
        })
    }
}

impl EndpointConfig {
    /// Reads the endpoint's settings.
    ///
    /// # Errors
    /// [`ConfigError`] if the address is not loopback.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let listen = settings.parsed("endpoint.listen", str::parse::<SocketAddr>)?;
        let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        if !listen.ip().is_loopback() {
            return Err(invalid("endpoint.listen", Some("the address is not loopback".to_owned())));
        }
        Ok(Self {
            listen,
            token_file: settings.path("endpoint.tokenFile"),
            directory: settings
                .path("endpoint.directory")
                .or_else(runtime_directory)
                .map_or_else(|| EndpointDirectory::FreshUnder(std::env::temp_dir()), EndpointDirectory::Fixed),
            credentials_file: targets::profiles(settings)?,
        })
    }
}

/// `distribution.pollInterval`.
pub(super) fn poll_interval(settings: &Settings) -> Result<Duration, ConfigError> {
    settings.duration("distribution.pollInterval", POLL_INTERVAL, SECOND.saturating_mul(5), SECOND.saturating_mul(600))
}

/// `status.listen`.
pub(super) fn status(settings: &Settings) -> Result<Option<SocketAddr>, ConfigError> {
    settings.parsed("status.listen", str::parse::<SocketAddr>)
}

/// `$XDG_RUNTIME_DIR/safe-conduct`: per user and mode 0700 where there is one.
fn runtime_directory() -> Option<PathBuf> {
    let runtime = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    runtime.is_absolute().then(|| runtime.join("safe-conduct"))
}

/// The environment's proxies are ignored: whoever sets a variable could read the token's way otherwise.
fn warn_of_proxies(settings: &mut Settings) {
    const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let set: Vec<&str> = PROXIES.into_iter().filter(|name| std::env::var_os(name).is_some()).collect();
    if !set.is_empty() {
        settings.warn(format!("{} in the environment is ignored: the exchange goes direct", set.join(", ")));
    }
}
