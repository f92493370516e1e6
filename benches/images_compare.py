#!/usr/bin/env python3
"""Holds image conversions against sharp and Pillow: time, bytes at equal quality, memory.

    python3 benches/images_compare.py [--quick] [--photos=FOLDER] [--runs=N] [--against=ENGINE] [JOB ...]

By hand, not a test: it takes half an hour of a quiet core. It installs Pillow 13, sharp 0.35 and the metric below
target/images-compare/, makes its photographs there and writes table.md. JOB is a part of a job's name; --quick takes
three photographs and no slow encoder. FOLDER has photographs of your own, as JPEG files, that are converted to a width in
place of those made here; twelve or more of 2 to 24 megapixels tell something. ENGINE is a part of an engine's name: the
others are left out. Needs cargo, node with npm, and, for jobs that have AVIF in their name, what the feature `avif` needs.

Each engine is one process on one core with one thread. What counts is the time that the core gave the process, by the
kernel's clock of that process, the same for all: user and system time by getrusage is up to a fifth more on a virtual
machine. A job begins with a file and ends with a file. Engines take turns, and of N runs, 5 unless told, the median
counts. A photograph is scored by SSIMULACRA2 (fast-ssim2) against all of it decoded by Pillow and scaled by Lanczos. Our file at quality 80 sets the score; the other
engine's bytes and time at that score lie on a line between the qualities of its ladder. Of ratios there are the least, the
median and the greatest of all photographs; an aim is held against the median. `time` is theirs by ours (more is better for us), `bytes` ours by theirs (less is better for us).
"""

import json, math, os, random, statistics, struct, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target/images-compare"
PYTHON = WORK / "venv/bin/python"
CORE = "1"

SCORE_MANIFEST = """[package]
name = "score"
edition = "2024"
[dependencies]
fast-ssim2 = "=0.9.1"
# For the photographs in them, never built.
webp = { version = "=0.3.1", optional = true }
jpeg-decoder = { version = "=0.3.2", optional = true }
[workspace]
"""
SCORE_SOURCE = """use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
fn main() {
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let [width, height, one, other] = *line.split('\\t').collect::<Vec<_>>() else { panic!() };
        let (width, height): (u32, u32) = (width.parse().unwrap(), height.parse().unwrap());
        let files = [one, other].map(|name| std::fs::read(name).unwrap());
        let [one, other] = files.each_ref().map(|pixels| {
            PixelSlice::new(pixels, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB).unwrap()
        });
        println!("{}", compute_ssimulacra2(&one, &other).unwrap());
    }
}
"""

SHARP_WORKER = """
const sharp = require('sharp'), fs = require('fs');
sharp.concurrency(1); sharp.cache(false);
const peak = () => +/VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status'))[1];
(async () => {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    let image = sharp(job.file);
    if (job.size) image = image.resize(job.size[0], job.size[1], { fit: 'fill' });
    await image[job.format](job.options).toFile(job.output);
    console.log(JSON.stringify({ peak_kb: peak() }));
  }
})();
"""


def option(name, usual):
    return next((it.removeprefix(f"--{name}=") for it in sys.argv if it.startswith(f"--{name}=")), usual)


RUNS = int(option("runs", 5))


def pillow_worker():
    from PIL import Image
    for line in sys.stdin:
        job = json.loads(line)
        image, size = Image.open(job["file"]), job["size"] and tuple(job["size"])
        if size and job.get("naive"):
            image = image.resize(size, Image.Resampling.LANCZOS)
        elif size:
            # As Image.thumbnail does.
            image.draft(None, (size[0] * 2, size[1] * 2))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        image.save(job["output"], format=job["format"], **job["options"])
        peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(json.dumps({"peak_kb": int(peak.split()[1])}), flush=True)


# Setting up


