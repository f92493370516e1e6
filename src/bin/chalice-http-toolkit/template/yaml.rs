//! YAML as CloudFormation reads it, with the line of each value: `!Ref x` is `{Ref: x}`, and `!GetAtt a.b` the list of
//! both. It knows no resources.

use saphyr_parser::{Event, Parser, ScanError, Tag};

/// Deeper than templates are; a stranger's file must not use up the stack.
const DEEPEST: usize = 100;

#[derive(Debug)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value under a path of keys: `Properties.Timeout`.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The value, or what it can be where it is an `Fn::If`.
    pub(super) fn cases(&self) -> Vec<&Self> {
        match self.get("Fn::If").map(Self::list) {
            Some([_, yes, no]) => [yes, no].into_iter().flat_map(Self::cases).collect(),
            _ if self.is_no_value() => Vec::new(),
            _ => vec![self],
        }
    }

    /// Whether it may be left out.
    pub(super) fn may_be_missing(&self) -> bool {
        match self.get("Fn::If").map(Self::list) {
            Some([_, yes, no]) => yes.may_be_missing() || no.may_be_missing(),
            _ => self.is_no_value() || self.text().is_some_and(str::is_empty),
        }
    }

    /// What is in a list, whatever its conditions; a single value counts as a list of it.
    pub(super) fn items(&self) -> Vec<&Self> {
        let items = self.cases().into_iter().flat_map(|case| match &case.kind {
            Kind::List(items) => items.iter().flat_map(Self::cases).collect(),
            _ => vec![case],
        });
        items.collect()
    }

    /// The texts in a list.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.items().into_iter().filter_map(Self::text)
    }

    pub(super) fn list(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    fn is_no_value(&self) -> bool {
        self.get("Ref").and_then(Self::text) == Some("AWS::NoValue")
    }
}

/// Why a text is no template, and on which line.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) line: usize,
    pub(super) message: String,
}

impl From<ScanError> for Unreadable {
    fn from(error: ScanError) -> Self {
        Self { line: error.marker().line(), message: format!("this is no YAML: {}", error.info()) }
    }
}

/// A list or a map that is not over yet.
struct Open {
    line: usize,
    tag: Option<String>,
    is_map: bool,
    /// Of a map keys and values by turns.
    nodes: Vec<Node>,
}

/// The first document.
pub(super) fn parse(source: &str) -> Result<Node, Unreadable> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(source) {
        let (event, span) = event?;
        let line = span.start.line();
        let node = match event {
            Event::SequenceStart(_, tag) => {
                open.push(opened(line, tag.as_deref(), false, open.len())?);
                continue;
            }
            Event::MappingStart(_, tag) => {
                open.push(opened(line, tag.as_deref(), true, open.len())?);
                continue;
            }
            Event::Scalar(text, _, _, tag) => called(function(tag.as_deref()), scalar(line, text)),
            Event::SequenceEnd | Event::MappingEnd => closed(open.pop(), line)?,
            Event::Alias(_) => {
                let message = "an alias (`*`) can't be checked: write out what it stands for".to_owned();
                return Err(Unreadable { line, message });
            }
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.nodes.push(node),
            None => return Ok(node),
        }
    }
    Err(Unreadable { line: 1, message: "this file is empty: a template has Resources".to_owned() })
}

fn scalar(line: usize, text: impl Into<String>) -> Node {
    Node { line, kind: Kind::Scalar(text.into()) }
}

fn opened(line: usize, tag: Option<&Tag>, is_map: bool, depth: usize) -> Result<Open, Unreadable> {
    if depth == DEEPEST {
        return Err(Unreadable { line, message: format!("this is nested more than {DEEPEST} levels deep") });
    }
    Ok(Open { line, tag: function(tag), is_map, nodes: Vec::new() })
}

fn closed(open: Option<Open>, line: usize) -> Result<Node, Unreadable> {
    let Some(Open { line, tag, is_map, nodes }) = open else {
        return Err(Unreadable { line, message: "something ends here that did not begin".to_owned() });
    };
    let kind = if is_map { Kind::Map(pairs(nodes)?) } else { Kind::List(nodes) };
    Ok(called(tag, Node { line, kind }))
}

fn pairs(nodes: Vec<Node>) -> Result<Vec<(String, Node)>, Unreadable> {
    let mut pairs = Vec::with_capacity(nodes.len() / 2);
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        let Kind::Scalar(name) = key.kind else {
            return Err(Unreadable { line: key.line, message: "a key has to be a word".to_owned() });
        };
        // A list's or map's own line is its first entry's; its key is where one looks.
        let line = if value.text().is_some() { value.line } else { key.line };
        pairs.push((name, Node { line, ..value }));
    }
    Ok(pairs)
}

/// The function that a tag stands for, by its long name.
fn function(tag: Option<&Tag>) -> Option<String> {
    let tag = tag.filter(|tag| !tag.is_yaml_core_schema())?;
    let name = &tag.suffix;
    Some(if name == "Ref" || name == "Condition" { name.clone() } else { format!("Fn::{name}") })
}

fn called(function: Option<String>, argument: Node) -> Node {
    let Some(function) = function else { return argument };
    let line = argument.line;
    let argument = match (&*function, argument.text().and_then(|text| text.split_once('.'))) {
        ("Fn::GetAtt", Some((resource, attribute))) => {
            Node { line, kind: Kind::List(vec![scalar(line, resource), scalar(line, attribute)]) }
        }
        _ => argument,
    };
    Node { line, kind: Kind::Map(vec![(function, argument)]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_long_ones() {
        let short =
            parse("a: !Ref x\nb: !GetAtt x.y.z\nc: !Sub 'x${y}'\nd: !If [c, [1, 2], !Ref AWS::NoValue]").unwrap();
        let long = parse(
            "a: {Ref: x}\nb: {Fn::GetAtt: [x, y.z]}\nc: {Fn::Sub: 'x${y}'}\nd: {Fn::If: [c, [1, 2], {Ref: AWS::NoValue}]}",
        );
        let long = format!("{:?}", long.unwrap());
        assert_eq!(format!("{short:?}"), long);
        let both = short.get("d").unwrap();
        assert_eq!(both.texts().collect::<Vec<_>>(), ["1", "2"]);
        assert!(both.may_be_missing());
    }

    #[test]
    fn each_value_has_its_line() {
        let node = parse("\na:\n  b: 1\n  c:\n    - x\n    - y: 2\n").unwrap();
        let line = |path: &str| node.at(path).map(|node| node.line);
        assert_eq!([line("a"), line("a.b"), line("a.c")], [Some(2), Some(3), Some(4)]);
        assert_eq!(node.at("a.c").unwrap().items()[1].at("y").unwrap().line, 6);
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_line() {
        let deep = "[".repeat(DEEPEST + 1);
        for (source, line, says) in [
            ("", 1, "empty"),
            ("a: [1\nb: 2", 2, "no YAML"),
            ("a: &x 1\nb: *x", 2, "alias"),
            ("{[1]: 2}", 1, "key"),
            (&deep, 1, "nested"),
            ("a: \"", 1, "no YAML"),
        ] {
            let error = parse(source).unwrap_err();
            assert!(error.line >= line && error.message.contains(says), "{source:?}: {error:?}");
        }
    }
}
