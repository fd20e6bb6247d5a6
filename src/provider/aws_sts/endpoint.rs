//! Where an STS is: a URL, or the host of a region; and which region a request to it is signed for.

use super::AwsStsError;
use crate::codec::url::ServiceUrl;
use crate::name::Region;

/// Where an STS is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsStsEndpoint {
    /// AWS's own in a region. There is no default: a guess would send the token to another jurisdiction.
    Region {
        /// Which.
        region: Region,
        /// Which of the region's endpoints.
        variant: Variant,
    },
    /// Any other: MinIO, Ceph, a VPC endpoint.
    Url {
        /// Where.
        url: ServiceUrl,
        /// The region that requests are signed for; by default what the host says, else `us-east-1`.
        signing_region: Option<Region>,
    },
}

/// Which of a region's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Variant {
    /// The one with validated cryptography (FIPS 140).
    pub fips: bool,
    /// The one with addresses of IPv6 too.
    pub dual_stack: bool,
}

/// A partition of AWS, as far as STS goes.
struct Partition {
    /// What its regions' names begin with.
    begin: &'static str,
    /// The DNS suffix of its endpoints.
    suffix: &'static str,
    /// The one of its dual-stack endpoints.
    dual_stack: &'static str,
    /// The host's first label where FIPS is asked for: GovCloud's usual endpoint is the validated one.
    fips: &'static str,
}

const fn partition(
    begin: &'static str,
    suffix: &'static str,
    dual_stack: &'static str,
    fips: &'static str,
) -> Partition {
    Partition { begin, suffix, dual_stack, fips }
}

