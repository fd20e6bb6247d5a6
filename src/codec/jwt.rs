//! The compact form of a signed JWT (RFC 7515, section 7.1): from text to parts. Judges neither algorithm nor claims.

use std::fmt;

use crate::codec::base64url::{self, Base64Error};
use crate::codec::json::{JsonError, JsonLimits, JsonObject};
use crate::secret::WipedBuffer;

/// Longest token in bytes: what STS takes (its model: WebIdentityToken 4 to 20,000).
pub const MAX_TOKEN: usize = 20_000;

/// Most of a header: real ones have under 200 bytes and five members.
const HEADER_LIMITS: JsonLimits = JsonLimits { bytes: 2048, depth: 4, values: 32 };

/// Most of the claims: 16 KiB is more than fits into [`MAX_TOKEN`]; a directory token may list 200 groups.
const CLAIMS_LIMITS: JsonLimits = JsonLimits { bytes: 16 * 1024, depth: 16, values: 1024 };

/// Longest signature in bytes: RSA with 8,192 bits.
const MAX_SIGNATURE: usize = 1024;

/// A token's parts. The claims are not read before somebody asks for them.
pub struct CompactJws<'a> {
    header: JsonObject,
    signed: &'a str,
    payload: WipedBuffer,
    signature: WipedBuffer,
}

impl<'a> CompactJws<'a> {
    /// Takes a token apart: size, then characters, then segments, then each segment's encoding, and reads the header.
    ///
    /// # Errors
    /// [`JwtError`] names the rule and never repeats anything of the token.
    pub fn parse(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN {
            return Err(JwtError::TooLong { length: token.len() });
        }
        // Rule: base64url characters and dots only (RFC 7515, sections 2 and 7.1): no padding, space or line end.
        // Each segment's decoder refuses all others; whatever else is wrong, the first bad one is what is named.
        Self::taken_apart(token).map_err(|error| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            match token.bytes().position(|byte| !allowed(byte)) {
                Some(position) => JwtError::Character { position },
                None => error,
            }
        })
    }

    fn taken_apart(token: &'a str) -> Result<Self, JwtError> {
        // Rule: exactly three segments (RFC 7515, section 7.1). Five would be encrypted (RFC 7516), which we never take.
        let segments = || JwtError::Segments { count: token.split('.').count() };
        let (signed, signature) = token.rsplit_once('.').ok_or_else(segments)?;
        let (header, payload) = signed.split_once('.').filter(|(_, rest)| !rest.contains('.')).ok_or_else(segments)?;
        for (segment, text) in [(Segment::Header, header), (Segment::Payload, payload), (Segment::Signature, signature)]
        {
            // Rule: no segment is empty. An empty signature is `alg: none` (RFC 7518, section 3.6), an empty payload
            // is detached (RFC 7515, appendix F): neither is ever taken.
            if text.is_empty() {
                return Err(JwtError::EmptySegment { segment });
            }
        }
        let header = decoded(Segment::Header, header, HEADER_LIMITS.bytes)?;
        let payload = decoded(Segment::Payload, payload, CLAIMS_LIMITS.bytes)?;
        let signature = decoded(Segment::Signature, signature, MAX_SIGNATURE)?;
        let header = object(Segment::Header, &header, &HEADER_LIMITS)?;
        Ok(Self { header, signed, payload, signature })
    }

    /// The header. Not verified: an attacker can have written it.
    #[must_use]
    pub fn unverified_header(&self) -> &JsonObject {
        &self.header
    }

    /// The received bytes that the signature is over, exactly as they came (RFC 7515, section 5.2, step 8).
    #[must_use]
    pub fn signed_bytes(&self) -> &'a [u8] {
        self.signed.as_bytes()
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.signature.as_slice()
    }

    /// Reads the claims. They are worth something only once the signature has been checked.
    ///
    /// # Errors
    /// [`JwtError`] if they are no JSON object within the limits.
    pub fn claims(&self) -> Result<JsonObject, JwtError> {
        object(Segment::Payload, &self.payload, &CLAIMS_LIMITS)
    }
}

impl fmt::Debug for CompactJws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompactJws(hidden)")
    }
}

fn decoded(segment: Segment, text: &str, most: usize) -> Result<WipedBuffer, JwtError> {
    base64url::decode(text, most).map_err(|source| JwtError::Encoding { segment, source })
}

fn object(segment: Segment, bytes: &WipedBuffer, limits: &JsonLimits) -> Result<JsonObject, JwtError> {
    JsonObject::parse(bytes.as_slice(), limits).map_err(|source| JwtError::Json { segment, source })
}

