"""A real hot standby that trainings read from: it may be behind, and it may end a snapshot."""

from pathlib import Path

import psycopg2
import pytest
from own_postgres import OwnPostgres
from shop import checkerboard, event, pairs, send, settings_of

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.matrix.extract import read_matrix
from recommendation.training import runs
from recommendation.training.source import SourceUnavailable, snapshot_of_pairs
from recommendation.training.train import train

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


def run(statement: str, url: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def begun(database: Database) -> str:
    with database.writing() as connection:
        queued, _ = runs.queue_run(connection, SteadyClock()())
        runs.start_run(connection, queued.run_id, SteadyClock()())
    return queued.run_id


def test_a_training_waits_for_what_was_there_when_it_began(own_postgres: OwnPostgres, tmp_path: Path) -> None:
    store = Database(own_postgres.url())
    checkerboard(store)
    with own_postgres.replica() as there:
        replica, administer = Database(there(own_postgres.url())), there(own_postgres.url("store", "postgres"))
        run("SELECT pg_wal_replay_pause()", administer)
        send(store, [event("late", "g01")])
        waited: list[float] = []

        def resume_at_the_second(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                run("SELECT pg_wal_replay_resume()", administer)

        with snapshot_of_pairs(store, replica, begun(store), resume_at_the_second) as connection:
            matrix = read_matrix(connection, None, SteadyClock()())
        assert len(waited) >= 2
        assert matrix.pairs == len(pairs(store))
        with store.writing() as connection:
            runs.close_lost_run(connection, SteadyClock()())

        settings = settings_of(store, tmp_path)
        outcome = train(store, settings, SteadyClock(), None, lambda stage: None, source=replica)
        assert (outcome.state, outcome.model_version) == ("succeeded", "v1")

        with (
            pytest.raises(SourceUnavailable),
            snapshot_of_pairs(store, replica, begun(store)) as connection,
        ):
            run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'", administer)
            read_matrix(connection, None, SteadyClock()())
        replica.close()
    store.close()
