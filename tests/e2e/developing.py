"""In Chromium, in development: an edited style sheet and picture are shown without a reload, an edited template and a new build by
one; an error is shown with its place until it is mended; a task that fails is shown, and dropped. Nothing of it is in production.
axe-core finds nothing on the developer's pages. Pictures of them, under target/screenshots/."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from browser import chromium, is_accessible
from harness import ROOT, SITE, check, free_port, get, running, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

DOCUMENT = {"Sec-Fetch-Dest": "document"}
BODY = "return getComputedStyle(document.body).outlineColor"
PICTURE = "return document.querySelector('img[src*=\"img/hero\"]').currentSrc"


# What a stranger would send who wants to see more.
PRETENDED = {
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "same-origin",
    "X-Dev-Reload": "1",
    "Forwarded": "for=127.0.0.1;host=localhost",
    "X-Forwarded-For": "127.0.0.1",
}
ROUTES = ["/", "/gallery", "/hello", "/products/1", "/api/products", "/feed.xml", "/redirect", "/contact", "/static/docs/care.html"]
TOOLS = ["/_dev", "/_dev/", "/_dev/reload.js", "/_dev/events", "/_dev/tasks", "/_dev/images", "/_dev/requests/1"]


@contextlib.contextmanager
def started(folder, port, **environment):
    """The shop with folders that can be edited, and an inbox that is none, so that each task fails."""
    folders = {"SITE_TEMPLATES": f"{folder}/templates", "SITE_STATIC": f"{folder}/static", "SITE_INBOX": SITE}
    settings = {"PATH": os.environ["PATH"], "PORT": str(port), "PUBLIC_ORIGIN": "https://shop.example", **folders}
    with running([SITE], port, cwd=folder, env=settings | environment) as said:
        yield said


def edit(path, old, new):
    text = path.read_text()
    check(f"{old} in {path.name}", old in text, True)
    path.write_text(text.replace(old, new))


def console(driver):
    """What the browser complains of. A server that is started again is not there for a moment."""
    said = [entry["message"] for entry in driver.get_log("browser")]
    return [text for text in said if "ERR_CONNECTION_REFUSED" not in text and "ERR_INCOMPLETE_CHUNKED" not in text]


def stays(driver, what, shown):
    """Waits for what an edit shows, on the same page."""
    wait(what, shown, 10)
    check(f"the page after {what}", driver.execute_script("return window.same"), 1)


def comes_anew(driver, what, shown):
    """Waits for what an edit shows, on a page that was loaded again."""
    wait(what, lambda: driver.execute_script("return document.readyState === 'complete' && !window.same") and shown(), 10)
    driver.execute_script("window.same = 1")


def shows_edits(driver, origin, folder):
    driver.get(origin + "/")
    # An edit before the page listens is shown by a reload.
    time.sleep(1)
    driver.execute_script("window.same = 1")
    with open(folder / "static/css/site.css", "a") as style:
        style.write("\nbody { outline-color: rgb(1, 2, 3) }\n")
    stays(driver, "an edited style sheet", lambda: driver.execute_script(BODY) == "rgb(1, 2, 3)")
    check("style sheets", driver.execute_script("return document.querySelectorAll('link[rel=stylesheet]').length"), 2)

    before = driver.execute_script(PICTURE)
    edit(folder / "static/img/hero.svg", "</svg>", "<!-- edited --></svg>")
    stays(driver, "an edited picture", lambda: driver.execute_script(PICTURE) != before)

    edit(folder / "templates/index.html", "<h1>", "<h1>Edited: ")
    comes_anew(driver, "an edited template", lambda: heading(driver).startswith("Edited: "))
    driver.refresh()
    driver.execute_script("window.same = 1")
    check("the console", console(driver), [])


def heading(driver):
    return driver.execute_script("return document.querySelector('h1')?.textContent ?? ''").strip()


def shows_errors(driver, folder):
    template = folder / "templates/index.html"
    edit(template, "<h1>Edited: ", "<h1>{{ products.first.title.missing }}")
    comes_anew(driver, "a template that fails", lambda: "undefined" in heading(driver))
    check("the line", len(driver.execute_script("return [...document.querySelectorAll('.at')]")), 1)
    screenshot(driver, "error-page")
    edit(template, "{{ products.first.title.missing }}", "Mended: ")
    comes_anew(driver, "the mended template", lambda: heading(driver).startswith("Mended: "))
    # The failed page itself is told of.
    check("the console", [text for text in console(driver) if "500 (Internal Server Error)" not in text], [])


def shows_requests(driver, origin):
    get(int(origin.rsplit(":")[-1]), "/?token=hunter2")
    driver.get(origin + "/_dev")
    check("a secret in a query", "hunter2" in driver.page_source, False)
    check("the bytes of the page", len(driver.page_source) < 60_000, True)
    screenshot(driver, "dev-page")
    # By the keyboard alone: the latest page with parts.
    driver.find_elements(By.LINK_TEXT, "GET /")[0].send_keys(Keys.ENTER)
    check("the page's parts", len(driver.find_elements(By.CSS_SELECTOR, "svg rect")) > 5, True)
    screenshot(driver, "dev-request")
    check("what moved", len(driver.find_elements(By.CSS_SELECTOR, "svg .moved")), 1)
    check("the console", console(driver), [])


def shows_tasks(driver, origin):
    port = int(origin.rsplit(":")[-1])
    form = b"name=Ada&email=ada%40shop.example&text=A+jug%2C+please"
    sent = get(port, "/contact", {"Content-Type": "application/x-www-form-urlencoded"}, "POST", form)
    check("the form", sent.status, 303)

    def failed():
        driver.get(origin + "/_dev/tasks")
        return "runs again" in driver.find_element(By.TAG_NAME, "main").text

    wait("a task that has failed", failed, 10)
    driver.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    check("its payload", "A jug, please" in driver.find_element(By.TAG_NAME, "main").text, True)
    screenshot(driver, "dev-tasks")
    target = driver.find_elements(By.TAG_NAME, "form")[-1].get_attribute("action").removeprefix(origin)
    check("the action", target.startswith("/_dev/tasks/drop?"), True)
    for site in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        check(f"a form from {site}", get(port, target, site, "POST", b"").status in (403, 404), True)
    driver.find_elements(By.TAG_NAME, "button")[-1].send_keys(Keys.ENTER)
    wait("the page without the task", lambda: "holds no tasks" in driver.find_element(By.TAG_NAME, "main").text, 10)
    check("the address", driver.current_url, origin + "/_dev/tasks")


def shows_images(driver, origin):
    driver.get(origin + "/gallery")
    time.sleep(1)
    driver.get(origin + "/_dev/images")
    check("variants", len(driver.find_elements(By.CSS_SELECTOR, "tbody tr")) > 0, True)
    screenshot(driver, "dev-images")
    check("the console", console(driver), [])


def seen(answer):
    """All of an answer but what each answer has anew."""
    headers = [(name.lower(), value) for name, value in answer.headers.items()]
    return answer.status, sorted(pair for pair in headers if pair[0] not in ("date", "set-cookie")), answer.body


def production_is_what_it_was(folder, port):
    """No byte of development in production, whoever asks; and pages are those that development renders."""
    with started(folder, port, RELOAD="off", STAGE="dev"):
        developed = {path: get(port, path).body for path in ROUTES}
        check("a page with RELOAD=off", b"/_dev" in get(port, "/", DOCUMENT).body, False)
    with started(folder, port, STAGE="prod", FRONT="http", COOKIE_SECRET="s" * 40):
        for path in [*ROUTES, *TOOLS, "/no-such-page"]:
            plain = get(port, path)
            check(f"{path} for who pretends", seen(get(port, path, PRETENDED)), seen(plain))
            check(f"{path} with tools", b"_dev" in plain.body or "x-etag-reason" in plain.headers, False)
        check("pages", {path: get(port, path).body for path in ROUTES}, developed)
        unknown = seen(get(port, "/no-such-page"))
        check("paths of tools", [path for path in TOOLS if seen(get(port, path)) != unknown], [])
        posted = get(port, "/_dev/tasks/drop?queue=shop.fifo&id=1", PRETENDED, "POST", b"")
        check("a button", posted.status, get(port, "/no-such-page", PRETENDED, "POST", b"").status)


def screenshot(driver, name):
    folder = ROOT / "target/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        check(f"a picture of {name}", driver.save_screenshot(str(folder / f"{name}-{theme}.png")), True)
        is_accessible(driver, f"{name}, {theme}")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def sends_what_was_sent(port):
    """A page in a tab is another representation, and revalidated as such."""
    plain, page = get(port, "/"), get(port, "/", DOCUMENT)
    check("what the script adds", re.sub(rb'<script src="/_dev/reload.js"[^>]*></script>', b"", page.body), plain.body)
    for tag, fields, status in [
        (plain.headers["ETag"], {}, 304),
        (page.headers["ETag"], DOCUMENT, 304),
        (plain.headers["ETag"], DOCUMENT, 200),
        (page.headers["ETag"], {}, 200),
    ]:
        check(f"{tag} with {fields}", get(port, "/", {"If-None-Match": tag, **fields}).status, status)


def main():
    with tempfile.TemporaryDirectory() as name, chromium(f"{name}/profile") as driver:
        folder, port = Path(name), free_port()
        for part in ("templates", "static"):
            shutil.copytree(ROOT / part, folder / part)
        origin = f"http://127.0.0.1:{port}"
        metrics = {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        with started(folder, port) as said:
            sends_what_was_sent(port)
            shows_edits(driver, origin, folder)
            shows_errors(driver, folder)
            shows_requests(driver, origin)
            check("what the log says of the tools", "/_dev" in said(), False)
            shows_tasks(driver, origin)
            shows_images(driver, origin)
            driver.get(origin + "/")
            driver.execute_script("window.same = 1")
        with started(folder, port):
            comes_anew(driver, "a new build", lambda: heading(driver).startswith("Mended: "))
        production_is_what_it_was(folder, port)


if __name__ == "__main__":
    main()
