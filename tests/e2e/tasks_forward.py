"""`forward` between MiniStack and a function: what it sends, what it deletes, and what survives `kill -9`."""

import base64
import contextlib
import http.client
import http.server
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness import ROOT, check, free_port, listens, wait
from queues import FORWARD, REGION, Killable, cloud, count, figures, judge, numbers, queue, send


@contextlib.contextmanager
def function(answer):
    """A function on a free port. `answer(name, event)` gives status, header fields and body, or None to hang up."""

    class Function(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            name = self.path.removeprefix("/2015-03-31/functions/").removesuffix("/invocations")
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answered = answer(name, event)
            if answered is None:
                self.close_connection = True
                return
            status, fields, body = answered
            self.send_response(status)
            for field in {"Content-Length": len(body), **fields}.items():
                self.send_header(field[0], str(field[1]))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Function)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def forward(cloud, port, *arguments):
    return [FORWARD, "forward", "--invoke-endpoint", f"http://127.0.0.1:{port}", *arguments], {"env": cloud.environment}


def once(cloud, port, *arguments, **environment):
    command, options = forward(cloud, port, "--once", "--json", *arguments)
    options["env"] = options["env"] | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def sends_the_event_of_lambda(cloud, sqs):
    events = []
    url = queue(sqs, "event")
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="<ä>",
        MessageGroupId="g",
        MessageDeduplicationId="d",
        MessageAttributes={
            "task": {"DataType": "String", "StringValue": "mail"},
            "raw": {"DataType": "Binary.png", "BinaryValue": b"\xff\x00"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}},
    )
    with function(lambda _, event: events.append(event) or (200, {}, "null")) as port:
        ended = once(cloud, port, "-e", "event.fifo->worker")
    check("the exit code", (ended.returncode, count(sqs, url)), (0, 0))
    ((record,),) = (event["Records"] for event in events)
    handle, attributes = record.pop("receiptHandle"), record.pop("attributes")
    check("a receipt handle", bool(handle), True)
    raw = base64.b64encode(b"\xff\x00").decode()
    lists = {"stringListValues": [], "binaryListValues": []}
    wanted = {
        "messageId": sent["MessageId"],
        "body": "<ä>",
        "messageAttributes": {
            "task": {"stringValue": "mail", "dataType": "String", **lists},
            "raw": {"binaryValue": raw, "dataType": "Binary.png", **lists},
        },
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:000000000000:event.fifo",
        "awsRegion": REGION,
    }
    check("the record", record, wanted)
    check("the count of tries", attributes["ApproximateReceiveCount"], "1")
    names = {"MessageGroupId", "MessageDeduplicationId", "SequenceNumber", "SenderId", "SentTimestamp", "AWSTraceHeader"}
    check("attributes that are missing", names - attributes.keys(), set())
    line = json.loads(ended.stdout)
    check("what is told", (line["message_id"], line["group"], line["outcome"]), (sent["MessageId"], "g", "done"))
    check("no body is told", "<ä>" in ended.stdout + ended.stderr, False)


def failures(*items):
    return json.dumps({"batchItemFailures": list(items)})


# An answer to a batch of three messages, and how many of them it deletes. `first` is the id of the first.
ANSWERS = {
    "empty": (lambda first: (200, {}, ""), 0),
    "cut": (lambda first: (200, {}, '{"batchItemFailures":['), 0),
    "text": (lambda first: (200, {}, '"ok"'), 0),
    "no-list": (lambda first: (200, {}, '{"batchItemFailures":{}}'), 0),
    "wrong-key": (lambda first: (200, {}, failures({"ItemIdentifier": first})), 0),
    "empty-id": (lambda first: (200, {}, failures({"itemIdentifier": ""})), 0),
    "null-id": (lambda first: (200, {}, failures({"itemIdentifier": None})), 0),
    "unknown-id": (lambda first: (200, {}, failures({"itemIdentifier": first}, {"itemIdentifier": "x"})), 0),
    "number-id": (lambda first: (200, {}, failures({"itemIdentifier": 1})), 0),
    "function-error": (lambda first: (200, {"X-Amz-Function-Error": "Unhandled"}, "{}"), 0),
    "status-500": (lambda first: (500, {}, "{}"), 0),
    "hung-up": (lambda first: None, 0),
    "cut-body": (lambda first: (200, {"Content-Length": 100}, "{}"), 0),
    "null": (lambda first: (200, {}, "null"), 3),
    "object": (lambda first: (200, {}, "{}"), 3),
    "null-list": (lambda first: (200, {}, '{"batchItemFailures":null}'), 3),
    "empty-list": (lambda first: (200, {}, failures()), 3),
    "partial": (lambda first: (200, {}, failures({"itemIdentifier": first})), 2),
}


