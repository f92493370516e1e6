//! What `{:?}` shows: no session, no password, no secret, whoever logs whatever.

use std::fmt::Debug;

use chalice_http_toolkit::{
    App, CloudFront, ContentManager, CookieJar, Cookies, CrossOriginProtection, Embedded, Error, Form, Representation,
    ScheduledEvent, SetCookie, TaskingController, TestEdge, TestSite, tasking::LocalQueue,
};
use http::{HeaderName, HeaderValue, Response, header};
use lambda_http::Request;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{ask, get};

/// What must stand in no log.
const SECRET: &str = "opensesame-opensesame-opensesame";

#[track_caller]
fn hides(what: &str, value: &dyn Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!text.contains("opensesame"), "{what}: {text}");
        let bytes = format!("{:?}", "opensesame".as_bytes());
        assert!(!text.contains(bytes.trim_matches(['[', ']'])), "{what}: {text}");
    }
}

#[tokio::test]
async fn a_jar_shows_names_and_no_values() {
    for cookies in [Cookies::new(SECRET).unwrap(), Cookies::new(SECRET).unwrap().with_encryption()] {
        hides("the layer", &cookies);
        let site =
            cookies.with_previous_secret(SECRET).unwrap().layer(service_fn(async |request: http::Request<()>| {
                let jar = CookieJar::of(&request)?;
                jar.set(SetCookie::new("user", SECRET))?;
                jar.flash("info", SECRET)?;
                hides("what was set", &jar);
                hides("the request", &request);
                assert!(format!("{jar:?}").contains("theme") && format!("{jar:?}").contains("user"), "{jar:?}");
                let flashes = jar.take_flashes();
                assert_eq!(flashes[0].text(), SECRET);
                hides("messages", &flashes);
                hides("a cookie", &SetCookie::new("user", SECRET));
                Ok::<_, Error>(Response::new(()))
            }));
        hides("the service", &site);
        let mut line = HeaderValue::try_from(format!("theme={SECRET}")).unwrap();
        line.set_sensitive(false);
        let request = http::Request::get("/").header("cookie", line).body(()).unwrap();
        let response = site.oneshot(request).await.unwrap();
        // A signed value stands in it as it is.
        hides("the response", &response);
    }
}

#[tokio::test]
async fn a_form_shows_names_and_no_texts() {
    let multipart = format!(
        "--x\r\nContent-Disposition: form-data; name=password\r\n\r\n{SECRET}\r\n--x\r\n\
         Content-Disposition: form-data; name=key; filename=a.txt\r\n\r\n{SECRET}\r\n--x--"
    );
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", format!("password={SECRET}&name=Ada")),
        ("multipart/form-data; boundary=x", multipart),
    ] {
        let request = http::Request::post("/").header("content-type", content_type).body(body).unwrap();
        let form = Form::read(request).await.unwrap();
        assert_eq!(form.text("password"), Some(SECRET));
        assert!(format!("{form:?}").contains("password"), "{form:?}");
        hides("a form", &form);
        form.fields().for_each(|field| hides("a field", field));
    }
}

#[tokio::test]
async fn a_request_and_its_reply_show_no_session() {
    let handler = service_fn(async |request: Request| {
        hides("the request of a handler", request.headers());
        let page = Representation::new("text/plain", SECRET)
            .with_header(header::SET_COOKIE, HeaderValue::from_static("user=opensesame"));
        hides("a representation", &page);
        Ok::<_, Error>(Response::<String>::from(page))
    });
    let app = App::new(CloudFront::new().layer(handler));
    for front in [chalice_http_toolkit::Front::Rest, chalice_http_toolkit::Front::Http] {
        let asking = get(&app, "/").header("cookie", "user=opensesame").header("authorization", "Bearer opensesame");
        let mut event = asking.header("x-origin-secret", SECRET).through(front).event();
        if front == chalice_http_toolkit::Front::Http {
            event["cookies"] = serde_json::json!(["user=opensesame"]);
        }
        hides("a reply", &app.invoke(&event.to_string(), None).await.unwrap());
    }
    assert_eq!(ask(&app, "POST", "/").send().await.text(), SECRET);
}

#[tokio::test]
async fn a_redirect_shows_no_query() {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).unwrap();
    let page = content.redirect("/welcome?token=opensesame#me");
    hides("a representation", &page);
    let site = TestSite::new(CloudFront::new().layer(service_fn(move |_: Request| {
        let page = content.redirect("/welcome?token=opensesame#me");
        async { Ok::<Response<String>, Error>(page.into()) }
    })));
    let answer = site.get("/").header("referer", "https://shop.example/?opensesame").send().await;
    assert_eq!(answer.header("location"), "/welcome?token=opensesame#me");
    assert!(format!("{answer:?}").contains("/welcome?<"), "{answer:?}");
    hides("a test's answer", &answer);
    hides("a test's request", &site.get("/").header("referer", "https://shop.example/?opensesame"));
}

