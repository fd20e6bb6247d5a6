//! The answers of an STS, read by a strict profile of XML. Messages of the service never leave this file.
//!
//! The profile: UTF-8, one root, no DOCTYPE, processing instruction, comment or CDATA, no attribute but the root's
//! `xmlns`, only the five predefined entities. quick-xml checks none of that by itself.

mod answer;
mod error;

use quick_xml::Reader;
use quick_xml::events::Event;

pub use answer::{Action, AssumedRole, CallerAnswer, CallerIdentity, Says, ServiceError, StsAnswer};
pub use error::XmlError;

use answer::AnswerBuilder;

use crate::secret::WipedBuffer;

/// Longest answer in bytes: one with the largest session token and every optional field has about 24 KiB.
pub const MAX_ANSWER: usize = 256 * 1024;

/// Deepest nesting of elements: STS has four levels.
pub const MAX_DEPTH: usize = 16;

/// Most elements: an answer of STS has under 30.
pub const MAX_ELEMENTS: usize = 256;

/// Longest name of an element in bytes: the longest of STS has 33.
pub const MAX_NAME: usize = 64;

/// Longest text of one element in bytes: as long as a credential's property may be.
pub const MAX_TEXT: usize = 16 * 1024;

/// The one namespace that is accepted, beside none at all (Ceph): attribute text, byte for byte.
const NAMESPACES: [&str; 2] =
    ["xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"", "xmlns='https://sts.amazonaws.com/doc/2011-06-15/'"];

/// The XML declarations that are accepted, beside none at all: byte for byte, and only at the very start.
const DECLARATIONS: [&str; 3] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<?xml version=\"1.0\"?>",
];

/// Reads the answer to `action`, a credential or an error.
///
/// # Errors
/// [`XmlError`] names the rule that is broken; nothing of a text is in it.
pub fn parse_assume_role_answer(bytes: &[u8], action: Action) -> Result<StsAnswer, XmlError> {
    walked(bytes, action)?.finish()
}

/// Reads the answer to [`Action::GetCallerIdentity`].
///
/// # Errors
/// As [`parse_assume_role_answer`].
pub fn parse_caller_identity_answer(bytes: &[u8]) -> Result<CallerAnswer, XmlError> {
    walked(bytes, Action::GetCallerIdentity)?.finish_caller()
}

/// What stands in a document, element by element.
fn walked(bytes: &[u8], action: Action) -> Result<AnswerBuilder, XmlError> {
    let mut reader = Reader::from_str(document(bytes)?);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
    config.allow_unmatched_ends = false;
    config.allow_dangling_amp = false;
    let mut walk = Walk::new(action);
    loop {
        // quick-xml's own messages repeat what they found: they are dropped.
        match reader.read_event().map_err(|_| XmlError::Syntax)? {
            Event::Start(tag) => walk.start(tag.name().into_inner(), tag.attributes_raw())?,
            Event::End(_) => walk.end()?,
            Event::Text(text) => walk.text(&text)?,
            Event::GeneralRef(reference) => {
                let c = resolved(&reference).ok_or(XmlError::Reference)?;
                walk.reference(c)?;
            }
            Event::Empty(_) => return Err(XmlError::Syntax),
            Event::Decl(_) => return Err(XmlError::Declaration),
            Event::DocType(_) => return Err(XmlError::Forbidden { what: "a DOCTYPE" }),
            Event::PI(_) => return Err(XmlError::Forbidden { what: "a processing instruction" }),
            Event::CData(_) => return Err(XmlError::Forbidden { what: "a CDATA section" }),
            Event::Comment(_) => return Err(XmlError::Forbidden { what: "a comment" }),
            Event::Eof => return walk.finish(),
        }
    }
}

