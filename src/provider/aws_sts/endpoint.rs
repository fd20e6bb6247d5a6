//! Where an STS is: a URL, or the host of a region.

use super::AwsStsError;
use crate::codec::url::ServiceUrl;
use crate::name::Region;

/// Where an STS is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsStsEndpoint {
    /// AWS's own in this region. There is no default: a guess would send the token to another jurisdiction.
    Region(Region),
    /// Any other: MinIO, Ceph, a VPC endpoint.
    Url(ServiceUrl),
}

/// The DNS suffix of a partition, by the beginning of its regions' names (AWS's endpoint rule set 1.0 for STS).
const SUFFIXES: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
];

impl AwsStsEndpoint {
    pub(super) fn url(&self) -> Result<ServiceUrl, AwsStsError> {
        let region = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::Region(region) => region.as_str(),
        };
        // AWS's name for its one STS without a region.
        if region == "aws-global" {
            return ServiceUrl::new("https://sts.amazonaws.com").map_err(|_| AwsStsError::Region);
        }
        if !has_form(region) {
            return Err(AwsStsError::Region);
        }
        let suffix = SUFFIXES.iter().find(|(begin, _)| region.starts_with(begin)).map_or("amazonaws.com", |(_, s)| *s);
        ServiceUrl::new(&format!("https://sts.{region}.{suffix}")).map_err(|_| AwsStsError::Region)
    }
}

impl AwsStsEndpoint {
    /// The region in a signature's scope. A URL of AWS names it behind `sts`; servers of other makes take any, and
    /// `us-east-1` is what their own clients sign with.
    pub(super) fn signing_region(&self) -> &str {
        const DEFAULT: &str = "us-east-1";
        let region = match self {
            Self::Region(region) => Some(region.as_str()),
            Self::Url(url) => url.host().split('.').skip_while(|label| !matches!(*label, "sts" | "sts-fips")).nth(1),
        };
        region.filter(|region| has_form(region)).unwrap_or(DEFAULT)
    }
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

    fn url(region: &str) -> Result<String, AwsStsError> {
        AwsStsEndpoint::Region(Region::new(region).unwrap()).url().map(|url| url.as_str().to_owned())
    }

    // Hosts from AWS's list of STS endpoints and from its SDKs' partition data.
    #[test]
    fn a_region_has_the_host_of_its_partition() {
        for (region, expected) in [
            ("eu-central-1", "https://sts.eu-central-1.amazonaws.com"),
            ("ap-southeast-4", "https://sts.ap-southeast-4.amazonaws.com"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
            ("us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov"),
            ("us-isof-south-1", "https://sts.us-isof-south-1.csp.hci.ic.gov"),
            ("eu-isoe-west-1", "https://sts.eu-isoe-west-1.cloud.adc-e.uk"),
            ("aws-global", "https://sts.amazonaws.com"),
            ("eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(url(region).unwrap(), expected);
        }
    }

    // AWS's list of STS endpoints: the global one is signed for us-east-1.
    #[test]
    fn a_signature_is_for_the_region_that_the_endpoint_names() {
        let of = |url: &str| AwsStsEndpoint::Url(ServiceUrl::new(url).unwrap()).signing_region().to_owned();
        assert_eq!(of("https://sts.eu-central-1.amazonaws.com"), "eu-central-1");
        assert_eq!(of("https://sts-fips.us-east-2.amazonaws.com"), "us-east-2");
        assert_eq!(of("https://vpce-1-2.sts.eu-west-1.vpce.amazonaws.com"), "eu-west-1");
        assert_eq!(of("https://sts.amazonaws.com"), "us-east-1");
        assert_eq!(of("https://minio.example:9000"), "us-east-1");
        assert_eq!(of("http://127.0.0.1:9000"), "us-east-1");
        let region = |name| AwsStsEndpoint::Region(Region::new(name).unwrap()).signing_region().to_owned();
        assert_eq!(region("ap-southeast-4"), "ap-southeast-4");
        assert_eq!(region("aws-global"), "us-east-1");
    }

    #[test]
    fn what_is_no_region_never_becomes_part_of_a_host() {
        for region in ["eu-central", "central-1", "eu--1", "1-eu-2", "eu-central-123", "-----"] {
            assert!(matches!(url(region), Err(AwsStsError::Region)), "{region}");
        }
    }
}
