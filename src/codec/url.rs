//! The URLs that we send anything to: https, or http to this machine's loopback, and nothing that could hide a secret.

use std::fmt;

/// Longest URL that is taken: no issuer or endpoint in use has 200 characters.
pub const MAX_URL: usize = 2048;

/// A checked URL: `https://`, or `http://` where the host is exactly `127.0.0.1` or `[::1]`. It has no user
/// information, query or fragment, so there is no place for a secret in it and no doubt about where it points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    text: String,
    host: String,
    port: Option<u16>,
}

impl ServiceUrl {
    /// Checks `text` and keeps it as it is.
    ///
    /// # Errors
    /// [`UrlError`] names the rule and never repeats the text.
    pub fn new(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong { length: text.len() });
        }
        // Rule: printable ASCII only, so that no look-alike, control character or space can be part of it.
        if let Some(position) = text.bytes().position(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Err(UrlError::Character { position });
        }
        let (encrypted, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://").ok_or(UrlError::Scheme)?),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        // Rule: no user information (RFC 3986, section 3.2.1).
        if rest.contains('@') {
            return Err(UrlError::UserInformation);
        }
        // Rule: no query and no fragment (RFC 3986, sections 3.4 and 3.5).
        if rest.contains(['?', '#']) {
            return Err(UrlError::QueryOrFragment);
        }
        let (host, port) = host_and_port(authority)?;
        let url = Self { text: text.to_owned(), host: host.to_owned(), port };
        // Rule: without encryption only to this machine itself, by address: a name could resolve to anything.
        if !encrypted && !url.is_loopback() {
            return Err(UrlError::NotEncrypted);
        }
        Ok(url)
    }

    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host as written, without the port; an IPv6 address with its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the host is exactly `127.0.0.1` or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "127.0.0.1" | "[::1]")
    }

    /// This URL, less one trailing `/`, with `path` behind it. `path` starts with `/`.
    ///
    /// # Errors
    /// As [`ServiceUrl::new`].
    pub fn joined(&self, path: &str) -> Result<Self, UrlError> {
        let base = self.text.strip_suffix('/').unwrap_or(&self.text);
        Self::new(&format!("{base}{path}"))
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits an authority (RFC 3986, section 3.2) that has no user information.
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = if authority.starts_with('[') {
        let (address, after) = authority.split_once(']').ok_or(UrlError::Host)?;
        address.get(1..).and_then(|text| text.parse::<std::net::Ipv6Addr>().ok()).ok_or(UrlError::Host)?;
        let host = authority.get(..address.len().saturating_add(1)).ok_or(UrlError::Host)?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(UrlError::Host)?) })
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if !host.starts_with('[') && !is_name_or_ipv4(host) {
        return Err(UrlError::Host);
    }
    let Some(port) = port else { return Ok((host, None)) };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let port = port.parse::<u16>().ok().filter(|_| digits).ok_or(UrlError::Port)?;
    Ok((host, Some(port)))
}

/// Whether `host` is a dotted IPv4 address or a DNS name (RFC 1123, section 2.1) whose last label is no number:
/// decimal, octal and hexadecimal spellings of an address are neither.
fn is_name_or_ipv4(host: &str) -> bool {
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with("0x") || last.starts_with("0X") || last.bytes().all(|byte| byte.is_ascii_digit());
    host.len() <= 253 && host.split('.').all(label) && !numeric
}

