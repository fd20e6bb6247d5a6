//! Answers of an STS as bytes: the strict XML profile, rule by rule, and each limit at N and N + 1.
//! What the provider makes of them is in tests/unit/exchange.rs.

use safe_conduct::codec::sts_xml::{
    Action, AssumedRole, MAX_ANSWER, MAX_DEPTH, MAX_ELEMENTS, MAX_NAME, MAX_TEXT, Says, ServiceError, StsAnswer,
    XmlError, parse_assume_role_answer,
};

const XMLNS: &str = " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"";

fn parse(bytes: impl AsRef<[u8]>) -> Result<StsAnswer, XmlError> {
    parse_assume_role_answer(bytes.as_ref(), Action::AssumeRoleWithWebIdentity)
}

fn rejected(bytes: impl AsRef<[u8]>) -> XmlError {
    parse(bytes).map(|_| "accepted").unwrap_err()
}

fn credentials(bytes: impl AsRef<[u8]>) -> AssumedRole {
    match parse(bytes).unwrap() {
        StsAnswer::Credentials(role) => *role,
        other => panic!("{other:?}"),
    }
}

fn error(bytes: impl AsRef<[u8]>) -> ServiceError {
    match parse(bytes).unwrap() {
        StsAnswer::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

/// A whole answer with `extra` in its result and these values.
fn with(id: &str, secret: &str, token: &str, expiration: &str, extra: &str) -> String {
    format!(
        "<AssumeRoleWithWebIdentityResponse{XMLNS}><AssumeRoleWithWebIdentityResult><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials>{extra}</AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>"
    )
}

fn answer(extra: &str) -> String {
    with("ASIAMADEUPMADEUP0001", "secret", "token", "2026-11-22T20:00:00Z", extra)
}

#[test]
fn the_forms_of_four_servers_are_read() {
    let aws = credentials(include_bytes!("../fuzz/corpus/sts_xml/aws.xml"));
    assert_eq!(aws.access_key_id, "ASIAMADEUPMADEUP0001");
    assert_eq!(aws.expiration.to_string(), "2026-11-22T20:00:00Z");
    assert_eq!(aws.subject.as_deref(), Some("system:serviceaccount:spark:driver"));
    assert_eq!(aws.provider.as_deref(), Some("arn:aws:iam::123456789012:oidc-provider/issuer.example"));
    assert_eq!(aws.assumed_role_arn.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/spark/driver-1"));
    assert_eq!(aws.request_id.as_deref(), Some("ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE"));
    assert_eq!(aws.packed_policy_size, Some(81));
    let minio = credentials(include_bytes!("../fuzz/corpus/sts_xml/minio.xml"));
    assert_eq!((minio.assumed_role_arn, minio.provider, minio.packed_policy_size), (None, None, None));
    let moto = credentials(include_bytes!("../fuzz/corpus/sts_xml/moto.xml"));
    assert_eq!(moto.expiration.to_string(), "2026-11-22T20:07:35Z");
    let ceph = credentials(include_bytes!("../fuzz/corpus/sts_xml/ceph.xml"));
    assert_eq!(ceph.session_token.expose(), "made&up=");
    assert_eq!((ceph.expiration.to_string().as_str(), ceph.request_id), ("2026-11-23T01:02:03Z", None));
}

#[test]
fn errors_of_three_servers_are_read_without_their_messages() {
    let aws = error(include_bytes!("../fuzz/corpus/sts_xml/aws-error.xml"));
    assert_eq!((aws.code.as_str(), aws.says), ("InvalidIdentityToken", Some(Says::VerificationKey)));
    let minio = error(include_bytes!("../fuzz/corpus/sts_xml/minio-error.xml"));
    assert_eq!((minio.code.as_str(), minio.says), ("InvalidParameterValue", Some(Says::TokenExpired)));
    let ceph = error(include_bytes!("../fuzz/corpus/sts_xml/ceph-error.xml"));
    assert_eq!((ceph.code.as_str(), ceph.request_id.as_deref()), ("AccessDenied", Some("tx-1")));
}

#[test]
fn bad_inputs_240_241_268_269_only_utf_8_with_legal_characters_is_read() {
    assert_eq!(rejected(b"<Error><Code>\xff</Code></Error>"), XmlError::NotUtf8);
    assert_eq!(rejected(include_bytes!("../fuzz/corpus/sts_xml/bad-utf16.xml")), XmlError::NotUtf8);
    assert_eq!(error("\u{feff}<Error><Code>A</Code></Error>").code, "A");
    for c in ['\0', '\u{5}', '\u{b}', '\u{1b}', '\u{1f}', '\u{fffe}', '\u{ffff}', '\u{feff}'] {
        assert_eq!(rejected(format!("<Error><Code>A{c}</Code></Error>")), XmlError::Character, "{c:?}");
    }
    assert_eq!(rejected("\u{feff}\u{feff}<Error><Code>A</Code></Error>"), XmlError::Character);
    for declaration in [
        "<?xml version=\"1.1\"?>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
        "<?xml version=\"1.0\"encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" standalone=\"YES\"?>",
        " <?xml version=\"1.0\"?>",
        "<?xml version=\"1.0\"?><?xml version=\"1.0\"?>",
    ] {
        let document = format!("{declaration}<Error><Code>A</Code></Error>");
        assert_eq!(rejected(document), XmlError::Declaration, "{declaration}");
    }
    assert_eq!(rejected("<Error><?xml version=\"1.0\"?><Code>A</Code></Error>"), XmlError::Declaration);
}

#[test]
fn bad_inputs_242_to_249_doctype_instruction_comment_and_cdata_are_refused_before_they_mean_anything() {
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">]>";
    for doctype in [
        "<!DOCTYPE Error>",
        laughs,
        "<!DOCTYPE Error [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE Error [<!ENTITY x SYSTEM \"http://127.0.0.1/x\">]>",
        "<!DOCTYPE Error [<!ENTITY % x SYSTEM \"http://127.0.0.1/x\"> %x;]>",
        "<!doctype html>",
    ] {
        let document = format!("{doctype}<Error><Code>&lol2;</Code></Error>");
        assert_eq!(rejected(document), XmlError::Forbidden { what: "a DOCTYPE" }, "{doctype}");
    }
    let inside = |text: &str| rejected(with("ASIAMADEUP", text, "t", "2026-11-22T20:00:00Z", ""));
    assert_eq!(
        rejected(with(&format!("ASIA{}UP", "<!-- -->"), "s", "t", "", "")),
        XmlError::Forbidden { what: "a comment" }
    );
    assert_eq!(
        rejected("<?xml-stylesheet href='x'?><Error/>"),
        XmlError::Forbidden { what: "a processing instruction" }
    );
    // `]]>` is looked for first; a section that never ends is no XML.
    assert_eq!(inside("<![CDATA[x]]>"), XmlError::Syntax);
    assert_eq!(rejected("<Error><Code><![CDATA[x</Code></Error>"), XmlError::Syntax);
    assert_eq!(rejected("<Error><Code>a]]></Code></Error>"), XmlError::Syntax);
}

#[test]
fn bad_inputs_250_251_only_predefined_entities_and_legal_characters_are_resolved() {
    let role = credentials(with(
        "ASIAMADEUPMADEUP0001",
        "&lt;&gt;&amp;&apos;&quot;",
        "&#65;&#x42;",
        "2026-11-22T20:00:00Z",
        "",
    ));
    assert_eq!((role.secret_access_key.expose(), role.session_token.expose()), ("<>&'\"", "AB"));
    for reference in
        ["&nbsp;", "&x;", "&#0;", "&#5;", "&#xD800;", "&#x110000;", "&#xFFFE;", "&#;", "&#x;", "&#+65;", "&#65x;", "&;"]
    {
        let error = rejected(format!("<Error><Code>A{reference}</Code></Error>"));
        assert_eq!(error, XmlError::Reference, "{reference}");
    }
    for lone in ["&", "& ", "&amp", "&#65"] {
        assert!(matches!(rejected(format!("<Error><Code>A{lone}</Code></Error>")), XmlError::Syntax), "{lone}");
    }
}

#[test]
fn bad_inputs_252_to_255_there_is_one_root_and_every_tag_is_closed_in_its_turn() {
    let good = "<Error><Code>A</Code></Error>";
    assert_eq!(error(format!(" \r\n{good}\n")).code, "A");
    for document in [
        format!("{good}{good}"),
        format!("{good}<x/>"),
        format!("x{good}"),
        format!("{good}x"),
        format!("&lt;{good}"),
        "{\"Error\":{\"Code\":\"A\"}}".to_owned(),
        "Client sent an HTTP request to an HTTPS server.".to_owned(),
    ] {
        assert_eq!(rejected(&document), XmlError::OutsideRoot, "{document}");
    }
    assert_eq!(rejected("<Error><Code>A</Code>"), XmlError::Unclosed);
    assert_eq!(rejected("<Error><Code>A"), XmlError::Unclosed);
    for document in ["<Error><Code>A</Cod></Error>", "<Error><Code>A</Error></Code>", "</Error>", "<Error", "<"] {
        assert_eq!(rejected(document), XmlError::Syntax, "{document}");
    }
    for document in ["", " ", "<ListAllMyBucketsResult/>", "<error/>", "<AssumeRoleResponse/>", "<Response/>"] {
        assert_eq!(rejected(document), XmlError::Root, "{document}");
    }
}

#[test]
fn bad_inputs_256_257_258_261_the_only_attribute_is_the_namespace_of_sts_on_the_root() {
    assert_eq!(error(format!("<Error{XMLNS}><Code>A</Code></Error>")).code, "A");
    assert_eq!(error(format!("<Error{} ><Code>A</Code></Error>", XMLNS.replace('"', "'"))).code, "A");
    let root = |attributes: &str| rejected(format!("<Error {attributes}><Code>A</Code></Error>"));
    for other in ["xmlns=\"\"", "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", &format!("{XMLNS}{XMLNS}")[1..]] {
        assert_eq!(root(other), XmlError::Namespace, "{other}");
    }
    assert_eq!(root("a=\"b\""), XmlError::Attribute);
    assert_eq!(root("xmlns:s=\"https://sts.amazonaws.com/doc/2011-06-15/\""), XmlError::Attribute);
    assert_eq!(root(&"a=\"\" ".repeat(40_000)), XmlError::Attribute);
    assert!(matches!(root(&"a=\"\" ".repeat(80_000)), XmlError::TooLong { .. }));
    let spaces: String = (0..10_000).map(|n| format!("xmlns:a{n}=\"b\" ")).collect();
    assert_eq!(root(&spaces), XmlError::Attribute);
    assert_eq!(rejected(format!("<Error><Code{XMLNS}>A</Code></Error>")), XmlError::Attribute);
    for name in ["s:Error", "Err\u{f6}r", "_Error", "1"] {
        assert_eq!(rejected(format!("<{name}><Code>A</Code></{name}>")), XmlError::Name, "{name}");
    }
}

#[test]
fn bad_inputs_259_260_each_limit_holds_at_n_and_not_at_n_plus_1() {
    let padded = |length: usize| {
        let document = "<Error><Code>A</Code></Error>";
        format!("{document}{}", " ".repeat(length - document.len()))
    };
    assert_eq!(error(padded(MAX_ANSWER)).code, "A");
    assert_eq!(rejected(padded(MAX_ANSWER + 1)), XmlError::TooLong { length: MAX_ANSWER + 1 });

    let nested =
        |depth: usize| format!("<Error><Code>A</Code>{}{}</Error>", "<x>".repeat(depth - 1), "</x>".repeat(depth - 1));
    assert_eq!(error(nested(MAX_DEPTH)).code, "A");
    assert_eq!(rejected(nested(MAX_DEPTH + 1)), XmlError::TooDeep);
    assert_eq!(rejected("<Error>".repeat(10_000)), XmlError::TooDeep);
    assert_eq!(rejected("<Error>".repeat(100_000)), XmlError::TooLong { length: 700_000 });

    let wide = |count: usize| format!("<Error><Code>A</Code>{}</Error>", "<x/>".repeat(count - 2));
    assert_eq!(error(wide(MAX_ELEMENTS)).code, "A");
    assert_eq!(rejected(wide(MAX_ELEMENTS + 1)), XmlError::TooManyElements);

    let named = |length: usize| format!("<Error><Code>A</Code><{}/></Error>", "x".repeat(length));
    assert_eq!(error(named(MAX_NAME)).code, "A");
    assert_eq!(rejected(named(MAX_NAME + 1)), XmlError::Name);

    let token = |length: usize| with("ASIAMADEUPMADEUP0001", "s", &"t".repeat(length), "2026-11-22T20:00:00Z", "");
    assert_eq!(credentials(token(MAX_TEXT)).session_token.expose().len(), MAX_TEXT);
    assert_eq!(rejected(token(MAX_TEXT + 1)), XmlError::TextTooLong);
    let in_two = format!("{}&amp;", "t".repeat(MAX_TEXT));
    assert_eq!(rejected(with("ASIAMADEUPMADEUP0001", "s", &in_two, "", "")), XmlError::TextTooLong);
}

#[test]
fn a_message_that_is_too_long_does_not_hide_the_code() {
    let message = "x".repeat(MAX_TEXT + 1);
    assert_eq!(error(format!("<Error><Message>{message}</Message><Code>A</Code></Error>")).code, "A");
}

#[test]
fn bad_inputs_262_to_265_values_are_bound_by_their_whole_path_and_stand_there_once() {
    for (extra, element) in [
        ("<Credentials/>", "Credentials"),
        ("<Provider>a</Provider><Provider>b</Provider>", "Provider"),
        ("<AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><AssumedRoleUser/>", "AssumedRoleUser"),
    ] {
        assert_eq!(rejected(answer(extra)), XmlError::Duplicate { element });
    }
    let twice = answer("").replace("<SecretAccessKey>", "<SecretAccessKey>x</SecretAccessKey><SecretAccessKey>");
    assert_eq!(rejected(twice), XmlError::Duplicate { element: "SecretAccessKey" });
    for element in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
        let missing = XmlError::Missing { element };
        let other_case = answer("").replace(element, &element.to_lowercase());
        assert_eq!(rejected(other_case), missing);
    }
    for (id, secret, token) in [("ASIAMADEUPMADEUP0001", "", "t"), ("ASIAMADEUPMADEUP0001", "s", "")] {
        let element = if secret.is_empty() { "SecretAccessKey" } else { "SessionToken" };
        let empty = with(id, secret, token, "2026-11-22T20:00:00Z", "");
        assert_eq!(rejected(empty), XmlError::Missing { element });
    }
    let elsewhere = answer("").replace("AssumeRoleWithWebIdentityResult", "AssumeRoleResult");
    assert_eq!(rejected(elsewhere), XmlError::Missing { element: "AccessKeyId" });
    let under_error = format!("<Error>{}</Error>", answer("").replace(XMLNS, ""));
    assert_eq!(rejected(under_error), XmlError::Missing { element: "Code" });
    let decoy = "<Other><Credentials><SecretAccessKey>other</SecretAccessKey></Credentials></Other>";
    assert_eq!(credentials(answer(decoy)).secret_access_key.expose(), "secret");
    assert_eq!(rejected("<Error>x<Code>A</Code></Error>"), XmlError::Mixed);
    assert_eq!(rejected("<Error><Code>A</Code>x</Error>"), XmlError::Mixed);
    assert_eq!(rejected("<Error><Code>A<b/></Code></Error>"), XmlError::Mixed);
}

#[test]
fn bad_inputs_266_267_values_have_the_form_that_sts_gives_them() {
    let id = |id: &str| parse(with(id, "s", "t", "2026-11-22T20:00:00Z", "")).map(|_| ());
    let wrong = Err(XmlError::Value { element: "AccessKeyId" });
    assert_eq!(id(&"A".repeat(15)), wrong);
    assert_eq!(id(&"A".repeat(16)), Ok(()));
    assert_eq!(id(&"A".repeat(128)), Ok(()));
    assert_eq!(id(&"A".repeat(129)), wrong);
    for text in ["ASIA MADEUPMADEUP", " ASIAMADEUPMADEUP0001", "ASIAMADEUPMADEUP-001", "ASIAMADEUPMADEUP\u{e9}"] {
        assert_eq!(id(text), wrong, "{text}");
    }
    for text in ["s s", "s\n", "s\u{e9}", "\u{7f}"] {
        let document = with("ASIAMADEUPMADEUP0001", text, "t", "2026-11-22T20:00:00Z", "");
        assert_eq!(rejected(document), XmlError::Value { element: "SecretAccessKey" }, "{text:?}");
        let document = with("ASIAMADEUPMADEUP0001", "s", text, "2026-11-22T20:00:00Z", "");
        assert_eq!(rejected(document), XmlError::Value { element: "SessionToken" }, "{text:?}");
    }
    for text in ["soon", "", "2026-11-22T20:00:00", "10000-01-01T00:00:00Z", "1795378259", " 2026-11-22T20:00:00Z"] {
        let document = with("ASIAMADEUPMADEUP0001", "s", "t", text, "");
        assert_eq!(rejected(document), XmlError::Value { element: "Expiration" }, "{text}");
    }
    assert_eq!(
        rejected(answer("<PackedPolicySize>x</PackedPolicySize>")),
        XmlError::Value { element: "PackedPolicySize" }
    );
    let code = |code: &str| parse(format!("<Error><Code>{code}</Code></Error>")).map(|_| ());
    assert_eq!(code(&"A".repeat(64)), Ok(()));
    for text in [&"A".repeat(65), "", "a b", "a\u{1f600}"] {
        assert_eq!(code(text), Err(XmlError::Value { element: "Code" }), "{text}");
    }
}
