//! Frames between driver and executors: a fixed header and bounded fields. Knows bytes, not what they mean.
//!
//! ```text
//! header   "SC"  version u8  kind u8  length u32        8 bytes, numbers big-endian
//! body     fields, one after the other, `length` bytes, nothing left over
//! ```

use std::fmt;

use crate::secret::{Secret, WipedBuffer};

/// The first two bytes of every frame: a peer that speaks another protocol is noticed at once.
const MAGIC: [u8; 2] = *b"SC";

/// The version of this framing.
const FRAME_VERSION: u8 = 1;

/// Bytes of a header.
pub const HEADER_LENGTH: usize = 8;

/// Longest body: a bundle of a few credentials has under 10 KiB; the cap is checked before any memory is taken.
pub const MAX_BODY: usize = 64 * 1024;

/// What a writer has at first: a bundle of one scheme fits. All of it is zeroed and wiped for each frame.
const FIRST_CAPACITY: usize = 2 * 1024;

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which message follows. Its meaning is `distribute`'s.
    pub kind: u8,
    /// How many bytes of body follow, at most [`MAX_BODY`].
    pub length: usize,
}

impl Header {
    /// The header of a frame with this body.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above [`MAX_BODY`].
    pub fn encode(kind: u8, body: &[u8]) -> Result<[u8; HEADER_LENGTH], FrameError> {
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BODY).ok_or(FrameError::TooLong)?;
        let [m0, m1] = MAGIC;
        let [l0, l1, l2, l3] = length.to_be_bytes();
        Ok([m0, m1, FRAME_VERSION, kind, l0, l1, l2, l3])
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`FrameError`] if it is not one of ours or announces too much.
    pub fn decode(bytes: [u8; HEADER_LENGTH]) -> Result<Self, FrameError> {
        let [m0, m1, version, kind, l0, l1, l2, l3] = bytes;
        if [m0, m1] != MAGIC {
            return Err(FrameError::Magic);
        }
        if version != FRAME_VERSION {
            return Err(FrameError::Version { version });
        }
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY).ok_or(FrameError::TooLong)?;
        Ok(Self { kind, length })
    }
}

/// Writes a body's fields into wiped memory: when it is full, they move into more of it, and the old is wiped.
#[derive(Debug)]
pub struct FieldWriter(WipedBuffer);

