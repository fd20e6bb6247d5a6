//! Where the STS is: from settings, and from AWS's own variables where that is asked for.

use super::error::ConfigError;
use super::raw::{Settings, full};
use super::table;
use crate::codec::url::ServiceUrl;
use crate::name::Region;
use crate::provider::{AwsStsEndpoint, Variant};

const REGION: &str = "aws.region";
const ENDPOINT: &str = "aws.stsEndpoint";
const FIPS: &str = "aws.fips";
const DUAL_STACK: &str = "aws.partitionDualStack";

/// For each setting the variables of AWS's SDKs that mean the same, in their order.
const VARIABLES: [(&str, &[&str]); 4] = [
    (REGION, &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    (ENDPOINT, &["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]),
    (FIPS, &["AWS_USE_FIPS_ENDPOINT"]),
    (DUAL_STACK, &["AWS_USE_DUALSTACK_ENDPOINT"]),
];

/// Reads it. A variable counts only with `aws.fromEnvironment=true`, only where its setting is not there, and is said.
pub(super) fn endpoint(settings: &mut Settings) -> Result<AwsStsEndpoint, ConfigError> {
    endpoint_in(settings, &|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

fn endpoint_in(
    settings: &mut Settings,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<AwsStsEndpoint, ConfigError> {
    let asked = settings.flag("aws.fromEnvironment")? == Some(true);
    let nothing = |_: &str| None;
    let mut source = Source { settings, environment: if asked { environment } else { &nothing } };
    let region = source.parsed(REGION, Region::new)?;
    let url = source.parsed(ENDPOINT, ServiceUrl::new)?;
    let fips = source.flag(FIPS)?;
    let dual_stack = source.flag(DUAL_STACK)?;
    let Some(url) = url else {
        let region = region.ok_or_else(|| ConfigError::Missing { key: full(REGION) })?.value;
        let variant = Variant { fips: fips.is_some(), dual_stack: dual_stack.is_some() };
        return Ok(AwsStsEndpoint::Region { region, variant });
    };
    // Rule: such a variant is a host of AWS's own choice (endpoint rule set 1.0 for STS). Asked for beside another
    // host, one of the two would be passed over in silence.
    match fips.or(dual_stack) {
        Some(variant) => Err(ConfigError::Conflict { key: variant.name, other: url.name }),
        None => Ok(AwsStsEndpoint::Url { url: url.value, signing_region: region.map(|region| region.value) }),
    }
}

/// A value, and the key or the variable that it stands in.
struct Found<T> {
    value: T,
    name: String,
}

struct Source<'a> {
    settings: &'a mut Settings,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Source<'_> {
    fn parsed<T, E: std::fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Found<T>>, ConfigError> {
        if let Some(value) = self.settings.parsed(key, &parse)? {
            return Ok(Some(Found { value, name: full(key) }));
        }
        let variables = VARIABLES.iter().filter(|(known, _)| *known == key).flat_map(|(_, names)| *names);
        let mut set = variables.filter_map(|name| Some((*name, (self.environment)(name)?)));
        let Some((variable, text)) = set.find(|(_, text)| !text.trim().is_empty()) else { return Ok(None) };
        let range = table::find(key).map_or("", |setting| setting.range);
        let value = parse(text.trim()).map_err(|error| ConfigError::Invalid {
            key: variable.to_owned(),
            range,
            detail: Some(error.to_string()),
        })?;
        self.settings.warn(format!("{variable} in the environment counts for {}", full(key)));
        Ok(Some(Found { value, name: variable.to_owned() }))
    }

    /// Whether it is true, and where that stands.
    fn flag(&mut self, key: &'static str) -> Result<Option<Found<bool>>, ConfigError> {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("it is neither"),
        };
        let found = self.parsed(key, parse);
        let found = found.map_err(|error| match error {
            // The range says it all.
            ConfigError::Invalid { key, range, .. } => ConfigError::Invalid { key, range, detail: None },
            other => other,
        })?;
        Ok(found.filter(|found| found.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<(String, AwsStsEndpoint, Vec<String>), ConfigError>;

    fn read(settings: &[&str], variables: &[(&str, &str)]) -> Read {
        let assignments: Vec<String> =
            settings.iter().map(|setting| format!("spark.security.oidc.aws.{setting}")).collect();
        let mut settings = Settings::read(None, &assignments)?;
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let endpoint = endpoint_in(&mut settings, &variable)?;
        Ok((format!("{endpoint:?}"), endpoint, settings.take_warnings()))
    }

    fn endpoint(settings: &[&str], variables: &[(&str, &str)]) -> AwsStsEndpoint {
        read(settings, variables).unwrap().1
    }

    fn region(region: &str, fips: bool, dual_stack: bool) -> AwsStsEndpoint {
        AwsStsEndpoint::Region { region: Region::new(region).unwrap(), variant: Variant { fips, dual_stack } }
    }

    fn url(url: &str, region: Option<&str>) -> AwsStsEndpoint {
        let signing_region = region.map(|region| Region::new(region).unwrap());
        AwsStsEndpoint::Url { url: ServiceUrl::new(url).unwrap(), signing_region }
    }

    fn conflict(settings: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        match read(settings, variables) {
            Err(ConfigError::Conflict { key, other }) => (key, other),
            other => panic!("{other:?}"),
        }
    }

    const ALL: [(&str, &str); 6] = [
        ("AWS_REGION", "us-west-2"),
        ("AWS_DEFAULT_REGION", "us-west-1"),
        ("AWS_ENDPOINT_URL_STS", "https://sts.test"),
        ("AWS_ENDPOINT_URL", "https://all.test"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
    ];

    #[test]
    fn a_region_has_four_endpoints_and_a_url_one_with_its_own_region_for_signatures() {
        assert_eq!(endpoint(&["region=eu-central-1"], &[]), region("eu-central-1", false, false));
        assert_eq!(endpoint(&["region=us-east-1", "fips=true"], &[]), region("us-east-1", true, false));
        let both = ["region=us-east-1", "fips=TRUE", "partitionDualStack=true"];
        assert_eq!(endpoint(&both, &[]), region("us-east-1", true, true));
        assert_eq!(endpoint(&["stsEndpoint=https://sts.test", "fips=false"], &[]), url("https://sts.test", None));
        let signed = ["stsEndpoint=https://sts.test", "region=eu-west-1"];
        assert_eq!(endpoint(&signed, &[]), url("https://sts.test", Some("eu-west-1")));
        assert!(matches!(read(&[], &[]), Err(ConfigError::Missing { key }) if key.ends_with(".aws.region")));
    }

    #[test]
    fn a_variant_beside_an_endpoint_of_ones_own_is_refused_with_both_keys() {
        for variant in ["fips", "partitionDualStack"] {
            let (key, other) = conflict(&["stsEndpoint=https://sts.test", &format!("{variant}=true")], &[]);
            assert_eq!(key, format!("spark.security.oidc.aws.{variant}"));
            assert_eq!(other, "spark.security.oidc.aws.stsEndpoint");
        }
        let asked = ["fromEnvironment=true", "stsEndpoint=https://sts.test"];
        let (key, other) = conflict(&asked, &[("AWS_USE_FIPS_ENDPOINT", "true")]);
        assert_eq!((key.as_str(), other.as_str()), ("AWS_USE_FIPS_ENDPOINT", "spark.security.oidc.aws.stsEndpoint"));
        let (key, other) = conflict(&["fromEnvironment=true"], &ALL);
        assert_eq!((key.as_str(), other.as_str()), ("AWS_USE_FIPS_ENDPOINT", "AWS_ENDPOINT_URL_STS"));
    }

    #[test]
    fn variables_that_nobody_asked_for_change_nothing_and_nothing_is_said() {
        for settings in [&["region=eu-central-1"][..], &["region=eu-central-1", "fromEnvironment=false"]] {
            let (_, endpoint, warnings) = read(settings, &ALL).unwrap();
            assert_eq!((endpoint, warnings), (region("eu-central-1", false, false), Vec::new()));
        }
        assert!(matches!(read(&[], &ALL), Err(ConfigError::Missing { .. })));
    }

    #[test]
    fn variables_that_are_asked_for_count_where_no_setting_stands_and_each_is_said() {
        let asked = ["fromEnvironment=true"];
        let (_, found, warnings) = read(&asked, &ALL[..2]).unwrap();
        assert_eq!(found, region("us-west-2", false, false));
        assert_eq!(warnings, ["AWS_REGION in the environment counts for spark.security.oidc.aws.region"]);
        assert_eq!(endpoint(&asked, &ALL[1..2]), region("us-west-1", false, false));
        assert_eq!(endpoint(&asked, &[("AWS_REGION", " "), ALL[1]]), region("us-west-1", false, false));
        let (_, found, warnings) = read(&asked, &ALL[..4]).unwrap();
        assert_eq!(found, url("https://sts.test", Some("us-west-2")));
        assert_eq!(warnings.len(), 2);
        assert_eq!(endpoint(&asked, &ALL[3..4]), url("https://all.test", None));
        let set = ["fromEnvironment=true", "region=eu-central-1"];
        let (_, found, warnings) = read(&set, &[ALL[0], ALL[4], ALL[5]]).unwrap();
        assert_eq!((found, warnings.len()), (region("eu-central-1", true, true), 2));
    }

    #[test]
    fn a_variable_of_another_form_is_refused_by_its_name_and_never_echoed() {
        for (name, value) in [
            ("AWS_REGION", "PLANTED"),
            ("AWS_ENDPOINT_URL_STS", "http://PLANTED.test"),
            ("AWS_USE_FIPS_ENDPOINT", "PLANTED"),
        ] {
            let error = read(&["fromEnvironment=true"], &[(name, value)]).unwrap_err();
            assert!(matches!(&error, ConfigError::Invalid { key, .. } if key == name), "{error}");
            assert!(!format!("{error}{error:?}").contains("PLANTED"));
        }
    }
}
