//! Pages in several languages: the language of a request, what is shown, and tags that follow the language and its translations.

use std::{collections::BTreeSet, fs, path::Path, time::SystemTime};

use axum::{Router, extract::State, routing::get};
use chalice_http_toolkit::{
    Answer, App, CacheControl, CloudFront, ContentManager, Embedded, Translations,
    testing::{CacheResult, TestEdge, TestSite},
};
use http::Method;
use serde_json::json;

const TEMPLATES: Embedded = Embedded::new(&[
    ("plain.html", b"<p>the same"),
    ("a.html", b"<html lang={{ language() }}>{% include 'part.html' %}"),
    ("part.html", b"{{ _('Hello %(name)s', name=name) }}"),
    ("safe.html", b"{{ _('Hello <b>%(name)s</b>'|safe, name=name) }}|{{ _('1 < 2, 100%%, 5% of') }}|{{ _(name) }}"),
    ("macro.html", b"{% macro m() %}{{ pgettext('menu', 'Open') }}{{ gettext('Open') }}{% endmacro %}{{ m() }}"),
    ("count.html", b"{{ ngettext('%(num)d cup', '%(num)d cups', n) }}"),
    ("list.html", b"{{ languages()|join(' ') }}"),
    ("lacks.html", b"{{ _('Hello %(name)s') }}"),
    ("block.html", b"{% block x %}{{ _('Open') }}{% endblock %}"),
]);

const GERMAN: &[u8] = br#"
msgid ""
msgstr "Plural-Forms: nplurals=2; plural=(n != 1);\n"

msgid "Hello %(name)s"
msgstr "Hallo %(name)s"

msgid "Hello <b>%(name)s</b>"
msgstr "Hallo <b>%(name)s</b>"

msgid "Open"
msgstr "Offen"

msgctxt "menu"
msgid "Open"
msgstr "<Oeffnen>"

msgid "%(num)d cup"
msgid_plural "%(num)d cups"
msgstr[0] "%(num)d Tasse"
msgstr[1] "%(num)d Tassen"
"#;

const RUSSIAN: &[u8] =
    b"msgid \"Hello %(name)s\"\nmsgstr \"\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 %(name)s\"\n";

const CATALOGUES: Embedded = Embedded::new(&[("de.po", GERMAN), ("ru/LC_MESSAGES/messages.po", RUSSIAN)]);

fn content(translations: Translations) -> ContentManager {
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content");
    content.with_build_id("1").with_translations(translations).expect("translations")
}

async fn page(State(content): State<ContentManager>) -> Answer {
    Ok(content.render_template("a.html", json!({ "name": "<Maya>" }))?)
}

async fn plain(State(content): State<ContentManager>) -> Answer {
    Ok(content.render_template("plain.html", ())?)
}

fn site(content: &ContentManager, cloudfront: CloudFront) -> TestSite {
    let router = Router::new().route("/a", get(page)).route("/{language}/a", get(page)).route("/plain", get(plain));
    TestSite::of(App::new(router.with_state(content.clone())).with_content(content).with_cloudfront(cloudfront))
}

/// What a page shows in a language.
async fn shown(language: &str, name: &'static str) -> String {
    let content = content(Translations::new(CATALOGUES, "en")).in_language(language);
    let make = move || {
        let (content, arguments) = (content.clone(), json!({ "name": "<i>", "n": 1 }));
        async move { Ok::<_, chalice_http_toolkit::Failure>(content.render_template(name, arguments)?) }
    };
    let answer = TestSite::of(App::new(tower::Layer::layer(&CloudFront::new(), Router::new().route("/", get(make)))))
        .get("/")
        .send()
        .await;
    answer.text().to_owned()
}

#[tokio::test]
async fn messages_are_in_the_language_of_the_page_and_escaped() {
    for (language, name, expected) in [
        ("en", "a.html", "<html lang=en>Hello &lt;i&gt;"),
        ("de", "a.html", "<html lang=de>Hallo &lt;i&gt;"),
        ("de-AT", "a.html", "<html lang=de>Hallo &lt;i&gt;"),
        ("xx", "a.html", "<html lang=en>Hello &lt;i&gt;"),
        ("de", "safe.html", "Hallo <b>&lt;i&gt;</b>|1 &lt; 2, 100%, 5% of|&lt;i&gt;"),
        ("de", "macro.html", "&lt;Oeffnen&gt;Offen"),
        ("en", "macro.html", "OpenOpen"),
        ("de", "count.html", "1 Tasse"),
        ("en", "count.html", "1 cup"),
        ("ru", "count.html", "1 cup"),
        ("ru", "list.html", "de en ru"),
    ] {
        assert_eq!(shown(language, name).await, expected, "{language} {name}");
    }
}

