//! The shape of the source: which way its arrows point, who owns which foreign crate, how long a file may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Every file of Rust in the crate as its path below `src` and its text. What `setup` writes is no part of the crate.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.ends_with("setup/project") {
                continue;
            }
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below src").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    fn root() -> String {
        format!("{}/src", env!("CARGO_MANIFEST_DIR"))
    }
    let mut found = Vec::new();
    collect(Path::new(&root()), &mut found);
    found
}

/// Lines of code, without comments, documentation and tests.
fn code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| {
        let line = line.trim_start();
        !line.starts_with("//") && !line.starts_with("#[must_use")
    })
}

/// No room imports from one that stands above it in the picture of CONTRIBUTING.md.
#[test]
fn arrows_point_down() {
    let picture = picture();
    let level = |room: &str| picture.iter().position(|line| *line == format!("src/{room}/"));
    let shared = picture.iter().position(|line| line == "src/");
    for (importer, imported) in arrows() {
        let (from, to) = (level(&importer).or(shared), level(&imported).or(shared));
        assert!(from <= to, "{importer} imports {imported}, which stands above it in CONTRIBUTING.md");
        let is_aside = [("content", "cloudfront"), ("cloudfront", "tasking"), ("content", "tasking")];
        assert!(!is_aside.contains(&(&importer, &imported)), "{importer} must not know {imported}");
    }
}

#[test]
fn no_rooms_import_one_another_in_a_circle() {
    let mut arrows = arrows();
    loop {
        let before = arrows.len();
        let importers: Vec<String> = arrows.iter().map(|(importer, _)| importer.clone()).collect();
        arrows.retain(|(_, imported)| importers.contains(imported));
        if arrows.len() == before {
            break;
        }
    }
    assert!(arrows.is_empty(), "a circle: {arrows:#?}");
}

/// A module and those inside it are one thing: circles are looked for between the others.
#[test]
fn no_files_import_one_another_in_a_circle() {
    let mut arrows = file_arrows();
    loop {
        let before = arrows.len();
        let importers: BTreeSet<String> = arrows.iter().map(|(importer, _)| importer.clone()).collect();
        let imported: BTreeSet<String> = arrows.iter().map(|(_, imported)| imported.clone()).collect();
        arrows.retain(|(from, to)| imported.contains(from) && importers.contains(to));
        if arrows.len() == before {
            break;
        }
    }
    assert!(arrows.is_empty(), "a circle: {arrows:#?}");
}

/// A name at the root of the crate says nothing of where it comes from.
#[test]
fn imports_name_the_owning_module() {
    for (name, source) in sources().iter().filter(|(name, _)| !name.starts_with("bin/")) {
        let found = imports(source).into_iter().find(|import| import.starts_with(char::is_uppercase));
        assert_eq!(found, None, "{name} imports this from the root of the crate");
    }
}

#[test]
fn no_room_holds_more_than_18_percent_of_the_lines() {
    let mut rooms = BTreeMap::<String, usize>::new();
    for (name, source) in sources() {
        *rooms.entry(room(&name)).or_default() += source.lines().count();
    }
    let all: usize = rooms.values().sum();
    for (room, lines) in rooms {
        let share = lines as f64 / all as f64;
        assert!(share <= 0.18, "{room} has {lines} of {all} lines, {:.1} %", share * 100.0);
    }
}

/// Which room imports from which other: (importer, imported). A file beside the rooms counts as one.
fn arrows() -> BTreeSet<(String, String)> {
    let sources = sources();
    let inside = sources.iter().filter(|(name, _)| name != "lib.rs" && !name.starts_with("bin/"));
    let arrows = inside.flat_map(|(name, source)| {
        let imported = |import: String| import.split("::").next().unwrap_or_default().to_owned();
        imports(source).into_iter().map(move |import| (room(name), imported(import)))
    });
    arrows.filter(|(importer, imported)| importer != imported).collect()
}

