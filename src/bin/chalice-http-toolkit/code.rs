//! What a site's code says that its template has to agree with: how often a task is tried, which field has cache tags, whether it
//! purges, which schedules it has, whether it streams. The code is read as a text. What does not stand there, as it is behind a name, is unknown, and is taken for right.

use std::{collections::BTreeSet, fmt, fs, io, path::Path, time::UNIX_EPOCH};

use chalice_http_toolkit::tasking::Schedule;

use crate::{every::schedules, folder::files_below};

/// The facts about a site's code that its template has to agree with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Code {
    /// Whether there is any.
    pub(crate) is_there: bool,
    /// The greatest number of attempts that it gives a task: `Task::ATTEMPTS` and `with_attempts`.
    pub(crate) attempts: u32,
    /// Each `with_cache_tags(..)`, with the name of the field.
    pub(crate) tag_fields: Vec<(SourceLine, Option<String>)>,
    /// The first `until_purged()`.
    until_purged: Option<SourceLine>,
    /// Whether it purges, by `Purge::new(..)`.
    pub(crate) purges: bool,
    /// Whether it says itself which distribution, by `with_distribution(..)`.
    pub(crate) names_distribution: bool,
    /// The first `with_streaming()`.
    pub(crate) streaming: Option<SourceLine>,
    /// Whether it purges by paths, which takes no tags.
    purges_paths: bool,
    /// Whether it sets up the engine of templates, and whether it does so by names that stand in it.
    sets_up_engine: bool,
    adds_by_name: bool,
    /// Whether it adds what other crates have.
    adds_many: bool,
    /// Whether it names routes, which gives templates `url_for`.
    has_routes: bool,
    /// What stands in it between quotation marks.
    texts: BTreeSet<String>,
    /// Each `with_data_tags([..])` with more tags than an answer may have.
    too_many: Vec<(SourceLine, usize)>,
    /// Each `every(..)`, with its schedule where that stands there.
    pub(crate) schedules: Vec<(SourceLine, Option<Schedule>)>,
    /// The first `with_scheduler()`.
    pub(crate) scheduler: Option<SourceLine>,
}

/// A line of a file, by its path from the code's folder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceLine {
    pub(crate) file: String,
    pub(crate) line: usize,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}", self.file, self.line)
    }
}

impl Default for Code {
    fn default() -> Self {
        Self {
            is_there: false,
            attempts: USUAL,
            tag_fields: Vec::new(),
            until_purged: None,
            purges: false,
            names_distribution: false,
            streaming: None,
            purges_paths: false,
            sets_up_engine: false,
            adds_by_name: false,
            adds_many: false,
            has_routes: false,
            texts: BTreeSet::new(),
            too_many: Vec::new(),
            schedules: Vec::new(),
            scheduler: None,
        }
    }
}

