//! Generated sites behind an edge that keeps pages until they are purged: whatever is changed, deployed and purged, and in
//! whatever order they come, no visitor gets a page that is not the one that the site has now.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use chalice_http_toolkit::{App, CacheControl, CacheResult, CloudFront, ContentManager, TestEdge, TestSite};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tower::{Layer, service_fn};

use crate::{
    page_tags::{Form, World, alternatives, mixed, world},
    support::Folders,
};

type Json = serde_json::Value;

/// What happens to a site.
#[derive(Clone, Debug)]
enum Step {
    /// A visitor asks for one of the pages.
    Visit(usize),
    /// A part of the data is taken from the other world, and what shows it is purged.
    Change(usize),
    /// A part of the release is, and the closures that are gone are purged.
    Deploy(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PAGES.len()).prop_map(Step::Visit),
        2 => prop_oneof![Just(0), 4..16_usize].prop_map(Step::Change),
        1 => prop_oneof![1..4_usize, 16..24_usize].prop_map(Step::Deploy),
    ]
}

/// The lists and maps that may be any of their kind.
const ANY: [&str; 4] = ["/b/list", "/b/m", "/b/tree", "/c"];

const PAGES: [&str; 4] = ["index.html", "1.html", "2.html", "macros.html"];

/// A site as it is at one moment.
struct Now {
    world: World,
    content: ContentManager,
    _folders: Folders,
}

impl Now {
    fn of(mut world: World) -> Self {
        // A map without an order is another page each time.
        if matches!(world.form, Form::HashMaps | Form::Unordered) {
            world.form = Form::Json;
        }
        let (folders, content) = world.content();
        Self { world, content, _folders: folders }
    }
}

/// The tags of what a page shows, as the finest that a careful site would give: `value` for a scalar that it reads, `shape` for
/// the length of a list or the keys of a map.
fn data_of(now: &Now, page: &str) -> BTreeSet<String> {
    let explained = now.content.explain(page, &now.world.arguments).expect("a template");
    let mut values = BTreeMap::new();
    all_parts("args", &now.world.arguments, &mut values);
    let tags = explained.parts().filter_map(|part| {
        let is_scalar = parts_of(part, values.get(part)?).is_empty();
        Some(format!("{}:{part}", if is_scalar { "value" } else { "shape" }))
    });
    tags.collect()
}

/// All values by their paths, but for the arguments as a whole, whose names stay.
fn all_parts<'a>(path: &str, value: &'a Json, found: &mut BTreeMap<String, &'a Json>) {
    for (path, part) in parts_of(path, value) {
        all_parts(&path, part, found);
        found.insert(path, part);
    }
}

/// The tags of what differs between two values at this place, in either.
fn changed(path: &str, before: Option<&Json>, after: Option<&Json>, tags: &mut BTreeSet<String>) {
    if before == after {
        return;
    }
    tags.insert(format!("value:{path}"));
    let [before_parts, after_parts] =
        [before, after].map(|value| value.map(|value| parts_of(path, value)).unwrap_or_default());
    let keys = |parts: &BTreeMap<String, &Json>| parts.keys().cloned().collect::<BTreeSet<_>>();
    let (before_keys, after_keys) = (keys(&before_parts), keys(&after_parts));
    let kind = |value: Option<&Json>| value.map(std::mem::discriminant);
    if before_keys != after_keys || kind(before) != kind(after) {
        tags.insert(format!("shape:{path}"));
    }
    for path in before_keys.union(&after_keys) {
        changed(path, before_parts.get(path).copied(), after_parts.get(path).copied(), tags);
    }
}

fn parts_of<'a>(path: &str, value: &'a Json) -> BTreeMap<String, &'a Json> {
    match value {
        Json::Array(list) => list.iter().enumerate().map(|(at, part)| (format!("{path}[{at}]"), part)).collect(),
        Json::Object(map) => map.iter().map(|(key, part)| (format!("{path}.{key}"), part)).collect(),
        _ => BTreeMap::new(),
    }
}

