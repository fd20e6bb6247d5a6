//! JSON, read strictly and written plainly: the only file that knows serde_json.

use std::cell::Cell;
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::secret::{Secret, WipedBuffer};

/// How much a document may hold. Each limit is checked while reading, before memory is taken for what is over it.
#[derive(Debug, Clone, Copy)]
pub struct JsonLimits {
    /// Most bytes of text.
    pub bytes: usize,
    /// Most objects and lists inside each other, the outermost included; at most 100.
    pub depth: usize,
    /// Most values in the whole document: members and list entries, at every depth.
    pub values: usize,
}

/// One JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number that is written as a plain integer from 0 to 2^64 - 1.
    Integer(u64),
    /// Any other number. Nothing that we read has a use for its value.
    OtherNumber,
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(JsonObject),
}

/// For people, on one line: control characters and characters that do not print are escaped.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::OtherNumber => f.write_str("a number that is no plain integer"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(entries) => {
                f.write_str("[")?;
                for (index, entry) in entries.iter().enumerate() {
                    write!(f, "{}{entry}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(object) => {
                f.write_str("{")?;
                for (index, (name, value)) in object.members().enumerate() {
                    write!(f, "{}{name:?}:{value}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A JSON object in which every name occurs once, at every depth. Sorted by name: small objects are the rule, and for
/// these a list is quicker than a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonObject(Vec<(String, Json)>);

/// A member is there, but is of another type than was asked for. That is never the same as being absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherType;

impl JsonObject {
    /// Reads a document that is one object and nothing else.
    ///
    /// # Errors
    /// [`JsonError`] names the rule and never repeats anything of the document.
    pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Self, JsonError> {
        if bytes.len() > limits.bytes {
            return Err(JsonError::TooLong { most: limits.bytes });
        }
        // RFC 8259, section 8.1: UTF-8, without a byte order mark.
        if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
            return Err(JsonError::ByteOrderMark);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { position: error.valid_up_to() })?;
        let budget = Budget { limits, values: Cell::new(0), broken: Cell::new(None) };
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = ValueSeed { budget: &budget, depth: 0 }.deserialize(&mut reader);
        let value = match (read, budget.broken.get()) {
            (_, Some(broken)) => return Err(broken),
            (Err(_), None) if has_lone_surrogate(text) => return Err(JsonError::LoneSurrogate),
            (Err(error), None) => return Err(JsonError::Syntax { line: error.line(), column: error.column() }),
            (Ok(value), None) => value,
        };
        reader.end().map_err(|_| JsonError::Trailing)?;
        // Rule: the outermost value is an object (RFC 7515, section 4; RFC 7519, section 7.2); a list is none.
        match value {
            Json::Object(object) => Ok(object),
            _ => Err(JsonError::NotAnObject),
        }
    }

    /// A member of any type; `None` if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        let place = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// A text member; `Ok(None)` if it is absent.
    ///
    /// # Errors
    /// [`OtherType`] if it is there and no text, also if it is `null`.
    pub fn text(&self, name: &str) -> Result<Option<&str>, OtherType> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(OtherType),
        }
    }

    /// A number member that is a plain integer; `Ok(None)` if it is absent.
    ///
    /// # Errors
    /// [`OtherType`] if it is there and no plain integer from 0 to 2^64 - 1: also `1.0`, `1e3`, `-1` and `"1"`.
    pub fn integer(&self, name: &str) -> Result<Option<u64>, OtherType> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Integer(value)) => Ok(Some(*value)),
            Some(_) => Err(OtherType),
        }
    }

    /// A list member; `Ok(None)` if it is absent.
    ///
    /// # Errors
    /// [`OtherType`] if it is there and no list.
    pub fn list(&self, name: &str) -> Result<Option<&[Json]>, OtherType> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::List(entries)) => Ok(Some(entries)),
            Some(_) => Err(OtherType),
        }
    }

    /// All members, in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Whether a text that is no JSON has half of a surrogate pair among its escapes, which stands for no character (RFC 8259,
/// section 8.2). To say what is wrong: the parser has refused it already.
fn has_lone_surrogate(text: &str) -> bool {
    // An escaped backslash begins no other escape.
    let escapes = text.replace(r"\\", "  ");
    let mut halves = escapes.split(r"\u").skip(1).map(|rest| (rest.len(), rest.get(..4).unwrap_or_default()));
    let half = |digits: &str| u16::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit));
    while let Some((length, digits)) = halves.next() {
        // A first half that nothing else stands behind, and then a second one.
        let is_pair = |first: u16, second: Option<u16>| {
            first < 0xdc00 && length == 4 && second.is_some_and(|second| second >= 0xdc00)
        };
        if let Some(first) = half(digits)
            && !is_pair(first, halves.next().and_then(|(_, digits)| half(digits)))
        {
            return true;
        }
    }
    false
}

/// What is left of the limits, and the first one that was broken: serde_json's own errors repeat values.
struct Budget<'a> {
    limits: &'a JsonLimits,
    values: Cell<usize>,
    broken: Cell<Option<JsonError>>,
}

impl Budget<'_> {
    fn refuse<E: serde::de::Error>(&self, error: JsonError) -> E {
        self.broken.set(Some(error));
        E::custom("refused")
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        let values = self.values.get().saturating_add(1);
        self.values.set(values);
        if values > self.limits.values {
            return Err(self.refuse(JsonError::TooManyValues { most: self.limits.values }));
        }
        Ok(())
    }

    fn descend<E: serde::de::Error>(&self, depth: usize) -> Result<usize, E> {
        if depth >= self.limits.depth {
            return Err(self.refuse(JsonError::TooDeep { most: self.limits.depth }));
        }
        Ok(depth.saturating_add(1))
    }
}

