//! The pages of the blog: what visitors read, comments, and what its authors write.

use std::{sync::Arc, time::SystemTime};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::{
    Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{HeaderMap, StatusCode, Uri, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chalice_http_toolkit::{
    Answer, App, BoxError, CacheControl, CloudFront, ContentManager, Error, Pagination, Result, Route,
    cookies::{CookieJar, Cookies, SetCookie},
    forms::{Form, FormErrors, FormFile},
    images::Images,
    security::{CrossOriginProtection, SecurityHeaders},
    tasking::{Task, TaskingController},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::store::{self, Store};

const INDEX: Route = Route::new("index", "/");
pub(crate) const POST: Route = Route::new("post", "/posts/{slug}");
const COMMENTS: Route = Route::new("comments", "/posts/{slug}/comments");
const TAG: Route = Route::new("tag", "/tags/{tag}");
const SEARCH: Route = Route::new("search", "/search");
const FEED: Route = Route::new("feed", "/feed.xml");
const SITEMAP: Route = Route::new("sitemap", "/sitemap.xml");
const PICTURE: Route = Route::new("picture", "/pictures/{id}");
const SIGN_IN: Route = Route::new("sign_in", "/sign-in");
const SIGN_OUT: Route = Route::new("sign_out", "/sign-out");
const ADMIN: Route = Route::new("admin", "/admin");
const NEW: Route = Route::new("new", "/admin/new");
const EDIT: Route = Route::new("edit", "/admin/posts/{slug}");

const ROUTES: [Route; 13] =
    [INDEX, POST, COMMENTS, TAG, SEARCH, FEED, SITEMAP, PICTURE, SIGN_IN, SIGN_OUT, ADMIN, NEW, EDIT];

const PER_PAGE: u64 = 5;

/// An item of DynamoDB has at most 400 KB. Larger pictures are for S3.
const LARGEST_PICTURE: usize = 380_000;

#[derive(Clone)]
pub(crate) struct Blog {
    content: ContentManager,
    store: Store,
    tasks: TaskingController,
    /// By whom it is written: the hash of the password.
    password: Arc<str>,
}

#[derive(Deserialize, Serialize)]
struct Post {
    slug: String,
    title: String,
    text: String,
    tags: Vec<String>,
    picture: Option<Picture>,
    published: u64,
    date: String,
}

#[derive(Clone, Deserialize, Serialize)]
struct Picture {
    id: String,
    width: u32,
    height: u32,
}

#[derive(Deserialize, Serialize)]
struct Comment {
    name: String,
    text: String,
}

/// The author is told of a comment.
#[derive(Deserialize, Serialize)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Task for Mail {
    const NAME: &'static str = "mail";
}

pub(crate) fn content(content: ContentManager) -> Result<ContentManager> {
    Ok(content
        .with_images(Images::new())
        .with_routes(ROUTES)?
        .with_public_origin_from_env()?
        .with_context("user", |request| Ok::<_, Error>(CookieJar::of(request)?.get("user")))
        .with_context("flashes", |request| Ok::<_, Error>(CookieJar::of(request)?.take_flashes())))
}

/// The whole site. The content is that of [`content`].
pub(crate) fn app(content: ContentManager, store: Store, tasks: TaskingController, password: &str) -> Result<App> {
    let outbox = store.clone();
    let tasks = tasks.on(move |context, mail: Mail| {
        let outbox = outbox.clone();
        async move { send(&outbox, context.message_id(), mail).await }
    });
    let blog = Blog { content: content.clone(), store, tasks: tasks.clone(), password: password.into() };
    let router = Router::new()
        .route(INDEX.path(), get(index))
        .route(POST.path(), get(show))
        .route(COMMENTS.path(), post(comment))
        .route(TAG.path(), get(tag))
        .route(SEARCH.path(), get(search))
        .route(FEED.path(), get(feed))
        .route(SITEMAP.path(), get(sitemap))
        .route(PICTURE.path(), get(picture))
        .route(SIGN_IN.path(), get(sign_in_form).post(sign_in))
        .route(SIGN_OUT.path(), post(sign_out))
        .route(ADMIN.path(), get(admin))
        .route(NEW.path(), get(new).post(create))
        .route(EDIT.path(), get(edit).post(update))
        .with_state(blog);
    let app = App::new(router).with_content(&content).with_cookies(Cookies::from_env()?);
    let app = app.with_protection(CrossOriginProtection::from_env()?).with_cloudfront(CloudFront::new());
    Ok(app.with_security_headers(SecurityHeaders::new()).with_tasks(&tasks))
}

#[derive(Default, Deserialize, Serialize)]
struct Filter {
    page: Option<u64>,
    tag: Option<String>,
    q: Option<String>,
}

async fn index(State(blog): State<Blog>, Query(filter): Query<Filter>) -> Answer {
    blog.list("index", Filter { tag: None, q: None, ..filter }).await
}

async fn tag(State(blog): State<Blog>, Path(tag): Path<String>, Query(filter): Query<Filter>) -> Answer {
    blog.list("tag", Filter { tag: Some(tag), q: None, ..filter }).await
}

async fn search(State(blog): State<Blog>, Query(filter): Query<Filter>) -> Answer {
    blog.list("search", Filter { tag: None, ..filter }).await
}

async fn show(State(blog): State<Blog>, Path(slug): Path<String>) -> Answer {
    match blog.arguments(&slug, FormErrors::default()).await? {
        Some(arguments) => Ok(blog.content.render_template("post.html", arguments)?),
        None => Ok(blog.content.not_found()),
    }
}

/// The page again, or its block of comments, for the script that replaces it.
async fn comment(State(blog): State<Blog>, Path(slug): Path<String>, headers: HeaderMap, form: Form) -> Answer {
    if blog.post(&slug).await?.is_none() {
        return Ok(blog.content.not_found());
    }
    let is_part = headers.contains_key("x-block");
    let (status, errors) = match commented(&form) {
        Ok(comment) => {
            let key = uuid::Uuid::now_v7().to_string();
            blog.store.add(&format!("comment {slug}"), &key, store::json(&comment)?).await?;
            let mail = Mail { subject: format!("{} commented on {slug}", comment.name), text: comment.text };
            blog.tasks.post(&mail).on_success()?;
            if !is_part {
                return Ok(blog.content.see_other(&POST.url([("slug", slug)])?));
            }
            (StatusCode::OK, FormErrors::default())
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, errors),
    };
    let arguments = blog.arguments(&slug, errors).await?;
    let page = if is_part {
        blog.content.render_block("post.html", "comments", arguments)?
    } else {
        blog.content.render_template("post.html", arguments)?
    };
    Ok(page.with_status(status))
}

fn commented(form: &Form) -> Result<Comment, FormErrors> {
    let comment: Comment = form.check()?;
    let mut errors = form.errors();
    for (field, text, most) in [("name", &comment.name, 50), ("text", &comment.text, 2_000)] {
        if !(1..=most).contains(&text.trim().chars().count()) {
            errors.add(field, format!("write 1 to {most} characters"));
        }
    }
    errors.or(comment)
}

/// In a real site: by SES or another service. Here mails wait in the store, and a mail that comes twice is there once.
async fn send(store: &Store, id: &str, mail: Mail) -> Result<(), BoxError> {
    tracing::info!(id, "a mail to the author");
    Ok(store.put("mail", id, store::json(&mail)?).await?)
}

async fn feed(State(blog): State<Blog>) -> Answer {
    let posts: Vec<Post> = blog.posts().await?.into_iter().take(20).collect();
    Ok(blog.content.render_template("feed.xml", json!({ "posts": posts }))?)
}

async fn sitemap(State(blog): State<Blog>) -> Answer {
    Ok(blog.content.render_template("sitemap.xml", json!({ "posts": blog.posts().await? }))?)
}

async fn picture(State(blog): State<Blog>, Path(id): Path<String>, uri: Uri) -> Answer {
    let (store, version) = (blog.store, id.clone());
    if store.get("picture", &id).await?.is_none() {
        return Ok(blog.content.not_found());
    }
    let load = async move || Ok::<_, BoxError>(store.get("picture", &id).await?.unwrap_or_default());
    let image = blog.content.image_with(&uri, async || Ok(Some(version)), load).await?;
    Ok(image.with_cache_control(CacheControl::immutable()))
}

/// An author who is signed in. As an argument of a handler, it sends everybody else to the form.
struct Author;

impl FromRequestParts<Blog> for Author {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, blog: &Blog) -> std::result::Result<Self, Response> {
        let jar = CookieJar::from_request_parts(parts, blog).await.map_err(IntoResponse::into_response)?;
        let user = jar.get("user");
        user.map(|_| Self).ok_or_else(|| blog.content.see_other(SIGN_IN.path()).into_response())
    }
}

async fn sign_in_form(State(blog): State<Blog>) -> Answer {
    Ok(blog.content.render_template("sign_in.html", ())?)
}

async fn sign_in(State(blog): State<Blog>, jar: CookieJar, form: Form) -> Answer {
    let password = form.text("password").unwrap_or_default().to_owned();
    // It takes tens of milliseconds by design.
    let is_right = tokio::task::spawn_blocking(move || is_right(&blog.password, &password)).await?;
    if !is_right {
        let page = blog.content.render_template("sign_in.html", json!({ "is_wrong": true }))?;
        return Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    jar.set(SetCookie::new("user", "author").with_max_age(std::time::Duration::from_secs(7 * 24 * 3600)))?;
    jar.flash("success", "Welcome back.")?;
    Ok(blog.content.see_other(ADMIN.path()))
}

/// What of a password is kept.
pub(crate) fn hash(password: &str) -> Result<String, BoxError> {
    Ok(Argon2::default().hash_password(password.as_bytes()).map_err(|error| error.to_string())?.to_string())
}

fn is_right(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

async fn sign_out(State(blog): State<Blog>, jar: CookieJar) -> Answer {
    jar.remove("user");
    Ok(blog.content.see_other(INDEX.path()))
}

async fn admin(State(blog): State<Blog>, _: Author) -> Answer {
    Ok(blog.content.render_template("admin.html", json!({ "posts": blog.posts().await? }))?)
}

async fn new(State(blog): State<Blog>, _: Author) -> Answer {
    Ok(blog.content.render_template("edit.html", json!({ "form": FormErrors::default() }))?)
}

async fn edit(State(blog): State<Blog>, _: Author, Path(slug): Path<String>) -> Answer {
    let Some(post) = blog.post(&slug).await? else { return Ok(blog.content.not_found()) };
    let values = json!({ "title": post.title, "text": post.text, "tags": post.tags.join(", ") });
    let form = FormErrors::of_values(&values)?;
    Ok(blog.content.render_template("edit.html", json!({ "slug": slug, "form": form }))?)
}

async fn create(State(blog): State<Blog>, _: Author, jar: CookieJar, form: Form) -> Answer {
    blog.save(None, &jar, &form).await
}

async fn update(State(blog): State<Blog>, _: Author, Path(slug): Path<String>, jar: CookieJar, form: Form) -> Answer {
    match blog.post(&slug).await? {
        Some(before) => blog.save(Some(before), &jar, &form).await,
        None => Ok(blog.content.not_found()),
    }
}

/// What the editor sends.
#[derive(Deserialize)]
struct Draft {
    title: String,
    text: String,
    tags: String,
    picture: Option<FormFile>,
}

fn drafted(form: &Form) -> Result<Draft, FormErrors> {
    let draft: Draft = form.check()?;
    let mut errors = form.errors();
    if slug_of(&draft.title).is_empty() {
        errors.add("title", "write a title of letters or digits");
    }
    if draft.text.trim().is_empty() {
        errors.add("text", "write a text");
    }
    if let Some(picture) = &draft.picture {
        match Images::inspect(picture.bytes()) {
            _ if picture.bytes().len() > LARGEST_PICTURE => errors.add("picture", "it has more than 380 kB"),
            Err(error) => errors.add("picture", error.for_visitor().unwrap_or_default()),
            Ok(image) if !image.converted => errors.add("picture", "choose a JPEG, PNG or WebP file"),
            Ok(_) => {}
        }
    }
    errors.or(draft)
}

impl Blog {
    /// All posts, the newest first.
    async fn posts(&self) -> Answer<Vec<Post>> {
        let mut posts: Vec<Post> = self.store.list_json("post").await?;
        posts.sort_by_key(|post| std::cmp::Reverse(post.published));
        Ok(posts)
    }

    async fn post(&self, slug: &str) -> Answer<Option<Post>> {
        self.store.get_json("post", slug).await
    }

    async fn list(&self, route: &str, filter: Filter) -> Answer {
        let query = filter.q.as_deref().unwrap_or_default().to_lowercase();
        let mut posts = self.posts().await?;
        posts.retain(|post| {
            let has_tag = filter.tag.as_ref().is_none_or(|tag| post.tags.contains(tag));
            has_tag && [&post.title, &post.text].iter().any(|text| text.to_lowercase().contains(&query))
        });
        let Some(pages) = Pagination::new(filter.page.unwrap_or(1), PER_PAGE, posts.len() as u64) else {
            return Ok(self.content.not_found());
        };
        let shown = posts.into_iter().skip(usize::try_from(pages.offset())?).take(usize::try_from(PER_PAGE)?);
        let posts: Vec<Post> = shown.collect();
        let arguments = json!({ "posts": posts, "pages": pages, "route": route, "filter": filter });
        Ok(self.content.render_template("list.html", arguments)?)
    }

    /// What the page of a post shows.
    async fn arguments(&self, slug: &str, form: FormErrors) -> Answer<Option<Value>> {
        let Some(post) = self.post(slug).await? else { return Ok(None) };
        let comments: Vec<Comment> = self.store.list_json(&format!("comment {slug}")).await?;
        Ok(Some(json!({ "post": post, "comments": comments, "form": form })))
    }

    async fn save(&self, before: Option<Post>, jar: &CookieJar, form: &Form) -> Answer {
        let slug = before.as_ref().map(|post| post.slug.clone());
        let mut errors = match drafted(form) {
            Ok(draft) => {
                let is_new = before.is_none();
                let post = self.written(before, draft).await?;
                let value = store::json(&post)?;
                if !is_new {
                    self.store.put("post", &post.slug, value).await?;
                }
                if !is_new || self.store.add("post", &post.slug, store::json(&post)?).await? {
                    jar.flash("success", &format!("“{}” is saved.", post.title))?;
                    return Ok(self.content.see_other(ADMIN.path()));
                }
                form.errors()
            }
            Err(errors) => errors,
        };
        if errors.is_empty() {
            errors.add("title", "there is a post of this title");
        }
        let page = self.content.render_template("edit.html", json!({ "slug": slug, "form": errors }))?;
        Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY))
    }

    async fn written(&self, before: Option<Post>, draft: Draft) -> Answer<Post> {
        let picture = match &draft.picture {
            Some(file) => Some(self.keep(file).await?),
            None => before.as_ref().and_then(|post| post.picture.clone()),
        };
        let now = SystemTime::now();
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let tags = draft.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        Ok(Post {
            slug: before.as_ref().map_or_else(|| slug_of(&draft.title), |post| post.slug.clone()),
            text: draft.text.replace("\r\n", "\n"),
            tags: tags.map(str::to_lowercase).collect(),
            picture,
            published: before.as_ref().map_or(seconds, |post| post.published),
            date: before.map_or_else(|| httpdate::fmt_http_date(now), |post| post.date),
            title: draft.title,
        })
    }

    async fn keep(&self, file: &FormFile) -> Answer<Picture> {
        let (id, image) = (uuid::Uuid::now_v7().to_string(), Images::inspect(file.bytes())?);
        self.store.put("picture", &id, file.bytes().to_vec()).await?;
        Ok(Picture { id, width: image.width, height: image.height })
    }
}

/// The name of a post in its URL.
fn slug_of(title: &str) -> String {
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}
