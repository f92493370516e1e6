"""The whole way of a purge: a price is changed, the worker is killed before CloudFront is asked, and the next one asks moto's; a
style sheet is changed, deployed, and the command purges. The edge is a model: it keeps what `s-maxage` allows, and drops what the
invalidations at moto name."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from harness import ROOT, check, free_port, get, running, wait
from queues import FORWARD, cloud, count, figures, queue, sqs_event
from runtime_api import function

SHOP = ROOT / "target/debug/examples/edge"
MOTO = ROOT / "target/scaffold-tools/bin/moto_server"
PAGES = ["/", "/about", "/products/0", "/products/1", "/products/2"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ORIGIN = {"Id": "api", "DomainName": "api.example", "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"}}
BEHAVIOUR = {"TargetOriginId": "api", "ViewerProtocolPolicy": "https-only", "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
CONFIG = {"CallerReference": "a", "Comment": "", "Enabled": True, "Origins": {"Quantity": 1, "Items": [ORIGIN]}, "DefaultCacheBehavior": BEHAVIOUR}


class Edge:
    """What CloudFront keeps of one distribution."""

    def __init__(self, cloudfront):
        self.cloudfront, self.copies, self.followed, self.origin = cloudfront, {}, 0, None
        self.id = cloudfront.create_distribution(DistributionConfig=CONFIG)["Distribution"]["Id"]

    def invalidations(self):
        """The items of each, in their order."""
        listed = self.cloudfront.list_invalidations(DistributionId=self.id)["InvalidationList"].get("Items") or []
        each = [self.cloudfront.get_invalidation(DistributionId=self.id, Id=one["Id"])["Invalidation"] for one in listed]
        each.sort(key=lambda one: one["CreateTime"])
        return [sorted(one["InvalidationBatch"]["Paths"]["Items"]) for one in each]

    def get(self, path):
        """Whether it is a hit, and the page."""
        invalidations = self.invalidations()
        items = {item for items in invalidations[self.followed :] for item in items}
        self.followed = len(invalidations)
        self.copies = {path: (tags, body) for path, (tags, body) in self.copies.items() if not items & tags}
        if path in self.copies:
            return True, self.copies[path][1]
        answer = get(self.origin, path)
        check(f"the status of {path}", answer.status, 200)
        check(f"{path} may be kept", "s-maxage=31536000" in answer.headers["Cache-Control"], True)
        tags = {f"#{tag}" for tag in answer.headers["cache-tag"].split(",")}
        self.copies[path] = tags, answer.body.decode()
        return False, answer.body.decode()

    def hits(self):
        return [path for path in PAGES if self.get(path)[0]]


@contextlib.contextmanager
def nobody_answers():
    """An endpoint that takes a connection and says nothing: its URL, and an event for when it was asked."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.recv(1)
                asked.set()
                connection.recv(1 << 20)
                time.sleep(60)

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked


def receive(sqs, url):
    answer = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=1)
    return answer.get("Messages", [None])[0]


def dies_on_the_way(sqs, url, environment):
    """A worker that has taken the purge and is killed while it waits for CloudFront."""
    with nobody_answers() as (endpoint, asked), function(SHOP, **environment, AWS_ENDPOINT_URL_CLOUDFRONT=endpoint) as worker:
        event = sqs_event(url, wait("the purge", lambda: receive(sqs, url)))

        def invoke():
            with contextlib.suppress(ChildProcessError):
                worker.invoke(event)

        invoking = threading.Thread(target=invoke)
        invoking.start()
        check("it asks CloudFront", asked.wait(30), True)
        os.kill(worker.process.pid, signal.SIGKILL)
        invoking.join()
        check("how it ended", worker.process.wait(), -signal.SIGKILL)


def works(sqs, url, worker, is_done):
    """What Lambda does with a queue, until there is nothing to do."""

    def turn():
        if message := receive(sqs, url):
            failed = worker.invoke(sqs_event(url, message))["batchItemFailures"]
            if not failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return is_done()

    wait("the worker is done", turn, 60)


