//! Many short lists in one. It knows nothing of what is in them.

/// A list for each number. What is added to one comes first.
#[derive(Debug)]
pub(super) struct Lists<T> {
    starts: Vec<Rest>,
    items: Vec<(T, Rest)>,
}

/// The rest of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest(u32);

impl Rest {
    const NONE: Self = Self(u32::MAX);
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { starts: Vec::new(), items: Vec::new() }
    }
}

impl<T: Copy> Lists<T> {
    /// Lists up to a number, with room for so many items.
    pub(super) fn with_room(lists: usize, items: usize) -> Self {
        Self { starts: vec![Rest::NONE; lists], items: Vec::with_capacity(items) }
    }

    pub(super) fn add(&mut self, list: u32, item: T) {
        let list = list as usize;
        if list >= self.starts.len() {
            self.starts.resize(list + 1, Rest::NONE);
        }
        let rest = std::mem::replace(&mut self.starts[list], Rest(self.items.len() as u32));
        self.items.push((item, rest));
    }

    /// A list, of which to ask for the [next](Self::next) item.
    pub(super) fn all(&self, list: u32) -> Rest {
        self.starts.get(list as usize).copied().unwrap_or(Rest::NONE)
    }

    /// Takes the next item of a list. Items that were added after the iteration began are not returned.
    pub(super) fn next(&self, rest: &mut Rest) -> Option<T> {
        let (item, after) = *self.items.get(rest.0 as usize)?;
        *rest = after;
        Some(item)
    }

    pub(super) fn iter(&self, list: u32) -> impl Iterator<Item = T> {
        let mut rest = self.all(list);
        std::iter::from_fn(move || self.next(&mut rest))
    }

    pub(super) fn is_empty(&self, list: u32) -> bool {
        self.iter(list).next().is_none()
    }

    /// Makes another list of one.
    pub(super) fn replace(&mut self, list: u32, items: impl IntoIterator<Item = T>) {
        if let Some(start) = self.starts.get_mut(list as usize) {
            *start = Rest::NONE;
        }
        items.into_iter().for_each(|item| self.add(list, item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lists: &Lists<char>, list: u32) -> String {
        lists.iter(list).collect()
    }

    #[test]
    fn each_list_has_its_items() {
        let mut lists = Lists::default();
        [(1, 'a'), (0, 'b'), (1, 'c')].into_iter().for_each(|(list, item)| lists.add(list, item));
        assert_eq!([of(&lists, 0), of(&lists, 1), of(&lists, 2)], ["b", "ca", ""]);
        lists.replace(1, ['d']);
        assert_eq!([of(&lists, 0), of(&lists, 1)], ["b", "d"]);
        assert!(lists.is_empty(2) && !lists.is_empty(0));
    }

    #[test]
    fn what_is_added_meanwhile_is_no_part_of_the_rest() {
        let mut lists = Lists::default();
        lists.add(0, 'a');
        let mut rest = lists.all(0);
        lists.add(0, 'b');
        assert_eq!((lists.next(&mut rest), lists.next(&mut rest)), (Some('a'), None));
    }
}
