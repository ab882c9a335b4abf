"""Kubernetes 1.31 to 1.37 accepts every variant, and so does Helm's own linter."""

import functools
import json

import kubernetes_validate
import kubernetes_validate.utils
import pytest
import yaml
from rendering import CHART, Object, helm, render
from variants import VARIANTS, variant

KUBERNETES = ["1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]

NOT_CORE = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
"""Kinds of others' CRDs: the validator holds no schema of them, and nothing else may go unchecked."""

kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
"""The validator reads a megabyte of definitions again for every object: that would be most of the time here."""


@functools.cache
def distinct_objects() -> dict[str, tuple[str, Object]]:
    """Every object of every variant once, by its content; most variants share most objects."""
    found: dict[str, tuple[str, Object]] = {}
    for name in VARIANTS:
        release = variant(name)
        objects = [o for o in release.objects if o["kind"] not in NOT_CORE]
        if any(o["kind"] == "ConfigMap" and "job.yaml" in o["data"] for o in release.objects):
            objects.append({**release.job_template(), "metadata": {"name": "made-by-the-operator"}})
        for o in objects:
            found.setdefault(json.dumps(o, sort_keys=True), (f"{name}: {o['kind']}/{o['metadata']['name']}", o))
    return found


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_of_every_variant_passes_strict_validation(version: str) -> None:
    refused = {}
    for where, o in distinct_objects().values():
        try:
            kubernetes_validate.validate(o, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            refused[where] = error.message
    assert refused == {}


def test_the_validator_knows_every_version_and_catches_a_typo() -> None:
    cron_job = variant("defaults").one("CronJob", "training")
    for version in KUBERNETES:
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(
                {**cron_job, "spec": {**cron_job["spec"], "suspnd": True}}, version, strict=True
            )


@pytest.mark.parametrize("name", VARIANTS)
def test_helm_lint_passes(name: str) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", "-", stdin=yaml.safe_dump(VARIANTS[name]))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.31.0", "1.31.9-gke.100", "1.36.1", "1.37.0"])
def test_kubernetes_from_1_31_on_is_accepted(version: str) -> None:
    assert render({}, "recs", "shop", "--kube-version", version).objects


def test_older_kubernetes_is_refused() -> None:
    done = helm("template", "recs", str(CHART), "--kube-version", "1.30.14")
    assert done.returncode == 1
    assert ">=1.31.0-0" in done.stderr


@pytest.mark.parametrize("name", VARIANTS)
def test_an_upgrade_renders_what_an_install_renders(name: str) -> None:
    install = render(VARIANTS[name])
    assert render(VARIANTS[name], "recs", "shop", "--is-upgrade").text == install.text


@pytest.mark.parametrize("name", VARIANTS)
def test_helm_3_renders_what_helm_4_renders(name: str) -> None:
    arguments = ("template", "recs", str(CHART), "--namespace", "shop", "--values", "-")
    older = helm(*arguments, stdin=yaml.safe_dump(VARIANTS[name]), version="3.17.3")
    assert older.stdout == render(VARIANTS[name]).text, older.stderr


@pytest.mark.parametrize("name", VARIANTS)
def test_two_renders_are_the_same_bytes(name: str) -> None:
    arguments = ("template", "recs", str(CHART), "--namespace", "shop", "--values", "-")
    first, second = (helm(*arguments, stdin=yaml.safe_dump(VARIANTS[name])).stdout for _ in range(2))
    assert first
    assert first == second
