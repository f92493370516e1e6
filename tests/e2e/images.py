"""Every fixture in every format through the site: judged by Pillow, decoded by Chromium; and the gallery in a browser."""

import base64
import json
import re
import shutil
import tempfile
from pathlib import Path

import images_reference
from browser import SCREENS, chromium, events
from harness import ROOT, check, get, site, wait
from PIL import Image

FIXTURES = images_reference.FIXTURES
FORMATS = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg", "png": "image/png"}
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
DECODED = """
const done = arguments[arguments.length - 1];
const broken = [];
Promise.all(arguments[0].map(async url => {
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => broken.push(url));
    if (!image.naturalWidth) broken.push(url + ' has no width');
})).then(() => done(broken));
"""


# How far apart two pictures are as Chromium draws them: the first one in the size of the second.
APART = """
const [original, converted, done] = arguments;
const drawn = async (source, size) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const {width, height} = size ?? {width: image.naturalWidth, height: image.naturalHeight};
    const context = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d');
    Object.assign(context, {fillStyle: 'white', imageSmoothingQuality: 'high'}).fillRect(0, 0, width, height);
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
};
(async () => {
    const is = await drawn(converted);
    const wanted = await drawn(original, is);
    done(is.data.reduce((sum, value, at) => sum + Math.abs(value - wanted.data[at]), 0) / is.data.length * 4 / 3);
})().catch(error => done(String(error)));
"""
# What may be lost: by an encoder, and by another way of scaling and of reading a profile.
MAY_BE_APART = {"png": 7, "jpeg": 14, "webp": 14, "avif": 14}
# Inks with a profile come out of Chromium brighter than out of Little CMS, by which the conversion goes.
OF_INK = {"cmyk-icc.jpg", "cmyk-unmarked-icc.jpg", "ycck-icc-orientation-8.jpg"}
# Chromium doesn't turn a WebP whose EXIF begins as JPEG's does. Pillow and sharp do.
NOT_AS_IN_CHROMIUM = {"p3-orientation-6.webp"}


def is_converted(path):
    """Moving pictures and what isn't decoded go out as they are. What a file is called is all the same."""
    try:
        with Image.open(path) as image:
            return image.format in ("JPEG", "MPO", "PNG", "WEBP") and not getattr(image, "is_animated", False)
    except OSError:
        return False


def converts(port, folder):
    """One row for each conversion, in the form that images_reference judges, and the URLs asked for."""
    rows, urls = [], []
    for path in sorted(path for path in FIXTURES.iterdir() if path.is_file()):
        if not is_converted(path):
            continue
        full = images_reference.reference(path.read_bytes()).size
        for extension, media_type in FORMATS.items():
            width = 48 if full[0] > 48 else None
            url = f"/static/{path.name}?fmt={extension}" + (f"&w={width}" if width else "")
            # On a busy machine a first request may get the original, while its image is made for the next one.
            wait(url, lambda url=url, wanted=media_type: get(port, url).headers["Content-Type"] == wanted, 60)
            answer = get(port, url)
            check(url, answer.status, 200)
            output = f"{path.name.replace('.', '-')}.{extension}"
            (folder / output).write_bytes(answer.body)
            urls.append(url)
            with Image.open(folder / output) as image:
                as_it_was = image.size != (width or full[0], image.height)
            if width is None or as_it_was:  # The original was smaller, and says how it is to be turned.
                continue
            name = "jpeg" if extension == "jpg" else extension
            lossless = {"lossless": True} if extension == "png" else {}
            row = {"source": path.name, "output": output, "width": width, "format": name, "expected_type": media_type}
            rows.append(row | lossless)
    return rows, urls


def as_in_chromium(driver, rows, folder):
    """Each conversion looks as its original does there."""

    def inline(path, media_type):
        return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"

    far = []
    for row in (row for row in rows if row["source"] not in NOT_AS_IN_CHROMIUM):
        source = FIXTURES / row["source"]
        with Image.open(source) as image:
            original = inline(source, images_reference.media_type(image))
        apart = driver.execute_async_script(APART, original, inline(folder / row["output"], row["expected_type"]))
        most = MAY_BE_APART["jpeg" if row["source"] in OF_INK else row["format"]]
        if not isinstance(apart, (int, float)) or apart > most:
            far.append((row["output"], apart))
    check("conversions that look otherwise than their originals in Chromium", far, [])
    print("They look there as their originals do")


def weight(driver, url):
    """The bytes of all pictures that a page loads, as they come over the wire, and their types."""
    driver.get("about:blank")
    list(events(driver))
    driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    driver.get(url)
    driver.execute_script("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    total, types, pictures = 0, set(), set()
    for event in events(driver):
        details = event["params"]
        if event["method"] == "Network.responseReceived" and details["type"] == "Image":
            pictures.add(details["requestId"])
            types.add(details["response"]["mimeType"])
        elif event["method"] == "Network.loadingFinished" and details["requestId"] in pictures:
            total += details["encodedDataLength"]
    return total, types


def ready(port):
    """On a busy machine a first request may get the original, while its image is made for the next one."""

    def converted(url):
        return get(port, url, {"Accept": CHROME}).headers["Content-Type"] != "image/jpeg"

    page = get(port, "/gallery").body.decode()
    urls = {url.replace("&amp;", "&") for url in re.findall(r"(/static/img/gallery/\S+) \d+w", page)}
    check("four widths of each picture", len(urls), 24)
    for url in urls:
        wait(url, lambda url=url: converted(url), 60)


def gallery(driver, origin):
    folder = ROOT / "target/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    originals = sum(path.stat().st_size for path in (ROOT / "static/img/gallery").iterdir())
    for screen, (width, height) in SCREENS.items():
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        bytes_, types = weight(driver, f"{origin}/gallery")
        check("a format of our time", bool(types & {"image/avif", "image/webp"}), True)
        check("no original", "image/jpeg" in types, False)
        check("a lighter page", bytes_ < originals / 2, True)
        print(f"the gallery on a {screen}: {bytes_:,} bytes of pictures ({', '.join(sorted(types))}), before {originals:,}")
        driver.execute_script("window.scrollTo(0, 0)")
        check("a screenshot", driver.save_screenshot(str(folder / f"gallery-{screen}.png")), True)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        served, outputs = Path(temporary) / "served", Path(temporary) / "outputs"
        outputs.mkdir()
        shutil.copytree(FIXTURES, served)
        with site(SITE_STATIC=str(served)) as port, chromium(f"{temporary}/profile") as driver:
            rows, urls = converts(port, outputs)
            manifest = outputs / "manifest.json"
            manifest.write_text(json.dumps(rows))
            check("enough conversions", len(rows) > 120, True)
            images_reference.main(outputs, manifest)
            driver.set_script_timeout(120)
            driver.get(f"http://127.0.0.1:{port}/hello")
            check("what Chromium can't decode", driver.execute_async_script(DECODED, urls), [])
            print(f"Chromium decodes all {len(urls)}")
            as_in_chromium(driver, rows, outputs)
        with site() as port, chromium(f"{temporary}/other") as driver:
            ready(port)
            gallery(driver, f"http://127.0.0.1:{port}")


if __name__ == "__main__":
    main()
