//! HTTP/1.1 as a small server needs it: reads a request's head, writes one answer. Knows no paths, tokens or policy.
//!
//! The reader takes less than RFC 9112 allows a client to send: whatever two parsers could read in two ways is refused.

mod answer;

use std::fmt;

pub use answer::{Answer, Content, Status, write_answer};

/// Longest request line with its end: SDKs send under 300 bytes, and a path of ours has 15.
pub const MAX_REQUEST_LINE: usize = 2 * 1024;

/// Longest head, request line and header lines with the empty line at their end: SDKs send under 1 KiB.
pub const MAX_HEAD: usize = 8 * 1024;

/// Most header lines: the most that an SDK was seen to send is 9.
pub const MAX_HEADERS: usize = 32;

/// A request's head, as it stands in the bytes that were read. It has no body: one is refused.
pub struct Head<'a> {
    method: &'a str,
    target: &'a str,
    minor: u8,
    headers: Vec<(&'a str, &'a [u8])>,
    length: usize,
}

/// Reads the head at the start of `bytes`; `None` if it is not all there yet.
///
/// What is refused stays refused, however many bytes follow; so a caller need not wait for the end of nonsense.
///
/// # Errors
/// [`Http1Error`] names the rule. Nothing of the bytes is in it.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head<'_>>, Http1Error> {
    let Some(first) = next_line(bytes, MAX_REQUEST_LINE, Http1Error::RequestLineTooLong)? else { return Ok(None) };
    let (method, target, minor) = request_line(first.text)?;
    let mut rest = first.rest;
    let mut head = Head { method, target, minor, headers: Vec::new(), length: 0 };
    loop {
        let room = MAX_HEAD.saturating_sub(bytes.len().saturating_sub(rest.len()));
        let Some(line) = next_line(rest, room, Http1Error::HeadTooLong)? else { return Ok(None) };
        rest = line.rest;
        if line.text.is_empty() {
            break;
        }
        if head.headers.len() >= MAX_HEADERS {
            return Err(Http1Error::TooManyHeaders);
        }
        head.headers.push(header_line(line.text)?);
    }
    head.length = bytes.len().saturating_sub(rest.len());
    head.check_framing()?;
    Ok(Some(head))
}

impl<'a> Head<'a> {
    /// The method, in the case in which it was sent: methods are case-sensitive (RFC 9110, section 9.1).
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The path, not decoded and not normalised, without the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first value of a header; its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The names of all headers, as sent.
    pub fn header_names(&self) -> impl Iterator<Item = &'a str> {
        self.headers.iter().map(|(name, _)| *name)
    }

    /// Whether the client would send another request on this connection (RFC 9112, section 9.3). HTTP/1.0 would not.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let mut options = self.values("connection").flat_map(|value| value.split(|byte| *byte == b','));
        self.minor > 0 && !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    }

    /// How many bytes the head has. The next request starts behind them.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The rules that say where the request ends and whom it is for.
    fn check_framing(&self) -> Result<(), Http1Error> {
        // RFC 9112, section 6.1: Transfer-Encoding announces a body. None is expected, so any is refused, and with it
        // every request that could be read as two (section 11.2, request smuggling).
        if self.header("transfer-encoding").is_some() {
            return Err(Http1Error::TransferEncoding);
        }
        // RFC 9112, section 6.2: Content-Length announces a body; only the plain 0, once, announces none.
        let mut lengths = self.values("content-length");
        if lengths.next().is_some_and(|length| length != b"0") || lengths.next().is_some() {
            return Err(Http1Error::ContentLength);
        }
        // RFC 9112, section 3.2: 400 for an HTTP/1.1 request that lacks Host, and for any that has more than one.
        let hosts = self.values("host").count();
        if hosts > 1 || (hosts == 0 && self.minor > 0) {
            return Err(Http1Error::HostCount { count: hosts });
        }
        // RFC 9110, section 5.3: only a list may stand in several lines, and Authorization is none.
        if self.values("authorization").count() > 1 {
            return Err(Http1Error::SecondAuthorization);
        }
        Ok(())
    }
}