/// Which file imports from which other, as modules below their crate: (importer, imported).
fn file_arrows() -> BTreeSet<(String, String)> {
    let (command, library): (Vec<_>, Vec<_>) = sources().into_iter().partition(|(name, _)| name.starts_with("bin/"));
    let command = command.into_iter().filter_map(|(name, source)| {
        let name = name.strip_prefix("bin/chalice-http-toolkit/")?.to_owned();
        // What `setup` writes is a crate of its own.
        (!name.starts_with("setup/project/")).then_some((name, source))
    });
    let mut arrows = arrows_within(library);
    arrows.extend(arrows_within(command));
    arrows
}

fn arrows_within(sources: impl IntoIterator<Item = (String, String)>) -> BTreeSet<(String, String)> {
    // A `no_*.rs` stands in for a module in builds without it.
    let is_left_out = |name: &str| ["lib.rs", "main.rs"].contains(&name) || name.contains("no_");
    let sources = sources.into_iter().filter(|(name, _)| !is_left_out(name));
    let modules: BTreeMap<String, String> = sources.map(|(name, source)| (module(&name), source)).collect();
    let mut arrows = BTreeSet::new();
    for (importer, source) in &modules {
        for path in paths_below_crate(importer, source) {
            let Some(imported) = owner(&path, &modules) else { continue };
            let is_inside = |one: &str, other: &str| one == other || one.starts_with(&format!("{other}::"));
            if !is_inside(importer, &imported) && !is_inside(&imported, importer) {
                arrows.insert((importer.clone(), imported));
            }
        }
    }
    arrows
}

fn module(name: &str) -> String {
    name.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
}

/// What a file names of the crate, by whichever way, as paths below the crate.
fn paths_below_crate(module: &str, source: &str) -> Vec<String> {
    let mut paths = imports(source);
    let code = code(source).collect::<Vec<_>>().join(" ");
    for (at, word) in code.match_indices("super::").chain(code.match_indices("self::")) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || ['_', ':'].contains(&c)) {
            continue;
        }
        let mut named = Vec::new();
        leaves(word, &code[at + word.len()..], &mut named);
        for path in named {
            let (mut base, mut rest) = (module, path.as_str().trim_start_matches("self::"));
            while let Some(after) = rest.strip_prefix("super::") {
                base = base.rsplit_once("::").map_or("", |(parent, _)| parent);
                rest = after;
            }
            paths.push(if base.is_empty() { rest.to_owned() } else { format!("{base}::{rest}") });
        }
    }
    paths
}

/// The module that a path leads to: also where a module above it has the name for others to use.
fn owner(path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let ends = path.match_indices("::").map(|(at, _)| at).chain([path.len()]);
    let module = ends.map(|end| &path[..end]).filter(|start| modules.contains_key(*start)).last()?;
    let name = path[module.len()..].trim_start_matches("::").split("::").next().unwrap_or_default();
    let code = code(modules.get(module)?).collect::<Vec<_>>().join(" ");
    let exports = ["pub use ", "pub(crate) use ", "pub(super) use "];
    let exported = exports.iter().flat_map(|export| code.split(export).skip(1)).flat_map(|tree| {
        let mut named = Vec::new();
        leaves("", tree.trim_start_matches("self::"), &mut named);
        named
    });
    let mut inside = exported.filter_map(|path| {
        let (inside, exported) = path.rsplit_once("::").filter(|_| !name.is_empty())?;
        (exported == name).then(|| format!("{module}::{}", inside.trim_start_matches("self::")))
    });
    inside.find(|inside| modules.contains_key(inside)).or_else(|| Some(module.to_owned()))
}

/// The first folder of a source file, or its name. What stands in for a room in builds without it is that room.
fn room(name: &str) -> String {
    let room = name.split(['/', '.']).next().unwrap_or_default();
    room.strip_prefix("no_").unwrap_or(room).to_owned()
}

/// The folders that CONTRIBUTING.md names, from top to bottom.
fn picture() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("CONTRIBUTING.md");
    let page = fs::read_to_string(page).expect("the page");
    let folders = page.lines().filter_map(|line| line.split(' ').next().filter(|word| word.ends_with('/')));
    folders.map(str::to_owned).collect()
}

