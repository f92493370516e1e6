//! The command as it is run: what it prints where, and its exit codes.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    net::TcpListener,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::support::{folders, read_request};

/// The command with an environment of its own.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chalice-http-toolkit"));
    command.args(arguments).env_clear();
    command
}

pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    said(command(arguments).output().expect("it runs"))
}

fn said(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_is_asked_for_goes_to_standard_output_and_errors_do_not() {
    let verbs = ["check", "completions", "forward", "images", "layers", "purge", "schedules", "tasks", "verify"];
    let (code, help, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in {help}");
        let (code, out, err) = run(&[verb, "--help"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{verb}");
        assert!(out.contains("Usage: chalice-http-toolkit"), "{out}");
    }
    let version = format!("chalice-http-toolkit {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (Some(0), version, String::new()));
    for wrong in
        [&[][..], &["no-such-verb"], &["check", "--no-such-option"], &["layers", "--arch", "mips"], &["forward"]]
    {
        let (code, out, err) = run(wrong);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(err.contains("Usage: ") || err.contains("--help"), "{err}");
    }
}

#[test]
fn colour_is_for_terminals() {
    for arguments in [&["--help"][..], &["no-such-verb"], &["check", "no-such-folder"]] {
        let (_, out, err) = said(command(arguments).env("TERM", "xterm-256color").output().expect("it runs"));
        assert!(!(out + &err).contains('\u{1b}'), "{arguments:?}");
    }
}

/// Bash, at least, takes its script and completes a verb by it.
#[test]
fn completions_are_scripts_of_their_shells() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, out, err) = run(&["completions", shell]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{shell}");
        assert!(out.contains("layers") && out.contains("refresh"), "{shell}: {out}");
    }
    let script = run(&["completions", "bash"]).1;
    let ask = "COMP_WORDS=(chalice-http-toolkit la) COMP_CWORD=1; _chalice__http__toolkit chalice-http-toolkit la; echo ${COMPREPLY[@]}";
    let bash = Command::new("bash").args(["-c", &format!("{script}\n{ask}")]).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "layers", "{}", String::from_utf8_lossy(&bash.stderr));
    assert_eq!(run(&["completions", "tcsh"]).0, Some(2));
}

#[test]
fn a_check_names_file_and_line_and_what_is_too_large() {
    let site = folders(&[
        ("templates/index.html", "{% extends 'base.html' %}"),
        ("templates/shop/list.html", "\n\n{{ static('none.css') }}{{ picture('none.jpg', alt='') }}"),
        ("static/a.css", ""),
        ("static/.hidden", ""),
    ]);
    let path = site.path().to_str().expect("UTF-8");
    // At the front door of the limit: 6 MiB of JSON are 4.7 million bytes in base64, and almost all of a text.
    site.write("static/big picture.png", &vec![0xff; 4_750_000]);
    site.write("static/fits.png", &vec![0xff; 4_700_000]);
    site.write("static/text.txt", &vec![b'a'; 6_000_000]);
    site.write("static/quotes.txt", &vec![b'"'; 3_200_000]);
    let (code, out, err) = run(&["check", path]);
    let lines: Vec<&str> = out.lines().map(|line| line.strip_prefix(path).expect("the folder")).collect();
    let too_many =
        "are too many for one reply, which takes 6291456 as JSON: make it smaller, or put it into a bucket of its own";
    assert_eq!(
        lines,
        [
            "/templates/index.html:1: there is no template `base.html`",
            "/templates/shop/list.html:3: there is no static file `none.css`",
            "/templates/shop/list.html:3: there is no static file `none.jpg`",
            &format!("/static/big picture.png: 4750000 bytes {too_many}"),
            &format!("/static/quotes.txt: 3200000 bytes {too_many}"),
        ]
    );
    assert_eq!((code, err.as_str()), (Some(1), "5 findings in 2 templates and 5 static files\n"));

    let (code, out, err) = run(&["check", path, "--json"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, err.as_str()), (Some(1), ""));
    assert_eq!(object["findings"].as_array().map(Vec::len), Some(5));
    assert_eq!(object["findings"][1]["line"], 3);
    assert_eq!(object["findings"][3]["rule"], "size");
    assert_eq!((&object["templates"], &object["static_files"]), (&json!(2), &json!(5)));

    let behind = |front| run(&["check", path, "--front", front]).1.lines().count();
    assert_eq!([behind("http"), behind("rest"), behind("url"), behind("alb")], [5, 5, 5, 7]);
}

#[test]
fn a_check_names_a_compressed_file_that_is_stale() {
    let site = folders(&[
        ("templates/index.html", "{{ static('a.css?v=2') }}"),
        ("static/a.css", "body {}"),
        ("static/a.css.gz", "of last year"),
        ("static/.well-known/security.txt", "Contact: mailto:a@shop.example"),
        ("static/.well-known/.hidden", ""),
    ]);
    let path = site.path().to_str().expect("UTF-8");
    let (code, out, err) = run(&["check", path]);
    let problem = "it does not decompress to `a.css`, which is sent uncompressed instead: compress that again, or remove \
        this file";
    assert_eq!(out, format!("{path}/static/a.css.gz: {problem}\n"));
    assert_eq!((code, err.as_str()), (Some(1), "1 finding in 1 templates and 3 static files\n"));
    let object: Value = serde_json::from_str(&run(&["check", path, "--json"]).1).expect("JSON");
    assert_eq!(object["findings"][0]["rule"], "stale");
}

#[test]
fn a_site_without_findings_passes_from_its_own_folder() {
    let check = |arguments: &[&str]| {
        said(command(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it runs"))
    };
    let (code, out, err) = check(&["check"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(err.starts_with("nothing to find in "), "{err}");

    let site = folders(&[("templates/a.html", "{{ static('b') }}")]);
    fs::rename(site.path().join("templates"), site.path().join("views")).expect("renamed");
    let run =
        |more: &[&str]| said(command(&[&["check"], more].concat()).current_dir(site.path()).output().expect("it runs"));
    let (code, out, _) = run(&["--templates", "views", "--static", "static"]);
    assert_eq!((code, out.as_str()), (Some(1), "views/a.html:1: there is no static file `b`\n"));
    let (code, out, err) = run(&[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("error: ") && err.contains("templates"), "{err}");
    assert_eq!(run(&["no-such-folder"]).0, Some(2));
}

#[test]
fn a_check_finds_what_a_strict_policy_blocks_where_it_is_asked_to() {
    let page = "<script>let a = 1</script>\n<p onclick='b()' style='color: red'>\n<script>let c = {{ c }}</script>";
    let site = folders(&[("templates/a.html", page), ("static/a.css", "")]);
    let run = |arguments: &[&str]| said(command(arguments).current_dir(site.path()).output().expect("it runs"));
    assert_eq!(run(&["check"]).0, Some(0));
    let (code, out, _) = run(&["check", "--inline"]);
    let places: Vec<&str> = out.lines().map(|line| line.split(": ").next().expect("a place")).collect();
    assert_eq!((code, places), (Some(1), vec!["templates/a.html:2", "templates/a.html:2", "templates/a.html:3"]));
    let (_, out, _) = run(&["check", "--inline", "--json"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(object["findings"][2]["rule"], "inline");
}

#[test]
fn a_check_reads_how_the_site_is_deployed() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| said(command(arguments).current_dir(folder.path()).output().expect("it runs"));
    assert_eq!(run(&["setup", "-n", "my-site", "-r", "eu-west-1"]).0, Some(0));
    let (code, out, err) = run(&["check", "my-site"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");

    let path = folder.path().join("my-site/template.yaml");
    let template = fs::read_to_string(&path).expect("a template");
    let worse = template.replacen("CookieBehavior: none", "CookieBehavior: all", 1);
    let line = worse.lines().position(|line| line.contains("CookieBehavior: all")).expect("it was replaced") + 1;
    fs::write(&path, worse).expect("it can be written");
    let (code, out, _) = run(&["check", "my-site"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with(&format!("my-site/template.yaml:{line}: the default behaviour keeps pages")), "{out}");
    let (_, out, _) = run(&["check", "my-site", "--json"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&object["findings"][0]["rule"], &object["findings"][0]["line"]), (&json!("A1"), &json!(line)));
}

#[test]
fn a_check_knows_from_the_code_how_often_a_task_is_tried() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| said(command(arguments).current_dir(folder.path()).output().expect("it runs"));
    assert_eq!(run(&["setup", "-n", "my-site", "-r", "eu-west-1"]).0, Some(0));
    let code = "impl Task for Charge {\n    const ATTEMPTS: Option<u32> = Some(12);\n}\n";
    fs::create_dir_all(folder.path().join("my-site/src/tasks")).expect("a folder");
    fs::write(folder.path().join("my-site/src/tasks/charge.rs"), code).expect("it can be written");
    let (code, out, _) = run(&["check", "my-site"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("with 12 attempts and a BatchSize of 10 that takes 120"), "{out}");
}

#[test]
fn layers_are_those_of_the_region_and_the_instruction_set() {
    for (region, arch) in [
        ("us-east-1", "arm64"),
        ("us-east-1", "x86_64"),
        ("il-central-1", "arm64"), // another account than for x86_64
        ("il-central-1", "x86_64"),
        ("cn-north-1", "x86_64"), // another partition
    ] {
        let (code, out, err) = run(&["layers", "-r", region, "--arch", arch]);
        let path = format!("{}/tests/fixtures/cli/layers-{region}-{arch}.txt", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(out, fs::read_to_string(&path).expect("a golden file"), "{path}");
        assert_eq!((code, err.as_str()), (Some(0), ""), "{region}");
    }
}

#[test]
fn layers_for_machines_are_one_object() {
    let (code, out, err) = run(&["layers", "--region", "us-east-1", "-j"]);
    let object: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(object["needed"], false);
    assert_eq!(object["arch"], "arm64");
    assert_eq!(object["layers"].as_array().map(Vec::len), Some(4));
    assert_eq!(
        object["layers"][0]["arn"],
        "arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension-Arm64:25"
    );
    assert_eq!(object["layers"][0]["source"], "table");
}

#[test]
fn the_region_may_come_from_the_environment() {
    let asked = |region: &str| said(command(&["layers"]).env("AWS_REGION", region).output().expect("it runs"));
    assert!(asked("eu-west-1").1.contains("arn:aws:lambda:eu-west-1:"));
    assert_eq!(asked("").0, Some(2));
    for (code, out, err) in [asked("xx-fake-1"), run(&["layers", "-r", "xx-fake-1"])] {
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(
            err.contains("xx-fake-1") && err.contains("af-south-1, ap-east-1,") && err.contains("us-west-2"),
            "{err}"
        );
    }
}

/// A stand-in for Lambda and Systems Manager: which versions of which layers there are, and what it was asked.
struct Aws {
    versions: HashMap<&'static str, Vec<u32>>,
    parameter: Option<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Aws {
    fn start(self) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = format!("http://{}", listener.local_addr().expect("an address"));
        let aws = Arc::new(self);
        let serving = aws.clone();
        // It ends with the test's process.
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| serving.serve(stream)));
        (aws, at)
    }

    fn serve(&self, mut stream: std::net::TcpStream) {
        let (head, body) = read_request(&stream);
        let (status, code, answer) = self.answer(&head, &body);
        let (answer, reason) = (answer.to_string(), "said");
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nx-amzn-errortype: {code}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())).expect("it is taken");
    }

    fn answer(&self, head: &str, body: &[u8]) -> (u16, &'static str, Value) {
        assert!(head.contains("AWS4-HMAC-SHA256"), "it is signed: {head}");
        let target = head.split_whitespace().nth(1).expect("a target");
        let mut asked = self.asked.lock().expect("no panic");
        if head.to_ascii_lowercase().contains("x-amz-target: amazonssm.getparameter") {
            let body: Value = serde_json::from_slice(body).expect("JSON");
            asked.push(body["Name"].as_str().expect("a name").to_owned());
            return match self.parameter {
                Some(arn) => (200, "", json!({ "Parameter": { "Value": arn } })),
                None => (400, "", json!({ "__type": "ParameterNotFound" })),
            };
        }
        let Some(arn) = target.split("&Arn=").nth(1) else {
            return (403, "AccessDeniedException", json!({ "Message": "not authorized to perform ListLayerVersions" }));
        };
        let arn = arn.replace("%3A", ":");
        asked.push(arn.clone());
        if asked.len() == 2 {
            return (
                429,
                "TooManyRequestsException:http://internal.amazon.com/",
                json!({ "message": "Rate exceeded" }),
            );
        }
        let (layer, version) = arn.rsplit_once(':').expect("a version");
        let name = layer.rsplit(':').next().expect("a name");
        let there =
            self.versions.get(name).is_some_and(|versions| versions.contains(&version.parse().expect("a number")));
        if there {
            (200, "", json!({ "LayerVersionArn": arn }))
        } else {
            (403, "AccessDeniedException", json!({ "Message": "not authorized to perform: lambda:GetLayerVersion" }))
        }
    }
}

fn refresh(at: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(&["layers", "-r", "us-east-1", "--refresh"]);
    command.args(arguments).env("AWS_ENDPOINT_URL", at).env("NO_PROXY", "*");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    said(command.output().expect("it runs"))
}

#[test]
fn newer_layers_are_found_across_gaps_and_a_busy_aws() {
    let newest = "arn:aws:lambda:us-east-1:027255383542:layer:AWS-AppConfig-Extension-Arm64:140";
    let (aws, at) = Aws {
        versions: HashMap::from([
            ("LambdaInsightsExtension-Arm64", vec![25]),
            // 5 and 6 are missing, and from 13 on there is no more; 30 is too far away.
            ("AWS-Parameters-and-Secrets-Lambda-Extension-Arm64", vec![4, 7, 8, 12, 30]),
            ("aws-otel-collector-arm64-ver-0-115-0", vec![2]),
        ]),
        parameter: Some(newest),
        asked: Mutex::default(),
    }
    .start();
    let (code, out, err) = refresh(&at, &["--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let object: Value = serde_json::from_str(&out).expect("JSON");
    let shown: Vec<_> = object["layers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|layer| {
            assert_eq!(layer["source"], "aws");
            (layer["version"].as_u64().expect("a number"), layer["release"].as_str())
        })
        .collect();
    assert_eq!(shown, [(25, Some("1.0.498.0")), (12, None), (140, None), (2, Some("0.115.0"))]);
    assert_eq!(object["layers"][2]["arn"], newest);

    let asked = aws.asked.lock().expect("no panic");
    let of = |name: &str| -> Vec<u32> {
        asked.iter().filter(|arn| arn.contains(name)).filter_map(|arn| arn.rsplit(':').next()?.parse().ok()).collect()
    };
    // The second question was answered 429, and is asked again.
    assert_eq!(of("LambdaInsights"), [25, 26, 26, 27, 28, 29, 30]);
    assert_eq!(of("Parameters-and-Secrets"), (4..=17).collect::<Vec<_>>());
    assert!(asked.contains(&"/aws/service/aws-appconfig/lambda-extension/arm64/latest".to_owned()));
    assert!(of("AppConfig").is_empty(), "the parameter says it all");
}

#[test]
fn what_aws_does_not_tell_is_the_tables() {
    let (_, at) = Aws { versions: HashMap::new(), parameter: None, asked: Mutex::default() }.start();
    let (code, out, err) = refresh(&at, &[]);
    assert_eq!(code, Some(1));
    assert!(out.contains(":layer:LambdaInsightsExtension-Arm64:25\n"), "{out}");
    assert!(err.contains("Lambda Insights: ") && err.contains("lambda:GetLayerVersion"), "{err}");

    let (_, at) = Aws { versions: HashMap::new(), parameter: Some("no ARN"), asked: Mutex::default() }.start();
    let (code, _, err) = refresh(&at, &[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no version of AWS-AppConfig-Extension-Arm64"), "{err}");
}