impl Code {
    /// Reads the Rust files below a folder. Without such a folder there is no code.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let files = match files_below(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            files => files?,
        };
        let mut code = Self::default();
        for file in files.iter().filter(|file| file.ends_with(".rs")) {
            // A file that is not UTF-8 is not Rust code.
            code.add(file, &String::from_utf8_lossy(&fs::read(folder.join(file))?));
        }
        Ok(code)
    }

    /// Adds what a file says.
    pub(crate) fn add(&mut self, file: &str, source: &str) {
        // As many lines as there were.
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let lines = source.lines().map(|line| Some(line).filter(is_code).unwrap_or_default());
        let source = lines.collect::<Vec<_>>().join("\n");
        let after = |call: &'static str| {
            let found = source.match_indices(call).map(|(at, _)| (at, &source[at + call.len()..]));
            found.map(|(at, rest)| (SourceLine { file: file.to_owned(), line: line(&source, at) }, rest))
        };
        self.is_there = true;
        self.attempts =
            ATTEMPTS.into_iter().flat_map(&after).filter_map(|(_, rest)| number(rest)).fold(self.attempts, u32::max);
        self.tag_fields.extend(after("with_cache_tags(").map(|(place, rest)| (place, text(rest))));
        self.until_purged = self.until_purged.take().or_else(|| after("until_purged()").next().map(|(place, _)| place));
        self.scheduler = self.scheduler.take().or_else(|| after("with_scheduler()").next().map(|(place, _)| place));
        self.streaming = self.streaming.take().or_else(|| after(".with_streaming()").next().map(|(place, _)| place));
        self.sets_up_engine |= source.contains("with_environment(");
        self.adds_many |= ["with_jinja_compat(", "minijinja_contrib"].iter().any(|many| source.contains(many));
        self.adds_by_name |=
            ["add_filter(", "add_function(", "add_test(", "add_global("].iter().any(|add| source.contains(add));
        self.has_routes |= source.contains("with_routes(");
        self.texts.extend(source.split('"').map(str::to_owned));
        self.purges |= source.contains("Purge::new(");
        self.names_distribution |= source.contains("with_distribution(");
        self.purges_paths |= source.contains(".paths(");
        let counted = after("with_data_tags([").filter_map(|(place, rest)| Some((place, elements(rest)?)));
        let place = |at| SourceLine { file: file.to_owned(), line: line(&source, at) };
        self.schedules.extend(schedules(&source).into_iter().map(|(at, schedule)| (place(at), schedule)));
        self.too_many.extend(counted.filter(|(_, tags)| *tags > MOST_TAGS));
    }

    /// Whether the code may give templates a filter, test or function of this name.
    pub(crate) fn may_add(&self, name: &str) -> bool {
        // By a function of another crate it may add anything.
        (self.has_routes && name == "url_for")
            || !self.is_there
            || self.adds_many
            || self.texts.contains(name)
            || (self.sets_up_engine && !self.adds_by_name)
    }

    /// The faults in the code alone, with the rule that finds them. They do not depend on the template.
    pub(crate) fn problems(&self) -> Vec<(SourceLine, &'static str, String)> {
        let fault = |schedule: &Schedule| schedule.next_after(UNIX_EPOCH).err();
        let schedules = self.schedules.iter();
        let wrong = schedules.filter_map(|(place, schedule)| Some((place.clone(), fault(schedule.as_ref()?)?)));
        let wrong = wrong.map(|(place, error)| (place, "schedule", error.to_string()));
        self.tag_problems().into_iter().map(|(place, message)| (place, "tags", message)).chain(wrong).collect()
    }

    fn tag_problems(&self) -> Vec<(SourceLine, String)> {
        let many = self.too_many.iter().map(|(place, tags)| {
            let message = format!(
                "these are {tags} tags, and an answer has {MOST_TAGS} of its data at most: take one tag for all of a kind"
            );
            (place.clone(), message)
        });
        let kept = self.until_purged.iter().filter(|_| self.tag_fields.is_empty() && !self.purges_paths);
        let kept = kept.map(|place| {
            let message = "CloudFront keeps this for a year, and no purge finds it, as answers have no cache tags: add \
                           CloudFront::with_cache_tags";
            (place.clone(), message.to_owned())
        });
        many.chain(kept).collect()
    }
}

/// The attempts of a task by default.
const USUAL: u32 = 5;

/// The code before the number of attempts.
const ATTEMPTS: [&str; 2] = ["ATTEMPTS: Option<u32> = Some(", "with_attempts("];

/// The tags that CloudFront keeps of an object are fifty, and one is that of its closure.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-by-tags.html>
const MOST_TAGS: usize = 49;

fn line(source: &str, at: usize) -> usize {
    source[..at].matches('\n').count() + 1
}

fn number(rest: &str) -> Option<u32> {
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '_')?;
    rest[..end].replace('_', "").parse().ok()
}