/// What the code of a file names of the crate, as paths below it.
fn imports(source: &str) -> Vec<String> {
    let code = code(source).collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || ['_', '$'].contains(&c));
        if is_whole {
            leaves("", &code[at + path.len()..], &mut found);
        }
    }
    found
}

/// Reads one branch of the tree of a `use` declaration, or one path, and returns what is behind it.
fn leaves<'a>(prefix: &str, tree: &'a str, found: &mut Vec<String>) -> &'a str {
    let end = tree.find(|c: char| !c.is_alphanumeric() && !['_', ':', '*'].contains(&c)).unwrap_or(tree.len());
    let (name, mut rest) = tree.split_at(end);
    let path = format!("{prefix}{name}");
    if !name.is_empty() && !name.ends_with("::") || !rest.starts_with('{') {
        found.push(path);
        return rest;
    }
    while !rest.trim_start_matches([',', ' ', '{']).starts_with('}') {
        rest = leaves(&path, rest.trim_start_matches([',', ' ', '{']), found);
        rest = rest.find([',', '}']).map_or("", |next| &rest[next..]);
        if rest.is_empty() {
            break;
        }
    }
    rest.find('}').map_or("", |end| &rest[end + 1..])
}

/// The picture of the source in CONTRIBUTING.md names each folder down to the second level below `src`, and none that is gone.
#[test]
fn contributors_find_each_folder() {
    let named = picture();
    for folder in &named {
        let is_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).is_dir();
        assert!(is_folder, "CONTRIBUTING.md names {folder}, which is no folder");
    }
    let mut areas: Vec<String> = sources().iter().filter_map(|(name, _)| area(name)).collect();
    areas.sort();
    areas.dedup();
    for area in areas {
        assert!(named.contains(&format!("{area}/")), "CONTRIBUTING.md does not say what is in {area}");
    }
}

/// The folder of a source file, at most two levels below `src`.
fn area(name: &str) -> Option<String> {
    let (folder, _) = name.rsplit_once('/')?;
    let levels: Vec<&str> = folder.split('/').take(2).collect();
    Some(format!("src/{}", levels.join("/")))
}

