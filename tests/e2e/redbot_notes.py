"""REDbot finds nothing bad in any kind of URL, and no fault but what is a matter of style."""

import json
import subprocess
from collections import Counter

from harness import BIN, CSS, check, fingerprinted, get, site, static_copy

# A note and, where it is no fault at one URL only, that path; each with the reason.
STYLE = {
    # `public` lets shared caches keep a fingerprinted file for requests with credentials too (RFC 9111 §3.5).
    "STORE_PUBLIC_UNNECESSARY",
    # REDbot asks for the first 96 bytes; the file has fewer, so that part is the whole.
    "RANGE_CL_FULL /static/hello.txt",
    # Of an SVG image it is the styles that may be inline. Scripts fall under `default-src 'none'`, which REDbot overlooks.
    "CSP_UNSAFE_INLINE /static/img/hero.svg",
}


def notes(found):
    """All notes with those beneath them."""
    for note in found:
        yield note
        yield from notes(note.get("subnotes", []))


def examine(port, path, status):
    output = subprocess.run(
        [BIN / "redbot", "-o", "har", f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, timeout=60
    )
    log = json.loads(output.stdout)["log"]
    check(f"REDbot's own failure at {path}", log.get("_red_error"), None)
    (entry,) = log["entries"]
    check(f"status of {path}", entry["response"]["status"], status)
    found = list(notes(entry["_red_messages"]))
    ids = {note["note_id"] for note in found}
    # A check of REDbot's that could not be made is no more than a remark to it.
    check(f"checks not made at {path}", [note for note in ids if note.endswith("_PROBLEM")], [])
    if status == 200:
        check(f"REDbot's conditional request at {path}", "INM_304" in ids, True)
    return found


def faults(port, kinds, used):
    for path, status in kinds:
        found = examine(port, path, status)
        print(f"{path}: {dict(Counter(note['level'] for note in found))}")
        for note in found:
            keys = STYLE & {note["note_id"], f"{note['note_id']} {path}"}
            used |= keys
            if note["level"] == "BAD" or (note["level"] == "WARN" and not keys):
                yield f"{path}: {note['level']} {note['note_id']}: {note['summary']}"


used = set()
with site() as port:
    pages = ["/", "/hello?name=Ada", "/products/1", "/api/products", "/feed.xml", "/asset/logo"]
    files = [CSS, fingerprinted(port, CSS), "/static/img/logo.png", "/static/img/hero.svg", "/static/hello.txt"]
    others = [("/redirect", 302), ("/no-such-page", 404), ("/static/no-such-file.txt", 404)]
    found = list(faults(port, [(path, 200) for path in pages + files] + others, used))
# With compressed copies beside it, the style sheet is negotiated: REDbot then compares the variants.
with static_copy() as files, site(SITE_STATIC=str(files)) as port:
    check("a negotiated file", get(port, CSS, {"Accept-Encoding": "gzip"}).headers["Content-Encoding"], "gzip")
    found += faults(port, [(CSS, 200), (fingerprinted(port, CSS), 200)], used)
check("REDbot's findings", found, [])
check("style notes that no longer occur", STYLE - used, set())
