//! Cookies and messages: what goes out and comes back, and that whatever shows them is never kept by a shared cache.

use chalice_http_toolkit::{
    App, BoxError, CacheControl, CloudFront, ContentManager, CookieJar, Cookies, ErrorKind, Front, Representation,
    SameSite, SetCookie, layers::ResponseBody,
};
use http::{Response, header};
use http_body_util::BodyExt;
use lambda_http::Request;
use serde_json::json;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Answer, EVENT_FRONTS, FRONTS, Folders, Log, ask, folders, get};

const SECRET: [u8; 32] = [7; 32];

fn cookies() -> Cookies {
    Cookies::new(SECRET).expect("a secret").with_secure(true)
}

/// A site of one handler that has a jar.
fn site(
    cookies: &Cookies,
    handler: impl Fn(&CookieJar, &Request) -> Result<Representation, BoxError> + Clone + Send + Sync + 'static,
) -> App {
    let service = service_fn(move |request: Request| {
        let answer = CookieJar::of(&request).map_err(Into::into).and_then(|jar| handler(&jar, &request));
        async { answer.map(Response::<String>::from) }
    });
    App::new(CloudFront::new().layer(cookies.layer(service)))
}

/// What a browser would send back of what it was told.
fn browser(answer: &Answer) -> String {
    let set = answer.headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().expect("ASCII"));
    let kept = set.filter(|line| !line.contains("Max-Age=0"));
    kept.filter_map(|line| line.split(';').next()).collect::<Vec<_>>().join("; ")
}

fn text(text: impl Into<String>) -> Result<Representation, BoxError> {
    Ok(Representation::new("text/plain", text.into()))
}

