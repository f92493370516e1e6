//! One text for all JSON that says the same, whatever the order of its entries. Numbers stay as they are written: read
//! as floats, two of them could become one.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// What the order of a list's elements means.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Lists {
    Ordered,
    /// Nothing: it may have been a set.
    Unordered,
}

/// The JSON with its maps in the order of their keys; a text that is no JSON as it is.
pub(super) fn canonical(json: &str, lists: Lists) -> String {
    let of = |value: &RawValue| canonical(value.get(), lists);
    if let Ok(entries) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
        let entry = |(key, value): (&String, &&RawValue)| format!("{key:?}:{}", of(value));
        return format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","));
    }
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) {
        let mut elements: Vec<String> = elements.into_iter().map(of).collect();
        if lists == Lists::Unordered {
            elements.sort_unstable();
        }
        return format!("[{}]", elements.join(","));
    }
    json.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_counts_in_lists_alone_and_numbers_are_not_read() {
        let ordered = |json| canonical(json, Lists::Ordered);
        let unordered = |json| canonical(json, Lists::Unordered);
        assert_eq!(ordered(r#"{"b":[2,1,{"d":1,"c":2}],"a":{}}"#), ordered(r#"{ "a":{}, "b":[2,1,{"c":2,"d":1}]}"#));
        assert_ne!(ordered("[1,2]"), ordered("[2,1]"));
        assert_eq!(unordered(r#"[[2,1],{"a":[]}]"#), unordered(r#"[{"a":[]},[1,2]]"#));
        assert_ne!(unordered("[[1],2]"), unordered("[1,[2]]"));
        assert_ne!(
            ordered("340282366920938463463374607431768211455"),
            ordered("340282366920938463463374607431768211454")
        );
        assert_ne!(ordered(r#"{"a":"b"}"#), ordered(r#"{"a":{"b":null}}"#));
        assert_ne!(ordered(r#"{"a\":1,\"b":1}"#), ordered(r#"{"a":1,"b":1}"#));
        for text in ["", "no JSON", "{", "\"a\"", "null"] {
            assert_eq!(ordered(text), text);
        }
    }
}
