//! Properties files: what is parsed can be written back escaped, and is then parsed to the same.

use std::fmt::Write as _;

use safe_conduct::codec::properties::parse;

/// Parses `data`, writes the result in the form that Spark writes, and parses that.
pub fn check(data: &[u8]) {
    let Ok(properties) = parse(data) else { return };
    let mut written = String::new();
    for property in &properties {
        for (text, end) in [(&property.key, '='), (&property.value, '\n')] {
            for unit in text.encode_utf16() {
                write!(written, "\\u{unit:04x}").unwrap();
            }
            written.push(end);
        }
    }
    if written.len() <= safe_conduct::codec::properties::MAX_PROPERTIES_FILE {
        assert_eq!(parse(written.as_bytes()), Ok(properties));
    }
}
