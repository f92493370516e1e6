"""Whether converted images look as they should, by another decoder, resizer and colour engine: Pillow's.

    python tests/e2e/images_reference.py FOLDER FOLDER/manifest.json

The manifest is a list of conversions: `source` (a file of tests/fixtures/images), `output` (a file of the folder),
`width`, `format` (jpeg, webp, avif or png), `expected_type` (a media type), and where it applies `lossless`,
`background` (three numbers, the colour under what is clear, white unless told) and `original` (the source's own bytes
were to be sent).
"""

import io
import json
import struct
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from harness import ROOT, check
from PIL import Image, ImageCms

FIXTURES = ROOT / "tests/fixtures/images"
sys.path.insert(0, str(FIXTURES))
import containers  # noqa: E402

SRGB = ImageCms.createProfile("sRGB")
# Tests measure small pictures; nothing here comes from a stranger.
Image.MAX_IMAGE_PIXELS = 20_000_000


class Distance(NamedTuple):
    """How far two pictures are apart, in steps of 255. Over an area the losses of an encoder cancel out: what is
    left in `area`, the worst of twelve, is a mistake in colour or in place."""

    mean: float
    area: float
    largest: float
    psnr: float

    def __str__(self):
        return f"mean {self.mean:5.2f}, area {self.area:4.1f}, largest {self.largest:3.0f}, PSNR {self.psnr:4.1f}"


class Allowed(NamedTuple):
    """So many times what Pillow's own encoder loses at a quality like ours, and so many steps more."""

    share: float
    mean: float
    area: float


# Decoders of JPEG differ by a step or two where they interpolate colour, resizers by one.
USUAL = Allowed(1.3, 1.0, 2.5)
ENCODERS = {
    "jpeg": {"quality": 75, "subsampling": "4:2:0"},
    "webp": {"quality": 80, "method": 4},
    "avif": {"quality": 60, "speed": 8, "max_threads": 1},
    "png": {},
}

FIXTURES_BEYOND_WHITE = [path.name for path in FIXTURES.glob("hdr-*.png")]

# Where something else holds. Who resizes first and applies the profile after differs at edges, the more so the smaller
# the picture and the further its gamma is from a screen's.
FIXTURE = {name: Allowed(1.3, 2.5, 4) for name in ("p3.png", "cicp-p3.png", "chrm-gama.png")}
FIXTURE["gama-1.png"] = Allowed(1.3, 4, 5)
FIXTURE |= {name: Allowed(1.3, 2, 4) for name in ("cmyk-icc.jpg", "ycck-icc-orientation-8.jpg", "cmyk-unmarked-icc.jpg")}
FIXTURE |= {name: Allowed(1.3, 4, 5) for name in FIXTURES_BEYOND_WHITE}
# A JPEG comes out of its decoder smaller, and is resized from there.
FIXTURE |= {name: Allowed(1.3, 2.5, 2.5) for name in ("photo.jpg", "progressive.jpg")}


def media_type(image):
    return {"JPEG": "image/jpeg", "MPO": "image/jpeg"}.get(image.format, f"image/{image.format.lower()}")


# What the source looks like


def orientation(image):
    """By EXIF alone. Pillow would follow XMP too, as no browser does."""
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    value = exif.get(0x0112, 1) if exif.endian else 1
    return value if value in range(1, 9) else 1


UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def chunks(png):
    place = 8
    while place + 8 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += 12 + length


def to_d50(red, green, blue, white):
    """Chromaticities as the columns of a matrix to XYZ, adapted by Bradford's."""

    def xyz(point):
        x, y = point
        return np.array([x / y, 1, (1 - x - y) / y])

    columns = np.array([xyz(point) for point in (red, green, blue)]).T
    columns = columns * np.linalg.solve(columns, xyz(white))
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    scale = np.diag((cone @ np.array(containers.D50)) / (cone @ xyz(white)))
    return (np.linalg.inv(cone) @ scale @ cone @ columns).T


