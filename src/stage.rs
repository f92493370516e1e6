//! Which stage a site runs in. It decides nothing by itself.

/// The stage that a site runs in, from the environment variable `STAGE`.
///
/// `STAGE=dev` is development: edited templates and files are seen at once, and error pages show what went wrong. Any
/// other value is not. Without the variable it is development except on Lambda (where `LAMBDA_TASK_ROOT` is set).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::Stage;
///
/// if Stage::current().is_development() {
///     println!("templates are reloaded");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    development: bool,
}

impl Stage {
    /// The stage of this process.
    pub fn current() -> Self {
        let on_lambda = std::env::var_os("LAMBDA_TASK_ROOT").is_some();
        Self::of(std::env::var("STAGE").ok().as_deref(), on_lambda)
    }

    pub(crate) fn of(stage: Option<&str>, on_lambda: bool) -> Self {
        Self { development: stage.map_or(!on_lambda, |stage| stage == "dev") }
    }

    /// Whether it is development.
    pub fn is_development(self) -> bool {
        self.development
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_assumed_on_lambda_and_development_elsewhere() {
        for (stage, on_lambda, development) in
            [(None, false, true), (None, true, false), (Some("dev"), true, true), (Some("prod"), false, false)]
        {
            assert_eq!(Stage::of(stage, on_lambda).is_development(), development);
        }
    }
}