impl FieldWriter {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self(WipedBuffer::with_capacity(FIRST_CAPACITY))
    }

    /// Bytes of a fixed length, without a length in front.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if the body is full, here and in all the others.
    pub fn fixed(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if self.0.push(bytes).is_ok() {
            return Ok(());
        }
        let length = self.0.as_slice().len().checked_add(bytes.len());
        let length = length.filter(|length| *length <= MAX_BODY).ok_or(FrameError::TooLong)?;
        // Doubled, so that many small fields do not make many moves.
        let mut larger = WipedBuffer::with_capacity(length.next_power_of_two());
        let moved = larger.push(self.0.as_slice()).and_then(|()| larger.push(bytes));
        self.0 = larger;
        moved.map_err(|_| FrameError::TooLong)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`FieldWriter::fixed`].
    pub fn u8(&mut self, value: u8) -> Result<(), FrameError> {
        self.fixed(&[value])
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// As [`FieldWriter::fixed`].
    pub fn u64(&mut self, value: u64) -> Result<(), FrameError> {
        self.fixed(&value.to_be_bytes())
    }

    /// How many of something follow: one byte.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above 255.
    pub fn count(&mut self, count: usize) -> Result<(), FrameError> {
        self.u8(u8::try_from(count).map_err(|_| FrameError::TooLong)?)
    }

    /// A text of at most 255 bytes: its length in one byte, then the text.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above 255 bytes.
    pub fn text(&mut self, text: &str) -> Result<(), FrameError> {
        self.count(text.len())?;
        self.fixed(text.as_bytes())
    }

    /// A secret: its length in two bytes, then the secret.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above 65,535 bytes.
    pub fn secret(&mut self, secret: &Secret) -> Result<(), FrameError> {
        let bytes = secret.expose().as_bytes();
        let length = u16::try_from(bytes.len()).map_err(|_| FrameError::TooLong)?;
        self.fixed(&length.to_be_bytes())?;
        self.fixed(bytes)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Default for FieldWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a body's fields in order.
pub struct FieldReader<'a>(&'a [u8]);

impl<'a> FieldReader<'a> {
    /// A reader at the start of `body`.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// Bytes of a fixed length.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if the body ends before, here and in all the others.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(FrameError::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`FieldReader::fixed`].
    pub fn u8(&mut self) -> Result<u8, FrameError> {
        self.fixed().map(u8::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// As [`FieldReader::fixed`].
    pub fn u64(&mut self) -> Result<u64, FrameError> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// How many of something follow, at most `most`.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, FrameError> {
        let count = usize::from(self.u8()?);
        if count > most { Err(FrameError::TooLong) } else { Ok(count) }
    }

    /// A text of at most 255 bytes.
    ///
    /// # Errors
    /// [`FrameError::NotText`] if it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, FrameError> {
        let length = usize::from(self.u8()?);
        std::str::from_utf8(self.take(length)?).map_err(|_| FrameError::NotText)
    }

    /// A secret of at most `most` bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] above `most`, [`FrameError::NotText`] if it is not UTF-8.
    pub fn secret(&mut self, most: usize) -> Result<Secret, FrameError> {
        let length = usize::from(self.fixed().map(u16::from_be_bytes)?);
        if length > most {
            return Err(FrameError::TooLong);
        }
        std::str::from_utf8(self.take(length)?).map(Secret::from_text).map_err(|_| FrameError::NotText)
    }

    /// Ends the reading: nothing may be left over.
    ///
    /// # Errors
    /// [`FrameError::Trailing`] if something is.
    pub fn end(self) -> Result<(), FrameError> {
        if self.0.is_empty() { Ok(()) } else { Err(FrameError::Trailing) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(FrameError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// Why bytes are not a frame of ours. Nothing of the bytes is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The first bytes are not ours.
    Magic,
    /// A framing version that we do not speak.
    Version {
        /// Which.
        version: u8,
    },
    /// Longer, or more, than the limit.
    TooLong,
    /// The body ends in the middle of a field.
    Truncated,
    /// Something stands behind the last field.
    Trailing,
    /// A text is not UTF-8.
    NotText,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("the peer does not speak safe-conduct's protocol"),
            Self::Version { version } => write!(f, "the peer speaks framing version {version}, not {FRAME_VERSION}"),
            Self::TooLong => f.write_str("a frame or a field is longer than its limit"),
            Self::Truncated => f.write_str("a frame ends in the middle of a field"),
            Self::Trailing => f.write_str("a frame has bytes behind its last field"),
            Self::NotText => f.write_str("a text in a frame is not UTF-8"),
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    // Typed by hand from the module's words.
    #[test]
    fn a_header_is_these_eight_bytes() {
        assert_eq!(Header::encode(3, &[0; 258]), Ok(*b"SC\x01\x03\0\0\x01\x02"));
        assert_eq!(Header::decode(*b"SC\x01\x03\0\0\x01\x02"), Ok(Header { kind: 3, length: 258 }));
        assert_eq!(Header::decode(*b"SC\x01\x00\0\0\0\0"), Ok(Header { kind: 0, length: 0 }));
        assert_eq!(Header::decode(*b"sC\x01\x03\0\0\0\0"), Err(FrameError::Magic));
        assert_eq!(Header::decode(*b"HTTP/1.1"), Err(FrameError::Magic));
        assert_eq!(Header::decode(*b"SC\x02\x03\0\0\0\0"), Err(FrameError::Version { version: 2 }));
    }

    #[test]
    fn a_body_has_at_most_65_536_bytes() {
        assert_eq!(Header::decode(*b"SC\x01\x01\0\x01\0\0").map(|header| header.length), Ok(65_536));
        assert_eq!(Header::decode(*b"SC\x01\x01\0\x01\0\x01"), Err(FrameError::TooLong));
        assert_eq!(Header::decode(*b"SC\x01\x01\xff\xff\xff\xff"), Err(FrameError::TooLong));
        assert!(Header::encode(1, &[0; MAX_BODY]).is_ok());
        assert_eq!(Header::encode(1, &[0; MAX_BODY + 1]), Err(FrameError::TooLong));
        let mut full = FieldWriter::new();
        assert_eq!(full.fixed(&[0; MAX_BODY]), Ok(()));
        assert_eq!(full.u8(0), Err(FrameError::TooLong));
        assert_eq!(full.body(), [0; MAX_BODY], "as it was");
    }

    #[test]
    fn a_body_that_grows_keeps_every_field() {
        let (mut body, mut expected) = (FieldWriter::new(), Vec::new());
        for number in 0..(MAX_BODY / 8) as u64 {
            body.u64(number).unwrap();
            expected.extend(number.to_be_bytes());
        }
        assert_eq!(body.body(), expected);
        assert_eq!(body.u8(0), Err(FrameError::TooLong));
    }

    #[test]
    fn fields_are_these_bytes_and_read_back() {
        let mut body = FieldWriter::new();
        body.u8(9).unwrap();
        body.u64(0x0102_0304_0506_0708).unwrap();
        body.count(2).unwrap();
        body.text("ab").unwrap();
        body.secret(&Secret::from_text("xyz")).unwrap();
        let bytes = b"\x09\x01\x02\x03\x04\x05\x06\x07\x08\x02\x02ab\0\x03xyz";
        assert_eq!(body.body(), bytes);
        let mut fields = FieldReader::new(bytes);
        assert_eq!((fields.u8(), fields.u64(), fields.count(2)), (Ok(9), Ok(0x0102_0304_0506_0708), Ok(2)));
        assert_eq!(fields.text(), Ok("ab"));
        assert_eq!(fields.secret(3).unwrap().expose(), "xyz");
        assert_eq!(fields.end(), Ok(()));
    }

    #[test]
    fn lengths_are_kept_at_the_last_byte() {
        let mut body = FieldWriter::new();
        assert_eq!(body.text(&"a".repeat(255)), Ok(()));
        assert_eq!(body.text(&"a".repeat(256)), Err(FrameError::TooLong));
        assert_eq!(body.count(255), Ok(()));
        assert_eq!(body.count(256), Err(FrameError::TooLong));
        assert_eq!(FieldWriter::new().secret(&Secret::from_text(&"a".repeat(65_534))), Ok(()));
        assert_eq!(FieldWriter::new().secret(&Secret::from_text(&"a".repeat(65_536))), Err(FrameError::TooLong));
        assert_eq!(FieldReader::new(&[3]).count(3), Ok(3));
        assert_eq!(FieldReader::new(&[3]).count(2), Err(FrameError::TooLong));
        assert!(FieldReader::new(b"\0\x03abc").secret(3).is_ok());
        assert_eq!(FieldReader::new(b"\0\x03abc").secret(2).map(drop), Err(FrameError::TooLong));
    }

    #[test]
    fn what_is_cut_off_left_over_or_no_text_is_refused() {
        assert_eq!(FieldReader::new(b"\x02a").text(), Err(FrameError::Truncated));
        assert_eq!(FieldReader::new(b"").text(), Err(FrameError::Truncated));
        assert_eq!(FieldReader::new(b"\0").secret(9).map(drop), Err(FrameError::Truncated));
        assert_eq!(FieldReader::new(&[0; 7]).u64(), Err(FrameError::Truncated));
        assert_eq!(FieldReader::new(b"\x01\xff").text(), Err(FrameError::NotText));
        assert_eq!(FieldReader::new(b"\0\x01\xff").secret(9).map(drop), Err(FrameError::NotText));
        assert_eq!(FieldReader::new(b"a").end(), Err(FrameError::Trailing));
    }
}
