"""Two who change the state of one run at the same moment: neither's wish is lost."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from served import until
from shop import START, checkerboard, trained
from sqlalchemy import Connection, text

from recommendation.database.database import Database
from recommendation.training import runs

pytestmark = pytest.mark.postgres  # SQLite has one writer at a time

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


@pytest.fixture
def store(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.close()


def meet(store: Database, first: Callable[[Connection], object], second: Callable[[], object]) -> None:
    """Let something wait for a row that another transaction has written, which is then committed."""
    thread = threading.Thread(target=second)
    with store.writing() as connection:
        first(connection)
        thread.start()
        with store.reading() as watching:
            until(lambda: _is_awaited(watching))
    thread.join(30)
    assert not thread.is_alive()


def _is_awaited(watching: Connection) -> bool:
    watching.execute(text("SELECT pg_stat_clear_snapshot()"))
    return bool(watching.execute(WAITING).scalar_one())


def queued(store: Database, is_running: bool = False) -> str:
    with store.writing() as connection:
        run, _ = runs.queue_run(connection, START)
        if is_running:
            runs.start_run(connection, run.run_id, START)
    return run.run_id


def read(store: Database, run_id: str) -> runs.TrainingRun:
    with store.reading() as connection:
        found = runs.get_run(connection, run_id)
    assert found is not None
    return found


def stop(store: Database, run_id: str) -> None:
    with store.writing() as connection:
        runs.request_stop(connection, run_id, START)


def test_a_stop_is_not_lost_while_its_run_goes_back_into_the_queue(store: Database) -> None:
    run_id = queued(store, is_running=True)
    meet(store, lambda connection: runs.requeue_run(connection, run_id, START), lambda: stop(store, run_id))
    found = read(store, run_id)
    assert (found.state, found.reason) == ("failed", runs.STOPPED)


def test_a_stop_is_not_lost_while_its_run_begins(store: Database) -> None:
    run_id = queued(store)
    meet(store, lambda connection: runs.start_run(connection, run_id, START), lambda: stop(store, run_id))
    found = read(store, run_id)
    assert (found.state, found.stop_requested_at) == ("running", START)


class Told(BaseException):
    """The process was told to stop."""


def test_a_run_is_not_put_back_into_the_queue_while_someone_stops_it(store: Database, tmp_path: Path) -> None:
    checkerboard(store)
    begun, asked = threading.Event(), threading.Event()

    def told_to_stop(stage: str) -> None:
        begun.set()
        asked.wait(30)
        raise Told

    def train() -> None:
        with pytest.raises(Told):
            trained(store, tmp_path, told_to_stop)

    def ask(connection: Connection) -> None:
        begun.wait(30)
        run = runs.active_run(connection)
        assert run is not None
        runs.request_stop(connection, run.run_id, START)
        asked.set()

    trainer = threading.Thread(target=train)
    trainer.start()
    meet(store, ask, trainer.join)
    with store.reading() as connection:
        assert [(run.state, run.reason) for run in runs.list_runs(connection, None, 5)] == [("failed", runs.STOPPED)]


def test_a_run_that_begins_just_as_it_is_given_up_goes_on(store: Database) -> None:
    run_id, later, closed = queued(store), START + timedelta(minutes=16), list[str | None]()

    def give_up() -> None:
        with store.writing() as connection:
            closed.append(runs.close_unclaimed_run(connection, later))

    meet(store, lambda connection: runs.start_run(connection, run_id, later), give_up)
    assert (closed, read(store, run_id).state) == ([None], "running")
