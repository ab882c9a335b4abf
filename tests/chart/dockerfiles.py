"""
Dockerfiles without Docker: reads one, and plays its stages `wheel` and `builder` in a folder.

What it plays is what the image would hold, but for the base image: `COPY` respects `.dockerignore`, `RUN` runs the very
line, with `/src`, `/wheels` and `/opt/recommendation` moved into the folder; caches are the machine's own.
"""

import fcntl
import fnmatch
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CACHE = "--mount=type=cache,target=/root/.cache/pip "
IMAGES = ("service", "jobs", "operator")
COMPILED = ("operator",)
"""Played with bytecode. The others are not: compiling them takes as long as all the rest, and the line is the same."""


BEFORE = ""
"""The stage of what stands before the first FROM."""
FINAL = "final"
"""The last stage, which has no name in the file."""


class Step(NamedTuple):
    """One instruction."""

    stage: str
    word: str
    rest: str


def steps(image: str) -> list[Step]:
    """The instructions of `IMAGE/Dockerfile`, each with its stage."""
    text = (ROOT / image / "Dockerfile").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found, stage = [], BEFORE
    for line in re.sub(r"\\\n", " ", lines).splitlines():
        if line.strip():
            word, rest = line.split(None, 1)
            if word == "FROM":
                stage = rest.split(" AS ")[1].strip() if " AS " in rest else FINAL
            found.append(Step(stage, word, " ".join(rest.split())))
    return found


def ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps a path (relative to the root) out; the last rule that matches decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.strip()
        if rule and not rule.startswith("#") and _covers(rule.removeprefix("!"), path):
            out = not rule.startswith("!")
    return out


def _covers(rule: str, path: str) -> bool:
    """A rule covers a path, or a folder above it; `**/` stands for any folders or none."""
    parts = path.split("/")
    heads = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    if rule.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, rule[3:]) for part in parts)
    return any(head.count("/") == rule.count("/") and fnmatch.fnmatchcase(head, rule) for head in heads)


@functools.cache
def context() -> tuple[str, ...]:
    """Every file that `docker build .` would send; no rule lets in a part of a folder that is out."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [name for name in folders if not ignored((here / name).as_posix())]
        found += [path for name in files if not ignored(path := (here / name).as_posix())]
    return tuple(sorted(found))


class Builder:
    """
    Plays builder stages in one folder; a line that two Dockerfiles share runs once, as with Docker's cache.

    Several processes may share the folder: one plays, the others wait and find it done.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "done").mkdir(parents=True, exist_ok=True)

    def play(self, image: str) -> Path:
        """Return the virtual environment that the image takes over."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self._folder / "done" / image).exists():
                self._play(image)
                (self._folder / "done" / image).touch()
        return self._folder / f"opt-{image}"

    def _play(self, image: str) -> None:
        if not (self._folder / "base").exists():
            subprocess.run([sys.executable, "-m", "venv", self._folder / "base"], check=True)
        venv = self._folder / f"opt-{image}"
        path = f"{self._folder / 'base' / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": ""}
        if image not in COMPILED:
            environment["PIP_NO_COMPILE"] = "1"
        for step in (s for s in steps(image) if s.stage in ("wheel", "builder")):
            if step.word == "ARG" and "=" in step.rest:
                name, value = step.rest.split("=", 1)
                environment[name] = value
            elif step.word == "COPY" and not step.rest.startswith("--from="):
                _copy(step.rest.split(), self._folder / "src")
            elif step.word == "RUN":
                line = step.rest.removeprefix(CACHE)
                self._run(line.replace("/opt/recommendation", str(venv)), environment)

    def _run(self, line: str, environment: dict[str, str]) -> None:
        done = self._folder / "done" / hashlib.sha256(line.encode()).hexdigest()
        if done.exists():
            return
        for there in ("/wheels", "/src"):
            line = line.replace(f"{there}/", f"{self._folder}{there}/").replace(f"{there} ", f"{self._folder}{there} ")
        subprocess.run(["sh", "-ec", line], cwd=self._folder / "src", env=environment, check=True, timeout=300)
        done.touch()


def _copy(words: list[str], target: Path) -> None:
    """`COPY a b … DIR/` or `COPY DIR DIR`, of what the context holds."""
    for source in words[:-1]:
        for path in context():
            if path == source or path.startswith(f"{source}/"):
                place = target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, place)
