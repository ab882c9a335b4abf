"""Every query that a request makes of a large table is answered by an index, at a million pairs."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from recommendation.clock import rfc3339
from recommendation.database.database import Database
from recommendation.database.dialects.connections import driver_url
from recommendation.database.dividing.steps import divide
from recommendation.database.locks import try_popular_turn
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

LARGE = ("user_game_interactions", "user_lists", "feedback", "event_ids", "idempotent_answers")
USERS, PER_USER = 40_000, 25

pytestmark = pytest.mark.postgres

FILL = (
    "INSERT INTO games (game_id, available, updated_at) SELECT 'g' || n, true, now() FROM generate_series(0, 999) n",
    "ALTER TABLE user_game_interactions DROP CONSTRAINT pk_user_game_interactions",
    f"""INSERT INTO user_game_interactions SELECT 'u' || u, 'g' || (u * 7 + n * 39) % 1000, 3000000, 1, true, now(),
        false, NULL, now(), now() FROM generate_series(1, {USERS}) u, generate_series(1, {PER_USER}) n""",
    "ALTER TABLE user_game_interactions ADD CONSTRAINT pk_user_game_interactions PRIMARY KEY (user_id, game_id)",
    f"""INSERT INTO user_lists SELECT 'u' || u, 'cf', 1, now(), 'v1', {PER_USER}, ''
        FROM generate_series(1, {USERS}) u""",
    f"""INSERT INTO feedback (user_id, game_id, action, source, occurred_at) SELECT 'u' || u, 'g1', 'clicked',
        CASE WHEN u % 40 = 0 THEN 'drop' ELSE 'cf' END, now() FROM generate_series(1, {USERS}) u""",
    f"INSERT INTO event_ids SELECT 'e' || u, '', now() FROM generate_series(1, {USERS}) u",
    f"""INSERT INTO idempotent_answers SELECT 'h', 'r', 'k' || u, '', 200, '{{}}', '', now()
        FROM generate_series(1, {USERS}) u""",
    "INSERT INTO snapshots VALUES ('catalogue', 1, now(), NULL)",
)


@pytest.mark.parametrize("is_divided", [False, True])
def test_every_query_of_a_request_is_answered_by_an_index(postgres_url: str, is_divided: bool) -> None:
    if is_divided:
        database = Database(postgres_url)
        divide(database, lambda said: None)
        database.close()
    _run(postgres_url, *FILL, "ANALYZE")
    homes = _homes(postgres_url)
    before, lookups = _scans(postgres_url), _lookups(postgres_url)
    _ask(postgres_url)
    assert _scans(postgres_url) == before
    assert {name for name, times in _lookups(postgres_url).items() if times > lookups[name]} <= homes
    _run(postgres_url, "SELECT count(*) FROM feedback WHERE game_id = 'g1'")
    assert _scans(postgres_url) == {**before, "feedback": before["feedback"] + 1}


def _ask(url: str) -> None:
    """Send one request of each kind that speaks of users, and end the sessions that it took."""
    event = {"user_id": "u5", "game_id": "g3", "event_type": "viewed", "event_id": "e7777777"}
    pin = {"user_id": "u5", "game_id": "g3", "score": 1, "source": "editorial"}
    hour_ago = rfc3339(datetime.now(UTC) - timedelta(hours=1))
    drop = {"name": "d", "generation": 1, "created_at": hour_ago, "games": [{"game_id": "g1"}], "placement": {}}
    other = Database(url)
    app = create_app(Settings(database_url=url, training="queued"))
    # Popular games are counted off the path of requests, here by another replica, which does not come to an end.
    with other.writing() as turn:
        assert try_popular_turn(turn)
        with TestClient(app) as client:
            asked = [
                client.get(f"{PREFIX}/user/u17?limit=20"),
                client.get(f"{PREFIX}/user/u17/why?game_id=g3"),
                client.get(f"{PREFIX}/user/u17/export"),
                client.get(f"{PREFIX}/popular"),
                client.post(f"{PREFIX}/interactions", json=event, headers={"Idempotency-Key": "one"}),
                client.post(f"{PREFIX}/feedback", json={"user_id": "u5", "game_id": "g3", "action": "clicked"}),
                client.post(f"{PREFIX}/batch", json=pin),
                client.post(f"{PREFIX}/feedback", json={"user_id": "u5", "game_id": "g3", "action": "shown"}),
                client.post(f"{PREFIX}/lists/read", json={"users": ["u17", "u18", "u5"]}),
                client.put(f"{PREFIX}/drops/d1", json=drop),
                client.get(f"{PREFIX}/drops?feedback=true"),
                client.delete(f"{PREFIX}/user/u5/lists/editorial"),
                client.delete(f"{PREFIX}/user/u6"),
            ]
    other.close()
    assert '"clicked":1000' in asked[10].text
    assert [answer.status_code for answer in asked] == [200] * 11 + [204, 200]


def _scans(url: str) -> dict[str, int]:
    """Return how often each large table was read from end to end; sessions tell it when they end, if not before."""
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        while connection.execute(text(others)).scalar_one():
            connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        rows = connection.execute(text("SELECT relname, seq_scan FROM pg_stat_user_tables"))
        found = dict.fromkeys(LARGE, 0)
        for name, scans in rows:
            whole = re.sub(r"_p\d\d$", "", name)
            if whole in found:
                found[whole] += scans
    engine.dispose()
    return found


def _lookups(url: str) -> dict[str, int]:
    """Return how often the index of each table of pairs was asked: one table, or its partitions."""
    return dict(_rows(url, "SELECT relname, idx_scan FROM pg_stat_user_tables WHERE relname LIKE 'user_game_inter%'"))


def _homes(url: str) -> set[str]:
    """Return the tables that hold the pairs of the users of whom requests spoke."""
    where = "WHERE user_id IN ('u5', 'u6', 'u17', 'u18')"
    query = f"SELECT DISTINCT tableoid::regclass::text FROM user_game_interactions {where}"
    return {name for (name,) in _rows(url, query)}


def _rows(url: str, query: str) -> list[Any]:
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def _run(url: str, *statements: str) -> None:
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
