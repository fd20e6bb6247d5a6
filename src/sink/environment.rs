//! The environment in which a command's SDKs find our endpoint, and nothing else. Reads no environment itself.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use super::credentials_file::ProfileFiles;
use crate::secret::Secret;
use crate::sys::environment::ChildEnvironment;

/// What would take an SDK to other credentials than ours: static keys, a profile, a role and a token of the pod's own,
/// and ECS's form of the endpoint's address, which wins over ours in every SDK.
pub(crate) const REMOVED: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/// What would take an SDK to profiles of others, where there are profiles of ours.
const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
const URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// For AWS SDK v1, as Spark 3.5 has it, which reads no file. The token opens nothing outside the pod.
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// No fallback to the node's role.
const NO_INSTANCE_METADATA: &str = "AWS_EC2_METADATA_DISABLED";

/// What says where our endpoint is.
pub(crate) const OURS: [&str; 4] = [URL, TOKEN_FILE, TOKEN, NO_INSTANCE_METADATA];

/// Clients read either, and the lower-case one first.
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Loopback in the forms in which clients compare it.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// The command's environment: what was `inherited`, with our endpoint as the only source of AWS credentials.
#[must_use]
pub fn child_environment(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    url: &str,
    token_file: &Path,
    token: &Arc<Secret>,
    profiles: Option<&ProfileFiles>,
) -> ChildEnvironment {
    let mut variables: Vec<(OsString, OsString)> = inherited.collect();
    let held = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let removed: Vec<&'static str> = REMOVED.into_iter().filter(|name| held(name).is_some()).collect();
    let filled = |name: &str| held(name).filter(|value| !value.is_empty());
    // A variable that is made here must not hide what the other one said.
    let not_proxied =
        NO_PROXY.map(|name| NO_PROXY.into_iter().fold(filled(name), |found, other| found.or(filled(other))));
    let files: &[&str] = if profiles.is_some() { &[CREDENTIALS_FILE, CONFIG_FILE] } else { &[] };
    let ours = [URL, TOKEN_FILE, TOKEN, NO_INSTANCE_METADATA];
    let replaced = |name: &OsStr| ours.iter().chain(files).chain(&REMOVED).chain(&NO_PROXY).any(|known| name == *known);
    variables.retain(|(name, _)| !replaced(name));

    variables.push((URL.into(), url.into()));
    variables.push((TOKEN_FILE.into(), token_file.into()));
    variables.push((NO_INSTANCE_METADATA.into(), "true".into()));
    if let Some(ProfileFiles { credentials, config }) = profiles {
        variables.push((CREDENTIALS_FILE.into(), credentials.into()));
        variables.push((CONFIG_FILE.into(), config.into()));
    }
    for (name, before) in NO_PROXY.into_iter().zip(not_proxied) {
        variables.push((name.into(), with_loopback(before.unwrap_or_default())));
    }
    ChildEnvironment::new(variables, vec![(TOKEN, Arc::clone(token))], removed)
}

