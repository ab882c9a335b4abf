"""A drop's whole life, told by the real operator in a simulated cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from world import World, a_drop, play


def test_a_drop_is_served_from_apply_to_finished(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        uid = world.apply(a_drop())["metadata"]["uid"]
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        status = world.status()
        assert {name: status[name] for name in status if name not in ("conditions", "startTime", "completionTime")} == {
            "observedGeneration": 1,
            "jobName": world.regeneration_jobs()[0]["metadata"]["name"],
            "regeneration": "r-1",
            "modelVersion": "m-1",
            "usersTargeted": 1000,
            "usersRegenerated": 1000,
            "catalogueCoverageBefore": "0.4000",
            "catalogueCoverageAfter": "0.5124",
            "releaseCoverage": "1.0000",
        }
        assert list(world.service.drops) == [uid]
        assert len(world.controller.created) == 1
        assert world.finished_writes() == 1
        assert world.calls("PATCH contentdrops/status") <= 5

    play(tmp_path, scene)


def test_the_models_age_decides_whether_a_drop_trains_first(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.service.model = {"version": "m-1", "age_seconds": 7199.0}
        world.apply(a_drop("fresh", retrain="IfStale"))
        world.start_operator()
        await world.finished("fresh")
        assert world.service.runs == {}
        world.service.model = {"version": "m-1", "age_seconds": 7201.0}
        world.apply(a_drop("stale", retrain="IfStale"))
        await world.finished("stale")
        assert world.status("stale")["trainingRun"] == "run-2"
        assert world.status("stale")["modelVersion"] == "m-2"

    play(tmp_path, scene)


def test_a_rejected_retrain_does_not_fail_a_drop_while_a_model_is_live(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.service.training_ends = "rejected"
        world.apply(a_drop(retrain="Always"))
        world.start_operator()
        await world.finished("autumn-release")
        assert world.condition("autumn-release", "Succeeded")["status"] == "True"
        assert world.reason() == "SucceededWithOlderModel"
        assert "worse than popularity" in world.condition("autumn-release", "Succeeded")["message"]

    play(tmp_path, scene)


def test_a_drop_without_any_model_says_so(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.service.model, world.service.training_ends = None, "failed"
        world.apply(a_drop(retrain="IfStale"))
        world.start_operator()
        await world.finished("autumn-release")
        assert world.condition("autumn-release", "Succeeded")["status"] == "False"
        assert world.reason() == "ModelMissing"
        assert world.regeneration_jobs() == []

    play(tmp_path, scene)


def test_a_shard_that_fails_for_good_is_told_with_the_users_left_out(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.exit_codes[3] = 42
        world.apply(a_drop(shards=4))
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "ShardsFailed"
        assert world.status()["failedIndexes"] == "3"
        assert world.status()["usersRegenerated"] == 750
        assert "250 of 1000 users were left out" in world.condition("autumn-release", "Succeeded")["message"]

    play(tmp_path, scene)


def test_two_drops_at_once_are_served_in_order_and_the_later_one_says_queued(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop("later", releaseTime="2026-03-02T00:00:00Z"))
        world.apply(a_drop("earlier", releaseTime="2026-03-01T00:00:00Z"))
        world.start_operator()
        await world.until(lambda: world.reason("earlier") == "JobRunning" and world.reason("later") == "Queued")
        await world.looks()
        assert len(world.regeneration_jobs()) == 1
        world.gate.set()
        await world.finished("earlier", "later")
        starts = [
            world.service.regenerations[world.status(name)["regeneration"]]["id"] for name in ("earlier", "later")
        ]
        assert starts == ["r-1", "r-2"]

    play(tmp_path, scene)


def test_a_release_time_ahead_waits_without_asking_much(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop(releaseTime="2099-01-01T00:00:00Z"))
        world.start_operator()
        await world.until(lambda: world.reason() == "WaitingForRelease")
        await world.looks(4)
        assert world.condition("autumn-release", "Accepted")["status"] == "True"
        assert world.calls("PUT /drops") == 1
        assert world.calls("PATCH contentdrops/status") == 1
        assert world.regeneration_jobs() == []

    play(tmp_path, scene)


def test_a_release_time_that_comes_starts_the_work(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=1.5)
        world.settings["RESYNC_SECONDS"] = "60"
        world.apply(a_drop(releaseTime=soon.isoformat()))
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"

    play(tmp_path, scene)


def test_a_cluster_clock_a_minute_off_changes_nothing(tmp_path: Path) -> None:
    for minutes in (-1, 1):

        async def scene(world: World, ahead: timedelta = timedelta(minutes=minutes)) -> None:
            world.store.now = lambda: datetime.now(UTC) + ahead
            world.apply(a_drop(releaseTime="2026-03-01T00:00:00Z"))
            world.start_operator()
            await world.finished("autumn-release")
            assert world.reason() == "AllShardsSucceeded"

        (tmp_path / str(minutes)).mkdir()
        play(tmp_path / str(minutes), scene)


def test_a_suspended_drop_does_nothing_and_lets_the_next_one_pass(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop("held", suspend=True))
        world.apply(a_drop("next"))
        world.start_operator()
        await world.finished("next")
        assert world.reason("held") == "Suspended"
        assert len(world.service.drops) == 1
        world.change("held", suspend=False)
        await world.finished("held")
        assert world.status("held")["observedGeneration"] == 2

    play(tmp_path, scene)


def test_a_suspended_job_keeps_what_it_did_and_goes_on_as_the_same_job(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        job = world.regeneration_jobs()[0]["metadata"]
        world.change("autumn-release", suspend=True)
        await world.until(lambda: world.regeneration_jobs()[0]["spec"]["suspend"])
        await world.until(lambda: world.store.list("pods") == [])
        world.change("autumn-release", suspend=False)
        world.gate.set()
        await world.finished("autumn-release")
        assert [j["metadata"]["uid"] for j in world.regeneration_jobs()] == [job["uid"]]
        assert len(world.service.regenerations) == 1

    play(tmp_path, scene)


def test_a_drop_that_was_overtaken_while_it_was_suspended_begins_anew_by_the_new_model(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.change("autumn-release", suspend=True)
        await world.until(lambda: world.regeneration_jobs()[0]["spec"]["suspend"] and world.store.list("pods") == [])
        world.service.overtake("m-9")
        world.gate.set()
        world.change("autumn-release", suspend=False)
        await world.finished("autumn-release")
        assert world.status()["regeneration"] == "r-2"
        assert (
            world.condition("autumn-release", "Succeeded")["message"]
            == "the lists of 1000 users were made by model m-9"
        )
        assert (world.status()["modelVersion"], world.status()["usersRegenerated"]) == ("m-9", 1000)
        assert [record["state"] for record in world.service.regenerations.values()] == ["failed", "succeeded"]
        assert len(world.regeneration_jobs()) == 1

    play(tmp_path, scene)


def test_a_drop_that_is_overtaken_at_work_counts_what_it_wrote_and_says_by_whom(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.service.overtake("m-9")
        world.gate.set()
        await world.finished("autumn-release")
        assert world.condition("autumn-release", "Succeeded")["message"] == (
            "the lists of 0 users were made by model m-1; 1000 users have newer lists: "
            "regeneration r-beside by model m-9 overtook the drop"
        )
        assert world.status()["usersRegenerated"] == 0

    play(tmp_path, scene)


LOWER_CASE, A_DAY_AND_AN_HOUR = "2026-11-01t00:00:00z", "2026-11-01T00:00:00+25:00"


def test_one_drop_that_cannot_be_read_says_so_and_stops_no_other(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop("lower-case", releaseTime=LOWER_CASE))
        world.apply(a_drop("unreadable", releaseTime=A_DAY_AND_AN_HOUR))
        world.apply(a_drop("beside"))
        world.service.runs["run-7"] = {"run_id": "run-7", "state": "queued"}
        world.start_operator()
        await world.finished("lower-case", "unreadable", "beside")
        assert [world.reason(name) for name in ("lower-case", "beside")] == ["AllShardsSucceeded"] * 2
        accepted = world.condition("unreadable", "Accepted")
        assert (accepted["status"], accepted["reason"]) == ("False", "Unreadable")
        assert A_DAY_AND_AN_HOUR in accepted["message"]
        await world.until(lambda: world.service.runs["run-7"]["state"] == "succeeded")

    play(tmp_path, scene)


def test_a_dry_run_reports_and_writes_nothing(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop(dryRun=True, releaseTime="2099-01-01T00:00:00Z"))
        world.start_operator()
        await world.finished("autumn-release")
        message = world.condition("autumn-release", "Succeeded")["message"]
        assert world.reason() == "DryRun"
        assert "700 users" in message
        assert "about 650 lists (632 to 663)" in message
        assert '"g-17" from 12' in message
        assert world.service.drops == {}
        assert world.service.regenerations == {}
        assert world.regeneration_jobs() == []
        assert world.status()["usersTargeted"] == 700
        assert "held back" not in message
        world.apply(a_drop("held", dryRun=True, holdout={"percent": 10}))
        await world.finished("held")
        assert world.condition("held", "Succeeded")["message"].endswith("; 70 others are held back")
        assert "would reach 630 users" in world.condition("held", "Succeeded")["message"]
        assert "lift" not in world.status("held")

    play(tmp_path, scene)


def test_games_it_does_not_know_are_named_and_do_not_stop_a_drop(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop(games=[{"id": "g-1", "similarTo": ["g-17", "g-nowhere"]}]))
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert world.condition("autumn-release", "Accepted")["reason"] == "UnknownSimilarGames"
        assert '"g-nowhere"' in world.condition("autumn-release", "Accepted")["message"]
        assert '"g-17"' not in world.condition("autumn-release", "Accepted")["message"]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "refused", [{}, {"status": 409, "code": "drop_ended"}, {"status": 409, "code": "drop_differs"}], ids=str
)
def test_a_drop_the_service_refuses_fails_with_its_words(tmp_path: Path, refused: dict[str, Any]) -> None:
    async def scene(world: World) -> None:
        world.service.refuse_drops = {**refused, "detail": "title holds a control character"}
        world.apply(a_drop())
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "Rejected"
        assert world.condition("autumn-release", "Accepted")["status"] == "False"
        assert "title holds a control character" in world.condition("autumn-release", "Succeeded")["message"]

    play(tmp_path, scene)
