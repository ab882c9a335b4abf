"""
The whole service on the embedded database: import events, train a model, make lists, start the API.

`make demo` stays up on port 8010 and keeps everything in `.demo/`; `make smoke` checks the lists and stops. It works
in `build/smoke/`, so that it does not disturb a running demo.

    make demo DATA=library.csv EVENT_TYPE=played PORT=8011 ARGS="--game-column appid"

A former demo stays until the file of the new one was read: a file that cannot be read takes nothing away.
"""

import argparse
import contextlib
import fcntl
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
PREFIX = "/api/v1/recommendation"
READY_SECONDS = 60
USERS_READ = 25
RECS = (sys.executable, "-m", "recommendation_cli")
_KEEPS_NOTHING = "PYTHONDONTWRITEBYTECODE"
SHOP = ("--users", "2400", "--days", "60")
"""Enough users for a hundred gate users, and few enough events to be made up in seconds."""

DROP = {
    "name": "autumn-release",
    "created_at": "2026-11-01T00:00:00Z",
    "games": [{"game_id": "g-9001", "title": "Deep Harbour", "tags": ["co-op"], "similar_to": ["g-0017", "g-0202"]}],
    "placement": {"slots": 2, "first_position": 3, "duration_days": 90},
}
"""The release of the README."""


@dataclass(frozen=True)
class Figures:
    """What a smoke run saw."""

    users: int
    personal: int
    distinct_first_games: int
    read_milliseconds: float


def main() -> int:
    """Prepare a store and serve it, or check it."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = ROOT / ("build/smoke" if options.smoke else ".demo")
    try:
        with _alone(folder):
            _look_first(options)
            if options.look:
                return 0
            return _smoke(folder, options) if options.smoke else _demo(folder, options)
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a file of interactions; default: a made-up store")
    parser.add_argument("--event-type", default=None, help="for wide files such as user, game, hours: what a row means")
    parser.add_argument("--port", type=int, default=8010, help="where the API listens; default 8010")
    parser.add_argument("--smoke", action="store_true", help="check the lists, then stop")
    parser.add_argument(
        "--look", action="store_true", help="only see whether it could come up; needs nothing installed"
    )
    parser.add_argument("arguments", nargs="*", help="after --: more options of `recs import`, for --data")
    options = parser.parse_args()
    if options.data is None and (options.arguments or options.event_type):
        parser.error("ARGS and EVENT_TYPE are about a file: give DATA=FILE too")
    return options


def _look_first(options: argparse.Namespace) -> None:
    """Stop before anything is installed or removed where the demo could not come up."""
    if not options.smoke:
        _insist_on_port(options.port)
    if options.data is not None and not options.data.is_file():
        sys.exit(f"{options.data}: there is no such file")


def _demo(folder: Path, options: argparse.Namespace) -> int:
    began = time.monotonic()
    demo = _prepared(folder, options)
    with _api(demo, options.port) as (process, base):
        print(f"ready after {time.monotonic() - began:.0f} s", flush=True)
        _invite(demo, base)
        with contextlib.suppress(KeyboardInterrupt):
            sys.exit(f"the API ended with {process.wait()}; {demo.folder / 'api.log'} says why")
    print(f"\nthe API has ended; its data stays in {folder.name}/ until the next demo", flush=True)
    return 0


def _smoke(folder: Path, options: argparse.Namespace) -> int:
    began = time.monotonic()
    demo = _prepared(folder, options)
    with _api(demo, _free_port()) as (_, base):
        figures = _look(demo, base)
        reached = _release(demo, base) if options.data is None else 0
    print(
        f"smoke: {figures.users} users read, {figures.personal} with a personal list, "
        f"{figures.distinct_first_games} different games in first place, no owned game listed, "
        f"{figures.read_milliseconds:.1f} ms a read, a new release in the lists of {reached} of them, "
        f"{time.monotonic() - began:.0f} s in all"
    )
    return 0


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse to take the folder from a demo that is up, on whatever port."""
    folder.parent.mkdir(exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"another demo is at work in {folder.name}/: end it first")
        yield


@dataclass(frozen=True)
class Demo:
    """A folder with a store."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """
        The settings.

        Whatever the shell says, Python keeps what it compiles: the demo's installation compiled nothing, and each step
        would compile all that it imports once more.
        """
        return {name: value for name, value in os.environ.items() if name != _KEEPS_NOTHING} | self.settings

    @property
    def settings(self) -> dict[str, str]:
        """What `--env-file` of the demo holds."""
        return {
            "RECOMMENDATION_DATABASE_URL": f"sqlite:///{self.folder / 'app.db'}",
            "RECOMMENDATION_MODEL_PATH": str(self.folder / "models" / "cf.pkl"),
            "RECOMMENDATION_DRAIN_SECONDS": "0",
        }

    def step(self, what: str, *command: str, loud: bool = False) -> str:
        """Run a step and print its line; what it says is returned. A loud one tells its guesses and refusals itself."""
        print(f"{what:<26}", end="\n" if loud else "", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            [*RECS, *command],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=None if loud else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"\nrecs {' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr or ''}")
        said = [line for line in done.stdout.splitlines() if line and not line.startswith(("forgotten: ", "  "))]
        print(f"{' ' * 26 if loud else ''}{time.monotonic() - began:5.1f} s  {said[-1]}", flush=True)
        return done.stdout


def _prepared(folder: Path, options: argparse.Namespace) -> Demo:
    """Fill a store beside the former one, which goes only then; train on it, and make everyone's list."""
    new = Demo(folder.with_name(f"{folder.name}.new"))
    shutil.rmtree(new.folder, ignore_errors=True)
    new.folder.mkdir(parents=True)
    try:
        _fill(new, options)
    except BaseException:
        shutil.rmtree(new.folder)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    new.folder.rename(folder)
    demo = Demo(folder)
    lines = [f"{name}={value}\n" for name, value in demo.settings.items()]
    (folder / "settings.env").write_text("".join(lines))
    demo.step("a model, everyone's list", "train", "--regenerate")
    return demo


