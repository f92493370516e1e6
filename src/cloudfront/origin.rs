//! The origin secret: a header that CloudFront adds to each request, and that nobody else knows. It tells whether a request
//! has the secret, and keeps hashes only.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::CloudFront;
use crate::{
    error::{Error, ErrorKind, Result},
    stage::Stage,
    variables,
};

/// CloudFront sets it on the way to the origin, and overwrites what a visitor sends under its name.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-origin-secret");

impl CloudFront {
    /// Answers those requests only that have this secret in the header `X-Origin-Secret`: the ones that came through your
    /// CloudFront distribution, which adds it as a
    /// [custom origin header](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html).
    /// Default: all requests.
    ///
    /// Without it the address of the API or function URL is a way around CloudFront, its firewall and its cache. Any
    /// other request, one with the header twice too, is answered 403 with `no-store` before the service is called, and
    /// is told no reason. The service never sees the header. Events that are no requests (tasks, schedules, pings that
    /// keep warm) do not pass here.
    ///
    /// The comparison takes the same time for each wrong value. Only a hash of the secret is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a secret with fewer than 32 characters, with more than the 1,783 that CloudFront
    /// sends, or with others than visible ASCII ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, Representation};
    /// use http::Request;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let secret = "1f8c2a9e4b7d6053a1e9c8b7d6f5e4a3"; // openssl rand -hex 32
    /// let cloudfront = CloudFront::new().with_origin_secret(secret)?;
    /// let page = || Representation::new("text/plain", "hello");
    ///
    /// let around = Request::get("/").body(())?;
    /// assert_eq!(cloudfront.respond(&around, page()).await?.status(), 403);
    ///
    /// let through = Request::get("/").header("X-Origin-Secret", secret).body(())?;
    /// assert_eq!(cloudfront.respond(&through, page()).await?.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn with_origin_secret(mut self, secret: &str) -> Result<Self> {
        self.origin.current = Some(hashed("the origin secret", secret)?);
        Ok(self)
    }

    /// Accepts this secret too, so that a secret can be changed without a refused request: deploy the function with the new
    /// one and the old one as previous, then the distribution with the new one, then the function without the old one.
    /// Default: none.
    ///
    /// # Errors
    ///
    /// As [`with_origin_secret`](Self::with_origin_secret).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::CloudFront;
    ///
    /// let cloudfront = CloudFront::new()
    ///     .with_origin_secret("1f8c2a9e4b7d6053a1e9c8b7d6f5e4a3")?
    ///     .with_previous_origin_secret("93b0c4d2e6f81a7593b0c4d2e6f81a75")?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_previous_origin_secret(mut self, secret: &str) -> Result<Self> {
        self.origin.previous = Some(hashed("the previous origin secret", secret)?);
        Ok(self)
    }

    /// Takes the secrets from the environment variables `ORIGIN_SECRET` and, during a change, `ORIGIN_SECRET_PREVIOUS`.
    ///
    /// Without `ORIGIN_SECRET`, or where it is empty, all requests are answered, in development alone ([`Stage`]): in
    /// production the site does not start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where it is missing in production, where only the previous one is set, and as
    /// [`with_origin_secret`](Self::with_origin_secret).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::CloudFront;
    ///
    /// let cloudfront = CloudFront::new().with_origin_secret_from_env()?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_origin_secret_from_env(self) -> Result<Self> {
        self.with_origin_secret_from(Stage::current(), variables::PROCESS)
    }

    fn with_origin_secret_from(mut self, stage: Stage, read: variables::Read<'_>) -> Result<Self> {
        let advice = "set it to the value of the header X-Origin-Secret that your CloudFront distribution adds, so that nobody \
                      bypasses the distribution";
        if let Some(secrets) = variables::secrets([CURRENT, PREVIOUS], advice, stage, read)? {
            let previous = secrets.previous.map(|secret| hashed(PREVIOUS, &secret)).transpose()?;
            self.origin = Origin { current: Some(hashed(CURRENT, &secrets.current)?), previous };
        }
        Ok(self)
    }
}

const CURRENT: &str = "ORIGIN_SECRET";
const PREVIOUS: &str = "ORIGIN_SECRET_PREVIOUS";

/// In the extensions of a request: it had the origin secret, so it came through CloudFront.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted;

