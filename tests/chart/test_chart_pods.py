"""Every pod of every variant: restricted, bounded, without a token it does not need."""

import copy

import pytest
from pod_security import violations
from rendering import Object, containers, pod_templates
from variants import VARIANTS, variant

COMPONENT = "app.kubernetes.io/component"
PODS = [(name, where) for name in VARIANTS for where, _ in pod_templates(variant(name))]


def pod(name: str, where: str) -> Object:
    return dict(pod_templates(variant(name)))[where]


@pytest.fixture(params=PODS, ids=lambda p: f"{p[0]}:{p[1]}")
def template(request: pytest.FixtureRequest) -> Object:
    name, where = request.param
    return pod(name, where)


def test_it_satisfies_the_restricted_profile(template: Object) -> None:
    assert list(violations(template)) == []


def test_its_root_is_read_only_and_writable_mounts_are_volumes_of_its_own(template: Object) -> None:
    volumes = {v["name"]: v for v in template["spec"]["volumes"]}
    for container in containers(template):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        for mount in container["volumeMounts"]:
            kind = set(volumes[mount["name"]]) - {"name"}
            assert mount.get("readOnly") or kind <= {"emptyDir", "persistentVolumeClaim"}


def test_every_container_can_write_to_tmp(template: Object) -> None:
    for container in containers(template):
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_every_container_has_requests_and_limits(template: Object) -> None:
    for container in containers(template):
        for side in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][side])


def test_no_variable_is_named_twice(template: Object) -> None:
    for container in containers(template):
        names = [e["name"] for e in container.get("env", [])]
        assert sorted(names) == sorted(set(names))


def test_every_mounted_volume_exists_and_every_volume_is_mounted(template: Object) -> None:
    mounted = {mount["name"] for c in containers(template) for mount in c["volumeMounts"]}
    assert mounted == {v["name"] for v in template["spec"]["volumes"]}


def test_links_of_other_services_stay_out_of_its_environment(template: Object) -> None:
    assert template["spec"]["enableServiceLinks"] is False


def test_only_the_operator_and_the_secrets_hook_hold_a_token() -> None:
    for name in VARIANTS:
        for _where, template in pod_templates(variant(name)):
            component = template["metadata"]["labels"]["app.kubernetes.io/component"]
            assert template["spec"]["automountServiceAccountToken"] is (component in ("operator", "secrets"))


def test_only_the_trial_database_runs_as_a_user_below_10000() -> None:
    for name in VARIANTS:
        for where, template in pod_templates(variant(name)):
            low = where.startswith("StatefulSet/")
            assert template["spec"]["securityContext"]["runAsUser"] == (999 if low else 10001)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_long_running_container_has_both_probes(name: str) -> None:
    release = variant(name)
    staying = [o for kind in ("Deployment", "StatefulSet") for o in release.of(kind)]
    assert staying
    for o in staying:
        for container in o["spec"]["template"]["spec"]["containers"]:
            assert {"livenessProbe", "readinessProbe"} <= set(container)


def test_blas_uses_as_many_threads_as_the_limit_gives_cpus() -> None:
    for where in ("Deployment/recs-api", "CronJob/recs-training", "regeneration Job"):
        (container,) = pod("defaults", where)["spec"]["containers"]
        variables = {e["name"]: e for e in container["env"]}
        for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            reference = {"containerName": container["name"], "resource": "limits.cpu", "divisor": "1"}
            assert variables[threads]["valueFrom"] == {"resourceFieldRef": reference}


def test_a_trial_with_a_training_and_all_shards_fits_a_node_with_two_cpus_and_four_gibibytes() -> None:
    """A CPU and a GiB are left for the cluster's own pods and for the pod that a rollout adds."""
    release = variant("defaults")
    at_once = {"api": 2, "regeneration": 4, "training": 1, "database": 1, "operator": 1}
    milli = mebi = 0
    for component, count in at_once.items():
        (template,) = [t for _, t in pod_templates(release) if t["metadata"]["labels"][COMPONENT] == component]
        (container,) = template["spec"]["containers"]
        asked = container["resources"]["requests"]
        milli += count * int(asked["cpu"].removesuffix("m"))
        mebi += count * int(asked["memory"].removesuffix("Mi"))
    assert milli <= 1000
    assert mebi <= 3 * 1024


def test_no_command_is_changed_by_kubernetes_expansion() -> None:
    """`$(NAME)` of a known variable and `$$` are rewritten by the kubelet; inlined scripts must hold neither."""
    for _where, template in pod_templates(variant("everything")):
        for container in containers(template):
            words = [*container.get("command", []), *container.get("args", [])]
            assert not [w for w in words if "$(" in w or "$$" in w]


def test_the_profile_check_itself_finds_faults() -> None:
    faulty = copy.deepcopy(pod("defaults", "Deployment/recs-api"))
    faulty["spec"]["securityContext"]["runAsNonRoot"] = False
    faulty["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    del faulty["spec"]["containers"][0]["securityContext"]["capabilities"]
    assert list(violations(faulty)) == [
        "the pod may run as root",
        "volume host is a {'hostPath'}",
        "api: capabilities are not dropped",
    ]