/// What of a release has changed, and releases in which it is something else again.
fn others(before: &World, after: &World) -> (&'static str, Vec<World>) {
    let with = |change: &dyn Fn(&mut World)| {
        let mut other = after.clone();
        change(&mut other);
        other
    };
    if before.build != after.build {
        return ("the build id", Vec::new());
    }
    if before.global != after.global {
        return ("a global", vec![with(&|other| other.global = "another".into())]);
    }
    if before.files != after.files {
        let names = before
            .files
            .keys()
            .chain(after.files.keys())
            .filter(|name| before.files.get(*name) != after.files.get(*name));
        let texts = names.map(|name| with(&|other| _ = other.files.insert(name.clone(), "another".into())));
        return ("static files", texts.collect());
    }
    let names =
        after.templates.iter().filter(|(name, text)| before.templates.get(*name) != Some(*text)).map(|(name, _)| name);
    let texts = names.flat_map(|name| {
        let blocks = "another{% block body %}another{% endblock %}{% block side %}{% block inner %}another{% endblock %}{% endblock %}";
        ["", "another", blocks].map(|text| with(&|other| _ = other.templates.insert(name.clone(), text.into())))
    });
    ("a template", texts.collect())
}

/// A site behind an edge.
struct Site {
    now: Arc<Mutex<Now>>,
    origin: TestSite,
    edge: TestEdge,
    kept: BTreeMap<&'static str, Kept>,
}

/// A copy at the edge.
struct Kept {
    tags: BTreeSet<String>,
    bytes: Vec<u8>,
    /// What stands for all that the page was made from.
    entity_tag: String,
}

/// How many copies were purged by what had changed: those that were other pages by then, those that show what has changed and would
/// be others for another value, those that are made from something else by then, and all. What a page is made from can change while
/// its bytes stay: a number that is compared with another one, or a macro that is not reached.
#[derive(Default)]
struct Purged {
    by_change: RefCell<BTreeMap<&'static str, [u32; 4]>>,
    hits: Cell<u32>,
}

impl Purged {
    fn count(&self, change: &'static str, differs: bool, shows_it: bool, has_other_inputs: bool) {
        let mut by_change = self.by_change.borrow_mut();
        let counts = by_change.entry(change).or_default();
        for (count, by) in counts.iter_mut().zip([differs, shows_it, has_other_inputs, true]) {
            *count += u32::from(by);
        }
    }
}

impl Site {
    fn of(world: World, renews: bool) -> Self {
        let now = Arc::new(Mutex::new(Now::of(world)));
        let (at, root) = (now.clone(), now.lock().expect("no test panics with it").world.root.clone());
        let service = service_fn(move |request: lambda_http::Request| {
            let now = at.lock().expect("no test panics with it");
            let name = PAGES.iter().find(|name| request.uri().path().ends_with(**name)).expect("a page");
            let page = now.world.represent(&now.content, name, None).with_data_tags(data_of(&now, name));
            let page = page.with_cache_control(CacheControl::until_purged());
            async { Ok::<_, std::convert::Infallible>(http::Response::<String>::from(page)) }
        });
        let app = App::new(CloudFront::new().with_cache_tags("cache-tag").layer(service)).with_public_root(&root);
        let origin = TestSite::of(app);
        let edge = TestEdge::new(origin.clone()).with_error_caching_min_ttl(Duration::ZERO);
        Self { now, origin, edge: edge.with_tags_renewed_by_304(renews), kept: BTreeMap::new() }
    }

    async fn visit(&mut self, page: &'static str, purged: &Purged) -> Result<(), TestCaseError> {
        let path = format!("/{page}");
        let (got, fresh) = (self.edge.get(&path).send().await, self.origin.get(&path).send().await);
        prop_assert_eq!(got.status(), fresh.status(), "{}", page);
        prop_assert!(
            got.bytes() == fresh.bytes(),
            "{page} is {:?} at the edge and {:?} now",
            got.bytes(),
            fresh.bytes()
        );
        if got.cache() == Some(CacheResult::Hit) {
            purged.hits.set(purged.hits.get() + 1);
        } else if got.status() == 200 {
            let tags = got.header("cache-tag").split(',').map(str::to_owned).collect();
            let entity_tag = without_data(got.header("etag"));
            self.kept.insert(page, Kept { tags, bytes: got.bytes().to_vec(), entity_tag });
        }
        Ok(())
    }

    /// Purges the copies with these tags, and looks which of them had to go. A page that is the same shows what has changed
    /// nevertheless if it is another in one of these worlds.
    async fn purge(&mut self, tags: BTreeSet<String>, change: &'static str, others: Vec<World>, purged: &Purged) {
        self.edge.purge(&tags);
        for page in PAGES {
            let is_meant = |copy: &&Kept| !copy.tags.is_disjoint(&tags);
            let Some(Kept { tags: had, bytes: before, entity_tag }) = self.kept.get(page).filter(is_meant) else {
                continue;
            };
            // Nobody visits a file of macros: it shows nothing, whatever it keeps for others.
            if page != "macros.html" {
                let differs = self.fresh(page).await != *before;
                let now = self.origin.get(&format!("/{page}")).send().await;
                let has_other_inputs = without_data(now.header("etag")) != *entity_tag;
                let mut shows_it = differs;
                for other in if differs { &[][..] } else { &others } {
                    let now = std::mem::replace(
                        &mut *self.now.lock().expect("no test panics with it"),
                        Now::of(other.clone()),
                    );
                    shows_it |= self.fresh(page).await != *before;
                    *self.now.lock().expect("no test panics with it") = now;
                }
                for path in had.intersection(&tags).filter(|_| !differs && change == "data") {
                    shows_it |= self.shows(page, before, path).await;
                }
                purged.count(change, differs, shows_it, has_other_inputs);
            }
            self.kept.remove(page);
        }
    }

