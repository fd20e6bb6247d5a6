//! Property of `codec::sts_xml`: what parses has the form that is promised, prints back, and parses to the same.

use safe_conduct::codec::sts_xml::{
    Action, AssumedRole, CallerAnswer, StsAnswer, parse_assume_role_answer, parse_caller_identity_answer,
};

/// Parses `data`; an answer is written anew in its shortest form and must read as the same.
pub fn check(data: &[u8]) {
    caller(data);
    for action in [Action::AssumeRoleWithWebIdentity, Action::AssumeRole] {
        credential(data, action);
    }
}

fn credential(data: &[u8], action: Action) {
    let parse = |bytes: &[u8]| parse_assume_role_answer(bytes, action);
    match parse(data) {
        Err(_) => {}
        Ok(StsAnswer::Error(error)) => {
            assert!((1..=64).contains(&error.code.len()));
            let id = error.request_id.as_ref().map_or(String::new(), |id| format!("<RequestId>{id}</RequestId>"));
            let again = parse(format!("<Error><Code>{}</Code>{id}</Error>", error.code).as_bytes());
            let Ok(StsAnswer::Error(again)) = again else { panic!("{again:?}") };
            assert_eq!((again.code, again.request_id), (error.code, error.request_id));
        }
        Ok(StsAnswer::Credentials(role)) => {
            assert!(role.secret_access_key.expose().len() + role.session_token.expose().len() <= data.len());
            let Ok(StsAnswer::Credentials(again)) = parse(printed(&role, action).as_bytes()) else {
                panic!("not read back")
            };
            assert_eq!(printed(&again, action), printed(&role, action));
            assert!(again.session_token.matches(role.session_token.expose().as_bytes()));
        }
    }
}

/// The same for the other action. Whatever it says of a caller can be shown on one line.
fn caller(data: &[u8]) {
    let Ok(CallerAnswer::Identity(caller)) = parse_caller_identity_answer(data) else { return };
    let shown = [&caller.account, &caller.arn, &caller.user_id];
    assert!(shown.iter().all(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())));
    let [account, arn, id] = shown.map(|text| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    let inner = format!("<Account>{account}</Account><Arn>{arn}</Arn><UserId>{id}</UserId>");
    let action = Action::GetCallerIdentity.name();
    let again = format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>");
    assert_eq!(parse_caller_identity_answer(again.as_bytes()), Ok(CallerAnswer::Identity(caller)));
}

fn printed(role: &AssumedRole, action: Action) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let element = |name: &str, text: &str| format!("<{name}>{}</{name}>", escaped(text));
    let secret = element("SecretAccessKey", role.secret_access_key.expose());
    let token = element("SessionToken", role.session_token.expose());
    let id = element("AccessKeyId", &role.access_key_id);
    let expiration = element("Expiration", &role.expiration.to_string());
    let subject = element("SubjectFromWebIdentityToken", role.subject.as_deref().unwrap_or(""));
    let inner = format!("<Credentials>{id}{secret}{token}{expiration}</Credentials>{subject}");
    let action = action.name();
    format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>")
}
