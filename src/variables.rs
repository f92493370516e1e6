//! Variables of the process's environment, read in one way. It does not know which settings there are.

use std::{env, ffi::OsString};

use crate::{
    error::{Error, ErrorKind, Result},
    stage::Stage,
};

/// Gives the value of a variable; tests have an environment of their own.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads the environment of this process.
pub(crate) const PROCESS: Read<'static> = &|name| env::var_os(name);

/// The value of a variable. An empty one counts as not set.
pub(crate) fn text(name: &str, read: Read<'_>) -> Result<Option<String>> {
    let value = read(name).filter(|value| !value.is_empty()).map(OsString::into_string).transpose();
    value.map_err(|_| Error::new(ErrorKind::Configuration, format!("{name} is not UTF-8")))
}

/// A secret, and the one before it, which is accepted while the secret is changed.
pub(crate) struct Secrets {
    pub(crate) current: String,
    pub(crate) previous: Option<String>,
}

/// The secrets that two variables have. There may be none in development only; `advice` tells what to set the first one to.
pub(crate) fn secrets(
    [current, previous]: [&str; 2],
    advice: &str,
    stage: Stage,
    read: Read<'_>,
) -> Result<Option<Secrets>> {
    match (text(current, read)?, text(previous, read)?) {
        (Some(current), previous) => Ok(Some(Secrets { current, previous })),
        (None, None) if stage.is_development() => Ok(None),
        (None, previous_alone) => {
            let ending = match previous_alone {
                Some(_) => format!("{previous} alone is no secret"),
                None => "only with STAGE=dev it may be left out".to_owned(),
            };
            Err(Error::new(ErrorKind::Configuration, format!("{current} is not set: {advice}; {ending}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_value_is_text_and_an_empty_one_counts_as_not_set() {
        use std::os::unix::ffi::OsStringExt;
        assert_eq!(text("A", &|_| None).ok(), Some(None));
        assert_eq!(text("A", &|_| Some("".into())).ok(), Some(None));
        assert_eq!(text("A", &|_| Some("é".into())).ok(), Some(Some("é".into())));
        let error = text("A", &|_| Some(OsString::from_vec(vec![0xff]))).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Configuration, "A is not UTF-8"));
    }
}
