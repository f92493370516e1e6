//! Seals cookie values: signed, or encrypted, for one name and until one time. Only this file uses the crate `cookie`.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use cookie::{Cookie, CookieJar, Key};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, ErrorKind, Result};

/// The secrets of a site: one to seal with, and all of them to open.
#[derive(Clone)]
pub(super) struct Secrets {
    newest_first: Vec<Vec<u8>>,
    pub(super) encrypts: bool,
}

/// Shorter ones could be guessed.
const SHORTEST_SECRET: usize = 32;

impl Secrets {
    pub(super) fn new(secret: &[u8]) -> Result<Self> {
        Self { newest_first: Vec::new(), encrypts: false }.with_previous(secret)
    }

    pub(super) fn with_previous(mut self, secret: &[u8]) -> Result<Self> {
        if secret.len() < SHORTEST_SECRET {
            let message = format!(
                "a secret for cookies has {} bytes and needs {SHORTEST_SECRET} random ones: `openssl rand -base64 48` makes one",
                secret.len()
            );
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        self.newest_first.push(secret.to_vec());
        Ok(self)
    }

    /// The value as a cookie of this name carries it, good until a Unix time.
    pub(super) fn seal(&self, name: &str, value: &str, until: Option<u64>) -> String {
        let until = until.map_or_else(String::new, |until| until.to_string());
        let value = format!("{until}.{}", utf8_percent_encode(value, NOT_IN_VALUE));
        let (mut jar, cookie) = (CookieJar::new(), Cookie::new(name.to_owned(), value));
        let key = key(&self.newest_first[0], name);
        match self.encrypts {
            true => jar.private_mut(&key).add(cookie),
            false => jar.signed_mut(&key).add(cookie),
        }
        jar.get(name).map(|cookie| cookie.value().to_owned()).unwrap_or_default()
    }

    /// The value of a cookie, if this site has sealed it for this name and its time is not over.
    pub(super) fn open(&self, name: &str, sealed: &str, now: u64) -> Option<String> {
        let opened = self.newest_first.iter().find_map(|secret| {
            let (jar, cookie) = (CookieJar::new(), Cookie::new(name.to_owned(), sealed.to_owned()));
            let key = key(secret, name);
            match self.encrypts {
                true => jar.private(&key).decrypt(cookie),
                false => jar.signed(&key).verify(cookie),
            }
        })?;
        let (until, value) = opened.value().split_once('.')?;
        let is_over = !until.is_empty() && until.parse().is_ok_and(|until: u64| until <= now);
        let value = percent_decode_str(value).decode_utf8().ok()?;
        (!is_over).then(|| value.into_owned())
    }
}

/// SECURITY: a key for each name. The library signs a value alone, so that a visitor could send the value of one cookie as
/// another.
fn key(secret: &[u8], name: &str) -> Key {
    Key::derive_from(&[secret, b"\0", name.as_bytes()].concat())
}

/// A secret for this process alone.
pub(super) fn random_secret() -> Vec<u8> {
    Key::generate().master().to_vec()
}

/// The time in seconds, as cookies carry it.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("encrypts", &self.encrypts).finish_non_exhaustive()
    }
}

/// What may not stand in a cookie's value (RFC 6265 §4.1.1).
const NOT_IN_VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(secret: u8, encrypts: bool) -> Secrets {
        Secrets { encrypts, ..Secrets::new(&[secret; 32]).unwrap() }
    }

    #[test]
    fn a_value_opens_for_its_name_its_secret_and_its_time() {
        for encrypts in [false, true] {
            let (ours, theirs) = (secrets(1, encrypts), secrets(2, encrypts));
            let sealed = ours.seal("user", "7", Some(1_000));
            assert_eq!(ours.open("user", &sealed, 999).as_deref(), Some("7"));
            assert_eq!(ours.open("user", &sealed, 1_000), None, "its time is over");
            assert_eq!(ours.open("cart", &sealed, 999), None, "it is another cookie's");
            assert_eq!(theirs.open("user", &sealed, 999), None, "it is another site's");
            let rotated = theirs.clone().with_previous(&[1; 32]).unwrap();
            assert_eq!(rotated.open("user", &sealed, 999).as_deref(), Some("7"), "the secret was replaced");
            assert_eq!(ours.open("user", &rotated.seal("user", "7", None), 0), None, "new cookies have the new secret");
            assert_eq!(secrets(1, !encrypts).open("user", &sealed, 999), None, "the other way to seal");
            assert_eq!(sealed.contains(".7"), !encrypts);
        }
        assert_eq!(Secrets::new(&[1; 31]).unwrap_err().kind(), ErrorKind::Configuration);
    }

    proptest! {
        #[test]
        fn any_value_comes_back_and_none_that_was_changed(
            value in "(?s).{0,60}",
            encrypts in any::<bool>(),
            at in any::<usize>(),
            byte in "[!-~]",
        ) {
            let ours = secrets(1, encrypts);
            let sealed = ours.seal("name", &value, None);
            prop_assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)), "{}", sealed);
            prop_assert_eq!(ours.open("name", &sealed, u64::MAX), Some(value));
            let at = at % sealed.len();
            let changed = format!("{}{byte}{}", &sealed[..at], &sealed[at + 1..]);
            prop_assert!(changed == sealed || ours.open("name", &changed, 0).is_none());
        }

        #[test]
        fn nothing_that_is_sent_makes_it_panic(value in "(?s).{0,80}") {
            prop_assert_eq!(secrets(1, false).open("name", &value, 0), None);
            prop_assert_eq!(secrets(1, true).open("name", &value, 0), None);
        }
    }
}
