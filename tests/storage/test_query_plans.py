"""Every query that a request makes of a large table is answered by an index, at a million pairs."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation.storage.dialects.connecting import driver_url
from recommendation.storage.readers import GLANCES
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
    f"""INSERT INTO feedback (user_id, game_id, action, occurred_at) SELECT 'u' || u, 'g1', 'clicked', now()
        FROM generate_series(1, {USERS}) u""",
    f"INSERT INTO event_ids SELECT 'e' || u, '', now() FROM generate_series(1, {USERS}) u",
    f"""INSERT INTO idempotent_answers SELECT 'h', 'r', 'k' || u, '', 200, '{{}}', '', now()
        FROM generate_series(1, {USERS}) u""",
    "INSERT INTO snapshots VALUES ('catalogue', 1, now(), NULL)",
    # Popular games are counted now and then, off the path of requests: here they are fresh.
    "INSERT INTO snapshots VALUES ('popular', 1, now(), 1000)",
)


@pytest.fixture
def statements(postgres_url: str) -> Iterator[tuple[TestClient, list[tuple[str, Any]]]]:
    """An app over a full store, and the statements that it sends from now on."""
    engine = create_engine(driver_url(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in FILL:
            connection.execute(text(statement))
        connection.execute(text("ANALYZE"))
    engine.dispose()
    app = create_app(Settings(database_url=postgres_url, training="queued"))
    sent: list[tuple[str, Any]] = []
    with TestClient(app) as client:

        @event.listens_for(app.state.service.database.engine, "before_cursor_execute")
        def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            sent.append((statement, parameters))

        yield client, sent


def test_every_query_of_a_request_is_answered_by_an_index(
    statements: tuple[TestClient, list[tuple[str, Any]]], postgres_url: str
) -> None:
    client, sent = statements
    event_ = {"user_id": "u5", "game_id": "g3", "event_type": "viewed", "event_id": "e7777777"}
    asked = [
        client.get(f"{PREFIX}/user/u17?limit=20"),
        client.get(f"{PREFIX}/user/u17/why?game_id=g3"),
        client.get(f"{PREFIX}/user/u17/export"),
        client.get(f"{PREFIX}/popular"),
        client.post(f"{PREFIX}/interactions", json=event_, headers={"Idempotency-Key": "one"}),
        client.post(f"{PREFIX}/feedback", json={"user_id": "u5", "game_id": "g3", "action": "clicked"}),
        client.post(f"{PREFIX}/batch", json={"user_id": "u5", "game_id": "g3", "score": 1, "source": "editorial"}),
        client.delete(f"{PREFIX}/user/u6/lists/editorial"),
        client.delete(f"{PREFIX}/user/u6"),
    ]
    assert [answer.status_code for answer in asked] == [200] * 7 + [204, 200]
    texts = dict.fromkeys(statement for statement, _ in sent)
    assert len(texts) > 10
    chosen = [next(pair for pair in sent if pair[0] == statement) for statement in texts]
    scans = {statement: scanned for statement, given in chosen if (scanned := _scanned(postgres_url, statement, given))}
    assert _scanned(postgres_url, "SELECT FROM user_game_interactions WHERE game_id = 'g1'", None) == {LARGE[0]}
    assert _not_of_background_work(scans) == {}
    assert _scanned(postgres_url, _prepared_read(postgres_url), None) == set()


def _prepared_read(url: str) -> str:
    """The read of lists goes to the driver by itself, so that the listener above does not see it."""
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        query = GLANCES.text(connection, "ARRAY['u1','u2','u3','u4','u5','u6','u7','u8']")
    engine.dispose()
    return query


def _not_of_background_work(scans: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out the count of popular games, which no request waits for."""
    return {statement: tables for statement, tables in scans.items() if "count(*) AS users" not in statement}


def _scanned(url: str, statement: str, parameters: Any) -> set[str]:
    """Return the large tables that PostgreSQL would read from end to end."""
    if not statement.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
        return set()
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("EXPLAIN (FORMAT JSON) " + statement, parameters)
        (plan,) = cursor.fetchone()[0]
        connection.rollback()
    engine.dispose()
    return set(_sequential(plan["Plan"])) & set(LARGE)


def _sequential(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _sequential(child)