    async fn fresh(&self, page: &str) -> Vec<u8> {
        self.origin.get(&format!("/{page}")).send().await.bytes().to_vec()
    }

    /// Whether the page is another where this tag's value is.
    async fn shows(&self, page: &str, before: &[u8], tag: &str) -> bool {
        let path = tag.split_once(":args").map(|(_, path)| path.replace(['.', '['], "/").replace(']', ""));
        let path = path.expect("a tag of the arguments");
        let arguments = self.now.lock().expect("no test panics with it").world.arguments.clone();
        let mut shows_it = false;
        for value in alternatives(&path) {
            let mut other = arguments.clone();
            // What is gone was shown with the rest of its list or map. Other lists and maps are of types.
            let has_place = |place: &&mut Json| ANY.contains(&&*path) || !(place.is_object() || place.is_array());
            let Some(place) = other.pointer_mut(&path).filter(has_place) else { return false };
            *place = value;
            self.now.lock().expect("no test panics with it").world.arguments = other;
            shows_it |= self.fresh(page).await != before;
        }
        self.now.lock().expect("no test panics with it").world.arguments = arguments;
        shows_it
    }

    async fn change(&mut self, other: &World, part: usize, purged: &Purged) {
        let mut tags = BTreeSet::new();
        {
            let mut now = self.now.lock().expect("no test panics with it");
            let next = mixed(&now.world, other, part);
            changed("args", Some(&now.world.arguments), Some(&next.arguments), &mut tags);
            now.world = next;
        }
        self.purge(tags, "data", Vec::new(), purged).await;
    }

    async fn deploy(&mut self, other: &World, part: usize, purged: &Purged) {
        let before = self.closures().await;
        let (change, others) = {
            let mut now = self.now.lock().expect("no test panics with it");
            let mut next = mixed(&now.world, other, part);
            next.root = now.world.root.clone();
            let others = others(&now.world, &next);
            *now = Now::of(next);
            others
        };
        let after = self.closures().await;
        self.purge(before.difference(&after).cloned().collect(), change, others, purged).await;
    }

    /// The tags of what the pages are made from.
    async fn closures(&self) -> BTreeSet<String> {
        let mut closures = BTreeSet::new();
        for page in PAGES {
            let answer = self.origin.get(&format!("/{page}")).send().await;
            closures.extend(answer.header("cache-tag").split(',').next().map(str::to_owned));
        }
        closures
    }
}

/// An entity-tag without the digits that stand for the tags of the data.
fn without_data(entity_tag: &str) -> String {
    entity_tag.split('.').next().unwrap_or_default().to_owned()
}

/// `PURGE_CASES` makes it longer.
#[test]
#[allow(clippy::print_stdout)] // The share is a figure to be seen.
fn no_visitor_gets_a_page_that_was_purged() {
    let cases = std::env::var("PURGE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let purged = Purged::default();
    let mut runner =
        TestRunner::new(Config { cases, max_shrink_iters: 500, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 4..16);
    let outcome = runner.run(&(world(), world(), steps, any::<bool>()), |(world, other, steps, renews)| {
        let mut site = Site::of(world, renews);
        runtime.block_on(async {
            for step in steps {
                match step {
                    Step::Visit(page) => site.visit(PAGES[page], &purged).await?,
                    Step::Change(part) => site.change(&other, part, &purged).await,
                    Step::Deploy(part) => site.deploy(&other, part, &purged).await,
                }
            }
            for page in PAGES {
                site.visit(page, &purged).await?;
            }
            Ok(())
        })
    });
    for (change, [different, shown, made, all]) in purged.by_change.take() {
        println!(
            "purges after a change of {change}: {different} of {all} pages are others, {shown} show what has changed, and \
             {made} are made from something else"
        );
    }
    let hits = purged.hits.get();
    println!("{hits} pages were kept");
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(hits > cases / 2, "pages are kept: {hits}");
}
