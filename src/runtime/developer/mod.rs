//! The page that a developer sees in place of an error page: what failed, where, and what to try. The local server shows it in
//! development to this machine alone. It makes a page of an error, and decides nothing.
//!
//! Beside it are the `tools` of the local server: `reload` shows edits in the browser; `requests` keeps the latest requests, and
//! `show` makes `pages` of them, with a `picture` of what a page is made from and what the `edge` would do.

#[cfg(feature = "dev-server")]
pub(super) mod clock;
#[cfg(feature = "dev-server")]
mod edge;
#[cfg(feature = "dev-server")]
mod pages;
#[cfg(feature = "dev-server")]
mod picture;
#[cfg(feature = "dev-server")]
mod reload;
#[cfg(feature = "dev-server")]
mod requests;
#[cfg(feature = "dev-server")]
mod show;
mod terminal;
#[cfg(feature = "dev-server")]
pub(super) mod tools;
mod variables;

use std::error::Error as StdError;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use minijinja::{AutoEscape, Environment, value::Serde};
use serde::Serialize;
use serde_json::json;

use crate::{
    error::{Error, ErrorKind},
    response_body::ResponseBody,
};

/// Lines that are shown before and behind the one at fault.
const AROUND: usize = 5;

/// The page's Content-Security-Policy. It allows the page's own style and script, and the site's files for the site's page within
/// it.
const POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; \
                                 font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The request that failed.
#[derive(Clone, Copy)]
pub(super) struct FailedRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
}

/// A place in a template, with the lines around it.
#[derive(Serialize)]
struct TemplateExcerpt {
    template: String,
    line: usize,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    number: usize,
    text: String,
    is_at_fault: bool,
}

/// The page for an error in place of the site's, which is within it. The terminal has it in short.
pub(super) fn instead_of(
    of_the_site: Response<ResponseBody>,
    error: &Error,
    request: FailedRequest<'_>,
) -> Response<ResponseBody> {
    let (mut parts, body) = of_the_site.into_parts();
    terminal::tell(error, parts.status, request);
    let page = page(error, parts.status, request, &String::from_utf8_lossy(body.bytes().map_or(&[], |body| body)));
    for (name, value) in [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CONTENT_LENGTH, page.len().into()),
    ] {
        parts.headers.insert(name, value);
    }
    // SECURITY: no page of another site reads it, whatever the site allows for its own answers.
    parts.headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    parts.headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    Response::from_parts(parts, Bytes::from(page).into())
}

/// The page. `of_the_site` is what a visitor would see.
fn page(error: &Error, status: StatusCode, request: FailedRequest<'_>, of_the_site: &str) -> String {
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    let causes = causes(error);
    let arguments = json!({
        "status": status.as_u16(),
        "title": status.canonical_reason(),
        "message": causes.last(),
        "causes": causes,
        "method": request.method,
        "path": request.path,
        "advice": advice(error),
        "places": places(error),
        "variables": engine_errors(error).last().map(variables::of),
        "of_the_site": of_the_site,
    });
    // A page that fails is no help: the text is.
    engine.render_str(include_str!("page.html"), Serde(arguments)).unwrap_or_else(|_| error.chain())
}

/// An error and what is behind it, from the outside to the inside.
fn causes(error: &Error) -> Vec<String> {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string);
    std::iter::once(error.to_string()).chain(causes).collect()
}

fn engine_errors(error: &Error) -> impl Iterator<Item = &minijinja::Error> {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.filter_map(|cause| cause.downcast_ref::<minijinja::Error>())
}

/// Where a template failed, and what extends or includes it, from the outside to the inside.
fn places(error: &Error) -> Vec<TemplateExcerpt> {
    engine_errors(error).filter_map(place).collect()
}

fn place(error: &minijinja::Error) -> Option<TemplateExcerpt> {
    let (source, line) = (error.template_source()?, error.line()?);
    let lines = (1..).zip(source.lines()).skip(line.saturating_sub(AROUND + 1)).take(2 * AROUND + 1);
    let lines = lines.map(|(number, text)| Line { number, text: text.to_owned(), is_at_fault: number == line });
    Some(TemplateExcerpt { template: error.name()?.to_owned(), line, lines: lines.collect() })
}

