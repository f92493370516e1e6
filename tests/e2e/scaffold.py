"""From nothing to a function: what `setup` writes builds, passes its own tests, answers here and under `cargo lambda watch`,
and becomes a `bootstrap` that serves everything alone.

Builds are what this costs. So there is one target folder, the crate's own lock file (equal dependencies), and no
optimisation, whatever the project's manifest says: most of the time goes into it, and it changes nothing that is looked at
here. The function is the program of `cargo build`; of the project with most in it, it is that of `cargo lambda build --release`,
which is built for arm64 too.
"""

import contextlib
import html.parser
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from harness import BIN, ROOT, check, free_port, get, running, wait
from queues import FORWARD, cloud, count, queue, sqs_event
from runtime_api import function, refuses_to_start

EXTRAS = ([], ["images"], ["magic"], ["free-plan"], ["edge"], ["schedules"], ["streaming"], ["images", "magic", "free-plan"])
TARGET = ROOT / "target/scaffold"
SECRET = "ASecretOfTheTestWithFortyCharacters12345"
FORM = "application/x-www-form-urlencoded"
ENVIRONMENT = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "CARGO_TARGET_DIR": str(TARGET)}
# Cargo finds it above the projects, and takes it before their manifests.
PROFILES = """
[profile.dev]
debug = 0
[profile.dev.package."*"]
opt-level = 0
[profile.release]
opt-level = 0
lto = "off"
codegen-units = 16
"""
DELIVERED = "a message is delivered"
ELF, AARCH64, X86_64 = b"\x7fELF", 183, 62


