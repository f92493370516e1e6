//! What a page is made from, as a picture (SVG): each template with what it names, and what moved last. It draws, and finds out
//! nothing itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::pages;
use crate::pages::graph::Graph;

const BOX_WIDTH: usize = 220;
const COLUMN: usize = BOX_WIDTH + 70;
const ROW: usize = 50;

/// Longer names are cut in the box, and whole in its title.
const LONGEST_NAME: usize = 30;

/// Deeper ones stand in the last column.
const MOST_COLUMNS: usize = 8;

/// What parts are, as the first words of their names in tags.
const KINDS: [&str; 4] = ["template", "static file", "global", ARGUMENTS];

const ARGUMENTS: &str = "arguments";

/// Something that the page is made from, as tags name it: `template base.html`.
struct Part {
    name: String,
    column: usize,
    row: usize,
}

/// The picture. `moved` are the parts that changed last, as tags name them.
pub(super) fn svg(graph: &Graph, moved: &[String]) -> String {
    let parts = placed(graph);
    let place = |name: &str| parts.iter().find(|part| part.name == name);
    let of =
        |from: &Part| named(graph, &from.name).into_iter().map(|to| (from.column, from.row, to)).collect::<Vec<_>>();
    let lines = parts.iter().flat_map(of).filter_map(|(column, row, to)| {
        let to = place(&to)?;
        let (from_x, to_x) = (2 + column * COLUMN + BOX_WIDTH, 1 + to.column * COLUMN);
        Some(json!({ "from_x": from_x, "from_y": 20 + row * ROW, "to_x": to_x, "to_y": 20 + to.row * ROW }))
    });
    let (lines, boxes): (Vec<Value>, Vec<Value>) =
        (lines.collect(), parts.iter().map(|part| drawn(part, moved)).collect());
    let columns = parts.iter().map(|part| part.column).max().unwrap_or_default();
    let rows = parts.iter().map(|part| part.row).max().unwrap_or_default();
    let page = graph.0.first().map(|node| node.template.as_str()).unwrap_or_default();
    pages::render(
        "picture.svg",
        json!({
            "label": format!("{page} and the {} parts that it is made from, which the list below names", parts.len()),
            "width": columns * COLUMN + BOX_WIDTH + 3,
            "height": (rows + 1) * ROW,
            "box_width": BOX_WIDTH,
            "boxes": boxes,
            "lines": lines,
        }),
    )
}

/// The parts in columns: the page's template, what it names, what that names. What several name stands behind all of them.
fn placed(graph: &Graph) -> Vec<Part> {
    let page = graph.0.first().map(|node| (format!("template {}", node.template), 0));
    let (mut columns, mut waiting) = (Vec::<(String, usize)>::new(), VecDeque::from_iter(page));
    while let Some((name, column)) = waiting.pop_front() {
        let known = columns.iter().position(|(known, _)| *known == name);
        // Templates that name one another in a circle would move behind one another for ever.
        if column > MOST_COLUMNS || known.is_some_and(|at| columns[at].1 >= column) {
            continue;
        }
        waiting.extend(named(graph, &name).into_iter().map(|name| (name, column + 1)));
        match known {
            Some(at) => columns[at].1 = column,
            None => columns.push((name, column)),
        }
    }
    let mut rows = BTreeMap::<usize, usize>::new();
    let placed = columns.into_iter().map(|(name, column)| {
        let row = rows.entry(column).or_default();
        *row += 1;
        Part { name, column, row: *row - 1 }
    });
    placed.collect()
}

/// What a part names.
fn named(graph: &Graph, part: &str) -> Vec<String> {
    let Some(at) = graph.0.iter().position(|node| part.strip_prefix("template ") == Some(&node.template)) else {
        return Vec::new();
    };
    let node = &graph.0[at];
    let of = |kind: &'static str, names: &BTreeSet<String>| {
        names.iter().map(|name| format!("{kind} {name}")).collect::<Vec<_>>()
    };
    let arguments = (at == 0).then(|| ARGUMENTS.to_owned());
    [of("template", &node.templates), of("static file", &node.files), of("global", &node.globals)]
        .into_iter()
        .flatten()
        .chain(arguments)
        .collect()
}

fn drawn(part: &Part, moved: &[String]) -> Value {
    let of_kind = |kind: &&'static str| Some((*kind, part.name.strip_prefix(*kind)?.trim_start_matches(' ')));
    let (kind, name) = KINDS.iter().find_map(of_kind).unwrap_or_default();
    let is_moved = |changed: &String| match part.name.strip_suffix('*') {
        Some(start) => changed.starts_with(start),
        None if part.name == ARGUMENTS => changed.starts_with("args") || changed.starts_with("the key"),
        None => *changed == part.name,
    };
    let name = match name {
        _ if part.name == ARGUMENTS => "of the handler",
        "*" => "any: its name is computed",
        name => name,
    };
    let short: String = name.chars().take(LONGEST_NAME).collect();
    json!({
        "x": 1 + part.column * COLUMN,
        "y": 1 + part.row * ROW,
        "kind": kind,
        "name": if short.len() < name.len() { format!("{short}…") } else { short },
        "part": part.name,
        "moved": moved.iter().any(is_moved),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::graph::Node;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_part_is_drawn_once_and_what_moved_is_marked() {
        let index = Node {
            template: "index.html".into(),
            templates: set(&["base.html", "parts/*"]),
            files: set(&["img/<1>.png"]),
            globals: set(&["site"]),
        };
        let base = Node { template: "base.html".into(), files: set(&["img/<1>.png"]), ..Node::default() };
        let moved = ["args.posts[0].title".to_owned(), "template parts/nav.html".to_owned()];
        let picture = svg(&Graph(vec![index, base]), &moved);
        assert_eq!(picture.matches("<rect").count(), 6, "{picture}");
        assert_eq!(picture.matches("<path").count(), 6, "{picture}");
        assert_eq!(picture.matches("class=\"moved\"").count(), 2, "{picture}");
        assert!(picture.contains("img&#x2f;&lt;1&gt;.png") || picture.contains("img/&lt;1&gt;.png"), "{picture}");
    }
}
