"""After a training: the lists of everyone, here in several processes, or left to the operator's Job."""

import subprocess
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import joblib
import pytest
from shop import START, checkerboard, event, send, settings_of
from sqlalchemy import text

from recommendation.clock import SteadyClock, utc_now
from recommendation.database.database import Database
from recommendation.errors import RecommendationError, StoreUnavailable
from recommendation.regeneration import store as regenerations
from recommendation.regeneration.ending import fail_regeneration
from recommendation.regeneration.everyone import open_for_everyone
from recommendation.settings import Settings
from recommendation_jobs import exits, regenerate, shard_processes, train
from recommendation_jobs.__main__ import parse


@pytest.fixture
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a store of sixteen users, for whom there may be four shards; in the environment too, for other processes."""
    monkeypatch.setattr(regenerations, "USERS_A_SHARD", 4)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    found = settings_of(database, tmp_path)
    for name, value in {
        "RECOMMENDATION_DATABASE_URL": found.database_url,
        "RECOMMENDATION_MODEL_PATH": str(found.model_path),
    }.items():
        monkeypatch.setenv(name, value)
    checkerboard(database)
    return found


def newest(database: Database) -> regenerations.Regeneration:
    with database.reading() as connection:
        return regenerations.list_regenerations(connection, 1)[0]


def lists(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM user_lists")).scalar_one())


def trained(settings: Settings, database: Database, *more: str) -> int:
    return train.run(parse(["train", "--regenerate", *more]), settings, database)


def test_here_each_shard_is_made_by_a_process_of_its_own(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained(settings, database) == exits.DONE
    done = newest(database)
    assert (done.state, done.shards, done.users_regenerated, done.worked_on_by) == ("succeeded", 2, 16, "command")
    assert lists(database) == 16
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("regeneration")]
    assert len(said) == 1
    assert said[0].startswith(f"regeneration {done.regeneration_id} succeeded: 16 of 16 users, ")


def test_where_jobs_remake_it_is_opened_and_left(database: Database, settings: Settings) -> None:
    by_jobs = Settings(**vars(settings) | {"regeneration": "jobs"})
    assert trained(by_jobs, database) == exits.DONE
    opened = newest(database)
    assert (opened.state, opened.shards, opened.worked_on_by, opened.everyone) == ("running", 4, "jobs", True)
    assert (opened.users_targeted, opened.users_regenerated, lists(database)) == (16, 0, 0)


def test_only_active_users_are_remade_where_the_settings_say_so(database: Database, settings: Settings) -> None:
    send(database, [event("u00", "g15")], utc_now())
    active = Settings(**vars(settings) | {"remake_active_days": 1.0})
    assert trained(active, database) == exits.DONE
    done = newest(database)
    assert (done.users_targeted, done.users_regenerated, lists(database)) == (1, 1, 1)


def test_a_process_that_dies_after_it_published_is_made_good_by_the_next_try(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    assert train.run(parse(["train"]), settings, database) == exits.DONE
    with database.reading() as connection:
        run_id = str(connection.execute(text("SELECT run_id FROM training_runs")).scalar_one())
    assert trained(settings, database, "--run", run_id) == exits.DONE
    first = newest(database)
    assert (first.state, first.users_regenerated) == ("succeeded", 16)
    assert trained(settings, database, "--run", run_id) == exits.DONE
    assert newest(database).regeneration_id == first.regeneration_id, "it was done already"


def test_one_that_a_newer_takes_over_ends_well(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.run(parse(["train"]), settings, database) == exits.DONE

    def overtaken(regeneration_id: str, shards: int) -> None:
        with database.writing() as connection:
            open_for_everyone(connection, "jobs", None, 1, SteadyClock()())
        raise RecommendationError("regeneration was ended")

    monkeypatch.setattr(shard_processes, "run", overtaken)
    assert regenerate.remake_all(settings, database) == exits.DONE
    assert f"regeneration {newest(database).regeneration_id} takes its place" in capsys.readouterr().out


def test_a_shard_of_one_that_a_newer_takes_over_ends_well_and_of_one_that_was_ended_it_does_not(
    database: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.run(parse(["train"]), settings, database) == exits.DONE
    with database.writing() as connection:
        older, newer = (open_for_everyone(connection, "jobs", None, 1, SteadyClock()()) for _ in range(2))
    shard = ["--shard", "0", "--shards", "1"]
    of_older = parse(["regenerate", "--regeneration", older.regeneration_id, *shard])
    assert regenerate.run(of_older, settings, database) == exits.DONE
    told = f"regeneration {older.regeneration_id} ended: regeneration {newer.regeneration_id} takes its place"
    assert told in capsys.readouterr().out
    with database.writing() as connection:
        fail_regeneration(connection, newer.regeneration_id, [0], SteadyClock()())
    of_newer = parse(["regenerate", "--regeneration", newer.regeneration_id, *shard])
    with pytest.raises(RecommendationError, match="was ended"):
        regenerate.run(of_newer, settings, database)


@pytest.mark.parametrize(
    ("codes", "error"),
    [((0, 1, 0, 0), StoreUnavailable), ((0, -9, 0, 0), StoreUnavailable), ((0, 1, 42, 0), RecommendationError)],
)
def test_shards_that_are_not_through_are_named(
    codes: tuple[int, ...], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_processes._Children, "carry_out", lambda self, shard: codes[shard])
    with pytest.raises(error, match="shards 1") as found:
        shard_processes.run("r-1", 4)
    assert type(found.value) is error


def test_a_process_that_is_told_to_stop_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(BaseException):
        pass

    started: list[Any] = []
    starts = threading.Semaphore(0)

    class Child:
        """A process that ends when it is told to."""

        def __init__(self, *_: Any, **__: Any) -> None:
            self.ended = threading.Event()
            started.append(self)
            starts.release()

        def wait(self) -> int:
            self.ended.wait(10)
            return 1

        def terminate(self) -> None:
            self.ended.set()

    class Pool(shard_processes.ThreadPoolExecutor):
        def map(self, *arguments: Any, **more: Any) -> Any:
            super().map(*arguments, **more)
            assert all(starts.acquire(timeout=10) for _ in range(2))
            raise Stopped

    monkeypatch.setattr(subprocess, "Popen", Child)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(shard_processes, "ThreadPoolExecutor", Pool)
    with pytest.raises(Stopped):
        shard_processes.run("r-1", 5)
    assert len(started) == 2
    assert all(child.ended.is_set() for child in started)


def test_the_active_days_are_counted_from_the_opening(database: Database, settings: Settings) -> None:
    assert train.run(parse(["train"]), settings, database) == exits.DONE
    with database.writing() as connection:
        opened = open_for_everyone(connection, "jobs", 7, 1, START + timedelta(days=7))
    assert opened.active_since == START
