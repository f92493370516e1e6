//! One block of a page, as templates that have nothing else: of each template that the page extends only the block, and what
//! is defined outside of blocks and named in it. So the block is rendered without the rest of the page, and its tag is that of
//! a page like any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    fragment::{Fragment, Sources},
    lookups,
    reads::flow::Flow,
    reference::Reference,
    site_settings::SiteSettings,
    syntax::{
        self,
        outline::{Outline, Role, outline},
    },
    templates::{Templates, failed},
};
use crate::error::Result;

/// A template and all that it extends.
pub(crate) struct Chain {
    members: BTreeMap<String, Member>,
    /// Whether it can extend nothing else. Where it can, the members are all templates that it may mean.
    is_known: bool,
}

struct Member {
    source: String,
    outline: Outline,
}

/// The template that the outermost one is made to extend. It has the block and nothing else, and of all that extend it the
/// engine puts out nothing but that.
const ALONE: &str = "(a block alone)";

impl Chain {
    pub(crate) fn of(templates: &Templates, name: &str) -> Result<Self> {
        // Names that the site's engine joins are followed, and the sources that stand in for the files have other names.
        let mut chain = Self { members: BTreeMap::new(), is_known: templates.replaced().join.is_none() };
        let mut waiting = vec![(name.to_owned(), true)];
        while let Some((name, is_named)) = waiting.pop() {
            if chain.members.contains_key(&name) {
                continue;
            }
            let member = match Member::of(templates, &name) {
                Ok(member) => member,
                Err(error) if is_named => return Err(failed(&name, error)),
                Err(_) => continue,
            };
            chain.is_known &= templates.is_of_file(&name, &member.source) && !member.outline.is_unknown;
            for part in &member.outline.parts {
                let Role::Extends(references) = &part.role else { continue };
                for reference in references {
                    chain.is_known &= matches!(reference, Reference::Name { .. });
                    let named = |name: String| (name, matches!(reference, Reference::Name { .. }));
                    waiting.extend(meant(templates, reference, &name).into_iter().map(named));
                }
            }
            chain.members.insert(name, member);
        }
        Ok(chain)
    }

    /// The names of all blocks.
    pub(crate) fn blocks(&self) -> BTreeSet<&str> {
        self.members.values().flat_map(Member::blocks).collect()
    }

    /// The blocks of a template which are in none that it extends, nor in another block: nothing puts them out.
    pub(crate) fn orphans(&self, name: &str) -> Vec<(&str, usize)> {
        let Some(member) = self.members.get(name).filter(|_| self.is_known && self.members.len() > 1) else {
            return Vec::new();
        };
        let others = self.members.iter().filter(|(other, _)| *other != name);
        let known: BTreeSet<&str> = others.flat_map(|(_, member)| member.blocks()).collect();
        let is_called = member.outline.all_words().any(|word| word == SELF);
        let blocks = member.outline.parts.iter().enumerate().filter_map(|(at, part)| match &part.role {
            Role::Block(block) if member.outline.blocks_around(at).count() == 1 => Some((block.as_str(), part.line)),
            _ => None,
        });
        blocks.filter(|(block, _)| !is_called && !known.contains(block)).collect()
    }

    /// One of the blocks, to be rendered alone. Where it can't be known what it needs, the page is rendered, and the block
    /// afterwards.
    pub(crate) fn fragment(&self, templates: &Templates, settings: &SiteSettings, block: &str) -> Fragment {
        let sources = Arc::new(self.only(templates, settings, block).unwrap_or_default());
        Fragment { block: block.to_owned(), sources }
    }

