//! Which parts of its arguments a page can read: a tree of fields, found from what its templates do with values. It knows
//! no template syntax and no values.
//!
//! 1. [`flow`]: what templates do, as facts about places that values come to;
//! 2. [`solve`]: where the values come from, and what of it can run at all;
//! 3. [`tree`]: what is done with the arguments, as a tree;
//! 4. [`keys`]: which fields that is where their names are arguments;
//! 5. [`running`]: what of the templates can run at all.
//!
//! A fact may say too much and never too little: what is not understood looks at all of a value.

pub(crate) mod flow;
mod keys;
mod lists;
pub(crate) mod names;
mod running;
mod solve;
mod tree;

use std::{fmt, sync::Arc};

use self::{
    flow::Flow,
    solve::Solver,
    tree::{Tree, TreeKind},
};
pub(crate) use self::{keys::Keys, running::Running, solve::AnalysisOptions};
use crate::defects::{Defect, seeded};

/// What of a value counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reads {
    Whole,
    Parts(Arc<Parts>),
}

/// What of a value counts at all: what kind of value it is; of a value without parts, the value.
///
/// NOTE: Parts are shared. There are more ways through them than can be gone (a macro that calls itself on eight fields has
/// eight to the power of its depth): whoever looks at all of them keeps what has been seen, by its address.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Parts {
    /// How many elements there are, or which keys.
    pub(crate) shape: bool,
    /// Whether there are any.
    pub(crate) truth: bool,
    /// Sorted by name; few, and asked for at each field of each element: a list is faster to search than a map. Keys that
    /// are no text have the empty name.
    pub(crate) fields: Vec<Field>,
    /// What counts of each element of a sequence.
    pub(crate) elements: Option<Reads>,
    /// What counts of the fields that are not named.
    pub(crate) others: Option<Reads>,
    /// What counts of a field whose name is a key, once [the keys](Reads::with_keys) are known.
    pub(crate) keyed: Option<Reads>,
}

/// What counts of a field, after its name.
pub(crate) type Field = (Arc<str>, Reads);

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Parts").field("shape", &self.shape).field("fields", &names).finish_non_exhaustive()
    }
}

impl Cut {
    /// What to tell a developer.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Some(names) => Some(format!(
                "all of `{}` counts, as its templates look at too many parts of it",
                names.join("` and `")
            )),
            Self::All => Some("all arguments count, as its templates hand too much to one another".into()),
        }
    }
}

impl Reads {
    fn seeded(self) -> Self {
        if !seeded(Defect::NestedField) {
            return self;
        }
        let Self::Parts(parts) = self else { return self };
        let without = |reads: &Self| match reads {
            Self::Parts(parts) => {
                Self::Parts(Arc::new(Parts { fields: Vec::new(), others: None, keyed: None, ..(**parts).clone() }))
            }
            Self::Whole => Self::Whole,
        };
        let fields = parts.fields.iter().map(|(name, reads)| (name.clone(), without(reads))).collect();
        Self::Parts(Arc::new(Parts { fields, ..(*parts).clone() }))
    }

    /// What counts of the field of this name, if anything does.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Whole => Some(self),
            Self::Parts(parts) => {
                let field = parts.fields.iter().find(|(field, _)| **field == *name).map(|(_, reads)| reads);
                field.or(parts.others.as_ref())
            }
        }
    }

    /// What counts of each element of a sequence, if anything does.
    pub(crate) fn each(&self) -> Option<&Self> {
        match self {
            Self::Whole => Some(self),
            Self::Parts(parts) => parts.elements.as_ref(),
        }
    }

    /// Whether it counts besides whether a value has any elements or keys.
    pub(crate) fn has_truth(&self) -> bool {
        match self {
            Self::Whole => false,
            Self::Parts(parts) => parts.truth && !parts.shape,
        }
    }

    /// Whether it counts how many elements a value has, or which keys.
    pub(crate) fn has_shape(&self) -> bool {
        match self {
            Self::Whole => true,
            Self::Parts(parts) => parts.shape,
        }
    }
}

