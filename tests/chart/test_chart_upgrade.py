"""
An upgrade changes no field that Kubernetes refuses to change.

`released/VERSION/` holds what a released chart rendered; it is written when a version is released, and never again.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import Object, Release, is_hook, render
from variants import VARIANTS

RELEASED = Path(__file__).parent / "released"

STATEFUL_SET_MUTABLE = {
    "minReadySeconds",
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "replicas",
    "revisionHistoryLimit",
    "template",
    "updateStrategy",
}


def immutable(o: Object) -> Any:
    """The part of an object that an update may not change."""
    spec = o.get("spec", {})
    match o["kind"]:
        case "Deployment":
            return spec["selector"]
        case "StatefulSet":
            return {key: value for key, value in spec.items() if key not in STATEFUL_SET_MUTABLE}
        case "Job":
            return {key: spec.get(key) for key in ("selector", "template", "completionMode", "podFailurePolicy")}
        case "PersistentVolumeClaim":
            return {key: value for key, value in spec.items() if key != "resources"}
        case "RoleBinding" | "ClusterRoleBinding":
            return o["roleRef"]
        case "Service":
            return {key: spec.get(key) for key in ("clusterIP", "type")}
        case "ValidatingAdmissionPolicyBinding":
            return spec["policyName"]
        case "CustomResourceDefinition":
            return [spec["group"], spec["scope"], spec["names"]["plural"], spec["names"]["kind"]]
    return None


def clashes(before: tuple[Object, ...], after: tuple[Object, ...]) -> list[str]:
    """Objects of both renders whose immutable part differs. Hooks are deleted first, and so may change."""
    old = {(o["kind"], o["metadata"]["name"]): o for o in before if not is_hook(o)}
    pairs = [(old[key], o) for o in after if (key := (o["kind"], o["metadata"]["name"])) in old]
    return [f"{o['kind']}/{o['metadata']['name']}" for was, o in pairs if immutable(was) != immutable(o)]


def released(version: str, name: str) -> tuple[Object, ...]:
    return tuple(o for o in yaml.safe_load_all((RELEASED / version / f"{name}.yaml").read_text()) if o)


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_an_upgrade_from_a_released_version_changes_nothing_immutable(path: Path) -> None:
    assert clashes(released(path.parent.name, path.stem), render(VARIANTS[path.stem]).objects) == []


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_an_upgrade_keeps_every_claim_and_stateful_set_by_name(path: Path) -> None:
    kinds = ("PersistentVolumeClaim", "StatefulSet", "CustomResourceDefinition", "Service")
    now = {(o["kind"], o["metadata"]["name"]) for o in render(VARIANTS[path.stem]).objects}
    was = {(o["kind"], o["metadata"]["name"]) for o in released(path.parent.name, path.stem) if o["kind"] in kinds}
    assert was <= now


CHANGES: list[dict[str, object]] = [
    {"image": {"tag": "9.9.9"}},
    {"image": {"registry": "elsewhere.example.com"}},
    {"api": {"replicas": {"min": 3, "max": 5}}},
    {"pods": {"labels": {"team": "x"}, "nodeSelector": {"a": "b"}}},
    {"persistence": {"size": "50Gi"}},
    {"database": {"trial": {"size": "50Gi", "resources": {"limits": {"memory": "2Gi"}}}}},
    {"settings": {"CF_N_COMPONENTS": "10"}},
    {"networkPolicy": {"enabled": False}},
    {"training": {"schedule": "@daily", "suspend": True}},
    {"persistence": {"enabled": False}},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_value_can_be_applied_to_a_running_release_and_taken_back(change: dict[str, object]) -> None:
    before, after = render().objects, render(change).objects
    assert clashes(before, after) == []
    assert clashes(after, before) == []


def migrate_job(release: Release) -> str:
    (job,) = [o for o in release.of("Job") if not is_hook(o)]
    name: str = job["metadata"]["name"]
    return name


def test_another_image_or_spec_is_another_migrate_job_and_the_same_is_the_same() -> None:
    names = {migrate_job(render(v)) for v in ({}, {"image": {"tag": "2"}}, {"persistence": {"existingClaim": "m"}})}
    assert len(names) == 3
    assert migrate_job(render({"api": {"replicas": {"max": 5}}})) == migrate_job(render())


def test_switching_between_a_fixed_and_a_scaled_number_of_pods_never_sets_replicas() -> None:
    """Removing `replicas` from a Deployment would mean 1 until the autoscaler looks."""
    for values in ({}, {"api": {"replicas": {"min": 4, "max": 4}}}, {"api": {"replicas": {"min": 1, "max": 1}}}):
        release = render(values)
        assert "replicas" not in release.one("Deployment", "api")["spec"]
        assert release.one("HorizontalPodAutoscaler", "api")["spec"]["minReplicas"] >= 1


@pytest.mark.parametrize(("least", "budgets"), [(1, 0), (2, 1), (3, 1)])
def test_a_disruption_budget_exists_only_above_one_pod(least: int, budgets: int) -> None:
    release = render({"api": {"replicas": {"min": least, "max": 4}}})
    found = release.of("PodDisruptionBudget")
    assert len(found) == budgets
    assert all(o["spec"]["maxUnavailable"] == 1 for o in found)


def test_objects_that_hold_data_outlive_the_release() -> None:
    kept = {
        o["metadata"]["name"]
        for o in render().objects
        if o["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {"recs-models", "recs-database", "contentdrops.recommendation.gamestore.dev"}


def test_the_comparison_itself_finds_a_changed_selector() -> None:
    before = render().objects
    after = copy.deepcopy(before)
    next(o for o in after if o["kind"] == "Deployment")["spec"]["selector"]["matchLabels"]["new"] = "label"
    assert len(clashes(before, after)) == 1
