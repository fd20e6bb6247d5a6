//! The driver's side of doctor: from its settings, through token, issuer and STS, to the port that executors ask at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use safe_conduct::config::{ConfigError, DriverConfig, DriverWay, ExchangeConfig, Settings};
use safe_conduct::distribute::{DEFAULT_PORT, ListenAddress};
use safe_conduct::sys::clock::SystemClock;
use safe_conduct::time::Clock;

use super::report::Report;
use super::{SETTINGS, checked, identity, sts};
use crate::role::parts;

const FILES: &str = "driver's files";
const PORT: &str = "driver's port";

/// How long a connection to our own machine may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// What there is to check. `serving` is missing where only an exchange is configured.
struct Configured {
    exchange: ExchangeConfig,
    serving: Option<(DriverWay, ListenAddress)>,
    audit_file: Option<PathBuf>,
}

/// Everything that can be checked where the token is.
pub(super) fn examine(report: &mut Report, settings: Result<Settings, ConfigError>, show_claims: bool) {
    let found = "what a driver, or resolve, needs is there and in range";
    let Some(Configured { exchange, serving, audit_file }) = checked(report, settings, configured, found) else {
        let all = identity::NAMES.into_iter().chain(sts::NAMES).chain([FILES, PORT]);
        return report.needs(SETTINGS, &all.collect::<Vec<_>>());
    };
    let ExchangeConfig { token_file, identity, aws, aws_ca_file, .. } = exchange;
    let user = identity::examine(report, &token_file, &identity, aws_ca_file.as_deref(), show_claims);
    sts::examine(report, aws, aws_ca_file.as_deref(), user, audit_file.as_deref(), show_claims);
    let Some((way, listen)) = serving else {
        let reason = "no setting of distribution.* is there: enough for resolve, not for a driver";
        return [FILES, PORT].into_iter().for_each(|name| report.skip(name, reason));
    };
    match parts::driver_proof(way, aws_ca_file.as_deref(), SystemClock::new().moment()) {
        Ok(proof) => match proof.check() {
            Ok(()) => report.ok(FILES, "can be read and fit together"),
            Err(error) => report.fail(FILES, &error),
        },
        Err(failure) => report.fail(FILES, failure.error()),
    }
    port(report, listen);
}

fn configured(mut settings: Settings) -> Result<(Configured, Vec<String>), ConfigError> {
    if !settings.have_distribution() {
        let exchange = ExchangeConfig::from_settings(&mut settings)?;
        let (audit_file, warnings) = (settings.audit_file(), settings.take_warnings());
        return Ok((Configured { exchange, serving: None, audit_file }, warnings));
    }
    let DriverConfig { exchange, way, listen, audit_file, warnings, .. } = DriverConfig::from_settings(settings)?;
    Ok((Configured { exchange, serving: Some((way, listen)), audit_file }, warnings))
}

/// Whether somebody listens where executors are to ask. Whether they get there, only an executor can say.
fn port(report: &mut Report, listen: ListenAddress) {
    let address = match listen {
        ListenAddress::Everywhere => SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
        ListenAddress::Exactly(address) => SocketAddr::new(own(address.ip()), address.port()),
    };
    if address.port() == 0 {
        return report.skip(PORT, "the system chooses it when the driver starts (distribution.listen)");
    }
    match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
        Ok(_) => report.ok(PORT, format_args!("{address} takes connections; doctor executor says if it is the driver")),
        Err(error) => {
            let kind = error.kind();
            report.skip(PORT, format_args!("{address} does not answer ({kind}): no driver runs there now"));
        }
    }
}

/// The address at which this machine reaches a listener of its own.
fn own(listening: IpAddr) -> IpAddr {
    match listening {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}
