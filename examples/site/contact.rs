//! The contact page: a form with a picture, a message after the redirect, and the task that keeps what was written.

use std::{collections::BTreeMap, fs, io, path::Path};

use axum::{extract::State, http::StatusCode};
use base64::{Engine, prelude::BASE64_STANDARD};
use chalice_http_toolkit::Answer;
use chalice_http_toolkit::cookies::CookieJar;
use chalice_http_toolkit::forms::{Form, FormFile};
use chalice_http_toolkit::tasking::{Task, TaskContext};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Site;

/// A queue's message has room for 1 MiB, and base64 takes a third more. The feature `s3-offload` is for what is larger.
const LARGEST_PICTURE: usize = 512 * 1024;
const PICTURES: [(&str, &str); 3] = [("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp")];

/// The texts of the form.
#[derive(Deserialize)]
struct Texts {
    name: Option<String>,
    email: Option<String>,
    text: Option<String>,
}

/// What somebody asks: the task as it travels.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Enquiry {
    name: Option<String>,
    email: Option<String>,
    text: Option<String>,
    picture: Option<Picture>,
}

#[derive(Deserialize, Serialize)]
struct Picture {
    extension: String,
    base64: String,
}

impl From<Texts> for Enquiry {
    /// Without the space around texts, and with a line's end as one character, as browsers count it.
    fn from(texts: Texts) -> Self {
        let [name, email, text] =
            [texts.name, texts.email, texts.text].map(|text| Some(text?.trim().replace("\r\n", "\n")));
        Self { name, email, text, picture: None }
    }
}

impl Task for Enquiry {
    const NAME: &'static str = "enquiry";
}

/// What is wrong with a field, by its name.
type Problems = BTreeMap<&'static str, &'static str>;

/// The only page that reads a cookie, and so the only one that no cache may keep.
pub(crate) async fn show(State(site): State<Site>, jar: CookieJar) -> Answer {
    page(&site, &jar, &Enquiry::default(), &Problems::new())
}

/// A form that is taken is answered by the way to another page: to reload that one sends nothing again. The task is posted
/// when all the rest has succeeded.
pub(crate) async fn send(State(site): State<Site>, jar: CookieJar, form: Form) -> Answer {
    let mut enquiry = Enquiry::from(form.deserialize::<Texts>()?);
    let file = form.file("picture");
    let problems = problems(&enquiry, file);
    if !problems.is_empty() {
        return Ok(page(&site, &jar, &enquiry, &problems)?.with_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    enquiry.picture = file.and_then(picture);
    site.tasks.post(&enquiry).on_success()?;
    let with = if enquiry.picture.is_some() { " and your picture" } else { "" };
    let name = enquiry.name.unwrap_or_default();
    jar.flash("success", &format!("Thank you, {name}: your message{with} went to the workshop."))?;
    Ok(site.content.see_other("/contact"))
}

/// The worker. A task may come twice: the same files are then written again.
pub(crate) async fn keep(inbox: Option<&Path>, context: TaskContext, enquiry: Enquiry) -> io::Result<()> {
    let Some(inbox) = inbox else {
        // It waits in the queue until there is one.
        return Err(io::Error::other("SITE_INBOX names no folder: on Lambda there is none that lasts"));
    };
    fs::create_dir_all(inbox)?;
    let id = context.message_id();
    if let Some(Picture { extension, base64 }) = &enquiry.picture {
        let bytes = BASE64_STANDARD.decode(base64).map_err(io::Error::other)?;
        fs::write(inbox.join(format!("{id}.{extension}")), bytes)?;
    }
    let Enquiry { name, email, text, .. } = &enquiry;
    fs::write(inbox.join(format!("{id}.json")), json!({ "name": name, "email": email, "text": text }).to_string())?;
    // Who wrote what stays out of the log.
    tracing::info!(id, has_picture = enquiry.picture.is_some(), "an enquiry is kept");
    Ok(())
}

fn page(site: &Site, jar: &CookieJar, enquiry: &Enquiry, problems: &Problems) -> Answer {
    let flashes = jar.take_flashes();
    site.page("contact.html", json!({ "enquiry": enquiry, "problems": problems, "flashes": flashes }))
}

fn problems(enquiry: &Enquiry, file: Option<&FormFile>) -> Problems {
    let has =
        |text: &Option<String>, most| text.as_ref().is_some_and(|text| (1..=most).contains(&text.chars().count()));
    let is_address = |text: &str| text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    let mut problems = Problems::new();
    if !has(&enquiry.name, 200) {
        problems.insert("name", "Please tell us your name, in at most 200 characters.");
    }
    if !has(&enquiry.email, 200) || !enquiry.email.as_deref().is_some_and(is_address) {
        problems.insert("email", "Please give an address that we can answer to, such as name@example.com.");
    }
    if !has(&enquiry.text, 5_000) {
        problems.insert("text", "Please write a few words, in at most 5,000 characters.");
    }
    if file.is_some_and(|file| file.bytes().len() > LARGEST_PICTURE) {
        problems.insert("picture", "This picture is too large: at most 500 kB, please.");
    } else if file.is_some_and(|file| extension(file).is_none()) {
        problems.insert("picture", "This is no picture that we can open: a JPEG, PNG or WebP, please.");
    }
    problems
}

/// By what is in the file, whatever its name says.
fn extension(file: &FormFile) -> Option<&'static str> {
    PICTURES.iter().find(|(media_type, _)| *media_type == file.media_type()).map(|(_, extension)| *extension)
}

fn picture(file: &FormFile) -> Option<Picture> {
    Some(Picture { extension: extension(file)?.to_owned(), base64: BASE64_STANDARD.encode(file.bytes()) })
}