/// The text in quotes that comes next.
fn text(rest: &str) -> Option<String> {
    let (text, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(text.to_owned())
}

/// How many elements the list has that has begun, where they are written out.
fn elements(rest: &str) -> Option<usize> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    let (mut elements, mut is_begun) = (0, false);
    for c in rest.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => (is_text, is_begun) = (!is_text, true),
            _ if is_text => {}
            ']' if depth == 0 => return Some(elements + usize::from(is_begun)),
            ',' if depth == 0 => (elements, is_begun) = (elements + 1, false),
            ';' if depth == 0 => return None,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            c => is_begun |= !c.is_whitespace(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Code {
        let mut code = Code::default();
        code.add("main.rs", source);
        code
    }

    #[test]
    fn attempts_are_read_where_they_stand() {
        for (source, expected) in [
            ("const ATTEMPTS: Option<u32> = Some(12);", 12),
            ("    const ATTEMPTS: Option<u32> = None;", USUAL),
            ("tasks.with_attempts(1_000).on(send)", 1000),
            ("tasks.with_attempts(3).on(send)", USUAL),
            ("tasks.with_attempts(MOST)", USUAL),
            ("// with_attempts(7)", USUAL),
            ("with_attempts(", USUAL),
            ("with_attempts(99999999999)", USUAL),
        ] {
            assert_eq!(of(source).attempts, expected, "{source}");
        }
    }

    #[test]
    fn fields_of_tags_are_read_with_their_lines() {
        let code = of(
            "// with_cache_tags(\"no\")\n\nwith_cache_tags(\"cache-tag\")\n  .with_cache_tags(\n    \"b\")\nwith_cache_tags(FIELD)",
        );
        let found: Vec<_> = code.tag_fields.iter().map(|(place, name)| (place.line, name.as_deref())).collect();
        assert_eq!(found, [(3, Some("cache-tag")), (4, Some("b")), (6, None)]);
    }

    #[test]
    fn tags_are_counted_where_they_are_written_out() {
        for (list, expected) in [
            ("]", Some(0)),
            ("\"a\"]", Some(1)),
            ("\"a\", \"b\",\n]", Some(2)),
            ("\"a,\\\",]\", f(1, [2, 3]), format!(\"{x}\")])", Some(3)),
            ("\"a\"; 60]", None),
            ("\"a\", ", None),
            ("a)]", None),
        ] {
            assert_eq!(elements(list), expected, "{list}");
        }
    }

    #[test]
    fn what_no_purge_would_find_is_a_problem() {
        let lines = |source: &str| of(source).problems().iter().map(|(place, ..)| place.line).collect::<Vec<_>>();
        assert_eq!(lines("\npage.with_cache_control(CacheControl::until_purged())"), [2]);
        assert!(lines("until_purged()\nCloudFront::new().with_cache_tags(\"cache-tag\")").is_empty());
        assert!(lines("until_purged()\npurge.paths([\"/feed.xml\"])").is_empty());
        let tags = |number| format!("\nwith_data_tags([{}])", vec!["\"a\""; number].join(", "));
        assert!(lines(&tags(49)).is_empty());
        assert_eq!(lines(&tags(50)), [2]);
    }

    #[test]
    fn a_name_that_the_code_may_add_is_known() {
        for (source, name, expected) in [
            ("fn main() {}", "shout", false),
            ("c.with_environment(|e| e.add_filter(\"shout\", shout))", "shout", true),
            ("c.with_environment(|e| e.add_filter(\"shout\", shout))", "shoot", false),
            ("c.with_environment(others::filters)", "shoot", true),
            ("c.with_routes(ROUTES)", "url_for", true),
            ("c.with_images(images)", "url_for", false),
        ] {
            let mut code = Code::default();
            code.add("main.rs", source);
            assert_eq!(code.may_add(name), expected, "{source} {name}");
        }
        assert!(Code::default().may_add("shout"), "without code nobody knows");
    }
}
