"""One training at a time, the newest that was wanted goes live, and the run's row tells the truth."""

from datetime import timedelta
from pathlib import Path

import pytest
from shop import START, at_once, checkerboard, event, everything, publish_bytes, send, settings_of, trained
from sqlalchemy import text

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.locks import training_lock, training_lock_is_free
from recommendation.errors import InvalidInput, ModelMissing
from recommendation.lists.view_store import ViewLoader
from recommendation.training import models, runs
from recommendation.training.model_files import is_copy
from recommendation.training.train import Outcome, train

MANY = 10**9


def test_a_trainer_that_was_overtaken_publishes_nothing(database: Database) -> None:
    with database.writing() as connection:
        old = models.take_fence(connection)
        models.take_fence(connection)
    before = everything(database)
    with pytest.raises(models.FencedOff), database.writing() as connection:
        publish_bytes(connection, b"late", fence=old)
    assert everything(database) == before


def test_a_training_that_is_overtaken_while_it_fits_ends_failed_and_the_newer_model_stays(
    database: Database, tmp_path: Path
) -> None:
    checkerboard(database)
    newer: list[str] = []

    def overtake(stage: str) -> None:
        if stage == "publish":
            with database.writing() as connection:
                newer.append(publish_bytes(connection, b"newer"))

    outcome = trained(database, tmp_path, overtake)
    assert (outcome.state, outcome.reason) == ("failed", "overtaken")
    with database.reading() as connection:
        assert models.live_version(connection) == newer[0]


def test_promote_is_the_way_back_and_an_unknown_version_changes_nothing(database: Database) -> None:
    with database.writing() as connection:
        first, second = publish_bytes(connection, b"1"), publish_bytes(connection, b"2")
    with database.writing() as connection:
        assert models.promote(connection, first, START) == second
    with pytest.raises(InvalidInput), database.writing() as connection:
        models.promote(connection, "v0", START)
    with database.reading() as connection:
        assert models.live_version(connection) == first


def test_the_live_version_is_kept_however_old_it_is(database: Database) -> None:
    with database.writing() as connection:
        versions = [publish_bytes(connection, b"%d" % number) for number in range(6)]
        models.promote(connection, versions[0], START)
        models.prune_models(connection, 3, START)
        assert [row.version for row in models.all_models(connection)] == [versions[5], versions[4], versions[0]]
        with pytest.raises(ModelMissing):
            models.artifact(connection, versions[1])


def test_several_who_ask_at_once_get_the_same_run(database: Database) -> None:
    def ask() -> tuple[str, bool]:
        with database.writing() as connection:
            run, is_new = runs.queue_run(connection, START)
            return run.run_id, is_new

    ended = at_once(*(ask for _ in range(6)))
    assert [one.error for one in ended if one.error] == []
    assert len({one.value[0] for one in ended}) == 1
    assert sum(one.value[1] for one in ended) == 1


def test_while_one_trains_another_is_skipped_and_leaves_its_run_queued(database: Database, tmp_path: Path) -> None:
    with database.writing() as connection:
        run, _ = runs.queue_run(connection, START)
    other = Database(database.engine.url.render_as_string(hide_password=False))
    with training_lock(other) as held:
        assert held
        assert not training_lock_is_free(database)
        outcome = train(database, settings_of(database, tmp_path), SteadyClock(), run.run_id, lambda stage: None)
    assert outcome.state == "skipped"
    assert training_lock_is_free(database)
    other.close()
    with database.reading() as connection:
        found = runs.get_run(connection, run.run_id)
    assert found is not None
    assert found.state == "queued"