/// The text behind byte order mark and declaration, if all of it is legal.
fn document(bytes: &[u8]) -> Result<&str, XmlError> {
    if bytes.len() > MAX_ANSWER {
        return Err(XmlError::TooLong { length: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains(|c| !is_legal(c)) {
        return Err(XmlError::Character);
    }
    // Rule: `]]>` must not stand in text (XML 1.0, section 2.4), and CDATA sections are refused anyway.
    if text.contains("]]>") {
        return Err(XmlError::Syntax);
    }
    Ok(DECLARATIONS.iter().find_map(|form| text.strip_prefix(form)).unwrap_or(text))
}

/// Whether XML allows `c` (XML 1.0, section 2.2). Stricter: no byte order mark but the first.
fn is_legal(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => c >= ' ',
    }
}

/// The character behind `&name;`: one of the five predefined entities (XML 1.0, section 4.6) or a legal number.
fn resolved(name: &[u8]) -> Option<char> {
    let number = |digits: &[u8], radix: u32| {
        let digits = std::str::from_utf8(digits).ok().filter(|text| text.chars().all(|c| c.is_digit(radix)))?;
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|c| is_legal(*c))
    };
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"apos" => Some('\''),
        b"quot" => Some('"'),
        [b'#', b'x', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Where we are in the document, and what of it has been kept.
struct Walk {
    action: Action,
    /// The names from the root to here, each behind a `/`.
    path: String,
    depth: usize,
    elements: usize,
    /// Whether the innermost element has no child so far.
    leaf: bool,
    /// The text of the innermost element: it may be a secret.
    text: WipedBuffer,
    answer: AnswerBuilder,
}

impl Walk {
    fn new(action: Action) -> Self {
        let text = WipedBuffer::with_capacity(MAX_TEXT);
        let path = String::with_capacity(MAX_DEPTH.saturating_mul(MAX_NAME));
        Self { action, path, depth: 0, elements: 0, leaf: false, text, answer: AnswerBuilder::default() }
    }

    fn start(&mut self, name: &[u8], attributes: &[u8]) -> Result<(), XmlError> {
        self.elements = self.elements.saturating_add(1);
        if self.elements > MAX_ELEMENTS {
            return Err(XmlError::TooManyElements);
        }
        if self.depth >= MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        if self.depth == 0 && self.elements > 1 {
            return Err(XmlError::OutsideRoot);
        }
        if !is_blank(self.text.as_slice()) {
            return Err(XmlError::Mixed);
        }
        self.check_attributes(attributes)?;
        let name = checked_name(name)?;
        self.depth = self.depth.saturating_add(1);
        self.path.push('/');
        self.path.push_str(&self.action.normalised(name));
        self.text.truncate(0);
        self.leaf = true;
        self.answer.opened(&self.path)
    }

    /// Rule: the only attribute is the root's `xmlns`, and it is STS's own.
    fn check_attributes(&self, attributes: &[u8]) -> Result<(), XmlError> {
        let attributes = attributes.trim_ascii();
        if attributes.is_empty() {
            return Ok(());
        }
        if self.depth > 0 {
            return Err(XmlError::Attribute);
        }
        if NAMESPACES.iter().any(|known| known.as_bytes() == attributes) {
            return Ok(());
        }
        Err(if attributes.starts_with(b"xmlns=") { XmlError::Namespace } else { XmlError::Attribute })
    }

    fn text(&mut self, text: &[u8]) -> Result<(), XmlError> {
        if self.depth == 0 {
            return if is_blank(text) { Ok(()) } else { Err(XmlError::OutsideRoot) };
        }
        let fits = self.text.as_slice().len().saturating_add(text.len()) <= MAX_TEXT;
        if fits && self.text.push(text).is_ok() {
            return Ok(());
        }
        // A long message must not hide the code beside it.
        if self.answer.keeps(&self.path) { Err(XmlError::TextTooLong) } else { Ok(()) }
    }

    fn reference(&mut self, c: char) -> Result<(), XmlError> {
        if self.depth == 0 {
            return Err(XmlError::OutsideRoot);
        }
        self.text(c.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn end(&mut self) -> Result<(), XmlError> {
        if self.leaf {
            self.answer.closed(&self.path, &self.text)?;
        } else if !is_blank(self.text.as_slice()) {
            return Err(XmlError::Mixed);
        }
        self.text.truncate(0);
        self.leaf = false;
        self.depth = self.depth.saturating_sub(1);
        let parent = self.path.rfind('/').unwrap_or(0);
        self.path.truncate(parent);
        Ok(())
    }

    fn finish(self) -> Result<AnswerBuilder, XmlError> {
        if self.depth == 0 { Ok(self.answer) } else { Err(XmlError::Unclosed) }
    }
}

/// Rule: names have no prefix and no character but letters, digits, `_`, `-` and `.`.
fn checked_name(name: &[u8]) -> Result<&str, XmlError> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let form = name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(allowed);
    let name = std::str::from_utf8(name).ok().filter(|name| form && name.len() <= MAX_NAME);
    name.ok_or(XmlError::Name)
}