def deletes_by_the_table(cloud, sqs):
    begun = time.monotonic()
    urls = {name: queue(sqs, name) for name in ANSWERS}
    for url in urls.values():
        send(sqs, url, [(f"g{n}", str(n)) for n in range(3)])
    routes = [argument for name in ANSWERS for argument in ("-e", f"{name}.fifo->{name}")]
    with function(lambda name, event: ANSWERS[name][0](event["Records"][0]["messageId"])) as port:
        ended = once(cloud, port, *routes)
    deleted = {name: 3 - count(sqs, url) for name, url in urls.items()}
    check("what was deleted", deleted, {name: deleted for name, (_, deleted) in ANSWERS.items()})
    check("the exit code where something is not done", ended.returncode, 1)
    figures("I10, the table of answers", begun, as_AWS_says=f"{len(deleted)}/{len(ANSWERS)}")


def keeps_what_is_worked_on_hidden(cloud, sqs):
    """A function that takes three times the visibility timeout sees each message once, even if another one polls."""
    url = queue(sqs, "slow", visibility=1)
    send(sqs, url, [("g", str(n)) for n in range(3)])
    seen = []

    def slow(_, event):
        seen.append([record["body"] for record in event["Records"]])
        time.sleep(3.5)
        return 200, {}, "{}"

    with function(slow) as port:
        command, options = forward(cloud, port, "-e", "slow.fifo->worker")
        with Killable(command, **options), Killable(command, **options):
            wait("the slow batch is done", lambda: count(sqs, url) == 0)
    check("batches", seen, [["0", "1", "2"]])


def ends_when_told(cloud, sqs):
    """Ctrl-C: the invocation under way ends and counts, and nothing else stays hidden."""
    url = queue(sqs, "stop", visibility=60)
    send(sqs, url, [("g", str(n)) for n in range(4)])
    begun, go = threading.Event(), threading.Event()

    def waits(*_):
        begun.set()
        return (200, {}, "{}") if go.wait(30) else None

    with function(waits) as port:
        command, options = forward(cloud, port, "-e", "stop.fifo->worker", "--batch-size", "2")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)
        check("an invocation", begun.wait(30), True)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        check("it waits", process.poll(), None)
        go.set()
        process.communicate(timeout=30)
        check("the exit code", process.returncode, 0)
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        check("what is left", [left[name] for name in names], ["2", "0"])

        begun.clear()
        go.clear()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        check("another invocation", begun.wait(30), True)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        check("the exit code of the second time", process.wait(5), 130)
        go.set()
    check("nothing more was deleted", count(sqs, url), 2)


def takes_nothing_for_nobody(cloud, sqs):
    """No function, no message: to receive one counts as a try, and tries lead to the dead letters."""
    url = queue(sqs, "nobody", dead_letters_after=2)
    send(sqs, url, [("g", "1")])
    ended = once(cloud, free_port(), "-e", "nobody.fifo->worker")
    check("without a function", (ended.returncode, "nothing listens" in ended.stderr), (1, True))
    answer = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    check("tries", answer["Messages"][0]["Attributes"]["ApproximateReceiveCount"], "1")


