"""Reading lists while two clients read a user of nearly all games: how much longer the slowest of the others take."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import create_engine, text

from benchmarks.harness import Result, Sizes, compare
from benchmarks.postgres import Server
from benchmarks.serving import PREFIX, Load, our_api, wrk
from benchmarks.stores import reading_store
from recommendation.database.dialects.connections import driver_url

DEFAULT = {"users": 100_000, "games": 20_000, "owned": 30, "heavy": 19_000, "connections": 16, "seconds": 8.0}
QUICK = {**DEFAULT, "users": 3_000, "games": 3_000, "heavy": 2_500, "seconds": 2.0}

HEAVY = "heavy"

_COLLECTOR = text(
    """
    INSERT INTO user_game_interactions
        (user_id, game_id, score_millionths, events, owned, owned_at, dismissed, first_event_at, last_event_at)
    SELECT :user, game_id, 3000000, 1, true, now(), false, now(), now() FROM games ORDER BY game_id LIMIT :games
    """
)


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `read-heavy`: p99 of the others beside the heavy user over p99 without, at half of their peak rate."""
    url = reading_store(Server(), sizes["users"], sizes["games"], sizes["owned"])
    _add_collector(url, sizes["heavy"])
    path, heavy = f"{PREFIX}/user/user-%07d?limit=20", f"{PREFIX}/user/{HEAVY}?limit=20"
    with our_api(url, RECOMMENDATION_KEPT_PAGES_MIB="0") as ours:  # else the heavy user's page is kept

        def collector(seconds: float) -> None:
            wrk(ours, "read.lua", 2, seconds, users=1, read_path=heavy)

        def others(seconds: float, **more: object) -> Load:
            return wrk(ours, "read.lua", sizes["connections"], seconds, users=sizes["users"], read_path=path, **more)

        pause = sizes["connections"] * 2000 / others(3.0).rate
        collector(1.0)

        def p99() -> float:
            return others(sizes["seconds"], pause_ms=f"{pause:.1f}").p99

        beside = _beside(lambda: collector(sizes["seconds"] + 2), p99)
        return [compare("read-heavy", "<= 2", "ms", dict(sizes), rounds, beside, p99)]


def _beside(work: Callable[[], None], measured: Callable[[], float]) -> Callable[[], float]:
    """Return what measures while work goes on."""

    def both() -> float:
        other = threading.Thread(target=work)
        other.start()
        try:
            return measured()
        finally:
            other.join()

    return both


def _add_collector(url: str, games: int) -> None:
    engine = create_engine(driver_url(url))
    with engine.begin() as connection:
        connection.execute(_COLLECTOR, {"user": HEAVY, "games": games})
    engine.dispose()