#[tokio::test]
async fn the_path_chooses_the_language_and_needs_no_vary() {
    let site = site(&content(Translations::new(CATALOGUES, "en")), CloudFront::new());
    let mut tags = BTreeSet::new();
    for (path, language) in [("/a", "en"), ("/de/a", "de"), ("/DE/a", "de"), ("/ru/a", "ru"), ("/fr/a", "en")] {
        let answer = site.get(path).header("accept-language", "de").send().await;
        assert_eq!((answer.header("content-language"), answer.header("vary")), (language, ""), "{path}");
        assert!(answer.text().starts_with(&format!("<html lang={language}>")), "{path}");
        let tag = answer.header("etag").to_owned();
        for method in [Method::GET, Method::HEAD] {
            let again = site.request(method, path).header("if-none-match", &tag).send().await;
            assert_eq!((again.status().as_u16(), again.header("etag")), (304, &*tag), "{path}");
        }
        tags.insert((language, tag));
    }
    assert_eq!(tags.len(), 3, "a tag for each language: {tags:?}");
    let other = tags.iter().find(|(language, _)| *language == "ru").map(|(_, tag)| tag.clone()).unwrap_or_default();
    assert_eq!(site.get("/de/a").header("if-none-match", &other).send().await.status(), 200);
}

#[tokio::test]
async fn accept_language_is_in_vary_of_pages_that_translate() {
    let site = site(&content(Translations::new(CATALOGUES, "en").by_accept_language()), CloudFront::new());
    for (field, language) in [("de-AT, en;q=0.5", "de"), ("ru;q=0.9, de;q=0.8", "ru"), ("fr", "en"), ("", "en")] {
        let answer = site.get("/a").header("accept-language", field).send().await;
        assert_eq!(
            (answer.header("content-language"), answer.header("vary")),
            (language, "accept-language"),
            "{field}"
        );
        let tag = answer.header("etag").to_owned();
        let again = site.get("/a").header("accept-language", field).header("if-none-match", &tag).send().await;
        assert_eq!((again.status().as_u16(), again.header("vary")), (304, "accept-language"), "{field}");
        let in_english = site.get("/a").header("if-none-match", &tag).send().await;
        assert_eq!(in_english.status().as_u16(), if language == "en" { 304 } else { 200 }, "{field}");
    }
    let plain = site.get("/plain").header("accept-language", "de").send().await;
    assert_eq!((plain.header("content-language"), plain.header("vary")), ("", ""));
}

#[tokio::test]
async fn an_edge_keeps_a_copy_for_each_language() {
    let policy = CacheControl::new().with_public().with_max_age(std::time::Duration::from_secs(60));
    let cloudfront = || CloudFront::new().with_default_cache_control(policy.clone());
    let edge = TestEdge::new(site(&content(Translations::new(CATALOGUES, "en")), cloudfront()));
    for (path, expected) in [("/a", CacheResult::Miss), ("/de/a", CacheResult::Miss), ("/de/a", CacheResult::Hit)] {
        let answer = edge.get(path).header("accept-language", "ru").send().await;
        assert_eq!(answer.cache(), Some(expected), "{path}");
        assert_eq!(answer.text().contains("Hallo"), path == "/de/a");
    }
    let by_field = content(Translations::new(CATALOGUES, "en").by_accept_language());
    let edge = TestEdge::new(site(&by_field, cloudfront())).with_key_header(http::header::ACCEPT_LANGUAGE);
    for (field, text, expected) in [
        ("de", "Hallo", CacheResult::Miss),
        ("en", "Hello", CacheResult::Miss),
        ("de", "Hallo", CacheResult::Hit),
        // The same language, and another copy.
        ("de-AT", "Hallo", CacheResult::Miss),
    ] {
        let answer = edge.get("/a").header("accept-language", field).send().await;
        assert!(answer.cache() == Some(expected) && answer.text().contains(text), "{field}");
    }
}