class Form(html.parser.HTMLParser):
    """The form of a page that is posted: where it goes, and its fields as a person fills them in."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and attributes.get("method", "").lower() == "post":
            self.action = attributes.get("action") or "/contact"
        elif self.action and tag in ("input", "textarea") and "name" in attributes:
            fill = {"email": "ada@site.example", "hidden": attributes.get("value", "")}
            self.fields[attributes["name"]] = fill.get(attributes.get("type"), "Größe & more")

    def body(self):
        return urllib.parse.urlencode(self.fields).encode()


def timed(what, command, **options):
    begun = time.monotonic()
    subprocess.run(command, check=True, env=ENVIRONMENT, **options)
    print(f"  {what}: {time.monotonic() - begun:.0f} s", flush=True)


def setup(folder, name, extras):
    command = [FORWARD, "setup", "-n", name, "-p", folder, "--toolkit-path", ROOT]
    command += [argument for extra in extras for argument in ("-e", extra)]
    timed("setup", command, stdout=subprocess.DEVNULL)
    project = next(manifest.parent for manifest in Path(folder).rglob("Cargo.toml"))
    shutil.copy(ROOT / "Cargo.lock", project)
    return project


def answers(ask, post):
    """What every project answers. `ask(path)` and `post(path, body)` give status, fields and body."""
    status, headers, body = ask("/")
    page = body.decode()
    check("the home page", (status, "</html>" in page, bool(headers["etag"])), (200, True, True))
    style = re.search(r'href="(/static/[^"]+\.css)"', page)[1]
    status, headers, body = ask(style)
    check("the style sheet", (status, headers["content-type"].split(";")[0], len(body) > 0), (200, "text/css", True))
    check("is kept", "immutable" in headers["cache-control"], True)
    image = re.search(r'src="(/static/img/[^"]+)"', page)[1]
    status, headers, _ = ask(image)
    check("an image", (status, headers["content-type"].split("/")[0]), (200, "image"))
    status, _, body = ask("/no-such-page")
    check("a 404", (status, b"</html>" in body), (404, True))
    form = Form(ask("/contact")[2].decode())
    check("what is no form of ours", post(form.action, b"x=y")[0], 400)
    status, headers, _ = post(form.action, form.body())
    check("a form", status, 303)
    check("where it leads", ask(headers["location"])[0], 200)


def over_http(port):
    def lowered(response, body):
        return response.status, {name.lower(): value for name, value in response.headers.items()}, body

    def ask(path):
        answer = get(port, path)
        return lowered(answer, answer.body)

    def post(path, body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", path, body, {"Content-Type": FORM})
            response = connection.getresponse()
            return lowered(response, response.read())

    return ask, post


def by_events(site):
    secret = {"x-origin-secret": SECRET}
    form = secret | {"content-type": FORM}

    def ask(target):
        path, _, query = target.partition("?")
        return site.get(path, secret, query=query)

    return ask, lambda path, body: site.get(path, form, "POST", body)


def here(project):
    """`cargo run`: the folders of the project, a queue in the process."""
    port = free_port()
    with running(["cargo", "run", "--quiet"], port, cwd=project, env=ENVIRONMENT | {"PORT": str(port)}) as said:
        answers(*over_http(port))
        wait("the message is delivered", lambda: DELIVERED in said())


def watched(project, name, aws):
    """`cargo lambda watch`, a queue of SQS, and `forward`, which brings its messages."""
    port = free_port()
    command = ["cargo", "lambda", "watch", "--ignore-changes", "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    with running(command, port, cwd=project, env=ENVIRONMENT | aws.environment) as said:
        # The first request makes it build and start the function; an answer that comes too early is a 500 of its own.
        wait(f"{name} answers", lambda: get(port, "/").status == 200, 300)
        answers(*over_http(port))
        check("nothing is delivered yet", DELIVERED in said(), False)
        forward = [FORWARD, "forward", "-e", f"tasks.fifo->{name}", "--once", "--invoke-endpoint", f"http://127.0.0.1:{port}"]
        subprocess.run(forward, check=True, env=aws.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        check("the message is delivered", DELIVERED in said(), True)


def built(project, name, machine):
    """The `bootstrap` of a release build."""
    flag, number = {"x86_64": ("--x86-64", X86_64), "arm64": ("--arm64", AARCH64)}[machine]
    folder = TARGET / f"lambda-{machine}"
    timed(f"release for {machine}", ["cargo", "lambda", "build", "--release", flag, "--lambda-dir", folder], cwd=project)
    bootstrap = folder / name / "bootstrap"
    head = bootstrap.read_bytes()[:20]
    check(f"a program for {machine}", (head[:4], int.from_bytes(head[18:20], "little")), (ELF, number))
    return bootstrap


def alone(bootstrap, name, aws):
    """The program as a function in production: answers, a message in the queue, the worker, a ping, and no way around."""
    sqs = aws.client("sqs")
    # Named as the template names it.
    url = queue(sqs, f"{name}-prod-tasks")
    production = aws.environment | {"STAGE": "prod", "ORIGIN_SECRET": SECRET, "QUEUE_URL_TASKS": url}
    with function(bootstrap, **production) as site:
        check("a stranger", [site.get(path)[0] for path in ("/", "/static/none", "/no-such-page")], [403] * 3)
        answers(*by_events(site))
        check("a ping", site.invoke({"keep-warm": True}), None)
        check("a message waits", (count(sqs, url), DELIVERED in site.said()), (1, False))
        message = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])["Messages"][0]
        # It knows nobody to deliver it to, and so it must not be lost.
        failures = [{"itemIdentifier": message["MessageId"]}]
        check("what the worker says", site.invoke(sqs_event(url, message)), {"batchItemFailures": failures})
        check("why", "send the message to somebody" in site.said(), True)
        check("the message is there", count(sqs, url), 1)
        check("no secret is in the log", SECRET in site.said(), False)
    unguarded = {key: value for key, value in production.items() if key != "ORIGIN_SECRET"}
    check("no secret, no start", "ORIGIN_SECRET is not set" in refuses_to_start(bootstrap, **unguarded), True)


with tempfile.TemporaryDirectory() as folder, cloud() as aws:
    (Path(folder) / ".cargo").mkdir()
    (Path(folder) / ".cargo/config.toml").write_text(PROFILES)
    queue(aws.client("sqs"), "tasks")
    for extras in EXTRAS:
        name = "-".join(["site", *extras])
        print(f"{name}:", flush=True)
        project = setup(Path(folder) / name, name, extras)
        check("nothing to find", subprocess.run([FORWARD, "check", project], stderr=subprocess.PIPE).returncode, 0)
        timed("cargo build", ["cargo", "build", "--quiet"], cwd=project)
        timed("cargo test", ["cargo", "test", "--quiet"], cwd=project, stdout=subprocess.DEVNULL)
        here(project)
        watched(project, name, aws)
        alone(built(project, name, "x86_64") if extras == EXTRAS[-1] else TARGET / "debug" / name, name, aws)
    built(project, name, "arm64")
