//! Cookies that the site can trust, and messages that are shown once.
//!
//! [`Cookies`] is a layer around the whole service. A handler gets a [`CookieJar`]: it reads and sets cookies, which are signed
//! or encrypted, and [`Flash`] messages, which the next page shows.
//!
//! How a cookie travels, each step in the module of that name:
//!
//! 1. `layer` takes the cookies out of each request and puts those that were set into the response
//! 2. `jar` is the handler's view of them
//! 3. `flash` holds messages over a redirect, and `viewing` tells whether a person sees them
//! 4. `received` reads the `Cookie` field; `settings`, `seal` and `set_cookie` write `Set-Cookie`, signed or encrypted
//!
//! Reading a cookie makes a response private to one visitor. The jar is the only access to cookies, so it knows whether one was
//! read, and a shared cache never stores a page that shows one. This module knows neither content nor front doors.

mod flash;
mod jar;
mod layer;
mod received;
mod seal;
mod set_cookie;
mod settings;
mod viewing;

pub use self::{
    flash::Flash,
    jar::CookieJar,
    layer::{Cookies, CookiesService},
    set_cookie::{SameSite, SetCookie},
};
