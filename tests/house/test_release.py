"""What `make release` makes: a wheel and a chart package that a stranger could install."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("release") / "dist"
    helm = subprocess.run(
        [sys.executable, ROOT / "tests" / "chart" / "helm_binary.py"], check=True, capture_output=True, text=True
    ).stdout.strip()
    script = [sys.executable, ROOT / "scripts" / "release.py", "--into", into, "--helm", helm, "--uncommitted"]
    subprocess.run(script, check=True, timeout=300)
    return into


@pytest.mark.xdist_group("release")
def test_a_release_is_a_wheel_a_chart_and_their_digests_of_one_version(dist: Path) -> None:
    release = version("recommendation-service")
    names = {made.name for made in dist.iterdir()}
    wheel = f"recommendation_service-{release}-py3-none-any.whl"
    assert names == {wheel, f"recommendation-service-{release}.tgz", "SHA256SUMS"}
    for line in (dist / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest


@pytest.mark.xdist_group("release")
def test_the_wheel_carries_the_console_and_no_test(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert "recommendation_api/static/console/index.html" in names
    assert "recommendation/database/dialects/writing.py" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "recommendation",
        "recommendation_api",
        "recommendation_cli",
        "recommendation_jobs",
        "recommendation_operator",
        "recommendation_service",
    }


@pytest.mark.xdist_group("release")
def test_from_the_wheel_alone_recs_says_which_extra_is_missing(dist: Path, tmp_path: Path) -> None:
    """Neither an extra nor the checkout is there: the wheel is unpacked into an empty environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=60)
    python = tmp_path / "bare" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, next(dist.glob("*.whl"))], check=True, timeout=120)
    done = subprocess.run([python.with_name("recs"), "migrate"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.partition(" (")[0]) == (42, "recs migrate needs the extra 'service'")
    shared = tmp_path / "bare" / "share" / "recommendation-service"
    here = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
    assert {path.name for path in (shared / "migrations" / "versions").glob("*.py")} == here
    # With what the extras bring beside it, the migrations of the wheel are found, whatever alembic.ini stands here.
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = nowhere\n")
    packages = next(Path(sys.prefix).glob("lib/python*/site-packages"))
    code = f"import sys; sys.path.append({str(packages)!r}); from recommendation.migrate import main; main([])"
    done = subprocess.run([python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "the database has no schema: now ready\n", done.stderr


@pytest.mark.xdist_group("release")
def test_the_chart_package_is_the_chart(dist: Path) -> None:
    chart = ROOT / "helm" / "recommendation-service"
    with tarfile.open(next(dist.glob("*.tgz"))) as package:
        names = {name.removeprefix("recommendation-service/") for name in package.getnames()}
        inside = package.extractfile("recommendation-service/Chart.yaml")
        assert inside is not None
        assert yaml.safe_load(inside.read()) == yaml.safe_load((chart / "Chart.yaml").read_text())
    assert {"values.yaml", "values.schema.json"} <= names
    assert {path.relative_to(chart).as_posix() for path in chart.glob("templates/**/*.yaml")} <= names
