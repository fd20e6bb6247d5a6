//! Every setting, its default and its range on one screen.

/// What all settings start with.
pub const PREFIX: &str = "spark.security.oidc.";

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The key without [`PREFIX`]; a `*` stands for a name of the user's choice, without a dot if something follows.
    pub key: &'static str,
    /// What holds if it is not set.
    pub default: &'static str,
    /// What may be set: a refusal repeats this, never the value.
    pub range: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

const fn setting(key: &'static str, default: &'static str, range: &'static str, meaning: &'static str) -> Setting {
    Setting { key, default, range, meaning }
}

/// All settings. README's table is held equal to this one by a test.
pub const SETTINGS: &[Setting] = &[
    setting("identityToken.file", "required (driver)", "a path", "the identity token, read anew for each exchange"),
    setting("identityToken.issuer", "required (driver)", "1 to 2048 printable ASCII characters", "exact `iss`"),
    setting("identityToken.audience", "required (driver)", "audiences, separated by commas", "exact member of `aud`"),
    setting(
        "identityToken.algorithms",
        "all of the range",
        "some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        "signature algorithms that are accepted",
    ),
    setting("identityToken.principalClaim", "sub", "a claim's name, or a JSON pointer", "whom the token speaks for"),
    setting(
        "identityToken.requiredClaim.*",
        "none",
        "<claim or JSON pointer>=<value>",
        "a claim that must have this text value",
    ),
    setting("identityToken.type", "JWT", "JWT or at+jwt", "`typ`: `JWT` (or none), or an access token of RFC 9068"),
    setting("identityToken.authorizedParty", "none", "a text of 1 to 1024 characters", "exact `azp`"),
    setting("identityToken.clockSkew", "30s", "0s to 60s", "how far the issuer's clock may be from ours"),
    setting("identityToken.maxLifetime", "24h", "1min to 31d", "longest `exp` minus `iat`"),
    setting(
        "identityToken.pinPrincipal",
        "false",
        "true or false",
        "refuse a token of another principal than the first",
    ),
    setting(
        "identityToken.dangerouslySkipSignature",
        "false",
        "true or false",
        "check claims only: for issuers whose keys cannot be reached",
    ),
    setting("jwks.file", "OpenID discovery at the issuer", "a path", "the issuer's keys in a file"),
    setting(
        "jwks.url",
        "OpenID discovery at the issuer",
        "an https URL, or http to 127.0.0.1 or [::1]",
        "the issuer's keys at a URL",
    ),
    setting("jwks.caFile", "as aws.caFile", "a path", "roots for the issuer's certificate (PEM)"),
    setting(
        "jwks.bearerTokenFile",
        "none",
        "a path",
        "token that is sent for the keys, as a cluster's own API server wants it",
    ),
    setting("jwks.refresh", "1h", "1min to 24h", "how long keys are used before they are fetched again"),
    setting("jwks.maxStale", "24h", "1min to 7d", "how long keys are used that cannot be fetched again"),
    setting(
        "renewal.safetyMargin",
        "60s",
        "1s to 12h",
        "a credential is never renewed later than its expiry minus this",
    ),
    setting("renewal.minInterval", "30s", "1s to 12h", "shortest time between two successful renewals of a credential"),
    setting("startTimeout", "120s", "1s to 1h", "how long a start tries again what may pass"),
    setting("provider.*", "s3a, if a role is set", "aws-sts, for s3a", "who exchanges the token for this scheme"),
    setting("requireRpcEncryption", "true", "true", "Spark's key: always true here"),
    setting(
        "enabled",
        "leave it out",
        "true",
        "Spark's switch of its own feature: warned of if true, refused if false",
    ),
    setting(
        "aws.roleArn",
        "required, unless there is a target",
        "20 to 2048 printable ASCII characters",
        "the role to assume",
    ),
    setting(
        "aws.sessionName",
        "derived from the principal",
        "2 to 64 of A-Z a-z 0-9 _ + = , . @ -",
        "the session's name in CloudTrail",
    ),
    setting("aws.durationSeconds", "the role's (3600)", "900 to 43200", "life of a credential in seconds"),
    setting(
        "aws.region",
        "required without aws.stsEndpoint",
        "a region's name, such as eu-central-1",
        "whose STS is asked; beside aws.stsEndpoint only what chained requests are signed for (else what its host says, else us-east-1)",
    ),
    setting(
        "aws.stsEndpoint",
        "the region's",
        "an https URL, or http to 127.0.0.1 or [::1]",
        "an STS of one's own: MinIO, Ceph, a VPC endpoint",
    ),
    setting("aws.fips", "false", "true or false", "the region's FIPS endpoint; not beside aws.stsEndpoint"),
    setting(
        "aws.partitionDualStack",
        "false",
        "true or false",
        "the region's endpoint with IPv6 too; not beside aws.stsEndpoint",
    ),
    setting(
        "aws.fromEnvironment",
        "false",
        "true or false",
        "take what the four above leave open from AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT, and say so",
    ),
    setting(
        "aws.policyFile",
        "none",
        "a path of an IAM policy in JSON, with Version, of at most 2048 characters",
        "what the credential may do at most, whatever the role allows; of a chain, its last role. Read at start",
    ),
    setting(
        "aws.policyArns",
        "none",
        "at most 10 ARNs of managed policies, separated by commas",
        "the same by managed policies; refused where the service does not say that it knows them (MinIO)",
    ),
    setting(
        "aws.chain.*.roleArn",
        "no chain",
        "20 to 2048 printable ASCII characters; steps have the numbers 1 to 5",
        "a role that is assumed with the credential of the step before it, beginning with aws.roleArn's",
    ),
    setting(
        "aws.chain.*.externalId",
        "none",
        "2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -",
        "what the role's owner in another account wants to hear",
    ),
    setting(
        "aws.chain.*.durationSeconds",
        "the role's (3600)",
        "900 to 3600",
        "life of the step's credential in seconds; the shortest of the chain counts",
    ),
    setting(
        "aws.chain.*.sourceIdentity",
        "false",
        "true or false",
        "set the session's name as source identity too, for issuers that cannot put one into the token",
    ),
    setting(
        "aws.chain.*.tags",
        "none",
        "at most 50 KEY=VALUE, separated by commas",
        "session tags, for issuers that cannot put them into the token",
    ),
    setting(
        "aws.target.*.roleArn",
        "required for each target",
        "20 to 2048 printable ASCII characters",
        "the role of a named target: a credential of its own beside the unnamed one",
    ),
    setting(
        "aws.target.*.sessionName",
        "derived from the principal",
        "2 to 64 of A-Z a-z 0-9 _ + = , . @ -",
        "as aws.sessionName, for this target",
    ),
    setting(
        "aws.target.*.durationSeconds",
        "the role's (3600)",
        "900 to 43200",
        "as aws.durationSeconds, for this target",
    ),
    setting("aws.target.*.policyFile", "none", "as aws.policyFile", "as aws.policyFile, for this target"),
    setting("aws.target.*.policyArns", "none", "as aws.policyArns", "as aws.policyArns, for this target"),
    setting(
        "aws.target.*.chain.*.roleArn",
        "no chain",
        "as aws.chain.*.roleArn",
        "as aws.chain.*.roleArn, for this target",
    ),
    setting(
        "aws.target.*.chain.*.externalId",
        "none",
        "as aws.chain.*.externalId",
        "as aws.chain.*.externalId, for this target",
    ),
    setting(
        "aws.target.*.chain.*.durationSeconds",
        "the role's (3600)",
        "900 to 3600",
        "as aws.chain.*.durationSeconds, for this target",
    ),
    setting(
        "aws.target.*.chain.*.sourceIdentity",
        "false",
        "true or false",
        "as aws.chain.*.sourceIdentity, for this target",
    ),
    setting("aws.target.*.chain.*.tags", "none", "as aws.chain.*.tags", "as aws.chain.*.tags, for this target"),
    setting(
        "aws.target.*.region",
        "aws.region",
        "a region's name, such as eu-central-1",
        "region in the target's profile (sink.credentialsFile), on driver and executors; not whose STS is asked",
    ),
    setting(
        "aws.caFile",
        "the system's bundle, else Mozilla's roots",
        "a path",
        "roots for the STS's certificate (PEM)",
    ),
    setting(
        "distribution.listen",
        "[::]:7443, else 0.0.0.0:7443",
        "address:port",
        "where the driver answers executors",
    ),
    setting("distribution.driver", "host of SPARK_DRIVER_URL, port 7443", "host:port", "where an executor asks"),
    setting(
        "distribution.keyFile",
        "one of the three ways is required",
        "a path",
        "key files: one of the two files that `safe-conduct keys new` wrote",
    ),
    setting("distribution.tls.caFile", "none", "a path", "certificates: who vouches for the other side (PEM)"),
    setting(
        "distribution.tls.certFile",
        "none",
        "a path",
        "certificates: this side's own, then those that lead to its authority (PEM)",
    ),
    setting("distribution.tls.keyFile", "none", "a path", "certificates: the private key of certFile (PEM)"),
    setting(
        "distribution.tls.peerName",
        "none",
        "a DNS name",
        "certificates: the name that the other side's certificate must be for, no wildcard",
    ),
    setting(
        "distribution.executorToken.file",
        "none",
        "a path",
        "executors' tokens: the executor's projected service account token, read anew for each ask",
    ),
    setting(
        "distribution.executorToken.issuer",
        "none",
        "1 to 2048 printable ASCII characters",
        "executors' tokens, on the driver as all below: exact `iss`; keys as for jwks.*, if it is identityToken.issuer too, else by discovery",
    ),
    setting(
        "distribution.executorToken.audience",
        "none",
        "an audience that is not one of identityToken.audience",
        "executors' tokens: exact member of `aud`",
    ),
    setting(
        "distribution.executorToken.namespace",
        "none",
        "1 to 253 of a-z 0-9 . -",
        "executors' tokens: exact `/kubernetes.io/namespace`",
    ),
    setting(
        "distribution.executorToken.serviceAccount",
        "none",
        "1 to 253 of a-z 0-9 . -",
        "executors' tokens: exact `/kubernetes.io/serviceaccount/name`",
    ),
    setting(
        "distribution.executorToken.podPrefix",
        "any pod of that service account",
        "1 to 253 of a-z 0-9 . -, ending in -",
        "executors' tokens: what `/kubernetes.io/pod/name` begins with, such as etl-1-exec-",
    ),
    setting("distribution.pollInterval", "60s", "5s to 10min", "longest time between two asks"),
    setting("endpoint.listen", "127.0.0.1:0", "a loopback address and a port", "where SDKs ask for credentials"),
    setting(
        "endpoint.tokenFile",
        "made anew in endpoint.directory",
        "a path",
        "an existing endpoint token, from a per-job Secret",
    ),
    setting(
        "endpoint.directory",
        "$XDG_RUNTIME_DIR/safe-conduct, else a fresh one under the temporary directory",
        "a path",
        "where the endpoint's token and URL are written",
    ),
    setting(
        "sink.credentialsFile",
        "false",
        "true, process or false",
        "also write named targets as profiles into `aws-credentials` and `aws-config` in endpoint.directory: with keys, or with a command that prints them, so that clients renew",
    ),
    setting("audit.file", "standard error", "a path", "one JSON line for each event"),
    setting("status.listen", "off", "address:port", "where /livez, /readyz and /metrics are answered, to anybody"),
];

