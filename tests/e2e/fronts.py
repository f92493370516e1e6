"""One list of requests has the same answers behind every front door, to the byte."""

from harness import CSS, check, get, site, static_copy

FRONTS = ("http", "rest", "url", "alb", "plain")
# A name of the visitor's, which the site in development serves only if it is told so.
VISITOR = {"Host": "shop.example", "X-Forwarded-Proto": "https"}
REQUESTS = [
    ("GET", "/", {}, 200),
    ("HEAD", "/", {}, 200),
    ("POST", "/", {}, 405),
    ("GET", "/hello?name=Ada+%26%20B%25", {}, 200),
    ("GET", "/hello?b=2&name=first&a=1", {}, 200),
    ("GET", "/products/%31", {}, 200),
    ("GET", "/products/999", {}, 404),
    ("GET", "/api/products", {}, 200),
    ("GET", "/feed.xml", {}, 200),
    ("GET", "/redirect", {}, 302),
    ("GET", "/asset/logo", {}, 200),
    ("GET", "/asset/logo", {"If-None-Match": '"x", W/"logo-1"'}, 304),
    ("GET", "/asset/logo", {"If-Match": '"x"'}, 412),
    ("GET", CSS, {"Range": "bytes=0-9,20-29"}, 206),
    ("GET", CSS, {"Range": "bytes=999999-"}, 416),
    ("GET", CSS, {"Accept-Encoding": "gzip;q=0.5, br"}, 200),
    ("GET", "/static/a%20b.txt", {}, 200),
    ("GET", "/static/a%2520b.txt", {}, 200),
    ("GET", "/static/..%2F..%2FCargo.toml", {}, 404),
    ("GET", "/static/%FF", {}, 404),
    ("GET", "/no-such-page", {"Cookie": "a=1; b=2"}, 404),
]


def answers(front, files):
    with site(FRONT=front, SITE_STATIC=str(files), ALLOWED_HOSTS="shop.example", PUBLIC_ORIGIN="https://shop.example") as port:
        return [comparable(get(port, path, VISITOR | headers, method)) for method, path, headers, _ in REQUESTS]


def comparable(answer):
    """All of an answer but its time, and but what a REST API renames. Lines of one field are one list (RFC 9110 §5.3)."""
    fields = {}
    for name, value in answer.headers.items():
        fields.setdefault(name.lower(), []).append(value)
    fields = {name: lines if name == "set-cookie" else ", ".join(lines) for name, lines in fields.items()}
    fields = {name: value for name, value in fields.items() if name != "date" and not name.startswith("x-amzn-remapped-")}
    return answer.status, fields, answer.body


with static_copy() as files:
    reference, *others = [answers(front, files) for front in FRONTS]
for (method, path, _, status), answer in zip(REQUESTS, reference):
    check(f"{method} {path}", answer[0], status)
feed = reference[[path for _, path, *_ in REQUESTS].index("/feed.xml")][2]
check("the feed names the visitors' address", feed.count(b"<link>https://shop.example/") > 2, True)
for front, those in zip(FRONTS[1:], others):
    for (method, path, *_), answer, wanted in zip(REQUESTS, those, reference):
        check(f"{method} {path} behind {front}", answer, wanted)
print(f"{len(REQUESTS)} requests have equal answers behind {', '.join(FRONTS)}")
