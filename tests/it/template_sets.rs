//! Tags on templates as people write them: six sets of templates with the contexts that their pages get, in which most fields
//! are shown by no template. Every leaf of every context is changed, and the tag has to say of each change whether the page is
//! another one.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use chalice_http_toolkit::{CloudFront, ContentManager, Embedded, Representation, Source};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

const SETS: [&str; 6] = ["blog", "forum", "docs", "admin", "shop", "mail"];

/// Of the changes that leave a page alone, how many may move its tag, in percent. Where functions of the site are watched, what
/// its macros name counts a little more.
const MOST_MOVED: f64 = if cfg!(feature = "seeded-defects") { 8.0 } else { 13.0 };

/// A set of templates, and by page the context that it is rendered with.
struct Set {
    name: &'static str,
    folder: PathBuf,
    content: ContentManager,
    pages: Vec<(String, Value)>,
}

impl Set {
    fn read(name: &'static str) -> Self {
        let folder = format!("{}/tests/fixtures/sets/{name}", env!("CARGO_MANIFEST_DIR"));
        let contexts = fs::read(format!("{folder}/contexts.json")).expect("a set has contexts");
        let contexts: Value = serde_json::from_slice(&contexts).expect("JSON");
        let common = contexts["common"].as_object().expect("what all pages get");
        let with_common = |own: &Value| {
            let mut context = common.clone();
            context.extend(own.as_object().expect("what this page gets").clone());
            Value::Object(context)
        };
        let pages = contexts["pages"].as_object().expect("pages by template");
        let pages = pages.iter().map(|(page, own)| (page.clone(), with_common(own))).collect();
        let files = Embedded::new(&[("site.css", b"body {}"), ("htmx.js", b"htmx()")]);
        let content = ContentManager::new(Source::folder(format!("{folder}/templates")), files).expect("a site");
        let content = content.with_reload(false).with_build_id("1").with_environment(|engine| {
            engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        });
        Self { name, folder: format!("{folder}/templates").into(), content, pages }
    }

    /// The page, or what went wrong; a copy of this tag may be the client's already.
    async fn page(&self, name: &str, context: Value, tag: Option<&str>) -> Result<Page, String> {
        answer(self.content.render_template(name, context).expect("there is the template"), tag).await
    }
}

/// What is answered with a page, or what went wrong.
async fn answer(page: Representation, tag: Option<&str>) -> Result<Page, String> {
    let request = tag.iter().fold(Request::builder(), |request, tag| request.header("if-none-match", *tag));
    let request = request.body(()).expect("a request");
    let response = CloudFront::new().respond(&request, page).await.map_err(|error| causes(&error))?;
    let header =
        |name: &str| response.headers().get(name).map_or("", |value| value.to_str().expect("a text")).to_owned();
    let (status, tag, reason) = (response.status(), header("etag"), header("x-etag-reason"));
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes().to_vec();
    Ok(Page { status, tag, reason, body })
}

fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error}; ")).collect()
}

struct Page {
    status: StatusCode,
    tag: String,
    reason: String,
    body: Vec<u8>,
}

/// One way to change a context.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    /// The leaf has another value: a text begins differently, a number is larger.
    Other,
    /// A text ends differently, a number is negative.
    Further,
    Removed,
    /// A list is without its last element.
    Shorter,
    Reversed,
    /// There is one field more, which no template names.
    Unnamed,
}

const CHANGES: [Change; 6] =
    [Change::Other, Change::Further, Change::Removed, Change::Shorter, Change::Reversed, Change::Unnamed];

/// A name that no template has.
const UNNAMED: &str = "field_of_no_template";

/// The context with the part at this pointer changed; `None` where that is no change.
fn changed(context: &Value, pointer: &str, change: Change) -> Option<Value> {
    let mut context = context.clone();
    if change == Change::Removed {
        let (parent, name) = pointer.rsplit_once('/')?;
        context.pointer_mut(parent)?.as_object_mut()?.remove(&name.replace("~1", "/").replace("~0", "~"))?;
        return Some(context);
    }
    let part = context.pointer_mut(pointer)?;
    match (change, part) {
        (Change::Other, part @ Value::Null) => *part = json!("something"),
        (Change::Other, Value::Bool(flag)) => *flag = !*flag,
        (Change::Other, Value::String(text)) => text.insert(0, 'x'),
        (Change::Further, Value::String(text)) => text.push('x'),
        (Change::Other, part @ Value::Number(_)) => *part = json!(part.as_f64()? + 1.0),
        (Change::Further, part @ Value::Number(_)) => *part = json!(-part.as_f64()? - 1.0),
        (Change::Shorter, Value::Array(list)) => _ = list.pop()?,
        (Change::Reversed, Value::Array(list)) if list.first() != list.last() => list.reverse(),
        (Change::Unnamed, Value::Object(fields)) => _ = fields.insert(UNNAMED.into(), json!("shown by nobody")),
        _ => return None,
    }
    Some(context)
}

