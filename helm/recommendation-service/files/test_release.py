"""What `helm test` runs: post events, train a model, generate a list, read it, and clean everything up.

It does so only where the database holds no other interaction. On a live store it only reads, and says so.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "/api/v1/recommendation"
USERS = 40
GAMES = 20
PLAYED = 7
"""Games per user: above the five that the fit needs, below the ten of the user's own half, so that some are left."""


class Failed(Exception):
    """The release does not do what it should; the message says what."""


@dataclass
class Service:
    """The API as a client sees it; waits where the service says that it is busy."""

    url: str
    key: str | None
    patience_seconds: float = 120.0
    pause_seconds: float = 2.0
    calls: int = field(default=0)

    def call(self, method: str, path: str, body: object = None, accept: tuple[int, ...] = (200,)) -> tuple[int, Any]:
        """
        Send one request, again while the answer is 429 or 503 or none at all.

        Returns:
            Status and the decoded body (None where there is none).

        Raises:
            Failed: another status than the accepted ones, or patience ran out.
        """
        end = time.monotonic() + self.patience_seconds
        while True:
            status, text = self._once(method, path, body)
            if status in accept:
                return status, json.loads(text) if text else None
            if status not in (0, 429, 503) or time.monotonic() > end:
                raise Failed(f"{method} {path}: {status or 'no answer'}: {text[:500]}")
            time.sleep(self.pause_seconds)

    def _once(self, method: str, path: str, body: object) -> tuple[int, str]:
        """Status and text of one try; status 0 means no answer."""
        self.calls += 1
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"helm-test-{time.time_ns()}-{self.calls}"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the chart gives the address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode(errors="replace")
        except OSError as trouble:
            return 0, str(trouble)


def user(row: int) -> str:
    """An id that no store uses."""
    return f"helm-test-user-{row}"


def game(row: int) -> str:
    """An id that no store uses."""
    return f"helm-test-game-{row}"


