//! How settings name a claim, and how it is found among a token's claims.

use std::fmt;

use crate::codec::json::{Json, JsonObject};

/// Longest name or pointer: the longest of Kubernetes has 40 characters.
pub const MAX_CLAIM_PATH: usize = 256;

/// Where a claim stands: a name at the top, such as `sub` or `kubernetes.io`, or, starting with `/`, a JSON pointer
/// (RFC 6901), such as `/kubernetes.io/namespace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    text: String,
    steps: Vec<String>,
}

impl ClaimPath {
    /// Checks `text` and takes it apart.
    ///
    /// # Errors
    /// [`ClaimPathError`] if it is empty, too long, has a control character, or is no JSON pointer.
    pub fn new(text: &str) -> Result<Self, ClaimPathError> {
        if text.is_empty() || text.len() > MAX_CLAIM_PATH {
            return Err(ClaimPathError::Length { length: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(ClaimPathError::Character);
        }
        let steps = match text.strip_prefix('/') {
            None => vec![text.to_owned()],
            Some(pointer) => pointer.split('/').map(unescaped).collect::<Result<_, _>>()?,
        };
        Ok(Self { text: text.to_owned(), steps })
    }

    /// `sub`.
    pub(super) fn subject() -> Self {
        Self { text: "sub".to_owned(), steps: vec!["sub".to_owned()] }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands there. Only objects are walked through, never lists.
    pub(super) fn find<'a>(&self, claims: &'a JsonObject) -> Option<&'a Json> {
        let (last, way) = self.steps.split_last()?;
        let holder = way.iter().try_fold(claims, |object, step| match object.get(step) {
            Some(Json::Object(inner)) => Some(inner),
            _ => None,
        })?;
        holder.get(last)
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Rule: `~1` stands for `/` and `~0` for `~`; a `~` before anything else is an error (RFC 6901, sections 3 and 4).
fn unescaped(step: &str) -> Result<String, ClaimPathError> {
    let mut parts = step.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return Err(ClaimPathError::Escape),
        };
        out.push(sign);
        out.push_str(rest);
    }
    Ok(out)
}

/// Why a text names no claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimPathError {
    /// Empty, or longer than [`MAX_CLAIM_PATH`].
    Length {
        /// How many bytes it has.
        length: usize,
    },
    /// A control character.
    Character,
    /// A `~` that is followed by neither `0` nor `1`.
    Escape,
}

impl fmt::Display for ClaimPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { length } => write!(f, "the claim's name has {length} bytes, not 1 to {MAX_CLAIM_PATH}"),
            Self::Character => f.write_str("the claim's name has a control character"),
            Self::Escape => f.write_str("the JSON pointer has a ~ that is followed by neither 0 nor 1"),
        }
    }
}

impl std::error::Error for ClaimPathError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::JsonLimits;

    // The document and pointers after RFC 6901, section 5.
    #[test]
    fn a_name_is_one_claim_and_a_pointer_walks_through_objects() {
        let limits = JsonLimits { bytes: 1000, depth: 5, values: 50 };
        let text = br#"{"foo":["bar"],"":0,"a/b":1,"m~n":8,"kubernetes.io":{"pod":{"name":"p"}}}"#;
        let claims = JsonObject::parse(text, &limits).unwrap();
        for (path, number) in [("/", 0), ("/a~1b", 1), ("a/b", 1), ("/m~0n", 8), ("m~n", 8)] {
            assert_eq!(ClaimPath::new(path).unwrap().find(&claims), Some(&Json::Integer(number)), "{path}");
        }
        let name = ClaimPath::new("/kubernetes.io/pod/name").unwrap();
        assert_eq!(name.find(&claims), Some(&Json::Text("p".to_owned())));
        for path in ["/foo/0", "kubernetes.io/pod", "/kubernetes.io/pod/name/x", "/kubernetes", "/kubernetes.io/"] {
            assert_eq!(ClaimPath::new(path).unwrap().find(&claims), None, "{path}");
        }
    }

    #[test]
    fn a_text_that_names_no_claim_is_refused() {
        assert_eq!(ClaimPath::new(""), Err(ClaimPathError::Length { length: 0 }));
        assert!(ClaimPath::new(&"c".repeat(MAX_CLAIM_PATH)).is_ok());
        assert_eq!(ClaimPath::new(&"c".repeat(257)), Err(ClaimPathError::Length { length: 257 }));
        assert_eq!(ClaimPath::new("a\nb"), Err(ClaimPathError::Character));
        assert_eq!(ClaimPath::new("/a~2"), Err(ClaimPathError::Escape));
        assert_eq!(ClaimPath::new("/a~"), Err(ClaimPathError::Escape));
    }
}
