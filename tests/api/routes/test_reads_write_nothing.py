"""A GET writes nothing: every statement that it causes is a SELECT, right after this process wrote too."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import create_engine, event, text
from starlette.testclient import TestClient

from recommendation.database.dialects.connections import driver_url, is_sqlite_url
from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app
from recommendation_api.background.first_reads import FirstReads
from recommendation_api.background.minutes import MinuteCounts
from recommendation_api.background.popular import PopularCounter

IDS = {"user_id": "u00", "game_id": "g00", "source": "editorial"}
QUERIES = {f"{PREFIX}/user/{{user_id}}{path}": "?game_id=g01" for path in ("/why", "/shelves/why")}

READS = re.compile(r"\s*(SELECT\b|WITH\b|BEGIN\b|PRAGMA\b|SET TRANSACTION [^;]*\bREAD ONLY;)", re.IGNORECASE)
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|nextval)\b", re.IGNORECASE)


class NeverCounts(PopularCounter):
    """Is told of every write and counts nothing, so that every statement is that of a request."""

    async def keep_counted(self) -> None:
        """End at once."""


class NeverLeavesReads(FirstReads):
    """Notes who reads and leaves it nowhere."""

    async def keep_leaving(self) -> None:
        """Leave nothing."""


class NeverLeaves(MinuteCounts):
    """Counts what is answered and leaves it nowhere, whichever minute begins meanwhile."""

    async def keep_leaving(self) -> None:
        """Leave nothing."""


def paths(app: FastAPI) -> list[str]:
    """Return every path that answers GET, with ids in it."""
    documented = [path for path, methods in app.openapi()["paths"].items() if "get" in methods]
    filled = [re.sub(r"{(\w+)}", lambda name: IDS.get(name[1], "none"), p) + QUERIES.get(p, "") for p in documented]
    return [*filled, f"{PREFIX}/user/u00?limit=3&exclude=g01", f"{PREFIX}/user/u02"]


@contextmanager
def read_only(app: FastAPI, url: str) -> Iterator[list[str]]:
    """Have the database refuse writes of new sessions, those outside SQLAlchemy too; yield the statements within it."""
    statements: list[str] = []
    engine = app.state.parts.database.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    if is_sqlite_url(url):
        event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA query_only = ON"))
    else:
        owner = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
        with owner.connect() as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        owner.dispose()
    yield statements


def test_no_get_writes_even_where_events_came_in_just_before(store: Any, settings: Settings) -> None:
    store.checkerboard()
    store.train()
    assert store.get("/popular")["items"]
    variants = [{"name": "as-ever", "share": 50}, {"name": "none", "share": 50, "placement": "off"}]
    begun = store.call("PUT", "/experiments/reads", json={"variants": variants, "exposure": "read"})
    assert begun.status_code == 200
    app = create_app(settings)
    parts = app.state.parts
    parts.popular = NeverCounts(parts.database, 90, parts.clock, parts.views.written)
    parts.first_reads = NeverLeavesReads(parts.database)
    parts.minutes = NeverLeaves(parts.database, parts.metrics.totals, parts.clock)
    with read_only(app, settings.database_url) as statements, TestClient(app) as client:
        for path in paths(app):
            parts.written()
            assert client.get(path).status_code in (200, 404), path
            parts.written()
            client.portal.call(parts.views.catch_up)  # type: ignore[union-attr]
    assert len(parts.first_reads) == 2
    assert len(statements) > len(paths(app))
    assert [one for one in statements if not READS.match(one) or WRITES.search(one)] == []


def test_what_was_counted_shows_in_the_next_view(store: Any) -> None:
    parts = store.client.app.state.parts
    store.interact(("ann", "tower", "played"))
    assert parts.popular.count()
    parts.views.refresh()
    assert [item["game_id"] for item in store.call("GET", "/popular").json()["items"]] == ["tower"]