/// One of a token's three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment {
    /// The first.
    Header,
    /// The second: the claims.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a text is not a compact signed JWT. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than [`MAX_TOKEN`].
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// A character that no token has: a space, a line end, padding, a quotation mark.
    Character {
        /// Where, counted in bytes from 0.
        position: usize,
    },
    /// Not three segments.
    Segments {
        /// How many.
        count: usize,
    },
    /// A segment is empty.
    EmptySegment {
        /// Which.
        segment: Segment,
    },
    /// A segment is no strict base64url, or too long.
    Encoding {
        /// Which.
        segment: Segment,
        /// What is wrong.
        source: Base64Error,
    },
    /// A segment is not the JSON object that it must be.
    Json {
        /// Which.
        segment: Segment,
        /// What is wrong.
        source: JsonError,
    },
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "the token has {length} bytes, more than {MAX_TOKEN}"),
            Self::Character { position } => {
                write!(f, "the token has a character that is not allowed at byte {position}")
            }
            Self::Segments { count } => write!(f, "the token has {count} segments, not 3"),
            Self::EmptySegment { segment } => write!(f, "the token's {segment} is empty"),
            Self::Encoding { segment, source } => write!(f, "the token's {segment} is malformed: {source}"),
            Self::Json { segment, source } => write!(f, "the token's {segment} is malformed: {source}"),
        }
    }
}

impl std::error::Error for JwtError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Encoding { source, .. } => Some(source),
            Self::Json { source, .. } => Some(source),
            Self::TooLong { .. } | Self::Character { .. } | Self::Segments { .. } | Self::EmptySegment { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"RS256"}` in base64url, by coreutils' `basenc --base64url`.
    const HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";

    fn error(token: &str) -> JwtError {
        CompactJws::parse(token).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_token_is_taken_apart_and_its_claims_are_read_last() {
        let token = format!("{HEADER}.e30.AAEC");
        let jws = CompactJws::parse(&token).unwrap();
        assert_eq!(jws.unverified_header().text("alg"), Ok(Some("RS256")));
        assert_eq!(jws.signed_bytes(), format!("{HEADER}.e30").as_bytes());
        assert_eq!(jws.signature(), [0, 1, 2]);
        assert_eq!(jws.claims(), Ok(JsonObject::default()));
        let not_json = format!("{HEADER}.AAEC.AAEC");
        let jws = CompactJws::parse(&not_json).unwrap();
        let syntax = JsonError::Syntax { line: 1, column: 1 };
        assert_eq!(jws.claims(), Err(JwtError::Json { segment: Segment::Payload, source: syntax }));
    }

    #[test]
    fn only_three_segments_that_are_not_empty_are_taken() {
        for (token, count) in [("", 1), ("a", 1), ("a.b", 2), ("a.b.c.d", 4), ("a.b.c.d.e", 5), (".a.b.c", 4)] {
            assert_eq!(error(token), JwtError::Segments { count }, "{token}");
        }
        for (token, segment) in [
            ("..", Segment::Header),
            (".e30.AA", Segment::Header),
            ("e30..AA", Segment::Payload),
            ("e30.e30.", Segment::Signature),
        ] {
            assert_eq!(error(token), JwtError::EmptySegment { segment }, "{token}");
        }
    }

    #[test]
    fn characters_that_no_token_has_are_refused_at_their_place() {
        for (token, position) in [
            (" e30.e30.AA", 0),
            ("e30.e30.AA\n", 10),
            ("e30.e30.AA==", 10),
            ("\"e30.e30.AA\"", 0),
            ("Bearer e30.e30.AA", 6),
            ("e30\u{3002}e30.AA", 3),
            ("e30.e30.AA\0", 10),
            ("\u{feff}e30.e30.AA", 0),
            ("e30.e30.AA~", 10),
            ("{\"payload\":1}", 0),
            ("e3+.e30.AA", 2),
        ] {
            assert_eq!(error(token), JwtError::Character { position }, "{token:?}");
        }
    }

    #[test]
    fn a_token_of_20_000_bytes_is_read_and_one_of_20_001_is_not() {
        let longest = "a".repeat(MAX_TOKEN);
        assert_eq!(error(&longest), JwtError::Segments { count: 1 });
        assert_eq!(error(&format!("{longest}a")), JwtError::TooLong { length: MAX_TOKEN + 1 });
        assert_eq!(error(&".".repeat(20_000_000)), JwtError::TooLong { length: 20_000_000 });
    }

    #[test]
    fn each_segment_has_its_own_limit() {
        let header = |spaces: usize| base64url::encode(format!("{{{}}}", " ".repeat(spaces)).as_bytes());
        assert!(CompactJws::parse(&format!("{}.e30.AA", header(2046))).is_ok());
        let source = Base64Error::TooLong { most: 2048 };
        let too_long = JwtError::Encoding { segment: Segment::Header, source };
        assert_eq!(error(&format!("{}.e30.AA", header(2047))), too_long);
        let signature = |bytes: usize| format!("e30.e30.{}", base64url::encode(&vec![0; bytes]));
        assert!(CompactJws::parse(&signature(1024)).is_ok());
        let source = Base64Error::TooLong { most: 1024 };
        assert_eq!(error(&signature(1025)), JwtError::Encoding { segment: Segment::Signature, source });
    }

    #[test]
    fn a_header_that_is_no_object_is_refused() {
        // `["RS256","k"]`, by `basenc --base64url`.
        let source = JsonError::NotAnObject;
        let refused = JwtError::Json { segment: Segment::Header, source };
        assert_eq!(error("WyJSUzI1NiIsImsiXQ.e30.AA"), refused);
        let source = Base64Error::TrailingBits;
        assert_eq!(error("e31.e30.AA"), JwtError::Encoding { segment: Segment::Header, source });
    }
}
