//! Places where unmodified software looks for credentials.

pub(crate) mod answer;
mod credentials_file;
mod endpoint;
mod endpoint_files;
mod environment;
mod process_json;

pub use credentials_file::{
    CredentialsFile, CredentialsFileError, ProfileFiles, ProfileForm, ProfileRegions, ProfileSettings,
    RunningCredentialsFile,
};
pub use endpoint::{EndpointError, EndpointSettings, LoopbackEndpoint, PATH, RunningEndpoint};
pub use endpoint_files::{EndpointFiles, EndpointFilesError, MAX_TOKEN, MIN_TOKEN};
pub use environment::child_environment;
pub(crate) use environment::{OURS, REMOVED};
pub use process_json::process_json;