def played(row: int) -> list[int]:
    """The checkerboard: even users play even games, odd users odd ones, each a different stretch of their half."""
    half = GAMES // 2
    return [2 * ((row // 2 + step) % half) + row % 2 for step in range(PLAYED)]


def events() -> list[dict[str, object]]:
    """All interactions of the test; ids make a second run count nothing twice."""
    return [
        {
            "user_id": user(u),
            "game_id": game(g),
            "event_type": "played",
            "event_id": f"helm-test-{time.time_ns()}-{u}-{g}",
        }
        for u in range(USERS)
        for g in played(u)
    ]


def holds_interactions(service: Service, settle_seconds: float) -> bool:
    """Whether the database holds any events: then some game is popular. Replicas may lag, so it looks twice."""
    for pause in (0.0, settle_seconds):
        time.sleep(pause)
        _, popular = service.call("GET", f"{PREFIX}/popular?limit=1")
        if popular["items"]:
            return True
    return False


def show_games(service: Service, available: bool) -> None:
    """An earlier test may have hidden them; nothing can delete a game."""
    games = [{"game_id": game(row), "available": available} for row in range(GAMES)]
    service.call("PUT", f"{PREFIX}/games", {"games": games})


def ingest(service: Service) -> None:
    """Every event is accepted."""
    show_games(service, available=True)
    sent = events()
    _, answer = service.call("POST", f"{PREFIX}/interactions", {"events": sent})
    if answer["accepted"] != len(sent):
        raise Failed(f"of {len(sent)} events {answer['accepted']} were accepted: {answer}")
    print(f"ingest: {len(sent)} events accepted", flush=True)


def train(service: Service, patience_seconds: float) -> None:
    """
    A training run is queued, starts as a Job, and ends well.

    The first may have joined a scheduled run that began before the events came; then a second one is due.
    """
    run = _trained(service, patience_seconds)
    if run["state"] == "failed" and run.get("reason") == "insufficient_data":
        run = _trained(service, patience_seconds)
    if run["state"] != "succeeded":
        raise Failed(f"training ended as {run['state']}: {run}")
    print(f"train: model {run['model_version']} is live", flush=True)


def _trained(service: Service, patience_seconds: float) -> dict[str, Any]:
    """The run, once it has ended."""
    run: dict[str, Any]
    _, run = service.call("POST", f"{PREFIX}/train", {}, accept=(202,))
    end = time.monotonic() + patience_seconds
    while run["state"] in ("queued", "running"):
        if time.monotonic() > end:
            raise Failed(f"training is still {run['state']} after {patience_seconds:.0f} s: look at the operator's log")
        time.sleep(service.pause_seconds)
        _, run = service.call("GET", f"{PREFIX}/train/{urllib.parse.quote(run['run_id'])}")
    return run


def eventually(service: Service, settle_seconds: float, step: Callable[[Service], None]) -> None:
    """Repeat a step until it succeeds: replicas know a new model after some seconds, not at once."""
    end = time.monotonic() + 5 * settle_seconds
    while True:
        try:
            return step(service)
        except Failed:
            if time.monotonic() > end:
                raise
            time.sleep(service.pause_seconds)


def generate_and_read(service: Service) -> None:
    """An even user's list holds unplayed games, the even ones first, and reading gives what generating gave."""
    _, made = service.call("POST", f"{PREFIX}/user/{user(0)}/generate")
    listed = [item["game_id"] for item in made["items"]]
    own, unplayed = {game(g) for g in played(0)}, GAMES // 2 - PLAYED
    if own & set(listed):
        raise Failed(f"owned games are listed: {sorted(own & set(listed))}")
    best = listed[:unplayed]
    if len(best) < unplayed or any(int(name.rsplit("-", 1)[1]) % 2 for name in best):
        raise Failed(f"the games that similar users have played should come first: {listed}")
    _, read = service.call("GET", f"{PREFIX}/user/{user(0)}?limit={len(listed)}")
    if [item["game_id"] for item in read["items"]] != listed:
        raise Failed("the list that is read is not the list that was generated")
    print(f"generate and read: {len(listed)} games, the expected ones first", flush=True)


def clean_up(service: Service) -> None:
    """Erase the test's users and hide its games. A model of the test stays until the first training on real events."""
    for row in range(USERS):
        service.call("DELETE", f"{PREFIX}/user/{user(row)}", accept=(200, 204, 404))
    show_games(service, available=False)
    print("clean up: users erased, games hidden", flush=True)


def steps(service: Service, arguments: argparse.Namespace) -> Iterator[str]:
    """Run all steps in order; yield what was left out and why."""
    service.call("GET", "/readyz")
    print("ready", flush=True)
    if service.key is None:
        yield f"{arguments.key_file} does not exist: only readiness was tested"
        return
    if holds_interactions(service, arguments.settle_seconds):
        _, models = service.call("GET", f"{PREFIX}/models")
        print(f"read: {len(models['models'])} models", flush=True)
        yield "this is a live store (it holds interactions): only read, changed nothing"
        return
    try:
        ingest(service)
        if arguments.train:
            train(service, arguments.training_seconds)
            eventually(service, arguments.settle_seconds, generate_and_read)
        else:
            yield "no operator runs here to start a training: train, generate and read were not tested"
    finally:
        clean_up(service)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("--url", required=True)
    result.add_argument("--key-file", required=True, help="clear key of scopes read, write and admin")
    result.add_argument("--train", action="store_true", help="an operator starts requested trainings")
    result.add_argument("--training-seconds", type=float, default=600.0)
    result.add_argument("--settle-seconds", type=float, default=6.0, help="until every replica knows a new model")
    result.add_argument("--pause", type=float, default=2.0)
    result.add_argument("--patience-seconds", type=float, default=120.0)
    return result


def main() -> int:
    """Exit code 0: passed. 1: the last line says what failed."""
    arguments = parser().parse_args()
    key = Path(arguments.key_file)
    clear = key.read_text().strip() if key.exists() else None
    service = Service(arguments.url.rstrip("/"), clear, arguments.patience_seconds, arguments.pause)
    try:
        for omission in steps(service, arguments):
            print(f"NOTE: {omission}", flush=True)
    except Failed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