/// AWS's partitions (its endpoint rule set 1.0 for STS, and its partition data). The last one is AWS's first.
const PARTITIONS: [Partition; 8] = [
    partition("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "sts-fips"),
    partition("us-gov-", "amazonaws.com", "api.aws", "sts"),
    partition("us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "sts-fips"),
    partition("us-isob-", "sc2s.sgov.gov", "api.aws.scloud", "sts-fips"),
    partition("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "sts-fips"),
    partition("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "sts-fips"),
    partition("eusc-", "amazonaws.eu", "api.amazonwebservices.eu", "sts-fips"),
    partition("", "amazonaws.com", "api.aws", "sts-fips"),
];

/// AWS's name for its one STS without a region.
const GLOBAL: &str = "aws-global";

/// What requests to an STS without a region are signed for: AWS's global one, and what clients of MinIO and Ceph use.
const GLOBAL_SIGNING_REGION: &str = "us-east-1";

impl AwsStsEndpoint {
    pub(super) fn url(&self) -> Result<ServiceUrl, AwsStsError> {
        match self {
            Self::Url { url, .. } => Ok(url.clone()),
            Self::Region { region, variant } => {
                ServiceUrl::new(&regional(region.as_str(), *variant)?).map_err(|_| AwsStsError::Region)
            }
        }
    }

    /// Whether AWS itself is there, by the name of the host.
    pub(super) fn is_of_aws(&self) -> bool {
        let Self::Url { url, .. } = self else { return true };
        let suffixes = PARTITIONS.iter().flat_map(|partition| [partition.suffix, partition.dual_stack]);
        let mut names = suffixes.filter_map(|suffix| url.host().strip_suffix(suffix));
        names.any(|name| name.ends_with('.'))
    }

    /// The region in a signature's scope.
    pub(super) fn signing_region(&self) -> &str {
        let region = match self {
            Self::Region { region, .. } => Some(region.as_str()),
            Self::Url { signing_region: Some(region), .. } => return region.as_str(),
            // A VPC endpoint: vpce-1-2.sts.eu-central-1.vpce.amazonaws.com.
            Self::Url { url, .. } => {
                url.host().split('.').skip_while(|label| !matches!(*label, "sts" | "sts-fips")).nth(1)
            }
        };
        region.filter(|region| has_form(region)).unwrap_or(GLOBAL_SIGNING_REGION)
    }
}

/// The URL of a region's STS.
fn regional(region: &str, variant: Variant) -> Result<String, AwsStsError> {
    if region == GLOBAL {
        let plain = variant == Variant::default();
        return if plain { Ok("https://sts.amazonaws.com".to_owned()) } else { Err(AwsStsError::GlobalVariant) };
    }
    if !has_form(region) {
        return Err(AwsStsError::Region);
    }
    let partition = PARTITIONS.iter().find(|partition| region.starts_with(partition.begin));
    let Partition { suffix, dual_stack, fips, .. } = partition.ok_or(AwsStsError::Region)?;
    Ok(match (variant.fips, variant.dual_stack) {
        (false, false) => format!("https://sts.{region}.{suffix}"),
        (true, false) => format!("https://{fips}.{region}.{suffix}"),
        (false, true) => format!("https://sts.{region}.{dual_stack}"),
        (true, true) => format!("https://sts-fips.{region}.{dual_stack}"),
    })
}

/// Rule: `eu-central-1`, `us-gov-west-1`, `eusc-de-east-1`. It becomes part of the host that gets the token.
fn has_form(region: &str) -> bool {
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let parts: Vec<&str> = region.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    (2..=4).contains(&first.len())
        && letters(first)
        && !middle.is_empty()
        && middle.iter().all(|part| letters(part))
        && (1..=2).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(region: &str, fips: bool, dual_stack: bool) -> AwsStsEndpoint {
        AwsStsEndpoint::Region { region: Region::new(region).unwrap(), variant: Variant { fips, dual_stack } }
    }

    fn url(of: &str, fips: bool, dual_stack: bool) -> Result<String, AwsStsError> {
        region(of, fips, dual_stack).url().map(|url| url.as_str().to_owned())
    }

    // Each host is the one that botocore 1.44.5 sent a request to with these two options; for the two last lines, which
    // it refuses with dual stack, these hosts are made from its partition data (partitions.json).
    #[test]
    fn a_region_has_the_four_hosts_of_its_partition() {
        for (region, suffix, fips, dual_stack) in [
            ("eu-central-1", "amazonaws.com", "sts-fips", "api.aws"),
            ("us-east-1", "amazonaws.com", "sts-fips", "api.aws"),
            ("mx-central-1", "amazonaws.com", "sts-fips", "api.aws"),
            ("ap-southeast-4", "amazonaws.com", "sts-fips", "api.aws"),
            ("us-gov-west-1", "amazonaws.com", "sts", "api.aws"),
            ("cn-north-1", "amazonaws.com.cn", "sts-fips", "api.amazonwebservices.com.cn"),
            ("us-iso-east-1", "c2s.ic.gov", "sts-fips", "api.aws.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov", "sts-fips", "api.aws.scloud"),
            ("eusc-de-east-1", "amazonaws.eu", "sts-fips", "api.amazonwebservices.eu"),
            ("us-isof-south-1", "csp.hci.ic.gov", "sts-fips", "api.aws.hci.ic.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk", "sts-fips", "api.cloud-aws.adc-e.uk"),
        ] {
            assert_eq!(url(region, false, false).unwrap(), format!("https://sts.{region}.{suffix}"));
            assert_eq!(url(region, true, false).unwrap(), format!("https://{fips}.{region}.{suffix}"));
            assert_eq!(url(region, false, true).unwrap(), format!("https://sts.{region}.{dual_stack}"));
            assert_eq!(url(region, true, true).unwrap(), format!("https://sts-fips.{region}.{dual_stack}"));
        }
    }

    #[test]
    fn the_global_sts_has_one_host_and_no_other_variant() {
        assert_eq!(url("aws-global", false, false).unwrap(), "https://sts.amazonaws.com");
        for (fips, dual_stack) in [(true, false), (false, true), (true, true)] {
            assert_eq!(url("aws-global", fips, dual_stack), Err(AwsStsError::GlobalVariant));
        }
    }

    #[test]
    fn what_is_no_region_never_becomes_part_of_a_host_280() {
        for region in ["eu-central", "central-1", "eu--1", "1-eu-2", "eu-central-123", "-----"] {
            for variant in [false, true] {
                assert!(matches!(url(region, variant, variant), Err(AwsStsError::Region)), "{region}");
            }
        }
    }

    #[test]
    fn aws_is_known_by_its_hosts() {
        let is =
            |url: &str| AwsStsEndpoint::Url { url: ServiceUrl::new(url).unwrap(), signing_region: None }.is_of_aws();
        assert!(region("eu-central-1", false, false).is_of_aws());
        for url in ["https://vpce-1-2.sts.eu-west-1.vpce.amazonaws.com", "https://sts.eu-west-1.api.aws"] {
            assert!(is(url), "{url}");
        }
        for url in
            ["https://minio.test", "https://notamazonaws.com", "https://amazonaws.com.test", "http://127.0.0.1:1"]
        {
            assert!(!is(url), "{url}");
        }
    }

    // AWS's list of STS endpoints: the global one is signed for us-east-1.
    #[test]
    fn a_signature_is_for_the_region_that_is_set_or_that_the_endpoint_names() {
        let custom = |url: &str, region: Option<&str>| {
            let signing_region = region.map(|region| Region::new(region).unwrap());
            AwsStsEndpoint::Url { url: ServiceUrl::new(url).unwrap(), signing_region }.signing_region().to_owned()
        };
        let of = |url: &str| custom(url, None);
        assert_eq!(of("https://sts.eu-central-1.amazonaws.com"), "eu-central-1");
        assert_eq!(of("https://sts-fips.us-east-2.amazonaws.com"), "us-east-2");
        assert_eq!(of("https://vpce-1-2.sts.eu-west-1.vpce.amazonaws.com"), "eu-west-1");
        assert_eq!(of("https://sts.amazonaws.com"), "us-east-1");
        assert_eq!(of("https://minio.example:9000"), "us-east-1");
        assert_eq!(of("http://127.0.0.1:9000"), "us-east-1");
        assert_eq!(custom("https://minio.example:9000", Some("home-1")), "home-1");
        assert_eq!(custom("https://vpce-1-2.sts.eu-west-1.vpce.amazonaws.com", Some("eu-west-2")), "eu-west-2");
        assert_eq!(region("ap-southeast-4", true, true).signing_region(), "ap-southeast-4");
        assert_eq!(region("aws-global", false, false).signing_region(), "us-east-1");
    }
}
