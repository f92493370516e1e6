//! The cost of the first tag of a page. Its templates are parsed and analysed once. Nothing is compiled
//! or rendered.
//!
//! `cargo bench --bench analysis` prints for each kind of templates how long that takes for 1,000 lines of them, how much
//! memory it needs at its peak, and how much of that it keeps. Beside it stands what the engine takes to compile the same
//! templates, and keeps: it does so when one of the pages is rendered, with or without a tag. A word behind `--` is that
//! of the only kinds to measure.
#![allow(clippy::print_stdout)] // A bench is there to print.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use chalice_http_toolkit::{BoxError, ContentManager, Embedded};
use minijinja::Environment;

/// The system's allocator, which also counts the bytes in use.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's, called as it was called.
#[allow(unsafe_code, reason = "an allocator can't be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Templates by name; the page is `index.html`.
type Files = Vec<(String, String)>;

fn main() -> Result<(), BoxError> {
    println!("{:<44} {:>6} {:>32} {:>21}", "", "", "--------- analysis ------------", "------ engine -------");
    let [time, peak, kept] = ["ms per 1,000", "peak KiB", "kept KiB"];
    println!("{:<44} {:>6} {time:>12} {peak:>10} {kept:>8} {time:>12} {kept:>8}", "templates", "lines");
    for fields in [1, 2, 3, 4, 5, 6, 7, 8, 24] {
        measure(&format!("macros that call themselves on {fields} fields"), recursive(fields, "tree"))?;
    }
    for fields in [4, 24] {
        measure(&format!("the same, an argument for each ({fields})"), recursive(fields, "tree{}"))?;
    }
    measure("macros that call one another", mutual())?;
    measure("a theme", theme(100))?;
    measure("includes within includes", nested())?;
    measure("one variable after another", variables())?;
    measure("blocks that many templates replace", blocks())?;
    measure("a table of computed columns", columns())?;
    measure("a computed name of any of 200 templates", computed(200))?;
    measure("a computed name of any of 14,000 templates", computed(14_000))
}

fn measure(what: &str, files: Files) -> Result<(), BoxError> {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if only.is_some_and(|only| !what.contains(&only)) {
        return Ok(());
    }
    let lines: usize = files.iter().map(|(_, source)| source.lines().count()).sum();
    let name = |text: &String| -> &'static str { text.clone().leak() };
    let embedded: Vec<_> = files.iter().map(|(file, source)| (name(file), name(source).as_bytes())).collect();
    let templates = Embedded::new(embedded.leak());
    let (mut best, mut engine) = (Cost::MOST, Cost::MOST);
    for _ in 0..3 {
        let content = ContentManager::new(templates, Embedded::new(&[]))?.with_reload(false);
        assert!(content.has_template("index.html"));
        best = best.min(cost(|| content.explain("index.html", &()).map(drop))?);
        let mut environment = Environment::new();
        engine =
            engine.min(cost(|| files.iter().try_for_each(|(name, source)| environment.add_template(name, source)))?);
    }
    let per_thousand = |cost: Cost| cost.time.as_secs_f64() * 1e6 / lines as f64;
    println!(
        "{what:<44} {lines:>6} {:>12.2} {:>10} {:>8} {:>12.2} {:>8}",
        per_thousand(best),
        best.peak / 1024,
        best.kept / 1024,
        per_thousand(engine),
        engine.kept / 1024
    );
    Ok(())
}

/// The time comes first: the cheapest is the quickest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    time: Duration,
    peak: usize,
    kept: usize,
}

impl Cost {
    const MOST: Self = Self { time: Duration::MAX, peak: usize::MAX, kept: usize::MAX };
}

fn cost<E>(work: impl FnOnce() -> Result<(), E>) -> Result<Cost, E> {
    let (before, start) = (NOW.load(Relaxed), Instant::now());
    PEAK.store(before, Relaxed);
    work()?;
    let time = start.elapsed();
    Ok(Cost { time, peak: PEAK.load(Relaxed) - before, kept: NOW.load(Relaxed).saturating_sub(before) })
}

fn site(index: String) -> Files {
    vec![("index.html".to_owned(), index)]
}

/// Some thousand lines of macros for comment trees and JSON schemas.
fn recursive(fields: usize, argument: &str) -> Files {
    let of = |at: usize| {
        let calls = |n| format!("{{% if n.f{n} %}}{{{{ m{at}(n.f{n}) }}}}{{% endif %}}\n");
        let (calls, argument): (String, _) =
            ((0..fields).map(calls).collect(), argument.replace("{}", &at.to_string()));
        format!("{{% macro m{at}(n) %}}\n{{{{ n.t{at} }}}}\n{calls}{{% endmacro %}}\n{{{{ m{at}({argument}) }}}}\n")
    };
    site((0..1000 / (fields + 4) + 1).map(of).collect())
}

