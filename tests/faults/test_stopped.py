"""Trainings that get SIGTERM: the Job's next try continues the run, and no child process is left running."""

import signal
from pathlib import Path

import psutil
import pytest
from processes import Api, Doomed
from shop import START, checkerboard

from recommendation.database.database import Database
from recommendation.regeneration import store as regenerations
from recommendation.training import models, runs
from recommendation_jobs import exits

pytestmark = pytest.mark.faults


def queued(database: Database) -> str:
    with database.writing() as connection:
        return runs.queue_run(connection, START)[0].run_id


def run_of(database: Database, run_id: str) -> runs.TrainingRun:
    with database.reading() as connection:
        found = runs.get_run(connection, run_id)
    assert found is not None
    return found


@pytest.mark.parametrize("stage", ["extract", "fit", "gate", "publish"])
def test_a_stopped_job_ends_with_1_and_its_next_try_completes_the_run(
    stage: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    run_id = queued(database)
    command = ("train", "--regenerate", "--run", run_id)
    first = Doomed(database_url, tmp_path, "command", stage, str(int(signal.SIGTERM)), *command)
    assert first.wait(120) == exits.TRY_AGAIN
    assert run_of(database, run_id).state == "queued"
    assert Doomed(database_url, tmp_path, "command", "never", "0", *command).wait(120) == exits.DONE
    assert run_of(database, run_id).state == "succeeded"
    with database.writing() as connection:
        begun = regenerations.open_regeneration(connection, None, None, 1, START).regeneration_id
    assert Doomed(database_url, tmp_path, "command", "never", "0", *command).wait(120) == exits.DONE
    with database.reading() as connection:
        assert len(models.all_models(connection)) == 1
        finished = regenerations.get_regeneration(connection, begun)
    assert finished is not None
    assert (finished.state, finished.users_regenerated) == ("succeeded", 16), "lists that were begun are carried on"


def test_an_api_that_ends_stops_its_training_and_the_next_api_completes_the_run(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database, users=200, games=60)
    first = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="local", RECOMMENDATION_DRAIN_SECONDS="0")
    run_id = first.call("POST", "/train")[1]["run_id"]
    first.until(lambda: run_of(database, run_id).state == "running")
    (child,) = psutil.Process(first.process.pid).children()
    child.suspend()
    assert run_of(database, run_id).state == "running", "it was too quick for this test"
    first.process.send_signal(signal.SIGTERM)
    first.until(lambda: _is_told_to_stop(child.pid))
    child.resume()
    assert first.process.wait(30) in (0, -signal.SIGTERM)
    assert not child.is_running()
    assert run_of(database, run_id).state == "queued"
    second = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="local")
    second.until(lambda: run_of(database, run_id).state == "succeeded")
    second.kill()


def test_two_replicas_that_start_a_child_for_the_same_run_get_one_model(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    replicas = [Api(database_url, tmp_path, RECOMMENDATION_TRAINING="local") for _ in range(2)]
    asked = [replica.call("POST", "/train")[1]["run_id"] for replica in replicas]
    assert asked[0] == asked[1]
    for replica in replicas:
        replica.until(lambda: run_of(database, asked[0]).state not in runs.ACTIVE_STATES)
        replica.until(lambda replica=replica: not psutil.Process(replica.process.pid).children())
    assert run_of(database, asked[0]).state == "succeeded"
    with database.reading() as connection:
        assert [run.state for run in runs.list_runs(connection, None, 9)] == ["succeeded"]
        assert len(models.all_models(connection)) == 1
    for replica in replicas:
        replica.kill()


def _is_told_to_stop(pid: int) -> bool:
    """Tell whether a SIGTERM waits for a stopped process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    waiting = sum(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))
    return bool(waiting >> (signal.SIGTERM - 1) & 1)
