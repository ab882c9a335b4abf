"""
Tells one drop's story on real data with the real kubectl: `python tests/operator/transcript.py`.

The service, the batch commands, the operator and kubectl are real; only Kubernetes is simulated. `KUBECTL` names the
kubectl, `RECOMMENDATION_TEST_DATA` the folder with `steam-play.csv.gz`, `TEST_POSTGRES_URL` an empty database.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "fakes"))

import yaml
from real_service import RealService, a_real_service
from world import World, kubeconfig, play

from recommendation.migrate import upgrade

DROP = """\
apiVersion: recommendation.gamestore.dev/v1alpha1
kind: ContentDrop
metadata: {name: autumn-release}
spec:
  games:
    - {id: deep-harbour, title: Deep Harbour, similarTo: [Portal 2, Half-Life 2], tags: [co-op]}
    - {id: tin-orchard, title: Tin Orchard, similarTo: [Terraria, Starbound]}
"""
COMMANDS = (
    "kubectl apply -f autumn-release.yaml",
    "kubectl get cdrop autumn-release",
    "kubectl wait --for=condition=Succeeded --timeout=30m cdrop/autumn-release",
    "kubectl get cdrop autumn-release",
    "kubectl get cdrop autumn-release -o jsonpath={.status}",
)


def played(data: Path) -> list[dict[str, Any]]:
    with gzip.open(data / "steam-play.csv.gz", "rt", encoding="utf-8") as lines:
        pairs = {(row["user_id"], row["game"]) for row in csv.DictReader(lines) if "/" not in row["game"]}
    return [{"user_id": user, "game_id": game, "event_type": "played"} for user, game in sorted(pairs)]


async def train(world: World, service: RealService) -> None:
    """Have a model and lists for everyone, as a store has that has run for an hour."""
    await service.call("POST", "/train", {})
    await world.until(lambda: any(_complete(job) for job in world.store.list("jobs")), 600)


def _complete(job: dict[str, Any]) -> bool:
    return any(condition["type"] == "Complete" for condition in (job.get("status") or {}).get("conditions", []))


async def run(command: str, world: World) -> None:
    print(f"$ {command}", flush=True)
    kubectl, *arguments = command.split()
    extra = ["--validate=false"] if "apply" in arguments else []
    process = await asyncio.create_subprocess_exec(
        os.environ.get("KUBECTL", kubectl),
        *arguments,
        *extra,
        cwd=world.directory,
        env=os.environ | {"KUBECONFIG": str(world.directory / "manager"), "HOME": str(world.directory)},
    )
    await process.wait()


async def story(world: World) -> None:
    database_url = os.environ["TEST_POSTGRES_URL"]
    upgrade(database_url)
    world.settings |= {"FOLLOW_SECONDS": "5", "RESYNC_SECONDS": "30", "PAUSE_SECONDS": "1"}
    (world.directory / "manager").write_text(yaml.safe_dump(kubeconfig(world.urls["cluster"])))
    (world.directory / "autumn-release.yaml").write_text(DROP)
    async with a_real_service(world, database_url) as service:
        await service.interact(played(Path(os.environ.get("RECOMMENDATION_TEST_DATA", "../shared/data"))))
        world.start_operator()
        await train(world, service)
        for command in COMMANDS:
            await run(command, world)
        print(f"\n# status writes: {world.calls('PATCH contentdrops/status')}")
        print("# events:", [event["reason"] for event in world.store.list("events")])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder), story)
