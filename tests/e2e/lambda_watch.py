"""The examples under the real `cargo lambda watch`: the same site through the Lambda runtime loop.

It adds Vary and CORS fields to each answer, so none of these checks looks at all headers.
"""

from harness import CSS, ROOT, check, get, static_copy, watch


def revalidates(port, path):
    first = get(port, path)
    check(f"{path} at first", first.status, 200)
    tag = first.headers["ETag"]
    again = get(port, path, {"If-None-Match": tag})
    check(f"{path} again", (again.status, again.body, again.headers["ETag"]), (304, b"", tag))


SETTINGS = {"COOKIE_SECRET": "32 random bytes, known to this test alone", "PUBLIC_ORIGIN": "https://shop.example"}

with static_copy() as files, watch("site", "--all-features", SITE_STATIC=str(files), **SETTINGS) as (port, _):
    check("the home page", b"</html>" in get(port, "/").body, True)
    check("an argument", b"Ada &amp; Bob" in get(port, "/hello?name=Ada+%26%20Bob").body, True)
    check("a file", get(port, "/static/hello.txt").body, (ROOT / "static/hello.txt").read_bytes())
    check("a picture", get(port, "/asset/logo").body, (ROOT / "static/img/logo.png").read_bytes())
    check("a compressed file", get(port, CSS, {"Accept-Encoding": "br"}).headers["Content-Encoding"], "br")
    check("a path decoded once", get(port, "/static/a%2520b.txt").body, b"percent")
    check("a redirect", get(port, "/redirect").headers["Location"], "/static/hello.txt")
    check("a 404", get(port, "/no-such-page").status, 404)
    for path in ("/", "/asset/logo", "/static/hello.txt"):
        revalidates(port, path)

with watch("minimal", "--features", "images") as (port, _):
    check("the smallest site", b"world" in get(port, "/").body, True)
    revalidates(port, "/")
