"""What the operator may do is what it does, no more; and what it says where its resource is not installed."""

from __future__ import annotations

import socket
from pathlib import Path

import aiohttp
from world import World, a_drop, play, read_chart

from recommendation_operator.names import regeneration_job_name


def test_every_right_is_used_over_the_lives_of_drops(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.gate.clear()
        taken = world.apply(a_drop("taken", releaseTime="2026-01-01T00:00:00Z"))["metadata"]["uid"]
        foreign = {"metadata": {"name": regeneration_job_name(taken, 1), "labels": {}}, "spec": {"suspend": True}}
        world.store.create("jobs", foreign)  # has to be read to be told from the operator's own
        world.apply(a_drop())
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        world.change("autumn-release", suspend=True)
        await world.until(lambda: world.reason() == "Suspended")
        world.change("autumn-release", suspend=False)
        await world.until(lambda: world.reason() == "JobRunning")
        old = world.regeneration_jobs()[0]["metadata"]["uid"]
        world.service.regenerations.clear()  # the Job of a lost regeneration is replaced
        world.service.keys.clear()
        await world.until(lambda: {job["metadata"]["uid"] for job in world.regeneration_jobs()} - {old})
        world.gate.set()
        await world.finished("autumn-release")
        world.controller.quota = "exceeded quota: pods"
        world.apply(a_drop("trained", retrain="Always"))
        await world.until(lambda: world.reason("trained") == "PodsWaiting")
        world.controller.quota = None
        world.controller.room.set()
        await world.finished("trained")
        granted = {
            (group, resource, verb)
            for rule in read_chart("operator-role-rules.yaml")
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        assert world.cluster.asked == granted

    play(tmp_path, scene)


def test_a_missing_crd_is_logged_and_fails_liveness_until_it_is_installed(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.cluster.installed = False
        world.settings["HEARTBEAT_SECONDS"] = "0.1"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}/healthz"
        world.start_operator([f"--liveness={url}"])
        await world.until(lambda: world.calls("GET contentdrops") > 10)
        assert "is the ContentDrop CRD installed?" in world.log()
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 500
        world.cluster.installed = True
        world.apply(a_drop())
        await world.finished("autumn-release")

    play(tmp_path, scene)
