//! The event of as many records as one invocation carries. It knows neither queue nor network.

use serde_json::Value;

/// What a synchronous invocation may carry (Lambda quotas, "Invocation payload").
const LIMIT: usize = 6 * 1024 * 1024;

/// The event of as many of these records, from the first on, as one invocation carries, and how many they are: at least
/// one, as a message fits alone.
pub(super) fn event<'a>(records: impl Iterator<Item = &'a Value>) -> (Vec<u8>, usize) {
    let mut event = b"{\"Records\":[".to_vec();
    let mut count = 0;
    for record in records {
        let record = record.to_string();
        if count > 0 && event.len() + record.len() + ",]}".len() > LIMIT {
            break;
        }
        if count > 0 {
            event.push(b',');
        }
        event.extend_from_slice(record.as_bytes());
        count += 1;
    }
    event.extend_from_slice(b"]}");
    (event, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_takes_what_fits_and_at_least_one() {
        for (size, wanted) in [(10, 10), (1024 * 1024, 5), (LIMIT, 1)] {
            let records = vec![Value::from("x".repeat(size)); 10];
            let (event, count) = event(records.iter());
            assert_eq!(count, wanted, "records of {size} bytes");
            let event: Value = serde_json::from_slice(&event).unwrap();
            assert_eq!(event["Records"].as_array().map(Vec::len), Some(wanted));
        }
    }
}
