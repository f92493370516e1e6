"""Packed batches against boto3's: messages a second into a queue of MiniStack, in turns.

cargo bench --bench tasks --features tasking --no-run
target/venv/bin/python benches/tasks_compare.py
"""

import os
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

from queues import cloud, queue  # noqa: E402

MESSAGES, TURNS, GROUPS = 1000, 7, 50
BODY = "x" * 200


def newest_bench():
    builds = [path for path in (ROOT / "target/release/deps").glob("tasks-*") if os.access(path, os.X_OK) and not path.suffix]
    return max(builds, key=lambda path: path.stat().st_mtime)


def by_boto3(sqs, url):
    begun, own = time.perf_counter(), time.thread_time()
    locale = {"locale": {"DataType": "String", "StringValue": "en"}}
    for start in range(0, MESSAGES, 10):
        entries = [
            {
                "Id": str(n),
                "MessageBody": BODY,
                "MessageGroupId": f"g{n % GROUPS}",
                "MessageDeduplicationId": str(uuid.uuid4()),
                "MessageAttributes": locale,
            }
            for n in range(start, start + 10)
        ]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")
    return time.perf_counter() - begun, time.thread_time() - own


def main():
    with cloud() as emulator:
        sqs = emulator.client("sqs")
        pair = [queue(sqs, name) for name in ["by-crate", "by-boto3"]]
        environment = os.environ | emulator.environment | {"BENCH_QUEUE_URL": pair[0]}
        crate = subprocess.Popen(
            [newest_bench()], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        times = {"crate": [], "boto3": []}
        for turn in range(TURNS + 1):
            crate.stdin.write(f"{MESSAGES}\n")
            crate.stdin.flush()
            of_crate = [float(word) for word in crate.stdout.readline().split()]
            of_boto3 = by_boto3(sqs, pair[1])
            if turn:  # The first one makes the connections.
                times["crate"].append(of_crate)
                times["boto3"].append(of_boto3)
        crate.stdin.close()
        crate.wait()
    wall, own = (
        {name: statistics.median(time[at] for time in turns) for name, turns in times.items()} for at in (0, 1)
    )
    for name in times:
        print(f"{name}: {MESSAGES / wall[name]:.0f} messages a second, {own[name] / MESSAGES * 1e6:.0f} us of its own CPU time each")
    print(f"rate: {wall['boto3'] / wall['crate']:.2f} x boto3's; CPU time: 1/{own['boto3'] / own['crate']:.1f} of boto3's")


if __name__ == "__main__":
    main()
