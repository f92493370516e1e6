"""The idempotency store in DynamoDB and bodies in S3: the Rust test `dynamodb` against MiniStack."""

import os
import subprocess

from harness import ROOT
from queues import KEYS, cloud

# One after the other: each test has a runtime of its own, the process has one HTTP client, and a connection ends with the runtime
# that opened it, in whichever test it is used then.
COMMAND = ["cargo", "test", "--all-features", "--test", "dynamodb", "--", "--test-threads=1"]

if __name__ == "__main__":
    with cloud() as emulator:
        environment = os.environ | KEYS | {"AWS_ENDPOINT_URL": emulator.url}
        subprocess.run(COMMAND, cwd=ROOT, env=environment, check=True)
