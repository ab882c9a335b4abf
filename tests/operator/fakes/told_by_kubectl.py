"""
A drop's story as kubectl tells it: `make drop-story` writes it into docs/content-drops.md, a test compares.

The operator and kubectl are real; cluster and service are simulated. What differs from run to run is made the same.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from fake_kubernetes import ANYTHING, GROUP, MANAGER
from world import World, kubeconfig, play

Json = dict[str, Any]
DOCUMENT = Path(__file__).parents[3] / "docs" / "content-drops.md"
BEGIN, END = "<!-- story: made by `make drop-story` -->\n", "<!-- end of story -->\n"
DROP = """\
apiVersion: recommendation.gamestore.dev/v1alpha1
kind: ContentDrop
metadata: {name: autumn-release}
spec:
  games:
    - {id: g-1001, title: Deep Harbour, similarTo: [g-17, g-202], tags: [co-op]}
  retrain: Always
"""
STEPS = ("Registered", "Starting", "Training", "JobRunning", "AllShardsSucceeded")
SAME = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-25T18:00:00Z"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "6c0d3f5e-52a3-4a35-8a0a-0f5f6f3d7f10"),
    (r"content-drop-[0-9a-f]{20}-1", "content-drop-5a3597e776801a6cbb3e-1"),
    (r"(Resource Version: +)\d+", r"\g<1>1042"),
    (r" +$", ""),
)


def find_kubectl() -> str | None:
    return os.environ.get("KUBECTL") or shutil.which("kubectl")


def told(kubectl: str, directory: Path) -> str:
    """The commands with their output, in a block of Markdown."""
    lines: list[str] = []

    async def run(world: World, command: str) -> None:
        arguments = command.split()[1:] + (["--validate=false"] if "apply" in command else [])
        process = await asyncio.create_subprocess_exec(
            *(kubectl, *arguments),
            cwd=directory,
            env=os.environ | {"KUBECONFIG": str(directory / "manager"), "HOME": str(directory)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, command
        lines.extend([f"$ {command}", *out.decode().splitlines()])

    async def scene(world: World) -> None:
        world.cluster.rules[MANAGER] = [ANYTHING]
        (directory / "manager").write_text(yaml.safe_dump(kubeconfig(world.urls["cluster"])))
        (directory / "autumn-release.yaml").write_text(DROP)
        await run(world, "kubectl apply -f autumn-release.yaml")
        gate, pod = asyncio.Event(), world.controller.runner

        async def held(job: Json, index: int) -> int:
            if f"{GROUP}/content-drop" in job["metadata"]["labels"]:
                await gate.wait()
            return await pod(job, index)

        world.controller.runner = held
        world.start_operator()
        await world.until(lambda: world.reason() == "JobRunning")
        await run(world, "kubectl get cdrop autumn-release -o wide")
        gate.set()
        await run(world, "kubectl wait --for=condition=Finished --timeout=2h cdrop/autumn-release")
        await run(world, "kubectl get cdrop autumn-release -o wide")
        await run(world, "kubectl describe cdrop autumn-release")

    play(directory, scene)
    text = "\n".join(_in_order(lines))
    text = re.sub(r"\b\d+s(?: |$) *", lambda age: "3s".ljust(len(age[0])), text, flags=re.MULTILINE)
    for pattern, constant in SAME:
        text = re.sub(pattern, constant, text, flags=re.MULTILINE)
    return f"```console\n{text}\n```\n"


def _in_order(lines: list[str]) -> list[str]:
    """Put Events of one second, which kubectl shows in any order, in the order of the steps."""
    first = next(place for place, line in enumerate(lines) if line.startswith("  ----")) + 1
    return lines[:first] + sorted(lines[first:], key=lambda line: STEPS.index(line.split()[1]))


def in_document() -> str:
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    found = find_kubectl()
    if found is None:
        sys.exit("no kubectl: put one on the PATH or name it in KUBECTL")
    with tempfile.TemporaryDirectory() as folder:
        story = told(found, Path(folder))
    DOCUMENT.write_text(DOCUMENT.read_text().replace(BEGIN + in_document() + END, BEGIN + story + END))
