//! What to do about each refusal of a service.

use crate::error::{Facts, Fault, Retry};

pub(super) const EXPIRED_TOKEN: Facts = Facts::new(
    "STS_EXPIRED_TOKEN",
    Fault::Identity,
    Retry::OnNewToken,
    "Mount a projected token, which kubelet rotates, and compare this machine's clock with the service's.",
);

pub(super) const IDP_UNREACHABLE: Facts = Facts::new(
    "STS_IDP_UNREACHABLE",
    Fault::Unreachable,
    Retry::Backoff,
    "If it lasts, make the issuer's discovery document and keys reachable from the service's network.",
);

pub(super) const KEY_NOT_RETRIEVED: Facts = Facts::new(
    "STS_KEY_NOT_RETRIEVED",
    Fault::Unreachable,
    Retry::Backoff,
    "If it lasts, check that the issuer's jwks_uri is public and holds the key that signed the token.",
);

pub(super) const INVALID_TOKEN: Facts = Facts::new(
    "STS_INVALID_TOKEN",
    Fault::Service,
    Retry::Never,
    "Create an IAM OIDC provider whose URL is the token's issuer, byte for byte, in the role's account.",
);

pub(super) const AUDIENCE: Facts = Facts::new(
    "STS_AUDIENCE",
    Fault::Service,
    Retry::Never,
    "Make the token's aud a client id of the service: at the IAM OIDC provider, or in MINIO_IDENTITY_OPENID_CLIENT_ID.",
);

pub(super) const TOKEN_SIGNATURE: Facts = Facts::new(
    "STS_TOKEN_SIGNATURE",
    Fault::Service,
    Retry::Never,
    "Point the service (MINIO_IDENTITY_OPENID_CONFIG_URL) at the issuer of the token: it has other keys.",
);

pub(super) const CLAIM_REJECTED: Facts = Facts::new(
    "STS_CLAIM_REJECTED",
    Fault::Identity,
    Retry::OnNewToken,
    "Get a new token from the issuer: a claim of this one is invalid, expired or revoked for the service.",
);

pub(super) const POLICY_CLAIM: Facts = Facts::new(
    "STS_POLICY_CLAIM",
    Fault::Service,
    Retry::Never,
    "Have the issuer put the claim that MinIO reads (MINIO_IDENTITY_OPENID_CLAIM_NAME) into tokens, naming policies that exist.",
);

pub(super) const ACCESS_DENIED: Facts = Facts::new(
    "STS_ACCESS_DENIED",
    Fault::Service,
    Retry::Never,
    "Let the role's trust policy allow sts:AssumeRoleWithWebIdentity for the issuer, with the token's aud and sub (Ceph also says so of a token that it cannot verify).",
);

pub(super) const CHAIN_DENIED: Facts = Facts::new(
    "STS_CHAIN_DENIED",
    Fault::Service,
    Retry::Never,
    "Allow sts:AssumeRole (for tags sts:TagSession too) in this role's trust policy, for its externalId, and in the role before it; MinIO has no chains.",
);

pub(super) const UNKNOWN_ROLE: Facts = Facts::new(
    "STS_UNKNOWN_ROLE",
    Fault::Service,
    Retry::Never,
    "Set aws.roleArn to a role that the service knows: MinIO prints its ARN at start, Ceph lists roles with radosgw-admin.",
);

pub(super) const POLICY: Facts = Facts::new(
    "STS_POLICY",
    Fault::Service,
    Retry::Never,
    "Correct or shorten the policy of aws.policyFile, the ARNs of aws.policyArns and the session's tags.",
);

pub(super) const DURATION: Facts = Facts::new(
    "STS_DURATION_REFUSED",
    Fault::Service,
    Retry::Never,
    "Lower aws.durationSeconds (or the chain step's) to the role's maximum session duration, or raise that.",
);

pub(super) const CONFIGURATION: Facts = Facts::new(
    "STS_CONFIGURATION",
    Fault::Service,
    Retry::Never,
    "Check the settings aws.roleArn, aws.sessionName, aws.chain.* and aws.policy* against the service.",
);

pub(super) const INVALID_PARAMETER: Facts = Facts::new(
    "STS_INVALID_PARAMETER",
    Fault::Service,
    Retry::Never,
    "Look into MinIO's log for what it refuses: token, role, policy or duration; it wants exp in the token.",
);

pub(super) const SIGNATURE: Facts = Facts::new(
    "STS_SIGNATURE",
    Fault::Service,
    Retry::Never,
    "Set aws.region to the endpoint's region, and let no gateway change host, path or headers on the way to aws.stsEndpoint.",
);

pub(super) const CLOCK: Facts = Facts::new(
    "STS_CLOCK",
    Fault::Configuration,
    Retry::Backoff,
    "Set this machine's clock (NTP): a signature counts within 15 minutes of the service's time.",
);

pub(super) const REGION_DISABLED: Facts = Facts::new(
    "STS_REGION_DISABLED",
    Fault::Service,
    Retry::Never,
    "Activate STS for this region in the account's IAM settings, or set aws.region to an active one.",
);

pub(super) const THROTTLED: Facts = Facts::new(
    "STS_THROTTLED",
    Fault::Unreachable,
    Retry::Backoff,
    "Wait; if it lasts, find what else in this account calls STS.",
);

pub(super) const UNAVAILABLE: Facts = Facts::new(
    "STS_UNAVAILABLE",
    Fault::Unreachable,
    Retry::Backoff,
    "Wait; if it lasts, look at the service's health page or log.",
);

pub(super) const UNKNOWN: Facts = Facts::new(
    "STS_REFUSED",
    Fault::Service,
    Retry::Never,
    "Look up the service's code, and the request in its log (CloudTrail) by the request id.",
);
