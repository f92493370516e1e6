"""The site as Lambda runs it: its binary alone in a folder that can't be written, events from each of its triggers."""

import json

from harness import CSS, ROOT, SITE, check
from runtime_api import EVENTS, function, refuses_to_start

SETTINGS = {"COOKIE_SECRET": "32 random bytes, known to this test alone", "PUBLIC_ORIGIN": "https://shop.example"}

# A stage is called dev, and is at AWS all the same: its cookies are for HTTPS and this host alone.
with function(ROOT / "target/debug/examples/visitor", STAGE="dev") as visitor:
    sender = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    status, headers, _ = visitor.get("/send", sender, "POST", b"name=Ada")
    cookies = [line.split("=")[0] for line in headers["set-cookie"]]
    check("a form", (status, cookies), (303, ["__Host-flash", "__Host-name"]))
    check("what they are for", all("; Secure" in line for line in headers["set-cookie"]), True)

for lacking in SETTINGS:
    others = {name: value for name, value in SETTINGS.items() if name != lacking}
    check(f"without {lacking}", f"{lacking} is not set" in refuses_to_start(SITE, **others), True)
with function(SITE, **SETTINGS) as site:
    status, headers, body = site.get("/")
    check("the home page", (status, headers["content-type"], b"</html>" in body), (200, "text/html; charset=utf-8", True))
    check("again", site.get("/", {"if-none-match": headers["etag"]})[::2], (304, b""))
    status, head, body = site.get("/", method="HEAD")
    check("HEAD", (status, body, head["etag"], head["content-length"] != "0"), (200, b"", headers["etag"], True))
    check("a style sheet", site.get(CSS)[2], (ROOT / CSS[1:]).read_bytes())
    check("a picture of the database", site.get("/asset/logo")[2], (ROOT / "static/img/logo.png").read_bytes())
    status, headers, body = site.get("/static/img/logo.png", {"accept": "image/webp"})
    check("a converted image", (status, headers["content-type"], body[8:12]), (200, "image/webp", b"WEBP"))
    check("a 404", site.get("/no-such-page")[0], 404)
    check("a method that is not there", site.get("/", method="POST", body=b"a=b")[0], 405)
    check("a ping", site.invoke({"keep-warm": True}), None)
    for door in ("rest", "http-payload-1.0", "url", "alb"):
        event = json.loads((EVENTS / f"{door}.json").read_text())
        check(f"a request through {door}", site.invoke(event)["statusCode"], 200)
    try:
        site.invoke({"Records": [{"eventSource": "aws:s3"}]})
    except RuntimeError as error:
        check("an event of nobody's", "aws:s3" in str(error), True)
    else:
        raise AssertionError("an event of nobody's was answered")
    check("it lives", site.get("/")[0], 200)
