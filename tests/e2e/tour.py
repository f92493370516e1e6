"""The guide's tour, followed to the letter from an empty folder: each command is run, each file written, and what the tour says
comes out does. Only `console` blocks are read and not run: they clone the repository and deploy the site.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import ROOT, check, free_port, running
from queues import FORWARD, figures

TOUR = (ROOT / "src/guide/tour.md").read_text()
TARGET = ROOT / "target/scaffold"
# What stands before a block says what it is; a block of commands, and after it their output.
BLOCK = re.compile(r"(?:([^\n]+)\n)?\n```(\S*)\n(.*?)```(?=\n)", re.DOTALL)
FILE, END, BECOMES = re.compile(r"`([^`]+)`:$"), re.compile(r"At the end of `([^`]+)`:$"), re.compile(r"In `([^`]+)`, `([^`]+)` becomes$")
# Builds are what this costs: no optimisation, whatever a manifest says, and this checkout's dependencies where they are new
# enough.
PROFILES = '[profile.dev]\ndebug = 0\n[profile.dev.package."*"]\nopt-level = 0\n'


class Reader:
    """Who follows the tour: a shell's folder, and the program that runs in the other terminal."""

    def __init__(self, folder):
        self.home, self.place, self.port = folder, folder, free_port()
        self.server = contextlib.ExitStack()
        tools = folder / "bin"
        tools.mkdir()
        (tools / FORWARD.name).symlink_to(FORWARD)
        (folder / ".cargo").mkdir()
        (folder / ".cargo/config.toml").write_text(PROFILES)
        (folder / "Pictures").mkdir()
        (folder / "chalice_http_toolkit").symlink_to(ROOT)
        shutil.copy(ROOT / "static/img/gallery/trio.jpg", folder / "Pictures/shelf.jpg")
        # The folder is the reader's home, but Rust is not installed there.
        homes = {name: str(Path.home() / f".{kind}") for name, kind in (("CARGO_HOME", "cargo"), ("RUSTUP_HOME", "rustup"))}
        self.environment = homes | os.environ | {
            "HOME": str(folder),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PORT": str(self.port),
            "CARGO_TARGET_DIR": str(TARGET),
        }

    def said(self, command):
        """The clone and its command are those of this checkout, and the port is a free one. All else is as it stands."""
        command = command.replace("http://127.0.0.1:3000", f"http://127.0.0.1:{self.port}")
        command = re.sub(r"cargo install --path (\S+) .*", r"test -f \1/Cargo.toml", command)
        # The path has to lead to the clone. The real one lets a build find the artifacts of the last run.
        return command.replace("../chalice_http_toolkit", '"$(realpath -e ../chalice_http_toolkit)"')

    def runs(self, commands):
        if commands == "cargo run\n":
            self.starts()
            return ""
        # The equal versions of everything, as soon as there is a manifest.
        for manifest in self.home.rglob("Cargo.toml"):
            if not (lock := manifest.with_name("Cargo.lock")).exists():
                shutil.copy(ROOT / "Cargo.lock", lock)
        script = f"set -e\n{self.said(commands)}pwd > {self.home}/place"
        command = ["bash", "-c", script]
        done = subprocess.run(command, cwd=self.place, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{commands}ended with {done.returncode}\n{done.stdout}{done.stderr}")
        self.place = Path((self.home / "place").read_text().strip())
        return done.stdout

    def starts(self):
        self.server.close()
        subprocess.run(["cargo", "build", "--quiet"], cwd=self.place, env=self.environment, check=True)
        self.log = self.server.enter_context(running(["cargo", "run"], self.port, cwd=self.place, env=self.environment))

    def writes(self, path, text):
        (self.place / path).parent.mkdir(parents=True, exist_ok=True)
        (self.place / path).write_text(text)


def code(block):
    """What a reader of the page sees: without the lines that only its tests have."""
    return "".join(line for line in block.splitlines(keepends=True) if not re.match(r"# |#$", line))


def output_is_as_written(commands, output, written):
    """`…` stands for what differs each time. What a build says of itself need not be there."""
    lines = [re.escape(line).replace("…", ".*") for line in written.strip().splitlines()]
    wanted = ".*".join(lines) if "cargo test" in commands else "\n".join(lines)
    if not re.search(rf"(\A|\n){wanted}(\n|\Z)", output.replace("\r", "").strip(), re.DOTALL if "cargo test" in commands else 0):
        raise AssertionError(f"after\n{commands}comes\n{output}\nand not\n{written}")


def follow(reader):
    done = {"commands": 0, "files": 0, "outputs": 0}
    commands, output = "", None
    for before, kind, text in BLOCK.findall(TOUR):
        if kind == "sh":
            commands, output = text, reader.runs(text)
            done["commands"] += len(text.splitlines())
        elif kind == "console":
            continue
        elif kind == "text":
            output_is_as_written(commands, output, text)
            done["outputs"] += 1
        elif found := END.match(before):
            text = (reader.place / found[1]).read_text() + "\n" + code(text)
            reader.writes(found[1], text)
            done["files"] += 1
        elif found := BECOMES.match(before):
            file = (reader.place / found[1]).read_text()
            check(f"`{found[2]}` stands there once", file.count(found[2]), 1)
            reader.writes(found[1], file.replace(found[2], code(text).strip()))
            done["files"] += 1
        elif found := FILE.match(before):
            reader.writes(found[1], text if kind == "html" else code(text))
            done["files"] += 1
    return done


begun = time.monotonic()
with tempfile.TemporaryDirectory() as folder:
    reader = Reader(Path(folder))
    with reader.server:
        done = follow(reader)
        check("the task has run", "a message is delivered" in reader.log(), True)
check("the tour has all its steps", (done["commands"] > 35, done["files"] > 10, done["outputs"] > 6), (True, True, True))
figures("the tour", begun, **done)