#[tokio::test]
async fn messages_that_nobody_looks_at_give_way_to_the_newest() {
    let site = cookies().layer(service_fn(async |request: http::Request<()>| {
        let jar = CookieJar::of(&request)?;
        match request.uri().path() {
            "/look" => Ok(Response::new(jar.take_flashes().into_iter().map(|flash| flash.text().to_owned()).collect())),
            path => jar.flash("success", &format!("{path} {}", "漢".repeat(150))).map(|()| Response::new(Vec::new())),
        }
    }));
    let mut cookie = String::new();
    for path in ["/1", "/2", "/3", "/4", "/5", "/look"] {
        let request = http::Request::get(path).header("cookie", &cookie).body(()).unwrap();
        let response = site.clone().oneshot(request).await.expect(path);
        cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let texts: Vec<&str> = response.body().iter().map(|text: &String| &text[..2]).collect();
        assert_eq!(texts, if path == "/look" { vec!["/4", "/5"] } else { vec![] }, "{path}");
    }
    let huge = service_fn(async |request: http::Request<()>| {
        CookieJar::of(&request)?.flash("success", &"x".repeat(4_000)).map(|()| Response::new(()))
    });
    let error = cookies().layer(huge).oneshot(http::Request::new(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cookie);
}

#[tokio::test]
async fn a_cookie_goes_out_with_safe_attributes_and_comes_back_through_every_front_door() {
    for (cookies, prefix, secure) in [(cookies(), "__Host-", "; Secure"), (cookies().with_secure(false), "", "")] {
        let app = site(&cookies, |jar, request| {
            if request.uri().path() == "/set" {
                jar.set(SetCookie::new("user", "Núria; \"x\", 100%"))?;
            }
            text(jar.get("user").unwrap_or_else(|| "nobody".into()))
        });
        for front in FRONTS {
            let set = get(&app, "/set").through(front).send().await;
            assert_eq!(set.text(), "Núria; \"x\", 100%", "what was set counts at once");
            let line = set.line("set-cookie");
            assert!(line.starts_with(&format!("{prefix}user=")), "{line}");
            assert!(line.ends_with(&format!("; Path=/; SameSite=Lax; HttpOnly{secure}")), "{line}");
            let cookie = browser(&set);
            let back =
                get(&app, "/").header("cookie", &format!("other=1; {cookie}; more=2")).through(front).send().await;
            assert_eq!(back.text(), "Núria; \"x\", 100%");
            assert_eq!(back.header("set-cookie"), "");
            if matches!(front, Front::Http | Front::Url) {
                let mut event = get(&app, "/").through(front).event();
                event["cookies"] = serde_json::json!(["other=1", cookie]);
                let back = crate::support::send(&app, &event).await;
                assert_eq!(back.text(), "Núria; \"x\", 100%", "in the list of an HTTP API");
            }
        }
    }
}

#[tokio::test]
async fn attributes_are_by_choice_and_what_no_browser_would_keep_is_an_error() {
    let app = site(&cookies(), |jar, _| {
        let hour = Duration::from_millis(3_600_999);
        jar.set(SetCookie::new("a", "1").with_max_age(hour).with_same_site(SameSite::Strict))?;
        jar.set(SetCookie::new("b", "1").with_same_site(SameSite::None).with_script_access())?;
        jar.remove("c");
        for name in ["", "a b", "a=b", "ü", "a;b", "a\r\nx"] {
            assert_eq!(jar.set(SetCookie::new(name, "1")).unwrap_err().kind(), ErrorKind::Cookie, "{name}");
            jar.remove(name);
        }
        for name in ["__Host-user", "__host-user", "__Secure-user", "__SECURE-user", "__Http-user", "__Host-Http-user"]
        {
            let error = jar.set(SetCookie::new(name, "1")).unwrap_err();
            assert!(error.kind() == ErrorKind::Cookie && error.to_string().contains("leave it out"), "{error}");
        }
        let error = jar.set(SetCookie::new("flash", "1")).unwrap_err();
        assert!(error.kind() == ErrorKind::Cookie && error.to_string().contains("another name"), "{error}");
        assert_eq!(jar.set(SetCookie::new("big", "x".repeat(4_096))).unwrap_err().kind(), ErrorKind::Cookie);
        assert_eq!(jar.flash("info", &"x".repeat(4_096)).unwrap_err().kind(), ErrorKind::Cookie);
        text("")
    });
    let answer = get(&app, "/").send().await;
    let lines: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let [a, b, c] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(a.ends_with("; Path=/; Max-Age=3600; SameSite=Strict; HttpOnly; Secure"), "{a}");
    assert!(b.ends_with("; Path=/; SameSite=None; Secure"), "{b}");
    assert_eq!(*c, "__Host-c=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure");
}

#[tokio::test]
async fn what_was_not_set_by_this_site_is_not_there() {
    let show =
        |jar: &CookieJar, _: &Request| text(format!("{:?} {:?}", jar.get("user"), jar.get_untrusted("__Host-user")));
    let set = |cookies: &Cookies, name: &'static str| {
        site(cookies, move |jar, _| {
            jar.set(SetCookie::new(name, "7"))?;
            text("")
        })
    };
    let value = |cookie: &str| cookie.split_once('=').expect("a pair").1.to_owned();
    let ours = browser(&get(&set(&cookies(), "user"), "/").send().await);
    let of_admin = browser(&get(&set(&cookies(), "admin"), "/").send().await);
    let theirs = Cookies::new([8; 32]).expect("a secret").with_secure(true);
    let of_theirs = browser(&get(&set(&theirs, "user"), "/").send().await);
    let encrypted = browser(&get(&set(&cookies().with_encryption(), "user"), "/").send().await);
    let app = site(&cookies(), show);
    for (cookie, found) in [
        (ours.clone(), Some("7")),
        (format!("__Host-user=forged; {ours}"), Some("7")),
        ("__Host-user=7".into(), None),
        ("__Host-user=".into(), None),
        (format!("user={}", value(&ours)), None),
        (format!("__Host-user={}", value(&of_admin)), None),
        (of_theirs, None),
        (encrypted.clone(), None),
        (ours.replace("__Host-user=", "__Host-user=x"), None),
    ] {
        let answer = get(&app, "/").header("cookie", &cookie).send().await;
        assert!(answer.text().starts_with(&format!("{found:?} ")), "{cookie}: {}", answer.text());
    }
    assert!(!encrypted.contains(".7"), "{encrypted}");
    let renewed = theirs.with_previous_secret(SECRET).expect("a secret");
    assert!(get(&site(&renewed, show), "/").header("cookie", &ours).send().await.text().starts_with("Some(\"7\")"));
    for length in [0, 31] {
        assert_eq!(Cookies::new(vec![1; length]).unwrap_err().kind(), ErrorKind::Configuration);
        assert_eq!(cookies().with_previous_secret(vec![1; length]).unwrap_err().kind(), ErrorKind::Configuration);
    }
    assert!(!format!("{:?}", Cookies::new("visible".repeat(9))).contains("visible"));
}

