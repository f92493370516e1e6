"""nginx as a shared cache before the site: what it keeps, what it asks again, and which variant it gives to whom."""

import contextlib
import tempfile
from pathlib import Path

from harness import CSS, check, fingerprinted, free_port, get, running, site, static_copy, wait

CODINGS = (None, "gzip", "br")


@contextlib.contextmanager
def nginx(site_port):
    """The ports of both caches and the log of what the site answered to them."""
    ports = {"site": site_port, "kept": free_port(), "brief": free_port()}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(__file__).with_name("nginx.conf").read_text()
        for name, port in ports.items():
            text = text.replace(f"@{name}@", str(port))
        config = Path(folder) / "nginx.conf"
        config.write_text(text)
        with running(["nginx", "-p", folder, "-c", config, "-e", "stderr"], ports["brief"]):
            yield ports["kept"], ports["brief"], Path(folder) / "upstream.log"


def accepting(coding):
    return {"Accept-Encoding": coding} if coding else {}


def state(answer):
    return answer.headers["X-Cache"]


def once_expired(port, path, headers=None):
    """The answer as soon as it is no longer served from what is kept."""

    def expired():
        answer = get(port, path, headers)
        return state(answer) != "HIT" and answer

    return wait(f"{path} expires", expired)


def keeps_what_it_may(port, site_port):
    immutable = fingerprinted(site_port, CSS)
    check("the fingerprinted file", [state(get(port, immutable)) for _ in range(3)], ["MISS", "HIT", "HIT"])
    tag = get(port, immutable).headers["ETag"]
    check("the visitor's own copy", get(port, immutable, {"If-None-Match": tag}).status, 304)
    # no-cache: nginx, which can't store and ask each time, does not store.
    check("a page", [state(get(port, "/")) for _ in range(2)], ["MISS", "MISS"])


def asks_again(port, log):
    """An expired copy is asked for with its validator, and the site's 304 makes it fresh."""
    paths = ("/", "/products/1", "/api/products", "/asset/logo", "/static/img/logo.png")
    firsts = [get(port, path) for path in paths]
    check("at first", {state(first) for first in firsts}, {"MISS"})
    check("soon after", {state(get(port, path)) for path in paths}, {"HIT"})
    for path, first in zip(paths, firsts):
        again = once_expired(port, path)
        check(f"{path} once expired", (state(again), again.body), ("REVALIDATED", first.body))
        wait(f"the site's 304 for {path}", lambda: f"{path} 304 REVALIDATED\n" in log.read_text())


def keeps_variants_apart(port):
    firsts = {coding: get(port, CSS, accepting(coding)) for coding in CODINGS}
    for coding, first in firsts.items():
        check(f"{coding} at first", (state(first), first.headers["Content-Encoding"]), ("MISS", coding))
        check(f"{coding}'s Vary", first.headers["Vary"].lower(), "accept-encoding")
    check("bodies", len({first.body for first in firsts.values()}), len(CODINGS))
    check("tags", len({first.headers["ETag"] for first in firsts.values()}), len(CODINGS))
    for coding, first in firsts.items():
        again = once_expired(port, CSS, accepting(coding))
        check(f"{coding} once expired", state(again), "REVALIDATED")
        check(f"{coding}'s tag", again.headers["ETag"], first.headers["ETag"])
        check(f"{coding}'s body", again.body, first.body)


with static_copy() as files, site(SITE_STATIC=str(files)) as site_port, nginx(site_port) as (kept, brief, log):
    keeps_what_it_may(kept, site_port)
    asks_again(brief, log)
    keeps_variants_apart(brief)
    print("kept what it may, asked again with 304s, kept {} variants apart".format(len(CODINGS)))
