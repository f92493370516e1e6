"""The crate's features, one a line; fails where a dependency needs a newer Rust than the crate says."""

import json
import subprocess

from harness import ROOT, check


def version(text):
    return tuple(int(part) for part in text.split(".")[:2])


command = ["cargo", "metadata", "--locked", "--format-version", "1"]
metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
(crate,) = [package for package in metadata["packages"] if package["id"] == metadata["resolve"]["root"]]
newer = [
    f"{package['name']} {package['version']} needs Rust {package['rust_version']}"
    for package in metadata["packages"]
    if package["rust_version"] and version(package["rust_version"]) > version(crate["rust_version"])
]
check(f"dependencies that need more than Rust {crate['rust_version']}", newer, [])
print(*(feature for feature in crate["features"] if feature != "default"), sep="\n")
