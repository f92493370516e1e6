//! The shape of the source: which way its arrows point, who owns which foreign crate, how long a file may be.

use std::{fs, path::Path};

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

#[test]
fn arrows_point_down() {
    let above = [
        ("content/", &["cloudfront", "runtime", "tasking", "CloudFront", "App", "TaskingController"][..]),
        ("cloudfront/", &["content", "runtime", "tasking", "ContentManager", "App", "TaskingController"]),
        ("tasking/", &["content", "cloudfront", "runtime", "ContentManager", "CloudFront", "App"]),
        ("runtime/", &[]),
        ("lib.rs", &[]),
        ("bin/", &["cloudfront", "content", "runtime"]),
    ];
    let leaf = &[
        "content",
        "cloudfront",
        "runtime",
        "tasking",
        "ContentManager",
        "CloudFront",
        "App",
        "TaskingController",
    ][..];
    for (name, source) in sources() {
        let forbidden = above.iter().find(|(area, _)| name.starts_with(area)).map_or(leaf, |(_, forbidden)| forbidden);
        for word in forbidden {
            let uses = |line: &str| {
                let line = line.trim();
                let is_type = word.starts_with(char::is_uppercase);
                line.contains(&format!("crate::{word}::"))
                    || (is_type && line.split(|c: char| !c.is_alphanumeric()).any(|w| w == *word))
            };
            let found: Vec<&str> = code(&source).filter(|line| uses(line)).collect();
            assert!(found.is_empty(), "{name} knows {word}: {found:?}");
        }
    }
}

/// The picture of the source in CONTRIBUTING.md names each folder down to the second level below `src`, and none that is gone.
#[test]
fn contributors_find_each_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("the page");
    let named: Vec<&str> = page.lines().filter_map(|line| line.split_whitespace().next()?.strip_suffix('/')).collect();
    for folder in &named {
        assert!(root.join(folder).is_dir(), "CONTRIBUTING.md names {folder}, which is no folder");
    }
    let mut areas: Vec<String> = sources().iter().filter_map(|(name, _)| area(name)).collect();
    areas.sort();
    areas.dedup();
    for area in areas {
        assert!(named.contains(&area.as_str()), "CONTRIBUTING.md does not say what is in {area}");
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
        ("minijinja", &["content/", "lib.rs", "bin/chalice-http-toolkit/setup/project.rs"][..]),
        ("infer", &["content/media_type.rs", "content/images/codec/kind.rs"]),
        ("zune_jpeg", &["content/images/codec/decode/jpeg.rs"]),
        ("jpeg_decoder", &["content/images/codec/decode/thorough_jpeg.rs"]),
        ("png", &["content/images/codec/decode/", "content/images/codec/encode/"]),
        (
            "image",
            &[
                "content/images/codec/decode/other.rs",
                "content/images/codec/drawn.rs",
                "content/images/codec/others.rs",
                "content/images/drawn.rs",
                "lib.rs",
            ],
        ),
        ("image_webp", &["content/images/codec/decode/webp.rs"]),
        ("fast_image_resize", &["content/images/codec/resize.rs"]),
        ("moxcms", &["content/images/codec/colour.rs"]),
        ("mozjpeg_rs", &["content/images/codec/encode/jpeg.rs"]),
        ("libaom_sys", &["content/images/codec/encode/avif.rs"]),
        ("avif_serialize", &["content/images/codec/encode/avif.rs"]),
        ("libwebp_sys", &["content/images/codec/encode/webp.rs"]),
        ("mime_guess", &["content/media_type.rs"]),
        ("include_dir", &["content/source.rs", "lib.rs"]),
        ("object", &["content/build_id.rs"]),
        ("httpdate", &["cloudfront/"]),
        ("subtle", &["cloudfront/origin.rs"]),
        ("lambda_http", &["runtime/"]),
        ("lambda_runtime", &["runtime/"]),
        ("hyper", &["runtime/dev_server.rs", "bin/chalice-http-toolkit/forward/invoke.rs"]),
        ("hyper_util", &["runtime/dev_server.rs", "bin/chalice-http-toolkit/forward/invoke.rs"]),
        (
            "tokio",
            &[
                "runtime/dev_server.rs",
                "runtime/signals.rs",
                "runtime/tasks.rs",
                "tasking/",
                "content/images/engine.rs",
                "bin/chalice-http-toolkit/check.rs",
                "bin/chalice-http-toolkit/forward/",
                "bin/chalice-http-toolkit/layers/",
            ],
        ),
        ("clap", &["bin/"]),
        ("clap_complete", &["bin/"]),
        (
            "base64",
            &[
                "runtime/",
                "tasking/event.rs",
                "tasking/s3.rs",
                "content/images/placeholder.rs",
                "content/inline.rs",
                "bin/chalice-http-toolkit/forward/event.rs",
            ],
        ),
        (
            "form_urlencoded",
            &[
                "runtime/",
                "content/forms/urlencoded.rs",
                "bin/chalice-http-toolkit/forward/consumers.rs",
                "bin/chalice-http-toolkit/layers/refresh.rs",
            ],
        ),
        ("flate2", &["compressed.rs"]),
        ("brotli_decompressor", &["compressed.rs"]),
        (
            "aws_sdk_sqs",
            &[
                "tasking/sqs.rs",
                "tasking/aws.rs",
                "bin/chalice-http-toolkit/forward/",
                "bin/chalice-http-toolkit/aws.rs",
            ],
        ),
        ("aws_config", &["tasking/aws.rs", "bin/"]),
        ("aws_smithy_http_client", &["tasking/aws.rs", "bin/"]),
        ("cookie", &["cookies/seal.rs"]),
        ("aws_sdk_dynamodb", &["tasking/dynamodb.rs"]),
        ("aws_sdk_s3", &["tasking/s3.rs"]),
        ("zstd", &["tasking/s3.rs"]),
        ("fastrand", &["tasking/send.rs"]),
        ("aws_sigv4", &["bin/chalice-http-toolkit/aws.rs"]),
        ("quick_cache", &["content/images/engine.rs"]),
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
        ("content/forms/file.rs", "`safe_name` is for people"),
        ("content/images/edge.rs", "JavaScript that has refused all but ASCII before"),
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
                "{name}, line {number} of its code: use crate::ows or what the format says: {line}"
            );
        }
    }
}

#[test]
fn each_public_item_is_in_an_example() {
    // The defects are for this crate's own tests alone; the first example of lib.rs begins with an attribute.
    let is_left_out = |name: &str| name.starts_with("bin/") || ["defects.rs", "lib.rs"].contains(&name);
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
            (Some(kind), None) => block = Some(["", "no_run", "rust,no_run"].contains(&kind)),
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
