"""
A replica that keeps pages answers, to the byte, what one answers at the same moment that keeps none and has just begun.

Whatever changes a page is done by either of them: events that come and are taken back, erasures, lists of the shop, the
catalogue, drops, models, popular games, and time that passes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from machines import copies_of, run_machine
from processes import ROUNDS
from shops import Shop

from recommendation.clock import rfc3339
from recommendation.engine.settings import EngineSettings
from recommendation.lists.view_store import ViewLoader
from recommendation.settings import Settings
from recommendation.training.models import promote
from recommendation_api.app import PREFIX
from recommendation_api.background.popular import PopularCounter
from recommendation_api.background.view import ViewHolder
from stores import checkerboard

WHO = ("ann", "bob", "u000", "u001")
WHAT = [f"g{number:03}" for number in range(8)] + ["new"]
SHORT: dict[str, Any] = {"limit": 3}
"""A page that is full without popular games, so that it outlives their being counted."""
PAGES: list[dict[str, Any]] = [{}, {"source": "cf"}, {"tag": "rpg"}, {"exclude": ["g000", "g003"], "limit": 3}]

OTHERS: list[dict[str, Any]] = [{"lists": "popular"}, {"model_version": "v1"}, {"model_version": "v2"}]
"""What users of a variant get; one of the two models is live."""

USERS, GAMES, REPLICA = st.sampled_from(WHO), st.sampled_from(WHAT), st.booleans()
SOON = st.none() | st.sampled_from([5, 45, 70])
"""Minutes from now; None: never, or long ago."""


class Machine(RuleBasedStateMachine):
    """Does to two replicas what shops and time do, and compares them."""

    fresh: Callable[[], Settings]
    how: ClassVar[dict[str, Any]] = {}
    """Settings of both replicas."""
    found: ClassVar[Counter[str]] = Counter()
    """Reads of the replica that keeps pages, by what was there for them; over all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(self.fresh())
        self.running = ExitStack()
        self.now = datetime.now(UTC) + timedelta(minutes=1)
        self.apis = []
        for mib in (0, 1):
            shop = Shop(replace(self.shop.settings, kept_pages_mib=mib, **self.how))
            self.apis.append(self.running.enter_context(shop.app()))
            self.running.callback(shop.database.close)
            self.apis[-1].parts.clock._source = lambda: self.now
        self.count = self.steps = 0
        self.sent: list[tuple[str, str]] = []
        self.drops: list[str] = []

    def teardown(self) -> None:
        self.found.update(self.apis[1].parts.pages.found)
        self.running.close()
        self.shop.database.close()

    def call(self, second: bool, method: str, path: str, body: Any = None) -> Any:
        return self.apis[second].client.request(method, PREFIX + path, json=body)

    def in_minutes(self, minutes: int | None) -> str | None:
        return None if minutes is None else rfc3339(self.now + timedelta(minutes=minutes))

    def send(self, second: bool, user: str, game: str, kind: str) -> None:
        self.count += 1
        row = {"user_id": user, "game_id": game, "event_type": kind, "event_id": f"e{self.count}"}
        assert self.call(second, "POST", "/interactions", [row]).status_code == 200
        self.sent.append((user, f"e{self.count}"))

    @rule(
        second=REPLICA, user=USERS, game=GAMES, kind=st.sampled_from(["purchased", "wishlisted", "clicked", "refunded"])
    )
    def interact(self, second: bool, user: str, game: str, kind: str) -> None:
        self.send(second, user, game, kind)

    @precondition(lambda self: self.sent)
    @rule(second=REPLICA, game=GAMES, again=st.booleans())
    def take_back(self, second: bool, game: str, again: bool) -> None:
        """Take an event back; and send another, so that the user has as many as before."""
        user, event_id = self.sent.pop()
        assert self.call(second, "DELETE", f"/interactions/{event_id}").status_code == 200
        if again:
            self.send(second, user, game, "purchased")

    @rule(second=REPLICA, user=USERS, game=GAMES, action=st.sampled_from(["dismissed", "wishlisted", "shown"]))
    def feed_back(self, second: bool, user: str, game: str, action: str) -> None:
        self.call(second, "POST", "/feedback", [{"user_id": user, "game_id": game, "action": action}])

    @rule(second=REPLICA, user=USERS)
    def erase(self, second: bool, user: str) -> None:
        assert self.call(second, "DELETE", f"/user/{user}").status_code == 200
        assert not any(name == user for name, _ in self.apis[second].parts.pages._pages)
        self.sent = [(name, event_id) for name, event_id in self.sent if name != user]

    @rule(
        second=REPLICA,
        user=st.none() | USERS,
        games=st.lists(GAMES, max_size=2, unique=True),
        position=st.none() | st.integers(1, 4),
        expires=SOON,
    )
    def recommend(
        self, second: bool, user: str | None, games: list[str], position: int | None, expires: int | None
    ) -> None:
        if not games:
            self.call(second, "DELETE", f"/user/{user}/lists/editorial" if user else "/lists/editorial")
            return
        row = {"user_id": user, "score": 1, "source": "editorial", "position": position}
        rows = [{**row, "game_id": game, "expires_at": self.in_minutes(expires)} for game in games]
        body = {"recommendations": rows, "mode": "replace", "create_games": True}
        assert self.call(second, "POST", "/batch", body).status_code == 200

    @rule(
        second=REPLICA,
        game=GAMES,
        change=st.fixed_dictionaries(
            {},
            optional={
                "title": st.sampled_from(["A", "B"]),
                "available": st.booleans(),
                "tags": st.sampled_from([[], ["rpg"]]),
            },
        ),
        released=SOON,
    )
    def change_the_catalogue(self, second: bool, game: str, change: dict[str, Any], released: int | None) -> None:
        row = {"game_id": game, "released_at": self.in_minutes(released), "similar_to": ["g001"], **change}
        assert self.call(second, "PUT", "/games", [row]).status_code == 200

    @rule(second=REPLICA, game=GAMES)
    def delete_a_game(self, second: bool, game: str) -> None:
        assert self.call(second, "DELETE", f"/games/{game}").status_code in (200, 404)

    @rule(
        second=REPLICA,
        games=st.lists(GAMES, min_size=1, max_size=3, unique=True),
        released=SOON,
        holdout=st.none() | st.just({"percent": 50}),
    )
    def drop(self, second: bool, games: list[str], released: int | None, holdout: Any) -> None:
        self.count += 1
        uid, now = f"drop-{self.count}", rfc3339(self.now)
        placement = {"slots": 2, "first_position": 1, "duration_days": 1}
        body = {"name": uid, "games": [{"game_id": game} for game in games], "created_at": now, "placement": placement}
        body |= {"release_time": self.in_minutes(released) or now, "holdout": holdout}
        assert self.call(second, "PUT", f"/drops/{uid}", body).status_code == 200
        self.drops.append(uid)

    @precondition(lambda self: self.drops)
    @rule(second=REPLICA)
    def end_a_drop(self, second: bool) -> None:
        self.call(second, "DELETE", f"/drops/{self.drops.pop()}")

    @rule(second=REPLICA, other=st.sampled_from(OTHERS), starts=SOON, ends=st.none() | st.just(80))
    def experiment(self, second: bool, other: dict[str, Any], starts: int | None, ends: int | None) -> None:
        """Begin an experiment, or delete the one that cannot be changed any more."""
        variants = [{"name": "as-ever", "share": 50}, {"name": "other", "share": 50, **other}]
        body = {"variants": variants, "starts_at": self.in_minutes(starts), "ends_at": self.in_minutes(ends)}
        if self.call(second, "PUT", "/experiments/x", body).status_code != 200:
            assert self.call(second, "DELETE", "/experiments/x").status_code == 204

    @rule(second=REPLICA, user=USERS)
    def generate(self, second: bool, user: str) -> None:
        assert self.call(second, "POST", f"/user/{user}/generate").status_code == 200

    @rule(number=st.integers(0, 1))
    def promote(self, number: int) -> None:
        versions = [model["version"] for model in self.call(False, "GET", "/models").json()["models"]]
        with self.shop.database.writing() as connection:
            promote(connection, versions[number], self.now)

    @rule(second=REPLICA)
    def count_popular_games(self, second: bool) -> None:
        self.apis[second].parts.popular.count()

    @rule(minutes=st.sampled_from([1 / 60, 1, 4.99, 10, 30, 60, 1500]))
    def time_passes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def both_answer_the_same(self) -> None:
        views = self.apis[0].parts.views
        views._loader = ViewLoader(self.shop.settings.model_max_bytes)  # as if it had just begun
        for api in self.apis:
            api.parts.views.refresh()
        self.steps += 1
        for user in WHO:
            for params in SHORT, PAGES[self.steps % len(PAGES)]:
                plain, keeping = (api.client.get(f"{PREFIX}/user/{user}", params=params) for api in self.apis)
                assert keeping.content == plain.content, (user, params, keeping.json(), plain.json())
                assert keeping.headers["ETag"] == plain.headers["ETag"]
        assert len(self.apis[0].parts.pages) == 0


