//! A request as its front door handed it over. It does not know in which form that was.

use std::borrow::Cow;

use lambda_http::Request;

use super::{
    door::{Door, Way},
    uri::BadRequest,
};
use crate::script_root::ScriptRoot;

/// The facts about a request, and the request that the site gets.
pub(crate) struct IncomingRequest<'a> {
    pub(crate) door: &'static Door,
    /// Whether event and reply use `multiValueHeaders`.
    pub(crate) multi_value: bool,
    /// How the reply goes.
    pub(crate) way: Way,
    /// What the front door calls it; empty where it has no name for it.
    pub(crate) id: Cow<'a, str>,
    /// The method and the path for a log, as far as they can be read.
    pub(crate) method: Cow<'a, str>,
    pub(crate) path: Cow<'a, str>,
    /// The prefix that links of the answer carry.
    pub(crate) root: ScriptRoot,
    pub(crate) wants_problem: bool,
    pub(crate) request: Result<Request, Refused>,
}

/// Why the site is not asked.
pub(crate) enum Refused {
    Unreadable(BadRequest),
    TooLarge { size: usize, limit: usize },
}

impl From<BadRequest> for Refused {
    fn from(bad: BadRequest) -> Self {
        Self::Unreadable(bad)
    }
}