#[tokio::test]
async fn what_tests_print_shows_no_session() {
    let handler = service_fn(async |_: Request| {
        let response = Response::builder().header("set-cookie", "user=opensesame; Path=/").header("x-token", SECRET);
        response.body(SECRET.to_owned())
    });
    let site = TestSite::new(CloudFront::new().layer(handler));
    let request = site.post("/?token=opensesame").header("cookie", "user=opensesame").header("authorization", SECRET);
    let request = request.form(&[("password", SECRET)]);
    hides("a test's request", &request);
    let answer = request.send().await;
    assert_eq!(answer.text(), SECRET);
    hides("a test's answer", &answer);
    let name = HeaderName::from_static("x-origin-secret");
    let edge = TestEdge::new(site.clone()).with_origin_header(name, HeaderValue::from_static(SECRET));
    edge.get("/").header("cookie", "user=opensesame").send().await;
    hides("a test's edge", &edge);
    hides("a test's request to an edge", &edge.get("/").header("cookie", "user=opensesame"));
}

#[tokio::test]
async fn events_and_their_replies_show_no_details() {
    let app = App::new(service_fn(async |_: Request| Ok::<_, Error>(Response::new(String::new()))));
    let app = app.with_event_handler(async |event: serde_json::Value| Ok::<_, Error>(event)).with_schedule(
        "nightly",
        async |event: ScheduledEvent| {
            hides("a scheduled event", &event);
            assert!(format!("{event:?}").contains("nightly"), "{event:?}");
            let detail: String = event.detail()?;
            if detail == SECRET { Ok(()) } else { Err(Error::permanent("another detail")) }
        },
    );
    let event = serde_json::json!({ "source": "nightly", "detail": SECRET });
    hides("its reply", &app.invoke(&event.to_string(), None).await.unwrap());
    let reply = app.invoke(&serde_json::json!({ "user": SECRET }).to_string(), None).await.unwrap();
    hides("a reply as JSON", &reply);
    assert!(serde_json::to_string(&reply).unwrap().contains(SECRET));
    let error = app.invoke(&serde_json::json!({ "Records": [{ "body": SECRET }] }).to_string(), None).await;
    hides("what becomes of other records", &error);
    let alone = App::new(service_fn(async |_: Request| Ok::<_, Error>(Response::new(String::new()))));
    hides("an error", &alone.invoke(&event.to_string(), None).await.unwrap_err());
}

#[tokio::test]
async fn what_is_posted_and_received_shows_no_body_and_no_key() {
    let queue = LocalQueue::new("mail.fifo");
    let tasks = TaskingController::new("mail.fifo").unwrap().with_local_queue(&queue);
    let tasks = tasks.with_dead_letter_queue("dead.fifo").unwrap().on_raw(async |context, task| {
        hides("the context of a task", &context);
        hides("a task", &task);
        hides("its attributes", &task.attributes().collect::<Vec<_>>());
        assert!(context.idempotency_key().contains("opensesame"));
        Err(Error::permanent("nobody reads this"))
    });
    let post = || tasks.post_raw(SECRET, [("password", SECRET)]).with_key(SECRET);
    hides("a post with a key", &post());
    hides("a batch of them", &tasks.post_batch([post()]));
    hides("what the queue says", &post().await.unwrap());
    tasks.work_off().await.unwrap();
    assert_eq!(queue.dead_letters().len(), 1);
    hides("dead letters", &queue.dead_letters());
}

#[tokio::test]
async fn a_converted_image_shows_no_picture() {
    let site = crate::support::folders(&[("templates/a.html", ""), ("static/a.css", "")]);
    let logo = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/static/img/logo.png")).unwrap();
    let png = chalice_http_toolkit::ImageFormat::Png;
    let image = site.content().convert_by_accept(logo, "image/png", png).await.unwrap();
    assert!(format!("{image:?}").contains(&format!("<{} bytes>", image.bytes.len())), "{image:?}");
}

#[tokio::test]
async fn a_task_shows_no_body() {
    let queue = LocalQueue::new("mail.fifo");
    let tasks = TaskingController::new("mail.fifo").unwrap().with_local_queue(&queue);
    let post = || tasks.post_raw(SECRET, [("password", SECRET)]);
    hides("a post", &post());
    hides("a batch of posts", &tasks.post_batch([post(), post()]));
    post().await.unwrap();
    hides("a queue", &queue);
    hides("a controller", &tasks);
}

#[test]
fn a_guard_shows_no_secret() {
    hides("the origin's secret", &CloudFront::new().with_origin_secret(SECRET).unwrap());
    let error = CloudFront::new().with_origin_secret(&format!("{SECRET} ")).unwrap_err();
    hides("its error", &error);
    hides("what its error says", &error.to_string());
    hides("a short secret", &Cookies::new("opensesame").unwrap_err().to_string());
    let error = CrossOriginProtection::new().with_trusted_origin("https://user:opensesame@shop.example").unwrap_err();
    hides("an origin with a password", &error.to_string());
}
