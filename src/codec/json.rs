//! JSON, read strictly and written plainly: the only file that knows serde_json.

use std::fmt::Write as _;

use crate::secret::{Secret, WipedBuffer};

/// One line of JSON, member by member. For audit lines: never for secrets, since its memory grows.
#[derive(Debug)]
pub struct JsonLine(String);

impl JsonLine {
    /// An empty object.
    #[must_use]
    pub fn new() -> Self {
        Self(String::new())
    }

    /// A text member.
    pub fn text(&mut self, name: &str, value: &str) {
        self.member(name, &escaped(value));
    }

    /// A number member.
    pub fn number(&mut self, name: &str, value: u64) {
        self.member(name, &value.to_string());
    }

    /// A member that is true or false.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.member(name, if value { "true" } else { "false" });
    }

    /// The object.
    #[must_use]
    pub fn finish(self) -> String {
        format!("{{{}}}", self.0)
    }

    fn member(&mut self, name: &str, value: &str) {
        let separator = if self.0.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{separator}{}:{value}", escaped(name));
    }
}

impl Default for JsonLine {
    fn default() -> Self {
        Self::new()
    }
}

/// A member's value in a JSON object that may hold secrets.
#[derive(Debug)]
pub enum JsonValue<'a> {
    /// A text.
    Text(&'a str),
    /// A secret text.
    Secret(&'a Secret),
    /// A number.
    Number(u64),
}

/// A JSON object in wiped memory that is taken at its full size at once.
#[must_use]
pub fn credential_json(members: &[(&str, JsonValue<'_>)]) -> WipedBuffer {
    let longest = members.iter().fold(2usize, |sum, (name, value)| {
        let value = match value {
            JsonValue::Text(text) => text.len(),
            JsonValue::Secret(secret) => secret.expose().len(),
            JsonValue::Number(_) => 20,
        };
        // Six bytes for an escaped one; two pairs of quotes, a colon and a comma.
        sum.saturating_add(name.len().saturating_add(value).saturating_mul(6)).saturating_add(6)
    });
    let mut out = WipedBuffer::with_capacity(longest);
    let mut separator: &[u8] = b"{";
    for (name, value) in members {
        // None of these can fail: the buffer is long enough for the longest form.
        let _ = out.push(separator);
        let _ = serde_json::to_writer(&mut out, name);
        let _ = out.push(b":");
        let _ = match value {
            JsonValue::Text(text) => serde_json::to_writer(&mut out, text),
            JsonValue::Secret(secret) => serde_json::to_writer(&mut out, secret.expose()),
            JsonValue::Number(number) => serde_json::to_writer(&mut out, number),
        };
        separator = b",";
    }
    let _ = out.push(if members.is_empty() { b"{}" } else { b"}" });
    out
}

fn escaped(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
