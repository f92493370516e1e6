//! `setup` as it is run: what it refuses, what it leaves alone, and what it says.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{command, run};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The command in a folder: its exit code, and what it printed.
fn set_up(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(&["setup"]).args(arguments).current_dir(folder).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, root, found);
            } else {
                let name = path.strip_prefix(root).expect("below it").display().to_string();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

#[test]
fn what_may_not_be_is_refused_with_what_may() {
    for (arguments, allowed) in [
        (&[][..], "--name"),
        (&["-n", "My Site"], "lower-case letters"),
        (&["-n", "../up"], "lower-case letters"),
        (&["-n", "fn"], "take another"),
        (&["-n", "site", "-r", "mars-north-1"], "eu-central-1"),
        (&["-n", "site", "-e", "spice"], "free-plan"),
    ] {
        let folder = folder();
        let (code, out, err) = set_up(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(allowed), "{arguments:?}: {err}");
        assert!(files(folder.path()).is_empty(), "{arguments:?}");
    }
    let folder = folder();
    let (code, _, err) = set_up(folder.path(), &["-n", "site", "--toolkit-path", "."]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no checkout of chalice_http_toolkit"), "{err}");
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = folder();
    fs::create_dir(folder.path().join("site")).expect("a folder");
    fs::write(folder.path().join("site/notes.txt"), "mine").expect("a file");
    for more in [&[][..], &["--dry-run"]] {
        let (code, out, err) = set_up(folder.path(), &[&["-n", "site"], more].concat());
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("not empty") && err.contains("--force"), "{err}");
        assert_eq!(files(folder.path()), BTreeMap::from([("site/notes.txt".to_owned(), b"mine".to_vec())]));
    }
    // An empty one is as good as none.
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    assert_eq!(set_up(folder.path(), &["-n", "empty"]).0, Some(0));
}

#[test]
fn what_is_replaced_is_named() {
    let folder = folder();
    assert_eq!(set_up(folder.path(), &["-n", "site"]).0, Some(0));
    let page = folder.path().join("site/templates/index.html");
    let new = fs::read(&page).expect("a template");
    fs::write(&page, "mine").expect("written");
    fs::write(folder.path().join("site/src/other.rs"), "mine").expect("written");

    let (code, dry, _) = set_up(folder.path(), &["-n", "site", "--force", "--dry-run"]);
    assert_eq!((code, fs::read(&page).expect("a template")), (Some(0), b"mine".to_vec()));
    let (code, out, _) = set_up(folder.path(), &["-n", "site", "--force"]);
    assert_eq!((code, fs::read(&page).expect("a template")), (Some(0), new));
    for text in [&dry, &out] {
        let replaced: Vec<&str> = text.lines().filter(|line| line.ends_with("replaced")).collect();
        assert!(matches!(replaced.as_slice(), [line] if line.contains("templates/index.html")), "{text}");
        assert!(text.lines().any(|line| line.contains("Cargo.toml") && line.ends_with("unchanged")), "{text}");
    }
    assert_eq!(fs::read(folder.path().join("site/src/other.rs")).expect("still there"), b"mine");
}

/// Through a link it would write somewhere else; and whatever is in the way, nothing is half done.
#[test]
fn what_is_in_the_way_leaves_nothing_half_done() {
    let elsewhere = folder();
    fs::write(elsewhere.path().join("main.rs"), "mine").expect("a file");
    type Put<'a> = &'a dyn Fn(&Path);
    let in_the_way: [(&str, Put<'_>); 4] = [
        ("src", &|path| symlink(elsewhere.path(), path).expect("a link")),
        ("Cargo.toml", &|path| symlink(elsewhere.path().join("main.rs"), path).expect("a link")),
        ("README.md", &|path| symlink(elsewhere.path().join("nowhere"), path).expect("a link")),
        ("template.yaml", &|path| fs::create_dir(path).expect("a folder")),
    ];
    for (name, put) in in_the_way {
        let folder = folder();
        fs::create_dir(folder.path().join("site")).expect("a folder");
        put(&folder.path().join("site").join(name));
        let (code, out, err) = set_up(folder.path(), &["-n", "site", "--force"]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{name}");
        assert!(err.contains(name) && err.contains("move it away"), "{err}");
        let there = fs::read_dir(folder.path().join("site")).expect("a folder").count();
        assert_eq!(there, 1, "{name}: nothing but what was there");
        assert_eq!(files(elsewhere.path()), BTreeMap::from([("main.rs".to_owned(), b"mine".to_vec())]), "{name}");
    }
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let folder = folder();
    let (code, dry, err) = set_up(folder.path(), &["-n", "site", "-e", "images", "--dry-run"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(files(folder.path()).is_empty() && !folder.path().join("site").exists());
    assert_eq!(set_up(folder.path(), &["-n", "site", "-e", "images"]).0, Some(0));
    let written = files(&folder.path().join("site"));
    assert!(!written.is_empty() && written.keys().all(|name| dry.contains(name.as_str())), "{dry}");
    assert_eq!(dry.lines().filter(|line| line.contains("── ")).count(), written.len(), "{dry}");
}

#[test]
fn json_is_for_machines() {
    let folder = folder();
    let arguments = ["-n", "site", "-e", "magic", "-e", "free-plan", "-e", "magic", "--json"];
    let (code, out, err) = set_up(folder.path(), &arguments);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let said: Value = serde_json::from_str(&out).expect("JSON");
    let written = files(&folder.path().join("site"));
    let named: BTreeMap<&str, &Value> = said["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (file["path"].as_str().expect("a path"), &file["state"]))
        .collect();
    assert!(named.keys().copied().eq(written.keys().map(String::as_str)), "{out}");
    assert!(named.values().all(|state| **state == json!("created")), "{out}");
    assert_eq!(said["dry_run"], json!(false));
    assert_eq!(said["notes"].as_array().map(Vec::len), Some(2), "one for each extra, however often: {out}");
}

#[test]
fn the_next_steps_can_be_pasted() {
    let folder = folder();
    let (code, out, _) = set_up(folder.path(), &["-n", "site", "-p", "it's mine"]);
    assert_eq!(code, Some(0));
    assert!(out.contains(r"  cd 'it'\''s mine/site'"), "{out}");
}

#[test]
fn what_the_free_plan_refuses_is_refused_with_the_reason() {
    let folder = folder();
    let (code, out, err) = set_up(folder.path(), &["-n", "site", "-e", "edge", "-e", "free-plan"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("edge and free-plan") && err.contains("Leave out one"), "{err}");
    assert!(files(folder.path()).is_empty());
}

#[test]
fn no_two_extras_are_in_each_others_way() {
    for choice in (0..64).filter(|choice| choice & 0b1100 != 0b1100) {
        let folder = folder();
        let extras = ["images", "magic", "free-plan", "edge", "schedules", "streaming"].into_iter().enumerate();
        let chosen: Vec<&str> =
            extras.filter(|(bit, _)| choice & (1 << bit) != 0).flat_map(|(_, extra)| ["-e", extra]).collect();
        assert_eq!(set_up(folder.path(), &[&["-n", "site"][..], &chosen].concat()).0, Some(0), "{chosen:?}");
        let site = folder.path().join("site").display().to_string();
        let (code, out, err) = run(&["check", &site]);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{chosen:?}: {err}");
        let written = files(&folder.path().join("site"));
        for (name, content) in written.iter().filter(|(name, _)| !name.ends_with(".jpg")) {
            let text = std::str::from_utf8(content).expect("text");
            // A TOML table of tables has double brackets of its own.
            let left = ["#%", "[[ ", "[%"].iter().find(|mark| text.contains(**mark));
            assert_eq!(left, None, "{name}: what was to be decided is left in it");
        }
    }
}
