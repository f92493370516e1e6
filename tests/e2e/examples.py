"""The small examples: each as one command starts it, and under `cargo lambda watch`. The tracker is a server of this test."""

import contextlib
import http.server
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import urllib3
from harness import ROOT, check, free_port, get, running, wait, watch
from queues import FORWARD, Killable, cloud, count, figures, queue

PICTURE = ROOT / "static/img/gallery/bowl.jpg"
WEBP = {"Accept": "image/avif;q=0,image/webp,*/*"}


@contextlib.contextmanager
def local(name, **environment):
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), **environment}
    with running([ROOT / "target/debug/examples" / name], port, cwd=ROOT, env=environment) as said:
        yield port, said


def calls_of(calls, visitor):
    return [call for call in calls if call["with"]["visitor"] == visitor]


@contextlib.contextmanager
def tracker():
    """Its URL and the calls that it had. The first one of Ada's is answered by an error."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_first = call["with"]["visitor"] == "ada" and not calls_of(calls, "ada")
            calls.append(call)
            self.send_response(503 if is_first else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", calls
        server.shutdown()


def again(port, path, headers=None):
    headers = headers or {}
    first = get(port, path, headers)
    check(f"{path}", first.status, 200)
    return first, get(port, path, headers | {"If-None-Match": first.headers["ETag"]})


def api(port, said):
    notes, unchanged = again(port, "/notes")
    check("all notes", [note["id"] for note in json.loads(notes.body)], [1, 2])
    check("all notes again", unchanged.status, 304)
    note, unchanged = again(port, "/notes/1")
    check("a note", json.loads(note.body), {"id": 1, "text": "Buy clay"})
    check("its tag", note.headers["ETag"], '"note-1-3"')
    check("the note again", (unchanged.status, unchanged.body), (304, b""))
    check("it was loaded once", said().count("a note is loaded"), 1)
    missing = get(port, "/notes/3")
    check("no note", (missing.status, missing.headers["Content-Type"]), (404, "application/json"))


def embedded(port, _):
    page, unchanged = again(port, "/")
    check("a page from the binary", (b"Hello, binary!" in page.body, unchanged.status), (True, 304))
    check("a file", get(port, "/static/hello.txt").body, (ROOT / "static/hello.txt").read_bytes())


def minimal(port, _):
    page, unchanged = again(port, "/")
    check("the smallest site", (b"Hello, world" in page.body, unchanged.status), (True, 304))


def tasks(port, said):
    check("a page that posts", b"on its way" in get(port, "/ada").body, True)
    check("it does not wait", "welcomed" in said(), False)
    wait("its task", lambda: "welcomed" in said())


def progress(port, _):
    check("before it begins", b"not begun" in get(port, "/").body, True)
    check("a start", get(port, "/start").status, 302)
    page, unchanged = again(port, "/progress")
    check("it is under way", (b"queued" in page.body or b"running" in page.body, unchanged.status), (True, 304))
    check("a page without JavaScript asks again", b'http-equiv="refresh"' in get(port, "/").body, True)
    check("a block is no page", b"<title>" in page.body, False)
    wait("a later state", lambda: get(port, "/progress", {"If-None-Match": page.headers["ETag"]}).status == 200)
    wait("the end", lambda: b"100000 rows" in get(port, "/progress").body)
    check("a page that is done asks no more", b'http-equiv="refresh"' in get(port, "/").body, False)


def images(port, _):
    page = get(port, "/").body.decode()
    check("pictures", (page.count("<picture>"), page.count("640w")), (3, 3))
    path = "/static/img/gallery/bowl.jpg"
    variant, unchanged = again(port, f"{path}?w=640", WEBP)
    check("its type", (variant.headers["Content-Type"], variant.body[8:12]), ("image/webp", b"WEBP"))
    check("it varies", "accept" in variant.headers["Vary"].lower(), True)
    check("it is smaller", len(variant.body) < (ROOT / path[1:]).stat().st_size / 2, True)
    check("it again", unchanged.status, 304)
    check("a width that is not offered", get(port, f"{path}?w=641").status, 400)


def enquiry(port, sender="same-origin"):
    fields = {"name": (None, "Ada"), "email": (None, "ada@example.com"), "text": (None, "Hello")}
    fields["picture"] = ("bowl.jpg", PICTURE.read_bytes(), "image/jpeg")
    body, content_type = urllib3.encode_multipart_formdata(fields)
    return get(port, "/contact", {"Content-Type": content_type, "Sec-Fetch-Site": sender}, method="POST", body=body)


def visits(port):
    check("a visit", b"Hello, ada" in get(port, "/visit/ada").body, True)
    for path in ["/register/ada", "/link/ada/countess"]:
        answer = get(port, path, {"Content-Length": "0"}, method="POST")
        check(path, (answer.status, answer.headers["Location"]), (303, "/visit/ada"))
    check("another's visit", get(port, "/visit/bob").status, 200)


def tracked(calls):
    """What is sent of a visitor comes in its order, the call that failed again, and none is lost."""
    wait("the calls", lambda: len(calls_of(calls, "ada")) == 4, 60)
    mine = calls_of(calls, "ada")
    check("calls", [call["call"] for call in mine], ["track", "track", "register", "link"])
    check("one call twice, known by its id", mine[0], mine[1])
    check("the last one", mine[3]["with"], {"visitor": "ada", "with": "countess"})
    wait("another's call", lambda: calls_of(calls, "bob"))


begun = time.monotonic()
for name, test in [("minimal", minimal), ("tasks", tasks), ("import", progress)]:
    # `lambda_watch.py` and `tasks_whole_way.py` have them under cargo lambda watch.
    with local(name) as (port, said):
        test(port, said)

for name, test in [("api", api), ("embedded", embedded), ("images", images)]:
    with local(name) as (port, said):
        test(port, said)
    with watch(name, "--all-features") as (port, said):
        test(port, said)

with tracker() as (url, calls), local("tracking", TRACKING_URL=url) as (port, _):
    visits(port)
    tracked(calls)

# The shop's form with its picture, through Lambda's events and a queue: `shop.py` sends it with a browser.
with cloud() as here, tempfile.TemporaryDirectory() as inbox:
    sqs = here.client("sqs")
    posted = queue(sqs, "shop")
    secret, origin = "32 random bytes, known to this test alone", "https://shop.example"
    environment = {"SITE_INBOX": inbox, "COOKIE_SECRET": secret, "PUBLIC_ORIGIN": origin}
    with watch("site", "--all-features", **here.environment, **environment) as (port, _):
        answer = enquiry(port)
        check("an enquiry", (answer.status, answer.headers["Location"]), (303, "/contact"))
        check("its policy", answer.headers["Cache-Control"], "private, no-store")
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        check("another site's", enquiry(port, "cross-site").status, 403)
        for shown in (1, 0):
            page = get(port, "/contact", {"Cookie": cookie} if shown else {})
            check("the message", page.body.count(b"Thank you, Ada"), shown)
            check("whose page it is", page.headers["Cache-Control"].startswith("private, no-"), True)
        check("nothing is kept yet", (os.listdir(inbox), count(sqs, posted)), ([], 1))
        command = [FORWARD, "forward", "-e", "shop.fifo->_", "--invoke-endpoint", f"http://127.0.0.1:{port}"]
        with Killable(command, env=here.environment):
            wait("the queue is empty", lambda: count(sqs, posted) == 0, 60)
        kept = {path.suffix: path.read_bytes() for path in Path(inbox).iterdir()}
        check("the message", json.loads(kept[".json"])["text"], "Hello")
        check("the picture", kept[".jpg"], PICTURE.read_bytes())

with cloud() as here, tracker() as (url, calls):
    sqs = here.client("sqs")
    posted = queue(sqs, "tracking", visibility=5, dead_letters_after=5)
    with watch("tracking", "--all-features", **here.environment, TRACKING_URL=url) as (port, _):
        visits(port)
        check("nothing is sent yet", (calls, count(sqs, posted)), ([], 4))
        command = [FORWARD, "forward", "-e", "tracking.fifo->_", "--invoke-endpoint", f"http://127.0.0.1:{port}"]
        with Killable(command, env=here.environment):
            tracked(calls)
            wait("the queue is empty", lambda: count(sqs, posted) == 0, 60)
figures("the small examples", begun, examples=7)
