//! What a project may be called, and where it may be deployed. Its name becomes that of a package, a program, a stack and queues.

use crate::layers::table::region;

/// Such names are in the way of Cargo: `cargo new` refuses them too.
const TAKEN: [&str; 12] = [
    "alloc",
    "build",
    "core",
    "debug",
    "deps",
    "doc",
    "examples",
    "incremental",
    "proc-macro",
    "release",
    "std",
    "test",
];
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// With a stage and a word behind it, it is the name of a queue or a role, which take 80 and 64 characters.
const LONGEST: usize = 32;

/// A name as it was typed, if it may be one.
pub(crate) fn name(typed: &str) -> Result<String, String> {
    let begins = typed.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = typed.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_joined = !typed.ends_with('-') && !typed.contains("--");
    if !begins || !fits || !is_joined || typed.len() > LONGEST {
        return Err(format!(
            "allowed are 1 to {LONGEST} lower-case letters, digits and single hyphens, the first one a letter: my-site"
        ));
    }
    if TAKEN.contains(&typed) || KEYWORDS.contains(&typed) {
        return Err("Cargo has a meaning of its own for that word: take another one".into());
    }
    Ok(typed.to_owned())
}

/// A region that template.yaml can be deployed to.
pub(crate) fn deployable(typed: &str) -> Result<String, String> {
    let region = region(typed)?;
    if ["cn-", "us-gov-"].iter().any(|partition| region.starts_with(partition)) {
        return Err("CloudFront is another one there, or none: template.yaml can't be deployed to that region".into());
    }
    Ok(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_a_package_and_of_what_aws_makes_for_it() {
        for good in ["a", "my-site", "shop2", "kiln-and-clay", &"x".repeat(32)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "2shop",
            "My-site",
            "my_site",
            "my site",
            "../up",
            "a/b",
            "ä",
            "test",
            "fn",
            &"x".repeat(33),
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
