"""What the shop itself does: catalogue, lists for everyone, drops, models; and how soon each process shows it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ledger import Ledger
from pages import FOR_EVERYONE
from stage import SHELF, Answer, Call, Stage

LAG_SECONDS = 5.5
"""Processes that did not acknowledge a change show it after five seconds; half a second is for the way."""

BYSTANDER = "house00"
"""Owns every third game of the shelf, and nothing is ever written for it."""

FLICKERING = [f"x{number}" for number in range(5)]
"""Games that come and go."""


@dataclass(frozen=True, eq=False)
class Standing:
    """What was said last of a game or of the window, by whom it was acknowledged, and when."""

    value: Any
    place: int
    acknowledged: float

    @property
    def known(self) -> bool:
        """Whether the last change was answered."""
        return self.place >= 0


OPEN = Standing(None, -1, float("inf"))


@dataclass
class Look:
    """What may surely not be shown while something is read."""

    asked_at: float
    off_sale: set[str] = field(default_factory=set)


class Manager:
    """One caller that changes what everybody sees."""

    def __init__(self, stage: Stage, ledger: Ledger) -> None:
        self.stage, self.ledger = stage, ledger
        self.chance = Random(0)
        self.games: dict[str, Standing] = {}
        self.window = OPEN
        self.drop: tuple[str, str] | None = None
        self._count = 0
        self._name = ""
        self._seen: dict[int, Answer] = {}

    def run(self, name: str, steps: int) -> None:
        """Do a number of things."""
        self._name, self.chance = name, Random(name)
        doings = [self.flicker] * 3 + [self.dress_the_window] * 2 + [self.release, self.promote, self.regenerate]
        for _ in range(steps):
            self.chance.choice(doings)()

    @contextmanager
    def looking(self, place: int) -> Iterator[Look]:
        """Tell which games may surely not be shown by a process from the beginning of a reading to its end."""
        look, before = Look(time.time()), self._off_sale(place)
        yield look
        after = dict(self.games)
        look.off_sale = {game for game, standing in before.items() if after.get(game) is standing}

    def _off_sale(self, place: int) -> dict[str, Standing]:
        games = dict(self.games)
        return {game: one for game, one in games.items() if one.value == "off sale" and self.binds(one, place)}

    def binds(self, standing: Standing, place: int) -> bool:
        """Tell whether a process has to know of a change by now."""
        if not standing.known:
            return False
        replica = self.stage.replicas[place]
        if standing.place == place and replica.ready_since < standing.acknowledged:
            return True
        since = max(standing.acknowledged, replica.ready_since, self.stage.calm_since)
        return time.monotonic() - since > LAG_SECONDS

    def flicker(self) -> None:
        """Take a game off sale, or put it on sale again."""
        game, value = self.chance.choice(FLICKERING), self.chance.choice(["off sale", "on sale"])
        row: dict[str, Any] = {"game_id": game, "available": True, "released_at": None, "title": f"Game {game}"}
        if value == "off sale":
            gone = self.chance.choice([{"available": False}, {"released_at": "2090-01-01T00:00:00Z"}])
            row |= gone
        call = Call("PUT", "/games", [row], self._key())
        if value == "off sale" and game in self.games and self.chance.random() < 0.5:
            call = Call("DELETE", f"/games/{game}?history={self.chance.choice(['keep', 'erase'])}", key=self._key())
            self.ledger.count("games deleted")
        self.games[game] = OPEN
        if answer := self._send(call):
            self.games[game] = Standing(value, answer.place, time.monotonic())
            self.look(answer.place)

    def dress_the_window(self) -> None:
        """Replace a list for everyone by another item."""
        self._count += 1
        game = SHELF[1 + 3 * self.chance.randrange(8)]
        reason = f"{FOR_EVERYONE} {self._name}-{self._count}"
        row = {"game_id": game, "score": 2, "source": "rule:window", "reason": reason}
        self.window = OPEN
        call = Call("POST", "/batch", {"recommendations": [row], "mode": "replace"}, self._key())
        if answer := self._send(call):
            self.window = Standing(reason, answer.place, time.monotonic())
            self.look(answer.place)

    def release(self) -> None:
        """Begin a drop, or end the one that stands; its games are seen once lists are remade, and go at once."""
        if self.drop:
            uid, game = self.drop
            if answer := self._send(Call("DELETE", f"/drops/{uid}", key=self._key())):
                self.drop = None
                self.look(answer.place, gone=game)
            return
        self._count += 1
        uid, game = f"{self._name.replace('/', '-')}-drop-{self._count}", f"d{self._count % 6}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = {
            "name": uid,
            "games": [{"game_id": game, "similar_to": [SHELF[0]]}],
            "created_at": now,
            "release_time": now,
            "placement": {"slots": 2, "first_position": 1, "duration_days": 90},
        }
        self.drop = (uid, game)
        if answer := self._send(Call("PUT", f"/drops/{uid}", body, self._key())):
            self.look(answer.place)

    def promote(self) -> None:
        """Make a kept version live."""
        listed = self.stage.send(Call("GET", "/models"), self._place())
        if listed.status == 200 and listed.body["models"]:
            version = self.chance.choice(listed.body["models"])["version"]
            answer = self.stage.send(Call("POST", f"/models/{version}/promote", key=self._key()), self._place())
            self.ledger.count("models promoted", int(answer.status == 200))

    def regenerate(self) -> None:
        """Open a regeneration."""
        answer = self.stage.send(Call("POST", "/regenerations", {"shards": 2}, self._key()), self._place())
        if answer.settled and answer.status != 201:
            self.ledger.wrong("refused or odd answer", f"regeneration: {answer.status} {answer.body}")

    def look(self, place: int, gone: str | None = None) -> None:
        """Read the bystander's list from a process, with the mark of the last one, and judge it."""
        before, window = self._seen.get(place), self.window
        call = Call("GET", f"/user/{BYSTANDER}?limit=100", etag=before.headers["etag"] if before else None)
        with self.looking(place) as look:
            bound = self.binds(window, place)
            answer = self.stage.send(call, place)
        if answer.status == 200:
            self._seen[place] = answer
        elif answer.status == 304 and before:
            answer = before
        else:
            return
        items = {item["game_id"]: item for item in answer.body["items"]}
        self._judge(items, look, place, answer is before)
        if bound and window.value not in [item["reason"]["text"] for item in items.values()]:
            self._stale(place, f"no item {window.value!r} (304: {answer is before})")
        if gone and items.get(gone, {}).get("source") == "drop":
            self._stale(place, f"drop of {gone} was ended (304: {answer is before})")

    def _judge(self, items: dict[str, Any], look: Look, place: int, repeated: bool) -> None:
        if wrong := look.off_sale & set(items):
            self._stale(place, f"off sale and shown: {wrong} (304: {repeated})")
        for game, item in items.items():
            if item["reason"]["text"].startswith("for ") and not item["reason"]["text"].startswith(FOR_EVERYONE):
                self.ledger.wrong("foreign item", f"{BYSTANDER}: {game} {item['reason']['text']}")

    def _stale(self, place: int, told: str) -> None:
        self.ledger.wrong("stale after acknowledgement", f"process {place} shows {BYSTANDER}: {told}")

    def _send(self, call: Call) -> Answer | None:
        for _ in range(3):
            answer = self.stage.send(call, self._place())
            if answer.settled:
                if answer.status not in (200, 201, 204):
                    self.ledger.wrong("refused or odd answer", f"{call}: {answer.status} {answer.body}")
                return answer
        return None

    def _key(self) -> str | None:
        self._count += 1
        return f"{self._name}-manager-{self._count}" if self.chance.random() < 0.5 else None

    def _place(self) -> int:
        return self.stage.ready_place(self.chance)