def profile_of(image, data):
    """The ICC profile of the picture, or one made of what a PNG says by numbers (PNG, third edition, section 4.3)."""
    found = dict(chunks(data)) if image.format == "PNG" else {}
    if found.get(b"cICP") == bytes([12, 13, 0, 1]):
        return containers.P3
    if "icc_profile" in image.info or b"sRGB" in found or b"gAMA" not in found:
        return image.info.get("icc_profile")
    gamma = 100_000 / struct.unpack(">I", found[b"gAMA"])[0]
    numbers = struct.unpack(">8I", found[b"cHRM"]) if b"cHRM" in found else ()
    numbers = [number / 100_000 for number in numbers] or [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return containers.rgb_profile("By numbers", *to_d50(red, green, blue, white), containers.tag_gamma(gamma))


def beyond_white(image, data):
    """The curve and primaries of a PNG that is brighter than white, by cICP."""
    found = dict(chunks(data)).get(b"cICP", b"") if image.format == "PNG" else b""
    return tuple(found[:2]) if len(found) == 4 and found[1] in (16, 18) else None


# Linear light of these primaries into that of sRGB's.
PRIMARIES = {
    9: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    12: [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
}


def with_tones_of_a_screen(image, primaries, curve):
    """Half the light up to white, and above it what Chromium measures as: a bend towards 1000 candela."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image, float) / 257).round().astype(np.uint8))
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    value = np.asarray(image.convert("RGB"), float) / 255
    if curve == 16:
        power = value ** (32 / 2523)
        light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (8192 / 1305) * 10_000
    else:
        low, high = value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        scene = np.where(value <= 0.5, low, high)
        light = scene * (scene @ [0.2627, 0.678, 0.0593])[..., None] ** 0.2 * 1000
    light = light / 203
    brightest = np.minimum(light.max(axis=-1, keepdims=True), 1000 / 203)
    over, room = brightest - 1, 1000 / 203 - 1
    bend = room / (room - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(over <= 0, 0.5, 0.5 * (1 + over * bend / (over + bend)) / brightest)
    linear = np.clip((light * share) @ np.array(PRIMARIES[primaries]).T, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    toned = Image.fromarray((shown * 255).round().astype(np.uint8))
    if alpha:
        toned.putalpha(alpha)
    return toned


def to_srgb(image, profile):
    """As RGB or RGBA in sRGB. A profile that is broken or for other channels than the picture's is none."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image, float) / 257).round().astype(np.uint8))
    if image.mode in ("P", "1"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if "transparency" in image.info and image.mode in ("RGB", "L"):
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    colour = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    converted = None
    if profile:
        try:
            engine = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
            converted = ImageCms.profileToProfile(colour, engine, SRGB, renderingIntent=intent, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    converted = converted or colour.convert("RGB")
    converted.info = {}
    if alpha:
        converted.putalpha(alpha)
    return converted


def reference(data, size=None, frame=0):
    """How the picture is to look: upright, in sRGB, at the size."""
    image = Image.open(io.BytesIO(data))
    profile, turn = profile_of(image, data), orientation(image)
    image.seek(frame)
    image.load()
    beyond = beyond_white(image, data)
    image = with_tones_of_a_screen(image, *beyond) if beyond else to_srgb(image, profile)
    if turn != 1:
        image = image.transpose(UPRIGHT[turn])
    return image if size in (None, image.size) else image.resize(size, Image.Resampling.LANCZOS)


def expected_size(data, width):
    """Never larger than the source, and as high as its shape wants, where the half may go either way."""
    full = reference(data).size
    width = min(width or full[0], full[0])
    exact = full[1] * width / full[0]
    return width, {max(1, int(exact)), max(1, round(exact)), int(exact) + (exact % 1 > 0)}


# How far an output is from it


def pixels(image, background):
    """Colours as they show: by alpha, or over a background where the other has none."""
    values = np.asarray(image.convert("RGBA"), float)
    alpha = values[..., 3:] / 255
    if background is None:
        return np.concatenate([values[..., :3] * alpha, values[..., 3:]], axis=-1)
    return values[..., :3] * alpha + np.array(background, float) * (1 - alpha)


def distance(wanted, got, background=(255, 255, 255)):
    check("the size", got.size, wanted.size)
    has_alpha = "A" in got.getbands() or "transparency" in got.info
    background = None if has_alpha else background
    error = pixels(wanted, background) - pixels(got, background)
    rows, columns = (min(count, side) for count, side in zip((3, 4), error.shape, strict=False))
    areas = [
        part.mean(axis=(0, 1)) for row in np.array_split(error, rows) for part in np.array_split(row, columns, axis=1)
    ]
    square = (error**2).mean()
    psnr = 99.0 if square == 0 else 10 * np.log10(255**2 / square)
    return Distance(abs(error).mean(), abs(np.array(areas)).max(), abs(error).max(), psnr)


def encoded(image, kind, background):
    """As Pillow would send it."""
    if kind == "jpeg" and image.mode == "RGBA":
        image = Image.fromarray(pixels(image, background).round().astype(np.uint8))
    file = io.BytesIO()
    image.save(file, kind.upper(), **ENCODERS[kind])
    return file.getvalue()


# What an output may not hold

TRACES = [containers.MARKER, b"http://ns.adobe.com", b"ICC_PROFILE", b"Exif\0\0", b"xpacket", b"<script", b"%PDF"]


def parts_of_jpeg(data):
    place, found = 2, []
    while data[place + 1] != 0xDA:
        found.append(data[place + 1])
        place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
    check("what follows the end", data[data.rindex(b"\xff\xd9") :], b"\xff\xd9")
    return [f"{marker:02X}" for marker in found if marker in range(0xE1, 0xEE) or marker in (0xEF, 0xFE)]


def parts_of_png(data):
    check("the end", data[-12:], b"\0\0\0\0IEND\xaeB`\x82")
    plain = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sRGB", b"acTL", b"fcTL", b"fdAT"}
    return [name.decode() for name, _ in chunks(data) if name not in plain]


def parts_of_webp(data):
    check("the length", struct.unpack("<I", data[4:8])[0] + 8, len(data))
    plain = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
    place, found = 12, []
    while place < len(data):
        name, length = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])[0]
        found += [] if name in plain else [name.decode()]
        place += 8 + length + length % 2
    return found


def parts_of_avif(data):
    """Its metadata are items of these types, and a profile is a box of colour of these."""
    head = data[: data.index(b"mdat")]
    return [name.decode() for name in (b"Exif", b"mime", b"prof", b"rICC", b"uri ") if name in head]


PARTS = {
    "image/jpeg": parts_of_jpeg,
    "image/png": parts_of_png,
    "image/webp": parts_of_webp,
    "image/avif": parts_of_avif,
}


def check_stripped(data, kind):
    """No EXIF, XMP, profile, comment, position, second picture, nor anything behind the end."""
    check("traces of the source", [trace for trace in TRACES if trace in data], [])
    check("parts that aren't the picture", PARTS[kind](data), [])
    image = Image.open(io.BytesIO(data))
    known = {"exif", "xmp", "icc_profile", "comment", "photoshop", "XML:com.adobe.xmp"} & set(image.info)
    check("metadata", known, set())


# One conversion


def judge(source, output, row):
    """The distance of an output to its source, or None for the source's own bytes. Fails where the row isn't met."""
    if row.get("original"):
        check("the source's own bytes", output == source, True)
        return None
    image = Image.open(io.BytesIO(output))
    check("the media type", media_type(image), row["expected_type"])
    image.load()
    check_stripped(output, row["expected_type"])
    width, heights = expected_size(source, row.get("width"))
    check("the width", image.width, width)
    check(f"a height of {sorted(heights)}", image.height in heights, True)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        check("the frames", frames, Image.open(io.BytesIO(source)).n_frames)
    limit = FIXTURE.get(row["source"], USUAL)
    kind = "png" if row.get("lossless") else row["format"]
    background = tuple(row.get("background", (255, 255, 255)))
    worst = None
    for frame in range(frames):
        image.seek(frame)
        got = image.convert("RGBA") if image.mode in ("P", "PA") else image.copy()
        wanted = reference(source, image.size, frame)
        found = distance(wanted, got, background)
        own = distance(wanted, Image.open(io.BytesIO(encoded(wanted, kind, background))), background)
        for name in ("mean", "area"):
            most = limit.share * getattr(own, name) + getattr(limit, name)
            if getattr(found, name) > most:
                raise AssertionError(f"frame {frame}: {found}; {name} may be {most:.2f}")
        worst = found if worst is None or found.mean > worst.mean else worst
    return worst


def main(folder, manifest):
    failures = []
    for row in json.loads(Path(manifest).read_text()):
        name = f"{row['source']} as {row['format']}" + (f" of {row['width']}" if row.get("width") else "")
        source, output = (FIXTURES / row["source"]).read_bytes(), (Path(folder) / row["output"]).read_bytes()
        try:
            found = judge(source, output, row)
            print(f"{name:50} {len(source):7} {len(output):7}  {found or 'its own bytes'}")
        except Exception as error:  # One bad output shouldn't hide the others.
            failures.append(f"{name}: {error!r}")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(*sys.argv[1:])