/// The secrets that are accepted, as hashes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Origin {
    current: Option<[u8; 32]>,
    previous: Option<[u8; 32]>,
}

impl Origin {
    /// Whether there is a secret to be asked for.
    pub(crate) fn is_guarded(&self) -> bool {
        self.current.is_some() || self.previous.is_some()
    }

    /// Whether these fields have a secret that is accepted.
    ///
    /// SECURITY: hashes are compared, which have one length, in constant time, and always with all secrets: nothing of
    /// how long it takes depends on how much of a guess is right.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(HEADER).iter();
        let (line, another) = (lines.next(), lines.next());
        let given = hash(line.map_or(&[], HeaderValue::as_bytes));
        let secrets = self.current.iter().chain(&self.previous);
        let known = secrets.map(|secret| secret.ct_eq(&given)).fold(Choice::from(0), |known, equal| known | equal);
        // CloudFront writes one line. Where there are two, one is a stranger's.
        bool::from(known) && another.is_none()
    }
}

/// NOTE: not even hashes: they would tell whether two sites share a secret.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = self.current.iter().chain(&self.previous).count();
        f.debug_struct("Origin").field("secrets", &secrets).finish_non_exhaustive()
    }
}

/// `what` is how an error calls the secret; its value is never in one.
fn hashed(what: &str, secret: &str) -> Result<[u8; 32]> {
    let length = secret.len();
    let problem = match length {
        _ if !secret.bytes().all(|byte| byte.is_ascii_graphic()) => {
            "has blanks or other than ASCII characters".to_owned()
        }
        0..SHORTEST => format!("has {length} characters and needs {SHORTEST} or more"),
        LONGER.. => format!("has {length} characters and CloudFront sends at most {}", LONGER - 1),
        _ => return Ok(hash(secret.as_bytes())),
    };
    let message = format!("{what} {problem}: take a random one, such as `openssl rand -hex 32` prints");
    Err(Error::new(ErrorKind::Configuration, message))
}

const SHORTEST: usize = 32;

/// One more than a custom header's value may have:
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html>.
const LONGER: usize = 1784;

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "a-new-secret-of-forty-characters-0123456";
    const OLD: &str = "an-old-secret-of-forty-characters-012345";

    fn from(stage: Stage, variables: &[(&str, &str)]) -> Result<CloudFront> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        CloudFront::new().with_origin_secret_from(stage, &value)
    }

    #[test]
    fn a_site_without_a_secret_starts_in_development_alone() {
        let (dev, prod) = (Stage::of(Some("dev"), true), Stage::of(Some("prod"), true));
        #[rustfmt::skip]
        let table = [
            (dev, &[][..], Some(false)),
            (dev, &[(CURRENT, "")], Some(false)),
            (dev, &[(CURRENT, NEW)], Some(true)),
            (dev, &[(CURRENT, "short")], None),
            (dev, &[(PREVIOUS, OLD)], None),
            (prod, &[], None),
            (prod, &[(CURRENT, "")], None),
            (prod, &[(CURRENT, "short")], None),
            (prod, &[(PREVIOUS, OLD)], None),
            (prod, &[(CURRENT, ""), (PREVIOUS, OLD)], None),
            (prod, &[(CURRENT, NEW)], Some(true)),
            (prod, &[(CURRENT, NEW), (PREVIOUS, "")], Some(true)),
            (prod, &[(CURRENT, NEW), (PREVIOUS, OLD)], Some(true)),
            (prod, &[(CURRENT, NEW), (PREVIOUS, "short")], None),
        ];
        for (stage, variables, guarded) in table {
            let got = from(stage, variables);
            assert_eq!(got.as_ref().ok().map(|site| site.origin.is_guarded()), guarded, "{stage:?} {variables:?}");
            if let Err(error) = got {
                assert_eq!(error.kind(), ErrorKind::Configuration);
                assert!(error.to_string().contains("ORIGIN_SECRET"), "{error}");
            }
        }
    }

    #[test]
    fn the_environment_of_a_change_accepts_both() {
        let prod = Stage::of(Some("prod"), true);
        let site = from(prod, &[(CURRENT, NEW), (PREVIOUS, OLD)]).expect("two good secrets");
        for (given, admitted) in [(NEW, true), (OLD, true), ("", false), ("another", false)] {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_static(given))]);
            assert_eq!(site.origin.admits(&headers), admitted, "{given}");
        }
    }
}
