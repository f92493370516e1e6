"""In Chromium, the example `blog`: a visitor reads and comments without a reload; the author signs in, writes a post with a picture,
and finds it in the list; axe-core on each page; no error in the console. Pictures under target/screenshots/."""

import os
import tempfile
from pathlib import Path

from browser import BROKEN, chromium, is_accessible
from harness import ROOT, check, free_port, running, wait
from selenium.webdriver.common.by import By

BLOG = ROOT / "target/debug/examples/blog"
PICTURE = ROOT / "static/img/gallery/trio.jpg"


def element(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def text(driver):
    """In one step: an element that was found may be of the page before."""
    return driver.execute_script("return document.querySelector('main')?.innerText ?? ''")


def seen(driver, name):
    """A picture of the page, and what is wrong with it."""
    folder = ROOT / "target/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(folder / f"blog-{name}.png"))
    check(f"broken pictures of {name}", driver.execute_script(BROKEN), [])
    is_accessible(driver, f"the blog's {name}")


def writes(driver, origin):
    driver.get(origin + "/admin")
    element(driver, "[name=password]").send_keys("wrong")
    element(driver, "main button").click()
    wait("a wrong password", lambda: "The password is wrong" in text(driver), 10)
    seen(driver, "sign-in")
    element(driver, "[name=password]").send_keys("clay")
    element(driver, "main button").click()
    wait("the author's page", lambda: "Welcome back." in text(driver), 10)
    driver.get(origin + "/admin/new")
    seen(driver, "editor")
    # What is missing is told beside its field.
    element(driver, "[name=text]").send_keys("The glaze ran.\n\nIt looks well.")
    element(driver, "main form:last-of-type button").click()
    wait("a post without a title", lambda: driver.execute_script("return document.querySelector('.error') !== null"), 10)
    check("what was written is there", element(driver, "[name=text]").get_attribute("value").startswith("The glaze"), True)
    element(driver, "[name=title]").send_keys("A run of glaze")
    element(driver, "[name=tags]").send_keys("glaze")
    element(driver, "[name=picture]").send_keys(str(PICTURE))
    element(driver, "main form:last-of-type button").click()
    wait("the author's page", lambda: driver.current_url == origin + "/admin", 10)
    driver.get(origin + "/")
    check("the list", "A run of glaze" in text(driver), True)
    seen(driver, "list")


def reads(driver):
    driver.find_element(By.LINK_TEXT, "A run of glaze").click()
    wait("the picture", lambda: driver.execute_script("return document.querySelector('main img')?.naturalWidth > 0"), 10)
    seen(driver, "post")
    driver.execute_script("window.same = 1")
    element(driver, "#comments [name=name]").send_keys("Ada")
    element(driver, "#comments [name=text]").send_keys("Lovely <b>bowl</b>")
    element(driver, "#comments button").click()
    wait("the comment", lambda: "Lovely <b>bowl</b>" in text(driver), 10)
    check("the page after a comment", driver.execute_script("return window.same"), 1)


with tempfile.TemporaryDirectory() as folder, chromium(f"{folder}/profile") as driver:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "BLOG_FILE": str(Path(folder) / "blog.sqlite"), "RELOAD": "off"}
    with running([BLOG], port, cwd=ROOT, env=environment):
        writes(driver, f"http://127.0.0.1:{port}")
        reads(driver)
        said = [entry["message"] for entry in driver.get_log("browser")]
        # The form that was refused was asked for as such.
        check("the console", [line for line in said if "422" not in line and "400" not in line and "401" not in line], [])
