//! Cases timed in turns, and the no-op function that they are held against. The machine is noisy: a slow moment of it is to
//! slow all cases alike, and an absolute time proves nothing.

use std::time::{Duration, Instant};

use lambda_http::{Request, request::LambdaRequest};
use lambda_runtime::LambdaEvent;
use serde_json::{Value, value::RawValue};
use tokio::runtime::Runtime;
use tower::Service;

/// A name, and one call.
pub(crate) type Case<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// The median seconds of one call of each case.
pub(crate) fn in_turns(cases: &mut [Case<'_>], minimum: Duration) -> Vec<f64> {
    let mut samples = vec![Vec::new(); cases.len()];
    let started = Instant::now();
    while started.elapsed() < minimum * cases.len() as u32 || samples[0].len() < 20 {
        for ((_, case), samples) in cases.iter_mut().zip(&mut samples) {
            // A sample of a millisecond is seldom interrupted, where others want the machine too.
            let calls = samples.last().map_or(1, |seconds: &f64| (1e-3 / seconds).clamp(1.0, 50.0) as u32);
            let begun = Instant::now();
            (0..calls).for_each(|_| case());
            samples.push(begun.elapsed().as_secs_f64() / f64::from(calls));
        }
    }
    samples.into_iter().map(median).collect()
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The event of a GET for a path and a query, with these fields in the place of the recorded event's own.
pub(crate) fn event(target: &str, fields: &[(&str, &str)]) -> String {
    let mut event: Value = serde_json::from_str(include_str!("../../tests/fixtures/events/http.json")).expect("JSON");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["rawQueryString"] = query.into();
    for (name, value) in fields {
        event["headers"][*name] = (*value).into();
    }
    event.to_string()
}

/// A function that does nothing but hand out these bytes, in lambda_http's own adapter.
pub(crate) fn noop(runtime: &Runtime, event: &str, media_type: &str, body: impl Into<lambda_http::Body>) -> Vec<u8> {
    let mut body = Some(body.into());
    let handler = lambda_http::service_fn(move |_: Request| {
        let response = http::Response::builder().header("content-type", media_type);
        let response = response.body(body.take().unwrap_or_default());
        async { Ok::<_, lambda_http::Error>(response?) }
    });
    let mut adapter = lambda_http::Adapter::from(handler);
    // As the runtime does: the payload is found first, then read.
    let raw: &RawValue = serde_json::from_str(event).expect("JSON");
    let payload: LambdaRequest = serde_json::from_str(raw.get()).expect("an event");
    let reply = runtime.block_on(adapter.call(LambdaEvent { payload, context: lambda_runtime::Context::default() }));
    serde_json::to_vec(&reply.expect("a reply")).expect("JSON")
}
