"""In Chromium: inline scripts that are the templates' run and others don't, a form with a file arrives, a message is shown
once, and another site's page can't send the form."""

import http.server
import tempfile
import threading
from pathlib import Path

from browser import chromium
from harness import ROOT, check, site, wait
from selenium.webdriver.common.by import By

VISITOR = ROOT / "target/debug/examples/visitor"
COLOUR = "return getComputedStyle(document.getElementById(arguments[0])).color"
EVIL = """<!doctype html><title>evil</title>
<form method=post enctype=multipart/form-data action="http://127.0.0.1:{port}/send"><input name=name value=evil>
<button>Send</button></form>"""


def blocked(driver):
    messages = [entry["message"] for entry in driver.get_log("browser")]
    return sorted({kind for kind in ("script-src", "style-src", "event handler") for text in messages if kind in text})


def follows_the_policy(driver, origin):
    for visit in ("first", "again, by a 304"):
        driver.get_log("browser")
        driver.get(origin + "/") if visit == "first" else driver.refresh()
        check(f"the template's own script, {visit}", driver.execute_script("return window.ours"), "grün")
        check(f"the template's own style, {visit}", driver.execute_script(COLOUR, "styled"), "rgb(1, 2, 3)")
        driver.find_element(By.ID, "attribute").click()
        check(f"injected scripts, {visit}", driver.execute_script("return [window.injected, window.clicked]"), [None, None])
        check(f"a style attribute, {visit}", driver.execute_script(COLOUR, "attribute"), "rgb(0, 0, 0)")
        check(f"what the console says is blocked, {visit}", len(blocked(driver)) >= 2, True)


def messages(driver):
    return [item.text for item in driver.find_elements(By.TAG_NAME, "li")]


def sends_a_form(driver, origin, folder):
    picture = Path(folder) / 'a "b" ü;c.txt'
    picture.write_bytes(b"GIF89a" + bytes(range(256)))
    driver.get(origin + "/")
    driver.find_element(By.NAME, "name").send_keys("Núria & <b>")
    driver.find_element(By.NAME, "file").send_keys(str(picture))
    driver.find_element(By.TAG_NAME, "button").click()
    wait("the answer", lambda: messages(driver))
    check("the address after the redirect", driver.current_url, origin + "/")
    check("the message", messages(driver), ['a "b" ü;c.txt image/gif 262'])
    check("the cookie", driver.find_element(By.ID, "styled").text, "Núria & <b>")
    check("cookies that scripts see", driver.execute_script("return document.cookie"), "")
    for visit in ("reloaded", "reloaded again"):
        driver.refresh()
        check(f"the message, {visit}", messages(driver), [])
        check(f"the cookie, {visit}", driver.find_element(By.ID, "styled").text, "Núria & <b>")


def refuses_another_sites_form(driver, origin, port):
    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = EVIL.format(port=port).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # Another name is another site, though the address is one.
        driver.get(f"http://localhost:{server.server_port}/")
        driver.find_element(By.TAG_NAME, "button").click()
        wait("the refusal", lambda: "Forbidden" in driver.title)
    finally:
        server.shutdown()
    driver.get(origin + "/")
    check("the cookie after another site's form", driver.find_element(By.ID, "styled").text, "Núria & <b>")


def main():
    with tempfile.TemporaryDirectory() as folder, site(VISITOR) as port, chromium(f"{folder}/profile") as driver:
        origin = f"http://127.0.0.1:{port}"
        follows_the_policy(driver, origin)
        sends_a_form(driver, origin, folder)
        refuses_another_sites_form(driver, origin, port)


if __name__ == "__main__":
    main()