/// The pointers to all parts of a context, itself among them; of a list to those of its first and its last element.
fn parts(context: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut at = 0;
    while let Some(pointer) = found.get(at).cloned() {
        let part = context.pointer(&pointer).expect("a part");
        let names =
            part.as_object().into_iter().flat_map(Map::keys).map(|name| name.replace('~', "~0").replace('/', "~1"));
        let length = part.as_array().map_or(0, Vec::len);
        let places = (0..length).filter(|place| *place == 0 || place + 1 == length).map(|place| place.to_string());
        found.extend(names.chain(places).map(|step| format!("{pointer}/{step}")));
        at += 1;
    }
    found
}

/// How the tags of some pages did.
#[derive(Default)]
struct Score {
    pages: usize,
    leaves: usize,
    changes: usize,
    /// Changes that leave the bytes alone, and those of them that move the tag.
    hidden: usize,
    moved: usize,
    /// The same for fields and arguments that are added under a name of no template.
    unnamed: usize,
    unnamed_moved: usize,
    /// Changes that give other bytes under the same tag.
    unsound: Vec<String>,
    /// The parts that move a tag of a page that does not show them.
    imprecise: BTreeSet<String>,
}

impl Score {
    fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.leaves += other.leaves;
        self.changes += other.changes;
        self.hidden += other.hidden;
        self.moved += other.moved;
        self.unnamed += other.unnamed;
        self.unnamed_moved += other.unnamed_moved;
        self.unsound.extend(other.unsound);
        self.imprecise.extend(other.imprecise);
    }

    fn share(&self) -> f64 {
        100.0 * self.moved as f64 / self.hidden as f64
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unnamed = format!("{} of {}", self.unnamed_moved, self.unnamed);
        let moved = format!("{} of {} ({:.0} %)", self.moved, self.hidden, self.share());
        let (pages, leaves, changes, unsound) = (self.pages, self.leaves, self.changes, self.unsound.len());
        write!(f, "{pages:>5} {leaves:>7} {changes:>8} {unsound:>8}  {moved:<21} {unnamed}")
    }
}

/// Changes a page's context in every place.
async fn score(set: &Set, name: &str, context: &Value) -> Score {
    let shown = format!("{}/{name}", set.name);
    let page = set.page(name, context.clone(), None).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut score = Score { pages: 1, ..Score::default() };
    for pointer in parts(context) {
        score.leaves += usize::from(!context.pointer(&pointer).is_some_and(|part| part.is_object() || part.is_array()));
        for change in CHANGES {
            let Some(other) = changed(context, &pointer, change) else { continue };
            score.changes += 1;
            let (same_bytes, same_tag) = match set.page(name, other.clone(), None).await {
                Ok(other) => (other.body == page.body, other.tag == page.tag),
                // A failure counts as bytes of its own: it must not hide behind a 304.
                Err(_) => {
                    let again = set.page(name, other, Some(&page.tag)).await;
                    (false, again.is_ok_and(|again| again.status == StatusCode::NOT_MODIFIED))
                }
            };
            let what = || format!("{shown}: {change:?} {pointer}");
            match (same_bytes, same_tag) {
                (false, true) => score.unsound.push(what()),
                (true, same_tag) if change == Change::Unnamed => {
                    score.unnamed += 1;
                    score.unnamed_moved += usize::from(!same_tag);
                    score.imprecise.extend((!same_tag).then(what));
                }
                (true, same_tag) => {
                    score.hidden += 1;
                    score.moved += usize::from(!same_tag);
                    score.imprecise.extend((!same_tag).then(what));
                }
                (false, false) => {}
            }
        }
    }
    score
}

