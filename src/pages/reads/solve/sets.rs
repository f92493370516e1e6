//! Which variables have been set in any case at a point of a template.

use crate::pages::reads::flow::{Frame, Link, Name, Scope};

/// Scopes lie within one another: each is numbered so that those within it have the numbers that follow.
#[derive(Debug)]
pub(super) struct Sets {
    numbers: Vec<u32>,
    /// By scope, the same before anything was set in its frame.
    starts: Vec<Scope>,
    /// In order, and none within another of the same variable.
    all: Vec<Set>,
}

/// A variable is set in the scopes with numbers from `first` up to, and not with, `end`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Set {
    frame: Frame,
    name: Name,
    first: u32,
    end: u32,
}

impl Sets {
    pub(super) fn of(links: &[Link]) -> Self {
        let mut sizes = vec![1; links.len()];
        for (at, link) in links.iter().enumerate().rev() {
            // A scope is written down after the one around it.
            if let Some(outer) = link.outer() {
                sizes[outer.0 as usize] += sizes[at];
            }
        }
        let (mut numbers, mut free, mut outermost): (Vec<u32>, Vec<u32>, u32) = (Vec::new(), Vec::new(), 0);
        let (mut starts, mut all): (Vec<Scope>, Vec<Set>) = (Vec::new(), Vec::new());
        for (link, size) in links.iter().zip(sizes) {
            let next = link.outer().map_or(&mut outermost, |outer| &mut free[outer.0 as usize]);
            let first = *next;
            *next += size;
            numbers.push(first);
            free.push(first + 1);
            starts.push(match *link {
                Link::Set(frame, name, outer) => {
                    all.push(Set { frame, name, first, end: first + size });
                    starts[outer.0 as usize]
                }
                _ => Scope(starts.len() as u32),
            });
        }
        all.sort_unstable();
        all.dedup_by(|set, before| (set.frame, set.name) == (before.frame, before.name) && set.first < before.end);
        Self { numbers, starts, all }
    }

    /// The state of a scope before anything is set in its frame.
    pub(super) fn start(&self, scope: Scope) -> Scope {
        self.starts[scope.0 as usize]
    }

    /// Whether a variable has been set wherever a scope is seen.
    pub(super) fn has(&self, scope: Scope, frame: Frame, name: Name) -> bool {
        let number = self.numbers[scope.0 as usize];
        let behind = self.all.partition_point(|set| (set.frame, set.name, set.first) <= (frame, name, number));
        let before = behind.checked_sub(1).map(|at| &self.all[at]);
        before.is_some_and(|set| (set.frame, set.name) == (frame, name) && number < set.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::reads::names::Names;

    #[test]
    fn a_variable_is_set_behind_where_it_is_set_and_not_beside() {
        let (mut names, frame) = (Names::default(), Frame(0));
        let [a, b] = ["a", "b"].map(|name| names.name(name));
        let links = [
            Link::Outside(frame),
            Link::Frame(frame, Scope(0)),
            // One branch.
            Link::Set(frame, a, Scope(1)),
            Link::Set(frame, b, Scope(2)),
            Link::Set(frame, a, Scope(3)),
            // The other, in which something is put in between.
            Link::Macro(Scope(1)),
            Link::Set(frame, b, Scope(1)),
            Link::Frame(Frame(1), Scope(5)),
            Link::Set(Frame(1), a, Scope(7)),
        ];
        let sets = Sets::of(&links);
        let has = |name| (0..links.len() as u32).filter(|at| sets.has(Scope(*at), frame, name)).collect::<Vec<_>>();
        assert_eq!((has(a), has(b)), (vec![2, 3, 4], vec![3, 4, 6]));
        assert!(sets.has(Scope(8), Frame(1), a) && !sets.has(Scope(7), Frame(1), a));
        let starts = (0..links.len() as u32).map(|at| sets.start(Scope(at)).0).collect::<Vec<_>>();
        assert_eq!(starts, [0, 1, 1, 1, 1, 5, 1, 7, 7]);
    }
}
