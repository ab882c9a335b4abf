"""Rules of the repository: imports, versions, documents, targets of make."""

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def imported_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}; import sys; print(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_the_library_imports_neither_fastapi_nor_kopf() -> None:
    assert not imported_by("import recommendation") & {"fastapi", "starlette", "kopf"}


def test_the_api_imports_no_scikit_learn() -> None:
    loaded = imported_by("import recommendation_api.app")
    assert not loaded & {"sklearn", "scipy", "pyarrow", "recommendation_jobs", "kopf"}


def test_operator_from_the_repository_root_is_pythons_own() -> None:
    code = "import operator; print(operator.itemgetter.__module__, operator.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("operator ")
    assert str(ROOT) not in done.stdout
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not (ROOT / "operator" / "operator.py").exists()


def test_the_wheel_has_no_base_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []
    assert {"service", "jobs", "operator", "kafka", "redis", "dask", "dev"} <= set(project["optional-dependencies"])


def test_every_dependency_is_pinned_and_no_host_is_named() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {plain(name) for names in extras.values() for name in names}
    assert wanted <= {plain(line) for line in lines}


def plain(requirement: str) -> str:
    """Return the name of a requirement, as registries compare names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=;]", requirement)[0]).lower()


def test_versions_of_wheel_chart_and_api_are_in_step() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "helm" / "recommendation-service" / "Chart.yaml").read_text())
    assert wheel == chart["version"] == str(chart["appVersion"]) == version("recommendation-service")
    assert f"## {wheel}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_tables_of_settings_say_what_the_code_says() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "settings_tables.py"))
    for page, table in written["TABLES"].items():
        assert page.read_text() == written["page"](page.read_text(), table()), "run `make settings-docs`"


def test_the_environment_is_read_for_no_setting_that_is_not_in_the_tables() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "settings_tables.py"))
    known = {name for table in written["TABLES"].values() for name in re.findall(r"^\| `([A-Z_]+)`", table(), re.M)}
    code = "".join(
        path.read_text() for part in ("service", "jobs", "operator") for path in ROOT.glob(f"{part}/**/*.py")
    )
    named = set(re.findall(r"[\"'`]((?:RECOMMENDATION|CF|INTERACTION)_[A-Z0-9_]+)[\"'`:]", code))
    assert named <= known


def test_the_api_reference_says_what_the_openapi_document_says() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "api_reference.py"))
    assert written["PAGE"].read_text() == written["page"](), "run `make api-docs`"


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_make_demo_and_make_test_are_all_that_is_typed() -> None:
    done = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=ROOT)
    for target in ("demo", "test", "setup", "check", "smoke"):
        assert re.search(rf"^\s+{target}\s", done.stdout, re.MULTILINE), target


def test_no_two_test_files_share_a_name() -> None:
    names = [path.name for path in ROOT.glob("tests/**/test_*.py")]
    assert len(names) == len(set(names))


def test_no_class_name_stands_twice_in_service_jobs_and_operator() -> None:
    places: dict[str, list[str]] = {}
    for path in (found for part in ("service", "jobs", "operator") for found in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.xdist_group("together")
def test_parallel_workers_keep_the_tests_of_a_group_together(request: pytest.FixtureRequest) -> None:
    """xdist tells the group behind a test's id. pytest 9.2 drops it in silence, and each worker builds everything."""
    is_grouped = bool(request.config.getoption("loadgroup", False))
    assert request.node.nodeid.endswith("@together") is is_grouped
