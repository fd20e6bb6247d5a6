//! The executor's settings.

use std::net::SocketAddr;
use std::time::Duration;

use super::distribution;
use super::driver::{EndpointConfig, poll_interval, status};
use super::error::ConfigError;
use super::exchange::start_timeout;
use super::raw::{Settings, full, invalid};
use crate::distribute::{DEFAULT_PORT, DriverAddress, ExecutorProof};
use crate::name::ExecutorName;

/// Everything that an executor needs.
#[derive(Debug)]
pub struct ExecutorConfig {
    /// What this executor calls itself: its pod's name, where Kubernetes sets one.
    pub name: ExecutorName,
    /// Where to ask.
    pub driver: DriverAddress,
    /// How driver and executors prove themselves.
    pub proof: ExecutorProof,
    /// Longest time between two asks.
    pub poll_interval: Duration,
    /// How long a start tries again what may pass.
    pub start_timeout: Duration,
    /// The endpoint for the command.
    pub endpoint: EndpointConfig,
    /// Where the status listener is; `None`: there is none.
    pub status: Option<SocketAddr>,
    /// What the user should know, to be said once.
    pub warnings: Vec<String>,
}

impl ExecutorConfig {
    /// Reads the executor's settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is wrong.
    pub fn from_settings(mut settings: Settings) -> Result<Self, ConfigError> {
        let spark = std::env::var("SPARK_DRIVER_URL").ok();
        Ok(Self {
            name: name(std::env::var("HOSTNAME").ok().as_deref())?,
            driver: driver(&settings, spark.as_deref())?,
            proof: distribution::executor_proof(&settings)?,
            poll_interval: poll_interval(&settings)?,
            start_timeout: start_timeout(&settings)?,
            endpoint: EndpointConfig::from_settings(&settings)?,
            status: status(&settings)?,
            warnings: settings.take_warnings(),
        })
    }
}

/// `distribution.driver`, or the host that Spark on Kubernetes gives its executors.
fn driver(settings: &Settings, spark_driver_url: Option<&str>) -> Result<DriverAddress, ConfigError> {
    const KEY: &str = "distribution.driver";
    if let Some(text) = settings.text(KEY) {
        return DriverAddress::parse(text).map_err(|error| invalid(KEY, Some(error.to_string())));
    }
    // spark://CoarseGrainedScheduler@HOST:PORT
    let host = spark_driver_url.and_then(|url| url.rsplit_once('@')?.1.rsplit_once(':')).map(|(host, _)| host);
    let address = host.and_then(|host| DriverAddress::new(host, DEFAULT_PORT).ok());
    address.ok_or_else(|| ConfigError::Missing { key: full(KEY) })
}

/// The host's name as Kubernetes puts it into the environment, as far as it can stand in an audit line.
fn name(hostname: Option<&str>) -> Result<ExecutorName, ConfigError> {
    let named = hostname.and_then(|text| ExecutorName::new(text).ok());
    named
        .map_or_else(|| ExecutorName::new("executor").map_err(|error| invalid("HOSTNAME", Some(error.to_string()))), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(assignments: &[&str]) -> Settings {
        Settings::read(None, &assignments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_drivers_host_comes_from_spark_unless_it_is_set() {
        let spark = Some("spark://CoarseGrainedScheduler@job-driver-svc.spark.svc:7078");
        let from_spark = driver(&settings(&[]), spark).unwrap();
        assert_eq!(from_spark.to_string(), "job-driver-svc.spark.svc:7443");
        let set = driver(&settings(&["spark.security.oidc.distribution.driver=10.1.2.3:9999"]), spark).unwrap();
        assert_eq!(set.to_string(), "10.1.2.3:9999");
        assert!(matches!(driver(&settings(&[]), None), Err(ConfigError::Missing { .. })));
    }

    #[test]
    fn a_driver_address_needs_a_host_and_a_port() {
        for text in ["host", "host:", "host:0", "host:65536", ":7443"] {
            let assignment = format!("spark.security.oidc.distribution.driver={text}");
            let error = driver(&settings(&[&assignment]), None).unwrap_err();
            assert!(matches!(error, ConfigError::Invalid { .. }), "{text}");
        }
    }
}
