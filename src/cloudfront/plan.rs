//! Carries out a decision. Bodies are made only here. With `with_verify` it compares the body of a 304 with the one that was
//! sent.

use http::{HeaderMap, Response, header};

use super::{
    answer::{changed, not_modified, send, send_stream},
    preconditions,
    verify::BodyCheck,
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::{cache_tags::ClosureTag, entity_tag::EntityTag, provisional},
    representation::{Body, MadeBody, Selected},
    response_body::ResponseBody,
};

/// What was decided; nothing of the body has been made yet.
pub(super) enum Plan {
    Ready(Response<ResponseBody>),
    /// Send it, or the parts of it that these Range lines ask for.
    Send {
        selected: Selected,
        range: Option<HeaderMap>,
        /// What the tag has to be that the body turns out to have.
        if_match: Option<HeaderMap>,
        head: bool,
        check: Option<BodyCheck>,
    },
    /// Answer 304, if it is true.
    Verify {
        selected: Selected,
        head: bool,
        check: BodyCheck,
    },
}

impl Plan {
    pub(super) async fn make(self) -> Result<Response<ResponseBody>> {
        match self {
            Self::Ready(response) => Ok(response),
            Self::Send { mut selected, range, if_match, head, check } => {
                let body = match selected.take_body() {
                    Body::Streamed(streamed) => return send_stream(selected, streamed, range, head).await,
                    body => body.made().await?,
                };
                let body = match body {
                    MadeBody::Promised(body) => body,
                    MadeBody::Instead { body, headers, closure, provisional } => {
                        selected.replace(headers);
                        if provisional {
                            provisional::bound(&mut selected.headers);
                        }
                        if if_match.is_some_and(|lines| !preconditions::matches(&lines, tag_of(&selected).as_ref())) {
                            return Ok(changed(selected.headers));
                        }
                        let mut response = send(selected, body, None, head);
                        closure
                            .into_iter()
                            .for_each(|tag| _ = response.extensions_mut().insert(ClosureTag::Known(tag)));
                        return Ok(response);
                    }
                };
                if let Some(check) = check
                    && !check.agrees(&body)
                {
                    verdict(&check, &selected)?;
                }
                Ok(send(selected, body, range, head))
            }
            Self::Verify { mut selected, head, check } => {
                // A body that could not be made this time says nothing about the one that the client has.
                let MadeBody::Promised(body) = selected.take_body().made().await? else {
                    return Ok(not_modified(selected.headers));
                };
                if check.agrees(&body) {
                    return Ok(not_modified(selected.headers));
                }
                verdict(&check, &selected)?;
                Ok(send(selected, body, None, head))
            }
        }
    }
}

fn tag_of(selected: &Selected) -> Option<EntityTag> {
    selected.headers.get(header::ETAG)?.to_str().ok()?.parse().ok()
}

/// What becomes of a tag that stands for two bodies: an error where that is wanted, else a line in the log.
fn verdict(check: &BodyCheck, selected: &Selected) -> Result<()> {
    let tag = selected.validators.entity_tag.as_ref().map(ToString::to_string).unwrap_or_default();
    if check.is_strict() {
        let message = format!("the tag {tag} stands for two different bodies");
        return Err(Error::new(ErrorKind::FalseNotModified, message));
    }
    tracing::error!(tag, "one tag stands for two different bodies");
    Ok(())
}