/// Why a text is no URL that we would send anything to. The text itself is never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than [`MAX_URL`].
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// A character that must not stand in a URL, or a backslash.
    Character {
        /// Where, counted in bytes from 0.
        position: usize,
    },
    /// Neither `https://` nor `http://`.
    Scheme,
    /// `http://` to something other than `127.0.0.1` or `[::1]`.
    NotEncrypted,
    /// A user name or password in front of the host.
    UserInformation,
    /// A `?` or a `#`.
    QueryOrFragment,
    /// The host is neither a name nor an address in its usual form.
    Host,
    /// The port is no number from 1 to 65,535.
    Port,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "the URL has {length} bytes, more than {MAX_URL}"),
            Self::Character { position } => write!(f, "the URL has a character that is not allowed at byte {position}"),
            Self::Scheme => f.write_str("the URL does not start with https://"),
            Self::NotEncrypted => f.write_str("the URL is http:// and its host is neither 127.0.0.1 nor [::1]"),
            Self::UserInformation => f.write_str("the URL has an @, so it may hold a user name or password"),
            Self::QueryOrFragment => f.write_str("the URL has a query or a fragment"),
            Self::Host => f.write_str("the URL's host is neither a DNS name nor an address in its usual form"),
            Self::Port => f.write_str("the URL's port is not a number from 1 to 65535"),
        }
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_to_names_and_addresses_is_taken() {
        for (text, host, port) in [
            ("https://sts.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com", None),
            ("https://minio.storage.svc:9000/", "minio.storage.svc", Some(9000)),
            ("https://10.0.0.7:9000/sts", "10.0.0.7", Some(9000)),
            ("https://[fd00::1]:8443", "[fd00::1]", Some(8443)),
            ("http://127.0.0.1:5000", "127.0.0.1", Some(5000)),
            ("http://[::1]", "[::1]", None),
        ] {
            let url = ServiceUrl::new(text).unwrap();
            assert_eq!((url.as_str(), url.host(), url.port()), (text, host, port));
        }
    }

    #[test]
    fn without_encryption_only_to_loopback_by_address() {
        for text in ["http://sts.amazonaws.com", "http://localhost", "http://127.0.0.2", "http://127.0.0.1.evil.com"] {
            assert_eq!(ServiceUrl::new(text), Err(UrlError::NotEncrypted), "{text}");
        }
    }

    #[test]
    fn user_information_query_and_fragment_are_refused() {
        assert_eq!(ServiceUrl::new("https://user:pass@host"), Err(UrlError::UserInformation));
        assert_eq!(ServiceUrl::new("https://host/path@x"), Err(UrlError::UserInformation));
        assert_eq!(ServiceUrl::new("http://127.0.0.1@evil.com"), Err(UrlError::UserInformation));
        assert_eq!(ServiceUrl::new("https://host/?Action=x"), Err(UrlError::QueryOrFragment));
        assert_eq!(ServiceUrl::new("https://host#x"), Err(UrlError::QueryOrFragment));
    }

    #[test]
    fn hosts_that_hide_an_address_are_refused() {
        for text in [
            "https://",
            "https:///x",
            "https://2130706433",
            "https://0x7f000001",
            "https://127.1",
            "https://host.",
            "https://-host",
            "https://[::1",
            "https://[::1]x",
            "https://[127.0.0.1]",
            "https://a_b",
        ] {
            assert_eq!(ServiceUrl::new(text), Err(UrlError::Host), "{text}");
        }
        for text in ["https://host:", "https://host:0", "https://host:65536", "https://host:+1", "https://host:0443"] {
            assert_eq!(ServiceUrl::new(text), Err(UrlError::Port), "{text}");
        }
    }

    #[test]
    fn other_characters_schemes_and_lengths_are_refused() {
        assert_eq!(ServiceUrl::new("ftp://host"), Err(UrlError::Scheme));
        assert_eq!(ServiceUrl::new("HTTPS://host"), Err(UrlError::Scheme));
        assert_eq!(ServiceUrl::new("https://ho st"), Err(UrlError::Character { position: 10 }));
        assert_eq!(ServiceUrl::new("https://host\\@evil"), Err(UrlError::Character { position: 12 }));
        assert_eq!(ServiceUrl::new("https://höst"), Err(UrlError::Character { position: 9 }));
        let longest = format!("https://host/{}", "a".repeat(MAX_URL - 13));
        assert!(ServiceUrl::new(&longest).is_ok());
        assert_eq!(ServiceUrl::new(&format!("{longest}a")), Err(UrlError::TooLong { length: MAX_URL + 1 }));
    }

    #[test]
    fn a_path_is_joined_with_one_slash() {
        let url = ServiceUrl::new("https://host/realms/a/").unwrap();
        assert_eq!(url.joined("/.well-known/x").unwrap().as_str(), "https://host/realms/a/.well-known/x");
        let url = ServiceUrl::new("https://host").unwrap();
        assert_eq!(url.joined("/.well-known/x").unwrap().as_str(), "https://host/.well-known/x");
    }
}
