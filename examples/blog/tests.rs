//! The blog as a visitor and its author see it.

use chalice_http_toolkit::{
    BoxError, ContentManager,
    tasking::TaskingController,
    testing::{TestAnswer, TestSite},
};

use super::{
    blog::{self, Mail, POST},
    store::Store,
};

const PICTURE: &[u8] = include_bytes!("static/dot.png");

fn site(store: &Store) -> Result<TestSite, BoxError> {
    let content = blog::content(ContentManager::new("examples/blog/templates", "examples/blog/static")?)?;
    assert_eq!(content.check(), []);
    let tasks = TaskingController::new("blog.fifo")?.with_inline();
    Ok(TestSite::of(blog::app(content, store.clone(), tasks, &blog::hash("clay")?)?))
}

async fn signed_in(site: &TestSite) -> TestAnswer {
    site.post("/sign-in").form(&[("password", "clay")]).send().await
}

/// A post of the author's: its URL.
async fn written(site: &TestSite, title: &str, tags: &str) -> Result<String, BoxError> {
    let author = signed_in(site).await;
    let fields = [("title", title), ("text", "First lines.\n\nAnd more."), ("tags", tags)];
    let saved = site.post("/admin/new").cookies_of(&author).form_with_files(&fields, &[("picture", "a.png", PICTURE)]);
    let saved = saved.send().await;
    assert_eq!((saved.status().as_u16(), saved.header("location")), (303, "/admin"), "{}", saved.text());
    Ok(POST.url([("slug", title.to_lowercase().replace(' ', "-"))])?)
}

/// From an empty store to comments, in whatever database that is.
pub(crate) async fn whole_way(store: &Store) -> Result<(), BoxError> {
    let site = site(store)?;
    let path = written(&site, "Blue glaze", "Glazes, blue").await?;
    let page = site.get(&path).send().await;
    assert!(page.text().contains("<p>And more.</p>") && page.text().contains("/tags/glazes"), "{}", page.text());

    let comment = [("name", "Maya"), ("text", "How blue?")];
    let sent = site.post(&format!("{path}/comments")).form(&comment).send().await;
    assert_eq!((sent.status().as_u16(), sent.header("location")), (303, path.as_str()));
    let part = site.post(&format!("{path}/comments")).header("x-block", "comments").form(&comment).send().await;
    assert!(part.text().starts_with("\n<h2>Comments") || part.text().starts_with("<h2>Comments"), "{}", part.text());
    assert_eq!(part.text().matches("How blue?").count(), 2);
    let mails: Vec<Mail> = store.list_json("mail").await?;
    assert!(mails.iter().any(|mail| mail.subject == "Maya commented on blue-glaze" && mail.text == "How blue?"));

    let again = site.get(&path).header("if-none-match", page.header("etag")).send().await;
    assert_eq!(again.status(), 200, "the comments are new");
    assert_eq!(site.crawl("/").await, []);
    Ok(())
}

#[tokio::test]
async fn the_whole_way_in_sqlite() -> Result<(), BoxError> {
    whole_way(&Store::file(":memory:")?).await
}

#[tokio::test]
async fn lists_have_pages_and_search_and_tags_find_posts() -> Result<(), BoxError> {
    let site = site(&Store::file(":memory:")?)?;
    for number in 1..=6 {
        written(&site, &format!("Post {number}"), if number == 6 { "last" } else { "early" }).await?;
    }
    for (path, expected) in [
        ("/", 5),
        ("/?page=2", 1),
        ("/tags/early", 5),
        ("/tags/last", 1),
        ("/search?q=POST+3", 1),
        ("/search?q=first+lines&page=2", 1),
        ("/search?q=nothing", 0),
    ] {
        let page = site.get(path).send().await;
        assert_eq!(page.text().matches("<article>").count(), expected, "{path}");
        // No cookie is read: CloudFront may keep it.
        assert_eq!((page.header("vary"), page.header("cache-control")), ("", "no-cache"), "{path}");
    }
    assert_eq!(site.get("/?page=3").send().await.status(), 404);
    for (path, times) in [("/feed.xml", 2), ("/sitemap.xml", 1)] {
        let page = site.get(path).send().await;
        assert_eq!(page.text().matches("http://127.0.0.1:3000/posts/post-4<").count(), times, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn only_the_author_writes() -> Result<(), BoxError> {
    let site = site(&Store::file(":memory:")?)?;
    for path in ["/admin", "/admin/new", "/admin/posts/x"] {
        let answer = site.get(path).send().await;
        assert_eq!((answer.status().as_u16(), answer.header("location")), (303, "/sign-in"), "{path}");
    }
    let wrong = site.post("/sign-in").form(&[("password", "mud")]).send().await;
    assert_eq!((wrong.status().as_u16(), wrong.header("set-cookie")), (422, ""));
    let elsewhere = site.post("/sign-in").header("sec-fetch-site", "cross-site").form(&[("password", "clay")]);
    assert_eq!(elsewhere.send().await.status(), 403);
    let author = signed_in(&site).await;
    let admin = site.get("/admin").cookies_of(&author).send().await;
    assert!(admin.text().contains("Welcome back.") && admin.header("vary").contains("cookie"));
    Ok(())
}

#[tokio::test]
async fn the_editor_is_empty_for_a_new_post_and_filled_in_for_one_that_is_there() -> Result<(), BoxError> {
    let site = site(&Store::file(":memory:")?)?;
    written(&site, "Blue glaze", "glazes, blue").await?;
    let author = signed_in(&site).await;
    let new = site.get("/admin/new").cookies_of(&author).send().await;
    assert!(new.status() == 200 && new.text().contains("name=\"title\" value=\"\""), "{}", new.text());
    let edit = site.get("/admin/posts/blue-glaze").cookies_of(&author).send().await;
    assert!(edit.status() == 200 && edit.text().contains("name=\"title\" value=\"Blue glaze\""), "{}", edit.text());
    assert!(edit.text().contains("value=\"glazes, blue\"") && edit.text().contains("And more."), "{}", edit.text());
    assert!(!edit.text().contains("role=\"alert\""), "{}", edit.text());
    assert_eq!(site.get("/admin/posts/none").cookies_of(&author).send().await.status(), 404);
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field() -> Result<(), BoxError> {
    let site = site(&Store::file(":memory:")?)?;
    let path = written(&site, "Blue glaze", "").await?;
    let author = signed_in(&site).await;
    let fields = [("title", "Blue glaze"), ("text", "<b>kept</b>"), ("tags", "")];
    let twice = site.post("/admin/new").cookies_of(&author).form(&fields).send().await;
    assert!(twice.text().contains("there is a post of this title") && twice.text().contains("&lt;b&gt;kept"));
    let picture =
        site.post("/admin/new").cookies_of(&author).form_with_files(&fields[1..], &[("picture", "a", b"GIF89a")]);
    let picture = picture.send().await;
    assert!(picture.text().contains("it is missing"), "{}", picture.text());
    let empty =
        site.post(&format!("{path}/comments")).header("x-block", "comments").form(&[("name", "M"), ("text", "")]);
    let empty = empty.send().await;
    assert!(empty.text().contains("write 1 to 2000 characters") && empty.text().contains("value=\"M\""));
    assert_eq!(empty.status(), 422);
    Ok(())
}
