//! The one type that holds a secret, and the one buffer that secrets pass through. Knows nothing of what they open.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A secret text: an identity token, a secret key, a session token, an endpoint token.
///
/// It is wiped when dropped, and [`Secret::expose`] is the only way to read it. There is no way to print, copy,
/// compare or serialise it by accident:
///
/// ```compile_fail
/// let secret = safe_conduct::Secret::from_text("s");
/// println!("{secret}");
/// ```
/// ```compile_fail
/// let secret = safe_conduct::Secret::from_text("s");
/// let copy = secret.clone();
/// ```
/// ```compile_fail
/// let secret = safe_conduct::Secret::from_text("s");
/// let same = secret == safe_conduct::Secret::from_text("s");
/// ```
/// ```compile_fail
/// fn needs_serialize<T: serde::Serialize>(_: T) {}
/// needs_serialize(safe_conduct::Secret::from_text("s"));
/// ```
pub struct Secret(SecretString);

impl Secret {
    /// Copies `text` into an allocation of exactly its size. The caller wipes its own copy.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        // `Box<str>` from a `&str` allocates once, at the final size: no growth, so no copy is left behind.
        Self(SecretString::from(Box::<str>::from(text)))
    }

    /// The secret itself. Every use is a place that an auditor reads: keep them few.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> usize {
        self.expose().len()
    }

    /// Whether `candidate` is this secret, in a time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.expose().as_bytes().ct_eq(candidate).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A byte buffer whose size is fixed when it is made and whose content is wiped when it is dropped.
///
/// It never grows: a growing `Vec` would leave unwiped copies behind.
pub struct WipedBuffer {
    // A boxed slice is wiped once; a `Vec` would be twice, its content and then its capacity.
    bytes: Box<[u8]>,
    length: usize,
}

impl WipedBuffer {
    /// An empty buffer that can hold `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buffer = Self::zeroed(capacity);
        buffer.length = 0;
        buffer
    }

    /// A buffer that is full of `length` zero bytes, for a reader to write into.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        Self { bytes: vec![0; length].into_boxed_slice(), length }
    }

    /// A buffer that is full of `bytes`. The caller wipes its own copy, if it has to be.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self { bytes: Box::from(bytes), length: bytes.len() }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`BufferFull`] if they do not fit; the buffer is then as it was.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let end = self.length.checked_add(bytes.len()).ok_or(BufferFull)?;
        self.bytes.get_mut(self.length..end).ok_or(BufferFull)?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    /// Shortens the content to its first `length` bytes and wipes the rest.
    pub fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.bytes.get_mut(length..self.length) {
            rest.zeroize();
            self.length = length;
        }
    }

    /// What has been written so far.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// What has been written so far, for overwriting in place.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    /// The content as a [`Secret`], if it is UTF-8.
    ///
    /// # Errors
    /// [`std::str::Utf8Error`] says where the text stops being UTF-8, never what stands there.
    pub fn to_secret(&self) -> Result<Secret, std::str::Utf8Error> {
        std::str::from_utf8(self.as_slice()).map(Secret::from_text)
    }
}

impl Drop for WipedBuffer {
    fn drop(&mut self) {
        // As a slice: zeroize wipes one in a piece, but a box byte by byte, which for 8 KiB takes as long as a request.
        let bytes: &mut [u8] = &mut self.bytes;
        bytes.zeroize();
    }
}

impl fmt::Debug for WipedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WipedBuffer({} bytes, hidden)", self.length)
    }
}

/// Serialisers write through this; a full buffer is an error of kind `WriteZero`.
impl std::io::Write for WipedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes).map_err(|BufferFull| std::io::Error::from(std::io::ErrorKind::WriteZero))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The bytes do not fit into a [`WipedBuffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferFull;

impl fmt::Display for BufferFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is full")
    }
}

impl std::error::Error for BufferFull {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let secret = Secret::from_text("PLANTED");
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn matches_only_the_very_same_bytes() {
        let secret = Secret::from_text("0123456789abcdef");
        assert!(secret.matches(b"0123456789abcdef"));
        assert!(!secret.matches(b"0123456789abcdeF"));
        assert!(!secret.matches(b"0123456789abcde"));
        assert!(!secret.matches(b"0123456789abcdef0"));
        assert!(!secret.matches(b""));
    }

    #[test]
    fn a_buffer_takes_its_capacity_and_not_a_byte_more() {
        let mut buffer = WipedBuffer::with_capacity(4);
        assert_eq!(buffer.push(b"xyz"), Ok(()));
        assert_eq!(buffer.push(b"12"), Err(BufferFull));
        assert_eq!(buffer.as_slice(), b"xyz", "as it was");
        assert_eq!(buffer.push(b"1"), Ok(()));
        assert_eq!(buffer.push(b"2"), Err(BufferFull));
        assert_eq!(buffer.as_mut_slice(), b"xyz1");
    }

    #[test]
    fn a_shortened_buffer_keeps_its_first_bytes_only() {
        let mut buffer = WipedBuffer::with_capacity(8);
        buffer.push(b"secret\n").unwrap();
        buffer.truncate(6);
        assert_eq!(buffer.as_slice(), b"secret");
        assert_eq!(buffer.to_secret().unwrap().expose(), "secret");
        assert_eq!(buffer.bytes.as_ref(), b"secret\0\0", "the rest is wiped");
        buffer.truncate(9);
        assert_eq!(buffer.as_slice(), b"secret", "it never grows");
    }

    #[test]
    fn what_a_dropped_buffer_held_is_gone_from_memory() {
        use std::os::unix::fs::FileExt;
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut seen = vec![0; 1000];
        let buffer = WipedBuffer::copy_of(&[0xa5; 1000]);
        let address = buffer.as_slice().as_ptr().addr() as u64;
        memory.read_exact_at(&mut seen, address).unwrap();
        assert!(seen.iter().all(|byte| *byte == 0xa5), "it can be seen while it is there");
        drop(buffer);
        memory.read_exact_at(&mut seen, address).unwrap();
        // The allocator keeps its own notes at the start of what is free.
        assert!(seen.iter().skip(64).all(|byte| *byte == 0));
    }

    #[test]
    fn a_buffer_that_is_not_text_is_no_secret() {
        let mut buffer = WipedBuffer::with_capacity(2);
        buffer.push(&[0xff, 0xfe]).unwrap();
        assert!(buffer.to_secret().is_err());
    }
}