    /// The same templates with nothing but this block and what it needs of them, if that is known.
    fn only(&self, templates: &Templates, settings: &SiteSettings, block: &str) -> Option<Sources> {
        if !self.is_known || self.members.values().any(Member::may_extend) {
            return None;
        }
        let mut needed = Needed::default();
        let kept = loop {
            let (kept, known) = (self.kept(templates, block, &needed), needed.clone());
            let words = self.members.iter().flat_map(|(name, member)| member.outline.words(&kept[name]));
            needed.words.extend(words.map(str::to_owned));
            if needed != known {
                continue;
            }
            self.needed_outside(templates, &kept, &mut needed)?;
            needed.look_up(settings);
            if needed == known {
                break kept;
            }
        };
        let mut sources = Sources::new();
        for (name, member) in &self.members {
            let source = member.outline.only(&member.source, &kept[name]);
            let before = if member.extends().next().is_none() {
                let alone = [format!("block {block}"), "endblock".to_owned()];
                let [block, end] = alone.map(|words| member.outline.tag(&words));
                sources.insert(ALONE.to_owned(), block? + &end?);
                member.outline.tag(&format!("extends {ALONE:?}"))?
            } else {
                String::new()
            };
            sources.insert(name.clone(), before + &source);
        }
        let syntax = templates.environment().syntax();
        let compiles = |(name, source): (&String, &String)| outline(name, source, syntax.clone()).is_ok();
        sources.iter().all(compiles).then_some(sources)
    }

    /// The parts to keep of each template, so far.
    fn kept(&self, templates: &Templates, block: &str, needed: &Needed) -> BTreeMap<&String, BTreeSet<usize>> {
        let (blocks, enclosing) = (self.reached(block, needed), self.enclosing(block));
        let of = |member: &Member| {
            let (outline, is_seen) = (&member.outline, member.seen(block, &enclosing));
            let keeps = |at: &usize| match &outline.parts[*at].role {
                Role::Block(name) => blocks.contains(name.as_str()),
                Role::Extends(_) => true,
                _ if !is_seen(*at) => false,
                Role::Defines(names) => needed.has_any(names),
                Role::Includes(references) => needed.has_any_of(templates, references),
                Role::Does => true,
                Role::Encloses => false,
            };
            let is_block = |at: usize| matches!(outline.parts[at].role, Role::Block(_));
            let kept = (0..outline.parts.len()).filter(keeps);
            kept.map(|at| if is_block(at) { at } else { outline.outermost(at) }).collect()
        };
        self.members.iter().map(|(name, member)| (name, of(member))).collect()
    }

    /// The block and the blocks within it, in all templates.
    fn reached<'a>(&'a self, block: &'a str, needed: &Needed) -> BTreeSet<&'a str> {
        if needed.words.contains(SELF) {
            return self.blocks();
        }
        let (mut reached, mut count) = (BTreeSet::from([block]), 0);
        while reached.len() > count {
            count = reached.len();
            for outline in self.members.values().map(|member| &member.outline) {
                for at in 0..outline.parts.len() {
                    if outline.blocks_around(at).any(|around| reached.contains(around)) {
                        reached.extend(outline.blocks_around(at).next());
                    }
                }
            }
        }
        reached
    }

    /// The blocks around the block, in all templates.
    fn enclosing<'a>(&'a self, block: &'a str) -> BTreeSet<&'a str> {
        let (mut enclosing, mut waiting) = (BTreeSet::new(), vec![block]);
        while let Some(block) = waiting.pop() {
            for outline in self.members.values().map(|member| &member.outline) {
                let of_block = |at: &usize| matches!(&outline.parts[*at].role, Role::Block(name) if name == block);
                let around = (0..outline.parts.len()).filter(of_block).flat_map(|at| outline.blocks_around(at).skip(1));
                waiting.extend(around.filter(|around| enclosing.insert(*around)));
            }
        }
        enclosing
    }

    /// Adds what the templates name that these parts include and import; `None` where that may be one of the chain itself,
    /// which would then have to be two things at once.
    fn needed_outside(
        &self,
        templates: &Templates,
        kept: &BTreeMap<&String, BTreeSet<usize>>,
        needed: &mut Needed,
    ) -> Option<()> {
        let mut waiting = Vec::new();
        for (name, member) in &self.members {
            let extends: BTreeSet<usize> = member.extends().collect();
            let others = kept[name].difference(&extends).copied().collect();
            waiting.extend(named_by(templates, name, &member.outline.only(&member.source, &others)));
        }
        let mut seen = BTreeSet::new();
        while let Some(reference) = waiting.pop() {
            if self.members.keys().any(|member| reference.is_of(member)) {
                return None;
            }
            let Reference::Name { name, .. } = reference else {
                needed.is_all = true;
                continue;
            };
            if let (true, Ok(member)) = (seen.insert(name.clone()), Member::of(templates, &name)) {
                needed.words.extend(member.outline.all_words().map(str::to_owned));
                waiting.extend(named_by(templates, &name, &member.source));
            }
        }
        Some(())
    }
}