#[test]
fn each_foreign_crate_has_one_owner() {
    for (krate, owners) in [
        (
            "minijinja",
            &[
                "content/",
                "images/",
                "no_images.rs",
                "pages/",
                "runtime/developer/",
                "lib.rs",
                "bin/chalice-http-toolkit/setup/project.rs",
            ][..],
        ),
        ("garde", &["forms/valid.rs"]),
        ("minijinja_contrib", &["content/jinja.rs"]),
        ("html5gum", &["testing/crawl.rs"]),
        ("infer", &["fields/media_type.rs", "codec/probe.rs"]),
        ("zune_jpeg", &["codec/decode/jpeg.rs"]),
        ("jpeg_decoder", &["codec/decode/thorough_jpeg.rs"]),
        ("png", &["codec/decode/", "codec/encode/"]),
        (
            "image",
            &[
                "codec/decode/other.rs",
                "codec/decode/tiff.rs",
                "codec/drawn.rs",
                "codec/others.rs",
                "content/drawn_images.rs",
                "images/converted.rs",
                "lib.rs",
            ],
        ),
        ("image_webp", &["codec/decode/webp.rs"]),
        ("fast_image_resize", &["codec/resize.rs"]),
        ("moxcms", &["codec/colour.rs"]),
        ("mozjpeg_rs", &["codec/encode/jpeg.rs"]),
        ("libaom_sys", &["codec/encode/avif.rs"]),
        ("avif_serialize", &["codec/encode/avif.rs"]),
        ("libwebp_sys", &["codec/encode/webp.rs"]),
        ("mime_guess", &["fields/media_type.rs"]),
        ("include_dir", &["files/source.rs", "lib.rs"]),
        ("object", &["pages/build_id.rs"]),
        ("httpdate", &["cloudfront/"]),
        ("subtle", &["cloudfront/origin.rs"]),
        ("lambda_http", &["runtime/", "testing/"]),
        ("lambda_runtime", &["runtime/"]),
        ("lambda_runtime_api_client", &["runtime/"]),
        ("hyper", &["runtime/dev_server.rs", "runtime/server/", "bin/chalice-http-toolkit/forward/invoke.rs"]),
        ("hyper_util", &["runtime/dev_server.rs", "runtime/server/", "bin/chalice-http-toolkit/forward/invoke.rs"]),
        (
            "tokio",
            &[
                "content/large_files.rs",
                "runtime/dev_server.rs",
                "runtime/developer/reload.rs",
                "runtime/listen.rs",
                "runtime/recurring.rs",
                "runtime/serve.rs",
                "runtime/server/",
                "runtime/signals.rs",
                "runtime/tasks.rs",
                "purge/distribution.rs",
                "tasking/",
                "images/engine.rs",
                "notes.rs",
                "bin/chalice-http-toolkit/check.rs",
                "bin/chalice-http-toolkit/forward/",
                "bin/chalice-http-toolkit/layers/",
                "bin/chalice-http-toolkit/purge.rs",
                "bin/chalice-http-toolkit/verify.rs",
                "bin/chalice-http-toolkit/tasks/",
            ],
        ),
        ("clap", &["bin/"]),
        ("clap_complete", &["bin/"]),
        (
            "base64",
            &[
                "runtime/",
                "tasking/event.rs",
                "tasking/receive.rs",
                "tasking/s3.rs",
                "tasking/scheduler.rs",
                "images/placeholder.rs",
                "pages/inline.rs",
                "bin/chalice-http-toolkit/verify.rs",
            ],
        ),
        (
            "form_urlencoded",
            &[
                "runtime/",
                "forms/urlencoded.rs",
                "testing/form.rs",
                "bin/chalice-http-toolkit/forward/consumers.rs",
                "bin/chalice-http-toolkit/layers/refresh.rs",
                "bin/chalice-http-toolkit/purge.rs",
                "bin/chalice-http-toolkit/verify.rs",
            ],
        ),
        ("flate2", &["compressed.rs"]),
        ("brotli_decompressor", &["compressed.rs"]),
        (
            "aws_sdk_sqs",
            &[
                "tasking/sqs.rs",
                "tasking/receive.rs",
                "tasking/aws.rs",
                "bin/chalice-http-toolkit/forward/",
                "bin/chalice-http-toolkit/aws.rs",
                "bin/chalice-http-toolkit/sqs.rs",
                "bin/chalice-http-toolkit/tasks/",
            ],
        ),
        ("aws_sdk_scheduler", &["tasking/scheduler.rs"]),
        ("aws_sdk_cloudfront", &["purge/distribution.rs"]),
        ("aws_config", &["tasking/aws.rs", "bin/"]),
        ("aws_smithy_http_client", &["tasking/aws.rs", "bin/"]),
        ("cookie", &["cookies/seal.rs"]),
        ("aws_sdk_dynamodb", &["tasking/dynamodb.rs"]),
        ("aws_sdk_s3", &["tasking/s3.rs"]),
        ("zstd", &["tasking/s3.rs"]),
        ("fastrand", &["tasking/send.rs", "bin/chalice-http-toolkit/verify.rs"]),
        ("aws_sigv4", &["bin/chalice-http-toolkit/aws.rs"]),
        ("jiff", &["schedule/next.rs"]),
        ("quick_cache", &["images/engine.rs"]),
        ("saphyr_parser", &["bin/chalice-http-toolkit/template/yaml.rs"]),
    ] {
        for (name, source) in sources() {
            let named = code(&source).any(|line| names(line, krate));
            let owned = owners.iter().any(|owner| name.starts_with(owner));
            assert!(owned || !named, "{name} names {krate}, which belongs to {owners:?}");
        }
    }
}

/// Whether a line names a crate, and not a module of ours that is called alike.
fn names(line: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    let mut places = line.match_indices(&path).map(|(at, _)| line[..at].chars().next_back());
    line.contains(&format!("use {krate};"))
        || places.any(|before| before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':'))
}

