"""
What each image would hold: its Dockerfile's builder stage, played into an empty virtual environment.

The base image is left out; the wheel, the pins and the pruning are the real ones. The jobs' image, half a gigabyte, is
played by `make chart` and `make test-faults`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from dockerfiles import COMPILED, ROOT, Builder

NEVER = {"pip", "setuptools", "wheel", "pytest", "ruff", "mypy", "hypothesis", "build", "matplotlib"}
FORBIDDEN = {
    "service": NEVER | {"scikit-learn", "scipy", "pyarrow", "numba", "llvmlite", "kopf", "tqdm"},
    "jobs": NEVER | {"fastapi", "uvicorn", "kopf", "aiohttp", "alembic", "mako", "markupsafe"},
    "operator": NEVER | {"numpy", "sqlalchemy", "scipy", "scikit-learn", "fastapi", "psycopg2-binary", "kubernetes"},
}
MOST_MIB = {"service": 115, "jobs": 550, "operator": 18}
"""Without bytecode; a tenth more than was measured: more means a new dependency."""

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
        "recommendation.lists.personal_many",
    ],
    "operator": ["recommendation_operator", "kopf", "aiohttp", "prometheus_client", "yaml"],
}

pytestmark = [pytest.mark.images, pytest.mark.xdist_group("image-contents")]


class Image:
    """An image's virtual environment."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def run(
        self, *arguments: str, cwd: Path | None = None, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run as in a container: nothing inherited, and outside the checkout."""
        environment = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent", **(more or {})}
        return subprocess.run(
            arguments, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, timeout=60
        )

    def distributions(self) -> set[str]:
        listing = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
        done = self.run(str(self.folder / "bin" / "python"), "-c", listing)
        return {name.lower().replace("_", "-") for name in json.loads(done.stdout)}

    def mebibytes(self) -> float:
        files = (f for f in self.folder.rglob("*") if f.suffix != ".pyc" and f.is_file() and not f.is_symlink())
        return sum(f.stat().st_size for f in files) / 2**20


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """One folder for all workers of a parallel run: the installations are most of what these tests cost."""
    own = tmp_path_factory.getbasetemp()
    return Builder((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "builder")


@pytest.fixture(scope="module", params=["service", pytest.param("jobs", marks=pytest.mark.faults), "operator"])
def image(request: pytest.FixtureRequest, builder: Builder) -> Image:
    return Image(request.param, builder.play(request.param))


def test_it_holds_its_extra_and_no_forbidden_package(image: Image) -> None:
    held = image.distributions()
    assert "recommendation-service" in held
    assert held & FORBIDDEN[image.name] == set()


def test_what_it_needs_can_be_imported_from_there(image: Image) -> None:
    done = image.run(str(image.folder / "bin" / "python"), "-c", "\n".join(f"import {m}" for m in IMPORTS[image.name]))
    assert done.returncode == 0, done.stderr


def test_it_is_not_much_larger_than_measured(image: Image) -> None:
    size = image.mebibytes()
    assert size < MOST_MIB[image.name], f"{image.name}: {size:.0f} MiB"


@pytest.mark.parametrize("name", COMPILED)
def test_its_bytecode_was_made_at_build_time(name: str, builder: Builder) -> None:
    """A read-only root could never make it."""
    image = Image(name, builder.play(name))
    sources = list(image.folder.rglob("site-packages/recommendation*/**/*.py"))
    assert sources
    assert all(list((s.parent / "__pycache__").glob(f"{s.stem}.*.pyc")) for s in sources)


THE_APP = """
import sys
sys.argv.append("--http=recommendation_api.http.connections:Connection")
import recommendation_api.main as m
assert len(m.app.openapi()["paths"]) > 15
"""


ENTRY_POINTS = {
    "service": [
        ["python", "-m", "recommendation.migrate", "--help"],
        ["python", "-c", "import recommendation.regeneration"],
        ["python", "-c", THE_APP],
    ],
    "jobs": [
        ["python", "-m", "recommendation_jobs", command, "--help"] for command in ("train", "regenerate", "import")
    ],
    "operator": [
        ["kopf", "run", "--help"],
        [
            "python",
            "-c",
            "import recommendation_operator, kopf; assert kopf.get_default_registry()._watching._handlers",
        ],
    ],
}


def test_its_entry_points_start(image: Image) -> None:
    for command in ENTRY_POINTS[image.name]:
        done = image.run(str(image.folder / "bin" / command[0]), *command[1:])
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_service_image_migrates_a_database_and_knows_when_it_is_done(builder: Builder, tmp_path: Path) -> None:
    """From the folder that holds `alembic.ini` and `migrations`, as in the image, and outside the checkout."""
    image = Image("service", builder.play("service"))
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    python = str(image.folder / "bin" / "python")
    url = {"RECOMMENDATION_DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}

    def migrate(*options: str) -> int:
        return image.run(python, "-m", "recommendation.migrate", *options, cwd=tmp_path, more=url).returncode

    assert migrate("--wait", "0.1") == 1
    assert migrate("--prove-writable", str(tmp_path / "models")) == 0
    assert migrate("--wait", "5") == 0
    assert migrate() == 0
