"""
What each image would hold: its Dockerfile's builder stage, played into an empty virtual environment.

The base image is left out; the wheel, the pins and the pruning are the real ones.
"""

import json
import subprocess
from pathlib import Path

import pytest
from dockerfiles import IMAGES, Builder

NEVER = {"pip", "setuptools", "wheel", "pytest", "ruff", "mypy", "hypothesis", "build", "matplotlib"}
FORBIDDEN = {
    "service": NEVER | {"scikit-learn", "scipy", "pyarrow", "kopf", "tqdm"},
    "jobs": NEVER | {"fastapi", "uvicorn", "kopf", "aiohttp"},
    "operator": NEVER | {"numpy", "sqlalchemy", "scipy", "scikit-learn", "fastapi", "psycopg2-binary", "kubernetes"},
}
MOST_MIB = {"service": 170, "jobs": 470, "operator": 50}
"""With bytecode; a tenth more than was measured: beyond it is somebody's new dependency."""

IMPORTS = {
    "service": [
        "recommendation.migrate",
        "recommendation_api",
        "numpy",
        "sqlalchemy",
        "psycopg2",
        "uvicorn",
        "alembic",
    ],
    "jobs": [
        "recommendation_jobs",
        "sklearn.decomposition",
        "scipy.sparse.linalg",
        "pyarrow.parquet",
        "pyarrow.csv",
        "tqdm",
    ],
    "operator": ["recommendation_operator", "kopf", "aiohttp", "prometheus_client", "yaml"],
}

pytestmark = [pytest.mark.images, pytest.mark.xdist_group("image-contents")]


class Image:
    """An image's virtual environment."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run as in a container: an empty place to stand, nothing inherited."""
        environment = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent"}
        return subprocess.run(arguments, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)

    def distributions(self) -> set[str]:
        listing = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
        done = self.run(str(self.folder / "bin" / "python"), "-c", listing)
        return {name.lower().replace("_", "-") for name in json.loads(done.stdout)}

    def mebibytes(self) -> float:
        return sum(f.stat().st_size for f in self.folder.rglob("*") if f.is_file() and not f.is_symlink()) / 2**20


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(tmp_path_factory.mktemp("builder"))


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest, builder: Builder) -> Image:
    return Image(request.param, builder.play(request.param))


def test_it_holds_its_extra_and_nothing_that_it_must_not(image: Image) -> None:
    held = image.distributions()
    assert "recommendation-service" in held
    assert held & FORBIDDEN[image.name] == set()


def test_what_it_needs_can_be_imported_from_there(image: Image) -> None:
    done = image.run(str(image.folder / "bin" / "python"), "-c", "\n".join(f"import {m}" for m in IMPORTS[image.name]))
    assert done.returncode == 0, done.stderr


def test_it_is_no_larger_than_it_was(image: Image) -> None:
    size = image.mebibytes()
    assert size < MOST_MIB[image.name], f"{image.name}: {size:.0f} MiB"


def test_its_bytecode_was_made_at_build_time(image: Image) -> None:
    """A read-only root could never make it."""
    sources = list(image.folder.rglob("site-packages/recommendation*/**/*.py"))
    assert sources
    assert all(list((s.parent / "__pycache__").glob(f"{s.stem}.*.pyc")) for s in sources)
