//! Where the driver listens, and where executors find it. Resolves nothing itself.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::{Actionable, Facts, Fault, Retry};

/// The port that the driver listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7443;

/// Longest host name in bytes (RFC 1035, section 2.3.4: 255 octets on the wire, 253 as text).
const MAX_HOST: usize = 253;

/// Where the driver listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListenAddress {
    /// `[::]:7443`, which takes IPv4 too; `0.0.0.0:7443` where there is no IPv6.
    #[default]
    Everywhere,
    /// Exactly there. Port 0 lets the system choose.
    Exactly(SocketAddr),
}

impl ListenAddress {
    /// The addresses to try, in order.
    pub(super) fn candidates(self) -> Vec<SocketAddr> {
        match self {
            Self::Everywhere => vec![
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)),
            ],
            Self::Exactly(address) => vec![address],
        }
    }
}

/// Where executors find the driver: a host and a port. The name is resolved anew at each ask, since a driver that is
/// started again has another address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverAddress {
    host: String,
    port: u16,
}

impl DriverAddress {
    /// A host name, an IPv4 address or an IPv6 address (with or without brackets), and a port.
    ///
    /// # Errors
    /// [`AddressError`] if the host has characters that no host has, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_host = match bare {
            Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<Ipv6Addr>().is_ok() || (!host.is_empty() && host.chars().all(is_name)),
        };
        if !is_host || host.len() > MAX_HOST {
            return Err(AddressError::Host);
        }
        if port == 0 {
            return Err(AddressError::Port);
        }
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }

    /// Reads `host:port`.
    ///
    /// # Errors
    /// As [`DriverAddress::new`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Port)?;
        // Without brackets nobody can tell where an IPv6 address ends.
        if host.contains(':') && !host.starts_with('[') {
            return Err(AddressError::Host);
        }
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(AddressError::Port)?;
        Self::new(host, port)
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for DriverAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is not the address of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The host is neither a name nor an IP address.
    Host,
    /// The port is missing, or not 1 to 65,535.
    Port,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the driver's host is neither a name nor an IP address",
            Self::Port => "the driver's port is missing or not 1 to 65535",
        })
    }
}

impl std::error::Error for AddressError {}

impl Actionable for AddressError {
    fn facts(&self) -> Facts {
        match self {
            Self::Host => Facts::new(
                "DRIVER_HOST",
                Fault::Configuration,
                Retry::Never,
                "Write distribution.driver as host:port, an IPv6 address in brackets, without a scheme or path.",
            ),
            Self::Port => Facts::new(
                "DRIVER_PORT",
                Fault::Configuration,
                Retry::Never,
                "Write distribution.driver as host:port, by default with port 7443.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_and_printed_the_same() {
        for text in ["spark-driver-svc.ns.svc:7443", "10.0.0.7:1", "[::1]:65535", "a_b:7443"] {
            assert_eq!(DriverAddress::parse(text).map(|address| address.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(DriverAddress::new("::1", 7443).unwrap().to_string(), "[::1]:7443");
        assert_eq!(DriverAddress::new("[::1]", 7443).unwrap().host(), "::1");
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in
            [":7443", "https://driver:7443", "a b:7443", "::1:7443", "[::1:7443", "[a]:7443", "user@driver:7443"]
        {
            assert_eq!(DriverAddress::parse(text), Err(AddressError::Host), "{text}");
        }
        for text in ["driver", "driver:", "driver:0", "driver:65536", "driver:+1", "driver:7443/x"] {
            assert_eq!(DriverAddress::parse(text), Err(AddressError::Port), "{text}");
        }
        assert!(DriverAddress::new(&"a".repeat(253), 1).is_ok());
        assert_eq!(DriverAddress::new(&"a".repeat(254), 1), Err(AddressError::Host));
    }

    #[test]
    fn everywhere_is_tried_with_ipv6_first() {
        let tried: Vec<String> = ListenAddress::Everywhere.candidates().iter().map(ToString::to_string).collect();
        assert_eq!(tried, ["[::]:7443", "0.0.0.0:7443"]);
    }
}
