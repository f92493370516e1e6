//! The rules of the way from CloudFront to the site: A9, A10, C28, C32, D40, D43, E49, E50.

use super::{
    edge::{distributions, same},
    model::{Function, Resource, Template},
    problem::Problem,
    yaml::Node,
};

const SECRET: &str = "X-Origin-Secret";
const CLOUDFRONT: &str = "cloudfront.amazonaws.com";

/// A9. Whoever waits longest has to be the one who is furthest away, or a visitor gets an error of the wrong one.
pub(super) fn timeouts(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut longest: f64 = 0.0;
    for function in template.functions().into_iter().filter(Function::answers_requests) {
        let Some(own) = function.timeout(template) else { continue };
        longest = longest.max(own);
        // What a REST API and an HTTP API wait by default, in seconds.
        let apis = function.events("Api").map(|event| (event, 29.0));
        let apis = apis.chain(function.events("HttpApi").map(|event| (event, 30.0)));
        for (event, default) in apis {
            let said = event.at("Properties.TimeoutInMillis");
            let Some(api) = said.map_or(Some(default), |said| Some(template.number(said)? / 1000.0)) else { continue };
            longest = longest.max(api);
            if own >= api {
                let line = function.property("Timeout").map_or(function.resource.line(), |timeout| timeout.line);
                let message = format!(
                    "the function may take {own} s and the API waits for {api} s: set Timeout below the event's \
                     TimeoutInMillis, so that the function ends first and its log says why"
                );
                found.push((line, message));
            }
        }
    }
    for origin in distributions(template).iter().flat_map(|distribution| distribution.functions()) {
        let said = origin.at("CustomOriginConfig.OriginReadTimeout");
        let read = said.map_or(Some(30.0), |said| template.number(said));
        if let Some(read) = read.filter(|read| longest > 0.0 && *read <= longest) {
            let message = format!(
                "CloudFront waits for {read} s and what is behind it may take {longest} s: set OriginReadTimeout above the \
                 API's timeout (TimeoutInMillis, 30 s where it is not set)"
            );
            found.push((said.unwrap_or(origin).line, message));
        }
    }
    found
}

/// A10. Without a secret that only CloudFront knows, the API's own address is a way around it.
pub(super) fn secret(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for origin in distributions(template).iter().flat_map(|distribution| distribution.functions()) {
        for name in custom_headers(origin).into_iter().filter_map(|header| header.get("HeaderName")) {
            let lower = name.text().unwrap_or_default().to_ascii_lowercase();
            if lower.starts_with("x-amz-") || lower.starts_with("x-edge-") {
                let message = "CloudFront refuses custom headers that begin with X-Amz- or X-Edge-: take another name";
                found.push((name.line, message.to_owned()));
            }
        }
        let Some(value) = origin_secret(origin) else {
            let message = format!(
                "anybody gets around CloudFront by the API's own address: add the header {SECRET} to OriginCustomHeaders, with \
                 a parameter as its value that the function has as ORIGIN_SECRET"
            );
            found.push((origin.line, message));
            continue;
        };
        if value.text().is_some_and(|text| !text.starts_with("{{resolve:")) {
            let message = "the secret stands in the template, for all to read: take a parameter with NoEcho, or Secrets Manager \
                           by {{resolve:secretsmanager:…}}";
            found.push((value.line, message.to_owned()));
        }
        if let Some((name, parameter)) = template.parameter(value) {
            found.extend(weak(template, name, parameter));
        }
    }
    found
}

fn weak(template: &Template, name: &str, parameter: &Node) -> Vec<Problem> {
    let from_store =
        parameter.get("Type").and_then(Node::text).is_some_and(|of_type| of_type.starts_with("AWS::SSM::"));
    let is_hidden = parameter.get("NoEcho").and_then(Node::text) == Some("true");
    let is_long =
        parameter.get("MinLength").and_then(|length| template.number(length)).is_some_and(|length| length >= 32.0);
    let mut found = Vec::new();
    let mut say = |node: &Node, message: String| found.push((node.line, message));
    if !from_store && !is_hidden {
        say(parameter, format!("{name} is a secret, and everybody sees it in the console: add NoEcho: true"));
    }
    if !from_store && !is_long {
        let at = parameter.get("MinLength").unwrap_or(parameter);
        say(at, format!("the site takes a secret of 32 characters or more: add MinLength: 32 to {name}"));
    }
    if let Some(default) = parameter.get("Default").filter(|_| !from_store) {
        say(default, format!("a secret with a default is one that everybody knows: leave out the Default of {name}"));
    }
    found
}

