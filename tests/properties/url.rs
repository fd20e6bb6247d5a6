//! URLs: what is accepted is plain, prints as it was, and goes without encryption to loopback only.

use safe_conduct::codec::url::ServiceUrl;

/// Checks the invariants of an accepted URL.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = ServiceUrl::new(text) else { return };
    assert_eq!(url.as_str(), text);
    assert_eq!(ServiceUrl::new(url.as_str()), Ok(url.clone()));
    assert!(text.starts_with("https://") || url.is_loopback());
    assert!(!text.contains(['@', '?', '#', '\\', ' ']) && text.is_ascii());
    let (_, after) = text.split_once("://").unwrap();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let authority = format!("{}{port}", url.host());
    assert!(after == authority || after.starts_with(&format!("{authority}/")));
}