/// A browser lets another host of the domain set a cookie whose name only looks like the guarded one.
#[tokio::test]
async fn a_name_that_browsers_do_not_guard_is_not_the_guarded_one() {
    let show =
        |jar: &CookieJar, _: &Request| text(format!("{:?} {:?}", jar.get("user"), jar.get_untrusted("__Host-user")));
    let set = site(&cookies(), |jar, _| {
        jar.set(SetCookie::new("user", "7"))?;
        text("")
    });
    let (app, sealed) = (site(&cookies(), show), browser(&get(&set, "/").send().await));
    let value = sealed.strip_prefix("__Host-user=").expect("the guarded name");
    let white =
        ["\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{200a}", "\u{2028}", "\u{202f}", "\u{205f}", "\u{3000}"];
    let names = white.iter().flat_map(|c| [format!("{c}__Host-user"), format!("__Host-user{c}")]);
    let others =
        ["=__Host-user", "__host-user", "__HOST-user", "\"__Host-user\"", "%5F_Host-user", "\u{feff}__Host-user"];
    for name in names.chain(others.map(str::to_owned)) {
        for front in EVENT_FRONTS {
            for line in [format!("{name}={value}"), format!("a=1; {name}={value}"), format!("a=1;{name} ={value}")] {
                let answer = get(&app, "/").header("cookie", &line).through(front).send().await;
                assert_eq!(answer.text(), "None None", "{front:?} {line:?}");
                let mut event = get(&app, "/").through(front).event();
                event["cookies"] = json!(line.split(';').collect::<Vec<_>>());
                assert_eq!(
                    crate::support::send(&app, &event).await.text(),
                    "None None",
                    "{front:?} {line:?} as a list"
                );
            }
        }
    }
    // What no field may hold (RFC 9110 §5.5) is refused, and never taken off.
    for control in ["\u{b}", "\u{c}", "\u{0}", "\u{1f}", "\u{7f}", "\r", "\n"] {
        for front in EVENT_FRONTS {
            let line = format!("{control}__Host-user={value}");
            assert_eq!(get(&app, "/").header("cookie", &line).through(front).send().await.status, 400, "{control:?}");
        }
    }
    let blanks = format!(" \t __Host-user \t=\t {value} \t");
    let answer = get(&app, "/").header("cookie", &blanks).through(Front::Alb).send().await;
    assert!(answer.text().starts_with("Some(\"7\") "), "blanks and tabs are no part of a name: {}", answer.text());
}

#[tokio::test]
async fn the_jar_is_the_only_way_to_a_cookie() {
    let app = site(&cookies(), |_, request| text(format!("{:?}", request.headers().get(header::COOKIE))));
    let answer = get(&app, "/").header("cookie", "a=1").send().await;
    assert_eq!((answer.text(), answer.line("cache-control"), answer.header("vary")), ("None", "no-cache", ""));
    let without = App::new(
        CloudFront::new()
            .layer(service_fn(async |request: Request| CookieJar::of(&request).map(|_| Response::new(String::new())))),
    );
    let log = Log::start();
    assert_eq!(get(&without, "/").send().await.status, 500);
    assert_eq!(log.lines(&["put the Cookies layer around the service"]).len(), 1);
}

