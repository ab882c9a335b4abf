"""
The API against a model in memory, on both databases: whatever happens, no list holds a game that it must not hold.

The judge knows the contract and none of the code: what each event says of a pair, and what the catalogue says of a
game.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from machines import copies_of, run_machine
from processes import ROUNDS
from shops import Shop

from recommendation.engine.settings import EngineSettings
from recommendation.settings import Settings
from recommendation.training.models import promote
from recommendation_api.app import PREFIX
from stores import checkerboard

WEIGHTS = {
    "purchased": Fraction(5),
    "played": Fraction(3),
    "wishlisted": Fraction(2),
    "clicked": Fraction(1, 2),
    "viewed": Fraction(3, 10),
    "refunded": Fraction(0),
    "dismissed": Fraction(0),
}
OWNS = {"purchased": True, "played": True, "refunded": False}
HIDES = {"dismissed": True, "wishlisted": False, "clicked": False, "purchased": False}

FILLED = checkerboard(24, 8)
WHO = ("ann", "Zoë 100%", "u000")
"""Two of whom nothing is known, and one who was there when the model was trained."""
WHAT = [f"g{number:03}" for number in range(8)] + ["new", "newer"]
USERS, GAMES = st.sampled_from(WHO), st.sampled_from(WHAT)
LONG_AGO, IN_FUTURE = "2020-01-01T00:00:00Z", "2190-01-01T00:00:00Z"
DAYS = [None, *(f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3))]
"""When an event happened: now, or on one of three days, so that events come late and some at the same time."""

Moment = tuple[int, str | int]


class Flag:
    """What the latest event says; of several at the same time, the one that hides wins."""

    def __init__(self) -> None:
        self.said: dict[Moment, bool] = {}

    def say(self, at: Moment, hides: bool) -> None:
        self.said[at] = self.said.get(at, False) or hides

    def __bool__(self) -> bool:
        return bool(self.said) and self.said[max(self.said)]


class Judge:
    """What the contract says of each pair and each game."""

    def __init__(self) -> None:
        self.scores: dict[tuple[str, str], Fraction] = {}
        self.owned: dict[tuple[str, str], Flag] = {}
        self.dismissed: dict[tuple[str, str], Flag] = {}
        self.erased: set[str] = set()
        self.unavailable: set[str] = set()
        self.released: dict[str, str | None] = {}
        """Known games, and when they are released, where the shop says so."""
        self.announced: dict[str, dict[str, str]] = {}
        """Games that only drops made known, with those drops that stand and their releases."""

    def happened(self, user: str, game: str, kind: str, quantity: Any, at: Moment) -> None:
        pair = (user, game)
        self.scores[pair] = self.scores.get(pair, Fraction(0)) + WEIGHTS[kind] * Fraction(str(quantity))
        for flags, meaning in ((self.owned, OWNS), (self.dismissed, HIDES)):
            if kind in meaning:
                flags.setdefault(pair, Flag()).say(at, meaning[kind])
        self.released.setdefault(game, None)

    def forget(self, user: str) -> None:
        self.erased.add(user)
        for known in (self.scores, self.owned, self.dismissed):
            for pair in [pair for pair in known if pair[0] == user]:
                del known[pair]  # type: ignore[attr-defined]

    def dropped(self, uid: str, game: str, release: str) -> None:
        """
        A drop makes a game known, with its release for as long as it stands; of a known game it hides nothing.

        Another drop of a game that waits for the first one's release may bring it forward: the earliest counts.
        """
        if game not in self.released or self.announced.get(game):
            self.released.setdefault(game, None)
            self.announced.setdefault(game, {})[uid] = release

    def ended(self, uid: str) -> None:
        """What a drop said ends with it."""
        for said in self.announced.values():
            said.pop(uid, None)

    @property
    def off_sale(self) -> set[str]:
        announced = {game: min(said.values()) for game, said in self.announced.items() if said}
        released = {game: at or announced.get(game) for game, at in self.released.items()}
        return self.unavailable | {game for game, at in released.items() if at == IN_FUTURE}

    def forbidden(self, user: str) -> set[str]:
        hidden = {game for game in WHAT if self.owned.get((user, game)) or self.dismissed.get((user, game))}
        return hidden | self.off_sale


class Machine(RuleBasedStateMachine):
    """Does to a store what shops do, and asks the judge about every list."""

    fresh: Callable[[], Settings]
    """Settings of a new copy of a store with a live model."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(self.fresh())
        self.running = self.shop.app()
        self.api = self.running.__enter__()
        self.judge = Judge()
        for user, game in zip(FILLED.users.ids(FILLED.user_rows), FILLED.games.ids(FILLED.indices), strict=True):
            self.judge.happened(user, game, "played", 1, (0, ""))
        self.last: tuple[str, Any, dict[str, str], bytes] | None = None
        self.drops: list[str] = []
        self.count = self.steps = 0

    def teardown(self) -> None:
        self.running.__exit__(None, None, None)
        self.shop.database.close()

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = self.api.client.request(method, PREFIX + path, json=body, **more)
        assert answer.status_code < 300, answer.text
        return answer

    def send(self, path: str, rows: list[dict[str, Any]], headers: dict[str, str]) -> None:
        """Send events, and tell the judge of those that count: none that happened before its user was erased."""
        answer = self.api.client.request("POST", PREFIX + path, json=rows, headers=headers)
        late = [row["user_id"] in self.judge.erased and "occurred_at" in row for row in rows]
        assert answer.status_code == (422 if all(late) else 200), answer.text
        assert [row["index"] for row in answer.json()["rejected"]] == [i for i, is_late in enumerate(late) if is_late]
        assert answer.json()["accepted"] == len(rows) - sum(late)
        for row, is_late in zip(rows, late, strict=True):
            self.count += 1
            at: Moment = (0, row["occurred_at"]) if "occurred_at" in row else (1, self.count)
            if not is_late:
                kind = row.get("event_type") or row["action"]
                self.judge.happened(row["user_id"], row["game_id"], kind, row.get("quantity", 1), at)
        self.last = None if any(late) else (path, rows, headers, answer.content)

    @rule(
        rows=st.lists(
            st.tuples(
                USERS,
                GAMES,
                st.sampled_from([kind for kind in WEIGHTS if kind != "dismissed"]),
                st.sampled_from([1, 2, 0.1, 2.5]),
                st.sampled_from(DAYS),
                st.booleans(),
            ),
            min_size=1,
            max_size=4,
        ),
        keyed=st.booleans(),
    )
    def interact(self, rows: list[tuple[str, str, str, Any, str | None, bool]], keyed: bool) -> None:
        body = []
        for place, (user, game, kind, quantity, at, named) in enumerate(rows):
            row = {"user_id": user, "game_id": game, "event_type": kind, "quantity": quantity}
            row |= {"occurred_at": at} if at else {}
            body.append({**row, "event_id": f"e-{self.count}-{place}"} if named or not keyed else row)
        self.send("/interactions", body, {"Idempotency-Key": f"k-{self.count}"} if keyed else {})

    @rule(
        user=USERS,
        game=GAMES,
        action=st.sampled_from(["clicked", "wishlisted", "purchased", "dismissed", "dismissed"]),
        at=st.sampled_from(DAYS),
    )
    def feed_back(self, user: str, game: str, action: str, at: str | None) -> None:
        row = {"user_id": user, "game_id": game, "action": action, "event_id": f"f-{self.count}"}
        self.send("/feedback", [row | ({"occurred_at": at} if at else {})], {})

    @precondition(lambda self: self.last is not None)
    @rule()
    def retry(self) -> None:
        assert self.last is not None
        path, body, headers, first = self.last
        answer = self.call("POST", path, body, headers=headers)
        if headers:
            assert answer.content == first
            assert answer.headers["Idempotency-Replayed"] == "true"
        else:
            assert answer.json() == {"accepted": 0, "duplicates": len(body), "rejected": []}

    @rule(user=USERS)
    def erase(self, user: str) -> None:
        self.call("DELETE", f"/user/{_path(user)}")
        self.judge.forget(user)
        self.last = None

    @rule(game=GAMES, available=st.booleans(), released=st.sampled_from([None, LONG_AGO, IN_FUTURE]), near=GAMES)
    def change_the_catalogue(self, game: str, available: bool, released: str | None, near: str) -> None:
        row = {"game_id": game, "available": available, "released_at": released, "similar_to": [near]}
        self.call("PUT", "/games", [row])
        self.judge.released[game] = released
        (self.judge.unavailable.discard if available else self.judge.unavailable.add)(game)

    @rule(
        user=st.none() | USERS,
        games=st.lists(GAMES, min_size=1, max_size=3, unique=True),
        source=st.sampled_from(["editorial", "rule:x"]),
        position=st.none() | st.integers(1, 5),
        mode=st.sampled_from(["merge", "replace"]),
    )
    def pin(self, user: str | None, games: list[str], source: str, position: int | None, mode: str) -> None:
        row = {"user_id": user, "score": 1, "source": source, "position": position}
        rows = [{**row, "game_id": game} for game in games]
        self.call("POST", "/batch", {"recommendations": rows, "mode": mode, "create_games": True})
        for game in games:
            self.judge.released.setdefault(game, None)

    @rule(
        games=st.lists(GAMES, min_size=1, max_size=3, unique=True),
        release=st.sampled_from([LONG_AGO, IN_FUTURE, "yesterday"]),
        slots=st.integers(1, 3),
    )
    def drop(self, games: list[str], release: str, slots: int) -> None:
        self.count += 1
        uid, now = f"drop-{self.count}", self.shop.clock().isoformat()
        rows = [{"game_id": game, "similar_to": ["g000", "g001"]} for game in games]
        body = {"name": uid, "games": rows, "created_at": now, "placement": {"slots": slots, "first_position": 1}}
        at = now if release == "yesterday" else release
        self.call("PUT", f"/drops/{uid}", body | {"release_time": at})
        self.drops.append(uid)
        for game in games:
            self.judge.dropped(uid, game, at)

    @precondition(lambda self: self.drops)
    @rule()
    def end_a_drop(self) -> None:
        uid = self.drops.pop()
        self.call("DELETE", f"/drops/{uid}")
        self.judge.ended(uid)

    @rule(user=USERS)
    def generate(self, user: str) -> None:
        self.look()
        page = self.call("POST", f"/user/{_path(user)}/generate").json()
        self.check(page["items"], self.judge.forbidden(user), "the list that was generated")

    @rule(kind=st.sampled_from(["train", "promote", "regenerate", "regenerate"]), number=st.integers(0, 9))
    def change_the_model_or_every_list(self, kind: str, number: int) -> None:
        if kind == "train":
            self.shop.train()
        elif kind == "regenerate":
            self.shop.regenerate()
        else:
            versions = [model["version"] for model in self.call("GET", "/models").json()["models"]]
            with self.shop.database.writing() as connection:
                promote(connection, versions[number % len(versions)], self.shop.clock())

    def look(self) -> None:
        """Take up what changed; a running app does so every second."""
        self.api.look()

    @rule(
        user=USERS,
        limit=st.integers(1, 12),
        exclude=st.lists(GAMES, max_size=3),
        source=st.sampled_from([[], ["cf"], ["popular"], ["editorial", "rule"], ["drop", "cf"]]),
    )
    def read(self, user: str, limit: int, exclude: list[str], source: list[str]) -> None:
        self.look()
        self.walk(user, limit, {"exclude": exclude, "source": source}, self.judge.forbidden(user) | set(exclude))

    @invariant()
    def no_list_holds_a_game_that_it_must_not_hold(self) -> None:
        self.look()
        for user in WHO:
            self.walk(user, 4, {}, self.judge.forbidden(user))
        self.steps += 1
        user, exclude = WHO[self.steps % len(WHO)], {WHAT[self.steps % len(WHAT)]}
        self.walk(user, 4, {"exclude": list(exclude)}, self.judge.forbidden(user) | exclude)
        self.check(self.call("GET", "/popular").json()["items"], self.judge.off_sale, "popular")
        for game in ("g000", "new"):
            if game in self.judge.released:
                similar = self.call("GET", f"/game/{game}/similar").json()
                self.check(similar["items"], self.judge.off_sale | {game}, "similar")

    @invariant()
    def sums_are_exact(self) -> None:
        for user in WHO:
            rows = self.call("GET", f"/user/{_path(user)}/export").json()["interactions"]
            found = {(user, row["game_id"]): Fraction(str(row["score"])) for row in rows}
            assert found == {pair: score for pair, score in self.judge.scores.items() if pair[0] == user}

    def walk(self, user: str, limit: int, query: Mapping[str, Any], forbidden: set[str]) -> None:
        """Read a list to its end, page after page; the last page may be empty."""
        cursor, before, most = None, set[str](), len(WHAT) // limit + 1
        for number in range(1, most + 2):
            assert number <= most, "the pages never end"
            more = {"cursor": cursor} if cursor else {}
            page = self.call("GET", f"/user/{_path(user)}", params={**query, "limit": limit, **more}).json()
            self.check(page["items"], forbidden | before, f"page {number} of {user}'s list")
            before |= {item["game_id"] for item in page["items"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def check(self, items: list[dict[str, Any]], forbidden: set[str], where: str) -> None:
        games = [item["game_id"] for item in items]
        assert len(games) == len(set(games)), f"{where} repeats a game"
        assert not set(games) & forbidden, f"{where} holds {set(games) & forbidden}"


def _path(user: str) -> str:
    return quote(user, safe="")


@pytest.fixture
def fresh(database_url: str, copied: Callable[[str], str], tmp_path: Path) -> Callable[[], Settings]:
    """Settings of a new copy of one store: filled, with two models, the second of them live."""
    made = Settings(
        database_url=database_url,
        model_path=tmp_path / "models" / "cf.pkl",
        training="queued",
        engine=EngineSettings(components=4, min_interactions=1),
    )
    return copies_of(made, FILLED, copied)


def test_no_list_holds_a_game_that_it_must_not_hold(fresh: Callable[[], Settings]) -> None:
    run_machine(Machine, fresh, 6, 15)


@pytest.mark.faults
def test_no_list_holds_a_game_that_it_must_not_hold_for_longer(fresh: Callable[[], Settings]) -> None:
    run_machine(Machine, fresh, 12 * ROUNDS, 40)
