//! A canonical text of JSON: entries of objects and elements of lists are sorted. Numbers stay as they are written, because two
//! of them could become one as floats. It does not know which lists are sets.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The JSON with its maps in the order of their keys, and its lists in that of their elements; a text that is no JSON as it is.
pub(super) fn canonical(json: &str) -> String {
    if let Ok(entries) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
        let entry = |(key, value): (&String, &&RawValue)| format!("{key:?}:{}", canonical(value.get()));
        return format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","));
    }
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) {
        let mut elements: Vec<String> = elements.into_iter().map(|element| canonical(element.get())).collect();
        elements.sort_unstable();
        return format!("[{}]", elements.join(","));
    }
    json.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_order_counts_and_numbers_are_not_read() {
        assert_eq!(
            canonical(r#"{"b":[2,1,{"d":1,"c":2}],"a":{}}"#),
            canonical(r#"{ "a":{}, "b":[2,{"c":2,"d":1},1]}"#)
        );
        assert_eq!(canonical(r#"[[2,1],{"a":[]}]"#), canonical(r#"[{"a":[]},[1,2]]"#));
        assert_ne!(canonical("[[1],2]"), canonical("[1,[2]]"));
        assert_ne!(canonical("[1,1,2]"), canonical("[1,2,2]"));
        assert_ne!(
            canonical("340282366920938463463374607431768211455"),
            canonical("340282366920938463463374607431768211454")
        );
        assert_ne!(canonical(r#"{"a":"b"}"#), canonical(r#"{"a":{"b":null}}"#));
        assert_ne!(canonical(r#"{"a\":1,\"b":1}"#), canonical(r#"{"a":1,"b":1}"#));
        for text in ["", "no JSON", "{", "\"a\"", "null"] {
            assert_eq!(canonical(text), text);
        }
    }
}