#[tokio::test]
async fn a_jar_ends_with_its_handler() {
    let log = Log::start();
    let app = site(&cookies(), |jar, _| {
        let jar = jar.clone();
        let late = async move {
            jar.set(SetCookie::new("late", "1")).expect("a name");
            Ok(format!("{:?} {:?}", jar.get("user"), jar.take_flashes()).into())
        };
        let page = Representation::lazy("text/plain", late);
        Ok(page.with_cache_control(CacheControl::new().with_public().with_max_age(Duration::from_secs(9))))
    });
    let set = site(&cookies(), |jar, _| {
        jar.set(SetCookie::new("user", "7"))?;
        text("")
    });
    let cookie = browser(&get(&set, "/").send().await);
    let answer = get(&app, "/").header("cookie", &cookie).send().await;
    assert_eq!(answer.text(), "None []", "nothing of the visitor's is in what a shared cache may keep");
    assert_eq!((answer.line("cache-control"), answer.header("set-cookie")), ("public, max-age=9", ""));
    assert!(!log.lines(&["ERROR", "after its handler has answered"]).is_empty());
}

fn pages() -> Folders {
    let item = "{% for flash in flashes %}[{{ flash.category }}: {{ flash.text }}]{% endfor %}{{ user }}";
    folders(&[
        ("templates/page.html", item),
        ("templates/partial.html", item),
        ("templates/include.html", "<p>{% include 'partial.html' %}"),
        ("templates/base.html", "<p>{% block body %}{% endblock %}"),
        ("templates/extends.html", &format!("{{% extends 'base.html' %}}{{% block body %}}{item}{{% endblock %}}")),
        (
            "templates/macro.html",
            &format!("{{% macro show(flashes, user) %}}{item}{{% endmacro %}}{{{{ show(flashes, user) }}}}"),
        ),
        ("templates/macros.html", &format!("{{% macro show(flashes, user) %}}{item}{{% endmacro %}}")),
        ("templates/import.html", "{% import 'macros.html' as m %}{{ m.show(flashes, user) }}"),
        ("templates/from.html", "{% from 'macros.html' import show as s %}{{ s(flashes, user) }}"),
    ])
}

const PAGES: [&str; 6] = ["page", "include", "extends", "macro", "import", "from"];

#[tokio::test]
async fn a_message_is_shown_once_after_the_redirect() {
    let folders = pages();
    for page in PAGES {
        let content = folders.content();
        let app = site(&cookies(), move |jar, request| match request.uri().path() {
            "/send" => {
                jar.flash("success", "Sent & <done>.")?;
                jar.flash("info", "Grüße")?;
                Ok(content.redirect("/"))
            }
            "/both" => {
                jar.flash("info", "now")?;
                Ok(content.render_template("page.html", json!({ "flashes": jar.take_flashes() }))?)
            }
            "/other" => text("a page that shows no messages"),
            _ => {
                let cache = CacheControl::new().with_public().with_max_age(Duration::from_secs(60));
                let page =
                    content.render_template(&format!("{page}.html"), json!({ "flashes": jar.take_flashes() }))?;
                Ok(page.with_cache_control(cache))
            }
        });
        let before = get(&app, "/").send().await;
        let sent = ask(&app, "POST", "/send").send().await;
        assert_eq!((sent.status.as_u16(), sent.line("location")), (302, "/"));
        let cookie = browser(&sent);
        let other = get(&app, "/other").header("cookie", &cookie).send().await;
        assert_eq!(other.header("set-cookie"), "", "messages wait for a page that takes them");

        // The browser has the page from before, and asks with its tag.
        let tag = before.line("etag");
        let shown = get(&app, "/").header("cookie", &cookie).header("if-none-match", tag).send().await;
        assert_eq!(shown.status, 200, "{page}");
        let both = "[success: Sent &amp; &lt;done&gt;.][info: Grüße]";
        assert!(shown.text().contains(both), "{page}: {}", shown.text());
        assert_eq!(shown.line("cache-control"), "private, no-store");
        assert!(shown.line("set-cookie").contains("Max-Age=0"));
        assert_eq!(browser(&shown), "");

        // Even who kept the page with the message gets no 304 for it, nor loses the field that ends the message.
        let kept = shown.line("etag");
        let again = get(&app, "/").header("if-none-match", kept).send().await;
        assert_eq!((again.status.as_u16(), again.text()), (200, before.text()));
        let twice = get(&app, "/").header("cookie", &cookie).header("if-none-match", kept).send().await;
        assert_eq!(twice.status, 200, "a 304 would lose Set-Cookie");
        assert!(twice.line("set-cookie").contains("Max-Age=0"));
        let quiet = get(&app, "/").header("if-none-match", tag).send().await;
        assert_eq!((quiet.status.as_u16(), quiet.line("cache-control")), (304, "private, no-cache"));

        let now = get(&app, "/both").send().await;
        assert!(now.text().contains("[info: now]"));
        assert_eq!(browser(&now), "");
        let forged = get(&app, "/").header("cookie", "__Host-flash=[]").send().await;
        assert_eq!(forged.text(), before.text());
    }
}

