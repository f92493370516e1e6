//! `check`: what would go wrong with a site, found in its folder. One line for each finding on standard output, a summary
//! on standard error.
//!
//! 1. templates that don't compile, names in them that lead nowhere, and with `--inline` what a strict policy blocks
//! 2. static files that are too large for one reply
//! 3. the code, as far as it says something of cache tags and schedules
//! 4. `template.yaml`, if there is one, by the rules of [`template`](crate::template), with what [`code`](crate::code) finds in the
//!    code

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use chalice_http_toolkit::{App, CloudFront, ContentManager, Error, Front, Source, images::Images};
use http::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tower::{Layer, service_fn};

use crate::{args::Check, code::Code, folder::files_below, say, template};

/// Something that would go wrong, and where.
#[derive(Debug)]
struct Finding {
    file: PathBuf,
    line: Option<usize>,
    rule: &'static str,
    message: String,
}

/// The folders of a site, as they are named to who reads the findings.
struct Site {
    templates: PathBuf,
    files: PathBuf,
    infrastructure: PathBuf,
    code: PathBuf,
}

pub(crate) fn run(asked: &Check) -> ExitCode {
    let named = |folder: &Path| if asked.path == Path::new(".") { folder.to_owned() } else { asked.path.join(folder) };
    let site = Site {
        templates: named(&asked.templates),
        files: named(&asked.files),
        code: named(Path::new("src")),
        // SAM takes both, in this order.
        infrastructure: ["template.yaml", "template.yml"]
            .map(|name| named(Path::new(name)))
            .into_iter()
            .find(|path| path.exists())
            .unwrap_or_else(|| named(Path::new("template.yaml"))),
    };
    let counts = [&site.templates, &site.files].map(|folder| files_below(folder).map(|files| files.len()));
    match (findings(&site, asked), counts) {
        (Ok(findings), [Ok(templates), Ok(files)]) => {
            let summary = Summary { findings: findings.len(), templates, files };
            if asked.json {
                say::print(&machine(&findings, &summary).to_string());
            } else {
                findings.iter().for_each(|finding| say::print(&say::plain(&finding.to_string())));
                say::note(&summary.to_string());
            }
            if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        (Err(error), _) => failed(&*error),
        (_, [Err(error), _] | [_, Err(error)]) => failed(&error),
    }
}

/// Nothing is known of the site: that is no finding.
fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    say::error(&say::causes(error));
    ExitCode::from(2)
}

fn findings(site: &Site, asked: &Check) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
    let code = Code::read(&site.code)?;
    let mut findings = in_templates(site, &code, asked.inline)?;
    findings.extend(too_large(site, asked.front)?);
    findings.extend(in_code(site, &code));
    findings.extend(in_infrastructure(site, code)?);
    Ok(findings)
}

fn in_code(site: &Site, code: &Code) -> Vec<Finding> {
    let findings = code.problems().into_iter().map(|(place, rule, message)| Finding {
        file: site.code.join(place.file),
        line: Some(place.line),
        rule,
        message,
    });
    findings.collect()
}

/// How the site is deployed; nothing where it is not by a template.
fn in_infrastructure(site: &Site, code: Code) -> io::Result<Vec<Finding>> {
    let source = match fs::read_to_string(&site.infrastructure) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let findings = template::check(&source, code).into_iter().map(|finding| Finding {
        file: site.infrastructure.clone(),
        line: Some(finding.line),
        rule: finding.rule,
        message: finding.message,
    });
    Ok(findings.collect())
}

fn content(site: &Site) -> Result<ContentManager, Error> {
    // Absolute, as the crate looks for others in places of its own.
    let folder = |path: &Path| Source::folder(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    ContentManager::new(folder(&site.templates), folder(&site.files))
}

fn in_templates(site: &Site, code: &Code, inline: bool) -> Result<Vec<Finding>, Error> {
    let content = content(site)?.with_images(Images::new());
    let blocked = if inline { content.check_inline() } else { Vec::new() };
    let of = |rule| {
        move |finding: &chalice_http_toolkit::diagnostics::Finding| {
            let (folder, rule) =
                if finding.is_static_file() { (&site.files, "stale") } else { (&site.templates, rule) };
            let (file, message) = (folder.join(finding.template()), finding.problem().to_owned());
            Finding { file, line: finding.line(), rule, message }
        }
    };
    // What the site adds to the engine stands in its code alone.
    let is_found = |finding: &&chalice_http_toolkit::diagnostics::Finding| {
        finding.unknown_name().is_none_or(|name| !code.may_add(name))
    };
    Ok(content.check().iter().filter(is_found).map(of("template")).chain(blocked.iter().map(of("inline"))).collect())
}

/// Files that a front door would not let out. Each that could be one is sent through the real way, which knows its size as
/// JSON to the byte.
fn too_large(site: &Site, front: Front) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
    let content = content(site)?;
    let service = service_fn(move |request: Request<_>| {
        let response = http::Response::<String>::from(content.static_file_at(request.uri()));
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let app = App::new(CloudFront::new().layer(service));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = Vec::new();
    for name in files_below(&site.files)? {
        let file = site.files.join(&name);
        let size = fs::metadata(&file)?.len();
        // JSON has six bytes at most for one of a text, and the fields take less than a tenth of the smallest limit.
        let limit = front.reply_limit();
        let fits = match front {
            Front::Plain => size <= limit as u64,
            _ => size * 6 < limit as u64 * 9 / 10,
        };
        if fits {
            continue;
        }
        let reply = runtime.block_on(app.invoke(&event(front, &name).to_string(), None))?;
        if reply.status().is_server_error() {
            let form = if front == Front::Plain { "" } else { " as JSON" };
            let message = format!(
                "{size} bytes are too many for one reply, which takes {limit}{form}: make it smaller, or put it into a \
                 bucket of its own"
            );
            findings.push(Finding { file, line: None, rule: "size", message });
        }
    }
    Ok(findings)
}

/// The event of a request for a static file.
fn event(front: Front, name: &str) -> Value {
    let segments = name.split('/').map(|segment| utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string());
    let path = segments.fold("/static".to_owned(), |path, segment| path + "/" + &segment);
    match front {
        Front::Http | Front::Url | Front::Plain => json!({
            "rawPath": path,
            // An HTTP API would hand over a decoded path.
            "requestContext": { "domainName": "x.lambda-url.local", "http": { "method": "GET" } },
        }),
        Front::Rest => json!({ "path": path, "httpMethod": "GET", "requestContext": { "stage": "prod" } }),
        Front::Alb => json!({ "path": path, "httpMethod": "GET", "requestContext": { "elb": {} } }),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            Some(line) => write!(f, "{file}:{line}: {}", self.message),
            None => write!(f, "{file}: {}", self.message),
        }
    }
}

/// What was looked at.
struct Summary {
    findings: usize,
    templates: usize,
    files: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = match self.findings {
            0 => "nothing to find".to_owned(),
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        write!(f, "{findings} in {} templates and {} static files", self.templates, self.files)
    }
}

fn machine(findings: &[Finding], summary: &Summary) -> Value {
    let findings = findings.iter().map(|finding| {
        json!({
            "file": finding.file.display().to_string(),
            "line": finding.line,
            "rule": finding.rule,
            "message": finding.message,
        })
    });
    let findings: Vec<Value> = findings.collect();
    json!({ "findings": findings, "templates": summary.templates, "static_files": summary.files })
}