/// Keys of Spark proposals that never became settings here, and what to use instead.
pub(super) const OTHER_PROPOSALS: &[(&str, &str)] = &[
    ("spark.kubernetes.oidc.", "spark.security.oidc.identityToken.file"),
    ("spark.security.credentials.enabled", "no switch: starting safe-conduct is enough"),
];

/// The setting that `key`, without the prefix, is an instance of.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| is_instance(key, setting.key))
}

/// A `*` at the end stands for anything, one before a dot for one name without a dot.
fn is_instance(key: &str, form: &str) -> bool {
    let Some((stem, behind)) = form.split_once('*') else { return key == form };
    let Some(rest) = key.strip_prefix(stem) else { return false };
    if behind.is_empty() {
        return !rest.is_empty();
    }
    let (name, rest) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    !name.is_empty() && is_instance(rest, behind)
}

/// The known key with the fewest changed characters, for the person who mistyped one.
pub(super) fn nearest(key: &str) -> &'static str {
    let distances = SETTINGS.iter().map(|setting| (edits(key, setting.key), setting.key));
    distances.min().map_or("", |(_, key)| key)
}

/// Levenshtein's distance, without regard to case.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, c) in from.to_lowercase().chars().enumerate() {
        let mut diagonal = above;
        let mut left = above.saturating_add(1);
        for (cell, other) in row.iter_mut().skip(1).zip(&to) {
            let cost = usize::from(c != *other);
            let best = diagonal.saturating_add(cost).min(cell.saturating_add(1)).min(left.saturating_add(1));
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = above.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        assert_eq!(nearest("aws.rolearn"), "aws.roleArn");
        assert_eq!(nearest("identityToken.audiences"), "identityToken.audience");
        assert_eq!(nearest("jwksFile"), "jwks.file");
        assert_eq!(nearest("distribution.keyfiel"), "distribution.keyFile");
    }

    // Golden values: the textbook's examples.
    #[test]
    fn edits_counts_insertions_deletions_and_replacements() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("saturday", "sunday"), 3);
    }

    #[test]
    fn a_starred_key_needs_a_name() {
        assert!(find("provider.s3a").is_some());
        assert!(find("provider.").is_none());
        assert!(find("identityToken.requiredClaim.namespace").is_some());
        for (key, form) in [("a.1.b", "a.*.b"), ("a.1.b.2.c", "a.*.b.*.c"), ("a.1.b.2.3", "a.*.b.*")] {
            assert!(is_instance(key, form), "{key}");
        }
        for (key, form) in
            [("a.1.2.b", "a.*.b"), ("a..b", "a.*.b"), ("a.b", "a.*.b"), ("a.1.b.c", "a.*.b"), ("a.1", "a.*.b")]
        {
            assert!(!is_instance(key, form), "{key}");
        }
        assert!(find("aws.target.logs.roleArn").is_some());
        for key in ["aws.target.roleArn", "aws.target..roleArn", "aws.target.a.b.roleArn", "aws.target.logs.rolearn"] {
            assert!(find(key).is_none(), "{key}");
        }
    }
}
