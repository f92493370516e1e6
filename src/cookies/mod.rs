//! Cookies that the site can trust, and messages that are shown once.
//!
//! [`Cookies`] is a layer around the whole service. A handler gets a [`CookieJar`]: it reads and sets cookies, which are signed
//! or encrypted, and [`Flash`] messages, which the next page shows.
//!
//! How a cookie travels, each step in the module of that name:
//!
//! 1. `layer` takes the cookies out of each request and puts those that were set into the response
//! 2. `jar` what a handler sees of them
//! 3. `flash` messages over a redirect, and `viewing` whether a person sees them
//! 4. `received` the field that cookies come in, `seal` signing and encryption, `set_cookie` what a cookie is sent with
//!
//! Reading a cookie is what makes a response one visitor's, and the jar is the only way to one: so it can say that it was
//! read, and a shared cache never gets a page that shows what was in it. It knows no content and no front door.

mod flash;
mod jar;
mod layer;
mod received;
mod seal;
mod set_cookie;
mod viewing;

pub use self::{
    flash::Flash,
    jar::CookieJar,
    layer::{Cookies, CookiesService},
    set_cookie::{SameSite, SetCookie},
};