/// A list of hosts that no proxy is asked for, with loopback in it.
fn with_loopback(mut list: OsString) -> OsString {
    let before = list.to_string_lossy().into_owned();
    // `*` means every host, but only where it stands alone.
    if before.trim() == "*" {
        return list;
    }
    for host in LOOPBACK {
        if !before.split(',').any(|known| known.trim().eq_ignore_ascii_case(host)) {
            if !list.is_empty() {
                list.push(",");
            }
            list.push(host);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(inherited: &[(&str, &str)]) -> ChildEnvironment {
        with_profiles(inherited, None)
    }

    fn with_profiles(inherited: &[(&str, &str)], profiles: Option<&ProfileFiles>) -> ChildEnvironment {
        let inherited = inherited.iter().map(|(name, value)| (name.into(), value.into()));
        let token = Arc::new(Secret::from_text("PLANTED-TOKEN"));
        child_environment(
            inherited,
            "http://127.0.0.1:7442/v1/credentials",
            Path::new("/run/sc/endpoint.token"),
            &token,
            profiles,
        )
    }

    fn value<'a>(environment: &'a ChildEnvironment, name: &str) -> Option<&'a str> {
        environment.variable(name).and_then(OsStr::to_str)
    }

    #[test]
    fn the_endpoint_is_the_only_source_of_credentials() {
        let made = environment(&[("PATH", "/bin"), ("AWS_REGION", "eu-central-1")]);
        assert_eq!(value(&made, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), Some("http://127.0.0.1:7442/v1/credentials"));
        assert_eq!(value(&made, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), Some("/run/sc/endpoint.token"));
        assert_eq!(made.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::expose), Some("PLANTED-TOKEN"));
        assert_eq!(value(&made, "AWS_EC2_METADATA_DISABLED"), Some("true"));
        assert_eq!(value(&made, "PATH"), Some("/bin"));
        assert_eq!(value(&made, "AWS_REGION"), Some("eu-central-1"));
        assert!(made.removed().is_empty());
    }

    #[test]
    fn other_sources_are_removed_and_named() {
        let planted: Vec<_> = REMOVED.iter().map(|name| (*name, "x")).collect();
        let made = environment(&planted);
        assert_eq!(made.removed(), REMOVED);
        assert!(REMOVED.iter().all(|name| made.variable(name).is_none()));
        assert_eq!(environment(&[("AWS_PROFILE", "")]).removed(), ["AWS_PROFILE"]);
    }

    #[test]
    fn values_of_another_agent_are_replaced() {
        let made = environment(&[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/elsewhere"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "elsewhere"),
            ("AWS_EC2_METADATA_DISABLED", "false"),
        ]);
        assert_eq!(value(&made, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), Some("http://127.0.0.1:7442/v1/credentials"));
        assert_eq!(value(&made, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), Some("/run/sc/endpoint.token"));
        assert_eq!(made.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"), None, "it is a secret");
        assert_eq!(value(&made, "AWS_EC2_METADATA_DISABLED"), Some("true"));
    }

    #[test]
    fn profiles_of_ours_take_the_place_of_others_and_without_them_nothing_is_touched() {
        let others = [("AWS_SHARED_CREDENTIALS_FILE", "/others"), ("AWS_CONFIG_FILE", "/theirs")];
        let ours = ProfileFiles { credentials: "/run/sc/credentials".into(), config: "/run/sc/config".into() };
        for inherited in [&others[..], &[]] {
            let made = with_profiles(inherited, Some(&ours));
            assert_eq!(value(&made, "AWS_SHARED_CREDENTIALS_FILE"), Some("/run/sc/credentials"));
            assert_eq!(value(&made, "AWS_CONFIG_FILE"), Some("/run/sc/config"));
        }
        let made = environment(&others);
        assert_eq!(others.map(|(name, _)| value(&made, name)), others.map(|(_, value)| Some(value)));
        assert_eq!(value(&environment(&[]), "AWS_SHARED_CREDENTIALS_FILE"), None);
    }

    #[test]
    fn loopback_is_added_to_what_is_not_proxied() {
        let both = |inherited: &[(&str, &str)]| {
            let made = environment(inherited);
            NO_PROXY.map(|name| value(&made, name).map(str::to_owned).unwrap_or_default())
        };
        let all = "127.0.0.1,localhost,::1";
        assert_eq!(both(&[]), [all, all]);
        assert_eq!(both(&[("NO_PROXY", "")]), [all, all]);
        assert_eq!(both(&[("NO_PROXY", ".corp")]), [format!(".corp,{all}"), format!(".corp,{all}")]);
        assert_eq!(both(&[("no_proxy", "a"), ("NO_PROXY", "b")]), [format!("a,{all}"), format!("b,{all}")]);
        assert_eq!(both(&[("no_proxy", "LOCALHOST, 127.0.0.1")])[0], "LOCALHOST, 127.0.0.1,::1");
        assert_eq!(both(&[("no_proxy", "*")]), ["*", "*"]);
    }

    #[test]
    fn no_value_is_shown() {
        let shown = format!("{:?}", environment(&[("SOMETHING", "PLANTED")]));
        assert!(!shown.contains("PLANTED"), "{shown}");
    }
}
