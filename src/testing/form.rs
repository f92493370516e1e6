//! The body of a form, as a browser writes it (HTML, "Constructing the entry list" and "multipart/form-data encoding
//! algorithm"). It knows no request.

/// The Content-Type and the body of a form without files.
pub(super) fn urlencoded(fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let fields = fields.iter().map(|(name, text)| (name, in_crlf(text)));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    ("application/x-www-form-urlencoded".to_owned(), body.into_bytes())
}

/// Fields by name and text, and files by field, name and bytes: the Content-Type and the body.
pub(super) fn multipart(fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let texts: Vec<String> = fields.iter().map(|(_, text)| in_crlf(text)).collect();
    let names = fields.iter().map(|(name, _)| format!("name=\"{}\"", escaped(name)));
    let fields = names.zip(texts.iter().map(String::as_bytes));
    let files = files.iter().map(|(field, name, bytes)| {
        let disposition = format!("name=\"{}\"; filename=\"{}\"", escaped(field), escaped(name));
        (disposition + "\r\nContent-Type: application/octet-stream", *bytes)
    });
    let parts: Vec<(String, &[u8])> = fields.chain(files).collect();
    let is_free = |boundary: &String| {
        let boundary = boundary.as_bytes();
        parts.iter().all(|(_, bytes)| !bytes.windows(boundary.len()).any(|window| window == boundary))
    };
    let mut boundaries = (0_u64..).map(|n| format!("----test-{n}"));
    let boundary = boundaries.find(is_free).expect("no form is so large that it has them all");
    let mut body = Vec::new();
    for (disposition, bytes) in parts {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").into_bytes());
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").into_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A line of a text ends as on the wire, however it ended in the field.
fn in_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

fn escaped(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}
