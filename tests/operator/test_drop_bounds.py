"""The largest, the longest-named and the strangest drop, and how much is said of each."""

from __future__ import annotations

import json
from pathlib import Path

from world import World, a_drop, play


def test_ids_and_titles_never_reach_a_job(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        games = [
            {"id": "$(PATH)", "title": "$(HOME)", "tags": ["--regeneration"]},
            {"id": "--help", "title": "`id`; $(reboot)", "similarTo": ["$(PATH)x"]},
            {"id": 'a"b\\c', "title": "--shards=0"},
        ]
        world.apply(a_drop(games=games))
        world.start_operator()
        await world.finished("autumn-release")
        (job,) = world.regeneration_jobs()
        assert job["spec"]["template"]["spec"]["containers"][0]["args"] == [
            *["regenerate", "--regeneration", "r-1"],
            *["--shard", "$(JOB_COMPLETION_INDEX)", "--shards", "2"],
        ]
        for text in ("PATH", "help", "HOME", "reboot", 'a"b', "autumn"):
            assert text not in json.dumps(job["spec"])
            assert text not in json.dumps(job["metadata"]["labels"] | job["metadata"]["annotations"])
        stored = next(iter(world.service.drops.values()))
        assert [game["game_id"] for game in stored["games"]] == ["$(PATH)", "--help", 'a"b\\c']
        assert all(json.loads(line) for line in world.log().splitlines())

    play(tmp_path, scene)


def test_a_name_of_253_characters_is_served(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        name = "a" * 253
        world.apply(a_drop(name))
        world.start_operator()
        await world.finished(name)
        assert all(len(job["metadata"]["name"]) <= 52 for job in world.regeneration_jobs())
        assert len(world.store.list("events")) == world.calls("POST events")

    play(tmp_path, scene)


def test_the_largest_legal_drop_is_served(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        games = [
            {
                "id": f"{number:0128}",
                "title": "t" * 100,
                "similarTo": [f"{letter}{number:0127}" for letter in "abcde"],
                "tags": [f"{letter}{number:031}" for letter in "abcde"],
            }
            for number in range(200)
        ]
        drop = a_drop(games=games, shards=64)
        applied = json.dumps({"apiVersion": "v1", "kind": "ContentDrop"} | drop)
        drop["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}
        world.apply(drop)
        world.start_operator()
        await world.finished("autumn-release")
        assert world.reason() == "AllShardsSucceeded"
        assert len(json.dumps(world.status())) < 12_000

    play(tmp_path, scene)


def test_events_tell_the_story_once_each(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        uid = world.apply(a_drop(retrain="Always"))["metadata"]["uid"]
        world.start_operator()
        await world.finished("autumn-release")
        events = sorted(world.store.list("events"), key=lambda event: int(event["metadata"]["resourceVersion"]))
        assert [event["reason"] for event in events] == [
            *("Registered", "Starting", "Training", "JobRunning", "AllShardsSucceeded")
        ]
        assert {event["involvedObject"]["uid"] for event in events} == {uid}

    play(tmp_path, scene)


def test_status_writes_of_a_long_regeneration_are_few(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.apply(a_drop(shards=64))
        world.template["spec"]["parallelism"] = 1
        world.start_operator()
        await world.finished("autumn-release")
        assert world.calls("PATCH contentdrops/status") <= 13

    play(tmp_path, scene)
