"""The idempotency store in DynamoDB and bodies in S3: the Rust test `dynamodb` against MiniStack."""

import os
import subprocess

from harness import ROOT
from queues import KEYS, cloud

COMMAND = ["cargo", "test", "--all-features", "--test", "dynamodb"]

if __name__ == "__main__":
    with cloud() as emulator:
        environment = os.environ | KEYS | {"AWS_ENDPOINT_URL": emulator.url}
        subprocess.run(COMMAND, cwd=ROOT, env=environment, check=True)
