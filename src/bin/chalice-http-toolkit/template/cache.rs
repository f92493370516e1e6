//! The rules of what CloudFront keeps: A1 to A8.

use super::{
    edge::{
        ALL_VIEWER_EXCEPT_HOST, Behaviour, CACHING_OPTIMIZED, Distribution, ForwardedPart, WITH_HOST, distributions,
    },
    model::Template,
    problem::Problem,
    yaml::Node,
};

/// A1. A forwarded cookie ends revalidation by If-None-Match and the collapsing of requests, in the cache key and out of it.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Cookies.html>
pub(super) fn cookies(template: &Template) -> Vec<Problem> {
    let found = dynamic(template).into_iter().filter(|behaviour| behaviour.is_cached(template));
    let found = found.flat_map(|behaviour| {
        let forwarded = behaviour.forwarded(template).into_iter().filter(|forwarded| forwarded.what == ForwardedPart::Cookies);
        forwarded.map(move |forwarded| {
            let message = format!(
                "{} keeps pages and forwards cookies: CloudFront then never asks by ETag and gets no 304. Say none here, and \
                 serve what needs cookies by a behaviour of its own with CachingDisabled",
                behaviour.name()
            );
            (forwarded.node.line, message)
        })
    });
    found.collect()
}

/// A2. API Gateway and function URLs answer 403 to a Host that is not their own.
pub(super) fn host(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for behaviour in dynamic(template) {
        let policies = [behaviour.cache_policy(), behaviour.request_policy()].into_iter().flatten();
        for case in policies.flat_map(Node::cases) {
            if let Some((_, name)) = WITH_HOST.iter().find(|(id, _)| case.text() == Some(id)) {
                let message = format!(
                    "the managed policy {name} forwards Host, to which API Gateway and function URLs answer 403: take an own \
                     cache policy, and AllViewerExceptHostHeader with CachingDisabled where all has to be forwarded"
                );
                found.push((case.line, message));
            }
        }
        for forwarded in behaviour.forwarded(template) {
            let is_host = |name: &str| name.eq_ignore_ascii_case("host");
            if forwarded.what == ForwardedPart::HeadersWithHost
                || matches!(forwarded.what, ForwardedPart::Header(name) if is_host(name))
            {
                let message = "this forwards Host, to which API Gateway and function URLs answer 403: leave Host out";
                found.push((forwarded.node.line, message.to_owned()));
            }
        }
    }
    found
}

/// A3. AllViewerExceptHostHeader forwards all cookies, which is right only where nothing is kept.
pub(super) fn everything(template: &Template) -> Vec<Problem> {
    let found = dynamic(template).into_iter().filter(|behaviour| behaviour.is_cached(template));
    let found = found.flat_map(|behaviour| {
        let policies = behaviour.request_policy().map_or_else(Vec::new, Node::cases);
        let policies = policies.into_iter().filter(|case| case.text() == Some(ALL_VIEWER_EXCEPT_HOST));
        policies.map(move |case| {
            let message = format!(
                "{} keeps pages and has AllViewerExceptHostHeader, which forwards all cookies and ends revalidation: leave the \
                 origin request policy out, or take the cache policy CachingDisabled",
                behaviour.name()
            );
            (case.line, message)
        })
    });
    found.collect()
}

/// A4. For as long as MinTTL says, `no-store`, `no-cache` and `private` are not obeyed.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Expiration.html>
pub(super) fn least_time(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for behaviour in dynamic(template) {
        let values = behaviour.node.get("ForwardedValues").map(|_| behaviour.node);
        let least = behaviour.own_cache_policy(template).or(values).and_then(|policy| policy.get("MinTTL"));
        if let Some(least) = least.filter(|least| template.number(least).is_some_and(|seconds| seconds > 0.0)) {
            let message = "with a MinTTL above 0 CloudFront keeps what says no-store or private: set MinTTL to 0, and let the \
                           site say how long";
            found.push((least.line, message.to_owned()));
        }
        // Files have fingerprints in their paths; pages don't.
        let is_folder =
            behaviour.pattern.is_some_and(|pattern| pattern.contains('*') && pattern.trim_matches('/') != "*");
        let policies = behaviour.cache_policy().map_or_else(Vec::new, Node::cases);
        let optimized = policies.into_iter().find(|case| case.text().is_some_and(|id| CACHING_OPTIMIZED.contains(&id)));
        if let Some(case) = optimized.filter(|_| !is_folder || behaviour.takes_forms()) {
            let message = format!(
                "{} has CachingOptimized, whose MinTTL is a second and whose key has no query: that is for files. Take an own \
                 policy with MinTTL 0, or CachingDisabled",
                behaviour.name()
            );
            found.push((case.line, message));
        }
    }
    found
}

/// A5. A cache policy with all times 0 that has a key is refused when it is deployed.
pub(super) fn no_time(template: &Template) -> Vec<Problem> {
    let policies =
        template.all("AWS::CloudFront::CachePolicy").filter_map(|policy| policy.property("CachePolicyConfig"));
    let never =
        policies.filter_map(|policy| policy.get("MaxTTL")).filter(|longest| template.number(longest) == Some(0.0));
    let message = "CloudFront refuses a cache policy with MaxTTL 0 that has headers, query strings or compression: set MaxTTL \
                   to 1 or more, or take the managed policy CachingDisabled";
    never.map(|longest| (longest.line, message.to_owned())).collect()
}

