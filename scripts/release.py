"""
Builds what a release consists of into `dist/`: the wheel, the chart's package, and their digests. `make release`.

It refuses a work tree with changes, since a release is what its commit holds, and a changelog that does not name the
version. The images are built from the same commit (docs/chart.md); nothing is uploaded.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "recommendation-service"


def main() -> int:
    """Build, and print what was built."""
    parser = argparse.ArgumentParser(description="Build the wheel and the chart's package.")
    parser.add_argument("--into", type=Path, default=ROOT / "dist")
    parser.add_argument("--helm", type=Path, required=True, help="the helm to package with")
    parser.add_argument("--uncommitted", action="store_true", help="also from a work tree with changes, to try it")
    options = parser.parse_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    wrong = _what_is_wrong(version, options.uncommitted)
    if wrong:
        print(f"release: {wrong}", file=sys.stderr)
        return 1
    shutil.rmtree(options.into, ignore_errors=True)
    options.into.mkdir(parents=True)
    _build(options.into, options.helm)
    for line in _digests(options.into):
        print(line)
    return 0


def _what_is_wrong(version: str, uncommitted: bool) -> str | None:
    if f"## {version}" not in (ROOT / "CHANGELOG.md").read_text():
        return f"CHANGELOG.md says nothing of {version}"
    if not uncommitted and _git("status", "--porcelain"):
        return "the work tree has changes that are not committed"
    return None


def _build(into: Path, helm: Path) -> None:
    # Archives carry the time of the commit, so that the same commit gives the same wheel.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _git("log", "-1", "--format=%ct")}
    with tempfile.TemporaryDirectory() as folder:
        # From a copy: setuptools leaves `build/lib` behind, and would put a deleted module into the next wheel.
        _copy_tracked(Path(folder))
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), folder]
        subprocess.run(wheel, check=True, env=environment)
    package = [str(helm), "package", str(CHART), "--destination", str(into)]
    subprocess.run(package, check=True, env=environment, stdout=subprocess.DEVNULL)


def _copy_tracked(folder: Path) -> None:
    for name in _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _digests(into: Path) -> list[str]:
    lines = [f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {made.name}" for made in sorted(into.iterdir())]
    (into / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    return lines


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
