//! What a template says of CloudFront: distributions, their behaviours, and what each policy keeps and forwards. It does not
//! judge.

use super::{
    model::{Resource, Template, reference},
    yaml::Node,
};

// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html and
// …/using-managed-origin-request-policies.html
pub(super) const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
pub(super) const CACHING_OPTIMIZED: [&str; 2] =
    ["658327ea-f89d-4fab-a63d-7e88639e58f6", "b2884449-e4de-46a7-ac36-70bc7f1ddd6d"];
pub(super) const ALL_VIEWER_EXCEPT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
/// Managed policies that forward Host.
pub(super) const WITH_HOST: [(&str, &str); 5] = [
    ("83da9c7e-98b4-4e11-a168-04f0df8e2c65", "UseOriginCacheControlHeaders"),
    ("4cc15a8a-d715-48a4-82b8-cc0b614638fe", "UseOriginCacheControlHeaders-QueryStrings"),
    ("2e54312d-136d-493c-8eb9-b001f22f67d2", "Amplify"),
    ("216adef6-5c7f-47e4-b989-5492eafa07d3", "AllViewer"),
    ("33f36d7e-f396-46d9-90e0-52428a34d9dc", "AllViewerAndCloudFrontHeaders-2022-06"),
];

/// What CloudFront keeps for at most where nothing is said, in seconds.
const LONGEST: f64 = 31_536_000.0;

#[derive(Clone, Copy)]
pub(super) struct Distribution<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) config: &'a Node,
}

#[derive(Clone, Copy)]
pub(super) struct Behaviour<'a> {
    pub(super) node: &'a Node,
    /// None for the default one.
    pub(super) pattern: Option<&'a str>,
}

/// What of a request is in the cache key or goes to the origin, with the value that says so.
#[derive(Clone, Copy)]
pub(super) struct Forwarded<'a> {
    pub(super) node: &'a Node,
    pub(super) is_key: bool,
    pub(super) what: ForwardedPart<'a>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum ForwardedPart<'a> {
    Cookies,
    Header(&'a str),
    Query,
    /// Every header, or every one but some, which are not Host.
    HeadersWithHost,
}

pub(super) fn distributions(template: &Template) -> Vec<Distribution<'_>> {
    let all = template.all("AWS::CloudFront::Distribution");
    all.filter_map(|resource| Some(Distribution { resource, config: resource.property("DistributionConfig")? }))
        .collect()
}

impl<'a> Distribution<'a> {
    pub(super) fn behaviours(&self) -> Vec<Behaviour<'a>> {
        let default = self.config.get("DefaultCacheBehavior");
        let default = default.into_iter().map(|node| Behaviour { node, pattern: None });
        let others = self.config.get("CacheBehaviors").map_or_else(Vec::new, Node::items);
        let others = others.into_iter().map(|node| Behaviour {
            node,
            pattern: Some(node.get("PathPattern").and_then(Node::text).unwrap_or_default()),
        });
        default.chain(others).collect()
    }

    /// The behaviours whose requests come to a function, as all do that don't come to a bucket.
    pub(super) fn dynamic(&self) -> Vec<Behaviour<'a>> {
        let buckets: Vec<&str> = self.origins().filter(|origin| is_bucket(origin)).filter_map(id).collect();
        let to_bucket = |behaviour: &Behaviour<'_>| {
            behaviour.node.get("TargetOriginId").and_then(Node::text).is_some_and(|id| buckets.contains(&id))
        };
        self.behaviours().into_iter().filter(|behaviour| !to_bucket(behaviour)).collect()
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = &'a Node> {
        self.config.get("Origins").map_or_else(Vec::new, Node::items).into_iter()
    }

    /// The origins that are no buckets.
    pub(super) fn functions(&self) -> impl Iterator<Item = &'a Node> {
        self.origins().filter(|origin| !is_bucket(origin))
    }

    pub(super) fn origin(&self, behaviour: &Behaviour<'_>) -> Option<&'a Node> {
        let wanted = behaviour.node.get("TargetOriginId")?.text()?;
        self.origins().find(|origin| id(origin) == Some(wanted))
    }
}

fn is_bucket(origin: &Node) -> bool {
    origin.get("S3OriginConfig").is_some()
}

fn id(origin: &Node) -> Option<&str> {
    origin.get("Id")?.text()
}

