//! `verify`: compares what CloudFront serves with fresh answers of the function. It changes nothing.

use std::{env, process::ExitCode, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    args,
    aws::{self, AwsRequest, BoxError, HttpAnswer, configuration, endpoint},
    say,
};

pub(crate) fn run(asked: &args::Verify) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let verified = match runtime {
        Ok(runtime) => runtime.block_on(verify(asked)),
        Err(error) => Err(error.into()),
    };
    match verified {
        Ok(report) => {
            say::print(&if asked.json { report.as_json() } else { report.as_text() });
            if report.stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say::error(&error.to_string());
            ExitCode::from(2)
        }
    }
}

/// The result of the comparison.
#[derive(Default)]
struct Report {
    compared: usize,
    stale: Vec<Stale>,
    /// The paths whose fresh answers differ from each other.
    changing: Vec<String>,
}

/// A page at the edge that the function would answer with other bytes.
struct Stale {
    path: String,
    /// How many seconds CloudFront has kept it; empty for what it has just fetched.
    age: String,
    /// The tags of the fresh answer.
    tags: String,
}

impl Report {
    fn as_json(&self) -> String {
        let stale =
            self.stale.iter().map(|Stale { path, age, tags }| json!({ "path": path, "age": age, "tags": tags }));
        json!({ "compared": self.compared, "stale": stale.collect::<Vec<_>>(), "changing": self.changing }).to_string()
    }

    fn as_text(&self) -> String {
        let stale = self.stale.iter().map(|Stale { path, age, tags }| {
            let age = if age.is_empty() { "no Age".to_owned() } else { format!("{age} s old") };
            let tags = if tags.is_empty() { "no tags".to_owned() } else { format!("tags {tags}") };
            format!("{path}: the copy is not what the function answers now ({age}, {tags})")
        });
        let changing =
            self.changing.iter().map(|path| format!("{path}: each answer is another one, so no copy can be compared"));
        let last = format!("{} pages compared, {} of them differ", self.compared, self.stale.len());
        let lines: Vec<String> = stale.chain(changing).chain([last]).collect();
        say::plain_lines(&lines.join("\n"))
    }
}

async fn verify(asked: &args::Verify) -> Result<Report, BoxError> {
    let site = Site::new(asked).await?;
    let mut paths = match asked.paths.is_empty() {
        true => site.paths_of_the_sitemap().await?,
        false => asked.paths.clone(),
    };
    if let Some(sample) = asked.sample.filter(|sample| *sample < paths.len()) {
        fastrand::shuffle(&mut paths);
        paths.truncate(sample);
    }
    let mut report = Report { compared: paths.len(), ..Report::default() };
    let mut differing = Vec::new();
    for path in paths {
        let (kept, fresh) = site.both(&path).await?;
        if !kept.is_equal(&fresh) {
            differing.push(path);
        }
    }
    // A page may have been changed and purged between the two answers, and its second purge comes later.
    if !differing.is_empty() {
        sleep(asked.wait).await;
    }
    for path in differing {
        let (kept, fresh) = site.both(&path).await?;
        if kept.is_equal(&fresh) {
            continue;
        }
        if site.fresh(&path).await?.is_equal(&fresh) {
            let (age, tags) = (kept.field("age"), fresh.field(&asked.cache_tags));
            report.stale.push(Stale { path, age, tags });
        } else {
            report.changing.push(path);
        }
    }
    Ok(report)
}

/// A page as one of the two gave it.
struct Page {
    status: u16,
    fields: Vec<(String, String)>,
    body: Bytes,
}

impl Page {
    fn is_equal(&self, other: &Self) -> bool {
        (self.status, &self.body) == (other.status, &other.body)
    }

    fn field(&self, name: &str) -> String {
        let found = self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// CloudFront waits 30 seconds for a site by default. Both answers take no longer than two such waits.
const LONGEST: Duration = Duration::from_secs(60);

/// The two to compare: the site at its public address, and its function.
struct Site<'a> {
    asked: &'a args::Verify,
    origin: String,
    host: String,
    config: aws_config::SdkConfig,
    region: String,
    /// What the function lets CloudFront prove itself with.
    secret: Option<String>,
}

impl<'a> Site<'a> {
    async fn new(asked: &'a args::Verify) -> Result<Self, BoxError> {
        let config = configuration(asked.region.as_deref()).await;
        let region = config.region().map(ToString::to_string).ok_or("no region is known: --region or AWS_REGION")?;
        let host = asked.url.authority().ok_or("the address needs a host, as in https://shop.example")?.to_string();
        let origin = format!("{}://{host}", asked.url.scheme_str().unwrap_or("https"));
        let secret = env::var("ORIGIN_SECRET").ok().filter(|secret| !secret.is_empty());
        Ok(Self { asked, origin, host, config, region, secret })
    }

