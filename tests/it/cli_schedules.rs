//! The command `schedules`: from what a program prints to its template, and what `check` then says.

use std::{fs, io::Write, process::Stdio};

use serde_json::json;

use crate::{
    cli::{command, run},
    support::folders,
};

const TEMPLATE: &str = "Resources:
  Worker:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: rust-cargolambda
    Properties:
      CodeUri: .
      Handler: bootstrap
      Runtime: provided.al2023
      Architectures: [arm64]
      Environment:
        Variables: { STAGE: prod }
";

fn manifest(expression: &str) -> String {
    json!({ "schedules": [{ "name": "report", "expression": expression, "time_zone": "Europe/Berlin" }] }).to_string()
}

#[test]
fn the_schedules_of_a_program_go_into_its_template() {
    let folders = folders(&[
        ("templates/a.html", "a"),
        ("static/a.css", ""),
        (
            "src/main.rs",
            "fn main() {\n    app.every(Schedule::from(\"0 3 * * ? *\").with_time_zone(\"Europe/Berlin\"), Report)\n}",
        ),
        ("template.yaml", TEMPLATE),
        ("schedules.json", &manifest("cron(0 3 * * ? *)")),
    ]);
    let path = |name: &str| folders.path().join(name).display().to_string();
    let (template, site) = (path("template.yaml"), folders.path().display().to_string());
    let (code, out, _) = run(&["check", &site]);
    assert_eq!(code, Some(1));
    let expected = format!("{template}:2: the code posts a task by cron(0 3 * * ? *) in Europe/Berlin (src/main.rs:2)");
    assert!(out.contains(&expected), "{out}");

    let from = path("schedules.json");
    let (code, out, _) = run(&["schedules", &template, "--from", &from, "--check"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with(&format!("{template}:7: the schedules are not those of the program")), "{out}");
    assert_eq!(fs::read_to_string(&template).expect("a file"), TEMPLATE);

    for (options, state) in
        [(&["--json"][..], "written"), (&["--json"], "unchanged"), (&["--json", "--check"], "unchanged")]
    {
        let (code, out, err) = run(&[&["schedules", &template, "--from", &from], options].concat());
        let said = json!({ "template": template, "schedules": 1, "state": state });
        assert_eq!((code, out, &*err), (Some(0), format!("{said}\n"), ""));
    }
    let (code, out, _) = run(&["check", &site]);
    assert_eq!((code, &*out), (Some(0), ""));
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let folders = folders(&[("template.yaml", TEMPLATE)]);
    let template = folders.path().join("template.yaml").display().to_string();
    for (printed, says) in [
        ("warning: nothing\n".to_owned(), "standard input is not what the program prints with SCHEDULE_MANIFEST=1"),
        (manifest("cron(0 3 * * *)"), "6 fields"),
        (manifest("cron(0 3 * * ? *)\n    Evil: x"), "8 fields"),
        (manifest("cron(0 3\n    Evil: * * ? *)"), "7 fields"),
        (manifest("rate(5 minutes)").replace("report", "a'b"), "its name `a'b`"),
        (manifest("rate(5 minutes)").replace("Berlin", "Berlin: x"), "time zone"),
    ] {
        let mut child = command(&["schedules", &template])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("an input").write_all(printed.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(err.contains(says), "{err}");
    }
    assert_eq!(fs::read_to_string(template).expect("a file"), TEMPLATE);
}

#[test]
fn a_check_says_what_is_wrong_with_a_schedule_in_the_code() {
    let source = "fn main() {\n\n    app.every(\"0 3 * * *\", Report).every(\"0 3 * * ? *\", Report)\n}";
    let folders = folders(&[("templates/a.html", "a"), ("static/a.css", ""), ("src/main.rs", source)]);
    let (code, out, _) = run(&["check", &folders.path().display().to_string()]);
    assert_eq!(code, Some(1));
    assert!(out.contains("src/main.rs:3: the schedule `cron(0 3 * * *)` is none: it has 5 fields"), "{out}");
    assert_eq!(out.lines().count(), 1, "{out}");
}
