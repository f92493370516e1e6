//! A day of a site at an edge: how many visits need an invocation, and how old a page gets, under each policy.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chalice_http_toolkit::{CacheControl, CloudFront, TestEdge, TestSite};
use serde_json::json;
use tower::{Layer, service_fn};

use crate::support::{Folders, folders};

const PAGES: usize = 300;
const EDITS: u32 = 50;
const DEPLOYS: u32 = 2;
const DAY: u32 = 24 * 60 * 60;

/// What becomes of a day under a policy.
#[derive(Debug, Default, PartialEq)]
struct Day {
    visits: u32,
    invocations: u32,
    stale: u32,
    /// In seconds.
    oldest: u32,
}

/// The same sequence each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: f64) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64 * most
    }

    /// A page: the n-th is asked for 1/n as often as the first (Zipf).
    fn page(&mut self) -> usize {
        let weight = |page: usize| 1.0 / (page + 1) as f64;
        let mut left = self.below((0..PAGES).map(weight).sum());
        (0..PAGES)
            .find(|page| {
                left -= weight(*page);
                left <= 0.0
            })
            .unwrap_or(0)
    }
}

/// A site of pages with versions, and the day's count of what it was asked.
struct Site {
    versions: Arc<Mutex<Vec<(u32, u32)>>>,
    invocations: Arc<AtomicU32>,
    folders: Folders,
    edge: TestEdge,
    purges: bool,
}

impl Site {
    fn new(policy: &CacheControl) -> Self {
        let folders = folders(&[("templates/page.html", "{{ page }}: {{ version }}")]);
        let content = folders.content().with_reload(true);
        let versions = Arc::new(Mutex::new(vec![(0, 0); PAGES]));
        let invocations = Arc::new(AtomicU32::new(0));
        let (now, count, sent) = (versions.clone(), invocations.clone(), policy.clone());
        let service = service_fn(move |request: lambda_http::Request| {
            count.fetch_add(1, Ordering::Relaxed);
            let page: usize = request.uri().path()[1..].parse().expect("a number");
            let version = now.lock().expect("no test panics with it")[page].0;
            let rendered = content.render_template("page.html", json!({ "page": page, "version": version }));
            let rendered = rendered.expect("a template").with_data_tags([format!("page:{page}")]);
            let response = http::Response::<String>::from(rendered.with_cache_control(sent.clone()));
            async { Ok::<_, std::convert::Infallible>(response) }
        });
        let site = CloudFront::new().with_cache_tags("cache-tag").layer(service);
        let purges = *policy == CacheControl::until_purged();
        Self { versions, invocations, folders, edge: TestEdge::new(TestSite::new(site)), purges }
    }

    /// A visit at this second of the day.
    async fn visit(&self, page: usize, at: u32, deployed: (u32, u32), day: &mut Day) {
        let answer = self.edge.get(&format!("/{page}")).send().await;
        let (version, changed) = self.versions.lock().expect("no test panics with it")[page];
        let (release, since) = deployed;
        let expected = format!("{}{page}: {version}", "release ".repeat(release as usize));
        if answer.text() != expected {
            day.stale += 1;
            day.oldest = day.oldest.max(at - changed.max(since));
        }
    }

    fn edit(&self, page: usize, at: u32) {
        let mut versions = self.versions.lock().expect("no test panics with it");
        versions[page] = (versions[page].0 + 1, at);
        if self.purges {
            self.edge.purge([format!("page:{page}")]);
        }
    }

    async fn deploy(&self, release: u32) {
        let before = self.folders.content().edge_manifest();
        let template = format!("{}{{{{ page }}}}: {{{{ version }}}}", "release ".repeat(release as usize));
        self.folders.write("templates/page.html", template.as_bytes());
        let gone = before.gone(&self.folders.content().edge_manifest());
        if self.purges {
            self.edge.purge(gone.iter().map(|gone| &gone.tag));
        }
    }
}

async fn day(policy: &CacheControl, visits: u32) -> Day {
    let (site, mut chance) = (Site::new(policy), Chance(7));
    let mut day = Day { visits, ..Day::default() };
    let mut deployed = (0, 0);
    for visit in 0..visits {
        let at = (f64::from(DAY) * f64::from(visit) / f64::from(visits)) as u32;
        if visit > 0 {
            site.edge.advance(Duration::from_secs(u64::from(DAY / visits)));
        }
        if visit % (visits / (EDITS + 1)) == visits / (EDITS + 1) - 1 {
            site.edit(chance.page(), at);
        }
        if visit % (visits / (DEPLOYS + 1)) == visits / (DEPLOYS + 1) - 1 && deployed.0 < DEPLOYS {
            deployed = (deployed.0 + 1, at);
            site.deploy(deployed.0).await;
        }
        site.visit(chance.page(), at, deployed, &mut day).await;
    }
    day.invocations = site.invocations.load(Ordering::Relaxed);
    day
}

/// `DAY_VISITS` makes it longer.
#[tokio::test]
#[allow(clippy::print_stdout)] // The shares are figures to be seen.
async fn a_page_that_is_kept_until_it_is_purged_is_never_old_and_seldom_made() {
    let visits = std::env::var("DAY_VISITS").ok().and_then(|visits| visits.parse().ok()).unwrap_or(10_000);
    let minute = CacheControl::new().with_public().with_max_age(Duration::ZERO).with_s_maxage(Duration::from_secs(60));
    let mut days = Vec::new();
    for (name, policy) in [
        ("no-cache", CacheControl::no_cache()),
        ("s-maxage=60", minute),
        ("until purged", CacheControl::until_purged()),
    ] {
        let day = day(&policy, visits).await;
        let Day { visits, invocations, stale, oldest } = day;
        let hit_ratio = 1.0 - f64::from(invocations) / f64::from(visits);
        println!(
            "{name}: {invocations} invocations for {visits} visits, hit ratio {hit_ratio:.3}, {stale} old pages, {oldest} s at most"
        );
        days.push(day);
    }
    let [asked, timed, kept] = &days[..] else { panic!("three days") };
    assert_eq!((asked.invocations, asked.stale), (visits, 0));
    assert_eq!(kept.stale, 0, "what was purged is gone");
    assert!(kept.invocations < timed.invocations && timed.stale > 0, "{days:?}");
}