    /// What a visitor gets, and after it what the function answers.
    async fn both(&self, path: &str) -> Result<(Page, Page), BoxError> {
        let both = async { Ok((self.kept(path).await?, self.fresh(path).await?)) };
        match timeout(LONGEST, both).await {
            Ok(both) => both,
            Err(_) => Err(format!("{path}: there is no answer within {} s", LONGEST.as_secs()).into()),
        }
    }

    /// What a visitor gets.
    async fn kept(&self, path: &str) -> Result<Page, BoxError> {
        let HttpAnswer { status, fields, body } = aws::get(&format!("{}{path}", self.origin)).await?;
        Ok(Page { status, fields, body })
    }

    /// What the function answers to the same request.
    async fn fresh(&self, path: &str) -> Result<Page, BoxError> {
        let name: String = form_urlencoded::byte_serialize(self.asked.function.as_bytes()).collect();
        let request = AwsRequest {
            service: "lambda",
            region: &self.region,
            url: format!("{}/2015-03-31/functions/{name}/invocations", endpoint(&self.config, "lambda", &self.region)),
            headers: &[("content-type", "application/json")],
            body: self.event(path).to_string(),
        };
        let answer = aws::send_for_bytes(&self.config, &request).await?;
        let said = || String::from_utf8_lossy(&answer.body).chars().take(200).collect::<String>();
        if answer.status != 200 {
            return Err(
                format!("{} can't be invoked: status {}, {}", self.asked.function, answer.status, said()).into()
            );
        }
        page(&answer.body).ok_or_else(|| format!("{path}: the function has no answer to a request: {}", said()).into())
    }

    /// The request as an HTTP API hands it over.
    fn event(&self, target: &str) -> Value {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = json!({ "host": self.host, "x-forwarded-proto": "https" });
        if let Some(secret) = &self.secret {
            headers["x-origin-secret"] = json!(secret);
        }
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "domainName": self.host,
                "stage": "$default",
                "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1" },
            },
            "isBase64Encoded": false,
        })
    }

    async fn paths_of_the_sitemap(&self) -> Result<Vec<String>, BoxError> {
        let sitemap = self.kept("/sitemap.xml").await?;
        let text = String::from_utf8_lossy(&sitemap.body);
        let paths: Vec<String> = text.split("<loc>").skip(1).filter_map(path_of).collect();
        if sitemap.status != 200 || paths.is_empty() {
            return Err(format!(
                "{}/sitemap.xml names no page (status {}): name the paths to compare",
                self.origin, sitemap.status
            )
            .into());
        }
        Ok(paths)
    }
}

/// The path of a URL that stands before `</loc>`.
fn path_of(rest: &str) -> Option<String> {
    let url = rest.split("</loc>").next()?.trim().replace("&amp;", "&");
    let url: http::Uri = url.parse().ok()?;
    url.path_and_query().map(|path| path.as_str().to_owned())
}

/// The answer in a reply of the function. One that streams sends its status and fields, eight zeros and the body.
fn page(reply: &[u8]) -> Option<Page> {
    let zeros = reply.windows(8).position(|part| part == [0; 8]);
    let (json, streamed) = zeros.map_or((reply, None), |at| (&reply[..at], Some(&reply[at + 8..])));
    let json: Value = serde_json::from_slice(json).ok()?;
    let status = u16::try_from(json["statusCode"].as_u64()?).ok()?;
    let fields = json["headers"].as_object().into_iter().flatten();
    let fields = fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let text = json["body"].as_str().unwrap_or_default();
    let body = match (streamed, json["isBase64Encoded"].as_bool()) {
        (Some(body), _) => body.to_vec(),
        (None, Some(true)) => STANDARD.decode(text).ok()?,
        (None, _) => text.into(),
    };
    Some(Page { status, fields, body: body.into() })
}
