//! The CloudFront Function that reduces Accept to the four classes of [`accept`](super::accept). It is generated from the same
//! table.

use serde_json::{Map, Value, json};

use super::{
    Images,
    accept::{CLASSES, RANGES},
};

impl Images {
    /// The JavaScript of a [CloudFront Function](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-functions.html)
    /// that reduces the Accept field of a request to one of four values, so that CloudFront keeps four variants of an image at
    /// most instead of one for each browser.
    ///
    /// It is for the runtime `cloudfront-js-2.0` and the event `viewer-request`, on the behaviours that serve images and whose
    /// cache policy has the header `Accept`; without it there, every visitor gets what the first one took. It goes by the
    /// same table as the site itself: a request has the same variant with it and without.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::images::Images;
    ///
    /// std::fs::write(std::env::temp_dir().join("accept.js"), Images::cloudfront_function())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cloudfront_function() -> String {
        let ranges: Map<String, Value> =
            RANGES.iter().map(|(name, ranges)| ((*name).to_owned(), json!(ranges))).collect();
        let classes: Vec<String> = CLASSES.iter().map(|class| format!("    {},\n", json!(class))).collect();
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "// Made by chalice_http_toolkit {version}; another version may have another one. Runtime: cloudfront-js-2.0.\n\
             // Accept becomes one of {} values, so that there are as many variants of an image and no more.\n\
             var ranges = {};\n\
             var classes = [\n{}];\n{FUNCTION}",
            CLASSES.len(),
            Value::from(ranges),
            classes.concat()
        )
    }
}

/// What reads the table. ECMAScript 5.1: the runtime has some of what is newer, and no way to tell which offline.
const FUNCTION: &str = r"
function handler(event) {
    var request = event.request;
    var wanted = elements(request.headers.accept);
    var found = classes.filter(function (candidate) { return belongs(candidate, wanted); });
    found.push(classes[classes.length - 1]);
    request.headers.accept = { value: found[0].accept };
    return request;
}

function belongs(candidate, wanted) {
    function weight(type) { return weightOf(type, wanted); }
    var own = weight(candidate.takes);
    return own > 0
        && candidate.no_less_than.every(function (other) { return own >= Math.max(weight(other), 0); })
        && candidate.not_against.every(function (other) { return weight(other) !== 0; })
        && candidate.without.every(function (other) { return weight(other) <= 0; });
}

// In thousandths; -1 where nothing speaks of the type.
function weightOf(type, wanted) {
    var speaking = ranges[type] || [];
    for (var i = 0; i < speaking.length; i++) {
        for (var j = 0; j < wanted.length; j++) {
            if (wanted[j].range === speaking[i]) return wanted[j].weight;
        }
    }
    return -1;
}

// The elements of all lines of the field, without those that can't be read.
function elements(field) {
    var lines = field ? field.multiValue || [field] : [];
    var found = [];
    lines.forEach(function (line) {
        if (/[^\t -~]/.test(line.value)) return;
        line.value.split(',').forEach(function (text) {
            var element = parsed(text);
            if (element) found.push(element);
        });
    });
    return found;
}

function parsed(text) {
    var parts = text.split(';');
    var range = parts[0].trim().toLowerCase();
    var weight = 1000;
    if (!range) return null;
    for (var i = 1; i < parts.length; i++) {
        var equals = parts[i].indexOf('=');
        if (equals < 0) return null;
        if (parts[i].slice(0, equals).trim().toLowerCase() === 'q') {
            var value = parts[i].slice(equals + 1).trim();
            if (!/^(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$/.test(value)) return null;
            weight = Math.round(parseFloat(value) * 1000);
        }
    }
    return { range: range, weight: weight };
}
";

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html>: 10 KB.
    #[test]
    fn the_function_is_as_small_as_cloudfront_takes() {
        assert!(Images::cloudfront_function().len() < 10_000);
    }
}
