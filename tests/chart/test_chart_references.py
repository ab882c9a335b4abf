"""What an object names exists: in the release, made by its hook, or given by the installer."""

from collections.abc import Iterator

import pytest
from rendering import Object, Release, containers, is_hook, pod_templates, render
from variants import VARIANTS, variant

GIVEN = {"production-database", "production-keys", "broker", "pull", "games-tls", "models", "database"}
"""Names that the variants expect to exist."""


def made_by_the_hook(release: Release) -> set[str]:
    """Secrets that the hook's arguments name."""
    hooks = [o for o in release.of("Job") if is_hook(o)]
    words = [w for job in hooks for c in containers(job["spec"]["template"]) for w in c["args"]]
    return {w.split("=", 1)[1] for w in words if w.startswith(("--api-keys=", "--database=", "--training-tls="))}


def referenced(template: Object) -> Iterator[tuple[str, str]]:
    """(kind, name) of everything a pod needs before it starts."""
    spec = template["spec"]
    yield "ServiceAccount", spec["serviceAccountName"]
    yield from (("Secret", s["name"]) for s in spec.get("imagePullSecrets", []))
    for volume in spec["volumes"]:
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in containers(template):
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield "Secret", reference["name"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_object_that_a_pod_names_is_there(name: str) -> None:
    release = variant(name)
    there = {(o["kind"], o["metadata"]["name"]) for o in release.objects}
    there |= {("Secret", secret) for secret in made_by_the_hook(release)}
    for where, template in pod_templates(release):
        for kind, needed in referenced(template):
            assert (kind, needed) in there or needed in GIVEN, f"{where} needs {kind} {needed}"


@pytest.mark.parametrize("name", VARIANTS)
def test_every_service_selects_pods_that_have_its_ports(name: str) -> None:
    release = variant(name)
    for service in release.of("Service"):
        selector = service["spec"]["selector"].items()
        selected = [t for _, t in pod_templates(release) if selector <= t["metadata"]["labels"].items()]
        assert len(selected) == 1
        ports = {p["name"] for c in containers(selected[0]) for p in c.get("ports", [])}
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("name", VARIANTS)
def test_routes_monitors_and_scalers_point_at_something(name: str) -> None:
    release = variant(name)
    services = {o["metadata"]["name"]: o for o in release.of("Service")}
    deployments = {o["metadata"]["name"] for o in release.of("Deployment")}
    assert {o["spec"]["scaleTargetRef"]["name"] for o in release.of("HorizontalPodAutoscaler")} <= deployments
    for ingress in release.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert backend["port"]["name"] in {p["name"] for p in services[backend["name"]]["spec"]["ports"]}
    for route in release.of("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert backend["port"] in {p["port"] for p in services[backend["name"]]["spec"]["ports"]}
    for monitor in release.of("ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = [s for s in services.values() if wanted <= s["metadata"]["labels"].items()]
        assert {e["port"] for e in monitor["spec"]["endpoints"]} <= {p["name"] for p in service["spec"]["ports"]}


def test_the_operator_gets_names_that_exist() -> None:
    release = variant("defaults")
    (container,) = release.one("Deployment", "operator")["spec"]["template"]["spec"]["containers"]
    told = {e["name"]: e.get("value") for e in container["env"]}
    assert told["RECOMMENDATION_TRAINING_CRONJOB"] in {o["metadata"]["name"] for o in release.of("CronJob")}
    assert told["RECOMMENDATION_SERVICE_URL"] == "http://recs-api:8010"
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    assert told["RECOMMENDATION_JOB_TEMPLATE"] == f"{mounts['regeneration']}/job.yaml"
    assert told["RECOMMENDATION_OPERATOR_KEY_FILE"] == f"{mounts['keys']}/operator"


def test_bindings_name_roles_and_subjects_that_exist() -> None:
    release = variant("everything")
    accounts = {o["metadata"]["name"] for o in release.of("ServiceAccount")}
    roles = {o["metadata"]["name"] for o in release.of("Role")}
    for binding in release.of("RoleBinding"):
        assert binding["roleRef"]["name"] in roles
        assert {s["name"] for s in binding["subjects"]} <= accounts
        assert {s["namespace"] for s in binding["subjects"]} == {"shop"}
    (policy,) = release.of("ValidatingAdmissionPolicy")
    (bound,) = release.of("ValidatingAdmissionPolicyBinding")
    assert bound["spec"]["policyName"] == policy["metadata"]["name"]


def test_only_training_and_the_migrate_job_mount_the_model_claim() -> None:
    release = variant("everything")
    mounting = {
        template["metadata"]["labels"]["app.kubernetes.io/component"]
        for _, template in pod_templates(release)
        for kind, name in referenced(template)
        if (kind, name) == ("PersistentVolumeClaim", "recs-models")
    }
    assert mounting == {"training", "migration"}


def test_without_persistence_there_is_no_claim_at_all() -> None:
    release = variant("no-persistence")
    assert release.of("PersistentVolumeClaim") == []
    assert "persistentVolumeClaim" not in release.text


def test_with_existing_secrets_there_is_no_hook() -> None:
    assert made_by_the_hook(variant("defaults")) == {"recs-api-keys", "recs-database"}
    assert made_by_the_hook(variant("existing-keys")) == {"recs-database"}
    assert made_by_the_hook(variant("existing-database")) == {"recs-api-keys"}
    assert [o for o in variant("production").objects if "pre-install" in str(o["metadata"].get("annotations"))] == []


def test_no_template_holds_a_secret() -> None:
    for name in VARIANTS:
        assert variant(name).of("Secret") == []


def test_the_hook_may_create_secrets_and_nothing_else() -> None:
    role = variant("defaults").one("Role", "secrets")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]


def test_all_that_the_hook_pod_needs_is_a_hook_too_and_comes_before_it() -> None:
    hooks = {
        o["kind"]: o["metadata"]["annotations"]
        for o in variant("defaults").objects
        if is_hook(o) and o["kind"] != "Pod"
    }
    assert set(hooks) == {"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Job"}
    assert all(int(a["helm.sh/hook-weight"]) < 0 for kind, a in hooks.items() if kind != "Job")
    assert hooks["Job"]["helm.sh/hook-weight"] == "0"


def test_an_unreachable_gateway_namespace_is_not_assumed() -> None:
    """The default lets the release's own namespace call, and no other."""
    policy = render().one("NetworkPolicy", "api")
    assert {"podSelector": {}} in policy["spec"]["ingress"][0]["from"]