fn custom_headers(origin: &Node) -> Vec<&Node> {
    origin.get("OriginCustomHeaders").map_or_else(Vec::new, Node::items)
}

fn origin_secret(origin: &Node) -> Option<&Node> {
    let named = |header: &&Node| {
        header.get("HeaderName").and_then(Node::text).is_some_and(|name| name.eq_ignore_ascii_case(SECRET))
    };
    custom_headers(origin).into_iter().find(named)?.get("HeaderValue")
}

/// C28. A stage stands in paths, which visitors' URLs don't have.
pub(super) fn stage(template: &Template) -> Vec<Problem> {
    let apis = template.all("AWS::Serverless::HttpApi").chain(template.all("AWS::ApiGatewayV2::Stage"));
    let named = apis.filter_map(|api| api.property("StageName")).filter(|stage| stage.text() != Some("$default"));
    let mut found: Vec<Problem> = named
        .map(|stage| {
            let message = "a named stage is part of all paths, and links get it before them: set StageName to $default";
            (stage.line, message.to_owned())
        })
        .collect();
    for origin in distributions(template).iter().flat_map(|distribution| distribution.functions()) {
        let api = origin.get("DomainName").and_then(|domain| template.referred(domain));
        let is_rest = api.is_some_and(|api| api.is("AWS::Serverless::Api") || api.is("AWS::ApiGateway::RestApi"));
        if is_rest && origin.get("OriginPath").is_none() {
            let message = "a REST API has its stage in all paths: set OriginPath to it, such as /prod, and keep it out of links \
                           by App::with_public_root";
            found.push((origin.line, message.to_owned()));
        }
    }
    found
}

/// C32. The Host that a function sees is the API's; what the site's own domain is, it has to be told.
pub(super) fn public_origin(template: &Template) -> Vec<Problem> {
    let named = distributions(template).into_iter().any(|distribution| distribution.config.get("Aliases").is_some());
    let functions = template.functions().into_iter().filter(|function| named && function.answers_requests());
    let untold = functions.filter(|function| function.variable("PUBLIC_ORIGIN").is_none());
    let message = "the site has a domain of its own, which CloudFront does not tell it: set the variable PUBLIC_ORIGIN to its \
                   origin, such as https://www.example.com, and give that to CrossOriginProtection::with_trusted_origin";
    untold.map(|function| (function.resource.line(), message.to_owned())).collect()
}

/// D40. A REST API sends base64 as text to browsers, unless it takes everything for binary.
pub(super) fn binary(template: &Template) -> Vec<Problem> {
    let is_whole = |types: &Node| types.texts().any(|name| name == "*/*" || name == "*~1*");
    let of_all = template.globals("Api.BinaryMediaTypes").is_some_and(is_whole);
    let is_set = |api: &Resource<'_>| {
        let of_all = of_all && api.is("AWS::Serverless::Api");
        of_all || api.property("BinaryMediaTypes").is_some_and(is_whole)
    };
    let apis = template.all("AWS::Serverless::Api").chain(template.all("AWS::ApiGateway::RestApi"));
    let mut lines: Vec<usize> = apis.filter(|api| !is_set(api)).map(|api| api.line()).collect();
    // An event that names no API is one of the API that SAM makes for all of those.
    let functions = template.functions();
    let events = functions.iter().flat_map(|function| function.events("Api"));
    lines.extend(events.filter(|event| !of_all && event.at("Properties.RestApiId").is_none()).map(|event| event.line));
    let message = "this REST API sends images and compressed pages as base64 text: add '*/*' to BinaryMediaTypes, of the API \
                   or of Globals";
    lines.into_iter().map(|line| (line, message.to_owned())).collect()
}