def leaves_deployed_queues_alone(cloud, sqs):
    """0.0.0.0 is this machine but no loopback address; Lambda's list is a stub."""
    url = queue(sqs, "theirs")
    send(sqs, url, [("g", "1")])
    asked = []

    class Lambda(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            body = json.dumps({"EventSourceMappings": [{"FunctionArn": "arn:theirs", "State": "Enabled"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Lambda)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    elsewhere = {"AWS_ENDPOINT_URL_SQS": cloud.url.replace("127.0.0.1", "0.0.0.0")}
    theirs = elsewhere | {"AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{server.server_address[1]}"}
    with function(lambda *_: (200, {}, "{}")) as port:
        refused = once(cloud, port, "-e", "theirs.fifo->worker", **theirs)
        check("a queue of somebody else", (refused.returncode, count(sqs, url)), (1, 1))
        check("why", "arn:theirs" in refused.stderr and "--steal" in refused.stderr, True)
        ((path, authorization),) = asked
        arn = f"arn%3Aaws%3Asqs%3A{REGION}%3A000000000000%3Atheirs.fifo"
        check("what Lambda is asked", path, f"/2015-03-31/event-source-mappings/?EventSourceArn={arn}")
        check("signed for", f"/{REGION}/lambda/aws4_request" in authorization, True)
        blind = theirs | {"AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{free_port()}"}
        stolen = once(cloud, port, "-e", "theirs.fifo->worker", "--steal", **theirs)
        check("stolen", (stolen.returncode, count(sqs, url), len(asked)), (0, 0, 1))
        warned = once(cloud, port, "-e", "theirs.fifo->worker", **blind)
        check("not permitted to ask", (warned.returncode, "warning" in warned.stderr), (0, True))
    server.shutdown()


def survives_kills(cloud, sqs):
    begun = time.monotonic()
    chance = random.Random(10)
    groups = {f"g{n}": 50 for n in range(20)}
    url = queue(sqs, "kills", visibility=1)
    send(sqs, url, [(group, str(n)) for n in range(50) for group in groups])
    with tempfile.TemporaryDirectory() as folder:
        log, port = Path(folder) / "effects", free_port()
        app = Killable([sys.executable, ROOT / "tests/e2e/function.py", str(port), log, "0.02"])
        command, options = forward(cloud, port, "-e", "kills.fifo->worker")
        with app, Killable(command, **options) as forwarder:
            while app.kills < 50 or forwarder.kills < 20:
                time.sleep(chance.uniform(0.2, 0.8))
                victim = chance.choices([app, forwarder], [50 - app.kills, 20 - forwarder.kills])[0]
                victim.kill()
                check("there was work to the last kill", count(sqs, url) > 0, True)
            wait("the queue is empty", lambda: count(sqs, url) == 0, 90)
        effects = numbers(log)
    judged = judge(effects, groups)
    figures("I10, kill -9", begun, messages=1000, of_the_function=app.kills, of_forward=forwarder.kills, **judged)
    check("lost and out of order", (judged["lost"], judged["inverted"]), (0, 0))
    check("kills have been felt", judged["twice"] > 0, True)


def sees_what_is_lost(cloud, sqs):
    """The same, by a forwarder that deletes first: it must be found out."""
    begun = time.monotonic()
    groups = {f"g{n}": 10 for n in range(10)}
    url = queue(sqs, "naive", visibility=1)
    send(sqs, url, [(group, str(n)) for n in range(10) for group in groups])
    with tempfile.TemporaryDirectory() as folder:
        log, port = Path(folder) / "effects", free_port()
        with Killable([sys.executable, ROOT / "tests/e2e/function.py", str(port), log, "0.02"]) as app:
            while count(sqs, url) > 0:
                wait("the function", lambda: listens(port))
                kill = threading.Timer(0.1, app.kill)
                kill.start()
                naively(sqs, url, port)
                kill.join()
        judged = judge(numbers(log), groups)
    figures("I10, by a forwarder that deletes first", begun, messages=100, kills=app.kills, **judged)
    check("what it loses is seen", judged["lost"] > 0, True)


def naively(sqs, url, port):
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    records = [{"attributes": message["Attributes"], "body": message["Body"]} for message in messages]
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/", json.dumps({"Records": records}))
        connection.getresponse().read()


def rescues_dead_letters(cloud, sqs):
    """`tasks`: what is listed is there afterwards, and what is sent back comes in its order and as the same task."""
    begun = time.monotonic()
    url = queue(sqs, "rescue", dead_letters_after=100)
    dead = sqs.get_queue_url(QueueName="dead-rescue.fifo")["QueueUrl"]
    text = lambda value: {"DataType": "String", "StringValue": value}
    letters = [(f"g{n // 10}", n) for n in range(100)]
    for start in range(0, len(letters), 10):
        entries = [
            {
                "Id": str(n),
                "MessageGroupId": group,
                "MessageDeduplicationId": f"dlq-{n}:own-{n}",
                "MessageBody": str(n),
                "MessageAttributes": {
                    "chalice-task": text("mail" if int(group[1:]) % 2 else "bill"),
                    "chalice-key": text(f"key-{n}"),
                    "chalice-dead-reason": text("told to"),
                    "chalice-dead-attempts": text("5"),
                },
            }
            for group, n in letters[start : start + 10]
        ]
        sqs.send_message_batch(QueueUrl=dead, Entries=entries)

    def tasks(*arguments):
        command = [FORWARD, "tasks", *arguments, "--queue", "rescue.fifo", "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=cloud.environment)
        check(f"tasks {arguments}", ended.returncode, 0)
        return [json.loads(line) for line in ended.stdout.splitlines()]

    listed = tasks("list", "--dead")
    check("all are listed", len({line["message_id"] for line in listed}), 100)
    check("with their reasons", {(line["reason"], line["attempts"]) for line in listed}, {("told to", 5)})
    sent_back = tasks("redrive", "--name", "mail")
    check("what was listed was given back, and half of it is sent", (len(sent_back), count(sqs, dead)), (50, 50))
    check("the rest", len(tasks("redrive", "--all")), 50)
    check("both queues", (count(sqs, url), count(sqs, dead)), (100, 0))
    received = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            own = message["MessageAttributes"]
            number = int(message["Body"])
            check("its key", own["chalice-key"]["StringValue"], f"key-{number}")
            check("nothing of its death", set(own), {"chalice-task", "chalice-key"})
            received.append((message["Attributes"]["MessageGroupId"], number))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    judged = judge(received, {f"g{n}": 10 for n in range(10)})
    figures("dead letters, listed and sent back", begun, letters=100, **judged)
    check("once each, in order", judged, {"lost": 0, "inverted": 0, "twice": 0})


with cloud() as here:
    client = here.client("sqs")
    sends_the_event_of_lambda(here, client)
    deletes_by_the_table(here, client)
    keeps_what_is_worked_on_hidden(here, client)
    ends_when_told(here, client)
    takes_nothing_for_nobody(here, client)
    leaves_deployed_queues_alone(here, client)
    rescues_dead_letters(here, client)
    survives_kills(here, client)
    sees_what_is_lost(here, client)
