"""A stand-in for Lambda: its Runtime API, and the place where a function runs. A binary stands alone in a folder that it
can't write, with Lambda's environment and nothing of ours; events go in, replies come out.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import base64
import contextlib
import http.server
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

from harness import ROOT, end, wait

EVENTS = ROOT / "tests/fixtures/events"
LONGEST = 30


class Function:
    """One function that runs. `invoke` is what its triggers do."""

    def __init__(self):
        self.events, self.replies = queue.Queue(), queue.Queue()
        self.process, self.log = None, None

    def invoke(self, event):
        """The reply to an event; an error of the function is an exception."""
        self.events.put(event)
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                kind, body = self.replies.get(timeout=0.2)
                if kind != "response":
                    raise RuntimeError(f"the function answered by {kind}: {body.decode(errors='replace')}")
                return json.loads(body)
            if self.process.poll() is not None:
                raise ChildProcessError(f"the function ended with {self.process.returncode}: {self.said()}")
        raise TimeoutError(f"no reply within {LONGEST} s: {self.said()}")

    def get(self, path, headers=None, method="GET", body=None, query=""):
        """A request as an HTTP API hands it over: status, fields and the bytes of the reply."""
        event = json.loads((EVENTS / "http.json").read_text())
        event |= {"rawPath": path, "rawQueryString": query, "headers": {"host": "x.example"} | (headers or {}), "cookies": []}
        event["requestContext"]["http"] |= {"path": path, "method": method}
        if body is not None:
            event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        reply = self.invoke(event)
        text = reply.get("body") or ""
        content = base64.b64decode(text) if reply["isBase64Encoded"] else text.encode()
        return reply["statusCode"], reply["headers"] | {"set-cookie": reply["cookies"]}, content

    def said(self):
        # The process writes where the file's position is: it must not be moved.
        return os.pread(self.log.fileno(), 1 << 24, 0).decode(errors="replace")


def server(function):
    class Api(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            # A thread that waits here for ever ends with this process.
            body = json.dumps(function.events.get()).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + LONGEST) * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:f")
            self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            body = self.body()
            function.replies.put((self.path.rsplit("/", 1)[1], body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def body(self):
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """Who asks for the next event when the function is ended is cut off; what matters is missed by `invoke`."""

    return Server(("127.0.0.1", 0), Api)


@contextlib.contextmanager
def alone(binary):
    """The binary as `bootstrap` in a folder that holds nothing else and that nobody may write."""
    with tempfile.TemporaryDirectory() as folder:
        bootstrap = Path(shutil.copy(binary, Path(folder) / "bootstrap"))
        bootstrap.chmod(0o555)
        os.chmod(folder, 0o555)
        try:
            yield bootstrap
            assert os.listdir(folder) == ["bootstrap"], os.listdir(folder)
        finally:
            os.chmod(folder, 0o755)


def nobody():
    """Who may not write where the mode says so: root may."""
    return {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}


@contextlib.contextmanager
def function(binary, **environment):
    """A function of this binary, started as Lambda starts it."""
    running = Function()
    api = server(running)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    with alone(binary) as bootstrap, tempfile.TemporaryFile() as log:
        running.log = log
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "s",
            "LAMBDA_TASK_ROOT": str(bootstrap.parent),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        } | environment
        options = {"cwd": bootstrap.parent, "env": environment, "start_new_session": True} | nobody()
        running.process = subprocess.Popen([bootstrap], stdout=log, stderr=log, **options)
        try:
            yield running
        finally:
            end(running.process)
            api.shutdown()
            api.server_close()


def refuses_to_start(binary, **environment):
    """What a function says that ends before it asks for an event; fails for one that runs."""
    with function(binary, **environment) as started:
        wait("the function ends", lambda: started.process.poll() is not None)
        code = started.process.returncode
        assert code not in (0, None), f"it ended with {code}"
        return started.said()
