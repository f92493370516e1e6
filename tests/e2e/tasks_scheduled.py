"""Tasks that wait for days: moto is EventBridge Scheduler, MiniStack is SQS and DynamoDB. The time of a schedule does not come here:
the test does then what the schedule says. The poster, the canceller and the worker are `soak.rs`."""

import contextlib
import json
import socket
import subprocess
import time
import urllib.request

from harness import ROOT, check, free_port, running, wait
from queues import Killable, cloud, count, figures, queue, sqs_event

SOAK = ROOT / "target/debug/examples/soak"
MOTO = ROOT / "target/scaffold-tools/bin/moto_server"
ROLE = "arn:aws:iam::000000000000:role/scheduler"
DAY = 24 * 60 * 60


def soak(environment, *arguments):
    command = [SOAK, *map(str, arguments)]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def store(dynamodb):
    dynamodb.create_table(
        TableName="done",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
    )


def schedule(scheduler, name):
    """The one schedule of this name, as it has to be; what it will send."""
    found = scheduler.get_schedule(Name=name)
    target = found["Target"]
    check("the target", (target["Arn"], target["RoleArn"]), ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", ROLE))
    check("the window", found["FlexibleTimeWindow"], {"Mode": "OFF"})
    due = time.mktime(time.strptime(found["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)")) - time.timezone
    check("the zone", found["ScheduleExpressionTimezone"], "UTC")
    check("it comes in the minute after its time", 0 <= due - time.time() - 2 * DAY + 5 <= 65, True)
    return json.loads(target["Input"])


def names(scheduler):
    return [each["Name"] for each in scheduler.list_schedules()["Schedules"]]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def works(sqs, url, port):
    """What Lambda does with a queue, until it is empty."""

    def turn():
        answer = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            event = json.dumps(sqs_event(url, message)).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{port}/", event)
            if not json.load(urllib.request.urlopen(request))["batchItemFailures"]:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return count(sqs, url) == 0

    wait("the worker is done", turn, 60)


begun = time.monotonic()
with cloud() as here, contextlib.ExitStack() as servers:
    port, at_moto = free_port(), free_port()
    servers.enter_context(running([MOTO, "-H", "127.0.0.1", "-p", str(at_moto)], at_moto))
    scheduler = here.client("scheduler", f"http://127.0.0.1:{at_moto}")
    sqs = here.client("sqs")
    store(here.client("dynamodb"))
    url = queue(sqs, "later")
    effects = ROOT / "target/scheduled-effects"
    effects.unlink(missing_ok=True)
    environment = here.environment | {
        "QUEUE": url,
        "AWS_ENDPOINT_URL_SCHEDULER": f"http://127.0.0.1:{at_moto}",
        "SCHEDULER_ROLE_ARN": ROLE,
    }

    name = soak(environment, "later", 2 * DAY, "a", 1)
    check("posted again", soak(environment, "later", 2 * DAY, "a", 1), name)
    soak(environment, "later", 2 * DAY, "a", 2)
    soak(environment, "later", 0, "a", 3)
    check("what waits, and what need not wait", (len(names(scheduler)), count(sqs, url)), (2, 1))
    check("cancelled, and cancelled again", [soak(environment, "cancel", "a", 2) for _ in range(2)], ["true", "false"])
    check("what is left", names(scheduler), [name])

    sent = schedule(scheduler, name)
    check("the queue, the group, the body", (sent["QueueUrl"], sent["MessageGroupId"]), (url, "a"))
    check("the body", json.loads(sent["MessageBody"]), {"group": "a", "number": 1})
    settings = {"EFFECTS": str(effects), "SHARE": "0"}
    with Killable([SOAK, "work", str(port)], env=environment | settings):
        wait("the worker", lambda: listens(port))
        # Scheduler delivers at least once: within five minutes the queue knows it again, and later the store.
        for again in ({}, {}, {"MessageDeduplicationId": "another"}):
            sqs.send_message(**(sent | again))
            works(sqs, url, port)
    check("what has run", effects.read_text().splitlines(), ["a 3", "a 1"])
figures("tasks that wait for days", begun, schedules=2, runs=2)