/// D43. A site answers HEAD as it does GET; a route for GET alone does not let it.
pub(super) fn head(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for function in template.functions() {
        let routes: Vec<_> = function.events("HttpApi").chain(function.events("Api")).filter_map(route).collect();
        for (api, path, method) in &routes {
            let answers = |other: &str| {
                routes.iter().any(|(on, at, method)| {
                    (on, at) == (api, path) && method.text().is_some_and(|m| m.eq_ignore_ascii_case(other))
                })
            };
            if method.text().is_some_and(|method| method.eq_ignore_ascii_case("GET"))
                && !answers("HEAD")
                && !answers("ANY")
            {
                let message = format!("HEAD {path} is refused: say ANY here, as the site tells methods apart itself");
                found.push((method.line, message));
            }
        }
    }
    found
}

/// The API, the path and the method of an event.
fn route(event: &Node) -> Option<(Option<String>, &str, &Node)> {
    let api = event.at("Properties.ApiId").or(event.at("Properties.RestApiId")).and_then(super::model::reference);
    Some((api, event.at("Properties.Path")?.text()?, event.at("Properties.Method")?))
}

/// E49. Function URLs: two permissions, and no signatures where forms are posted.
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>
pub(super) fn function_url(template: &Template) -> Vec<Problem> {
    let mut found = Vec::new();
    for url in template.all("AWS::Lambda::Url") {
        let function = url.property("TargetFunctionArn");
        let permits = |action: &str| {
            template.all("AWS::Lambda::Permission").any(|permission| {
                let same = permission.property("FunctionName").zip(function).is_some_and(|(name, arn)| same(name, arn));
                // One for a rule or a bucket is none for visitors.
                let principal = permission.property("Principal").and_then(Node::text).unwrap_or_default();
                let for_visitors = principal == CLOUDFRONT || !principal.ends_with(".amazonaws.com");
                same && for_visitors && permission.property("Action").and_then(Node::text) == Some(action)
            })
        };
        let actions = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];
        for action in actions.into_iter().filter(|action| !permits(action)) {
            let message = format!("a function URL needs two permissions: add an AWS::Lambda::Permission for {action}");
            found.push((url.line(), message));
        }
    }
    for distribution in distributions(template) {
        for behaviour in distribution.dynamic().into_iter().filter(|behaviour| behaviour.takes_forms()) {
            let signed = distribution.origin(&behaviour).and_then(|origin| origin.get("OriginAccessControlId"));
            if let Some(signed) = signed.filter(|signed| !signed.may_be_missing()) {
                let message = format!(
                    "{} takes forms, and an origin access control refuses what browsers post, as it is not signed: take \
                     AuthType NONE and the header {SECRET}",
                    behaviour.name()
                );
                found.push((signed.line, message));
            }
        }
    }
    found
}

/// E50. The function asks for the secret that CloudFront sends; without one it does not start in production.
pub(super) fn guard(template: &Template) -> Vec<Problem> {
    let sent = distributions(template).iter().flat_map(|distribution| distribution.functions()).find_map(origin_secret);
    let Some(sent) = sent else { return Vec::new() };
    let functions = template.functions();
    let sites: Vec<&Function<'_>> = functions.iter().filter(|function| function.answers_requests()).collect();
    let is_site = |function: &Function<'_>| {
        let same_program = |site: &&Function<'_>| site.binary().is_some() && site.binary() == function.binary();
        function.answers_requests() || sites.iter().any(same_program)
    };
    let mut found = Vec::new();
    for function in functions.iter().filter(|function| is_site(function)) {
        match function.variable("ORIGIN_SECRET") {
            None => {
                let message = format!(
                    "{} has no ORIGIN_SECRET, without which the site does not start in production: set it to what CloudFront \
                     sends as {SECRET}",
                    function.resource.name
                );
                found.push((function.resource.line(), message));
            }
            Some(asked) if !same(asked, sent) => {
                let message = format!(
                    "CloudFront sends another value as {SECRET}, so that all is answered 403: use one for both"
                );
                found.push((asked.line, message));
            }
            Some(_) => {}
        }
        let which = "set it to the parameter that says which";
        match function.variable("STAGE") {
            None => {
                let message = format!("without STAGE a function runs as in production in every stage: {which}");
                found.push((function.resource.line(), message));
            }
            Some(stage) if stage.text() == Some("dev") => {
                let message =
                    format!("every stage is one of development, which shows strangers what went wrong: {which}");
                found.push((stage.line, message));
            }
            Some(_) => {}
        }
    }
    found
}