/// What counts of a page's arguments, and which of them are keys of others.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) reads: Reads,
    /// What has to be read to know the keys, if there may be any.
    pub(crate) keys: Option<Reads>,
    /// What of the templates can run, if that is known.
    pub(crate) running: Option<Running>,
}

impl Counts {
    /// All of all arguments.
    pub(crate) fn whole() -> Self {
        Self { reads: Reads::Whole, keys: None, running: None }
    }

    /// What counts, and the names of arguments that were too much to follow.
    pub(crate) fn of(mut flow: Flow, root: &str, options: &AnalysisOptions) -> (Self, Cut) {
        let Some(solution) = Solver::new(&mut flow, options).run(root) else { return (Self::whole(), Cut::All) };
        let running = Some(Running::of(&flow, &solution.live));
        let names = flow.into_names();
        let (reads, cut) = Tree::new(&solution, &names, TreeKind::Reads).of_arguments();
        let has_keys = solution.usages.iter().any(|usage| usage.is_key);
        let keys = has_keys.then(|| Tree::new(&solution, &names, TreeKind::Keys).of_arguments().0);
        let cut = if cut.is_empty() { Cut::None } else { Cut::Some(cut.into_iter().collect()) };
        (Self { reads: reads.seeded(), keys, running }, cut)
    }
}