#[derive(Clone, Copy)]
struct ValueSeed<'a> {
    budget: &'a Budget<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Flag(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let inner = Self { depth: self.budget.descend(self.depth)?, ..self };
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(inner)? {
            self.budget.count()?;
            list.push(entry);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let inner = Self { depth: self.budget.descend(self.depth)?, ..self };
        let mut object: Vec<(String, Json)> = Vec::with_capacity(8);
        while let Some(name) = members.next_key::<String>()? {
            self.budget.count()?;
            object.push((name, members.next_value_seed(inner)?));
        }
        object.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        // Rule: member names are unique (RFC 7515, section 4; RFC 7519, section 4). Compared after unescaping.
        if object.iter().zip(object.iter().skip(1)).any(|((one, _), (next, _))| one == next) {
            return Err(self.budget.refuse(JsonError::Duplicate));
        }
        Ok(Json::Object(JsonObject(object)))
    }
}

/// Why a text is not the JSON that we take. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// More bytes than it may have.
    TooLong {
        /// Most bytes allowed.
        most: usize,
    },
    /// It starts with a byte order mark.
    ByteOrderMark,
    /// It is not UTF-8.
    NotUtf8 {
        /// Where it stops being UTF-8, in bytes from 0.
        position: usize,
    },
    /// It breaks JSON's grammar, or a number is too large for any type.
    Syntax {
        /// In which line, from 1.
        line: usize,
        /// At which byte of the line.
        column: usize,
    },
    /// An escape stands for half of a surrogate pair, which is no character.
    LoneSurrogate,
    /// Something stands behind the object.
    Trailing,
    /// It is a list, text, number or literal, not an object.
    NotAnObject,
    /// An object has two members of one name.
    Duplicate,
    /// Objects and lists inside each other, more than allowed.
    TooDeep {
        /// Most allowed.
        most: usize,
    },
    /// More members and list entries than allowed.
    TooManyValues {
        /// Most allowed.
        most: usize,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { most } => write!(f, "the JSON has more than {most} bytes"),
            Self::ByteOrderMark => f.write_str("the JSON starts with a byte order mark"),
            Self::NotUtf8 { position } => write!(f, "the JSON is not UTF-8 from byte {position} on"),
            Self::Syntax { line, column } => write!(f, "the JSON is malformed in line {line}, column {column}"),
            Self::LoneSurrogate => f.write_str("the JSON has an escape for half of a surrogate pair"),
            Self::Trailing => f.write_str("something stands behind the JSON object"),
            Self::NotAnObject => f.write_str("the JSON is not an object"),
            Self::Duplicate => f.write_str("the JSON has two members of one name"),
            Self::TooDeep { most } => write!(f, "the JSON has more than {most} objects and lists inside each other"),
            Self::TooManyValues { most } => write!(f, "the JSON has more than {most} values"),
        }
    }
}

impl std::error::Error for JsonError {}

/// A member's value for [`credential_json`].
#[derive(Debug, Clone, Copy)]
pub enum JsonValue<'a> {
    /// A text that is no secret.
    Text(&'a str),
    /// A secret text.
    Secret(&'a Secret),
    /// A number.
    Number(u64),
}

/// One JSON object with these members, in wiped memory that is sized first.
#[must_use]
pub fn credential_json(members: &[(&str, JsonValue<'_>)]) -> WipedBuffer {
    // Secrets seldom have a character that is escaped. The worst one takes six: `\u001f`.
    let written = credential_json_of(members, 1).or_else(|| credential_json_of(members, 6));
    // Text and numbers always have a JSON form, so there is one.
    written.unwrap_or_else(|| WipedBuffer::with_capacity(0))
}

/// The object, if it fits where each character takes at most `width` bytes.
fn credential_json_of(members: &[(&str, JsonValue<'_>)], width: usize) -> Option<WipedBuffer> {
    let room = |text: &str| text.len().saturating_mul(width).saturating_add(2);
    let lengths = members.iter().map(|(name, value)| {
        let length = match value {
            JsonValue::Text(text) => room(text),
            JsonValue::Secret(secret) => room(secret.expose()),
            // 20 digits at most.
            JsonValue::Number(_) => 20,
        };
        room(name).saturating_add(length).saturating_add(2)
    });
    let mut out = WipedBuffer::with_capacity(lengths.fold(2, usize::saturating_add));
    out.push(b"{").ok()?;
    for (index, (name, value)) in members.iter().enumerate() {
        out.push(if index == 0 { b"" } else { b"," }).ok()?;
        serde_json::to_writer(&mut out, name).ok()?;
        out.push(b":").ok()?;
        match value {
            JsonValue::Text(text) => serde_json::to_writer(&mut out, text),
            JsonValue::Secret(secret) => serde_json::to_writer(&mut out, secret.expose()),
            JsonValue::Number(number) => serde_json::to_writer(&mut out, number),
        }
        .ok()?;
    }
    out.push(b"}").ok()?;
    Some(out)
}

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

    /// A member that is a list of objects.
    pub fn objects(&mut self, name: &str, objects: impl Iterator<Item = Self>) {
        let objects: Vec<String> = objects.map(Self::finish).collect();
        self.member(name, &format!("[{}]", objects.join(",")));
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
