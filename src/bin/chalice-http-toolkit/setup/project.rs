//! The files of a new project. They stand in the folder `project` as they are written, but for lines that begin with `#%`
//! and names in double brackets, which are decided here.

use std::{borrow::Cow, path::PathBuf};

use chalice_http_toolkit::minijinja::{Environment, UndefinedBehavior, context, syntax::SyntaxConfig};
use clap::ValueEnum;

/// What a project may have beside the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extra {
    /// Images in the format and the width that suit each browser.
    Images,
    /// Nothing: what bytes are is known without it.
    Magic,
    /// Only what CloudFront's free and pro plans allow.
    FreePlan,
    /// Pages that CloudFront keeps until they change.
    Edge,
    /// Tasks that wait for days, at EventBridge Scheduler.
    Schedules,
    /// Answers that are sent piece by piece, by a function URL.
    Streaming,
}

impl Extra {
    pub(crate) fn note(self) -> Option<&'static str> {
        match self {
            Self::Images | Self::Schedules => None,
            Self::Magic => Some(
                "magic: type detection is built in, and nothing was added: `content.asset(bytes)` knows a file by its content.",
            ),
            Self::FreePlan => {
                Some("free-plan: create a web ACL in us-east-1, which the plan wants, and give its ARN as WebAclArn.")
            }
            Self::Streaming => Some(
                "streaming: the function has a URL of its own, as an HTTP API does not stream. Nobody has tried it at AWS yet.",
            ),
            Self::Edge => Some(
                "edge: a deployment ends with a purge, or CloudFront keeps the old pages for as long as a year: its README has \
                 the three commands.",
            ),
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Project<'a> {
    pub(crate) name: &'a str,
    pub(crate) region: &'a str,
    /// The folder of a checkout; none for the published crate of this version.
    pub(crate) toolkit: Option<PathBuf>,
    pub(crate) extras: &'a [Extra],
}

/// A file with its path from the project's folder.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: &'static str,
    pub(crate) content: Cow<'static, [u8]>,
}

enum Content {
    Text(&'static str),
    Bytes(&'static [u8]),
}

use Content::{Bytes, Text};

/// In the order in which they are listed. The manifest has another name here: a folder with a Cargo.toml would be no part
/// of this package.
const FILES: [(&str, Content); 15] = [
    (".gitignore", Text(include_str!("project/gitignore"))),
    ("Cargo.toml", Text(include_str!("project/manifest.toml"))),
    ("README.md", Text(include_str!("project/README.md"))),
    ("samconfig.toml", Text(include_str!("project/samconfig.toml"))),
    ("src/main.rs", Text(include_str!("project/src/main.rs"))),
    ("static/css/site.css", Text(include_str!("project/static/css/site.css"))),
    ("static/img/hills.jpg", Bytes(include_bytes!("project/static/img/hills.jpg"))),
    ("static/img/icon.svg", Text(include_str!("project/static/img/icon.svg"))),
    ("template.yaml", Text(include_str!("project/template.yaml"))),
    ("templates/404.html", Text(include_str!("project/templates/404.html"))),
    ("templates/base.html", Text(include_str!("project/templates/base.html"))),
    ("templates/contact.html", Text(include_str!("project/templates/contact.html"))),
    ("templates/error.html", Text(include_str!("project/templates/error.html"))),
    ("templates/index.html", Text(include_str!("project/templates/index.html"))),
    ("templates/thanks.html", Text(include_str!("project/templates/thanks.html"))),
];

impl Project<'_> {
    /// All files of the project.
    pub(crate) fn files(&self) -> Result<Vec<File>, String> {
        if self.has(Extra::Edge) && self.has(Extra::FreePlan) {
            // Of AWS's own cache policies none is for pages behind an API: they forward Host, or keep what says no-store.
            return Err("edge and free-plan can't be together: the free plan takes no cache policy of a site's own, and without \
                        one CloudFront keeps no page. Leave out one of the two"
                .into());
        }
        let engine = engine().map_err(|error| error.to_string())?;
        let files = FILES.into_iter().map(|(path, content)| {
            let content = match content {
                Text(text) => self.render(&engine, path, text)?.into_bytes().into(),
                Bytes(bytes) => bytes.into(),
            };
            Ok(File { path, content })
        });
        files.collect()
    }

    fn render(&self, engine: &Environment<'_>, path: &str, text: &str) -> Result<String, String> {
        let (images, free_plan) = (self.has(Extra::Images), self.has(Extra::FreePlan));
        let (edge, schedules) = (self.has(Extra::Edge), self.has(Extra::Schedules));
        // `purge` has `tasking` in it.
        let features = ["forms"].into_iter().chain(images.then_some("images"));
        let features = features.chain([if edge { "purge" } else { "tasking" }]);
        let features: Vec<&str> = features.chain(schedules.then_some("schedules")).collect();
        let toolkit = match &self.toolkit {
            Some(folder) => format!("path = {:?}", folder.to_string_lossy()),
            None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        };
        let values = context! {
            name => self.name,
            title => title(self.name),
            region => self.region,
            toolkit,
            features => format!("{features:?}"),
            memory => if images { 1024 } else { 256 },
            images,
            free_plan,
            edge,
            schedules,
            streaming => self.has(Extra::Streaming),
            accept_function => chalice_http_toolkit::images::Images::cloudfront_function(),
        };
        engine.render_named_str(path, text, values).map_err(|error| format!("{path}: {error:#}"))
    }

    fn has(&self, extra: Extra) -> bool {
        self.extras.contains(&extra)
    }
}

/// An engine that leaves the syntax of the project's own templates alone.
fn engine() -> Result<Environment<'static>, chalice_http_toolkit::minijinja::Error> {
    let mut engine = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.block_delimiters("[%", "%]").variable_delimiters("[[", "]]").comment_delimiters("[#", "#]");
    engine.set_syntax(syntax.line_statement_prefix("#%").keep_trailing_newline(true).build()?);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| chalice_http_toolkit::minijinja::AutoEscape::None);
    Ok(engine)
}

/// A name as a person would write it.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}
