//! The command `purge`: which copies a deployment drops, what it says of them, and what CloudFront is asked.

use std::{
    io::Write,
    net::TcpListener,
    process::Output,
    sync::{Arc, Mutex},
};

use chalice_http_toolkit::{App, EdgeManifest};
use serde_json::{Value, json};

use crate::{
    cli::command,
    support::{Folders, folders, read_request},
};

/// The targets and bodies of requests.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A stand-in for Lambda, whose function says this manifest, and for CloudFront: what it was asked.
fn aws(manifest: &EdgeManifest) -> (Asked, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Asked::default();
    let (remembers, manifest) = (asked.clone(), serde_json::to_string(manifest).expect("JSON"));
    // It ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (head, body) = read_request(&stream);
            assert!(head.contains("AWS4-HMAC-SHA256"), "it is signed: {head}");
            let target = head.split_whitespace().nth(1).expect("a target").to_owned();
            let (status, answer) = if target.ends_with("/invocations") { (200, &*manifest) } else { (201, "<x/>") };
            remembers.lock().expect("no panic").push((target, String::from_utf8(body).expect("UTF-8")));
            let head =
                format!("HTTP/1.1 {status} said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())).expect("it is taken");
        }
    });
    (asked, at)
}

fn release(base: &str, build: &str) -> (Folders, EdgeManifest) {
    let folders = folders(&[
        ("templates/base.html", base),
        ("templates/a.html", "{% extends 'base.html' %}"),
        ("templates/b.html", "b"),
        ("static/a.css", "a{}"),
    ]);
    let manifest = folders.content().with_build_id(build).edge_manifest();
    (folders, manifest)
}

fn purge(at: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(&["purge", "--distribution", "E2QWRUHAPOMQZL"]);
    command.args(arguments).env("AWS_ENDPOINT_URL", at).env("NO_PROXY", "*").env("AWS_REGION", "eu-west-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_deployment_drops_the_copies_of_what_it_has_changed() {
    let (folders, old) = release("<p>", "1");
    let (_new, new) = release("<h1>", "1");
    let from = folders.path().join("old.json").display().to_string();
    let to = folders.path().join("new.json").display().to_string();
    std::fs::write(&from, serde_json::to_string(&old).expect("JSON")).expect("a file");
    std::fs::write(&to, serde_json::to_string(&new).expect("JSON")).expect("a file");
    let (asked, at) = aws(&new);

    let (code, out, err) = purge(&at, &["--from", &from, "--to", &to, "--dry-run"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(": template a.html (template base.html)\n"), "{out}");
    assert!(out.ends_with("3 items would be purged from E2QWRUHAPOMQZL\n"), "{out}");
    assert!(!out.contains("b.html") && !out.contains("a.css"), "{out}");
    assert!(asked.lock().expect("no panic").is_empty(), "and nothing was asked");

    let (code, out, err) = purge(&at, &["--from", &from, "--function", "shop", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let said: Value = serde_json::from_str(&out).expect("JSON");
    let asked_for = asked.lock().expect("no panic").clone();
    assert_eq!(asked_for[0].0, "/2015-03-31/functions/shop/invocations");
    assert_eq!(asked_for[0].1, json!({ "chalice-http-toolkit": "edge-manifest" }).to_string());
    assert_eq!(asked_for[1].0, "/2020-05-31/distribution/E2QWRUHAPOMQZL/invalidation");
    let items = said["items"].as_array().expect("a list");
    assert_eq!(items.len(), 3);
    for item in items {
        let item = item.as_str().expect("text");
        assert!(item.starts_with("#closure:") && asked_for[1].1.contains(&format!("<Path>{item}</Path>")), "{item}");
    }
    assert!(asked_for[1].1.contains("<Quantity>3</Quantity>"), "{}", asked_for[1].1);

    let (code, out, _) = purge(&at, &["--from", &from, "--to", &to, "--at-most", "2"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("3 tags are more than 2: one path, /*, is cheaper"), "{out}");
    assert!(asked.lock().expect("no panic")[2].1.contains("<Quantity>1</Quantity><Items><Path>/*</Path></Items>"));

    let (code, out, _) = purge(&at, &["--from", &from, "--to", &from]);
    assert_eq!((code, out.as_str()), (Some(0), "nothing has changed: no copy is dropped\n"));
    assert_eq!(asked.lock().expect("no panic").len(), 3);
}

#[test]
fn what_is_no_manifest_is_told() {
    let (folders, old) = release("<p>", "1");
    let from = folders.path().join("old.json").display().to_string();
    std::fs::write(&from, serde_json::to_string(&old).expect("JSON")).expect("a file");
    let page = folders.path().join("templates/b.html").display().to_string();
    for (arguments, code, word) in [
        (&["--from", &*from, "--to", "none.json"][..], 1, "none.json can't be read"),
        (&["--from", &*from, "--to", &*page], 1, "is no edge manifest"),
        (&["--from", &*from], 2, "--to <FILE>"),
        (&["--from", &*from, "--to", &*from, "--function", "shop"], 2, "cannot be used with"),
    ] {
        let (found, out, err) = purge("http://127.0.0.1:1", arguments);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
    }
}

#[test]
fn another_build_drops_every_page_and_what_the_code_makes() {
    let ((_one, old), (_two, new)) = (release("<p>", "1"), release("<p>", "2"));
    let gone = old.gone(&new);
    let names: Vec<&str> = gone.iter().flat_map(|gone| &gone.names).map(String::as_str).collect();
    for name in ["template a.html", "template b.html", "template base.html", "what the site's code makes"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(!names.contains(&"static file a.css"));
    assert!(gone.iter().any(|gone| gone.tag == "closure:code" && gone.changes == ["the build id"]));
}

#[tokio::test]
async fn the_manifest_is_for_who_may_invoke_the_function() {
    let (folders, _) = release("<p>", "1");
    let content = folders.content().with_build_id("1");
    let site = || {
        tower::service_fn(async |_: lambda_http::Request| {
            Ok::<_, std::convert::Infallible>(http::Response::new("the site".to_owned()))
        })
    };
    let event = r#"{"chalice-http-toolkit":"edge-manifest"}"#;
    let app = App::new(site()).with_edge_manifest(&content);
    let reply = serde_json::to_string(&app.invoke(event, None).await.expect("a reply")).expect("JSON");
    assert_eq!(serde_json::from_str::<EdgeManifest>(&reply).expect("a manifest"), content.edge_manifest());
    // Without being told so it says nothing.
    let error = App::new(site()).invoke(event, None).await.expect_err("no manifest");
    assert!(error.to_string().contains("with_edge_manifest"), "{error}");
    // What a front door hands over is a request, whatever a stranger has put into it.
    for request in [
        json!({ "chalice-http-toolkit": "edge-manifest", "rawPath": "/", "requestContext": { "http": { "method": "POST" } } }),
        json!({ "rawPath": "/", "requestContext": { "http": { "method": "POST" } }, "body": event }),
    ] {
        let reply = app.invoke(&request.to_string(), None).await.expect("a reply");
        assert!(serde_json::to_string(&reply).expect("JSON").contains("the site"));
    }
}
