"""Values that contradict each other stop the render with a sentence."""

import pytest
import yaml
from rendering import CHART, Refused, helm, render
from variants import EXTERNAL

CASES = [
    ({"api": {"replicas": {"min": 5, "max": 3}}}, "api.replicas.min (5) is more than api.replicas.max (3)."),
    ({"ingress": {"enabled": True}}, "ingress.enabled needs at least one name in ingress.hosts."),
    ({"httpRoute": {"enabled": True}}, "httpRoute.enabled needs at least one Gateway in httpRoute.parentRefs."),
    ({"admissionPolicy": {"enabled": True}, "operator": {"enabled": False}}, "switch one of them."),
    ({"persistence": {"existingClaim": "a", "storageClassName": ""}}, "persistence.existingClaim is used as it is"),
    ({"persistence": {"existingClaim": "a", "volumeName": "b"}}, "persistence.existingClaim is used as it is"),
    ({"persistence": {"enabled": False, "existingClaim": "a"}}, "persistence.enabled is false, so no claim is used"),
    ({"persistence": {"enabled": False, "storageClassName": "fast"}}, "persistence.enabled is false"),
    (
        {"database": {"trial": {"existingClaim": "a", "volumeName": "b"}}},
        "database.trial.existingClaim is used as it is",
    ),
    ({"database": {"existingSecret": "a", "trial": {"volumeName": "b"}}}, "so there is no trial database"),
    ({"exposedPaths": ["/console"], "api": {"console": False}}, "api.console is false, so nothing answers there."),
    ({"exposedPaths": ["/docs"], "api": {"docs": False}}, "api.docs is false, so nothing answers there."),
    ({"training": {"distributed": {"existingSecret": "a"}}}, "training.distributed.enabled is false"),
    ({"pods": {"labels": {"app.kubernetes.io/name": "x"}}}, "pods.labels may not set app.kubernetes.io/name"),
]


@pytest.mark.parametrize(("values", "sentence"), CASES, ids=[c[1][:40] for c in CASES])
def test_it_says_what_contradicts_what(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        render(values)
    assert sentence in str(refusal.value)


def connections(most: int, pool: int, shards: int, limit: int) -> dict[str, object]:
    return {
        "api": {"replicas": {"min": 1, "max": most}},
        "database": {"poolSize": pool, "maxConnections": limit},
        "regeneration": {"shardsAtOnce": shards},
    }


@pytest.mark.parametrize(("most", "pool", "shards"), [(4, 10, 4), (1, 2, 1), (12, 20, 64)])
def test_connections_may_be_just_enough_and_not_one_fewer(most: int, pool: int, shards: int) -> None:
    need = (most + 1) * 1 * pool + 2 * shards + 6
    enough = max(need, 20)
    assert render(connections(most, pool, shards, enough)).objects
    if need > 20:
        with pytest.raises(Refused) as refusal:
            render(connections(most, pool, shards, need - 1))
        said = str(refusal.value)
        assert f"(api.replicas.max {most} + surge 1) x 1 worker x database.poolSize {pool}" in said
        assert f"2 x regeneration.shardsAtOnce {shards} + 6 = {need}, but database.maxConnections is {need - 1}" in said


@pytest.mark.parametrize(("cpu", "processes"), [("2", 2), (3, 3), ("1500m", 2), ("0.5", 1)])
def test_without_an_operator_the_processes_of_the_training_pod_count(cpu: object, processes: int) -> None:
    values = connections(4, 10, 64, 50 + 2 * processes + 6)
    limits = {"cpu": cpu, "memory": "4Gi"}
    values |= {"operator": {"enabled": False}, "training": {"resources": {"limits": limits}}}
    assert render(values).objects
    values["database"] = {"poolSize": 10, "maxConnections": 50 + 2 * processes + 5}
    with pytest.raises(Refused, match=f"2 x CPUs in training.resources.limits {processes} \\+ 6 = "):
        render(values)


def test_the_workers_of_a_training_take_connections_too() -> None:
    spread = {"training": {"distributed": {"enabled": True, "workers": 8}}}
    need = 5 * 10 + 2 * 4 + 8 + 6
    assert render(connections(4, 10, 4, need) | spread).objects
    with pytest.raises(Refused) as refusal:
        render(connections(4, 10, 4, need - 1) | spread)
    said = "2 x regeneration.shardsAtOnce 4 + training.distributed.workers 8 + 6 = 72, but"
    assert said in str(refusal.value)


def test_the_arithmetic_counts_what_the_templates_render() -> None:
    release = render(connections(7, 9, 5, 100))
    deployment = release.one("Deployment", "api")["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "--workers" not in container["command"]
    assert {"name": "RECOMMENDATION_DB_POOL_SIZE", "value": "9"} in container["env"]
    assert release.one("HorizontalPodAutoscaler", "api")["spec"]["maxReplicas"] == 7
    assert release.job_template()["spec"]["parallelism"] == 5
    (database,) = release.one("StatefulSet", "database")["spec"]["template"]["spec"]["containers"]
    assert "max_connections=100" in database["args"]


NOTES = [
    ({}, ["trial PostgreSQL", "API keys were generated"]),
    ({"networkPolicy": {"enabled": False}}, ["networkPolicy.enabled is false"]),
    ({"persistence": {"enabled": False}}, ["every interaction and model is lost"]),
    ({"api": {"replicas": {"min": 1}}}, ["api.replicas.min is 1"]),
    ({"exposedPaths": ["/api/v1/recommendation", "/metrics"]}, ["exposes more than the API outside the cluster"]),
    ({"training": {"suspend": True}}, ["training.suspend is true"]),
]


def notes(values: dict[str, object]) -> str:
    """What an install prints; a dry run on the client needs no cluster."""
    arguments = ("install", "recs", str(CHART), "--namespace", "shop", "--dry-run=client", "--values", "-")
    done = helm(*arguments, stdin=yaml.safe_dump(values))
    assert done.returncode == 0, done.stderr
    return done.stdout.split("NOTES:", 1)[1]


@pytest.mark.parametrize(("values", "warnings"), NOTES)
def test_the_notes_warn_of_what_is_unsafe(values: dict[str, object], warnings: list[str]) -> None:
    printed = notes(values)
    for warning in warnings:
        assert warning in printed


def test_the_notes_of_a_production_install_warn_of_nothing() -> None:
    assert "WARNING" not in notes(dict(EXTERNAL))


def test_the_notes_give_the_next_three_commands() -> None:
    printed = notes({})
    for command in (
        "helm --namespace shop test recs",
        "port-forward service/recs-api 8010:8010",
        "wait --for=condition=Finished",
    ):
        assert command in printed