def test_the_next_holder_of_the_lock_closes_the_run_of_one_that_died(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    with database.writing() as connection:
        dead, _ = runs.queue_run(connection, START)
        runs.start_run(connection, dead.run_id, START)
    assert trained(database, tmp_path).state == "succeeded"
    with database.reading() as connection:
        found = runs.get_run(connection, dead.run_id)
    assert found is not None
    assert (found.state, found.reason) == ("failed", "lost")


class Stopped(BaseException):
    """As the batch command raises it when it is told to stop."""


def again(database: Database, folder: Path, run_id: str) -> Outcome:
    """Try a run again, as Kubernetes does with a Job that ended with 1."""
    return train(database, settings_of(database, folder), SteadyClock(), run_id, lambda stage: None)


@pytest.mark.parametrize("place", ["extract", "fit", "gate", "publish"])
def test_a_training_that_is_told_to_stop_goes_back_into_the_queue_and_the_next_try_carries_it_out(
    place: str, database: Database, tmp_path: Path
) -> None:
    checkerboard(database)

    def stop(stage: str) -> None:
        if stage == place:
            raise Stopped

    with pytest.raises(Stopped):
        trained(database, tmp_path, stop)
    with database.reading() as connection:
        queued = runs.active_run(connection)
    assert queued is not None
    assert (queued.state, queued.started_at) == ("queued", None)
    outcome = again(database, tmp_path, queued.run_id)
    assert (outcome.state, outcome.run_id) == ("succeeded", queued.run_id)


def test_another_try_of_a_run_whose_process_was_lost_gets_a_run_in_its_place(
    database: Database, tmp_path: Path
) -> None:
    checkerboard(database)
    with database.writing() as connection:
        lost, _ = runs.queue_run(connection, START)
        runs.start_run(connection, lost.run_id, START)
    outcome = again(database, tmp_path, lost.run_id)
    assert outcome.state == "succeeded"
    assert outcome.run_id != lost.run_id
    with database.reading() as connection:
        found = runs.get_run(connection, lost.run_id)
    assert found is not None
    assert (found.state, found.reason) == ("failed", "lost")


def test_of_a_run_that_began_anew_no_one_says_that_it_died(database: Database) -> None:
    with database.writing() as connection:
        run, _ = runs.queue_run(connection, START)
        runs.start_run(connection, run.run_id, START)
        seen = runs.active_run(connection)
        runs.requeue_run(connection, run.run_id, START)
        runs.start_run(connection, run.run_id, START + timedelta(seconds=1))
        assert runs.close_lost_run(connection, START, seen) is None
        assert runs.close_lost_run(connection, START, runs.active_run(connection)) == run.run_id


def test_another_try_of_a_run_that_is_over_trains_nothing(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    done = trained(database, tmp_path)
    outcome = again(database, tmp_path, str(done.run_id))
    assert (outcome.state, outcome.reason) == ("skipped", "ended")
    with database.reading() as connection:
        assert len(models.all_models(connection)) == 1
    with pytest.raises(InvalidInput, match="no training run"):
        again(database, tmp_path, "none")


def test_a_run_that_is_not_started_in_fifteen_minutes_fails_with_no_runner(database: Database) -> None:
    with database.writing() as connection:
        run, _ = runs.queue_run(connection, START)
        assert runs.close_unclaimed_run(connection, START + timedelta(minutes=14)) is None
        assert runs.close_unclaimed_run(connection, START + timedelta(minutes=16)) == run.run_id
        found = runs.get_run(connection, run.run_id)
        assert found is not None
        assert (found.state, found.reason) == ("failed", "no runner")
        assert runs.queue_run(connection, START)[1]


def test_a_training_on_no_data_fails_and_says_why(database: Database, tmp_path: Path) -> None:
    outcome = trained(database, tmp_path)
    assert (outcome.state, outcome.reason) == ("failed", "insufficient_data")
    send(database, [event("ann", "g1"), event("ann", "g2")])
    assert trained(database, tmp_path).reason == "insufficient_data"
    with database.reading() as connection:
        assert [run.state for run in runs.list_runs(connection, None, 9)] == ["failed", "failed"]
        assert models.live_version(connection) is None


def test_a_failure_leaves_the_live_model_and_its_files(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    file = tmp_path / "models" / "cf.pkl"
    before = file.read_bytes()

    def fail(stage: str) -> None:
        if stage == "gate":
            raise MemoryError

    with pytest.raises(MemoryError):
        trained(database, tmp_path, fail)
    assert file.read_bytes() == before
    with database.reading() as connection:
        assert runs.active_run(connection) is None
        assert len(models.all_models(connection)) == 1


def test_a_model_folder_that_cannot_be_written_does_not_undo_a_publication(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    (tmp_path / "models").write_text("a file where a folder should be")
    assert trained(database, tmp_path).state == "succeeded"
    loader = ViewLoader(MANY)
    with database.reading() as connection:
        assert loader.load(connection, START).live is not None


@pytest.mark.parametrize("harm", ["half", "another file", "gone"])
def test_a_harmed_artifact_is_refused_and_the_model_before_stays_while_everything_else_goes_on(
    harm: str, database: Database, tmp_path: Path
) -> None:
    checkerboard(database)
    first = trained(database, tmp_path).model_version
    loader = ViewLoader(MANY)
    with database.reading() as connection:
        loader.load(connection, START)
    with database.writing() as connection:
        second = publish_bytes(connection, models.artifact(connection, str(first)))
        if harm == "gone":
            connection.execute(text("DELETE FROM model_artifacts WHERE version = :v"), {"v": second})
        else:
            data = models.artifact(connection, second)
            harmed = data[: len(data) // 2] if harm == "half" else b"cos\nsystem\n(S'true'\ntR."
            statement = text("UPDATE model_artifacts SET artifact = :data WHERE version = :v")
            connection.execute(statement, {"data": harmed, "v": second})
    send(database, [event("ann", "a-new-game")])
    with database.reading() as connection:
        view = loader.load(connection, START)
    assert view.live is not None
    assert view.live.version == first
    assert loader.refused is not None
    assert "a-new-game" in view.catalogue.by_id, "what has nothing to do with the model is taken up"


def test_a_refused_artifact_that_was_mended_is_taken_up_by_and_by(database: Database, tmp_path: Path) -> None:
    checkerboard(database)
    version = str(trained(database, tmp_path).model_version)
    with database.writing() as connection:
        whole = models.artifact(connection, version)
        connection.execute(text("UPDATE model_artifacts SET artifact = :data"), {"data": whole[:100]})
    loader = ViewLoader(MANY)
    with database.reading() as connection:
        assert loader.load(connection, START).live is None
    with database.writing() as connection:
        connection.execute(text("UPDATE model_artifacts SET artifact = :data"), {"data": whole})
    with database.reading() as connection:
        live = loader.load(connection, START + timedelta(minutes=2)).live
    assert live is not None
    assert (live.version, loader.refused) == (version, None)


def test_the_copy_at_the_model_path_is_that_of_the_live_version_after_the_next_training(
    database: Database, tmp_path: Path
) -> None:
    checkerboard(database)
    first, second = trained(database, tmp_path), trained(database, tmp_path)
    path = settings_of(database, tmp_path).model_path
    with database.writing() as connection:
        assert models.promote(connection, str(first.model_version), START) == second.model_version
        row = models.live_row(connection)
        connection.execute(text("DELETE FROM user_game_interactions"))
    assert row is not None
    assert not is_copy(path, row.sha256)
    assert trained(database, tmp_path).state == "failed"
    assert is_copy(path, row.sha256)


@pytest.mark.parametrize("stage", ["extract", "fit", "gate", "publish"])
def test_a_training_that_someone_stops_ends_before_its_next_stage_and_publishes_nothing(
    database: Database, tmp_path: Path, stage: str
) -> None:
    checkerboard(database)
    begun: list[str] = []

    def ask_at(reached: str) -> None:
        begun.append(reached)
        if reached == stage:
            with database.writing() as connection:
                run = runs.active_run(connection)
                assert run is not None
                runs.request_stop(connection, run.run_id, START)

    outcome = trained(database, tmp_path, ask_at)
    assert (outcome.state, outcome.reason, begun[-1]) == ("failed", runs.STOPPED, stage)
    with database.reading() as connection:
        assert models.live_version(connection) is None
        run = runs.get_run(connection, str(outcome.run_id))
    assert run is not None
    assert (run.state, run.reason, run.stop_requested_at) == ("failed", runs.STOPPED, START)
    assert trained(database, tmp_path).state == "succeeded", "the next one is not held up"


def test_a_queued_run_is_stopped_at_once_and_one_that_is_over_stays_as_it_is(
    database: Database, tmp_path: Path
) -> None:
    with database.writing() as connection:
        run, _ = runs.queue_run(connection, START)
        for _ in range(2):
            runs.request_stop(connection, run.run_id, START)
        stopped = runs.get_run(connection, run.run_id)
    assert stopped is not None
    assert (stopped.state, stopped.reason, stopped.stop_requested_at) == ("failed", runs.STOPPED, None)
    checkerboard(database)
    outcome = trained(database, tmp_path)
    with database.writing() as connection:
        before = runs.get_run(connection, str(outcome.run_id))
        runs.request_stop(connection, str(outcome.run_id), START)
        assert runs.get_run(connection, str(outcome.run_id)) == before


def test_a_run_that_someone_stopped_does_not_come_back_as_its_process_is_ended(
    database: Database, tmp_path: Path
) -> None:
    checkerboard(database)

    def stop_and_end(stage: str) -> None:
        with database.writing() as connection:
            run = runs.active_run(connection)
            assert run is not None
            runs.request_stop(connection, run.run_id, START)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(database, tmp_path, stop_and_end)
    with database.reading() as connection:
        assert runs.active_run(connection) is None
        assert [run.reason for run in runs.list_runs(connection, None, 5)] == [runs.STOPPED]
