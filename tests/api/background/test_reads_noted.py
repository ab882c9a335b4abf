"""First reads in the memory of a process: each user once, within bounds, and none is lost while the store is away."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from recommendation.database.database import Database
from recommendation.database.tables import exposures
from recommendation.errors import StoreUnavailable
from recommendation.experiments.first_reads import leave_first_reads
from recommendation.experiments.treatment import Begun
from recommendation_api.background import first_reads
from recommendation_api.background.first_reads import FirstReads

NOW = datetime(2026, 11, 28, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ONE, OTHER = Begun("one", NOW), Begun("other", NOW)


def left(database: Database) -> set[tuple[str, str, datetime]]:
    with database.reading() as connection:
        query = select(exposures.c.experiment, exposures.c.user_id, exposures.c.first_at)
        return {tuple(row) for row in connection.execute(query)}


def test_a_user_is_noted_once_for_each_experiment_and_not_again_once_left(database: Database) -> None:
    reads = FirstReads(database)
    reads.saw("ann", (ONE, OTHER), NOW)
    reads.saw("ann", (ONE,), NOW + MINUTE)
    reads.saw("bob", (), NOW)
    assert len(reads) == 2
    reads.leave()
    reads.saw("ann", (ONE, OTHER), NOW + MINUTE)
    assert len(reads) == 0
    assert left(database) == {("one", "ann", NOW), ("other", "ann", NOW)}
    reads.saw("ann", (Begun("one", NOW + MINUTE),), NOW + MINUTE)
    assert len(reads) == 1, "an experiment of the same name that began later is another one"


def test_what_is_noted_and_what_is_known_have_bounds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_WAITING", 5), ("MOST_KNOWN", 8), ("MOST_TOGETHER", 2)):
        monkeypatch.setattr(first_reads, name, most)
    reads = FirstReads(database)
    noted = [reads.saw(f"u{number}", (ONE,), NOW) for number in range(7)]
    assert (len(reads), reads.left_out, noted) == (5, 2, [True] * 5 + [False] * 2)
    reads.leave()
    assert len(left(database)) == 5
    for number in range(5, 10):
        reads.saw(f"u{number}", (ONE,), NOW)
    reads.leave()
    assert (len(left(database)), len(reads._known) <= 8) == (10, True)


def test_what_cannot_be_left_waits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = FirstReads(database)
    reads.saw("ann", (ONE,), NOW)

    def away(*_: object) -> int:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(first_reads, "leave_first_reads", away)
        with pytest.raises(StoreUnavailable):
            reads.leave()
        reads._try()
    assert len(reads) == 1
    reads.leave()
    assert left(database) == {("one", "ann", NOW)}


def test_who_was_erased_waits_no_more(database: Database) -> None:
    reads = FirstReads(database)
    reads.saw("ann", (ONE, OTHER), NOW)
    reads.saw("bob", (ONE,), NOW)
    reads.forget("ann")
    reads.leave()
    assert left(database) == {("one", "bob", NOW)}
    reads.forget("bob")
    reads.saw("bob", (ONE,), NOW + MINUTE)
    assert len(reads) == 1, "who comes back is noted anew"


def test_who_is_erased_while_first_reads_are_left_and_comes_back_at_once_is_noted_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = FirstReads(database)
    for user in ("ann", "bob", "cid"):
        reads.saw(user, (ONE,), NOW)

    def erased_meanwhile(connection: Connection, seen: Mapping[tuple[Begun, str], datetime]) -> int:
        reads.forget("ann")
        reads.forget("cid")
        reads.saw("ann", (ONE,), NOW + MINUTE)
        return leave_first_reads(connection, {key: at for key, at in seen.items() if key[1] == "bob"})

    with monkeypatch.context() as patched:
        patched.setattr(first_reads, "leave_first_reads", erased_meanwhile)
        reads.leave()
    assert len(reads) == 1
    reads.saw("cid", (ONE,), NOW + MINUTE)
    reads.leave()
    assert left(database) == {("one", "ann", NOW + MINUTE), ("one", "bob", NOW), ("one", "cid", NOW + MINUTE)}


def test_the_rest_is_left_as_the_process_ends(database: Database) -> None:
    reads = FirstReads(database)

    async def run() -> None:
        task = asyncio.create_task(reads.keep_leaving())
        await asyncio.sleep(0)
        reads.saw("ann", (ONE,), NOW)
        task.cancel()
        await task

    asyncio.run(run())
    assert left(database) == {("one", "ann", NOW)}
