//! `purge`: drops the copies at the edge of what a deployment has changed. It compares two manifests, and asks CloudFront once.

use std::{
    fs,
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use chalice_http_toolkit::diagnostics::{EdgeManifest, GoneTag};
use serde_json::{Value, json};

use crate::{
    args,
    aws::{AwsRequest, BoxError, configuration, endpoint, send},
    say,
};

/// CloudFront's own region.
const REGION: &str = "us-east-1";

pub(crate) fn run(asked: &args::Purge) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let purged = match runtime {
        Ok(runtime) => runtime.block_on(purge(asked)),
        Err(error) => Err(error.into()),
    };
    match purged {
        Ok(text) => {
            say::print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Compares the manifests and creates the invalidation. Returns the text to print.
async fn purge(asked: &args::Purge) -> Result<String, BoxError> {
    let old = read(&asked.from)?;
    let new = match (&asked.to, &asked.function) {
        (Some(path), _) => read(path)?,
        (None, Some(function)) => of_function(function, asked.region.as_deref()).await?,
        (None, None) => {
            return Err("the manifest of the new release is missing: give --to FILE or --function NAME".into());
        }
    };
    let gone = old.gone(&new);
    let items = items(&gone, asked.at_most);
    if !asked.dry_run && !items.is_empty() {
        invalidate(&asked.distribution, &items).await?;
    }
    Ok(if asked.json { as_json(asked, &gone, &items) } else { as_text(asked, &gone, &items) })
}

/// The items of the invalidation: a tag each, or one path for all where there are more than that.
fn items(gone: &[GoneTag], at_most: usize) -> Vec<String> {
    match gone.len() <= at_most {
        true => gone.iter().map(|gone| format!("#{}", gone.tag)).collect(),
        false => vec!["/*".to_owned()],
    }
}

fn as_json(asked: &args::Purge, gone: &[GoneTag], items: &[String]) -> String {
    json!({ "distribution": asked.distribution, "dry_run": asked.dry_run, "items": items, "gone": gone }).to_string()
}

fn as_text(asked: &args::Purge, gone: &[GoneTag], items: &[String]) -> String {
    let mut lines: Vec<String> = gone
        .iter()
        .map(|gone| format!("{}: {} ({})", gone.tag, gone.names.join(", "), gone.changes.join(", ")))
        .collect();
    if gone.len() > asked.at_most {
        let (tags, at_most) = (gone.len(), asked.at_most);
        lines.push(format!("{tags} tags are more than {at_most}: one path, /*, is cheaper, and drops all copies"));
    }
    lines.push(match (items.len(), asked.dry_run) {
        (0, _) => "nothing has changed: no copy is dropped".to_owned(),
        (items, true) => format!("{items} items would be purged from {}", asked.distribution),
        (items, false) => format!("{items} items are purged from {}", asked.distribution),
    });
    lines.join("\n")
}

fn read(path: &Path) -> Result<EdgeManifest, BoxError> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{shown} can't be read: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{shown} is no edge manifest: {error}").into())
}

/// The manifest of a function that is deployed.
async fn of_function(name: &str, region: Option<&str>) -> Result<EdgeManifest, BoxError> {
    let config = configuration(region).await;
    let region = config.region().map(ToString::to_string).ok_or("no region is known: --region or AWS_REGION")?;
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let request = AwsRequest {
        service: "lambda",
        region: &region,
        url: format!("{}/2015-03-31/functions/{name}/invocations", endpoint(&config, "lambda", &region)),
        headers: &[("content-type", "application/json")],
        body: json!({ "chalice-http-toolkit": "edge-manifest" }).to_string(),
    };
    let response = send(&config, &request).await?;
    if response.status != 200 {
        let why = response.message().unwrap_or("no reason was given");
        return Err(format!("the function {name} can't be invoked: status {}, {why}", response.status).into());
    }
    let failed = |response: &Value| {
        let why = response["errorMessage"].as_str().unwrap_or("its reply is something else");
        format!("the function {name} has no edge manifest (App::with_edge_manifest): {why}")
    };
    serde_json::from_value(response.body.clone()).map_err(|_| failed(&response.body).into())
}

async fn invalidate(distribution: &str, items: &[String]) -> Result<(), BoxError> {
    let config = configuration(Some(REGION)).await;
    let at = match endpoint(&config, "cloudfront", REGION) {
        regional if regional.contains("cloudfront.us-east-1.") => "https://cloudfront.amazonaws.com".to_owned(),
        own => own,
    };
    let request = AwsRequest {
        service: "cloudfront",
        region: REGION,
        url: format!("{at}/2020-05-31/distribution/{distribution}/invalidation"),
        headers: &[("content-type", "application/xml")],
        body: batch(items),
    };
    let response = send(&config, &request).await?;
    match response.status {
        201 | 200 => Ok(()),
        status => Err(format!(
            "CloudFront did not take the invalidation for {distribution}: status {status} (it takes \
             cloudfront:CreateInvalidation)"
        )
        .into()),
    }
}

/// <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html>
fn batch(items: &[String]) -> String {
    let list: String = items.iter().map(|item| format!("<Path>{}</Path>", escaped(item))).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths><Quantity>{}</Quantity>\
         <Items>{list}</Items></Paths><CallerReference>deploy-{now}</CallerReference></InvalidationBatch>",
        items.len()
    )
}

/// A manifest is a file, and may have any text for a tag.
fn escaped(item: &str) -> String {
    item.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
