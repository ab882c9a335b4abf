"""Processes that are killed at any moment: sums stay exact, a model or a list is the old one or the new, never half."""

import hashlib
import random
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from processes import ROUNDS, Api, Doomed
from shop import START, checkerboard, event, pairs, trained
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.lists.store import lists_of
from recommendation.regeneration import store as regenerations
from recommendation.training import models, runs
from recommendation.training.model_files import is_copy
from recommendation.training.models import load_model

pytestmark = pytest.mark.faults

STAGES = ("extract", "fit", "gate", "publish", "before commit", "before files")
USERS = [f"u{number:02}" for number in range(16)]
KILLS = 3
"""How often one regeneration is killed before it may end."""


def live(database: Database) -> str | None:
    with database.reading() as connection:
        return models.live_version(connection)


def test_an_api_killed_during_ingest_counts_every_event_once_when_all_of_it_is_sent_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Half of the batches are retried by their key, half by the ids of their events."""
    batches = [
        [event(f"u{n % 7}", f"g{i % 11}", **({} if n % 2 else {"event_id": f"e-{n}-{i}"})) for i in range(50)]
        for n in range(60)
    ]
    answered: set[int] = set()
    for round_ in range(ROUNDS):
        api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued")
        timer = threading.Timer(random.Random(round_).uniform(0.05, 1.5), api.kill)
        timer.start()
        for number in range(len(batches)):
            key = f"batch-{number}" if number % 2 else None
            if api.call("POST", "/interactions", batches[number], key)[0] == 200:
                answered.add(number)
        timer.join()
    api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    for number in range(len(batches)):
        status, body, _ = api.call("POST", "/interactions", batches[number], f"batch-{number}" if number % 2 else None)
        assert status == 200
        if number in answered and number % 2 == 0:
            assert body == {"accepted": 0, "duplicates": 50, "rejected": []}, "what was answered was kept"
    api.kill()
    found = pairs(database)
    assert sum(row[2] for row in found) == 60 * 50 * 3_000_000
    assert sum(row[3] for row in found) == 60 * 50


def is_whole(database: Database) -> None:
    """Assert that the live model is there with every byte, and that readers take it."""
    with database.reading() as connection:
        row = models.live_row(connection)
        assert row is not None
        data = models.artifact(connection, row.version)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row.bytes, row.sha256)
        assert load_model(connection, row.version, 10**9).model.components == row.components


def runs_of(database: Database, count: int) -> list[tuple[str, str | None]]:
    with database.reading() as connection:
        return [(run.state, run.reason) for run in runs.list_runs(connection, None, count)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_trainer_killed_at_a_stage_leaves_the_old_model_or_the_new_one(
    stage: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    old = trained(database, tmp_path).model_version
    for _ in range(ROUNDS):
        doomed = Doomed(database_url, tmp_path, "train", stage, str(int(signal.SIGKILL)))
        assert doomed.wait(120) == -signal.SIGKILL
        is_new = stage == "before files"
        assert (live(database) != old) is is_new
        is_whole(database)
        with database.reading() as connection:
            assert (runs.active_run(connection) is None) is is_new
        after = trained(database, tmp_path)
        assert after.state == "succeeded"
        assert runs_of(database, 2) == [("succeeded", None), ("succeeded", None) if is_new else ("failed", "lost")]
        old = after.model_version


def test_a_trainer_killed_at_any_moment_leaves_the_old_model_or_the_new_one(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    chance = random.Random(7)
    began = time.monotonic()
    assert Doomed(database_url, tmp_path, "train", "never", "0").wait(120) == 0
    whole_seconds = time.monotonic() - began
    file = tmp_path / "models" / "cf.pkl"
    for _ in range(ROUNDS):
        doomed = Doomed(database_url, tmp_path, "train", "never", "0")
        timer = threading.Timer(chance.uniform(0, whole_seconds), doomed.send_signal, (signal.SIGKILL,))
        timer.start()
        assert doomed.wait(120) in (0, -signal.SIGKILL)
        timer.join()
        is_whole(database)
        with database.reading() as connection:
            digests = {row.sha256 for row in models.all_models(connection)}
        assert hashlib.sha256(file.read_bytes()).hexdigest() in digests, "a copy is one of the versions, whole"
    assert trained(database, tmp_path).state == "succeeded"
    assert runs_of(database, 1) == [("succeeded", None)]
    assert is_copy_of_live(database, file)


def is_copy_of_live(database: Database, file: Path) -> bool:
    with database.reading() as connection:
        row = models.live_row(connection)
    return row is not None and is_copy(file, row.sha256)


def test_a_trainer_that_was_stopped_until_another_had_published_leaves_the_newer_model(
    postgres_url: str, tmp_path: Path
) -> None:
    database = Database(postgres_url)
    checkerboard(database)
    sleeper = Doomed(postgres_url, tmp_path, "train", "publish", str(int(signal.SIGSTOP)))
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_STOPPED:
        assert sleeper.poll() is None
        time.sleep(0.02)
    with database.reading() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
    newer = trained(database, tmp_path)
    assert newer.state == "succeeded"
    sleeper.send_signal(signal.SIGCONT)
    sleeper.wait(60)
    assert live(database) == newer.model_version
    with database.reading() as connection:
        assert [row.version for row in models.all_models(connection)] == [newer.model_version]
    database.close()


def test_two_trainers_at_once_make_one_model(database: Database, database_url: str, tmp_path: Path) -> None:
    checkerboard(database)
    trainers = [Doomed(database_url, tmp_path, "train", "never", "0") for _ in range(2)]
    assert [trainer.wait(120) for trainer in trainers] == [0, 0]
    with database.reading() as connection:
        found = runs.list_runs(connection, None, 9)
        kept = models.all_models(connection)
    assert {run.state for run in found} == {"succeeded"}
    assert len(kept) == len(found)


@pytest.mark.parametrize("place", ["inside", "between", "anywhere"])
def test_a_regeneration_killed_again_and_again_counts_every_user_once(
    place: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    """Each time it gets one block further, or a random distance."""
    checkerboard(database)
    trained(database, tmp_path)
    chance = random.Random(7)
    for _ in range(max(1, ROUNDS // KILLS)):
        with database.writing() as connection:
            name = regenerations.open_regeneration(connection, None, None, 2, START).regeneration_id
        for number in range(KILLS):
            doomed = Doomed(database_url, tmp_path, "regenerate", name, str(number % 2), "2", place)
            if place == "anywhere":
                timer = threading.Timer(chance.uniform(0, 0.3), doomed.send_signal, (signal.SIGKILL,))
                timer.start()
            assert doomed.wait(120) in (-signal.SIGKILL, 0)
        for shard in range(2):
            assert Doomed(database_url, tmp_path, "regenerate", name, str(shard), "999", place).wait(120) == 0
        with database.reading() as connection:
            done = regenerations.get_regeneration(connection, name)
            lists = lists_of(connection, USERS)
        assert done is not None
        assert (done.state, done.users_regenerated) == ("succeeded", 16)
        assert {stored.user_id for stored in lists} == set(USERS)
        assert {stored.number for stored in lists} == {done.number}