/// A site that leaves a message at `/send`, and takes it everywhere else: for a page, or before something else comes of it.
fn site_of_messages(outside: bool) -> App {
    let handler = service_fn(async move |request: Request| {
        let jar = CookieJar::of(&request)?;
        if request.uri().path() == "/send" {
            jar.flash("success", "Saved.")?;
            return Ok(Response::new("sent".to_owned()));
        }
        let texts: String = jar.take_flashes().iter().map(|flash| flash.text().to_owned()).collect();
        let page =
            || Representation::new("text/plain", format!("[{texts}]")).with_cache_control(CacheControl::immutable());
        let folders = folders(&[]);
        match request.uri().path() {
            "/ordinary" => Ok(Response::new(format!("[{texts}]"))),
            "/more" => jar.flash("info", "More.").map(|()| page().into()),
            "/more-and-away" => {
                jar.flash("info", "More.")?;
                Ok(folders.content().redirect("/").with_status(http::StatusCode::SEE_OTHER).into())
            }
            "/redirect" => Ok(folders.content().redirect("/").into()),
            "/ordinary-redirect" => Ok(Response::builder().status(302).header("location", "/").body(texts).unwrap()),
            "/nothing" => Ok(page().with_status(http::StatusCode::NO_CONTENT).into()),
            "/bare-404" => Ok(Response::builder().status(404).body(String::new()).unwrap()),
            "/error" => Err(chalice_http_toolkit::Error::handler("out of order")),
            "/form" => Ok(page().with_status(http::StatusCode::UNPROCESSABLE_ENTITY).into()),
            _ => Ok(page().into()),
        }
    });
    match outside {
        true => App::new(cookies().layer(CloudFront::new().layer(handler))),
        false => App::new(CloudFront::new().layer(cookies().layer(handler))),
    }
}

