"""Prometheus's own checker, out of Debian's package without installing it, kept in `.tools/`."""

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
UNPACKED = Path("prometheus", "usr", "bin", "promtool")


class PromtoolMissing(Exception):
    """This machine has no promtool and cannot get it."""


def promtool() -> Path:
    """
    A promtool: the machine's own, or one that is fetched once. Of parallel workers one fetches, the others wait.

    Raises:
        PromtoolMissing: why there is none.
    """
    installed = shutil.which("promtool")
    if installed:
        return Path(installed)
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock-promtool").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (TOOLS / UNPACKED).exists():
            _fetch()
    return TOOLS / UNPACKED


def _fetch() -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise PromtoolMissing("no promtool, and no apt-get to fetch Debian's package 'prometheus' with")
    with tempfile.TemporaryDirectory() as folder:
        if not _downloaded(folder):
            # A fresh machine has no package lists yet.
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=300)
            if not _downloaded(folder):
                raise PromtoolMissing("no promtool, and apt-get does not get Debian's package 'prometheus'")
        package = next(Path(folder).glob("prometheus_*.deb"))
        subprocess.run(["dpkg", "-x", package, f"{folder}/unpacked"], check=True)
        shutil.rmtree(TOOLS / "prometheus", ignore_errors=True)
        target = TOOLS / UNPACKED
        target.parent.mkdir(parents=True)
        fresh = target.with_suffix(".new")
        shutil.copy(Path(folder, "unpacked", "usr", "bin", "promtool"), fresh)
        fresh.rename(target)


def _downloaded(folder: str) -> bool:
    done = subprocess.run(["apt-get", "download", "prometheus"], cwd=folder, capture_output=True, timeout=300)
    return done.returncode == 0


if __name__ == "__main__":
    print(promtool())
