//! The body of a form with files, as a browser writes it (HTML, "multipart/form-data encoding algorithm"). It knows no
//! request.

/// Fields by name and text, and files by field, name and bytes: the Content-Type and the body.
pub(super) fn multipart(fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> (String, Vec<u8>) {
    let fields = fields.iter().map(|(name, text)| (format!("name=\"{}\"", escaped(name)), text.as_bytes()));
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

fn escaped(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}
