//! JSON, read strictly and written plainly: the only file that knows serde_json.

use std::fmt::Write as _;

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

fn escaped(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
