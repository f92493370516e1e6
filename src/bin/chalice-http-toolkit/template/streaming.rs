//! The rule of doors that stream: E53.

use super::{
    model::{Function, Template},
    problem::Problem,
    yaml::Node,
};

/// E53. A function can't know whether its door takes streams, so its code says that. A door that streams takes nothing else.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html>
pub(super) fn streaming(template: &Template) -> Vec<Problem> {
    let doors = streaming_doors(template);
    match &template.code.streaming {
        None if template.code.is_there => {
            let message = "this door streams, and takes nothing but streams: without App::with_streaming in the code its \
                           answers are empty";
            doors.into_iter().map(|door| (door.line, message.to_owned())).collect()
        }
        Some(place) if doors.is_empty() => {
            let says = |way| format!("the code says by App::with_streaming ({place}) that its door streams: {way}");
            let collecting = collecting_door(template).into_iter();
            collecting.map(|(door, way)| (door.line, says(way))).collect()
        }
        _ => Vec::new(),
    }
}

/// Where the template says of a door that it streams.
fn streaming_doors(template: &Template) -> Vec<&Node> {
    let urls = modes(template).into_iter().filter(|mode| template.value(mode) == Some("RESPONSE_STREAM"));
    let mut doors: Vec<&Node> = urls.collect();
    for method in template.all("AWS::ApiGateway::Method") {
        collect(method.node, "ResponseTransferMode", &mut doors);
    }
    for api in template.all("AWS::Serverless::Api").chain(template.all("AWS::ApiGateway::RestApi")) {
        collect(api.node, "responseTransferMode", &mut doors);
    }
    doors
}

/// The modes of function URLs, where they are said.
fn modes(template: &Template) -> Vec<&Node> {
    let of_sam = template.functions().into_iter().filter_map(|function| function.property("FunctionUrlConfig"));
    let modes: Vec<&Node> = of_sam.filter_map(|url| url.get("InvokeMode")).collect();
    let plain = template.all("AWS::Lambda::Url").filter_map(|url| url.property("InvokeMode"));
    modes.into_iter().chain(plain).collect()
}

/// The values of a key that say STREAM, however deep they are. The depth of a template has a limit.
fn collect<'a>(node: &'a Node, key: &str, found: &mut Vec<&'a Node>) {
    for (name, value) in node.entries() {
        if name == key && value.text() == Some("STREAM") {
            found.push(value);
        }
        collect(value, key, found);
    }
    for item in node.list() {
        collect(item, key, found);
    }
}

/// The first front door that does not stream, and how to mend it.
fn collecting_door(template: &Template) -> Option<(&Node, &'static str)> {
    let by_url = "set InvokeMode of the function URL to RESPONSE_STREAM, or leave that call out";
    if let Some(mode) = modes(template).first() {
        return Some((mode, by_url));
    }
    let sites: Vec<Function<'_>> = template.functions().into_iter().filter(Function::answers_requests).collect();
    if let Some(url) = sites.iter().find_map(|function| function.property("FunctionUrlConfig")) {
        return Some((url, by_url));
    }
    if let Some(event) = sites.iter().find_map(|function| function.events("Api").next()) {
        let way = "set responseTransferMode of the REST API's integration to STREAM, or leave that call out";
        return Some((event, way));
    }
    let event = sites.iter().find_map(|function| function.events("HttpApi").next())?;
    Some((
        event,
        "an HTTP API does not stream. Take a function URL with InvokeMode RESPONSE_STREAM, or leave that call out",
    ))
}
