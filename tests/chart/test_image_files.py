"""What the three Dockerfiles promise, read from them."""

import json

import pytest
import yaml
from dockerfiles import BEFORE, CACHE, FINAL, IMAGES, Step, context, ignored, steps
from rendering import ROOT, containers, pod_templates
from variants import variant

IGNORED = [
    ".git/config",
    ".venv/bin/python",
    "app.db",
    "models/cf.pkl",
    "tests/x.py",
    "helm/values.yaml",
    ".tools/helm",
]
IGNORED += ["service/recommendation/__pycache__/ids.cpython-311.pyc", "docs/chart.md", "service/Dockerfile", ".env"]
SENT = [
    "pyproject.toml",
    "requirements/build.txt",
    "requirements/service.txt",
    "README.md",
    "LICENSE",
    "NOTICE",
    "alembic.ini",
    "migrations/env.py",
]
SENT += ["service/recommendation/ids.py", "jobs/recommendation_jobs/__init__.py"]


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def last(image: str, word: str) -> str:
    return [s.rest for s in steps(image) if s.word == word][-1]


def test_all_stages_come_from_the_one_base_that_the_builder_may_choose(image: str) -> None:
    found = steps(image)
    assert found[0] == Step(BEFORE, "ARG", "BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm")
    assert [s.rest for s in found if s.word == "FROM"] == [
        "${BASE_IMAGE} AS base",
        "--platform=$BUILDPLATFORM ${BASE_IMAGE} AS wheel",
        "${BASE_IMAGE} AS builder",
        "base",
    ]


def test_the_images_share_their_first_layers_and_the_wheel() -> None:
    """BuildKit and nodes know a layer by its parent and its line: one other word, and it is made and kept thrice."""
    shared = [[s for s in steps(name) if s.stage in (BEFORE, "base", "wheel")] for name in IMAGES]
    assert shared[0] == shared[1] == shared[2]


def test_what_pip_fetched_stays_out_of_the_layers_and_is_there_at_the_next_build(image: str) -> None:
    for step in steps(image):
        if step.word == "RUN" and " install " in step.rest:
            assert step.rest.startswith(CACHE)
    assert not any("PIP_NO_CACHE_DIR" in step.rest for step in steps(image))


def test_all_images_install_by_one_line_that_also_makes_the_bytecode() -> None:
    (line,) = {s.rest for name in IMAGES for s in steps(name) if s.stage == "builder" and "--only-binary" in s.rest}
    assert "--no-compile" not in line
    assert not any("PIP_NO_COMPILE" in s.rest for name in IMAGES for s in steps(name))


def test_it_runs_as_a_user_with_a_number_that_is_not_root(image: str) -> None:
    assert last(image, "USER") == "10001:10001"
    assert steps(image)[-1].word in ("CMD", "ENTRYPOINT")


def test_the_final_stage_has_no_installer(image: str) -> None:
    final = [s for s in steps(image) if s.stage in ("base", FINAL)]
    assert any(s.word == "RUN" and "pip uninstall --yes --quiet pip setuptools wheel" in s.rest for s in final)
    assert not any("install " in s.rest.replace("uninstall", "") or "apt" in s.rest for s in final if s.word == "RUN")


def test_everything_installed_has_the_digest_that_was_written_down_and_nothing_is_compiled(image: str) -> None:
    installed = [
        command
        for step in steps(image)
        if step.word == "RUN"
        for command in step.rest.split(" && ")
        if " install " in command
    ]
    ours = [command for command in installed if command.endswith("install --no-deps --no-index /wheels/*.whl")]
    assert len(ours) == 1
    assert len(installed) == 3
    for command in installed:
        assert command in ours or "--require-hashes --only-binary :all: " in command
        assert "--constraint" not in command


def test_it_installs_its_own_extra_only(image: str) -> None:
    assert Step("builder", "ARG", f"EXTRAS={image}") in steps(image)


def test_it_says_what_it_is(image: str) -> None:
    label = last(image, "LABEL")
    for key in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{key}=" in label


def test_it_copies_no_folder_whole_from_the_root(image: str) -> None:
    assert not any(s.rest.split()[0] in (".", "./") for s in steps(image) if s.word == "COPY")


@pytest.mark.parametrize("path", IGNORED)
def test_files_outside_the_images_are_not_sent_to_the_builder(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize("path", SENT)
def test_files_of_the_images_are_sent_to_the_builder(path: str) -> None:
    assert not ignored(path)
    assert path in context()


def test_the_service_image_carries_the_migrations(image: str) -> None:
    copied = [s.rest for s in steps(image) if s.word == "COPY" and s.stage == FINAL]
    assert ("migrations migrations" in copied and "alembic.ini ./" in copied) is (image == "service")


def test_the_chart_starts_what_the_images_start() -> None:
    """The chart says it in full; an image run by hand does the same."""
    started = {}
    for _, template in pod_templates(variant("defaults")):
        (main,) = template["spec"]["containers"]
        started[main["name"]] = [*main["command"], *main.get("args", [])] if "command" in main else []
    assert json.loads(last("service", "CMD")) == started["api"]
    assert json.loads(last("jobs", "ENTRYPOINT")) == started["train"][:3]
    assert set(json.loads(last("operator", "CMD"))) <= set(started["operator"])


def test_the_chart_runs_as_the_user_of_the_images() -> None:
    for _, template in pod_templates(variant("defaults")):
        images = {c["image"].split(":")[0] for c in containers(template)}
        if all(name.startswith("recommendation-") for name in images):
            assert template["spec"]["securityContext"]["runAsUser"] == 10001


def test_the_tag_of_the_images_is_the_version_of_the_chart_and_of_the_package() -> None:
    chart = yaml.safe_load((ROOT / "helm/recommendation-service/Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()
    for name in IMAGES:
        assert f"VERSION={chart['appVersion']}" in [s.rest for s in steps(name) if s.word == "ARG"]