impl<'a> Behaviour<'a> {
    pub(super) fn cache_policy(&self) -> Option<&'a Node> {
        self.node.get("CachePolicyId")
    }

    pub(super) fn request_policy(&self) -> Option<&'a Node> {
        self.node.get("OriginRequestPolicyId")
    }

    pub(super) fn takes_forms(&self) -> bool {
        self.node.get("AllowedMethods").is_some_and(|methods| methods.texts().any(|method| method == "POST"))
    }

    pub(super) fn name(&self) -> String {
        self.pattern.map_or_else(|| "the default behaviour".to_owned(), |pattern| format!("the behaviour {pattern}"))
    }

    /// Its policy in this template.
    pub(super) fn own_cache_policy(&self, template: &'a Template) -> Option<&'a Node> {
        let policy = self.cache_policy()?.cases().into_iter().find_map(|case| template.referred(case))?;
        policy.property("CachePolicyConfig")
    }

    /// Whether anything is kept, as far as one can tell.
    pub(super) fn is_cached(&self, template: &Template) -> bool {
        let managed = self.cache_policy().and_then(Node::text);
        let policy = self.own_cache_policy(template).or(self.node.get("ForwardedValues").map(|_| self.node));
        match (managed, policy.and_then(|policy| policy.get("MaxTTL"))) {
            (Some(id), _) => id != CACHING_DISABLED,
            (None, longest) => longest.and_then(|node| template.number(node)).unwrap_or(LONGEST) > 0.0,
        }
    }

    /// What is forwarded by policies of this template and by the behaviour itself.
    pub(super) fn forwarded(&self, template: &'a Template) -> Vec<Forwarded<'a>> {
        let mut found = Vec::new();
        if let Some(policy) = self.own_cache_policy(template)
            && let Some(parameters) = policy.get("ParametersInCacheKeyAndForwardedToOrigin")
        {
            found.extend(of_policy(parameters, true));
        }
        let cases = self.request_policy().map_or_else(Vec::new, Node::cases);
        for policy in cases.into_iter().filter_map(|case| template.referred(case)) {
            let config = policy.property("OriginRequestPolicyConfig");
            found.extend(config.map_or_else(Vec::new, |config| of_policy(config, false)));
        }
        if let Some(values) = self.node.get("ForwardedValues") {
            found.extend(of_values(values));
        }
        found
    }

    /// What runs on a request before the cache is looked into.
    pub(super) fn viewer_request(&self) -> Option<&'a Node> {
        let function = |list: &str, arn: &str| {
            let associations = self.node.get(list).map_or_else(Vec::new, Node::items);
            let is_first = |node: &&Node| node.get("EventType").and_then(Node::text) == Some("viewer-request");
            associations.into_iter().find(is_first)?.get(arn)
        };
        function("FunctionAssociations", "FunctionARN")
            .or_else(|| function("LambdaFunctionAssociations", "LambdaFunctionARN"))
    }
}

/// What a cache policy or an origin request policy forwards.
fn of_policy(config: &Node, is_key: bool) -> Vec<Forwarded<'_>> {
    let said = |path: &str| config.at(path).filter(|node| node.text() != Some("none"));
    let mut found = Vec::new();
    let mut add = |node, what| found.push(Forwarded { node, is_key, what });
    if let Some(node) = said("CookiesConfig.CookieBehavior") {
        add(node, ForwardedPart::Cookies);
    }
    if let Some(node) = said("QueryStringsConfig.QueryStringBehavior") {
        add(node, ForwardedPart::Query);
    }
    let headers = config.at("HeadersConfig.Headers").map_or_else(Vec::new, Node::items);
    let named =
        |name: &str| headers.iter().filter_map(|header| header.text()).any(|text| text.eq_ignore_ascii_case(name));
    match config.at("HeadersConfig.HeaderBehavior").map(|node| (node, node.text())) {
        Some((node, Some("allViewer"))) => add(node, ForwardedPart::HeadersWithHost),
        Some((node, Some("allExcept"))) if !named("Host") => add(node, ForwardedPart::HeadersWithHost),
        Some((_, Some("none" | "allExcept"))) | None => {}
        Some(_) => headers.iter().filter_map(|node| Some((*node, node.text()?))).for_each(|(node, name)| {
            add(node, ForwardedPart::Header(name));
        }),
    }
    found
}

/// The same for a behaviour from before policies.
fn of_values(values: &Node) -> Vec<Forwarded<'_>> {
    let mut found = Vec::new();
    let mut add = |node, what| found.push(Forwarded { node, is_key: true, what });
    if let Some(node) = values.at("Cookies.Forward").filter(|node| node.text() != Some("none")) {
        add(node, ForwardedPart::Cookies);
    }
    for header in values.get("Headers").map_or_else(Vec::new, Node::items) {
        match header.text() {
            Some("*") => add(header, ForwardedPart::HeadersWithHost),
            Some(name) => add(header, ForwardedPart::Header(name)),
            None => {}
        }
    }
    found
}

/// Whether two values refer to the same thing.
pub(super) fn same(left: &Node, right: &Node) -> bool {
    match (reference(left), reference(right)) {
        (Some(left), Some(right)) => left == right,
        (None, None) => left.text().is_some() && left.text() == right.text(),
        _ => false,
    }
}