/// A line without its CRLF, and what follows it.
struct Line<'a> {
    text: &'a [u8],
    rest: &'a [u8],
}

/// Splits off the first line; `None` if it is not all there yet. It has at most `most` bytes.
fn next_line(bytes: &[u8], most: usize, too_long: Http1Error) -> Result<Option<Line<'_>>, Http1Error> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let seen = end.map_or(bytes.len(), |end| end.saturating_add(1));
    let line = bytes.get(..seen.min(most)).unwrap_or_default();
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    // RFC 9112, section 2.2: a bare CR must not be taken for anything else; section 5.5 of RFC 9110: CR, LF and NUL
    // are dangerous, and no other control character but the tab has a meaning here.
    if text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(Http1Error::ControlCharacter);
    }
    if seen > most {
        return Err(too_long);
    }
    let Some(end) = end else {
        // The limit counts the line's end too: without it, a line that is full can only become too long.
        return if seen == most { Err(too_long) } else { Ok(None) };
    };
    // RFC 9112, section 2.2: a line ends in CRLF. A recipient MAY take a bare LF; we do not.
    if !line.ends_with(b"\r\n") {
        return Err(Http1Error::BareLineFeed);
    }
    Ok(Some(Line { text, rest: bytes.get(end.saturating_add(1)..).unwrap_or_default() }))
}

/// RFC 9112, section 3: method SP request-target SP HTTP-version, with exactly one space each.
fn request_line(line: &[u8]) -> Result<(&str, &str, u8), Http1Error> {
    let line = std::str::from_utf8(line).map_err(|_| Http1Error::RequestLine)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Http1Error::RequestLine);
    };
    if method.is_empty() || !method.bytes().all(is_token_byte) {
        return Err(Http1Error::RequestLine);
    }
    // RFC 9112, section 3.2.1: only the origin form. The absolute form is for proxies, the authority form for CONNECT.
    if !target.starts_with('/') || !target.bytes().all(is_target_byte) {
        return Err(Http1Error::Target);
    }
    let minor = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        _ => return Err(Http1Error::Version),
    };
    Ok((method, target, minor))
}

/// RFC 9112, section 5: field-name ":" OWS field-value OWS.
fn header_line(line: &[u8]) -> Result<(&str, &[u8]), Http1Error> {
    // Section 5.2: a line that starts with a space continues the one before; a server must refuse it.
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Http1Error::FoldedHeader);
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Http1Error::HeaderName)?;
    let (name, value) = line.split_at_checked(colon).ok_or(Http1Error::HeaderName)?;
    // Section 5.1: no space between name and colon; a server must refuse it. A space is no token character.
    if name.is_empty() || !name.iter().copied().all(is_token_byte) {
        return Err(Http1Error::HeaderName);
    }
    let name = std::str::from_utf8(name).map_err(|_| Http1Error::HeaderName)?;
    Ok((name, value.strip_prefix(b":").unwrap_or(value).trim_ascii()))
}

/// RFC 9110, section 5.6.2: tchar.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 3986, sections 3.3 and 3.4: what a path and a query are made of.
fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

/// Why bytes are no request that we read. Nothing of the bytes is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http1Error {
    /// Longer than [`MAX_REQUEST_LINE`].
    RequestLineTooLong,
    /// Longer than [`MAX_HEAD`].
    HeadTooLong,
    /// More than [`MAX_HEADERS`].
    TooManyHeaders,
    /// Not three words with one space between them, or the first is no method.
    RequestLine,
    /// The target does not start with `/`, or has a character that must not stand in one.
    Target,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version,
    /// A control character, such as NUL or a carriage return that ends no line.
    ControlCharacter,
    /// A line ends without a carriage return.
    BareLineFeed,
    /// A header line continues the one before.
    FoldedHeader,
    /// A header line has no name in front of a colon, or a character that must not stand in one.
    HeaderName,
    /// A Transfer-Encoding.
    TransferEncoding,
    /// A Content-Length other than one plain 0.
    ContentLength,
    /// Not exactly one Host.
    HostCount {
        /// How many.
        count: usize,
    },
    /// More than one Authorization.
    SecondAuthorization,
}

