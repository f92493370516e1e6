"""Tasks under faults: a worker that is killed, deliveries that come twice, a network that loses answers, a task that always
fails. The worker and the poster are `soak.rs`, `forward` is between, MiniStack is SQS and DynamoDB, microburst the network.

Each scene also runs with something broken on purpose and must find it out. One alone: `tasks_soak.py i4`.
"""

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import botocore.exceptions
from harness import ROOT, check, free_port, get, listens, running, wait
from queues import FORWARD, Killable, cloud, count, figures, judge, numbers, queue, send

SOAK = ROOT / "target/debug/examples/soak"
MICROBURST = ROOT / "target/microburst/bin/microburst"
SEED = 5


# Where a machine is too slow for all messages of a scene within this time, the scene ends with as many as it could. 45 s is
# the long form, for a release.
SECONDS = int(os.environ.get("SOAK_SECONDS", "15"))
KILLS = 100 * SECONDS // 45


def tables(cloud):
    """Fresh ones."""
    dynamodb = cloud.client("dynamodb")
    for name, key in (("done", "key"), ("effects", "group")):
        with contextlib.suppress(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.delete_table(TableName=name)
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return dynamodb


def steps(groups, first, last):
    """Of each group the steps from the first to before the last, in turns."""
    for number in range(first, last):
        for group in groups:
            yield group, json.dumps({"task": "step", "group": group, "number": number})


class Work:
    """A queue, a worker that may be killed, and what it leaves behind."""

    def __init__(self, cloud, name, groups, dead_letters_after=None, **settings):
        self.cloud, self.name, self.groups, self.settings = cloud, name, [f"g{n}" for n in range(groups)], settings
        self.sqs, self.dynamodb, self.port, self.size = cloud.client("sqs"), tables(cloud), free_port(), 0
        self.url = queue(self.sqs, name, visibility=1, dead_letters_after=dead_letters_after)
        self.folder = tempfile.TemporaryDirectory()
        self.effects, self.tries = (Path(self.folder.name) / file for file in ("effects", "tries"))

    def worker(self, port=None):
        files = {"EFFECTS": str(self.effects), "TRIES": str(self.tries), "QUEUE": f"{self.name}.fifo"}
        return Killable([SOAK, "work", str(port or self.port)], env=self.cloud.environment | files | self.settings)

    def container(self, port, **environment):
        files = {"EFFECTS": str(self.effects), "TRIES": str(self.tries), "QUEUE": f"{self.name}.fifo"}
        served = {"STAGE": "prod", "HOST": "127.0.0.1", "PORT": str(port)}
        return Killable([SOAK, "serve"], env=self.cloud.environment | files | served | self.settings | environment)

    def forward(self, **environment):
        invoke = f"http://127.0.0.1:{self.port}"
        command = [FORWARD, "forward", "-e", f"{self.name}.fifo->worker", "--invoke-endpoint", invoke]
        return Killable(command, env=self.cloud.environment | environment)

    def send(self, size):
        """More steps for each group, up to so many messages."""
        size = size // len(self.groups)
        send(self.sqs, self.url, list(steps(self.groups, self.size, size)), self.size * len(self.groups))
        self.size = size

    def feed(self, size, meanwhile=lambda: time.sleep(0.1), enough=lambda: True):
        """Keeps a few messages in the queue until there were so many and it is enough, and until the queue is empty."""
        end, wave = time.monotonic() + SECONDS, 10 * len(self.groups)
        more = True
        while more or self.left():
            more = time.monotonic() < end and (self.messages() < size or not enough())
            if more and self.left() < wave // 2:
                self.send(self.messages() + wave)
            if time.monotonic() > end + 60:
                raise TimeoutError(f"{self.name}: {self.left()} messages are left in the queue")
            meanwhile()

    def left(self):
        return count(self.sqs, self.url)

    def messages(self):
        return self.size * len(self.groups)

    def judge(self, effects=None):
        effects = numbers(self.effects) if effects is None else effects
        judged = judge(effects, dict.fromkeys(self.groups, self.size))
        return judged | {"tried_again": len(numbers(self.tries)) - self.messages()}

    def told(self):
        """The effects that are in the table, group by group in their order."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName="effects", ConsistentRead=True)
        rows = [row for page in pages for row in page["Items"]]
        return [(row["group"]["S"], int(step["N"])) for row in rows for step in row["steps"]["L"]]


def killed(work, size, kills):
    """Works a queue off while the worker is killed again and again."""
    chance = random.Random(SEED)
    with work.worker() as worker, work.forward(), work.forward(), work.forward():

        def kill():
            time.sleep(chance.uniform(0.05, 0.35))
            if worker.kills < kills:
                worker.kill()

        work.feed(size, kill, lambda: worker.kills >= kills)
        check("kills", worker.kills, kills)


def i2(cloud):
    """kill -9, effects in the transaction of the mark that a task is done: each happens once, in order."""
    begun = time.monotonic()
    work = Work(cloud, "i2", 50, EFFECTS_TABLE="effects")
    killed(work, 10_000, KILLS)
    judged = work.judge(work.told())
    figures("I2, kill -9, effects in the transaction", begun, messages=work.messages(), kills=KILLS, **judged)
    check("lost, out of order, twice", (judged["lost"], judged["inverted"], judged["twice"]), (0, 0, 0))
    check("kills have been felt", judged["tried_again"] > 0, True)

    begun = time.monotonic()
    broken = Work(cloud, "i2-broken", 50, BROKEN="store", TAKES="40")
    killed(broken, 1_000, 10)
    judged = broken.judge()
    figures("I2 without a store", begun, messages=broken.messages(), kills=10, **judged)
    check("that it does things twice is seen", judged["twice"] > 0, True)


def i3(cloud):
    """kill -9, effects outside of the transaction: nothing is lost; what was done and not yet marked happens again."""
    begun = time.monotonic()
    work = Work(cloud, "i3", 50, FAILS="10")
    killed(work, 10_000, KILLS)
    judged = work.judge()
    figures("I3, kill -9, effects outside", begun, messages=work.messages(), kills=KILLS, **judged)
    check("lost, out of order", (judged["lost"], judged["inverted"]), (0, 0))
    # Three batches of ten may be under way.
    check("no more twice than were under way", judged["twice"] <= KILLS * 30, True)

    begun = time.monotonic()
    # Few groups, so that a batch has several steps of each.
    broken = Work(cloud, "i3-broken", 2, BROKEN="group-skip", FAILS="200")
    with broken.worker(), broken.forward():
        broken.feed(100)
    judged = broken.judge()
    figures("I3 where a failure does not stop its group", begun, messages=broken.messages(), **judged)
    check("that it breaks the order is seen", judged["inverted"] > 0, True)


def delivered(work, deliveries):
    """Gives each event 2 to 5 times, to two workers at once, until there were so many deliveries. How many there were."""
    chance, end, given = random.Random(SEED), time.monotonic() + SECONDS, 0
    ports = [work.port, free_port()]
    connections = threading.local()

    def invoke(port, event):
        if port not in vars(connections):
            setattr(connections, str(port), http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        connection = getattr(connections, str(port))
        connection.request("POST", "/", event)
        answer = connection.getresponse()
        check("the worker's answer", (answer.status, bool(answer.read())), (200, True))

    with work.worker(ports[0]), work.worker(ports[1]), ThreadPoolExecutor(5) as pool:
        for port in ports:
            wait("the worker", lambda port=port: listens(port))
        while given < deliveries and time.monotonic() < end:
            records = [record(f"{group}-{work.size}", group, body) for group, body in steps(work.groups, work.size, work.size + 1)]
            event, times = json.dumps({"Records": records}), chance.randint(2, 5)
            list(pool.map(invoke, (ports[n % 2] for n in range(times)), [event] * times))
            work.size += 1
            given += times * len(records)
    return given


def record(key, group, body):
    return {
        "messageId": key,
        "receiptHandle": "",
        "body": body,
        "attributes": {"MessageGroupId": group, "MessageDeduplicationId": key, "ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:i4.fifo",
    }


def i4(cloud):
    """The same events again and again, in two processes at once."""
    begun = time.monotonic()
    work = Work(cloud, "i4", 10, TAKES="2", LEASE="60000")
    given = delivered(work, 20_000)
    judged = work.judge()
    figures("I4, duplicate deliveries", begun, deliveries=given, messages=work.messages(), **judged)
    check("lost, out of order, twice", (judged["lost"], judged["inverted"], judged["twice"]), (0, 0, 0))

    begun = time.monotonic()
    broken = Work(cloud, "i4-broken", 10, TAKES="2", BROKEN="store")
    given = delivered(broken, 500)
    judged = broken.judge()
    figures("I4 without a store", begun, deliveries=given, messages=broken.messages(), **judged)
    check("that it does things twice is seen", judged["twice"] > 0, True)


@contextlib.contextmanager
def bad_network(cloud, *operations):
    """The endpoint of SQS behind microburst: of these calls, 30 % are done and their answer is lost, 10 % meet a reset,
    10 % a throttle, 5 % a 503. The first rule that hits counts, so that each is a share of what is left."""
    faults = [
        (0.3, {"response": {"abort_frac": 0.3}}),
        (1 / 7, {"reset": True}),
        (1 / 6, {"error": {"code": "ThrottlingException", "status": 400}}),
        (1 / 10, {"error": {"code": "ServiceUnavailable", "status": 503}}),
    ]
    rules = [
        {"service": "sqs", "operation": operation, "probability": probability, **fault}
        for operation in operations
        for probability, fault in faults
    ]
    port = free_port()
    start = f"import random, runpy; random.seed({SEED}); runpy.run_module('microburst', run_name='__main__')"
    command = [MICROBURST.with_name("python"), "-c", start, "--upstream", cloud.url, "--port", str(port)]
    with running(command, port, env={"PATH": os.environ["PATH"]}):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/_microburst/rules", json.dumps(rules), {"Content-Type": "application/json"})
        check("the faults are set", connection.getresponse().status, 200)
        yield f"http://127.0.0.1:{port}"


def posted(cloud, name, groups, size, endpoint, **settings):
    """Posts through a bad network. What was said of each step, and what is in the queue."""
    sqs = cloud.client("sqs")
    url = queue(sqs, name)
    settings |= {"QUEUE": url, "GROUPS": str(groups), "COUNT": str(size // groups), "SECONDS": str(SECONDS)}
    environment = cloud.environment | {"AWS_ENDPOINT_URL_SQS": endpoint} | settings
    poster = subprocess.run([SOAK, "post"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    said = {(group, int(number)): word for group, number, word in map(str.split, poster.stdout.splitlines())}
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [(body["group"], body["number"]) for body in (json.loads(message["Body"]) for message in messages)]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return said, found


def i5(cloud):
    """Posting through a bad network."""
    begun = time.monotonic()
    with bad_network(cloud, "SendMessage") as endpoint:
        said, found = posted(cloud, "i5", 20, 5_000, endpoint)
        words = {word: {step for step, other in said.items() if other == word} for word in ("yes", "maybe", "no")}
        lost, twice = len(words["yes"] - set(found)), judge(found, {})["twice"]
        # What may be there gets there when it likes.
        inverted = judge([step for step in found if step in words["yes"]], {})["inverted"]
        counts = {f"said_{word}": len(steps) for word, steps in words.items()}
        figures("I5, posts", begun, **counts, lost=lost, twice=twice, inverted=inverted)
        check("lost, twice, out of order", (lost, twice, inverted), (0, 0, 0))
        check("some posts were confirmed", bool(words["yes"]), True)
        check("what is said not to be there", words["no"] & set(found), set())

        begun = time.monotonic()
        said, found = posted(cloud, "i5-broken", 5, 200, endpoint, BROKEN="id")
        twice = judge(found, {})["twice"]
        figures("I5 with a new id for each attempt", begun, posts=len(said), twice=twice)
        check("that it posts twice is seen", twice > 0, True)


def i6(cloud):
    """Receiving, hiding and deleting through a bad network."""
    begun = time.monotonic()
    with bad_network(cloud, "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch") as endpoint:
        bad = {"AWS_ENDPOINT_URL_SQS": endpoint}
        work = Work(cloud, "i6", 50, FAILS="10", **bad)
        with work.worker(), contextlib.ExitStack() as stack:
            for _ in range(6):
                stack.enter_context(work.forward(**bad))
            work.feed(5_000)
        judged = work.judge()
        figures("I6, receives and deletes", begun, messages=work.messages(), **judged)
        check("lost, out of order, twice", (judged["lost"], judged["inverted"], judged["twice"]), (0, 0, 0))

        begun = time.monotonic()
        broken = Work(cloud, "i6-broken", 10, BROKEN="store")
        with broken.worker():
            wait("the worker", lambda: listens(broken.port))
            # Which deletions fail is chance; that none of so many does is not.
            for size in range(60, 1260, 60):
                broken.send(size)
                carelessly(broken, endpoint)
                if (judged := broken.judge())["twice"]:
                    break
        figures("I6 where a deletion is not tried again, without a store", begun, messages=broken.messages(), **judged)
        check("that it does things twice is seen", judged["twice"] > 0, True)


def carelessly(work, endpoint):
    """Forwards what it gets, and does not look back."""
    sqs = work.cloud.client("sqs", endpoint, attempts=1)
    while work.left():
        with contextlib.suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            messages = sqs.receive_message(QueueUrl=work.url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages", [])
            records = [record(message["MessageId"], message["Attributes"]["MessageGroupId"], message["Body"]) for message in messages]
            connection = http.client.HTTPConnection("127.0.0.1", work.port, timeout=60)
            connection.request("POST", "/", json.dumps({"Records": records}))
            connection.getresponse().read()
            entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=work.url, Entries=entries)


def poisoned(cloud, name, **settings):
    """One step fails each time. How often each was tried, when its group went on, and the dead letters."""
    work = Work(cloud, name, 20, dead_letters_after=5, POISON="g7 4", **settings)
    work.send(400)
    with work.worker(), work.forward():
        wait("the queue is empty", lambda: work.left() == 0, 90)
    tries = numbers(work.tries)
    after = tries[len(tries) - tries[::-1].index(("g7", 4)) :]
    letters = dead_letters(work)
    followers = [number for group, number in after if group == "g7"]
    return {
        "others tried once": all(tries.count(step) == 1 for step in tries if step != ("g7", 4)),
        "tries": tries.count(("g7", 4)),
        "followers in order, after": followers == list(range(5, 20)),
        "dead letters": letters,
    }


def dead_letters(work):
    """The group and the number of each, in their order."""
    dead, letters = f"{work.url.rsplit('/', 1)[0]}/dead-{work.name}.fifo", []
    while messages := work.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages"):
        letters += [(message["Attributes"]["MessageGroupId"], json.loads(message["Body"])["number"]) for message in messages]
        entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        work.sqs.delete_message_batch(QueueUrl=dead, Entries=entries)
    return letters


def heads(cloud, name, **settings):
    """Of group g7 the first seven steps fail each time, and so on from g0 to g9: more than one batch of each."""
    work = Work(cloud, name, 10, dead_letters_after=100, HEADS="yes", **settings)
    work.send(140)
    with work.worker(), work.forward(), work.forward():
        # Each of nine has five attempts. MiniStack gives out nothing of a group before the last of it is no more hidden.
        wait("the queue is empty", lambda: work.left() == 0, 300)
    tries, done, dead = numbers(work.tries), numbers(work.effects), dead_letters(work)

    def of(steps, group):
        return [number for other, number in steps if other == group]

    fine = [(f"g{n}", number) for n in range(10) for number in range(n, 14)]
    return {
        "dead letters are those that failed, in order": all(of(dead, f"g{n}") == list(range(n)) for n in range(10)),
        "all others are done, in order": all(of(done, f"g{n}") == list(range(n, 14)) for n in range(10)),
        "others tried once": all(tries.count(step) == 1 for step in fine),
        "the most tries": max(tries.count(step) for step in tries),
    }


def unburied(cloud):
    """Where the queue has no dead letters, a group waits for its head."""
    work = Work(cloud, "i7-none", 1, POISON="g0 0")
    work.send(2)
    with work.worker(), work.forward():
        wait("tries", lambda: numbers(work.tries).count(("g0", 0)) > 6, 30)
    return {"left": work.left(), "follower tried": ("g0", 1) in numbers(work.tries)}


def i7(cloud):
    """One poisonous task in one of 20 groups; and up to nine at the head of a group."""
    begun = time.monotonic()
    seen = poisoned(cloud, "i7")
    figures("I7, a poisonous task", begun, messages=400, **seen)
    wanted = {"others tried once": True, "tries": 5, "followers in order, after": True, "dead letters": [("g7", 4)]}
    check("what became of it", seen, wanted)

    begun = time.monotonic()
    seen = poisoned(cloud, "i7-broken", BROKEN="group-skip")
    figures("I7 where a failure does not stop its group", begun, messages=400, **seen)
    check("that followers overtake it is seen", seen["followers in order, after"], False)

    wanted = {
        "dead letters are those that failed, in order": True,
        "all others are done, in order": True,
        "others tried once": True,
        "the most tries": 5,
    }
    for backoff in ("0", "1000"):
        begun = time.monotonic()
        seen = heads(cloud, f"i7-heads-{backoff}", BACKOFF=backoff)
        figures(f"I7, one to nine at the head, {backoff} ms of backoff", begun, messages=140, **seen)
        check("what became of them", seen, wanted)
    check("a queue without dead letters", unburied(cloud), {"left": 2, "follower tried": False})


def i8(cloud):
    """Tasks that go on in steps, under kill -9: each step is done, in order, and nothing of it is there twice but what ran when its
    process was killed."""
    begun, steps, kills = time.monotonic(), 20, KILLS // 3
    work = Work(cloud, "i8", 10, TAKES="20", STEPS=str(steps))
    send(work.sqs, work.url, [(group, json.dumps({"task": "climb", "group": group, "number": 0})) for group in work.groups])
    work.size, moments, end = steps, random.Random(SEED), begun + 120
    with work.worker() as worker, work.forward(), work.forward():
        # A step is posted before the one before it is deleted: the queue is empty at the end alone.
        while work.left():
            check("steps that never end", time.monotonic() < end, True)
            time.sleep(moments.uniform(0.2, 0.5))
            if worker.kills < kills:
                worker.kill()
    judged = work.judge()
    figures("I8, steps under kill -9", begun, tasks=10, steps=steps, kills=worker.kills, **judged)
    check("lost, out of order", (judged["lost"], judged["inverted"]), (0, 0))
    check("kills have been felt", worker.kills > 0 and judged["tried_again"] > 0, True)
    check("no more twice than was under way", judged["twice"] <= worker.kills * 10, True)


def i9(cloud):
    """Containers that poll by themselves: two under kill -9; then one that is told to end again and again."""
    begun, kills, ports = time.monotonic(), max(KILLS // 6, 4), (free_port(), free_port())
    work = Work(cloud, "i9", 20, dead_letters_after=100, EFFECTS_TABLE="effects", TAKES="10")
    moments = random.Random(SEED)
    with work.container(ports[0]) as first, work.container(ports[1]) as second:

        def kill():
            time.sleep(moments.uniform(0.3, 0.9))
            if first.kills < kills:
                first.kill()

        work.feed(300, kill, lambda: first.kills >= kills)
        check("the site is served too", get(ports[1], "/healthz").status, 200)
        check("the other one lives", second.process.poll(), None)
    judged, letters = work.judge(work.told()), dead_letters(work)
    figures("I9, containers under kill -9", begun, messages=work.messages(), kills=kills, **judged, dead_letters=len(letters))
    check("lost, out of order, twice", (judged["lost"], judged["inverted"], judged["twice"]), (0, 0, 0))
    check("healthy dead letters", letters, [])
    check("kills have been felt", judged["tried_again"] > 0, True)

    begun, ends, longest = time.monotonic(), 3, 0
    work = Work(cloud, "i9-ends", 10, dead_letters_after=100, TAKES="50")
    work.send(200)
    for _ in range(ends):
        with work.container(ports[0]) as container:
            tried = len(numbers(work.tries))
            wait("it works", lambda tried=tried: len(numbers(work.tries)) > tried + 10)
            container.process.terminate()
            told = time.monotonic()
            check("it ends by itself", container.process.wait(20), 0)
            longest = max(longest, time.monotonic() - told)
            check("what ran is finished", sorted(numbers(work.tries)), sorted(numbers(work.effects)))
    check("something is left", work.left() > 0, True)
    with work.container(ports[0]):
        wait("the queue is empty", lambda: work.left() == 0, 60)
    judged = work.judge()
    figures("I9, SIGTERM", begun, messages=work.messages(), ends=ends, longest_ms=round(longest * 1000), **judged)
    check("lost, out of order, tried again", (judged["lost"], judged["inverted"], judged["tried_again"]), (0, 0, 0))
    check("dead letters", dead_letters(work), [])


def chance(step):
    """What `soak.rs` makes of the name of a step."""
    value = 7
    for byte in f"{step[0]} {step[1]}".encode():
        value = (value * 31 + byte) * 7919 % 1000
    return value


def acceptance(cloud):
    """TASK_ACCEPTANCE=10000: so many messages, a hundredth as many kills, 1 % that fail each time, 1 % that end the process each
    time, and tasks of 1 to 90 % of the function's time. Only the last two become dead letters. It takes minutes to hours."""
    size = int(os.environ["TASK_ACCEPTANCE"])
    begun, kills, share = time.monotonic(), size // 100, 2000
    settings = {"POISONS": "10", "CRASHERS": "10", "SHARE": str(share), "TIME": str(share + 100), "LEASE": "3000"}
    work = Work(cloud, "acceptance", 50, dead_letters_after=100, BACKOFF="0", **settings)
    work.send(size)
    moments = random.Random(SEED)
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(work.worker())
        for _ in range(3):
            stack.enter_context(work.forward())
        killed, crashed = 0, 0
        while work.left():
            time.sleep(moments.uniform(0.1, 0.9))
            if worker.process.poll() is not None:
                crashed += 1
                worker.start()
            elif killed < kills:
                killed += 1
                worker.kill()
    effects, letters = numbers(work.effects), dead_letters(work)
    steps = [(group, number) for group in work.groups for number in range(work.size)]
    bad = {step for step in steps if chance(step) < 20}
    fine = [step for step in effects if step not in bad]
    lost = set(steps) - set(effects) - set(letters)
    judged = judge(fine, {})
    seconds = sum(share * (1 + chance(step) % 90) / 100_000 for step in steps)
    figures(
        "acceptance",
        begun,
        messages=work.messages(),
        kills=killed,
        crashes=crashed,
        dead_letters=len(letters),
        healthy_dead_letters=len(set(letters) - bad),
        lost=len(lost),
        inverted=judged["inverted"],
        twice=judged["twice"],
        work_in_seconds=round(seconds),
    )
    check("healthy dead letters, lost, out of order", (set(letters) - bad, lost, judged["inverted"]), (set(), set(), 0))
    check("all others are dead letters", bad - set(letters), set())


# The longest first.
SCENES = {"i7": i7, "i2": i2, "i6": i6, "i3": i3, "i5": i5, "i4": i4, "i8": i8, "i9": i9}
if "TASK_ACCEPTANCE" in os.environ:
    SCENES = {"acceptance": acceptance} | SCENES


def play(names):
    """Scenes in processes of their own, two at once, as a scene is mostly waiting: for messages that are hidden, for processes
    that start again."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: subprocess.run([sys.executable, __file__, name], check=True), names))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name]:
            with cloud() as here:
                SCENES[name](here)
        case names:
            play(names or SCENES)