/// What a page does not show leaves its tag alone, on templates as people write them, and what it shows moves it.
/// `TEMPLATE_SET=blog/index.html` takes one page (or one set) and lists what moves its tag in vain.
#[test]
#[allow(clippy::print_stdout)] // The table is to be seen.
fn tags_are_precise_on_templates_as_people_write_them() {
    let only = std::env::var("TEMPLATE_SET").unwrap_or_default();
    let of_set = |name: &'static str| {
        // The analysis alone, without the watch over functions that would mend it.
        #[cfg(feature = "seeded-defects")]
        chalice_http_toolkit::seed(Some(chalice_http_toolkit::Defect::Watch));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let set = Set::read(name);
        let mut total = Score::default();
        for (page, context) in set.pages.iter().filter(|(page, _)| format!("{name}/{page}").starts_with(&only)) {
            total.add(runtime.block_on(score(&set, page, context)));
        }
        total
    };
    let scores = std::thread::scope(|scope| {
        let threads = SETS.map(|name| scope.spawn(move || (name, of_set(name))));
        threads.map(|thread| thread.join().expect("a set"))
    });
    println!("set   templates pages  leaves  changes  unsound  moved in vain         by unnamed fields");
    let mut total = Score::default();
    for (name, score) in scores {
        println!("{name:<6}{:>9} {score}", templates(name).len());
        total.add(score);
    }
    println!("total {:>9} {total}", SETS.iter().map(|set| templates(set).len()).sum::<usize>());
    assert!(total.unsound.is_empty(), "one tag, two pages: {:#?}", total.unsound);
    if only.is_empty() {
        assert!(total.share() <= MOST_MOVED && total.unnamed_moved == 0, "{total}");
    }
    total.imprecise.iter().filter(|_| !only.is_empty()).for_each(|what| println!("{what}"));
}

/// The sets are worth something if their pages are tagged beforehand, and if every template takes part.
#[tokio::test]
async fn pages_of_the_template_sets_are_tagged_before_they_are_rendered() {
    for name in SETS {
        let mut set = Set::read(name);
        // In development a page says why it is rendered first.
        set.content = set.content.with_reload(true);
        let mut used = BTreeSet::new();
        for (page, context) in &set.pages {
            let answer = set.page(page, context.clone(), None).await.expect("a page");
            assert_eq!((answer.reason.as_str(), answer.tag.is_empty()), ("", false), "{name}/{page}");
            let explanation = set.content.explain(page, context).expect("a page");
            used.extend(explanation.parts().filter_map(|part| part.strip_prefix("template ")).map(str::to_owned));
        }
        assert_eq!(templates(name).difference(&used).collect::<Vec<_>>(), [""; 0], "{name} uses them nowhere");
    }
}

/// Each block of each page, rendered alone, is a part of the page; what changes it moves its tag, and `check` finds nothing.
#[test]
fn blocks_of_the_template_sets_are_parts_of_their_pages() {
    let of_set = |name: &'static str| {
        #[cfg(feature = "seeded-defects")]
        chalice_http_toolkit::seed(Some(chalice_http_toolkit::Defect::Watch));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let set = Set::read(name);
        assert_eq!(set.content.check(), [], "{name}");
        let blocks = set.pages.iter().map(|(page, context)| runtime.block_on(blocks(&set, page, context)));
        blocks.sum::<usize>()
    };
    let blocks = std::thread::scope(|scope| {
        let threads = SETS.map(|name| scope.spawn(move || of_set(name)));
        threads.map(|thread| thread.join().expect("a set"))
    });
    assert!(blocks.iter().sum::<usize>() > 100, "{blocks:?}");
}

/// A block that its page overrides a block around of.
const NOT_SHOWN: (&str, &str) = ("home.html", "content");

async fn blocks(set: &Set, name: &str, context: &Value) -> usize {
    let page = set.page(name, context.clone(), None).await.expect("a page");
    let page = String::from_utf8(page.body).expect("UTF-8");
    let source = |name: &String| fs::read_to_string(set.folder.join(name)).expect("a template");
    let named = |source: String| -> Vec<String> {
        let names = source.split("block ").skip(1).filter_map(|rest| rest.split_ascii_whitespace().next());
        names.map(str::to_owned).collect()
    };
    let names: BTreeSet<String> = templates(set.name).iter().flat_map(|name| named(source(name))).collect();
    let names: Vec<String> = names.into_iter().filter(|block| set.content.has_block(name, block)).collect();
    for block in &names {
        let shown = format!("{}/{name}, block {block}", set.name);
        let of = |context: Value| set.content.render_block(name, block, context).expect("there is the block");
        let before = answer(of(context.clone()), None).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let body = String::from_utf8(before.body.clone()).expect("UTF-8");
        assert!(page.contains(body.trim()) || NOT_SHOWN == (name, block), "{shown}: {body} is not in {page}");
        for pointer in parts(context) {
            let Some(other) = changed(context, &pointer, Change::Other) else { continue };
            let Ok(after) = answer(of(other), None).await else { continue };
            assert!(after.tag != before.tag || after.body == before.body, "one tag, two blocks: {shown}: {pointer}");
        }
    }
    names.len()
}

/// The names of the templates of a set.
fn templates(set: &str) -> BTreeSet<String> {
    let root = format!("{}/tests/fixtures/sets/{set}/templates", env!("CARGO_MANIFEST_DIR"));
    let (root, mut found) = (Path::new(&root), BTreeSet::new());
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(root).expect("below it").display().to_string());
            }
        }
    }
    found
}
