//! What a template says: its resources, what refers to what, and what is given where nothing is said. It does not judge.

use super::yaml::Node;
use crate::code::Code;

pub(super) struct Template {
    root: Node,
    /// The facts that the site's code states about the same settings.
    pub(super) code: Code,
}

/// A resource with its logical name.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) name: &'a str,
    pub(super) node: &'a Node,
}

/// A function that is a Rust program, as far as one can tell: it brings its own runtime.
#[derive(Clone, Copy)]
pub(super) struct Function<'a> {
    pub(super) resource: Resource<'a>,
    globals: Option<&'a Node>,
}

impl Template {
    pub(super) fn new(root: Node, code: Code) -> Self {
        Self { root, code }
    }

    /// The resources of a type.
    pub(super) fn all<'a>(&'a self, of_type: &'a str) -> impl Iterator<Item = Resource<'a>> {
        self.resources().filter(move |resource| resource.is(of_type))
    }

    pub(super) fn resource<'a>(&'a self, name: &str) -> Option<Resource<'a>> {
        self.resources().find(|resource| resource.name == name)
    }

    /// The resource that a value refers to.
    pub(super) fn referred<'a>(&'a self, node: &Node) -> Option<Resource<'a>> {
        let name = reference(node)?;
        self.resource(&name)
    }

    fn resources(&self) -> impl Iterator<Item = Resource<'_>> {
        let entries = self.root.get("Resources").map_or(&[][..], Node::entries);
        entries.iter().map(|(name, node)| Resource { name, node })
    }

    /// What SAM takes for all resources of a kind.
    pub(super) fn globals(&self, path: &str) -> Option<&Node> {
        self.root.get("Globals")?.at(path)
    }

    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let globals = self.globals("Function");
        let sam = self.all("AWS::Serverless::Function").map(|resource| Function { resource, globals });
        let plain = self.all("AWS::Lambda::Function").map(|resource| Function { resource, globals: None });
        sam.chain(plain).filter(Function::has_own_runtime).collect()
    }

    pub(super) fn parameter(&self, node: &Node) -> Option<(&str, &Node)> {
        let name = node.get("Ref")?.text()?;
        let entries = self.root.get("Parameters")?.entries();
        entries.iter().find(|(known, _)| known == name).map(|(name, node)| (&**name, node))
    }

    /// A value as it is written, or as its parameter has it by default.
    pub(super) fn value<'a>(&'a self, node: &'a Node) -> Option<&'a str> {
        node.text().or_else(|| self.parameter(node)?.1.get("Default")?.text())
    }

    pub(super) fn number(&self, node: &Node) -> Option<f64> {
        self.value(node)?.parse().ok()
    }

    /// Whether a condition holds where each parameter has its default; `None` where that can't be known.
    pub(super) fn holds(&self, condition: &str) -> Option<bool> {
        self.is_true(self.root.at("Conditions")?.get(condition)?, 0)
    }

    /// `depth` bounds conditions that name one another in a circle.
    fn is_true(&self, node: &Node, depth: usize) -> Option<bool> {
        if depth > DEEPEST {
            return None;
        }
        let depth = depth + 1;
        let (function, argument) = node.entries().first()?;
        let parts = argument.list();
        match (&**function, parts) {
            ("Fn::Equals", [left, right]) => Some(self.value(left)? == self.value(right)?),
            ("Fn::Not", [part]) => Some(!self.is_true(part, depth)?),
            ("Fn::And", parts) => all(parts.iter().map(|part| self.is_true(part, depth))),
            ("Fn::Or", parts) => {
                all(parts.iter().map(|part| self.is_true(part, depth).map(|is| !is))).map(|none| !none)
            }
            ("Condition", _) => self.is_true(self.root.at("Conditions")?.get(argument.text()?)?, depth),
            _ => None,
        }
    }
}

/// Conditions within one another, more than which no template has.
const DEEPEST: usize = 100;

/// Whether all are true; one that is not decides, whatever the unknown ones are.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

/// The resource or parameter that a value refers to: `!Ref x`, `!GetAtt x.Arn`, the first one in a `!Sub`. An alias that SAM
/// makes is `x.Alias`.
pub(super) fn reference(node: &Node) -> Option<String> {
    if let Some(name) = node.get("Ref") {
        return name.text().map(str::to_owned);
    }
    if let Some(parts) = node.get("Fn::GetAtt") {
        let mut parts = parts.texts();
        return parts.next().map(|part| part.split('.').next().unwrap_or(part).to_owned());
    }
    let sub = node.get("Fn::Sub")?;
    let text = sub.text().or_else(|| sub.list().first()?.text())?;
    let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    let name = names.into_iter().find(|name| !name.starts_with("AWS::") && !name.starts_with('!'))?;
    Some(if name.ends_with(".Alias") { name } else { name.split('.').next().unwrap_or(name) }.to_owned())
}

impl<'a> Resource<'a> {
    pub(super) fn is(&self, of_type: &str) -> bool {
        self.node.get("Type").and_then(Node::text) == Some(of_type)
    }

    pub(super) fn property(&self, path: &str) -> Option<&'a Node> {
        self.node.get("Properties")?.at(path)
    }

    pub(super) fn line(&self) -> usize {
        self.node.line
    }
}

impl<'a> Function<'a> {
    /// What it says, or all functions.
    pub(super) fn property(&self, path: &str) -> Option<&'a Node> {
        self.resource.property(path).or_else(|| self.globals?.at(path))
    }

    fn has_own_runtime(&self) -> bool {
        self.property("Runtime").and_then(Node::text).is_some_and(|runtime| runtime.starts_with("provided"))
    }

    /// Its environment variables: its own before those of all functions.
    pub(super) fn variables(&self) -> Vec<(&'a str, &'a Node)> {
        let own = self.resource.property("Environment.Variables");
        let global = self.globals.and_then(|globals| globals.at("Environment.Variables"));
        let mut found: Vec<(&str, &Node)> = Vec::new();
        for (name, value) in [own, global].into_iter().flatten().flat_map(Node::entries) {
            if !found.iter().any(|(known, _)| known == name) {
                found.push((name, value));
            }
        }
        found
    }

    pub(super) fn variable(&self, name: &str) -> Option<&'a Node> {
        self.variables().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// In seconds.
    pub(super) fn timeout(&self, template: &Template) -> Option<f64> {
        self.property("Timeout").map_or(Some(3.0), |timeout| template.number(timeout))
    }

    /// The events of a type, as SAM has them.
    pub(super) fn events(&self, of_type: &str) -> impl Iterator<Item = &'a Node> {
        let events = self.resource.property("Events").map_or(&[][..], Node::entries);
        events
            .iter()
            .map(|(_, event)| event)
            .filter(move |event| event.get("Type").and_then(Node::text) == Some(of_type))
    }

    /// Whether an API or a URL of SAM's brings it requests.
    pub(super) fn answers_requests(&self) -> bool {
        let has = |of_type| self.events(of_type).next().is_some();
        has("HttpApi") || has("Api") || self.property("FunctionUrlConfig").is_some()
    }

    /// Its role, where the template has it.
    pub(super) fn role(&self, template: &'a Template) -> Option<Resource<'a>> {
        self.property("Role").and_then(|role| template.referred(role)).filter(|role| role.is("AWS::IAM::Role"))
    }

    /// The program that it runs, where SAM builds it by name.
    pub(super) fn binary(&self) -> Option<&'a str> {
        self.resource.node.at("Metadata.BuildProperties.Binary")?.text()
    }
}