#[test]
fn files_are_short_and_say_what_they_own() {
    for (name, source) in sources() {
        assert!(source.starts_with("//!"), "{name} does not say what it owns");
        let lines = source.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(lines <= 400, "{name} has {lines} lines without tests");
    }
}

/// What is white space, a letter or a capital to Unicode is not so to a protocol: U+2000 before a name makes it another name.
#[test]
fn protocol_text_is_read_by_bytes_and_not_by_unicode() {
    let allowed = [
        ("bin/", "what a developer types, and what a terminal shows"),
        ("forms/file.rs", "`safe_name` is for people"),
        ("images/edge.rs", "JavaScript that has refused all but ASCII before"),
    ];
    let by_unicode = [
        ".trim()",
        ".trim_start()",
        ".trim_end()",
        "str::trim",
        "split_whitespace",
        "is_whitespace",
        "is_alphanumeric",
        "is_alphabetic",
        "is_numeric",
        "is_control",
        "is_lowercase",
        "is_uppercase",
        "to_lowercase",
        "to_uppercase",
    ];
    for (name, source) in sources() {
        if allowed.iter().any(|(owner, _)| name.starts_with(owner)) {
            continue;
        }
        for (number, line) in code(&source).enumerate() {
            let found = by_unicode.iter().find(|way| line.contains(**way));
            assert_eq!(
                found, None,
                "{name}, line {number} of its code: use crate::fields::ows or what the format says: {line}"
            );
        }
    }
}

/// The documents that people read in the repository: at its top, and the guide.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.to_owned(), root.join("src/guide")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    // Its definitions are for the documentation alone.
    let documents = paths.filter(|path| path.extension().is_some_and(|end| end == "md") && !path.ends_with("links.md"));
    documents.map(|path| (path.clone(), fs::read_to_string(path).expect("UTF-8"))).collect()
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    text.split("\n```").step_by(2).collect()
}

/// Where the links of a document lead: those in parentheses, and those of definitions.
fn targets(prose: &str) -> impl Iterator<Item = &str> {
    let ends = [("](", ')'), ("]: ", '\n')];
    ends.into_iter()
        .flat_map(move |(begin, end)| prose.split(begin).skip(1).filter_map(move |rest| rest.split(end).next()))
}

#[test]
fn each_link_of_a_document_leads_to_a_file_or_the_web() {
    let mut dead = Vec::new();
    for (path, text) in documents() {
        let prose = prose(&text);
        for target in targets(&prose).filter(|target| !target.starts_with("https://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let found = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            if !found.is_ok_and(|text| heading.is_empty() || has_heading(&text, heading)) {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere: {dead:#?}");
}

/// Whether a document has a heading with this anchor, as code hosts and rustdoc write it.
fn has_heading(text: &str, anchor: &str) -> bool {
    text.lines().filter(|line| line.starts_with('#')).any(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).eq(anchor.chars())
    })
}

/// Code hosts show the lines that rustdoc hides, and know no link to an item.
#[test]
fn the_guide_reads_well_in_the_repository_too() {
    for (path, text) in documents() {
        let path = path.display();
        assert!(text.starts_with("# "), "{path} has no title");
        assert!(!text.contains("](crate::"), "{path} has a link that only rustdoc knows");
        let code = text.split("\n```").skip(1).step_by(2).filter(|code| code.starts_with("rust"));
        let hidden: Vec<_> = code.flat_map(str::lines).filter(|line| line.starts_with("# ")).collect();
        assert!(hidden.is_empty(), "{path} has lines that only rustdoc hides: {hidden:?}");
    }
}

/// A log line that somebody looks for is in the page word for word, and stays so when the code changes it.
#[test]
fn troubleshooting_quotes_the_log_as_it_is() {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/troubleshooting.md")).expect("the page");
    let code: Vec<String> = sources().into_iter().map(|(_, source)| joined_strings(&source)).collect();
    let page = prose(&page);
    let spans = page.split('`').skip(1).step_by(2).map(|span| span.trim_end_matches(['…', ' ']));
    let is_command =
        |span: &&str| ["cargo ", "chalice-http-toolkit ", "curl "].iter().any(|name| span.starts_with(name));
    let quoted: Vec<&str> = spans.filter(|span| span.matches(' ').count() >= 2 && !span.contains('=')).collect();
    let lines: Vec<&str> = quoted.into_iter().filter(|span| !is_command(span)).collect();
    let missing: Vec<_> = lines.iter().filter(|line| !code.iter().any(|source| source.contains(**line))).collect();
    assert!(missing.is_empty() && lines.len() > 20, "no log line of the code: {missing:#?}");
}