/// The word by which a template calls its own blocks.
const SELF: &str = "self";

/// The templates that a source extends, includes or imports.
fn named_by(templates: &Templates, name: &str, source: &str) -> BTreeSet<Reference> {
    let syntax = templates.environment().syntax().clone();
    let mentions = syntax::mentions(name, source, syntax, templates.replaced(), &mut Flow::default());
    mentions.map(|mentions| mentions.templates).unwrap_or_default()
}

/// The templates that a template may mean by a reference.
fn meant(templates: &Templates, reference: &Reference, from: &str) -> Vec<String> {
    match (reference, &templates.replaced().join) {
        (Reference::Name { name, .. }, Some(join)) => join(name, from).into_iter().collect(),
        (Reference::Name { name, .. }, None) => vec![name.clone()],
        (Reference::StartsWith(_), Some(_)) => templates.named_from("").into_iter().map(str::to_owned).collect(),
        (Reference::StartsWith(prefix), None) => templates.named_from(prefix).into_iter().map(str::to_owned).collect(),
    }
}

impl Member {
    fn of(templates: &Templates, name: &str) -> Result<Self, minijinja::Error> {
        let environment = templates.environment();
        let source = environment.get_template(name)?.source().to_owned();
        let outline = outline(name, &source, environment.syntax().clone())?;
        Ok(Self { source, outline })
    }

    fn blocks(&self) -> impl Iterator<Item = &str> {
        self.outline.parts.iter().filter_map(|part| match &part.role {
            Role::Block(name) => Some(name.as_str()),
            _ => None,
        })
    }

    fn extends(&self) -> impl Iterator<Item = usize> {
        let parts = self.outline.parts.iter().enumerate();
        parts.filter(|(_, part)| matches!(part.role, Role::Extends(_))).map(|(at, _)| at)
    }

    /// Whether a block sees what is defined in a place: outside of all blocks, or in one that the block is in, before it. All
    /// of a template that extends another comes before any block.
    fn seen<'a>(&'a self, block: &str, enclosing: &'a BTreeSet<&str>) -> impl Fn(usize) -> bool + 'a {
        let outline = &self.outline;
        let of_block = outline.first(|name| name == block);
        let of_any = of_block.or_else(|| outline.first(|name| enclosing.contains(name)));
        let extends = self.extends().next().is_some();
        move |at| {
            let mut around = outline.blocks_around(at).peekable();
            if around.peek().is_none() {
                return extends || outline.is_before(at, of_any);
            }
            around.all(|around| enclosing.contains(around)) && outline.is_before(at, of_block)
        }
    }

    /// Whether it extends another under a condition.
    fn may_extend(&self) -> bool {
        self.extends().any(|at| !self.outline.is_outermost(at))
    }
}

/// The names that what is kept may look up.
#[derive(Clone, Default, PartialEq)]
struct Needed {
    words: BTreeSet<String>,
    /// Any name may be.
    is_all: bool,
}

impl Needed {
    /// What functions and filters look up by name is needed as if it was named.
    fn look_up(&mut self, settings: &SiteSettings) {
        let names = self.words.iter().flat_map(|word| lookups::of(settings, word));
        let names: Vec<String> = names.map(str::to_owned).collect();
        self.words.extend(names);
    }

    fn has_any(&self, names: &BTreeSet<String>) -> bool {
        self.is_all || !self.words.is_disjoint(names)
    }

    /// Whether what is included gives a value to one of them, or may.
    fn has_any_of(&self, templates: &Templates, references: &[Reference]) -> bool {
        let (mut waiting, mut seen) = (references.to_vec(), BTreeSet::new());
        while let Some(reference) = waiting.pop() {
            let Reference::Name { name, .. } = reference else { return true };
            let Ok(member) = Member::of(templates, &name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            for part in member.outline.parts {
                match part.role {
                    Role::Defines(names) if self.has_any(&names) => return true,
                    Role::Includes(references) | Role::Extends(references) => waiting.extend(references),
                    Role::Does => return true,
                    Role::Defines(_) | Role::Block(_) | Role::Encloses => {}
                }
            }
        }
        false
    }
}