/// A6. Accept in the key needs the function that reduces it, and the function needs Accept in the key.
pub(super) fn accept(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for behaviour in dynamic(template) {
        let forwarded = behaviour.forwarded(template);
        let is_accept = |what: ForwardedPart<'_>| matches!(what, ForwardedPart::Header(name) if name.eq_ignore_ascii_case("accept"));
        let key = forwarded.iter().find(|forwarded| forwarded.is_key && is_accept(forwarded.what));
        let beside = forwarded.iter().find(|forwarded| !forwarded.is_key && is_accept(forwarded.what));
        // One that is elsewhere may well do it.
        let reduces = |function: &&Node| function_code(template, function).is_none_or(sets_accept);
        let function = behaviour.viewer_request();
        match (key, beside, function.filter(reduces)) {
            (Some(key), _, None) => {
                let message = format!(
                    "{} has Accept in its key and no function that reduces it, so that each browser's wording is a copy of its \
                     own: associate the function of Images::cloudfront_function() with viewer-request",
                    behaviour.name()
                );
                found.push((key.node.line, message));
            }
            (None, Some(beside), _) => {
                let message = "Accept reaches the site and is not in the cache key, so that everybody gets what the first \
                               browser took: put it into the cache policy, with the function that reduces it";
                found.push((beside.node.line, message.to_owned()));
            }
            (None, None, Some(function)) if function_code(template, function).is_some_and(sets_accept) => {
                let message = format!(
                    "{} runs a function that reduces Accept, and its cache policy has no Accept: everybody gets what the first \
                     browser took. Add Accept to the policy's headers",
                    behaviour.name()
                );
                found.push((function.line, message));
            }
            _ => {}
        }
    }
    found
}

/// The code of a function of this template.
fn function_code<'a>(template: &'a Template, arn: &'a Node) -> Option<&'a str> {
    template.referred(arn)?.property("FunctionCode")?.text()
}

fn sets_accept(code: &str) -> bool {
    code.contains("headers.accept =") || code.contains("headers['accept'] =") || code.contains("headers[\"accept\"] =")
}

/// A7. What CloudFront's free and pro plans refuse.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/flat-rate-pricing-plan.html>
pub(super) fn plan(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for distribution in distributions(template) {
        let Some((plan, most)) = plan_of(&distribution) else { continue };
        let behaviours = distribution.behaviours();
        for behaviour in &behaviours {
            let policies = behaviour.cache_policy().map_or_else(Vec::new, Node::cases);
            if let Some(own) = policies.into_iter().find(|case| template.referred(case).is_some()) {
                let message = format!(
                    "the {plan} plan refuses own cache policies: take a managed one, and put what tells variants apart into the \
                     path (Images::with_path_urls)"
                );
                found.push((own.line, message));
            }
            if let Some(values) = behaviour.node.get("ForwardedValues") {
                found.push((values.line, format!("the {plan} plan refuses ForwardedValues: take managed policies")));
            }
        }
        if behaviours.len() > most {
            let message = format!("the {plan} plan has {most} behaviours, the default one with them: leave some out");
            found.push((distribution.config.line, message));
        }
        if distribution.config.get("WebACLId").is_none_or(Node::may_be_missing) {
            let message =
                format!("the {plan} plan wants a web ACL: set WebACLId to the ARN of one, without a condition");
            let line = distribution.config.get("WebACLId").unwrap_or(distribution.config).line;
            found.push((line, message));
        }
    }
    found
}

/// The plan that a distribution's metadata names as `CloudFrontPlan`, and how many behaviours it has. Templates have no
/// other place for it.
fn plan_of<'a>(distribution: &Distribution<'a>) -> Option<(&'a str, usize)> {
    match distribution.resource.node.at("Metadata.CloudFrontPlan")?.text()? {
        "free" => Some(("free", 5)),
        "pro" => Some(("pro", 10)),
        _ => None,
    }
}

/// A8. Errors are kept for ten seconds where nothing is said, `no-store` or not.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html>
pub(super) fn errors(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for distribution in
        distributions(template).into_iter().filter(|distribution| distribution.functions().next().is_some())
    {
        let said = distribution.config.get("CustomErrorResponses");
        let responses = said.map_or_else(Vec::new, Node::items);
        let is_short = |code: &str| {
            responses.iter().any(|response| {
                let time = response.get("ErrorCachingMinTTL").and_then(|time| template.number(time));
                response.get("ErrorCode").and_then(Node::text) == Some(code)
                    && time.is_some_and(|seconds| seconds < 10.0)
            })
        };
        let missing: Vec<&str> =
            ["404", "500", "502", "503", "504"].into_iter().filter(|code| !is_short(code)).collect();
        if !missing.is_empty() {
            let message = format!(
                "CloudFront keeps {} for ten seconds, whatever the site says: add CustomErrorResponses with these ErrorCodes and \
                 an ErrorCachingMinTTL of 0 or 1",
                missing.join(", ")
            );
            found.push((said.unwrap_or(distribution.config).line, message));
        }
    }
    found
}

/// The behaviours of all distributions that lead to functions.
fn dynamic(template: &Template) -> Vec<Behaviour<'_>> {
    let all = distributions(template).into_iter();
    all.flat_map(|distribution| distribution.dynamic()).collect()
}
