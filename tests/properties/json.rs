//! Property: what parses keeps its limits and its flat members survive writing and reading; any text survives both.

use safe_conduct::Secret;
use safe_conduct::codec::json::{Json, JsonLimits, JsonLine, JsonObject, JsonValue, credential_json};

const LIMITS: JsonLimits = JsonLimits { bytes: 4096, depth: 8, values: 64 };
const WIDE: JsonLimits = JsonLimits { bytes: usize::MAX, depth: 8, values: 64 };

pub fn check(data: &[u8]) {
    if let Ok(object) = JsonObject::parse(data, &LIMITS) {
        assert!(data.len() <= LIMITS.bytes && object.members().count() <= LIMITS.values);
        let mut line = JsonLine::new();
        let flat = |value: &Json| matches!(value, Json::Text(_) | Json::Integer(_) | Json::Flag(_));
        for (name, value) in object.members().filter(|(_, value)| flat(value)) {
            match value {
                Json::Text(text) => line.text(name, text),
                Json::Integer(number) => line.number(name, *number),
                Json::Flag(flag) => line.flag(name, *flag),
                _ => unreachable!("filtered above"),
            }
        }
        let again = JsonObject::parse(line.finish().as_bytes(), &WIDE).unwrap();
        assert!(again.members().eq(object.members().filter(|(_, value)| flat(value))));
        assert!(!Json::Object(object).to_string().contains(char::is_control));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let secret = Secret::from_text(text);
        let json = credential_json(&[("s", JsonValue::Secret(&secret)), ("n", JsonValue::Number(7))]);
        let again = JsonObject::parse(json.as_slice(), &WIDE).unwrap();
        assert_eq!((again.text("s"), again.integer("n")), (Ok(Some(text)), Ok(Some(7))));
    }
}
