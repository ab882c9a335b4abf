"""The commands of the tutorial and of the how-tos are typed as they stand there, into bash, against one service."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from processes import free_port

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
HOW_TOS = sorted((ROOT / "docs" / "how-to").glob("*.md"))
PORT_OF_THE_PAGES = "8010"
PREAMBLE = """
set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body --max-time 30 "$@"; }
"""

pytestmark = pytest.mark.xdist_group("documents")


def commands(page: Path) -> list[str]:
    """Return the blocks marked `sh`, in order; blocks marked otherwise need a cluster, a broker, or a terminal."""
    blocks = re.findall(r"^( *)```sh\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in blocks]


@dataclass(frozen=True)
class Desk:
    """A folder with the tutorial's shop, and the address of its API."""

    folder: Path
    port: int
    settings: str
    """The block by which the tutorial says where things are."""

    def types(self, *blocks: str) -> str:
        """Type blocks into one shell; return what was written, and fail as soon as a command fails."""
        script = PREAMBLE + self.settings + "\n".join(blocks)
        done = subprocess.run(
            ["bash", "-c", script.replace(f":{PORT_OF_THE_PAGES}", f":{self.port}")],
            **self.at_work(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def at_work(self) -> dict[str, Any]:
        """Where commands run: in the folder, with the programs of this environment first."""
        return {
            "cwd": self.folder,
            "env": {
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.folder),
                "OPENBLAS_NUM_THREADS": "1",
            },
        }

    def get(self, path: str) -> Any:
        """Read from the API."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/recommendation{path}", timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The tutorial, typed to its end."""
    settings, *rest = commands(TUTORIAL)
    serving = next(place for place, block in enumerate(rest) if "recs serve" in block)
    made = Desk(tmp_path_factory.mktemp("documents"), free_port(), settings)
    made.types(*rest[:serving])
    serve = settings + "exec " + rest[serving].replace(PORT_OF_THE_PAGES, str(made.port))
    with (made.folder / "api.log").open("w") as log:
        process = subprocess.Popen(["bash", "-c", serve], **made.at_work(), stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(made.port), process)
        made.types(*rest[serving + 1 :])
        yield made
    finally:
        process.kill()
        process.wait()


def test_the_tutorial_ends_with_a_list_that_does_what_it_says(desk: Desk) -> None:
    page = desk.get("/user/ann?limit=20")
    listed = {item["game_id"] for item in page["items"]}
    assert page["personal"]
    assert not listed & {"g-0009", "g-0004"}, "she owns the one and dismissed the other"
    assert desk.get("/user/ann/why?game_id=g-0004")["code"] == "dismissed"
    assert desk.get("/user/u-000007?limit=3")["personal"]


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_the_commands_of_a_how_to_work(desk: Desk, page: Path) -> None:
    blocks = commands(page)
    assert blocks, "a how-to without a command that can be tried"
    desk.types(*blocks)


def test_every_block_of_these_pages_has_a_mark() -> None:
    """A block without one would be typed by no test, and no reader would know why."""
    for page in (TUTORIAL, *HOW_TOS):
        fences = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)
        assert "" not in fences[::2], page.name
        assert set(fences[1::2]) <= {""}, page.name


def test_a_command_that_fails_is_noticed(desk: Desk) -> None:
    with pytest.raises(AssertionError):
        desk.types("curl $API/no-such-route\necho the rest")
    with pytest.raises(AssertionError):
        desk.types("false | cat")


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, "the API ended"
        assert time.monotonic() < end, "the API did not come up"
        time.sleep(0.1)