/// A source whose strings that go over several lines are on one.
fn joined_strings(source: &str) -> String {
    let mut parts = source.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |joined, part| joined + part.trim_start())
}

/// Each page of the guide is named in the README, or nobody who reads the repository finds it.
#[test]
fn the_readme_names_each_page_of_the_guide() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the page");
    for (path, _) in
        documents().into_iter().filter(|(path, _)| path.parent().is_some_and(|folder| folder.ends_with("guide")))
    {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(readme.contains(&format!("src/guide/{name}")), "the README does not name {name}");
    }
}

#[test]
fn each_public_item_is_in_an_example() {
    // The defects are for this crate's own tests alone; the first example of lib.rs begins with an attribute.
    let is_left_out = |name: &str| name.starts_with("bin/") || name == "lib.rs" || name.starts_with("defects/");
    let sources: Vec<_> = sources().into_iter().filter(|(name, _)| !is_left_out(name)).collect();
    let guide = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide")).expect("a folder");
    let guide = guide.map(|page| fs::read_to_string(page.expect("an entry").path()).expect("UTF-8"));
    let pages: Vec<String> = guide.chain(sources.iter().map(|(_, source)| source.clone())).collect();
    let examples: Vec<&str> = pages.iter().flat_map(|page| examples(page)).collect();
    let mut missing = Vec::new();
    for (file, source) in &sources {
        let mut above = Vec::new();
        for line in code_and_documentation(source) {
            if line.starts_with("///") || line.starts_with("#[") {
                above.push(line);
                continue;
            }
            let is_done = ["/// ```", "/// ```no_run", "#[doc(hidden)]"].iter().any(|line| above.contains(line));
            if let Some((kind, item)) = public_item(line).filter(|_| !is_done)
                && !examples.iter().any(|example| shows(example, kind, item))
            {
                missing.push(format!("{file}: {kind} {item}"));
            }
            above.clear();
        }
    }
    assert!(missing.is_empty(), "in no example of the documentation: {missing:#?}");
}

fn code_and_documentation(source: &str) -> impl Iterator<Item = &str> {
    source.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim)
}

/// The lines of all examples that are compiled, without comments.
fn examples(page: &str) -> Vec<&str> {
    let (mut block, mut found) = (None, Vec::new());
    for line in code_and_documentation(page) {
        let line = line.strip_prefix("///").or(line.strip_prefix("//!")).unwrap_or(line).trim_start();
        match (line.strip_prefix("```"), block) {
            (Some(kind), None) => block = Some(["", "no_run", "rust", "rust,no_run"].contains(&kind)),
            (Some(_), Some(_)) => block = None,
            (None, Some(true)) => found.extend(line.split("// ").next()),
            (None, _) => {}
        }
    }
    found
}

/// The kind and the name of what a line makes public.
fn public_item(line: &str) -> Option<(&str, &str)> {
    let mut words = line.strip_prefix("pub ")?.split(' ').skip_while(|word| ["async", "const"].contains(word));
    let kind = words.next().filter(|kind| ["fn", "struct", "enum", "trait", "type"].contains(kind))?;
    Some((kind, words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?))
}

/// Whether a line of an example uses an item of this kind and name.
fn shows(example: &str, kind: &str, name: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    example.match_indices(name).any(|(at, _)| {
        let (before, after) = (&example[..at], &example[at + name.len()..]);
        let is_called = kind != "fn" || before.ends_with(['.', ':']) || after.starts_with('(');
        is_called && !before.ends_with(in_word) && !after.starts_with(in_word)
    })
}
