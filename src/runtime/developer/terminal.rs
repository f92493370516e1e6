//! An error in a developer's terminal, in short: the message, the line of the template, what to try. The log has it as well, for
//! programs that read it.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use http::StatusCode;

use super::{FailedRequest, TemplateExcerpt, advice, causes, places};
use crate::error::Error;

/// Lines that are shown before and behind the one at fault.
const AROUND: usize = 2;

const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Writes it to the standard error, in colour where that is a terminal and `NO_COLOR` is not set (<https://no-color.org>).
pub(super) fn tell(error: &Error, status: StatusCode, request: FailedRequest<'_>) {
    let mut stderr = io::stderr().lock();
    let has_colour = stderr.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Without a terminal there is nobody to tell.
    _ = stderr.write_all(text(error, status, request, has_colour).as_bytes());
}

fn text(error: &Error, status: StatusCode, request: FailedRequest<'_>, has_colour: bool) -> String {
    let paint = |colour: &str, text: &str| match has_colour {
        true => format!("{colour}{}{PLAIN}", printable(text)),
        false => printable(text),
    };
    let message = causes(error).pop().unwrap_or_default();
    let mut lines = vec![
        format!("{} {} {}", paint(RED, status.as_str()), request.method, printable(request.path)),
        paint(BOLD, &message),
    ];
    if let Some(TemplateExcerpt { template, line, lines: around }) = places(error).pop() {
        lines.push(format!("  --> {template}:{line}"));
        for shown in around.iter().filter(|shown| shown.number.abs_diff(line) <= AROUND) {
            let (mark, colour) = if shown.is_at_fault { (">", RED) } else { (" ", DIM) };
            lines.push(paint(colour, &format!("{mark} {:>4} | {}", shown.number, shown.text)));
        }
    }
    lines.extend(advice(error).map(|advice| paint(DIM, advice)));
    format!("\n{}\n\n", lines.join("\n"))
}

/// SECURITY: a terminal obeys control characters, and a path or a value may come from anybody.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c < ' ' || ('\x7f'..='\u{9f}').contains(&c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::{Environment, context};

    #[test]
    fn it_has_the_line_at_fault_and_no_control_characters_of_others() {
        let mut engine = Environment::new();
        engine.add_template("a.html", "1\n2\n3\n{{ n.a.b }}\n5\n6\n7").expect("it compiles");
        let failed = engine.get_template("a.html").and_then(|it| it.render(context! {})).expect_err("it fails");
        let at = ("a.html".to_owned(), None);
        let error =
            Error::in_template(crate::error::ErrorKind::Template, "a template could not be rendered", at, failed);
        let request = FailedRequest { method: "GET", path: "/\x1b[2J" };
        let plain = text(&error, StatusCode::INTERNAL_SERVER_ERROR, request, false);
        assert!(!plain.contains('\x1b'), "{plain:?}");
        for part in ["500 GET /", "undefined value", "--> a.html:4", "     2 | 2", ">    4 | {{ n.a.b }}", "     6 | 6"]
        {
            assert!(plain.contains(part), "{part}: {plain}");
        }
        assert!(!plain.contains("| 7") && !plain.contains("| 1\n"), "{plain}");
        let coloured = text(&error, StatusCode::INTERNAL_SERVER_ERROR, request, true);
        assert!(coloured.contains("\x1b[1;31m500\x1b[0m") && !coloured.contains("\x1b[2J"), "{coloured:?}");
    }
}
