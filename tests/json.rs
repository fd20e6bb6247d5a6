//! The strict JSON reader and the wiped JSON writer, rule by rule.

use safe_conduct::Secret;
use safe_conduct::codec::json::{
    Json, JsonError, JsonLimits, JsonLine, JsonObject, JsonValue, OtherType, credential_json,
};

const LIMITS: JsonLimits = JsonLimits { bytes: 200, depth: 3, values: 6 };

fn error(text: &str) -> JsonError {
    JsonObject::parse(text.as_bytes(), &LIMITS).unwrap_err()
}

#[test]
fn absent_present_and_of_another_type_are_three_states() {
    let text = r#"{"t":"x","n":7,"none":null,"l":[1],"f":1.0}"#;
    let object = JsonObject::parse(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!((object.text("t"), object.text("absent"), object.text("n")), (Ok(Some("x")), Ok(None), Err(OtherType)));
    assert_eq!(object.text("none"), Err(OtherType));
    assert_eq!((object.integer("n"), object.integer("absent")), (Ok(Some(7)), Ok(None)));
    assert_eq!((object.integer("t"), object.integer("f")), (Err(OtherType), Err(OtherType)));
    assert_eq!((object.list("l"), object.list("t")), (Ok(Some(&[Json::Integer(1)][..])), Err(OtherType)));
}

#[test]
fn only_a_plain_integer_is_one() {
    for number in ["-1", "-0", "1.0", "1e3", "1.7e9", "18446744073709551616", "100000000000000000000"] {
        let object = JsonObject::parse(format!("{{\"n\":{number}}}").as_bytes(), &LIMITS).unwrap();
        assert_eq!(object.integer("n"), Err(OtherType), "{number}");
    }
    for number in ["1e400", "NaN", "Infinity", "01", "+1", "0x1"] {
        assert!(matches!(error(&format!("{{\"n\":{number}}}")), JsonError::Syntax { .. }), "{number}");
    }
    let object = JsonObject::parse(br#"{"n":18446744073709551615}"#, &LIMITS).unwrap();
    assert_eq!(object.integer("n"), Ok(Some(u64::MAX)));
}

#[test]
fn a_duplicate_name_is_refused_at_every_depth_and_however_it_is_written() {
    assert_eq!(error(r#"{"a":1,"a":1}"#), JsonError::Duplicate);
    assert_eq!(error(r#"{"alg":1,"\u0061lg":1}"#), JsonError::Duplicate);
    assert_eq!(error(r#"{"x":{"a":1,"a":1}}"#), JsonError::Duplicate);
    assert_eq!(error(r#"{"x":[{"a":1,"a":1}]}"#), JsonError::Duplicate);
}

#[test]
fn anything_but_one_object_is_refused() {
    for text in [r#"["RS256","k"]"#, "\"x\"", "1", "null", "true", "[]"] {
        assert_eq!(error(text), JsonError::NotAnObject, "{text}");
    }
    for text in ["", " ", "{", "{\"a\"}", "{\"a\":\"\u{1}\"}", "{'a':1}", "{\"a\":1,}"] {
        assert!(matches!(error(text), JsonError::Syntax { .. }), "{text}");
    }
    assert_eq!(error("{} {}"), JsonError::Trailing);
    assert_eq!(error("{}\0"), JsonError::Trailing);
    assert_eq!(error("\u{feff}{}"), JsonError::ByteOrderMark);
    assert_eq!(JsonObject::parse(b"{\"\xff\":1}", &LIMITS), Err(JsonError::NotUtf8 { position: 2 }));
}

#[test]
fn each_limit_holds_at_n_and_refuses_n_plus_1() {
    let text = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    assert!(JsonObject::parse(text(200).as_bytes(), &LIMITS).is_ok());
    assert_eq!(error(&text(201)), JsonError::TooLong { most: 200 });
    assert!(JsonObject::parse(br#"{"a":[[1]]}"#, &LIMITS).is_ok());
    assert_eq!(error(r#"{"a":[[[]]]}"#), JsonError::TooDeep { most: 3 });
    assert_eq!(error(r#"{"a":{"b":{"c":{}}}}"#), JsonError::TooDeep { most: 3 });
    assert!(JsonObject::parse(br#"{"a":[1,2,3,4,5]}"#, &LIMITS).is_ok());
    assert_eq!(error(r#"{"a":[1,2,3,4,5,6]}"#), JsonError::TooManyValues { most: 6 });
    assert_eq!(error(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}"#), JsonError::TooManyValues { most: 6 });
    let deepest = JsonLimits { depth: 100, values: 200, bytes: 1000 };
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(JsonObject::parse(nested(100).as_bytes(), &deepest).is_ok());
    assert_eq!(JsonObject::parse(nested(101).as_bytes(), &deepest), Err(JsonError::TooDeep { most: 100 }));
}

#[test]
fn no_error_repeats_a_value() {
    for text in [r#"{"a":"PLANTED""#, r#"["PLANTED"]"#, r#""PLANTED""#, r#"{"PLANTED":1,"PLANTED":1}"#, "PLANTED"] {
        let error = error(text);
        assert!(!format!("{error} {error:?}").contains("PLANTED"), "{text}");
    }
}

#[test]
fn a_value_prints_on_one_line_without_control_characters() {
    let text = "{\"a\":[\"x\\n\\u001b[31m\\u202e\",null,true]}";
    let object = JsonObject::parse(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(Json::Object(object).to_string(), r#"{"a":["x\n\u{1b}[31m\u{202e}",null,true]}"#);
}

// Written by hand after RFC 8259, section 7.
#[test]
fn a_credential_is_written_with_its_escapes_and_in_order() {
    let secret = Secret::from_text("a\"b\\c/\n\u{1}\u{e9}");
    let json = credential_json(&[
        ("Version", JsonValue::Number(u64::MAX)),
        ("Secret", JsonValue::Secret(&secret)),
        ("AccountId", JsonValue::Text("1")),
    ]);
    let expected = "{\"Version\":18446744073709551615,\"Secret\":\"a\\\"b\\\\c/\\n\\u0001\u{e9}\",\"AccountId\":\"1\"}";
    assert_eq!(std::str::from_utf8(json.as_slice()), Ok(expected));
    assert_eq!(credential_json(&[]).as_slice(), b"{}");
}

#[test]
fn the_worst_case_fits_its_buffer() {
    let worst = "\u{1f}".repeat(1000);
    let json = credential_json(&[(&worst, JsonValue::Text(&worst)), (&worst, JsonValue::Number(u64::MAX))]);
    // Three texts of 1,000 six-character escapes in quotation marks, 20 digits, and `{`, `:`, `,`, `:`, `}`.
    assert_eq!(json.as_slice().len(), 3 * 6002 + 20 + 5);
    assert_eq!(json.as_slice().last(), Some(&b'}'));
}

#[test]
fn half_of_a_surrogate_pair_is_no_character_and_a_whole_one_is() {
    for lone in
        [r"\ud800", r"\udc00", r"\ud800\ud800", r"\uD83D x \uDE00", r"\ude00\ud83d", r"\ud83d\u0041", r"\\\ud800"]
    {
        assert_eq!(error(&format!("{{\"a\":\"{lone}\"}}")), JsonError::LoneSurrogate, "{lone}");
    }
    for fine in [r"\ud83d\ude00", r"\uD83D\uDE00\ud83d\ude00", r"\\ud800", r"\u0041"] {
        let (whole, cut) = (format!("{{\"a\":\"{fine}\"}}"), format!("{{\"a\":\"{fine}\""));
        assert!(JsonObject::parse(whole.as_bytes(), &LIMITS).is_ok(), "{fine}");
        assert!(matches!(error(&cut), JsonError::Syntax { .. }), "{cut}");
    }
}

#[test]
fn a_line_of_json_holds_texts_numbers_flags_and_a_list_of_lines() {
    let step = |name: &str| {
        let mut line = JsonLine::default();
        line.text("step", name);
        line
    };
    let mut line = step("a\n\"b\"");
    line.number("n", u64::MAX);
    line.flag("good", false);
    line.objects("none", std::iter::empty());
    line.objects("via", ["one", "two"].map(step).into_iter());
    let expected =
        r#"{"step":"a\n\"b\"","n":18446744073709551615,"good":false,"none":[],"via":[{"step":"one"},{"step":"two"}]}"#;
    assert_eq!(line.finish(), expected);
}
