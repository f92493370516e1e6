//! Which layers there are, and where: a table of a day that it names. It asks nobody.

use std::collections::BTreeSet;

use clap::ValueEnum;

/// The table, one line for each layer and region.
const TABLE: &str = include_str!("table.txt");

/// The instruction set of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    #[value(name = "arm64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

impl Arch {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

/// A layer that a function of any language may use.
#[derive(Debug)]
pub(crate) struct Layer {
    /// What the table calls it.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// The release that the table knows.
    pub(crate) release: &'static str,
    /// What it does, and what it takes.
    pub(crate) purpose: &'static str,
    /// Its name in ARNs, by instruction set.
    names: [&'static str; 2],
    /// The public parameter that holds its newest ARN, by instruction set, where AWS documents one.
    parameters: Option<[&'static str; 2]>,
}

pub(crate) const LAYERS: [Layer; 4] = [
    Layer {
        key: "insights",
        title: "Lambda Insights",
        release: "1.0.498.0",
        purpose: "CPU, memory and network in CloudWatch; the role takes CloudWatchLambdaInsightsExecutionRolePolicy",
        names: ["LambdaInsightsExtension-Arm64", "LambdaInsightsExtension"],
        parameters: None,
    },
    Layer {
        key: "parameters",
        title: "Parameters and Secrets",
        release: "1.0.103",
        purpose: "cached parameters and secrets from http://localhost:2773; not yet while a function starts",
        names: ["AWS-Parameters-and-Secrets-Lambda-Extension-Arm64", "AWS-Parameters-and-Secrets-Lambda-Extension"],
        parameters: None,
    },
    Layer {
        key: "appconfig",
        title: "AppConfig agent",
        release: "2.0.181",
        purpose: "configuration and feature flags from http://localhost:2772",
        names: ["AWS-AppConfig-Extension-Arm64", "AWS-AppConfig-Extension"],
        parameters: Some([
            "/aws/service/aws-appconfig/lambda-extension/arm64/latest",
            "/aws/service/aws-appconfig/lambda-extension/x86/latest",
        ]),
    },
    Layer {
        key: "otel",
        title: "OpenTelemetry collector",
        release: "0.115.0",
        purpose: "traces and metrics over OTLP; it takes longer to start than a Rust function does",
        names: ["aws-otel-collector-arm64-ver-0-115-0", "aws-otel-collector-amd64-ver-0-115-0"],
        parameters: None,
    },
];

impl Layer {
    /// Its ARN without the version and the version, as the table has them; `None` where it isn't published.
    pub(crate) fn in_table(&self, region: &str, arch: Arch) -> Option<(String, u32)> {
        let [.., arm64, x86_64] = rows().find(|[key, at, ..]| *key == self.key && *at == region)?;
        let place = match arch {
            Arch::Arm64 => arm64,
            Arch::X86_64 => x86_64,
        };
        let (account, version) = place.split_once(':')?;
        let arn = format!("arn:{}:lambda:{region}:{account}:layer:{}", partition(region), self.name(arch));
        Some((arn, version.parse().ok()?))
    }

    pub(crate) fn name(&self, arch: Arch) -> &'static str {
        self.names[arch as usize]
    }

    pub(crate) fn parameter(&self, arch: Arch) -> Option<&'static str> {
        self.parameters.map(|parameters| parameters[arch as usize])
    }
}

/// The day of the table.
pub(crate) fn date() -> &'static str {
    let dated = TABLE.lines().find_map(|line| line.strip_prefix("# Date: "));
    dated.and_then(|line| line.split('.').next()).unwrap_or("an unknown day")
}

/// All regions of the table.
pub(crate) fn regions() -> BTreeSet<&'static str> {
    rows().map(|[_, region, ..]| region).collect()
}

/// A region that the table has, for the command line.
pub(crate) fn region(typed: &str) -> Result<String, String> {
    let known = regions();
    if known.contains(typed) {
        return Ok(typed.to_owned());
    }
    Err(format!("there is no such region; there are {}", known.into_iter().collect::<Vec<_>>().join(", ")))
}

fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok())
}

fn partition(region: &str) -> &'static str {
    match region.split_once('-') {
        Some(("cn", _)) => "aws-cn",
        Some(("us", rest)) if rest.starts_with("gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((rows().count(), lines), (114, 114));
        assert_eq!(regions().len(), 38);
        for [key, region, arm64, x86_64] in rows() {
            let layer = LAYERS.iter().find(|layer| layer.key == key).expect("a known layer");
            for (arch, place) in [(Arch::Arm64, arm64), (Arch::X86_64, x86_64)] {
                let arn = layer.in_table(region, arch);
                assert_eq!(arn.is_none(), place == "-", "{key} {region}");
                let account =
                    arn.iter().all(|(arn, _)| arn.split(':').nth(4).is_some_and(|account| account.len() == 12));
                assert!(account, "{arn:?}");
            }
        }
    }

    #[test]
    fn the_date_is_one() {
        assert!(date().len() == 10 && date().starts_with("20"), "{}", date());
    }

    #[test]
    fn a_region_says_its_partition() {
        for (region, expected) in
            [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("ca-west-1", "aws")]
        {
            assert_eq!(partition(region), expected);
        }
    }
}