/// What of the analysis was too much, and counts in whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cut {
    None,
    Some(Vec<String>),
    All,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pages::syntax::{self, Replaced};

    fn flow_of(files: &[(&str, &str)], replaced: &Replaced) -> Flow {
        let mut flow = Flow::default();
        for (name, source) in files {
            syntax::mentions(name, source, Default::default(), replaced, &mut flow).unwrap();
        }
        flow
    }

    fn list(at: &str, reads: &Reads, into: &mut Vec<String>) {
        match reads {
            Reads::Whole => into.push(at.to_owned()),
            Reads::Parts(parts) => {
                let has_parts = !parts.fields.is_empty() || parts.elements.is_some() || parts.others.is_some();
                if parts.shape {
                    into.push(format!("{at}#"));
                } else if parts.truth {
                    into.push(format!("{at}!"));
                } else if !has_parts {
                    into.push(format!("{at}?"));
                }
                parts.fields.iter().for_each(|(name, reads)| list(&format!("{at}.{name}"), reads, into));
                parts.elements.iter().for_each(|reads| list(&format!("{at}[]"), reads, into));
                parts.others.iter().for_each(|reads| list(&format!("{at}.*"), reads, into));
                let keyed = parts.keyed.as_ref().and_then(|keyed| keyed.field("no field's name"));
                keyed.iter().for_each(|reads| list(&format!("{at}[key]"), reads, into));
            }
        }
    }

    /// What a page reads: `a.b` counts in whole, `a#` with its shape, `a!` with its truth, `a?` with its kind; `[]` is an element, `.*` any field,
    /// `[key]` one that a key names.
    fn reads(files: &[(&str, &str)]) -> String {
        let known = AnalysisOptions {
            globals: ["show".to_owned()].into(),
            looked_up: ["ZONE".to_owned()].into(),
            is_watched: false,
        };
        let (Counts { reads, .. }, cut) = Counts::of(flow_of(files, &Replaced::default()), "index.html", &known);
        assert_eq!(cut, Cut::None);
        let Reads::Parts(arguments) = reads else { return "everything".into() };
        let mut found = Vec::new();
        for (name, reads) in arguments.fields.iter().filter(|(name, _)| !["ZONE", "show"].contains(&&**name)) {
            list(name, reads, &mut found);
        }
        found.join(" ")
    }

    fn check(table: &[(&str, &str)]) {
        let shared = [
            (
                "m.html",
                "{% macro card(p) %}{{ p.t }}{% endmacro %}{% macro unused(p) %}{{ p }}{{ secret }}{% endmacro %}\
              {% macro whole(p) %}{{ p }}{% endmacro %}{% macro call() %}{{ caller(row) }}{% endmacro %}{% set title = page.t %}",
            ),
            ("part.html", "{{ p.t }}{% set left = a.left %}"),
            (
                "base.html",
                "{% block head %}{{ replaced }}{% endblock %}{% block body %}{{ base }}{% endblock %}{% block foot %}{{ foot }}{% endblock %}",
            ),
        ];
        for (source, expected) in table {
            let files: Vec<_> = shared.iter().copied().chain([("index.html", *source)]).collect();
            assert_eq!(reads(&files), *expected, "{source}");
        }
    }

    #[test]
    fn names_mean_what_they_are_bound_to() {
        check(&[
            ("{{ a.b }}{{ a.c.d }}", "a.b a.c.d"),
            ("{{ a.b }}{{ a }}", "a"),
            ("{% for p in posts %}{{ p.t }}{% endfor %}{{ p.u }}", "p.u posts# posts[].t"),
            ("{% for p in posts %}{% endfor %}", "posts# posts[]?"),
            (
                "{% for p in posts if p.on %}{{ p.t }}{% else %}{{ p.u }}{% endfor %}",
                "p.u posts# posts[].on! posts[].t",
            ),
            (
                "{% for p in posts %}{{ loop.index }}{{ loop.last }}{{ loop.previtem.t }}{% endfor %}",
                "posts# posts[].t",
            ),
            ("{% for p in posts %}{{ loop|tojson }}{% endfor %}", "posts"),
            (
                "{% for p in a.list %}{% for p in p.list %}{{ p.t }}{% endfor %}{{ p.u }}{% endfor %}",
                "a.list# a.list[].list# a.list[].list[].t a.list[].u",
            ),
            ("{% set x = a.b %}{{ x.c }}", "a.b.c"),
            ("{% if c %}{% set x = a %}{% endif %}{{ x.t }}", "a.t c! x.t"),
            ("{% with x = a, y = x.b %}{{ y.c }}{% endwith %}{{ x.d }}", "a.b.c x.d"),
            ("{% set x %}{{ a.b }}{% endset %}{{ x.c }}", "a.b"),
            (
                "{% import 'm.html' as item %}{% for item in items %}{{ item.t }}{% endfor %}",
                "items# items[].t page.t?",
            ),
            ("{% import 'm.html' as m %}{{ m }}", "page.t?"),
            ("{% import 'm.html' as m %}{{ m|tojson }}", "caller page.t row secret"),
            ("{% import 'm.html' as m %}{{ m.title }}", "page.t"),
            ("{% import 'm.html' as m %}{{ m.card(a) }}", "a.t page.t?"),
            ("{% from 'm.html' import card as c %}{{ c(a.b) }}{{ c(p=d) }}", "a.b.t card d.t page.t?"),
            (
                "{% from 'm.html' import card %}{{ card(x) }}{% call card(y) %}{{ z }}{% endcall %}",
                "card page.t? x.t y.t",
            ),
            ("{% from 'm.html' import call %}{% call(i) call() %}{{ i.t }}{% endcall %}", "call caller page.t? row.t"),
            ("{{ show(a.b) }}{{ other(a.c) }}", "a.b a.c? other"),
            ("{% set f = show %}{{ f(a) }}", "a"),
            (
                "{% for p in posts %}{% include 'part.html' %}{% endfor %}{{ left.x }}",
                "a.left? left.x posts# posts[].t",
            ),
            ("{% include 'part.html' %}{{ left.x }}", "a.left.x left.x p.t"),
            ("{% macro m() %}{% include 'part.html' %}{% endmacro %}{% set p = a %}{{ m() }}", "a.left? a.t p.t"),
            ("{% macro m() %}{{ p.t }}{% endmacro %}{% set p = a %}{{ m() }}", "a.t p.t"),
            ("{% set p = ZONE2 %}{% set ZONE = b %}", "ZONE2? b"),
        ]);
    }

    #[test]
    fn what_leads_back_to_itself_is_followed_as_deep_as_pages_go() {
        for source in [
            "{% for n in tree recursive %}{{ n.t }}{{ loop(n.children) }}{% endfor %}",
            "{% macro m(tree) %}{% for n in tree %}{{ n.t }}{{ m(n.children) }}{% endfor %}{% endmacro %}{{ m(tree) }}",
            "{% for n in tree recursive %}{{ n.t }}{% include 'deeper.html' %}{% endfor %}",
        ] {
            let files = [("index.html", source), ("deeper.html", "{{ loop(n.children) }}")];
            let flow = flow_of(&files, &Replaced::default());
            let (Counts { reads, .. }, _) = Counts::of(flow, "index.html", &AnalysisOptions::default());
            let mut list = reads.field("tree").unwrap();
            for depth in 0..15 {
                let node = list.each().unwrap();
                assert_eq!((node.field("t"), node.field("u")), (Some(&Reads::Whole), None), "{source} at {depth}");
                list = node.field("children").unwrap();
            }
            (0..3).for_each(|_| list = list.each().and_then(|node| node.field("children")).unwrap());
            assert_eq!(*list, Reads::Whole, "{source}");
        }
    }

    #[test]
    fn what_never_runs_does_not_count() {
        check(&[
            ("{% extends 'base.html' %}{% block head %}{{ new }}{% endblock %}", "base foot new"),
            ("{% extends 'base.html' %}{% block head %}{{ super() }}{{ new }}{% endblock %}", "base foot new replaced"),
            ("{% extends 'base.html' %}{% set p = a %}{% block body %}{{ p.t }}{% endblock %}", "a.t foot replaced"),
            (
                "{% extends 'base.html' %}{% from 'm.html' import card %}{% block body %}{{ card(a) }}{% endblock %}",
                "a.t card foot page.t? replaced",
            ),
            ("{% macro unused(p) %}{{ secret }}{% endmacro %}{{ a }}", "a"),
        ]);
    }

    #[test]
    fn filters_and_tests_look_at_what_they_need() {
        check(&[
            ("{{ a|length }}{{ b|count }}{{ c|first }}{{ (d|last).t }}", "a# b# c# c[] d# d[].t"),
            ("{{ (a or b).t }}{{ (c and d).t }}{{ (e if f else g).t }}", "a! a.t b.t c! d.t e.t f! g.t"),
            ("{{ (a|default(b)).t }}{{ (c|default([], true)).t }}", "a.t b.t c! c.t"),
            ("{% for p in a[1:n] %}{{ p.t }}{% endfor %}", "a# a[].t n"),
            ("{% for p in a|sort(attribute='d.e')|reverse|list %}{{ p.t }}{% endfor %}", "a# a[].d.e a[].t"),
            ("{% for p in a|unique %}{{ p.t }}{% endfor %}{{ (b|max(attribute='n')).t }}", "a# a[] b# b[].n b[].t"),
            (
                "{{ a|map(attribute='t')|join(', ') }}{{ b|join(', ', attribute='t') }}{{ c|join }}",
                "a# a[].t b# b[].t c# c[]",
            ),
            ("{{ a|map(attribute='t')|length }}{{ b|map('upper')|list }}", "a# a[].t? b# b[]"),
            (
                "{% for p in a|selectattr('on')|rejectattr('n', 'eq', x) %}{{ p.t }}{% endfor %}",
                "a# a[].n a[].on! a[].t x",
            ),
            ("{{ a|select('defined')|length }}{{ a|selectattr('x.y', 'none')|length }}", "a# a[].x.y?"),
            (
                "{% for g in a|groupby('k') %}{{ g.grouper }}{% for p in g.list %}{{ p.t }}{% endfor %}{% endfor %}",
                "a# a[].k a[].t",
            ),
            (
                "{% for k, l in a|groupby(attribute='k') %}{% for p in l %}{{ p.t }}{% endfor %}{% endfor %}",
                "a# a[].k a[].t",
            ),
            ("{% for row in a|batch(3) %}{% for p in row %}{{ p.t }}{% endfor %}{% endfor %}", "a# a[].t"),
            (
                "{% for k, v in a|items %}{{ k }}{{ v.t }}{% endfor %}{% for k, v in b|dictsort %}{{ v.t }}{% endfor %}",
                "a# a[] a.*.t b# b[].t b.*.t",
            ),
            (
                "{% for k, v in a.items() %}{{ v.t }}{% endfor %}{{ b.get('x').t }}{{ c.get('y', d.z) }}",
                "a# a.items a[].t a.*.t b.get b.x.t c.get c.y d.z",
            ),
            (
                "{{ a|attr('b') }}{{ a is defined }}{{ c is none }}{{ d == 'x' }}{{ e in [1, 2] }}{{ f == g }}",
                "a.b c? d? e? f g",
            ),
            (
                "{{ 'x' in a }}{{ not b }}{{ c ~ d }}{{ a[0].t }}{{ e[-1].t }}{{ f[i].t }}",
                "a..t a.x? a[] b! c d e..t e[].t f..t f[].t f[key].t i",
            ),
            ("{% for p in a + [b] %}{{ p.t }}{% endfor %}{{ c + d }}", "a# a[].t b.t c# c[] d# d[]"),
            (
                "{% for c in ['x', e] %}{{ a[c].t }}{% endfor %}{{ b[f ~ 'x'].t }}{{ (c|attr(g)).t }}{{ d in c }}",
                "a..t a.x.t a[].t a[key].t b[].t b.*.t c..t c[] c[key].t d e f g",
            ),
            (
                "{% for k in a %}{{ b[k].t }}{% endfor %}{{ c['xy'[0]].t }}{{ d[loop.index].t }}{{ e[not a].t }}",
                "a# a[] b..t b[].t b[key].t c[].t c.*.t d..t d[].t d[key].t e..t e[].t loop.index",
            ),
            (
                "{{ [a, b][0].t }}{{ {'x': c, 'y': d}.x.t }}{% for p in [e, f] %}{{ p.t }}{% endfor %}",
                "a.t b? c.t d? e.t f.t",
            ),
            ("{% for p, q in [(a, b)] %}{{ p.t }}{{ q.u }}{% endfor %}", "a.t b.u"),
            ("{{ a|own }}{{ b is own }}{{ c.own() }}{{ d|tojson }}", "a b c d"),
        ]);
    }

    #[test]
    fn a_filter_of_the_sites_own_looks_at_all() {
        let replaced = Replaced { filters: ["first"].into(), tests: ["none"].into(), join: None };
        let flow = flow_of(&[("index.html", "{{ (a|first).t }}{{ b is none }}{{ c|length }}")], &replaced);
        let (Counts { reads, .. }, _) = Counts::of(flow, "index.html", &AnalysisOptions::default());
        let mut found = Vec::new();
        list("", &reads, &mut found);
        assert_eq!(found, [".a", ".b", ".c#"]);
    }

    /// Macros that call themselves on so many fields, as for comment trees and JSON schemas.
    #[test]
    #[allow(clippy::print_stdout)] // The times are figures to be seen.
    fn macros_that_call_themselves_take_no_time() {
        for fields in 1..=64 {
            let calls = |n| format!("{{% if n.f{n} %}}{{{{ m(n.f{n}) }}}}{{% endif %}}");
            let calls: String = (0..fields).map(calls).collect();
            let source = format!("{{% macro m(n) %}}{{{{ n.k }}}}{calls}{{% endmacro %}}{{{{ m(tree) }}}}");
            let start = Instant::now();
            let flow = flow_of(&[("index.html", &source)], &Replaced::default());
            let (Counts { reads, .. }, cut) = Counts::of(flow, "index.html", &AnalysisOptions::default());
            let time = start.elapsed();
            // Work that grows with the paths through such a tree would take days.
            assert!(time < Duration::from_secs(60), "{fields} fields: {time:?}");
            let leaf = reads.field("tree").and_then(|reads| reads.field("f0")).and_then(|reads| reads.field("f0"));
            assert!(leaf.is_some_and(|reads| reads.field("unread").is_none()), "{fields} fields: {cut:?}");
            if fields <= 8 {
                assert_eq!(cut, Cut::None);
                println!("a macro that calls itself on {fields} fields: {time:?}");
            }
        }
    }
}