def _fill(demo: Demo, options: argparse.Namespace) -> None:
    demo.step("a database", "migrate")
    if options.data is not None:
        given = ["--event-type", options.event_type] if options.event_type else []
        said = demo.step(options.data.name, "import", str(options.data), *given, *options.arguments, loud=True)
        print("".join(f"{line}\n" for line in said.splitlines() if line.startswith("  ")), end="", flush=True)
        return
    events, games = demo.folder / "events.csv", demo.folder / "games.csv"
    demo.step("a made-up store", "simulate", *SHOP, "--out", str(events), "--games-out", str(games))
    # Ids of events are for files that overlap; without them a file is counted in a fifth of the time.
    demo.step("its games and events", "import", "--catalogue", str(games), str(events), "--no-guess-event-id")
    events.unlink()  # the store holds them now


@contextlib.contextmanager
def _api(demo: Demo, port: int) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    log = (demo.folder / "api.log").open("w")
    # In a session of its own: Ctrl-C is for us, and we end the API once.
    process = subprocess.Popen(
        [*RECS, "serve", "--port", str(port)],
        env=demo.environment,
        cwd=ROOT,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(demo, process, base)
        yield process, base
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _wait_until_ready(demo: Demo, process: "subprocess.Popen[bytes]", base: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{base}/readyz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    log = demo.folder / "api.log"
    sys.exit(f"the API did not come up; {log} says why\n{log.read_text()[-2000:]}")


def _look(demo: Demo, base: str) -> Figures:
    """Read some users' lists, and assert that they are personal and free of what the user owns."""
    users = _some_users(demo)
    firsts, personal, seconds = set(), 0, 0.0
    for user in users:
        owned = {row["game_id"] for row in _get(f"{base}{_path(user)}/export")["interactions"] if row["owned"]}
        began = time.perf_counter()
        page = _get(f"{base}{_path(user)}?limit=20")
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


def _release(demo: Demo, base: str) -> int:
    """Release the game of the README as it says; return how many of the users that are looked at see it."""
    _send("PUT", f"{base}{PREFIX}/drops/autumn-release", DROP)
    opened = _send("POST", f"{base}{PREFIX}/regenerations", {"drop_uid": "autumn-release"})
    demo.step("the lists with the release", "regenerate", "--regeneration", opened["id"])
    game = DROP["games"][0]["game_id"]  # type: ignore[index]
    pages = [_get(f"{base}{_path(user)}?limit=20")["items"] for user in _some_users(demo)]
    reached = sum(any(item["game_id"] == game for item in items) for items in pages)
    _insist(reached > 0, "no user is shown the new release")
    return reached


def _insist(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"smoke: {otherwise}")


def _some_users(demo: Demo) -> list[str]:
    import sqlite3

    with contextlib.closing(sqlite3.connect(demo.folder / "app.db")) as connection:
        rows = connection.execute(
            "SELECT user_id FROM user_game_interactions WHERE score_millionths > 0 "
            "GROUP BY user_id HAVING count(*) >= 5 ORDER BY user_id LIMIT 1000"
        ).fetchall()
    step = max(1, len(rows) // USERS_READ)
    return [row[0] for row in rows[::step][:USERS_READ]]


def _path(user: str) -> str:
    return f"{PREFIX}/user/{urllib.parse.quote(user, safe='')}"


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _send(method: str, url: str, body: object) -> Any:
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)


def _insist_on_port(port: int) -> None:
    """Stop when the port is taken, for instance by a demo that is still up."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            sys.exit(f"port {port} is taken: give another one with PORT=, or stop what listens there")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _invite(demo: Demo, base: str) -> None:
    """Show a list, and say what to try."""
    users = _some_users(demo)
    if not users:
        print(f"\nno user has five games, so there is no list to show. The API is up: {base}/docs and {base}/console.")
        return
    print(f"\nThe list of {users[0]}:")
    for item in _get(f"{base}{_path(users[0])}?limit=5")["items"]:
        print(f"  {item['rank']}  {item.get('title') or item['game_id']:<34} {item['reason']['text']}")
    event = '{"user_id": "you", "game_id": "%s", "event_type": "wishlisted"}'
    game = _get(f"{base}{PREFIX}/popular?limit=1")["items"][0]["game_id"]
    print(
        f"""
The API is up: {base}/docs and {base}/console. Three lines to try:

  curl '{base}{_path(users[0])}?limit=5'
  curl -X POST {base}{PREFIX}/interactions -H 'Content-Type: application/json' -d '[{event % game}]'
  curl '{base}{PREFIX}/user/you?limit=5'

README.md has more, a release among it. Ctrl-C ends it.""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
