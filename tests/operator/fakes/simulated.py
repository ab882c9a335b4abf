"""
The simulated cluster as a program that kubectl can speak to: `python tests/operator/fakes/simulated.py FOLDER`.

It starts empty, without the CRD, and prints the path of a kubeconfig once it answers; it ends when its input does.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import yaml
from fake_kubernetes import ANYTHING, MANAGER, TOKEN
from world import World, kubeconfig, play


async def serve(world: World) -> None:
    world.store.delete("cronjobs", "training")
    world.cluster.installed = False
    world.cluster.rules |= {MANAGER: [ANYTHING], TOKEN: []}
    path = world.directory / "simulated.kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig(world.urls["cluster"])))
    print(path, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    play(Path(sys.argv[1]), serve)
