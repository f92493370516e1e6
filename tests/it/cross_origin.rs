//! Requests from other sites' pages: which pass, by method, Sec-Fetch-Site, Origin and Host; through the real way.

use chalice_http_toolkit::{App, CloudFront, ContentManager, CrossOriginProtection, Embedded, Front, Representation};
use http::Response;
use lambda_http::Request;
use tower::{Layer, service_fn};

use crate::support::{FRONTS, Log, ask};

fn protection() -> CrossOriginProtection {
    CrossOriginProtection::new().with_trusted_origin("https://shop.example").expect("an origin")
}

/// A site whose handler answers everything that reaches it.
fn site() -> App {
    let handler = service_fn(async |_: Request| {
        Ok::<Response<String>, std::convert::Infallible>(Representation::new("text/plain", "done").into())
    });
    App::new(CloudFront::new().layer(protection().layer(handler)))
}

#[tokio::test]
async fn only_what_the_sites_own_pages_send_passes() {
    let same = ("sec-fetch-site", "same-origin");
    let cross = ("sec-fetch-site", "cross-site");
    let (trusted, foreign) = (("origin", "https://shop.example"), ("origin", "https://evil.example"));
    let host = ("host", "abc.execute-api.eu-west-1.amazonaws.com");
    let own = ("origin", "https://abc.execute-api.eu-west-1.amazonaws.com");
    for (method, headers, passes) in [
        ("GET", &[cross, foreign][..], true),
        ("HEAD", &[cross, foreign], true),
        ("OPTIONS", &[cross, foreign], true),
        ("POST", &[same], true),
        ("POST", &[("sec-fetch-site", "none")], true),
        ("POST", &[same, foreign], true),
        ("POST", &[cross], false),
        ("POST", &[("sec-fetch-site", "same-site")], false),
        ("POST", &[("sec-fetch-site", "")], false),
        ("POST", &[("sec-fetch-site", "Same-Origin")], false),
        ("POST", &[("sec-fetch-site", "same-origin, cross-site")], false),
        ("POST", &[("sec-fetch-site", "future-value")], false),
        ("PUT", &[cross], false),
        ("PATCH", &[cross], false),
        ("DELETE", &[cross], false),
        ("PROPFIND", &[cross], false),
        ("get", &[cross], false),
        // The public origin is not the one that the function sees as Host.
        ("POST", &[cross, trusted], true),
        ("POST", &[("sec-fetch-site", "same-site"), trusted], true),
        ("POST", &[trusted, host], true),
        ("POST", &[cross, own, host], false),
        // Browsers without Sec-Fetch-Site.
        ("POST", &[own, host], true),
        ("POST", &[("origin", "http://abc.execute-api.eu-west-1.amazonaws.com"), host], true),
        ("POST", &[foreign, host], false),
        ("POST", &[("origin", "https://abc.execute-api.eu-west-1.amazonaws.com.evil.example"), host], false),
        ("POST", &[("origin", "https://abc.execute-api.eu-west-1.amazonaws.com:444"), host], false),
        ("POST", &[("origin", "null"), host], false),
        ("POST", &[("origin", ""), host], false),
        ("POST", &[("origin", "https://shop.example/"), host], false),
        ("POST", &[("origin", "https://shop.example, https://evil.example"), host], false),
        ("POST", &[("origin", "https://localhost:3000"), ("host", "localhost:3000")], true),
        ("POST", &[("origin", "https://shop2.example"), ("host", "shop2.example:443")], true),
        ("POST", &[("origin", "https://shop2.example"), ("host", "shop2.example:80")], false),
        // No browser.
        ("POST", &[host], true),
        ("POST", &[], true),
    ] {
        for front in FRONTS {
            let answer = ask(&site(), method, "/contact").headers(headers).through(front).send().await;
            let refused = answer.status == 403;
            assert_eq!(!refused, passes, "{method} {headers:?} {front:?}: {}", answer.status);
            if refused {
                assert_eq!(answer.line("cache-control"), "no-store", "{method} {headers:?}");
            }
        }
    }
}

/// One that is taken and can never match would look like protection that lets nobody through.
#[tokio::test]
async fn an_origin_that_no_browser_sends_is_an_error_that_says_why() {
    for (origin, why) in [
        ("https://*.shop.example", "wildcard"),
        ("https://*", "wildcard"),
        ("https://shop.*", "wildcard"),
        ("*", "scheme"),
        ("null", "scheme"),
        ("shop.example", "scheme"),
        ("https://shop.example/", "slash"),
        ("https://münchen.example", "xn--"),
        ("https://shop.example:99999", "port"),
        ("https://shop.example.", "without letters"),
        ("https://127.1", "IPv4"),
        (" https://shop.example", "scheme"),
    ] {
        let error = CrossOriginProtection::new().with_trusted_origin(origin).unwrap_err();
        assert_eq!(error.kind(), chalice_http_toolkit::ErrorKind::Configuration);
        assert!(error.to_string().contains(why) && error.to_string().contains(origin), "{origin}: {error}");
    }
    for (origin, sent) in [
        ("HTTPS://WWW.Shop.Example:443", "https://www.shop.example"),
        ("http://www.shop.example:080", "http://www.shop.example"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
    ] {
        let protection = CrossOriginProtection::new().with_trusted_origin(origin).expect(origin);
        let handler =
            service_fn(async |_: Request| Ok::<_, std::convert::Infallible>(Response::new("done".to_owned())));
        let app = App::new(CloudFront::new().layer(protection.layer(handler)));
        let answer = ask(&app, "POST", "/").header("origin", sent).header("sec-fetch-site", "cross-site").send().await;
        assert_eq!(answer.status, 200, "{origin}");
    }
}

#[tokio::test]
async fn a_field_that_stands_twice_is_refused() {
    for (name, values) in [
        ("sec-fetch-site", ["same-origin", "cross-site"]),
        ("origin", ["https://shop.example", "https://evil.example"]),
    ] {
        let headers = [(name, values[0]), (name, values[1])];
        let answer = ask(&site(), "POST", "/").headers(&headers).through(Front::Rest).send().await;
        assert_eq!(answer.status, 403, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_is_the_sites_own_page_and_the_handler_sees_nothing() {
    const TEMPLATES: Embedded = Embedded::new(&[("403.html", b"<h1>Please send the form from our page</h1>")]);
    let log = Log::start();
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content");
    let handler = service_fn(async |_: Request| -> Result<Response<String>, std::convert::Infallible> {
        panic!("the handler was called")
    });
    for inside in [true, false] {
        let app = match inside {
            true => App::new(CloudFront::new().layer(protection().layer(handler))),
            false => App::new(protection().layer(CloudFront::new().layer(handler))),
        };
        let app = app.with_error_pages(&content);
        let answer = ask(&app, "POST", "/contact").header("sec-fetch-site", "cross-site").send().await;
        assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (403, "no-store"));
        assert!(answer.text().contains("from our page"), "{}", answer.text());
    }
    assert_eq!(log.lines(&["INFO", "CrossOrigin", "/contact"]).len(), 2);
}
