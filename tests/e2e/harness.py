"""What the steps share: starting a process and ending it, waiting, asking, and a copy of the site's files."""

import contextlib
import gzip
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import brotli

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "target/debug/examples/site"
BIN = Path(sys.executable).parent
CSS = "/static/css/site.css"

# tests/run ends a step by SIGTERM: as an exception, it runs every `finally`, which ends what the step started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def check(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def get(port, path, headers=None, method="GET", body=None):
    """One request as it stands: no header of the client's own but Host, no path repaired, no redirect followed."""
    headers = headers or {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def fingerprinted(port, path):
    """The URL that the home page has for a static file."""
    stem, suffix = path.rsplit(".", 1)
    return re.search(rf'{stem}\.[0-9a-f]+\.{suffix}(?=")', get(port, "/").body.decode())[0]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(what, ready, seconds=30):
    """The first true value of `ready()`."""
    deadline = time.monotonic() + seconds
    while not (value := ready()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.1)
    return value


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command, port, **options):
    """A process that listens on the port, in a process group of its own, which is ended whatever happens. It gives a function
    for what the process has said so far."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options)

        def ready():
            if process.poll() is not None:
                raise ChildProcessError(f"{command[0]} ended with {process.returncode}")
            return listens(port)

        try:
            wait(f"{command[0]} on port {port}", ready)
            # The process writes where the file's position is: it must not be moved.
            yield lambda: os.pread(log.fileno(), 1 << 24, 0).decode(errors="replace")
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-8000:].decode(errors="replace"))
            raise
        finally:
            end(process)


def end(process):
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


@contextlib.contextmanager
def site(binary=SITE, cwd=ROOT, **environment):
    """The example on a free port. It inherits nothing, so it serves what is embedded unless told otherwise. It checks
    each of its 304s, and a false one is a 500."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "SITE_VERIFY": "1", "RELOAD": "off", **environment}
    with running([binary], port, cwd=cwd, env=environment):
        yield port


@contextlib.contextmanager
def watch(example, *arguments, **environment):
    """An example under `cargo lambda watch`: its port, and a function for what it has said so far."""
    port = free_port()
    command = ["cargo", "lambda", "watch", "--example", example, *arguments, "--ignore-changes"]
    command += ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "CARGO_NET_OFFLINE": "true"} | environment
    with running(command, port, cwd=ROOT, env=environment) as said:
        # The first request makes it start the function; an answer that comes too early is a 500 of its own.
        wait(f"{example} answers", lambda: get(port, "/").status == 200, 60)
        yield port, said


@contextlib.contextmanager
def static_copy():
    """The static files, the style sheet compressed too, and two names that only decoding once tells apart."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "static"
        shutil.copytree(ROOT / "static", copy)
        css = copy / CSS.removeprefix("/static/")
        css.with_suffix(".css.gz").write_bytes(gzip.compress(css.read_bytes()))
        css.with_suffix(".css.br").write_bytes(brotli.compress(css.read_bytes()))
        (copy / "a b.txt").write_text("space")
        (copy / "a%20b.txt").write_text("percent")
        yield copy
