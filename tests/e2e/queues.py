"""What the steps about tasks share: MiniStack as SQS and DynamoDB, queues in it, and processes that can be killed."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config
from harness import BIN, ROOT, end, free_port, running

FORWARD = ROOT / "target/debug/chalice-http-toolkit"
ACCOUNT = "000000000000"
REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": REGION}


class Cloud:
    """One MiniStack."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.environment = KEYS | {
            "AWS_ENDPOINT_URL_SQS": self.url,
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
        }

    def client(self, service, endpoint=None, attempts=5):
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": REGION}
        retries = Config(retries={"total_max_attempts": attempts, "mode": "standard"})
        return boto3.client(service, endpoint_url=endpoint or self.url, config=retries, **keys)


@contextlib.contextmanager
def cloud():
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "sqs,dynamodb,s3",
        "LOG_LEVEL": "WARNING",
        # It would listen at all addresses.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    with tempfile.TemporaryDirectory() as folder, running([BIN / "ministack"], port, cwd=folder, env=environment):
        yield Cloud(port)


def queue(sqs, name, visibility=30, dead_letters_after=None):
    """The URL of a new FIFO queue."""
    attributes = {"FifoQueue": "true", "VisibilityTimeout": str(visibility)}
    if dead_letters_after:
        queue(sqs, f"dead-{name}")
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-{name}.fifo"
        policy = f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{dead_letters_after}}}'
        attributes["RedrivePolicy"] = policy
    return sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]


def send(sqs, url, messages, sent=0):
    """Sends (group, body) pairs in their order. So many have been sent before."""
    for start in range(0, len(messages), 10):
        entries = [
            {"Id": str(n), "MessageGroupId": group, "MessageBody": body, "MessageDeduplicationId": f"{sent + start + n}"}
            for n, (group, body) in enumerate(messages[start : start + 10])
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert not answer.get("Failed"), answer["Failed"]


def count(sqs, url):
    """How many messages are in a queue, hidden or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def sqs_event(url, message):
    """What Lambda hands to a worker for a message that was received with all its attributes."""
    attributes = message.get("MessageAttributes", {})
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]} for name, value in attributes.items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[1]}",
        "awsRegion": REGION,
    }
    return {"Records": [record]}


class Killable:
    """A process that is started again each time after `kill -9`."""

    def __init__(self, command, **options):
        self.command, self.options, self.kills = command, options, 0
        self.log = tempfile.TemporaryFile()
        self.start()

    def start(self):
        options = {"stdout": self.log, "stderr": self.log, "start_new_session": True} | self.options
        self.process = subprocess.Popen(self.command, **options)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.kills += 1
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.log.close()


def numbers(path):
    """The lines `group number …` of a log, as far as they are whole."""
    text = Path(path).read_text() if Path(path).exists() else ""
    lines = (line.split() for line in text.splitlines() if line.count(" ") >= 1)
    return [(group, int(number)) for group, number, *_ in lines]


def judge(effects, groups):
    """Of effects in their order: how many of `{group: how many}` are lost, done twice, and out of order the first time."""
    seen, twice, inverted = {}, 0, 0
    for group, number in effects:
        done = seen.setdefault(group, [])
        if number in done:
            twice += 1
        else:
            inverted += bool(done) and number < max(done)
            done.append(number)
    lost = sum(size - len(seen.get(group, [])) for group, size in groups.items())
    return {"lost": lost, "inverted": inverted, "twice": twice}


def figures(name, begun, **values):
    """One line for the log of tests/run."""
    text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())
    print(f"{name}: {text}, {time.monotonic() - begun:.0f} s", flush=True)
