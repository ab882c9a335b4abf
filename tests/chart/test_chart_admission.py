"""The optional admission policy, evaluated: it accepts the Jobs that the operator makes, and nothing more dangerous."""

import copy
from collections.abc import Callable
from typing import Any

import celpy
import pytest
from rendering import Object, render
from variants import DISTRIBUTED, EVERYTHING

VALUES: dict[str, object] = {"admissionPolicy": {"enabled": True}}


def policy(values: dict[str, object]) -> Object:
    (found,) = render(values).of("ValidatingAdmissionPolicy")
    return found


def evaluate(expression: str, activation: dict[str, Any]) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression)).evaluate(activation)


def complaints(values: dict[str, object], job: Object) -> list[str]:
    """Messages of the validations that fail; an error counts as failing, as `failurePolicy: Fail` says."""
    spec = policy(values)["spec"]
    variables: dict[str, Any] = {}
    activation = {"object": celpy.json_to_cel(job), "variables": celpy.celtypes.MapType()}
    for variable in spec["variables"]:
        variables[variable["name"]] = evaluate(variable["expression"], activation)
        activation["variables"] = celpy.celtypes.MapType(
            {celpy.celtypes.StringType(name): value for name, value in variables.items()}
        )
    failed = []
    for validation in spec["validations"]:
        try:
            passed = bool(evaluate(validation["expression"], activation))
        except celpy.CELEvalError:
            passed = False
        if not passed:
            failed.append(validation["message"])
    return failed


def regeneration(values: dict[str, object]) -> Object:
    """As the operator completes the template."""
    job = render(values).job_template()
    container = job["spec"]["template"]["spec"]["containers"][0]
    container["args"] += ["--regeneration", "r-1", "--shard", "$(JOB_COMPLETION_INDEX)", "--shards", "4"]
    return job


def training(values: dict[str, object]) -> Object:
    """As the operator makes it from the CronJob."""
    template = render(values).one("CronJob", "training")["spec"]["jobTemplate"]
    template["spec"]["template"]["spec"]["containers"][0]["args"] += ["--run", "run-1"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": template["spec"]}


NO_CLAIM = {**VALUES, "persistence": {"enabled": False}}


@pytest.mark.parametrize("make", [regeneration, training])
@pytest.mark.parametrize(
    "values", [VALUES, EVERYTHING, NO_CLAIM, DISTRIBUTED], ids=["defaults", "everything", "no-claim", "distributed"]
)
def test_the_operators_own_jobs_pass(values: dict[str, object], make: Callable[[dict[str, object]], Object]) -> None:
    assert complaints(values, make(values)) == []


def pod(job: Object) -> Any:
    return job["spec"]["template"]["spec"]


def set_path(*path: Any) -> Callable[[Object], None]:
    """A change: the last part is put where the others lead."""

    def change(job: Object) -> None:
        place = pod(job)
        for key in path[:-2]:
            place = place[key]
        place[path[-2]] = path[-1]

    return change


def add(name: str, item: Object) -> Callable[[Object], None]:
    return lambda job: pod(job).setdefault(name, []).append(item)


def add_variable(variable: Object) -> Callable[[Object], None]:
    return lambda job: pod(job)["containers"][0]["env"].append(variable)


SECRET = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "recs-api-keys", "key": "admin"}}}
ESCALATING = {"allowPrivilegeEscalation": True}
PRIVILEGED = {"allowPrivilegeEscalation": False, "privileged": True}

REFUSED: list[tuple[str, Callable[[Object], None], str]] = [
    ("another image", set_path("containers", 0, "image", "evil:1"), "in this release's jobs image"),
    ("another init image", set_path("initContainers", 0, "image", "evil:1"), "only wait for the schema"),
    ("another command", set_path("containers", 0, "command", ["sh", "-c"]), "in this release's jobs image"),
    ("no command", lambda job: pod(job)["containers"][0].pop("command"), "in this release's jobs image"),
    ("another verb", set_path("containers", 0, "args", ["import"]), "in this release's jobs image"),
    ("another init command", set_path("initContainers", 0, "command", ["sh"]), "only wait for the schema"),
    ("init arguments", set_path("initContainers", 0, "args", ["x"]), "only wait for the schema"),
    ("a second container", add("containers", {"name": "b", "image": "evil:1"}), "in this release's jobs image"),
    ("another account", set_path("serviceAccountName", "recs-operator"), "ServiceAccount for jobs"),
    ("a token", set_path("automountServiceAccountToken", True), "ServiceAccount for jobs"),
    ("the keys as variables", add_variable(SECRET), "read no Secret"),
    ("a whole Secret", set_path("containers", 0, "envFrom", [{"secretRef": {"name": "x"}}]), "read no Secret"),
    ("the keys as files", add("volumes", {"name": "s", "secret": {"secretName": "recs-api-keys"}}), "scratch space"),
    ("a token as a file", add("volumes", {"name": "t", "projected": {"sources": []}}), "scratch space"),
    ("the node's disk", add("volumes", {"name": "h", "hostPath": {"path": "/"}}), "scratch space"),
    (
        "the database's claim",
        add("volumes", {"name": "d", "persistentVolumeClaim": {"claimName": "recs-database"}}),
        "scratch space",
    ),
    ("escalation", set_path("containers", 0, "securityContext", ESCALATING), "gain no privilege"),
    ("privilege", set_path("containers", 0, "securityContext", PRIVILEGED), "gain no privilege"),
    (
        "a capability",
        set_path("containers", 0, "securityContext", "capabilities", {"add": ["NET_RAW"]}),
        "gain no privilege",
    ),
    (
        "the certificates of trainings",
        add("volumes", {"name": "c", "secret": {"secretName": "recs-training-tls"}}),
        "scratch",
    ),
    ("more pods at a time", lambda job: job["spec"].update(parallelism=5), "no more pods at a time"),
    ("the node's network", set_path("hostNetwork", True), "gain no privilege"),
    ("the node's processes", set_path("hostPID", True), "gain no privilege"),
]


@pytest.mark.parametrize(("change", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_anything_more_dangerous_is_refused(change: Callable[[Object], None], message: str) -> None:
    job = copy.deepcopy(regeneration(VALUES))
    change(job)
    assert any(message in complaint for complaint in complaints(VALUES, job))


def test_trainings_that_are_spread_mount_their_certificates_and_run_so_many_pods_and_no_more() -> None:
    job = training(DISTRIBUTED)
    assert job["spec"]["parallelism"] == 4
    add("volumes", {"name": "k", "secret": {"secretName": "recs-api-keys"}})(job)
    job["spec"]["parallelism"] = 5
    assert complaints(DISTRIBUTED, job) == [
        "The operator's Jobs mount nothing but scratch space, the certificates of trainings and the model claim.",
        "The operator's Jobs run no more pods at a time than the release's values say.",
    ]


def test_it_looks_only_at_the_operator_of_this_release() -> None:
    spec = policy(VALUES)["spec"]
    (condition,) = spec["matchConditions"]

    def by(user: str) -> bool:
        request = celpy.json_to_cel({"userInfo": {"username": user}})
        return bool(evaluate(condition["expression"], {"request": request}))

    assert by("system:serviceaccount:shop:recs-operator")
    assert not by("system:serviceaccount:shop:other-operator")
    assert not by("system:serviceaccount:kube-system:cronjob-controller")
    assert spec["matchConstraints"]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
    assert spec["failurePolicy"] == "Fail"