/// What helps for most errors of a kind.
fn advice(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::TemplateNotFound => {
            "Create the file in the folder of templates, or correct the name in the handler. Names are relative to that folder."
        }
        ErrorKind::BlockNotFound => {
            "Name a block that the template or one that it extends has. `chalice-http-toolkit check` lists blocks that no page shows."
        }
        ErrorKind::Template => {
            "Look at the marked line. If a name is undefined, the handler does not pass it: print all names with {{ debug() }}."
        }
        ErrorKind::ReplyTooLarge => "Send less: fewer rows on a page, or a redirect to a file in S3.",
        ErrorKind::Configuration => {
            "Set what the message names. The guide's page on settings lists all environment variables."
        }
        ErrorKind::Queue | ErrorKind::QueueNotFound => {
            "Start without AWS_ENDPOINT_URL and STAGE: tasks then run from a queue in this process."
        }
        ErrorKind::Serialization => "JSON has only text as keys of a map, and only finite numbers.",
        ErrorKind::Handler => {
            "The handler returned this error or panicked. The causes are listed from the outside to the inside."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    const REQUEST: FailedRequest<'_> = FailedRequest { method: "GET", path: "/posts/<7>" };

    fn failing(templates: &[(&'static str, &'static str)], arguments: minijinja::Value) -> Error {
        let mut engine = Environment::new();
        engine.set_debug(true);
        templates.iter().for_each(|(name, source)| engine.add_template(name, source).expect("it compiles"));
        let failed =
            engine.get_template(templates[0].0).and_then(|template| template.render(arguments)).expect_err("it fails");
        Error::in_template(
            ErrorKind::Template,
            "a template could not be rendered",
            (templates[0].0.into(), None),
            failed,
        )
    }

    #[test]
    fn each_template_on_the_way_is_shown_with_the_lines_around() {
        let rows: String =
            (1..=20).map(|n| if n == 9 { "{{ n.a.b }}\n".into() } else { format!("row {n}\n") }).collect();
        let rows: &'static str = rows.leak();
        let error = failing(&[("index.html", "top\n{% include 'rows.html' %}"), ("rows.html", rows)], context! {});
        let places = places(&error);
        let told: Vec<_> = places.iter().map(|place| (place.template.as_str(), place.line)).collect();
        assert_eq!(told, [("index.html", 2), ("rows.html", 9)]);
        let numbers: Vec<usize> = places[1].lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, (4..=14).collect::<Vec<_>>());
        assert!(places[1].lines.iter().all(|line| line.is_at_fault == (line.number == 9)));
        let page = page(&error, StatusCode::INTERNAL_SERVER_ERROR, REQUEST, "<h1>Sorry</h1>");
        for part in ["rows.html", "{{ n.a.b }}", "&lt;7&gt;", "undefined value", "&lt;h1&gt;Sorry"] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn what_an_error_says_is_no_markup() {
        let error = Error::handler("<script>alert(1)</script>");
        let page = page(&error, StatusCode::INTERNAL_SERVER_ERROR, REQUEST, "\"><script>alert(2)</script>");
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(page.contains("The handler returned this error"));
    }

    #[test]
    fn secrets_among_the_variables_are_hidden() {
        let key = context! { raw => "k3y" };
        let user = context! { name => "Ada", password => "hunter2", signingKey => key, city => "Rome" };
        let arguments = context! { user => user, api_token => "t0ps3cret", database_url => "postgres://a:b@c" };
        let source = "{{ user }}{{ api_token }}{{ database_url }}{{ user.name.no.such }}";
        let error = failing(&[("a.html", source)], arguments);
        let page = page(&error, StatusCode::INTERNAL_SERVER_ERROR, REQUEST, "");
        assert!(page.contains("Ada") && page.contains("Rome"), "{page}");
        for secret in ["hunter2", "t0ps3cret", "k3y", "postgres"] {
            assert!(!page.contains(secret), "{page}");
        }
    }
}
