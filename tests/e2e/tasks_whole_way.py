"""The whole way of a task: a page under `cargo lambda watch` posts it into MiniStack, `forward` brings it to the worker,
which is the same binary; what always fails ends as a dead letter.
"""

import json
import time

from harness import check, get, wait, watch
from queues import FORWARD, Killable, cloud, count, figures, queue

begun = time.monotonic()
with cloud() as here:
    sqs = here.client("sqs")
    url = queue(sqs, "welcome", dead_letters_after=2)
    dead = f"{url.rsplit('/', 1)[0]}/dead-welcome.fifo"
    with watch("tasks", "--all-features", **here.environment) as (port, said):
        asked = time.monotonic()
        check("a page that posts", b"on its way" in get(port, "/ada").body, True)
        check("another", get(port, "/nobody").status, 200)
        check("and one that will stand behind it", get(port, "/nobody").status, 200)
        answered = time.monotonic() - asked
        check("tasks in the queue", count(sqs, url), 3)
        check("nothing has run", "welcomed" in said(), False)
        command = [FORWARD, "forward", "-e", "welcome.fifo->_", "--invoke-endpoint", f"http://127.0.0.1:{port}"]
        with Killable(command, env=here.environment):
            wait("the effect", lambda: "welcomed" in said())
            wait("the queue is empty", lambda: count(sqs, url) == 0, 240)
    answer = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, AttributeNames=["All"])
    letters = [message["Attributes"] for message in answer["Messages"]]
    check("the groups of dead letters", [letter["MessageGroupId"] for letter in letters], ["visitor-nobody"] * 2)
    places = [int(letter["SequenceNumber"]) for letter in letters]
    check("in their order", places, sorted(places))
    check("their bodies", [json.loads(message["Body"]) for message in answer["Messages"]], [{"name": "nobody"}] * 2)
figures("the whole way", begun, pages_answered_in=f"{answered * 1000:.0f} ms", done=1, dead_letters=2)
