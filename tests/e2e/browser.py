"""Chromium loads the home page without an error, and reloads it by 304s and from its own cache; and pictures of each kind of
page, under target/screenshots/."""

import json
import shutil
import tempfile
import time
from pathlib import Path

import axe_core_python
from harness import ROOT, check, site, wait
from selenium import webdriver

SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
PAGES = {"home": "/", "product": "/products/1", "gallery": "/gallery", "form": "/contact", "404": "/no-such-page"}
SWITCHES = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage""".split()
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
BROKEN = "return [...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"

# Those that are in sight: the others wait until they are near.
WAITING = """return [...document.images].filter(image => image.getBoundingClientRect().top < innerHeight && !image.naturalWidth)
    .map(image => image.src)"""


def chromium(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for switch in [*SWITCHES, f"--user-data-dir={profile}"]:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With a path given, Selenium looks for no driver and downloads none.
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def is_accessible(driver, what):
    """axe-core finds nothing on the page that is open. The answer: how many rules it holds."""
    driver.execute_script(AXE)
    results = driver.execute_async_script("axe.run().then(arguments[0])")
    broken = {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in results["violations"]}
    check(f"axe-core on {what}", broken, {})
    rules = [rule["id"] for rule in results["passes"]]
    check(f"contrast was looked at on {what}", "color-contrast" in rules, True)
    return len(rules)


def events(driver):
    """What the browser reports, until it has been silent for a second: pictures and icons come after the page."""
    silent = 0
    for _ in range(300):
        entries = driver.get_log("performance")
        yield from (json.loads(entry["message"])["message"] for entry in entries)
        silent = 0 if entries else silent + 1
        if silent == 10:
            return
        time.sleep(0.1)
    raise TimeoutError("the page is not done within 30 s")


def responses(driver):
    """URL -> status of all that was loaded since the last call, where `cache` means the browser's own.

    For a revalidated response the page sees the stored 200; the status on the wire is in the "extra info".
    """
    urls, statuses = {}, {}
    for event in events(driver):
        method, details = event["method"], event["params"]
        request = details.get("requestId")
        # Chromium's own pages (chrome:) and data: URLs are no requests.
        if method == "Network.requestWillBeSent" and details["request"]["url"].startswith("http"):
            urls[request] = details["request"]["url"]
        elif method == "Network.loadingFailed":
            statuses[request] = details["errorText"]
        elif method == "Network.requestServedFromCache":
            statuses[request] = "cache"
        elif method == "Network.responseReceived" and details["response"].get("fromDiskCache"):
            statuses[request] = "cache"
        elif method == "Network.responseReceivedExtraInfo":
            statuses.setdefault(request, details["statusCode"])
    return {url: statuses.get(request) for request, url in urls.items()}


def loads_and_reloads(driver, origin):
    driver.get(origin + "/")
    first = responses(driver)
    check("the home page", first[origin + "/"], 200)
    check("its style sheet", any("/static/css/site." in url for url in first), True)
    check("what failed to load", {url: got for url, got in first.items() if got not in (200, "cache")}, {})
    check("requests to elsewhere", [url for url in first if not url.startswith(origin)], [])

    driver.refresh()
    again = responses(driver)
    check("the home page again", again[origin + "/"], 304)
    check("what was sent again", {url: got for url, got in again.items() if got not in (304, "cache")}, {})
    print(f"{len(first)} responses, on reload {list(again.values()).count(304)} 304s, the rest from its cache")


def screenshots(driver, origin):
    folder = ROOT / "target/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for screen, (width, height) in SCREENS.items():
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for page, path in PAGES.items():
            driver.get(origin + path)
            wait(f"pictures of {page}", lambda: not driver.execute_script(WAITING))
            check(f"pixels beyond the edge of {page} on a {screen}", driver.execute_script(OVERFLOW), 0)
            check(f"broken pictures of {page}", driver.execute_script(BROKEN), [])
            check(f"screenshot of {page}", driver.save_screenshot(str(folder / f"{page}-{screen}.png")), True)


def main():
    with site() as port, tempfile.TemporaryDirectory() as profile, chromium(profile) as driver:
        origin = f"http://127.0.0.1:{port}"
        loads_and_reloads(driver, origin)
        screenshots(driver, origin)
        # The one page that is missing is told of.
        said = [entry["message"] for entry in driver.get_log("browser")]
        check("the console", [text for text in said if not text.startswith(f"{origin}{PAGES['404']} ")], [])


if __name__ == "__main__":
    main()
