"""The shop in Chromium, as a visitor has it: pictures in the format and the size that suit, a form with an upload whose task
runs, the keyboard alone, no JavaScript; axe-core on each page, light and dark; and no error in the console."""

import html
import json
import re
import tempfile
from pathlib import Path

from browser import BROKEN, chromium, events, is_accessible, responses
from harness import ROOT, check, get, site, wait
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PAGES = ["/", "/gallery", "/contact", "/products/1", "/hello?name=Ada", "/no-such-page"]
PICTURE = ROOT / "static/img/gallery/bowl.jpg"
# Width of the window, pixels of the screen for each of the page's, and the width of the file that suits. The sizes that the
# page states: 24rem from 60rem on, 45 % of the window from 36rem on, else 90 %.
SCREENS = [(1280, 1, 384), (1280, 2, 828), (700, 1, 384), (700, 2, 640), (390, 1, 384), (390, 3, 1200)]
SHOWN = "return [...document.querySelectorAll('.gallery img')].map(image => [image.currentSrc, image.naturalWidth])"
FIELDS = {"name": "Ada <b>", "email": "ada@example.com", "text": "A bowl\nlike this one, ünd \"more\"."}


def resize(driver, width, ratio=1):
    metrics = {"width": width, "height": 1400, "deviceScaleFactor": ratio, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def are_converted(port):
    """A slow machine sends the original while it converts: the browser is asked when all is there."""
    page = get(port, "/gallery").body.decode()
    urls = {url for url in re.findall(r"/static/img/gallery/[^ \"]+", page) if "w=" in url}
    check("pictures and their widths", len(urls), 6 * 4)
    for url in urls:
        for kind in ("avif", "webp"):
            path, accept = html.unescape(url), {"Accept": f"image/{kind},*/*"}
            wait(f"{url} as {kind}", lambda: get(port, path, accept).headers["Content-Type"] == f"image/{kind}", 120)  # noqa: B023


def older_browsers_get_webp(driver, origin):
    driver.execute_cdp_cmd("Emulation.setDisabledImageTypes", {"imageTypes": ["avif"]})
    driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    resize(driver, 1280)
    driver.get(origin + "/gallery")
    received = [event["params"]["response"] for event in events(driver) if event["method"] == "Network.responseReceived"]
    types = {response["mimeType"] for response in received if "/img/gallery/" in response["url"]}
    check("types without AVIF", types, {"image/webp"})
    check("broken pictures without AVIF", driver.execute_script(BROKEN), [])
    driver.execute_cdp_cmd("Emulation.setDisabledImageTypes", {"imageTypes": []})


def pictures_suit(driver, origin):
    for width, ratio, suits in SCREENS:
        driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        resize(driver, width, ratio)
        driver.get(origin + "/gallery")
        # Those below come when they are near.
        driver.execute_script("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        received = [event["params"]["response"] for event in events(driver) if event["method"] == "Network.responseReceived"]
        types = {response["url"]: response["mimeType"] for response in received}
        shown = driver.execute_script(SHOWN)
        check(f"pictures at {width} x {ratio}", len(shown), 6)
        for url, _ in shown:
            check(f"type of {url}", types.get(url), "image/avif")
            check(f"width of {url} at {width} x {ratio}", f"w={suits}" in url, True)
        check(f"broken pictures at {width}", driver.execute_script(BROKEN), [])


def gallery_revalidates(driver, origin):
    resize(driver, 1280)
    driver.get(origin + "/gallery")
    responses(driver)
    driver.refresh()
    again = responses(driver)
    check("the gallery again", again[origin + "/gallery"], 304)
    check("what was sent again", {url: got for url, got in again.items() if got not in (304, "cache")}, {})


def element(driver, name):
    return driver.find_element(By.NAME, name)


def messages(driver):
    return [found.text for found in driver.find_elements(By.CSS_SELECTOR, ".message")]


def kept(inbox):
    """What the workshop has, oldest first: the text of each message, and the bytes of its picture."""
    files = sorted(inbox.glob("*.json"))
    pictures = [next((other.read_bytes() for other in inbox.glob(f"{file.stem}.*") if other != file), None) for file in files]
    return [(json.loads(file.read_text()), picture) for file, picture in zip(files, pictures, strict=True)]


def form_arrives(driver, origin, inbox):
    driver.get(origin + "/contact")
    for name, text in FIELDS.items():
        element(driver, name).send_keys(text)
    element(driver, "picture").send_keys(str(PICTURE))
    driver.find_element(By.TAG_NAME, "button").click()
    wait("the answer", lambda: messages(driver))
    check("the address after the redirect", driver.current_url, origin + "/contact")
    check("the message", messages(driver), ["Thank you, Ada <b>: your message and your picture went to the workshop."])
    (message, picture), *others = wait("the task", lambda: kept(inbox))
    check("what was written", message | {"text": message["text"].replace("\r\n", "\n")}, FIELDS)
    check("the picture", picture, PICTURE.read_bytes())
    driver.refresh()
    check("the message, reloaded", messages(driver), [])
    responses(driver)
    driver.refresh()
    check("the page without a message, again", responses(driver)[origin + "/contact"], 304)
    check("tasks after reloading", (len(kept(inbox)), others), (1, []))


def focused(driver):
    return driver.switch_to.active_element


def presses(driver, *keys):
    ActionChains(driver).send_keys(*keys).perform()


def keyboard_is_enough(driver, origin, inbox):
    """From the top of the page to a message that is sent, by keys alone."""
    driver.get(origin + "/contact")
    presses(driver, Keys.TAB)
    check("the first stop", focused(driver).text, "Skip to content")
    check("it is seen", focused(driver).rect["y"] >= 0, True)
    presses(driver, Keys.ENTER)
    check("the content has the focus", focused(driver).get_attribute("id"), "content")
    stops = []
    for _ in range(5):
        presses(driver, Keys.TAB)
        stop = focused(driver)
        stops.append(stop.get_attribute("name") or stop.text)
        ring = [stop.value_of_css_property(f"outline-{part}") for part in ("style", "width")]
        check(f"the ring around {stops[-1]}", ring, ["solid", "3px"])
        if stops[-1] in FIELDS:
            presses(driver, FIELDS[stops[-1]])
    check("the stops", stops, ["name", "email", "text", "picture", "Send"])
    presses(driver, Keys.ENTER)
    wait("the answer", lambda: messages(driver))
    check("the message", messages(driver), ["Thank you, Ada <b>: your message went to the workshop."])
    wait("the task", lambda: len(kept(inbox)) == 2)
    check("no picture", kept(inbox)[1][1], None)


def works_without_javascript(driver, origin, inbox, folder):
    """What is wrong stands at its field, what was right is still there; all by the server."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    for path in PAGES[:-1]:
        driver.get(origin + path)
        check(f"a heading on {path}", len(driver.find_elements(By.TAG_NAME, "h1")), 1)
        check(f"scripts on {path}", driver.find_elements(By.TAG_NAME, "script"), [])
    text = Path(folder) / "picture.jpg"
    text.write_text("no picture")
    driver.get(origin + "/contact")
    # What a browser would not send, a visitor can.
    driver.execute_script("document.forms[0].noValidate = true")
    element(driver, "text").send_keys("Hello & <b>")
    element(driver, "picture").send_keys(str(text))
    driver.find_element(By.TAG_NAME, "button").click()
    wait("the answer", lambda: messages(driver))
    check("nothing is sent", messages(driver)[0].startswith("Nothing was sent yet."), True)
    marked = driver.find_elements(By.CSS_SELECTOR, "[aria-invalid]")
    check("what is marked", [field.get_attribute("name") for field in marked], ["name", "email", "picture"])
    for field in marked:
        says = driver.find_element(By.ID, field.get_attribute("aria-describedby")).text
        check(f"what is said of {field.get_attribute('name')}", len(says) > 20, True)
    check("what was written is there", element(driver, "text").get_attribute("value"), "Hello & <b>")
    check("tasks", len(kept(inbox)), 2)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def pages_are_accessible(driver, origin):
    checked = 0
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        for path in PAGES:
            driver.get(origin + path)
            checked += is_accessible(driver, f"{path}, {scheme}")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    print(f"axe-core: {checked} rules held on {len(PAGES)} pages, light and dark")


def console(driver):
    return [entry["message"] for entry in driver.get_log("browser")]


def main():
    with tempfile.TemporaryDirectory() as folder:
        inbox = Path(folder) / "inbox"
        with site(SITE_INBOX=str(inbox)) as port, chromium(f"{folder}/profile") as driver:
            origin = f"http://127.0.0.1:{port}"
            are_converted(port)
            pictures_suit(driver, origin)
            older_browsers_get_webp(driver, origin)
            gallery_revalidates(driver, origin)
            form_arrives(driver, origin, inbox)
            keyboard_is_enough(driver, origin, inbox)
            check("the console", console(driver), [])
            works_without_javascript(driver, origin, inbox, folder)
            pages_are_accessible(driver, origin)
            # A page with another status than 200 is an error to the console, and nothing else is.
            expected = [f"{origin}/contact", f"{origin}/no-such-page"]
            is_expected = lambda said: said.startswith(tuple(expected)) and "responded with a status of 4" in said  # noqa: E731
            check("the console", [said for said in console(driver) if not is_expected(said)], [])


if __name__ == "__main__":
    main()