def price_changes(edge, sqs, url, environment):
    changed = get(edge.origin, "/products/1", FORM, "POST", b"price=31")
    check("the change", (changed.status, changed.headers["Location"]), (303, "/products/1"))
    check("a purge waits", (count(sqs, url), edge.invalidations()), (1, []))
    check("and all pages are kept", edge.hits(), PAGES)
    dies_on_the_way(sqs, url, environment)
    check("nothing was purged", (count(sqs, url), edge.invalidations()), (1, []))

    items = ["#product:1", "#products"]
    with function(SHOP, **environment, AWS_ENDPOINT_URL_CLOUDFRONT=edge.cloudfront.meta.endpoint_url) as worker:
        works(sqs, url, worker, edge.invalidations)
        check("what is purged", edge.invalidations(), [items])
        check("the list", [edge.get("/")[0], "for 31 €" in edge.get("/")[1]], [False, True])
        check("the product", [edge.get("/products/1")[0], "for 31 €" in edge.get("/products/1")[1]], [False, True])
        works(sqs, url, worker, lambda: count(sqs, url) == 0)
        check("both rounds", edge.invalidations(), [items, items])
        check("no warning", "WARN" in worker.said(), False)
    check("pages that show nothing of it", edge.hits(), ["/about", "/products/0", "/products/2"])


def manifest(folder, name):
    file = folder / name
    environment = {"SHOP": str(folder), "EDGE_MANIFEST": "1", "STAGE": "prod"}
    file.write_bytes(subprocess.run([SHOP], check=True, env=environment, stdout=subprocess.PIPE).stdout)
    return file


def style_is_deployed(edge, folder, started):
    check("before", edge.hits(), PAGES)
    old = manifest(folder, "old.json")
    purged = len(edge.invalidations())
    (folder / "static/product.css").write_text("h1 { color: #393 }")
    new = manifest(folder, "new.json")
    was = edge.get("/products/0")[1]
    with started():
        command = [FORWARD, "purge", "--distribution", edge.id, "--from", old, "--to", new]
        keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
        keys["AWS_ENDPOINT_URL_CLOUDFRONT"] = edge.cloudfront.meta.endpoint_url
        said = subprocess.run(command, check=True, env=keys, stdout=subprocess.PIPE, text=True).stdout
        check("which pages, and why", "template product.html (static file product.css)" in said, True)
        [items] = edge.invalidations()[purged:]
        had = json.loads(old.read_text())
        gone = [had["closures"][name]["tag"] for name in ("template product.html", "static file product.css")]
        check("what is purged", items, sorted(f"#{tag}" for tag in [*gone, had["whole"]]))
        check("pages that have another style sheet", edge.hits(), ["/", "/about"])
        check("the new style", edge.get("/products/0")[1] == was, False)


begun = time.monotonic()
with cloud() as aws, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as moto:
    folder = Path(folder)
    for name in ("templates", "static"):
        shutil.copytree(ROOT / "examples/edge" / name, folder / name)
    port = free_port()
    moto.enter_context(running([MOTO, "-H", "127.0.0.1", "-p", str(port)], port))
    edge = Edge(aws.client("cloudfront", f"http://127.0.0.1:{port}"))
    sqs = aws.client("sqs")
    # As short as a test may wait for the next delivery.
    url = queue(sqs, "shop", visibility=5)
    environment = aws.environment | {"DISTRIBUTION_ID": edge.id, "QUEUE_URL_SHOP": url}

    @contextlib.contextmanager
    def started():
        edge.origin = free_port()
        settings = {"PORT": str(edge.origin), "SHOP": str(folder), "PRICES": str(folder / "prices.json"), "STAGE": "prod"}
        with running([SHOP], edge.origin, env=environment | settings):
            yield

    with started():
        check("at first", (edge.hits(), edge.hits()), ([], PAGES))
        price_changes(edge, sqs, url, environment)
    style_is_deployed(edge, folder, started)
figures("a purge's whole way", begun, invalidations=edge.followed)