class ReorderingMachine(Machine):
    """The same where lists are put in order by tags and by what was shown, too."""

    how: ClassVar[dict[str, Any]] = {"diversity": 0.3, "most_per_tag": 2, "shown_often": 1}


async def _idle(_self: object) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def fresh(
    database_url: str, copied: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Settings]:
    """Settings of a new copy of one store with two models; nothing happens in the background of its replicas."""
    monkeypatch.setattr(PopularCounter, "keep_counted", _idle)
    monkeypatch.setattr(ViewHolder, "keep_fresh", _idle)
    made = Settings(
        database_url=database_url,
        model_path=tmp_path / "models" / "cf.pkl",
        training="queued",
        half_life_days=200.0,
        engine=EngineSettings(components=4, min_interactions=1),
    )
    return copies_of(made, checkerboard(24, 8), copied)


@pytest.mark.parametrize("machine", [Machine, ReorderingMachine])
def test_a_kept_page_is_the_page_that_would_be_made(fresh: Callable[[], Settings], machine: type[Machine]) -> None:
    run_machine(machine, fresh, 3, 12)
    assert Machine.found["kept"], "no page was answered again, so none was tried"


@pytest.mark.faults
@pytest.mark.parametrize("machine", [Machine, ReorderingMachine])
def test_a_kept_page_is_the_page_that_would_be_made_for_longer(
    fresh: Callable[[], Settings], machine: type[Machine]
) -> None:
    run_machine(machine, fresh, 6 * ROUNDS, 40)
