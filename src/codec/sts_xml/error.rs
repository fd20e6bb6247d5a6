//! Why bytes are not an answer of an STS. Nothing of the bytes is in it.

use std::fmt;

use super::{MAX_ANSWER, MAX_DEPTH, MAX_ELEMENTS, MAX_NAME, MAX_TEXT};

/// Why bytes are not an answer of an STS. Nothing of the bytes is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum XmlError {
    /// Longer than [`MAX_ANSWER`].
    TooLong {
        /// How many bytes there are.
        length: usize,
    },
    /// Not UTF-8.
    NotUtf8,
    /// A character that XML does not allow, or a byte order mark that is not the first.
    Character,
    /// An XML declaration of another form, or not at the start.
    Declaration,
    /// Something that the profile refuses.
    Forbidden {
        /// What, such as `a DOCTYPE`.
        what: &'static str,
    },
    /// An attribute other than the root's `xmlns`.
    Attribute,
    /// Another namespace than STS's.
    Namespace,
    /// A name with a prefix, of other characters or longer than [`MAX_NAME`].
    Name,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More than [`MAX_ELEMENTS`].
    TooManyElements,
    /// A text that is needed is longer than [`MAX_TEXT`].
    TextTooLong,
    /// An entity that is not predefined, or a number of no legal character.
    Reference,
    /// Not well-formed: tags that do not match, a lone `&` or the like. Also what is no XML at all.
    Syntax,
    /// Something stands before or behind the root, such as a second root.
    OutsideRoot,
    /// It ends before its root does.
    Unclosed,
    /// The root is another element than the action's, or there is none: this is no answer of an STS.
    Root,
    /// Text beside elements.
    Mixed,
    /// An element stands there twice.
    Duplicate {
        /// Which.
        element: &'static str,
    },
    /// An element is not there, or it is empty.
    Missing {
        /// Which.
        element: &'static str,
    },
    /// An element's text is not of the form that it must have.
    Value {
        /// Which.
        element: &'static str,
    },
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "the answer has {length} bytes, more than {MAX_ANSWER}"),
            Self::NotUtf8 => f.write_str("the answer is not UTF-8"),
            Self::Character => f.write_str("the answer has a character that XML does not allow"),
            Self::Declaration => f.write_str("the answer's XML declaration is of another form or out of place"),
            Self::Forbidden { what } => write!(f, "the answer has {what}"),
            Self::Attribute => f.write_str("the answer has an attribute other than the root's xmlns"),
            Self::Namespace => f.write_str("the answer's namespace is not that of STS"),
            Self::Name => write!(f, "an element's name has a prefix, other characters or over {MAX_NAME} bytes"),
            Self::TooDeep => write!(f, "the answer nests elements deeper than {MAX_DEPTH}"),
            Self::TooManyElements => write!(f, "the answer has more than {MAX_ELEMENTS} elements"),
            Self::TextTooLong => write!(f, "a value in the answer has more than {MAX_TEXT} bytes"),
            Self::Reference => f.write_str("the answer refers to an entity or a character that is not allowed"),
            Self::Syntax => f.write_str("the answer is not well-formed XML"),
            Self::OutsideRoot => f.write_str("something stands before or behind the answer's root element"),
            Self::Unclosed => f.write_str("the answer ends before its root element does"),
            Self::Root => f.write_str("the answer's root element is not that of this STS action"),
            Self::Mixed => f.write_str("the answer has text beside elements"),
            Self::Duplicate { element } => write!(f, "the answer has {element} twice"),
            Self::Missing { element } => write!(f, "the answer has no {element}, or an empty one"),
            Self::Value { element } => write!(f, "the answer's {element} is not of the form that it must have"),
        }
    }
}

impl std::error::Error for XmlError {}
