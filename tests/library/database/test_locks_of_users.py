"""An erasure and the work of others: each keeps only those waiting who write of the same user, and only briefly."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg2
import pytest
from shop import START, event, pairs, send
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.database.locks import share_with_erasure
from recommendation.errors import LockHeld
from recommendation.interactions.erasures import erase_user

pytestmark = pytest.mark.postgres


@pytest.fixture
def job(postgres_url: str) -> Iterator[Database]:
    """The store as a job has it: patient."""
    opened = Database(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def requests(postgres_url: str) -> Iterator[Database]:
    """The store as requests have it."""
    opened = Database(postgres_url, lock_wait_ms=50)
    yield opened
    opened.close()


def test_an_erasure_under_way_keeps_out_who_writes_of_its_user_and_no_other(job: Database, requests: Database) -> None:
    with job.writing() as connection:
        erase_user(connection, "ann", START)
        assert len(send(requests, [event("bob", "g")]).accepted) == 1
        with pytest.raises(LockHeld):
            send(requests, [event("bob", "g"), event("ann", "g")])
    assert len(send(requests, [event("ann", "g")], START + timedelta(hours=1)).accepted) == 1
    assert [(row[0], row[3]) for row in pairs(job)] == [("ann", 1), ("bob", 1)]


def test_an_erasure_that_waits_for_a_job_keeps_no_request_waiting(job: Database, requests: Database) -> None:
    def erase() -> None:
        with requests.writing() as connection:
            erase_user(connection, "ann", START)

    with job.writing() as connection:
        share_with_erasure(connection, None)
        with in_background(erase), job.reading() as watching:
            until(lambda: watching.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one() == 1)
            assert len(send(requests, [event("ann", "g")]).accepted) == 1
            connection.commit()
    assert pairs(job) == []


def test_a_row_that_another_holds_is_waited_for_a_moment_only_and_by_jobs_until_it_is_free(
    job: Database, requests: Database, postgres_url: str
) -> None:
    send(job, [event("ann", "g")])
    holder = psycopg2.connect(postgres_url)
    holder.cursor().execute("SELECT 1 FROM user_game_interactions FOR UPDATE")
    with pytest.raises(LockHeld):
        send(requests, [event("ann", "g")])
    with in_background(lambda: send(job, [event("ann", "g")])), job.reading() as watching:
        until(lambda: watching.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one() == 1)
        holder.close()
    assert [row[3] for row in pairs(job)] == [2]


@contextmanager
def in_background(work: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if is_so():
            return
    raise AssertionError("it never was so")