#[test]
fn a_changed_translation_changes_the_tags_of_its_language_alone() {
    const CHANGED: Embedded = Embedded::new(&[
        ("de.po", b"msgid \"Hello %(name)s\"\nmsgstr \"Servus %(name)s\"\n"),
        ("ru/LC_MESSAGES/messages.po", RUSSIAN),
    ]);
    let [before, after] = [CATALOGUES, CHANGED].map(|catalogues| content(Translations::new(catalogues, "en")));
    let changes = |language: &str, name: &str| {
        let explain = |content: &ContentManager| {
            content.in_language(language).explain(name, &json!({ "name": "x", "n": 2 })).expect("a page")
        };
        explain(&before).changes(&explain(&after)).into_iter().map(|change| change.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(changes("de", "a.html"), ["the translations into de"]);
    assert_eq!(changes("de", "macro.html"), ["the translations into de"]);
    for (language, name) in [("en", "a.html"), ("ru", "a.html"), ("de", "plain.html"), ("de", "list.html")] {
        assert_eq!(changes(language, name), [""; 0], "{language} {name}");
    }
    let gone = before.edge_manifest().gone(&after.edge_manifest());
    let names: Vec<&str> = gone.iter().flat_map(|gone| &gone.names).map(String::as_str).collect();
    assert!(names.contains(&"template a.html in de"), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with(" in en") || name.ends_with(" in ru")), "{names:?}");
}

#[tokio::test]
async fn a_block_is_in_the_language_of_its_page() {
    let content = content(Translations::new(CATALOGUES, "en"));
    let explain =
        |language: &str| content.in_language(language).explain_block("block.html", "x", &()).expect("a block");
    let changes: Vec<String> = explain("de").changes(&explain("ru")).into_iter().map(|it| it.to_string()).collect();
    assert_eq!(changes, ["the language", "the translations into de", "the translations into ru"]);
}

#[tokio::test]
async fn an_edited_catalogue_is_seen_by_the_next_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| {
        let path = folder.path().join("de.po");
        fs::write(&path, format!("msgid \"Hello %(name)s\"\nmsgstr \"{text} %(name)s\"\n")).expect("it is written");
        age(&path);
    };
    write("Hallo");
    let content = content(Translations::new(folder.path(), "en")).with_reload(true);
    let site = site(&content, CloudFront::new());
    let before = site.get("/de/a").send().await;
    assert!(before.text().contains("Hallo"));
    write("Guten Tag");
    let after = site.get("/de/a").header("if-none-match", before.header("etag")).send().await;
    assert_eq!((after.status().as_u16(), after.text()), (200, "<html lang=de>Guten Tag &lt;Maya&gt;"));
}

/// Makes a file old enough for its time to be trusted.
fn age(path: &Path) {
    let old = SystemTime::now() - std::time::Duration::from_secs(60);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(old)).expect("its time is set");
}

#[test]
fn check_finds_what_is_not_translated_and_what_is_no_language() {
    const TEMPLATES: Embedded = Embedded::new(&[(
        "a.html",
        b"{{ _('Open') }}\n{{ pgettext('menu', 'Open') }}{{ ngettext('cup', 'cups', 2) }}{{ gettext(x) }}{{ language() }}",
    )]);
    const CATALOGUES: Embedded = Embedded::new(&[
        ("de.po", b"msgid \"Open\"\nmsgstr \"Offen\"\n\nmsgid \"cup\"\nmsgstr \"%(x)s\"\n"),
        ("germn.po", b""),
        ("readme.txt", b""),
    ]);
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content");
    let content = content.with_translations(Translations::new(CATALOGUES, "en")).expect("translations");
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "a.html:2: there is no translation of `Open` into `de`",
            "de.po:4: the translation of `cup` names `x`, which the message has not",
            "germn.po: `germn` is no language: name the file as in `de.po`, `pt-BR.po` or `de/messages.po`",
        ]
    );
}

#[tokio::test]
async fn a_value_that_is_not_given_is_named() {
    let content = content(Translations::new(CATALOGUES, "en"));
    let page = content.render_template("lacks.html", ()).expect("a page");
    let error = CloudFront::new().respond(&http::Request::new(()), page).await.expect_err("it fails");
    assert!(format!("{error:?}").contains("needs the value `name`: add `name=...`"), "{error:?}");
}
