"""In Chromium, in development: an edited style sheet and picture are shown without a reload, an edited template and a new build by
one; an error is shown with its place until it is mended. Pictures of the developer's pages, under target/screenshots/."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from browser import chromium
from harness import ROOT, SITE, check, free_port, get, running, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

DOCUMENT = {"Sec-Fetch-Dest": "document"}
BODY = "return getComputedStyle(document.body).outlineColor"
PICTURE = "return document.querySelector('img[src*=\"img/hero\"]').currentSrc"


@contextlib.contextmanager
def started(folder, port):
    """The shop with folders that can be edited."""
    environment = {"SITE_TEMPLATES": f"{folder}/templates", "SITE_STATIC": f"{folder}/static", "PORT": str(port)}
    with running([SITE], port, cwd=folder, env={"PATH": os.environ["PATH"], **environment}) as said:
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


def screenshot(driver, name):
    folder = ROOT / "target/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        check(f"a picture of {name}", driver.save_screenshot(str(folder / f"{name}-{theme}.png")), True)
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
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
        with started(folder, port) as said:
            sends_what_was_sent(port)
            shows_edits(driver, origin, folder)
            shows_errors(driver, folder)
            shows_requests(driver, origin)
            check("what the log says of the tools", "/_dev" in said(), False)
            driver.get(origin + "/")
            driver.execute_script("window.same = 1")
        with started(folder, port):
            comes_anew(driver, "a new build", lambda: heading(driver).startswith("Mended: "))


if __name__ == "__main__":
    main()
