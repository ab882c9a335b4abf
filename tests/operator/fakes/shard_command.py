"""A shard as a process of its own, with the arguments of the real one; reports to the simulated service."""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["regenerate"])
    parser.add_argument("--regeneration", required=True)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True)
    given = parser.parse_args()
    if str(given.shard) in os.environ.get("FAILING_SHARDS", "").split(","):
        return 42
    body = json.dumps({"regeneration": given.regeneration, "shard": given.shard}).encode()
    url = os.environ["SERVICE_URL"] + "/api/v1/recommendation/shards"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