fn mutual() -> Files {
    let count = 200;
    let of = |at: usize| {
        let next = [at + 1, at + 7, at * 3].map(|next| next % count);
        let calls = next.map(|next| format!("{{% if n.f{next} %}}{{{{ m{next}(n.f{next}) }}}}{{% endif %}}\n"));
        format!("{{% macro m{at}(n) %}}\n{{{{ n.t{at} }}}}\n{}{{% endmacro %}}\n", calls.concat())
    };
    site((0..count).map(of).collect::<String>() + "{{ m0(tree) }}\n")
}

/// As a documentation theme: a base with blocks, parts that are included, macros, icons.
fn theme(parts: usize) -> Files {
    let mut files = Files::new();
    let mut base = "<!doctype html>\n{% import 'macros.html' as ui %}\n".to_owned();
    let mut macros = String::new();
    for part in 0..parts {
        base += &format!("{{% block b{part} %}}\n{{% include 'parts/{part}.html' %}}\n{{% endblock %}}\n");
        macros += &format!(
            "{{% macro m{part}(item, level=1) %}}\n<a href=\"{{{{ item.url }}}}\">{{{{ item.title }}}}</a>\n\
             {{% if item.children %}}\n<ul>\n{{% for c in item.children %}}\n<li>{{{{ m{part}(c, level + 1) }}}}\n\
             {{% endfor %}}\n</ul>\n{{% endif %}}\n{{% endmacro %}}\n"
        );
        let mut text = format!("{{% import 'macros.html' as ui %}}\n{{% set section = nav.s{part} %}}\n");
        for line in 0..16 {
            text += &format!(
                "{{% for item in section.items{line} if item.on %}}\n<li class=\"{{{{ loop.index }}}}\">\n\
                 {{{{ ui.m{part}(item) }}}}\n{{{{ item.t{line}|default(config.t{line}) }}}}\n{{% endfor %}}\n"
            );
        }
        files.push((format!("parts/{part}.html"), text));
    }
    files.push(("macros.html".into(), macros));
    files.push(("base.html".into(), base));
    files.push((
        "index.html".into(),
        "{% extends 'base.html' %}\n{% block b0 %}\n{{ super() }}\n{% endblock %}\n".into(),
    ));
    files
}

fn nested() -> Files {
    let depth = 100;
    let of = |at: usize| {
        let rows: String =
            (0..30).map(|row| format!("{{{{ v{row}.t{at} }}}}\n{{% set v{row} = v{row}.n %}}\n")).collect();
        let name = if at == 0 { "index.html".into() } else { format!("{at}.html") };
        (
            name,
            format!(
                "{rows}{{% for p in list{at} %}}\n{{% include '{}.html' ignore missing %}}\n{{% endfor %}}\n",
                at + 1
            ),
        )
    };
    (0..depth).map(of).collect()
}

fn variables() -> Files {
    let sets: String = (0..2000).map(|at| format!("{{% set v{} = v{at}.next or a.b{at} %}}\n", at + 1)).collect();
    let shown: String = (0..2000).map(|at| format!("{{{{ v{at}.t }}}}{{{{ c{at} }}}}\n")).collect();
    site(sets + &shown)
}

fn blocks() -> Files {
    let depth = 50;
    let of = |at: usize| {
        let extends = if at + 1 < depth { format!("{{% extends '{}.html' %}}\n", at + 1) } else { String::new() };
        let block = |n| format!("{{% block b{n} %}}\n{{{{ super() }}}}{{{{ x{n}.y{at} }}}}\n{{% endblock %}}\n");
        let text = (0..20).map(block).collect::<String>();
        let text = if at + 1 < depth { text } else { text.replace("{{ super() }}", "") };
        (if at == 0 { "index.html".into() } else { format!("{at}.html") }, extends + &text)
    };
    (0..depth).map(of).collect()
}

fn columns() -> Files {
    let of = |at: usize| {
        format!(
            "{{% for row in rows{at} %}}\n{{% for column in columns{at} %}}\n{{{{ row[column.name].text }}}}\n{{% endfor %}}\n{{% endfor %}}\n"
        )
    };
    site((0..200).map(of).collect())
}

fn computed(count: usize) -> Files {
    let icons = (0..count).map(|at| (format!("icons/{at}.svg"), format!("<svg viewBox=\"0 0 {at} {at}\"></svg>\n")));
    icons.chain(site("{% include 'icons/' ~ page.icon ~ '.svg' %}\n".into())).collect()
}