def install():
    WORK.mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
        subprocess.run([PYTHON, "-m", "pip", "-q", "install", "pillow==13.0.0", "numpy"], check=True)
    if not (WORK / "node_modules/sharp").exists():
        (WORK / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "sharp@0.35.5"], cwd=WORK, check=True)
    (WORK / "sharp_worker.js").write_text(SHARP_WORKER)
    (WORK / "score/src").mkdir(parents=True, exist_ok=True)
    (WORK / "score/Cargo.toml").write_text(SCORE_MANIFEST)
    (WORK / "score/src/main.rs").write_text(SCORE_SOURCE)


def built(name, folder, *command):
    """Where cargo has put it, which CARGO_TARGET_DIR and other settings decide."""
    command = ["cargo", *command, "--message-format=json"]
    lines = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(it["executable"] for it in messages if it.get("executable") and it["target"]["name"] == name)


def bench_binary(with_avif):
    if "IMAGES_BENCH" in os.environ:
        return os.environ["IMAGES_BENCH"]
    features = "images,avif" if with_avif else "images"
    return built("images", ROOT, "bench", "--features", features, "--bench", "images", "--no-run")


class Process:
    """Answers each line with a line."""

    def __init__(self, command, **environment):
        environment = {**os.environ, **environment}
        self.process = subprocess.Popen([*map(str, command)], cwd=WORK, env=environment, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def cpu_ms(self):
        # As clock_getcpuclockid does: all threads, those that have ended too.
        return time.clock_gettime_ns(~self.process.pid << 3 | 2) / 1e6

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Engine:
    def __init__(self, name):
        pinned = ["taskset", "-c", CORE]
        if name == "ours":
            # As on Lambda: nothing is made in the background; and so little memory that steps are taken to be slow.
            environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}
            self.process = Process([*pinned, BENCH, "worker"], **environment)
        elif name == "sharp":
            self.process = Process([*pinned, "node", "sharp_worker.js"], UV_THREADPOOL_SIZE="1", VIPS_CONCURRENCY="1")
        else:
            self.process = Process([*pinned, PYTHON, Path(__file__).resolve(), "--pillow-worker"])
        self.name = name

    def run(self, setting, photo, size, quality, output):
        """CPU milliseconds, and the most memory so far."""
        before = self.process.cpu_ms()
        if self.name == "ours":
            width = size[0] if size else 0
            fields = [photo, width, setting["format"], quality, setting["effort"], output]
            done = json.loads(self.process.ask("\t".join(map(str, fields))))
            if done["is"] != "converted":
                raise Declined(f"{photo.name}: {done['is']}")
        else:
            options = {**setting["options"], **({} if quality is None else {"quality": quality})}
            job = {**setting, "file": str(photo), "size": size, "options": options, "output": str(output)}
            done = json.loads(self.process.ask(json.dumps(job)))
        return self.process.cpu_ms() - before, done["peak_kb"]


class Declined(Exception):
    pass


# Photographs


