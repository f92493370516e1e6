//! The variables that a template's failed line refers to, as the engine prints them, without secrets.

use crate::hidden;

/// Empty where the engine has not kept them, as in a build without debug assertions.
pub(super) fn of(error: &minijinja::Error) -> String {
    let printed = error.display_debug_info().to_string();
    let Some((_, variables)) = printed.split_once("Referenced variables: {\n") else { return String::new() };
    let variables = variables.split("\n}").next().unwrap_or_default();
    let mut shown = String::new();
    // How far a secret's name is indented: what is indented more is its value.
    let mut secret = None;
    for line in variables.lines() {
        let indent = line.bytes().take_while(|byte| *byte == b' ').count();
        let ends_a_value = line[indent..].starts_with(['}', ']', ')']);
        if secret.is_some_and(|of_name| indent > of_name || (indent == of_name && ends_a_value)) {
            continue;
        }
        let name = line.split_once(": ").map(|(name, _)| name.trim_matches([' ', '"', '\'']));
        secret = name.filter(|name| hidden::is_secret_name(name)).map(|_| indent);
        match (secret, name) {
            (Some(_), Some(name)) => shown += &format!("{:indent$}{name}: <hidden>,\n", ""),
            _ => shown += &format!("{line}\n"),
        }
    }
    shown
}
