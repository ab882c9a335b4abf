"""Ingesting interactions over HTTP, beside the same upserts by PostgreSQL's own clients."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks import data
from benchmarks.harness import Result, Sizes, compare
from benchmarks.postgres import Server, program, psql
from benchmarks.serving import PREFIX, our_api, wrk
from benchmarks.stores import pairs_only

DEFAULT = {
    "users": 40_000,
    "games": 5_000,
    "per_user": 26.0,
    "batch": 1000,
    "batches": 40,
    "connections": 1,
    "clients": 32,
    "seconds": 6.0,
}
QUICK = {**DEFAULT, "users": 2_000, "games": 500, "batches": 8, "seconds": 2.0}
SEEN = "2026-02-01T12:00:00Z"

_UPSERT = """
INSERT INTO user_game_interactions AS old ({columns}) VALUES {rows}
ON CONFLICT (user_id, game_id) DO UPDATE SET
 score_millionths = old.score_millionths + excluded.score_millionths, events = old.events + excluded.events,
 first_event_at = least(old.first_event_at, excluded.first_event_at),
 last_event_at = greatest(old.last_event_at, excluded.last_event_at),
 owned = CASE WHEN excluded.owned_at IS NOT NULL AND (old.owned_at IS NULL OR excluded.owned_at > old.owned_at)
  THEN excluded.owned WHEN excluded.owned_at = old.owned_at THEN excluded.owned OR old.owned ELSE old.owned END,
 owned_at = CASE WHEN excluded.owned_at IS NOT NULL AND (old.owned_at IS NULL OR excluded.owned_at > old.owned_at)
  THEN excluded.owned_at ELSE old.owned_at END,
 dismissed = CASE WHEN excluded.dismissed_at > old.dismissed_at THEN excluded.dismissed ELSE old.dismissed END,
 dismissed_at = coalesce(greatest(old.dismissed_at, excluded.dismissed_at), old.dismissed_at);
"""
_COLUMNS = (
    "user_id, game_id, score_millionths, events, owned, owned_at, dismissed, dismissed_at, first_event_at, "
    "last_event_at"
)


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `ingest` and `ingest-small`."""
    server = Server()
    url = pairs_only(server, sizes["users"], sizes["games"], sizes["per_user"])
    with our_api(url) as api, tempfile.TemporaryDirectory() as folder:
        large = _large(api, url, sizes, rounds, Path(folder))
        small = _small(api, url, sizes, rounds, Path(folder))
    return [large, small]


def _large(api: str, url: str, sizes: Sizes, rounds: int, folder: Path) -> Result:
    number = iter(range(1_000_000))

    def events() -> list[list[tuple[str, str]]]:
        rng = np.random.default_rng(next(number))
        users = rng.integers(0, sizes["users"], (sizes["batches"], sizes["batch"]))
        games = rng.integers(0, sizes["games"], users.shape) // 8  # about half of the pairs are there already
        return [
            [(data.user_name(u), data.game_name(g)) for u, g in zip(*row, strict=True)]
            for row in zip(users.tolist(), games.tolist(), strict=True)
        ]

    def ours() -> float:
        return float(_post(api, [_body(batch) for batch in events()]) * sizes["batch"])

    def reference() -> float:
        path = folder / "upserts.sql"
        path.write_text("".join(_statement(batch) for batch in events()))
        began = time.perf_counter()
        psql(url, "-f", str(path))
        return float(sizes["batches"] * sizes["batch"] / (time.perf_counter() - began))

    ours(), reference()  # warm
    return compare("ingest", ">= 0.5", "events/s", sizes, rounds, ours, reference)


def _body(pairs: list[tuple[str, str]]) -> bytes:
    rows = [{"user_id": u, "game_id": g, "event_type": "viewed", "occurred_at": SEEN} for u, g in pairs]
    return json.dumps({"events": rows}).encode()


def _post(api: str, bodies: list[bytes]) -> float:
    """Send bodies one after the other, each under a key of its own; return how many a second."""
    connection = http.client.HTTPConnection(urlsplit(api).netloc)
    began = time.perf_counter()
    for body in bodies:
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        connection.request("POST", f"{PREFIX}/interactions", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200 or json.loads(said)["rejected"]:
            raise SystemExit(f"a batch was refused: {answer.status} {said[:300]!r}")
    took = time.perf_counter() - began
    connection.close()
    return len(bodies) / took


def _statement(pairs: list[tuple[str, str]]) -> str:
    folded: dict[tuple[str, str], int] = {}
    for pair in pairs:
        folded[pair] = folded.get(pair, 0) + 1
    rows = ",".join(
        f"('{u}','{g}',{300_000 * n},{n},false,NULL,false,NULL,'{SEEN}','{SEEN}')"
        for (u, g), n in sorted(folded.items())
    )
    return _UPSERT.format(columns=_COLUMNS, rows=rows).replace("\n", " ") + "\n"


def _small(api: str, url: str, sizes: Sizes, rounds: int, folder: Path) -> Result:
    pair = "'user-' || lpad(:u::text, 7, '0'), 'game-' || lpad(:g::text, 6, '0')"
    rows = f"({pair}, 300000, 1, false, NULL, false, NULL, now(), now())"
    script = folder / "upsert.pgbench"
    script.write_text(
        f"\\set u random(0, {sizes['users'] - 1})\n\\set g random(0, {sizes['games'] // 8 - 1})\n"
        + _UPSERT.format(columns=_COLUMNS, rows=rows).replace("\n", " ")
    )

    def ours() -> float:
        return wrk(
            api,
            "write.lua",
            sizes["clients"],
            sizes["seconds"],
            users=sizes["users"],
            games=sizes["games"] // 8,
            write_path=f"{PREFIX}/interactions",
            run=uuid.uuid4().hex,
        ).rate

    def reference() -> float:
        command = [program("pgbench"), "-n", "-M", "prepared", "-c", str(sizes["clients"]), "-j", "2"]
        command += ["-T", str(max(int(sizes["seconds"]), 1)), "-f", str(script), url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(re.search(r"tps = ([\d.]+)", said)[1])  # type: ignore[index]

    ours()
    return compare("ingest-small", ">= 0.25", "events/s", sizes, rounds, ours, reference)