def leaves(name, width, height, seed, **how):
    """Things of all sizes before each other, as natural images are, with texture, depth of field and noise."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFilter
    path = WORK / "photos" / f"{name}.jpg"
    if path.exists():
        return path
    chance, numbers = random.Random(seed), np.random.default_rng(seed)
    palette = [(96, 110, 60), (150, 120, 84), (206, 214, 226), (60, 66, 74), (176, 72, 52), (224, 196, 140), (58, 92, 128)]
    image = Image.new("RGB", (width, height), (150, 160, 170))
    draw = ImageDraw.Draw(image)
    for _ in range(how.get("things", 4000)):
        radius = min(width / 3, 12 * chance.random() ** -0.6)
        x, y, flat, colour = chance.random() * width, chance.random() * height, chance.uniform(0.3, 1), chance.choice(palette)
        shade = chance.uniform(0.5, 1.25)
        turn, corners = chance.random() * 6.3, chance.choice([4, 5, 24, 24])
        outline = []
        for corner in range(corners):
            a = corner * 2 * math.pi / corners
            dx, dy = radius * math.cos(a), radius * flat * math.sin(a)
            outline.append((x + dx * math.cos(turn) - dy * math.sin(turn), y + dx * math.sin(turn) + dy * math.cos(turn)))
        draw.polygon(outline, fill=tuple(min(255, int(c * shade)) for c in colour))

    def smooth(cell):
        small = numbers.standard_normal((height // cell + 2, width // cell + 2)).astype(np.float32)
        return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))

    mask = Image.fromarray(np.clip(128 + 200 * smooth(width // 3), 0, 255).astype(np.uint8))
    image.paste(image.filter(ImageFilter.GaussianBlur(width / 250)), mask=mask)
    image = image.filter(ImageFilter.GaussianBlur(0.9))
    texture = np.zeros((height, width), np.float32)
    for cell, weight in [(2, 2.2), (4, 3), (8, 4), (16, 5), (64, 7), (256, 10), (1024, 14)]:
        texture += weight * smooth(cell)
    texture *= how.get("texture", 1) * (1 - np.asarray(mask, np.float32) / 330)
    pixels = np.asarray(image, np.float32) + texture[..., None]
    pixels += numbers.standard_normal(pixels.shape, np.float32) * how.get("noise", 2)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.5))
    image.save(path, quality=how.get("quality", 90), progressive=how.get("progressive", False))
    return path


def graphic(name, width, height, seed):
    """A drawing with text, lines, shapes and soft shadows on nothing."""
    from PIL import Image, ImageDraw, ImageFilter, ImageFont
    path = WORK / "photos" / f"{name}.png"
    chance = random.Random(seed)
    image = Image.new("RGBA", (width, height))
    shadow = Image.new("RGBA", (width, height))
    boxes = [(x, y, x + chance.randint(60, 260), y + chance.randint(30, 140))
             for x, y in ((chance.randint(0, width - 60), chance.randint(0, height - 30)) for _ in range(24))]
    for x, y, right, low in boxes:
        ImageDraw.Draw(shadow).rounded_rectangle((x + 4, y + 6, right + 4, low + 6), 12, (0, 0, 0, 120))
    image.alpha_composite(shadow.filter(ImageFilter.GaussianBlur(6)))
    draw = ImageDraw.Draw(image)
    for x, y, right, low in boxes:
        fill = tuple(chance.choice([40, 90, 160, 220, 250]) for _ in range(3))
        draw.rounded_rectangle((x, y, right, low), 12, (*fill, 255), (20, 30, 50, 255), 2)
        draw.text((x + 12, y + 8), f"Step {x} of {y}\nmeasured twice", (10, 10, 20, 255), ImageFont.load_default(15))
        other = chance.choice(boxes)
        draw.line((x, y, other[0], other[1]), (70, 70, 90, 255), 2)
    image.save(path)
    return path


def bare(path):
    """The picture without profile and orientation, which Pillow leaves to its caller."""
    file, place = path.read_bytes(), 2
    segments = [file[:2]]
    while file[place + 1] != 0xDA:
        length = 2 + struct.unpack(">H", file[place + 2:place + 4])[0]
        # JFIF and Adobe's marker tell how colours are stored.
        if file[place + 1] in (0xE0, 0xEE) or not (0xE0 <= file[place + 1] <= 0xEF or file[place + 1] == 0xFE):
            segments.append(file[place:place + length])
        place += length
    target = WORK / "photos" / f"own-{path.stem}.jpg"
    target.write_bytes(b"".join(segments) + file[place:])
    return target


def photographs(quick, folder):
    (WORK / "photos").mkdir(exist_ok=True)
    metadata = ["cargo", "metadata", "--format-version=1", "--all-features"]
    found = subprocess.run(metadata, cwd=WORK / "score", check=True, stdout=subprocess.PIPE, text=True).stdout
    crates = {it["name"]: Path(it["manifest_path"]).parent for it in json.loads(found)["packages"]}
    lake = crates["webp"] / "assets/lake.jpg"  # 9 megapixels of a camera
    flower = crates["jpeg-decoder"] / "benches/large_image.jpg"  # 3.4 megapixels of a camera
    six = leaves("leaves-6", 3000, 2000, 6, things=9000, texture=0.7, noise=3)
    twelve = leaves("leaves-12", 4000, 3000, 12)
    eighteen = leaves("leaves-18-progressive", 5184, 3456, 18, things=2500, texture=0.8, progressive=True)
    leaves("leaves-24", 6000, 4000, 24, things=7000)
    # Without profile and orientation, which Pillow leaves to its caller.
    gallery = [path for name in ("bowl", "mug") if (path := ROOT / f"static/img/gallery/{name}.jpg").exists()]
    fixture = ROOT / "tests/fixtures/images/photo.jpg"
    png = WORK / "photos/flower.png"
    if not png.exists():
        from PIL import Image
        Image.open(flower).resize((1800, 1200)).save(png)
    resized = [lake, six, twelve, eighteen, flower, *gallery]
    if folder:
        resized = [bare(path) for path in sorted(Path(folder).iterdir()) if path.suffix.lower() in (".jpg", ".jpeg")]
    whole = [lake, flower, six, fixture, *gallery, png]
    fixtures = [ROOT / "tests/fixtures/images" / name for name in ("logo.png", "screenshot.png")]
    drawn = [*fixtures, graphic("drawing", 1200, 800, 1), graphic("small-drawing", 500, 400, 2), ROOT / "static/img/logo.png"]
    return (resized[:3], whole[1:4], drawn) if quick else (resized, whole, drawn)


# Measuring


def ours(format, effort="good"):
    return {"engine": "ours", "format": format, "effort": effort}


def sharp(format, *ladder, **options):
    return {"engine": "sharp", "format": format, "ladder": ladder, "options": options}


def pillow(format, *ladder, naive=False, **options):
    return {"engine": "pillow", "format": format, "ladder": ladder, "naive": naive, "options": options}


WEBP, JPEG, AVIF, POOR_AVIF = (66, 75, 82, 90), (66, 75, 84, 92), (40, 50, 60, 72), (46, 58, 70, 82)
S_WEBP, P_WEBP = sharp("webp", *WEBP), pillow("WEBP", *WEBP)
NAIVE = pillow("WEBP", *WEBP, naive=True)
MOZ, TURBO, P_JPEG = sharp("jpeg", *JPEG, mozjpeg=True), sharp("jpeg", *JPEG), pillow("JPEG", *JPEG)
NEXT, SHARP_4, SHARP_0 = (sharp("avif", *AVIF, effort=effort) for effort in (3, 4, 0))
P_AVIF = pillow("AVIF", *AVIF)

# Name, photographs, width, our setting, then each other engine with the least ratio of times and the most of bytes that
# we aim at.
JOBS = [
    *((f"JPEG to {width} WebP", "resized", width, ours("webp"),
       [("sharp", S_WEBP, fast, 1.03), ("Pillow thumbnail", P_WEBP, thumbnail, 1.03), ("Pillow naive", NAIVE, naive, 1.03)])
      for width, fast, thumbnail, naive in [(640, 1.0, 1.1, 1.9), (1280, 1.2, 1.5, 1.5)]),
    *((f"JPEG to {width} JPEG, {effort}", "resized", width, ours("jpg", effort),
       [("sharp mozjpeg", MOZ, least, 1.03), ("sharp", TURBO, None, None), ("Pillow", P_JPEG, 1.1, 0.85)])
      for effort in ("good", "fast") for width, least in ((640, 1.2), (1280, 1.5))),
    *((f"JPEG to {width} AVIF, good", "resized", width, ours("avif"),
       [("sharp effort 3 (Next)", NEXT, 1.8, 1.08), ("sharp effort 4", SHARP_4, 6, None), ("Pillow", P_AVIF, 2.5, None)])
      for width in (640, 1280)),
    *((f"JPEG to {width} AVIF, fast", "resized", width, ours("avif", "fast"),
       [("sharp effort 0", SHARP_0, 1.0, None), ("sharp effort 3 (Next)", NEXT, 1.8, None)]) for width in (640, 1280)),
    ("to WebP, no resize", "whole", None, ours("webp"), [("sharp", S_WEBP, 1.1, 1.03), ("Pillow", P_WEBP, 1.0, 1.03)]),
    ("to WebP, no resize, fast", "whole", None, ours("webp", "fast"),
     [("sharp", S_WEBP, 1.1, None), ("Pillow", P_WEBP, 2.0, None)]),
    *((f"PNG to lossless WebP, {effort}", "drawn", None, ours("webp", effort),
       [("sharp", sharp("webp", lossless=True), 2.0, 1.03), ("Pillow", pillow("WEBP", lossless=True), 1.7, 1.03)])
      for effort in ("good", "fast")),
]
SLOW = ("sharp effort 4",)


def size_at(photo, width):
    from PIL import Image
    own = Image.open(photo).size
    return None if width is None or width >= own[0] else (width, (own[1] * width + own[0] // 2) // own[0])


class Scorer:
    def __init__(self):
        self.process, self.references = Process([built("score", WORK / "score", "build", "-q", "--release")]), {}

    def score(self, photo, size, output):
        from PIL import Image
        if (photo, size) not in self.references:
            with Image.open(photo) as image:
                image = image.convert("RGB")
                image = image.resize(size, Image.Resampling.LANCZOS) if size else image
            path = WORK / f"reference-{len(self.references)}.rgb"
            path.write_bytes(image.tobytes())
            self.references[photo, size] = path, image.size
        path, (width, height) = self.references[photo, size]
        with Image.open(output) as image:
            (WORK / "other.rgb").write_bytes(image.convert("RGB").tobytes())
        return float(self.process.ask("\t".join(map(str, (width, height, path, WORK / "other.rgb")))))


def at_score(ladder, score):
    """Bytes and milliseconds where the line through two neighbours has this score; beyond the ends, their slope."""
    ladder = sorted(ladder)
    pairs = list(zip(ladder, ladder[1:]))
    low, high = next((pair for pair in pairs if score <= pair[1][0]), pairs[-1])
    part = (score - low[0]) / max(high[0] - low[0], 1e-9)
    part = min(max(part, -1), 2)
    line = lambda place: math.exp(math.log(low[place]) + part * math.log(high[place] / low[place]))
    return line(1), line(2)


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def measure(job, photos, engines, scorer, quick):
    name, kind, width, our, others = job
    others = [it for it in others if not (quick and it[0] in SLOW) and option("against", "") in it[0]]
    rows = {other[0]: [] for other in others}
    mine = []
    for photo in photos[kind]:
        size, output = size_at(photo, width), WORK / "output"
        try:
            engines["ours"].run(our, photo, size, 80, output)
        except Declined as why:
            print(f"{name}: {why}", file=sys.stderr)
            continue
        bytes_ = output.stat().st_size
        score = scorer.score(photo, size, output) if kind != "drawn" else 100
        ladders, ranks = {}, {}
        for other, setting, *_ in others:
            steps = []
            for quality in setting["ladder"] or [None]:
                ms, _ = engines[setting["engine"]].run(setting, photo, size, quality, output)
                steps.append((scorer.score(photo, size, output) if kind != "drawn" else 100, output.stat().st_size, ms, quality))
            ladders[other] = steps
            # Timed again and again only where the score is the nearest.
            ranks[other] = min(steps, key=lambda step: abs(step[0] - score))
        runs = {}
        for _ in range(RUNS):
            for who, setting, quality in [("ours", our, 80), *((it[0], it[1], ranks[it[0]][3]) for it in others)]:
                ms, _ = engines[setting["engine"]].run(setting, photo, size, quality, output)
                runs.setdefault(who, []).append(ms)
        best = {who: statistics.median(times) for who, times in runs.items()}
        mine.append((best["ours"], bytes_, score))
        for other, setting, *_ in others:
            theirs = at_score(ladders[other], score)[0] if setting["ladder"] else ladders[other][0][1]
            rows[other].append((best[other], best[other] / best["ours"], bytes_ / theirs))
            print(f"  {name} | {photo.name} | score {score:.1f} | ours {best['ours']:.1f} ms {bytes_} B | {other}: "
                  f"{best[other]:.1f} ms, time {best[other] / best['ours']:.2f}, bytes {bytes_ / theirs:.3f}", file=sys.stderr)
    lines = []
    for other, _, least, most in others:
        if not rows[other]:
            continue
        ms, ratios, sizes = zip(*rows[other])
        ratio, size = statistics.median(ratios), statistics.median(sizes)
        spread = lambda values: " – ".join(f"{of(values):.2f}" for of in (min, statistics.median, max))
        met = lambda is_met, aim: "" if aim is None else f" ({'met' if is_met else '**missed**'}: {aim})"
        lines.append(f"| {name} | {geometric([it[0] for it in mine]):.0f} | {other} | {geometric(ms):.0f} "
                     f"| {spread(ratios)}{met(least is None or ratio >= least, least and f'≥ {least}')} "
                     f"| {spread(sizes)}{met(most is None or size <= most, most and f'≤ {most}')} "
                     f"| {sum(it[2] for it in mine) / len(mine):.1f} |")
    return lines


def memory_and_start(least):
    """The peak of memory for 12 megapixels, and the CPU time of a process for 6, each from its start."""
    settings = {"ours": ours("webp"), "sharp": sharp("webp"), "pillow": pillow("WEBP")}
    lines = []
    for name in ("leaves-6", "leaves-12", "leaves-24"):
        photo, found = WORK / f"photos/{name}.jpg", {}
        for _ in range(least):
            for who, setting in settings.items():
                before = os.times()
                engine = Engine(who)
                _, peak = engine.run(setting, photo, size_at(photo, 640), 80, WORK / "output")
                engine.process.end()
                after = os.times()
                cpu = (after.children_user + after.children_system - before.children_user - before.children_system) * 1e3
                so_far = found.get(who, (math.inf, math.inf))
                found[who] = min(cpu, so_far[0]), min(peak / 1024, so_far[1])
        for who in ("sharp", "pillow"):
            (cpu, peak), (their_cpu, their_peak) = found["ours"], found[who]
            lines.append(f"| {name} to 640 WebP, one process | {cpu:.0f} | {who} | {their_cpu:.0f} | {their_cpu / cpu:.2f} "
                         f"| {peak:.0f} MB, {their_peak:.0f} MB: {peak / their_peak:.2f} |")
    return lines


def main():
    global BENCH
    if "--pillow-worker" in sys.argv:
        return pillow_worker()
    install()
    if Path(sys.executable) != PYTHON:
        os.execv(PYTHON, [PYTHON, *sys.argv])
    quick, names = "--quick" in sys.argv, [it for it in sys.argv[1:] if not it.startswith("--")]
    BENCH = bench_binary(with_avif=not names or any("AVIF" in name for name in names))
    photos = dict(zip(("resized", "whole", "drawn"), photographs(quick, option("photos", None))))
    engines, scorer = {name: Engine(name) for name in ("ours", "sharp", "pillow")}, Scorer()
    table = ["| job | our ms | against | their ms | time ratio (aim) | bytes at equal score (aim) | score |", "|---|--:|---|--:|--:|--:|--:|"]
    print("\n".join(table), flush=True)
    for job in JOBS:
        if not names or any(name in job[0] for name in names):
            lines = measure(job, photos, engines, scorer, quick)
            print("\n".join(lines), flush=True)
            table += lines
    if not names or "memory" in names:
        table += ["", "| job | our CPU ms | against | their CPU ms | time ratio | peak |", "|---|--:|---|--:|--:|--:|"]
        table += memory_and_start(3 if quick else RUNS)
        print("\n".join(table[-8:]))
    (WORK / "table.md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