impl fmt::Display for Http1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestLineTooLong => write!(f, "the request line has more than {MAX_REQUEST_LINE} bytes"),
            Self::HeadTooLong => write!(f, "the request's head has more than {MAX_HEAD} bytes"),
            Self::TooManyHeaders => write!(f, "the request has more than {MAX_HEADERS} headers"),
            Self::RequestLine => f.write_str("the request line is not METHOD TARGET VERSION"),
            Self::Target => f.write_str("the request's target is not a path"),
            Self::Version => f.write_str("the request is neither HTTP/1.1 nor HTTP/1.0"),
            Self::ControlCharacter => f.write_str("the request's head has a control character"),
            Self::BareLineFeed => f.write_str("a line of the request's head does not end in CR LF"),
            Self::FoldedHeader => f.write_str("a header line continues the one before"),
            Self::HeaderName => f.write_str("a header line does not start with a name and a colon"),
            Self::TransferEncoding => f.write_str("the request has a Transfer-Encoding"),
            Self::ContentLength => f.write_str("the request has a Content-Length other than 0"),
            Self::HostCount { count } => write!(f, "the request has {count} Host headers, not one"),
            Self::SecondAuthorization => f.write_str("the request has more than one Authorization header"),
        }
    }
}

impl std::error::Error for Http1Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(head: &str) -> Option<Http1Error> {
        parse_head(head.as_bytes()).err()
    }

    fn with_header(line: &str) -> String {
        format!("GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1:1\r\n{line}\r\n\r\n")
    }

    #[test]
    fn a_head_is_read_and_header_names_have_no_case() {
        let bytes = b"GET /a?b=c HTTP/1.1\r\nhost:127.0.0.1:1\r\nAUTHORIZATION: \t tok en \r\n\r\nrest";
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!((head.method(), head.path(), head.length()), ("GET", "/a", bytes.len() - 4));
        assert_eq!(head.header("Host"), Some(&b"127.0.0.1:1"[..]));
        assert_eq!(head.header("authorization"), Some(&b"tok en"[..]));
        assert_eq!(head.header("accept"), None);
        assert!(head.keeps_alive());
    }

    #[test]
    fn every_beginning_of_a_head_is_not_all_there_yet() {
        let whole = with_header("Accept: */*");
        for end in 0..whole.len() {
            assert!(matches!(parse_head(&whole.as_bytes()[..end]), Ok(None)), "{end}");
        }
    }

    // RFC 9112, section 9.3.
    #[test]
    fn close_in_any_connection_header_and_http_1_0_end_the_connection() {
        let keeps = |head: &str| parse_head(head.as_bytes()).unwrap().unwrap().keeps_alive();
        assert!(keeps(&with_header("Connection: keep-alive")));
        assert!(!keeps(&with_header("Connection: close")));
        assert!(!keeps(&with_header("connection: Upgrade, CLOSE")));
        assert!(!keeps(&with_header("Connection: keep-alive\r\nConnection: close")));
        assert!(!keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn limits_hold_at_n_and_break_at_n_plus_1() {
        let line = |length: usize| {
            let fixed = "GET / HTTP/1.1\r\n".len();
            format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - fixed))
        };
        assert!(matches!(parse_head(line(MAX_REQUEST_LINE).as_bytes()), Ok(None)));
        assert_eq!(refusal(&line(MAX_REQUEST_LINE + 1)), Some(Http1Error::RequestLineTooLong));
        assert_eq!(refusal(&"A".repeat(MAX_REQUEST_LINE)), Some(Http1Error::RequestLineTooLong));

        let head = |length: usize| {
            let fixed = with_header("A: ").len();
            with_header(&format!("A: {}", "a".repeat(length - fixed)))
        };
        assert_eq!(parse_head(head(MAX_HEAD).as_bytes()).unwrap().unwrap().length(), MAX_HEAD);
        assert_eq!(refusal(&head(MAX_HEAD + 1)), Some(Http1Error::HeadTooLong));
        assert_eq!(refusal(&head(MAX_HEAD + 9)[..MAX_HEAD]), Some(Http1Error::HeadTooLong));

        let many = |count: usize| with_header(&vec!["A: b"; count - 1].join("\r\n"));
        assert_eq!(parse_head(many(MAX_HEADERS).as_bytes()).unwrap().unwrap().header_names().count(), MAX_HEADERS);
        assert_eq!(refusal(&many(MAX_HEADERS + 1)), Some(Http1Error::TooManyHeaders));
    }

    #[test]
    fn request_lines_that_are_not_exactly_ours_are_refused() {
        for (line, error) in [
            ("", Http1Error::RequestLine),
            ("GET /", Http1Error::RequestLine),
            ("GET  / HTTP/1.1", Http1Error::RequestLine),
            ("GET / HTTP/1.1 ", Http1Error::RequestLine),
            (" GET / HTTP/1.1", Http1Error::RequestLine),
            ("GET\t/ HTTP/1.1", Http1Error::RequestLine),
            ("G(T / HTTP/1.1", Http1Error::RequestLine),
            ("GET / HTTP/1.2", Http1Error::Version),
            ("GET / HTTP/0.9", Http1Error::Version),
            ("PRI * HTTP/2.0", Http1Error::Target),
            ("GET / http/1.1", Http1Error::Version),
            ("OPTIONS * HTTP/1.1", Http1Error::Target),
            ("GET http://127.0.0.1/ HTTP/1.1", Http1Error::Target),
            ("CONNECT 127.0.0.1:1 HTTP/1.1", Http1Error::Target),
            ("GET /#x HTTP/1.1", Http1Error::Target),
            ("GET /\\x HTTP/1.1", Http1Error::Target),
            ("GET /\0 HTTP/1.1", Http1Error::ControlCharacter),
            ("GET /é HTTP/1.1", Http1Error::Target),
        ] {
            assert_eq!(refusal(&format!("{line}\r\nHost: x\r\n\r\n")), Some(error), "{line:?}");
        }
        assert_eq!(refusal("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), Some(Http1Error::RequestLine));
    }

    // RFC 9112, section 11.2: request smuggling.
    #[test]
    fn whatever_could_be_read_as_two_requests_is_refused() {
        for (line, error) in [
            ("Content-Length: 5", Http1Error::ContentLength),
            ("Content-Length: +0", Http1Error::ContentLength),
            ("Content-Length: 00", Http1Error::ContentLength),
            ("Content-Length: 0,0", Http1Error::ContentLength),
            ("Content-Length:", Http1Error::ContentLength),
            ("Content-Length: 0\r\ncontent-length: 0", Http1Error::ContentLength),
            ("Content-Length: 0\r\nTransfer-Encoding: chunked", Http1Error::TransferEncoding),
            ("transfer-encoding: identity", Http1Error::TransferEncoding),
            ("Transfer-Encoding:", Http1Error::TransferEncoding),
            ("Transfer-Encoding : chunked", Http1Error::HeaderName),
            ("Transfer-Encoding\t: chunked", Http1Error::HeaderName),
            ("Transfer-Encoding\u{a0}: chunked", Http1Error::HeaderName),
            (" Transfer-Encoding: chunked", Http1Error::FoldedHeader),
            ("\tTransfer-Encoding: chunked", Http1Error::FoldedHeader),
            ("Transfer-Encoding:\u{b}chunked", Http1Error::ControlCharacter),
            ("A: b\rTransfer-Encoding: chunked", Http1Error::ControlCharacter),
            ("A: b\nTransfer-Encoding: chunked", Http1Error::BareLineFeed),
            ("A: b\0", Http1Error::ControlCharacter),
            ("A: b\u{7f}", Http1Error::ControlCharacter),
            ("A\0: b", Http1Error::ControlCharacter),
            (": b", Http1Error::HeaderName),
            ("A", Http1Error::HeaderName),
            ("Host: 127.0.0.1:1", Http1Error::HostCount { count: 2 }),
            ("Authorization: a\r\nauthorization: a", Http1Error::SecondAuthorization),
        ] {
            assert_eq!(refusal(&with_header(line)), Some(error), "{line:?}");
        }
        assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), Some(Http1Error::HostCount { count: 0 }));
        assert_eq!(refusal(&with_header("Content-Length: 0")), None);
    }
}
