//! From settings to what the roles need. The only part of the library that reads the environment.

mod distribution;
mod driver;
mod endpoint;
mod error;
mod exchange;
mod executor;
mod raw;
mod role;
mod spark;
mod table;
mod targets;

pub use distribution::{DriverWay, ExecutorTokens};
pub use driver::{DriverConfig, EndpointConfig, EndpointDirectory};
pub use error::ConfigError;
pub use exchange::{ExchangeConfig, IdentityConfig, KeysFrom};
pub use executor::ExecutorConfig;
pub use raw::Settings;
pub use spark::{
    Around, Bypass, S3A_PROVIDERS, S3aProvider, SparkSettings, UnknownSpark, executor_assignments, s3a_provider,
};
pub use table::{PREFIX, SETTINGS, Setting};
