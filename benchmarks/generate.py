"""Making and storing a user's list over HTTP, beside reading it."""

from __future__ import annotations

from benchmarks.harness import Result, Sizes, compare
from benchmarks.postgres import Server
from benchmarks.read import DEFAULT as READ_DEFAULT
from benchmarks.read import QUICK as READ_QUICK
from benchmarks.serving import PREFIX, our_api, wrk
from benchmarks.stores import reading_store

DEFAULT, QUICK = READ_DEFAULT, READ_QUICK


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `generate`."""
    users = sizes["users"]
    url = reading_store(Server(), users, sizes["games"], sizes["owned"])
    path = f"{PREFIX}/user/user-%07d"
    connections, seconds = sizes["connections"], sizes["seconds"]
    with our_api(url) as api:

        def ours() -> float:
            where = f"{path}/generate"
            return wrk(api, "generate.lua", connections, seconds, users=users, write_path=where).rate

        def reference() -> float:
            return wrk(api, "read.lua", connections, seconds, users=users, read_path=f"{path}?limit=20").rate

        ours(), reference()  # warm
        return [compare("generate", ">= 0.2", "answers/s", sizes, rounds, ours, reference)]
