//! What an answer means for the batch: AWS's table of successes and failures for `ReportBatchItemFailures` (Lambda
//! developer guide, "Handling errors for an SQS event source"). It deletes nothing itself.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::Value;

/// What came back from the function.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `X-Amz-Function-Error`.
    pub(super) function_error: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The ids that the function reports as not done, or why the whole batch is not done.
pub(super) fn verdict(answer: &Answer, ids: &HashSet<&str>) -> Result<HashSet<String>, String> {
    let body = serde_json::from_slice(&answer.body);
    if answer.status != StatusCode::OK {
        return Err(format!("status {}{}", answer.status.as_u16(), said(body.as_ref().ok())));
    }
    if let Some(error) = &answer.function_error {
        return Err(format!("function error {error:?}{}", said(body.as_ref().ok())));
    }
    let body = body.map_err(|_| "the answer is not JSON")?;
    let failures = match &body {
        Value::Null => return Ok(HashSet::new()),
        Value::Object(answer) => answer.get("batchItemFailures"),
        _ => return Err("the answer is not an object with batchItemFailures".into()),
    };
    match failures {
        // NOTE: `cargo lambda watch` answers 200 where a function fails at its start, without X-Amz-Function-Error, and
        // with the error object of the runtime API as the body. At AWS that is a failure.
        None if body.get("errorType").is_some_and(Value::is_string) => {
            Err(format!("function error{}", said(Some(&body))))
        }
        None | Some(Value::Null) => Ok(HashSet::new()),
        Some(Value::Array(items)) => items.iter().map(|item| identifier(item, ids)).collect(),
        Some(_) => Err("batchItemFailures is not a list".into()),
    }
}

/// One bad item makes the answer a complete failure: it can't be known which message was meant.
fn identifier(item: &Value, ids: &HashSet<&str>) -> Result<String, String> {
    match item.get("itemIdentifier") {
        Some(Value::String(id)) if ids.contains(id.as_str()) => Ok(id.clone()),
        Some(Value::String(id)) if id.is_empty() => Err("an itemIdentifier is empty".into()),
        Some(Value::String(id)) => Err(format!("itemIdentifier {id:?} is not in the batch")),
        Some(_) => Err("an itemIdentifier is not a string".into()),
        None => Err("a batchItemFailures entry has no itemIdentifier".into()),
    }
}

/// The words of an error object: of the runtime API, of `cargo lambda watch` or of Lambda itself.
fn said(body: Option<&Value>) -> String {
    let words = ["errorMessage", "detail", "message", "Message"];
    let said = body.and_then(|body| words.iter().find_map(|word| body.get(word)?.as_str()));
    said.map(|said| format!(": {}", said.chars().take(300).collect::<String>())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, function_error: Option<&str>, body: &str) -> Result<Vec<String>, String> {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, function_error: function_error.map(Into::into), body: body.into() };
        let mut failed: Vec<String> = verdict(&answer, &HashSet::from(["a", "b"]))?.into_iter().collect();
        failed.sort();
        Ok(failed)
    }

    #[test]
    fn complete_and_partial_successes() {
        for (body, failed) in [
            ("null", vec![]),
            ("{}", vec![]),
            (r#"{"batchItemFailures":null}"#, vec![]),
            (r#"{"batchItemFailures":[]}"#, vec![]),
            (r#"{"statusCode":200}"#, vec![]),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, vec!["b"]),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}"#, vec!["b"]),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b","more":1},{"itemIdentifier":"a"}]}"#, vec!["a", "b"]),
        ] {
            assert_eq!(judge(200, None, body), Ok(failed.into_iter().map(String::from).collect()), "{body}");
        }
    }

    #[test]
    fn complete_failures() {
        for (status, function_error, body) in [
            (200, None, ""),
            (200, None, "{\"batchItemFailures\":["),
            (200, None, "[]"),
            (200, None, "\"ok\""),
            (200, None, "true"),
            (200, None, r#"{"batchItemFailures":{}}"#),
            (200, None, r#"{"batchItemFailures":"a"}"#),
            (200, None, r#"{"batchItemFailures":["a"]}"#),
            (200, None, r#"{"batchItemFailures":[null]}"#),
            (200, None, r#"{"batchItemFailures":[{}]}"#),
            (200, None, r#"{"batchItemFailures":[{"ItemIdentifier":"a"}]}"#),
            (200, None, r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#),
            (200, None, r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#),
            (200, None, r#"{"batchItemFailures":[{"itemIdentifier":1}]}"#),
            (200, None, r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#),
            (200, None, r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#),
            (200, None, r#"{"errorType":"Runtime.ExitError","errorMessage":"it ended"}"#),
            (200, Some("Unhandled"), "null"),
            (202, None, ""),
            (404, None, "{}"),
            (500, None, r#"{"batchItemFailures":[]}"#),
        ] {
            assert!(judge(status, function_error, body).is_err(), "{status} {function_error:?} {body}");
        }
    }

    #[test]
    fn an_error_says_what_the_function_said() {
        let error = judge(500, None, r#"{"errorType":"Oops","errorMessage":"no such table"}"#);
        assert_eq!(error, Err("status 500: no such table".into()));
    }
}
