"""
The whole service on the embedded database: import events, train a model, make lists, start the API.

`make demo` stays up on port 8010 and keeps everything in `.demo/`; `make smoke` checks the lists and stops. It works
in `build/smoke/`, so that it does not disturb a running demo.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ("build/smoke" if "--smoke" in sys.argv else ".demo")
PREFIX = "/api/v1/recommendation"
PORT = 8010
READY_SECONDS = 60
USERS_READ = 25


@dataclass(frozen=True)
class Figures:
    """What a smoke run saw."""

    users: int
    personal: int
    distinct_first_games: int
    read_milliseconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a CSV or Parquet file of interactions; default: a simulated store")
    parser.add_argument("--event-type", default=None, help="for wide files such as user, game, hours: what a row means")
    parser.add_argument("--smoke", action="store_true", help="check the lists, then stop")
    options = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not options.smoke:
        _insist_on_port()
    environment = _fresh_folder()
    _prepare(environment, options.data, options.event_type)
    port = _free_port() if options.smoke else PORT
    with _api(environment, port) as (process, base):
        if options.smoke:
            figures = _look(base)
            print(
                f"smoke: {figures.users} users read, {figures.personal} with a personal list, "
                f"{figures.distinct_first_games} different games in first place, no owned game listed, "
                f"{figures.read_milliseconds:.1f} ms a read, {time.monotonic() - began:.0f} s in all"
            )
            return 0
        _invite(base)
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(f"the API ended with {process.wait()}; {FOLDER / 'api.log'} says why")
    return 0


def _fresh_folder() -> dict[str, str]:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    return os.environ | {
        "RECOMMENDATION_DATABASE_URL": f"sqlite:///{FOLDER / 'app.db'}",
        "RECOMMENDATION_MODEL_PATH": str(FOLDER / "models" / "cf.pkl"),
        "RECOMMENDATION_DRAIN_SECONDS": "0",
    }


def _prepare(environment: dict[str, str], data: Path | None, event_type: str | None) -> None:
    _step(environment, "a database", "recommendation.migrate")
    if data is None:
        events, games = FOLDER / "events.csv", FOLDER / "games.csv"
        # Enough users for a hundred gate users.
        _step(
            environment,
            "a made-up store",
            *_JOBS,
            "simulate",
            "--users",
            "2400",
            "--out",
            str(events),
            "--games-out",
            str(games),
        )
        _step(environment, "its catalogue", *_JOBS, "import", "--catalogue", str(games))
        _step(environment, "its events", *_JOBS, "import", str(events))
    else:
        given = ["--event-type", event_type] if event_type else []
        _step(environment, f"the events of {data.name}", *_JOBS, "import", str(data), *given)
    _step(environment, "a model, and everyone's list", *_JOBS, "train", "--regenerate")


_JOBS = ("recommendation_jobs",)


def _step(environment: dict[str, str], what: str, module: str, *arguments: str) -> None:
    print(f"== {what}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        cwd=ROOT,
        stderr=None if sys.stderr.isatty() else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{module} {' '.join(arguments)} ended with {done.returncode}\n{done.stderr or ''}")


@contextlib.contextmanager
def _api(environment: dict[str, str], port: int) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    log = (FOLDER / "api.log").open("w")
    command = [sys.executable, "-m", "uvicorn", "recommendation_api.main:app", "--port", str(port)]
    command += ["--http", "recommendation_api.http.connections:Connection"]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, base)
        yield process, base
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _wait_until_ready(process: "subprocess.Popen[bytes]", base: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{base}/readyz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    sys.exit(f"the API did not come up; {FOLDER / 'api.log'} says why\n{(FOLDER / 'api.log').read_text()[-2000:]}")


def _look(base: str) -> Figures:
    """Read some users' lists, and assert that they are personal and free of what the user owns."""
    users = _some_users()
    firsts, personal, seconds = set(), 0, 0.0
    for user in users:
        name = urllib.parse.quote(user, safe="")
        owned = {row["game_id"] for row in _get(f"{base}{PREFIX}/user/{name}/export")["interactions"] if row["owned"]}
        began = time.perf_counter()
        page = _get(f"{base}{PREFIX}/user/{name}?limit=20")
        seconds += time.perf_counter() - began
        games = [item["game_id"] for item in page["items"]]
        _insist(bool(games), f"the list of {user} is empty")
        _insist(not owned & set(games), f"the list of {user} holds games they own: {owned & set(games)}")
        _insist(len(games) == len(set(games)), f"the list of {user} repeats a game")
        personal += page["personal"]
        firsts.add(games[0])
    _insist(personal >= 0.8 * len(users), f"only {personal} of {len(users)} lists are personal")
    _insist(len(firsts) >= 3, f"everyone is recommended the same: {firsts}")
    return Figures(len(users), personal, len(firsts), 1000 * seconds / len(users))


def _insist(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"smoke: {otherwise}")


def _some_users() -> list[str]:
    import sqlite3

    with contextlib.closing(sqlite3.connect(FOLDER / "app.db")) as connection:
        rows = connection.execute(
            "SELECT user_id FROM user_game_interactions WHERE score_millionths > 0 "
            "GROUP BY user_id HAVING count(*) >= 5 ORDER BY user_id LIMIT 1000"
        ).fetchall()
    step = max(1, len(rows) // USERS_READ)
    return [row[0] for row in rows[::step][:USERS_READ]]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _insist_on_port() -> None:
    """Stop before anything is removed when the port is taken, for instance by a demo that is still up."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            sys.exit(f"port {PORT} is taken: stop what listens there, perhaps an earlier demo")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _invite(base: str) -> None:
    user = urllib.parse.quote(_some_users()[0], safe="")
    event = '{"user_id": "you", "game_id": "%s", "event_type": "wishlisted"}'
    game = _get(f"{base}{PREFIX}/popular?limit=1")["items"][0]["game_id"]
    print(
        f"""
The API is up: {base}/docs and {base}/console. Three lines to try:

  curl '{base}{PREFIX}/user/{user}?limit=5'
  curl -X POST {base}{PREFIX}/interactions -H 'Content-Type: application/json' -d '[{event % game}]'
  curl '{base}{PREFIX}/user/you?limit=5'

Ctrl-C ends it.""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
