//! Generated sites behind an edge that keeps pages until they are purged: whatever is changed, deployed and purged, and in
//! whatever order they come, no visitor gets a page that is not the one that the site has now.

use std::{
    cell::Cell,
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
    page_tags::{Form, World, mixed, world},
    support::Folders,
};

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

/// The names of the data that a page shows: those of its arguments.
fn data_of(now: &Now, page: &str) -> BTreeSet<String> {
    let explained = now.content.explain(page, &now.world.arguments).expect("a template");
    let parts = explained.parts().filter_map(|part| part.strip_prefix("args"));
    let mut names = BTreeSet::new();
    for part in parts {
        match part.trim_start_matches(['.', '[', '"']).chars().next() {
            Some(first) => _ = names.insert(first.to_string()),
            None => names.extend(["a", "b", "c", "d"].map(str::to_owned)),
        }
    }
    names
}

/// A site behind an edge.
struct Site {
    now: Arc<Mutex<Now>>,
    origin: TestSite,
    edge: TestEdge,
    /// What visitors have got of each page.
    seen: BTreeMap<&'static str, Vec<u8>>,
}

/// How many copies were purged, and how many of them really had another page to make room for.
#[derive(Default)]
struct Purged {
    all: Cell<u32>,
    different: Cell<u32>,
    hits: Cell<u32>,
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
        Self { now, origin, edge: edge.with_tags_renewed_by_304(renews), seen: BTreeMap::new() }
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
        let before = self.seen.insert(page, got.bytes().to_vec());
        match (got.cache(), before) {
            (Some(CacheResult::Hit), _) => purged.hits.set(purged.hits.get() + 1),
            (_, Some(before)) if got.status() == 200 => {
                purged.all.set(purged.all.get() + 1);
                purged.different.set(purged.different.get() + u32::from(before != *got.bytes()));
            }
            _ => {}
        }
        Ok(())
    }

    fn change(&self, other: &World, part: usize) {
        let mut now = self.now.lock().expect("no test panics with it");
        let changed = mixed(&now.world, other, part);
        let differs = |name: &&&str| now.world.arguments[**name] != changed.arguments[**name];
        let names: Vec<&str> = ["a", "b", "c", "d"].iter().filter(differs).copied().collect();
        now.world = changed;
        drop(now);
        self.edge.purge(names);
    }

    async fn deploy(&self, other: &World, part: usize) {
        let before = self.closures().await;
        {
            let mut now = self.now.lock().expect("no test panics with it");
            let mut changed = mixed(&now.world, other, part);
            changed.root = now.world.root.clone();
            *now = Now::of(changed);
        }
        let after = self.closures().await;
        self.edge.purge(before.difference(&after));
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
                    Step::Change(part) => site.change(&other, part),
                    Step::Deploy(part) => site.deploy(&other, part).await,
                }
            }
            for page in PAGES {
                site.visit(page, &purged).await?;
            }
            Ok(())
        })
    });
    let (all, different, hits) = (purged.all.get(), purged.different.get(), purged.hits.get());
    println!("purges: {different} of {all} pages that were made again are others; {hits} were kept");
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(hits > cases / 2, "pages are kept: {hits}");
}
