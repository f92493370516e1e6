//! The pages of a long list: which one is shown, and which others there are. It knows no list and no URL.

use serde::Serialize;

/// One page of a long list, for the query of a database and for the links of a template.
///
/// | in a template | value |
/// |---|---|
/// | `pages.page`, `pages.pages` | the number of this page, from 1, and the number of the last page |
/// | `pages.total`, `pages.per_page` | how many entries there are, and on each page |
/// | `pages.prev`, `pages.next` | the number of the page before and after this one; `none` at the ends |
/// | `pages.numbers` | the numbers to show: the first, the last and those around this one; `none` stands for a gap |
///
/// ```html
/// {% if pages.prev %}<a rel="prev" href="?page={{ pages.prev }}">Newer</a>{% endif %}
/// {% for number in pages.numbers %}{% if number %}<a href="?page={{ number }}">{{ number }}</a>{% else %}…{% endif %}{% endfor %}
/// ```
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::Pagination;
///
/// let pages = Pagination::new(6, 10, 115).expect("there is a page 6");
/// assert_eq!((pages.offset(), pages.per_page()), (50, 10)); // LIMIT 10 OFFSET 50
/// let shown = serde_json::to_value(pages).unwrap();
/// assert_eq!((&shown["prev"], &shown["next"], &shown["pages"]), (&5.into(), &7.into(), &12.into()));
/// assert_eq!(shown["numbers"], serde_json::json!([1, null, 4, 5, 6, 7, 8, null, 12]));
/// // For a page that does not exist, answer with `content.not_found()`. The first page always exists.
/// assert_eq!(Pagination::new(13, 10, 115), None);
/// assert!(Pagination::new(1, 10, 0).is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pagination {
    page: u64,
    per_page: u64,
    total: u64,
    pages: u64,
    prev: Option<u64>,
    next: Option<u64>,
    numbers: Vec<Option<u64>>,
}

/// So many numbers are shown on each side of this page.
const AROUND: u64 = 2;

impl Pagination {
    /// The page with this number, from 1, of `total` entries. `None` if there is no such page, or if `per_page` is 0.
    pub fn new(page: u64, per_page: u64, total: u64) -> Option<Self> {
        let pages =
            total.checked_add(per_page.checked_sub(1)?).map_or(u64::MAX / per_page, |sum| sum / per_page).max(1);
        if page == 0 || page > pages {
            return None;
        }
        let prev = page.checked_sub(1).filter(|prev| *prev > 0);
        let next = page.checked_add(1).filter(|next| *next <= pages);
        Some(Self { page, per_page, total, pages, prev, next, numbers: numbers(page, pages) })
    }

    /// How many entries there are before this page: the `OFFSET` of a query.
    pub fn offset(&self) -> u64 {
        (self.page - 1) * self.per_page
    }

    /// The most entries on a page: the `LIMIT` of a query.
    pub fn per_page(&self) -> u64 {
        self.per_page
    }
}

fn numbers(page: u64, pages: u64) -> Vec<Option<u64>> {
    let (first, last) = (page.saturating_sub(AROUND).max(1), page.saturating_add(AROUND).min(pages));
    let mut numbers = Vec::new();
    match first {
        1 => {}
        2 => numbers.push(Some(1)),
        // A gap of one number is as long as the number.
        3 => numbers.extend([Some(1), Some(2)]),
        _ => numbers.extend([Some(1), None]),
    }
    numbers.extend((first..=last).map(Some));
    match pages - last {
        0 => {}
        1 => numbers.push(Some(pages)),
        2 => numbers.extend([Some(pages - 1), Some(pages)]),
        _ => numbers.extend([None, Some(pages)]),
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_its_neighbours_and_no_gap_of_one() {
        for (page, pages, expected) in [
            (1, 1, "1"),
            (1, 10, "1 2 3 - 10"),
            (4, 10, "1 2 3 4 5 6 - 10"),
            (5, 10, "1 2 3 4 5 6 7 - 10"),
            (6, 12, "1 - 4 5 6 7 8 - 12"),
            (7, 10, "1 - 5 6 7 8 9 10"),
            (10, 10, "1 - 8 9 10"),
        ] {
            let shown: Vec<_> =
                numbers(page, pages).into_iter().map(|n| n.map_or("-".into(), |n| n.to_string())).collect();
            assert_eq!(shown.join(" "), expected, "{page} of {pages}");
        }
    }

    #[test]
    fn there_are_as_many_pages_as_the_entries_fill() {
        for (page, per_page, total, expected) in [
            (1, 10, 0, Some((1, 0))),
            (2, 10, 10, None),
            (2, 10, 11, Some((2, 10))),
            (0, 10, 11, None),
            (1, 0, 11, None),
            (1, u64::MAX, u64::MAX, Some((1, 0))),
            (u64::MAX, 1, u64::MAX, Some((u64::MAX, u64::MAX - 1))),
        ] {
            let found = Pagination::new(page, per_page, total).map(|pages| (pages.pages, pages.offset()));
            assert_eq!(found, expected, "{page} {per_page} {total}");
        }
    }
}