/// RFC 9110 §9.2.1 for HEAD; a page that is loaded ahead may never be looked at.
#[tokio::test]
async fn a_message_goes_when_a_person_sees_it_and_not_before() {
    for outside in [false, true] {
        let app = site_of_messages(outside);
        let sent = browser(&ask(&app, "POST", "/send").send().await);
        let as_page = [("", "")].as_slice();
        for (method, path, fields, text, stays) in [
            ("GET", "/", as_page, "[Saved.]", false),
            ("GET", "/", &[("sec-fetch-dest", "document")], "[Saved.]", false),
            ("GET", "/", &[("sec-fetch-dest", "empty"), ("sec-fetch-mode", "cors")], "[Saved.]", false),
            ("POST", "/", as_page, "[Saved.]", false),
            ("GET", "/ordinary", as_page, "[Saved.]", false),
            ("POST", "/form", as_page, "[Saved.]", false),
            ("HEAD", "/", as_page, "", true),
            ("HEAD", "/ordinary", as_page, "", true),
            ("GET", "/", &[("sec-purpose", "prefetch")], "[]", true),
            ("GET", "/", &[("sec-purpose", "prefetch;prerender"), ("sec-fetch-dest", "document")], "[]", true),
            ("GET", "/", &[("purpose", "prefetch")], "[]", true),
            ("GET", "/", &[("x-moz", "prefetch")], "[]", true),
            ("GET", "/", &[("x-purpose", "preview")], "[]", true),
            ("GET", "/", &[("x-sec-purpose", "prefetch")], "[]", true),
            ("GET", "/ordinary", &[("sec-purpose", "prefetch")], "[]", true),
            ("GET", "/", &[("sec-fetch-dest", "image")], "[]", true),
            ("OPTIONS", "/ordinary", as_page, "[Saved.]", true),
            ("GET", "/", &[("if-match", "*")], "[]", true),
            ("GET", "/redirect", as_page, "", true),
            ("GET", "/ordinary-redirect", as_page, "Saved.", true),
            ("GET", "/nothing", as_page, "", true),
            ("GET", "/bare-404", as_page, "", true),
        ] {
            let what = format!("{method} {path} {fields:?}, cookies outside: {outside}");
            let fields: Vec<_> = fields.iter().filter(|(name, _)| !name.is_empty()).copied().collect();
            let answer = ask(&app, method, path).header("cookie", &sent).headers(&fields).send().await;
            if path != "/nothing" {
                assert_eq!(answer.text(), text, "{what}");
            }
            assert_eq!(answer.line("cache-control"), "private, no-store", "{what}");
            assert!(!answer.headers.contains_key("cdn-cache-control") && answer.line("vary") == "cookie", "{what}");
            let set = answer.header("set-cookie");
            assert_eq!((set.is_empty(), set.contains("Max-Age=0")), (stays, !stays), "{what}: {set}");
        }
        let quiet = get(&app, "/").header("sec-purpose", "prefetch").send().await;
        assert_eq!((quiet.text(), quiet.line("cache-control")), ("[]", "private, no-cache"), "no message waits");
    }
    let app = site_of_messages(false);
    let sent = browser(&ask(&app, "POST", "/send").send().await);
    for (method, field) in [("OPTIONS", ("x-other", "")), ("GET", ("if-match", "\"another\""))] {
        let answer = ask(&app, method, "/").header("cookie", &sent).header(field.0, field.1).send().await;
        assert!(!answer.text().contains("Saved.") && answer.header("set-cookie").is_empty(), "{method} {field:?}");
    }
    let failed = get(&app, "/error").header("cookie", &sent).send().await;
    assert_eq!((failed.status.as_u16(), failed.header("set-cookie")), (500, ""), "nobody has seen it");
}

#[tokio::test]
async fn a_message_that_is_left_with_others_that_nobody_saw_waits_with_them() {
    let app = site_of_messages(false);
    let sent = browser(&ask(&app, "POST", "/send").send().await);
    for (path, field, expected) in [
        ("/more", ("x-other", ""), "[More.]"),
        ("/more", ("sec-purpose", "prefetch"), "[Saved.More.]"),
        ("/more-and-away", ("x-other", ""), "[Saved.More.]"),
    ] {
        let answer = get(&app, path).header("cookie", &sent).header(field.0, field.1).send().await;
        let next = get(&app, "/").header("cookie", &browser(&answer)).send().await;
        assert_eq!(next.text(), expected, "{path} {field:?}");
        assert_eq!(browser(&next), "");
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_of_what_is_personal_is_personal_too() {
    let app = site(&cookies(), |jar, _| {
        jar.set(SetCookie::new("user", "7"))?;
        Ok(Representation::new("text/plain", "your file").with_ranges(true))
    });
    let answer = get(&app, "/").header("range", "bytes=99-").send().await;
    assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (416, "private, no-store"));
}

/// What a handler may do with a visitor's own.
const HELPERS: [&str; 9] = [
    "get",
    "get nothing",
    "get_untrusted",
    "flash",
    "take_flashes",
    "take no flashes",
    "set",
    "remove",
    "with_personal",
];

/// How a handler may answer.
const ANSWERS: [&str; 11] =
    ["page", "include", "extends", "macro", "import", "from", "html", "asset", "redirect", "ordinary", "respond"];

const POLICIES: [Option<&str>; 15] = [
    None,
    Some("public, max-age=60"),
    Some("max-age=60"),
    Some("s-maxage=60"),
    Some("public, max-age=31536000, immutable"),
    Some("no-cache"),
    Some("must-revalidate, stale-while-revalidate=60"),
    Some("private=\"set-cookie\""),
    Some("private=\"x\", public"),
    Some("no-cache=\"private\""),
    Some("private, max-age=60"),
    Some("no-store"),
    Some("private, immutable"),
    Some("x=\"\\\", private, \\\"\""),
    Some("x=\"a, private"),
];

/// What caches of a CDN alone read, and count before Cache-Control (RFC 9213).
const TARGETED: [&str; 9] = [
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "vercel-cdn-cache-control",
    "netlify-cdn-cache-control",
    "fastly-cache-control",
    "akamai-cache-control",
    "surrogate-control",
    "edge-control",
    "x-accel-expires",
];

/// Whether a shared cache may store this (RFC 9111 §3), written apart from the crate's own.
fn may_be_shared(answer: &Answer) -> bool {
    let lines: Vec<&str> = answer.headers.get_all("cache-control").iter().map(|line| line.to_str().unwrap()).collect();
    let all = lines.join(",").to_ascii_lowercase();
    let all = all.replace("\\\"", "");
    let mut outside_quotes = String::new();
    for (at, part) in all.split('"').enumerate() {
        outside_quotes.push_str(if at % 2 == 0 { part } else { "quoted" });
    }
    let forbids =
        outside_quotes.split(',').map(str::trim).any(|directive| ["private", "no-store"].contains(&directive));
    !forbids || TARGETED.iter().any(|name| answer.headers.contains_key(*name))
}

/// A site that does for `/HELPER/ANSWER/POLICY` what the path says.
fn matrix(content: &ContentManager, cookies_outside: bool) -> App {
    let content = content.clone();
    let service = service_fn(move |request: Request| {
        let content = content.clone();
        async move { answer(&content, &request).await }
    });
    match cookies_outside {
        true => App::new(cookies().layer(CloudFront::new().layer(service))),
        false => App::new(CloudFront::new().layer(cookies().layer(service))),
    }
}

async fn answer(content: &ContentManager, request: &Request) -> Result<Response<ResponseBody>, BoxError> {
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8()?.into_owned();
    let [_, helper, answer, policy] = path.split('/').collect::<Vec<_>>()[..] else { panic!("{path}") };
    let policy = POLICIES[policy.parse::<usize>()?];
    let jar = CookieJar::of(request)?;
    let mut flashes = Vec::new();
    let mut user = None;
    match helper {
        "nothing" | "with_personal" => {}
        "get" => user = jar.get("user"),
        "get nothing" => user = jar.get("nobody"),
        "get_untrusted" => user = jar.get_untrusted("theme"),
        "flash" => jar.flash("info", "hello")?,
        "take_flashes" | "take no flashes" => flashes = jar.take_flashes(),
        "set" => jar.set(SetCookie::new("user", "8"))?,
        "remove" => jar.remove("user"),
        other => panic!("{other}"),
    }
    let representation = match answer {
        "html" | "respond" => content.html(format!("{user:?}")),
        "asset" => content.asset(format!("{user:?}")),
        "redirect" => content.redirect("/"),
        "ordinary" => {
            assert_ne!(helper, "with_personal", "what is no representation has no such method");
            let mut response = Response::new(ResponseBody::from(format!("{user:?}")));
            policy
                .into_iter()
                .for_each(|policy| _ = response.headers_mut().insert("cache-control", policy.parse().unwrap()));
            if helper != "nothing" {
                TARGETED.iter().for_each(|name| _ = response.headers_mut().insert(*name, "60".parse().unwrap()));
            }
            return Ok(response);
        }
        page => content.render_template(&format!("{page}.html"), json!({ "flashes": flashes, "user": user }))?,
    };
    let mut representation = representation;
    if helper != "nothing" {
        for name in TARGETED {
            representation = representation.with_header(name.parse()?, "60".parse()?);
        }
    }
    if let Some(policy) = policy {
        representation = representation.with_header(header::CACHE_CONTROL, policy.parse()?);
    }
    if helper == "with_personal" {
        representation = representation.with_personal();
    }
    match answer {
        "respond" => Ok(CloudFront::new().respond(request, representation).await?),
        _ => {
            let (parts, body) = Response::<ResponseBody>::from(representation).into_parts();
            Ok(Response::from_parts(parts, body.collect().await?.to_bytes().into()))
        }
    }
}

#[tokio::test]
async fn whatever_shows_a_cookie_is_never_kept_by_a_shared_cache() {
    let (folders, mut checked, mut not_modified) = (pages(), 0, 0);
    let content = folders.content();
    let cookie = {
        let app = site(&cookies(), |jar, _| {
            jar.set(SetCookie::new("user", "7"))?;
            jar.flash("info", "hello")?;
            text("")
        });
        browser(&get(&app, "/").send().await)
    };
    let (user, both) = (cookie.split("; ").find(|c| c.contains("user")).unwrap(), format!("{cookie}; theme=dark"));
    for cookies_outside in [false, true] {
        let app = matrix(&content, cookies_outside);
        for (helper, answer) in HELPERS.iter().chain(&["nothing"]).flat_map(|h| ANSWERS.iter().map(move |a| (*h, *a))) {
            // Outside of it nothing is known but what the response has; a mark on a representation is gone by then.
            if helper == "with_personal" && answer == "ordinary" {
                continue;
            }
            for (number, policy) in POLICIES.iter().enumerate() {
                let target = format!("/{helper}/{answer}/{number}").replace(' ', "%20");
                let sent = if helper == "take no flashes" { user } else { both.as_str() };
                let what = format!("{helper} {answer} {policy:?} outside: {cookies_outside}");
                let first = get(&app, &target).header("cookie", sent).send().await;
                assert!(first.status == 200 || first.status == 302, "{what}: {}", first.status);
                let tag = first.header("etag");
                let second = get(&app, &target).header("cookie", sent).header("if-none-match", tag).send().await;
                not_modified += usize::from(second.status == 304);
                for answer in [&first, &second] {
                    if helper == "nothing" {
                        let shared =
                            policy.is_none_or(|policy| !policy.starts_with("private,") && policy != "no-store");
                        assert_eq!(may_be_shared(answer), shared, "{what}");
                        assert_eq!(answer.header("vary"), "", "{what}");
                    } else {
                        assert!(!may_be_shared(answer), "{what} {}: {:?}", answer.status, answer.headers);
                        assert_eq!(answer.line("vary"), "cookie", "{what} {}", answer.status);
                    }
                    checked += 1;
                }
                let set = [&first, &second].map(|answer| !answer.header("set-cookie").is_empty());
                // Where a 304 was decided on before the cookie was known, the cookie goes with it: it must not be lost.
                let knew = !cookies_outside && answer != "respond";
                assert!(set[0] == set[1] && !(knew && set[1] && second.status == 304), "{what}: {set:?}");
            }
        }
    }
    assert!(checked > 5_000 && not_modified > 1_000, "{checked} {not_modified}");
}
