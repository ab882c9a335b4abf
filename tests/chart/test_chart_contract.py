"""The fixed parts of the release that other programs rely on, compared whole."""

import json

import pytest
import yaml
from rendering import CHART, Object, Refused, render
from variants import variant

IGNORE_DISRUPTION = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def failure_rule(action: str, container: str) -> Object:
    return {"action": action, "onExitCodes": {"containerName": container, "operator": "In", "values": [42]}}


def test_training_is_hourly_alone_bounded_and_knows_its_exit_codes() -> None:
    spec = render().one("CronJob", "training")["spec"]
    job = spec.pop("jobTemplate")["spec"]
    assert spec == {
        "schedule": "5 * * * *",
        "timeZone": "Etc/UTC",
        "suspend": False,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 3,
    }
    pod = job.pop("template")["spec"]
    assert job == {
        "activeDeadlineSeconds": 3300,
        "backoffLimit": 2,
        "ttlSecondsAfterFinished": 86400,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [IGNORE_DISRUPTION, failure_rule("FailJob", "train")]},
    }
    (container,) = pod["containers"]
    assert [*container["command"], *container["args"]] == [
        "python",
        "-m",
        "recommendation_jobs",
        "train",
        "--regenerate",
    ]
    assert pod["restartPolicy"] == "Never"


def test_the_regeneration_template_fails_by_index_and_is_owned_by_the_release() -> None:
    job = render().job_template()
    spec = job["spec"]
    pod = spec.pop("template")["spec"]
    assert spec == {
        "completionMode": "Indexed",
        "completions": 1,
        "parallelism": 4,
        "backoffLimitPerIndex": 3,
        "activeDeadlineSeconds": 21600,
        "ttlSecondsAfterFinished": 86400,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [IGNORE_DISRUPTION, failure_rule("FailIndex", "regenerate")]},
    }
    assert "name" not in job["metadata"]
    (container,) = pod["containers"]
    assert [*container["command"], *container["args"]] == ["python", "-m", "recommendation_jobs", "regenerate"]


def test_the_migrate_job_migrates_and_proves_the_claim() -> None:
    (job,) = [o for o in render().of("Job") if o["metadata"]["labels"]["app.kubernetes.io/component"] == "migration"]
    assert "annotations" not in job["metadata"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    models = "/var/lib/recommendation/models"
    assert [*container["command"], *container["args"]] == [
        *["python", "-m", "recommendation.migrate", "--prove-writable", models]
    ]
    assert {"name": "models", "mountPath": models} in container["volumeMounts"]
    assert container["image"] == "recommendation-service:0.1.0"


def test_pods_that_need_the_schema_wait_for_it_for_a_bounded_time() -> None:
    release = render()
    waiting = {
        "api": release.one("Deployment", "api")["spec"]["template"],
        "training": release.one("CronJob", "training")["spec"]["jobTemplate"]["spec"]["template"],
        "regeneration": release.job_template()["spec"]["template"],
    }
    for template in waiting.values():
        (init,) = template["spec"]["initContainers"]
        assert init["command"][:4] == ["python", "-m", "recommendation.migrate", "--wait"]
        assert 0 < int(init["command"][4]) < release.one("Deployment", "api")["spec"]["progressDeadlineSeconds"]


def test_nothing_that_the_api_waits_for_waits_for_the_api() -> None:
    """So no order of starting, with or without `--wait`, can deadlock."""
    release = render()
    for o in release.of("Job"):
        assert "initContainers" not in o["spec"]["template"]["spec"]
        assert "recs-api:8010" not in str(o)
    assert "initContainers" not in release.one("StatefulSet", "database")["spec"]["template"]["spec"]


def test_the_api_drains_before_it_stops_and_its_liveness_needs_no_database() -> None:
    spec = render().one("Deployment", "api")["spec"]["template"]["spec"]
    (api,) = spec["containers"]
    assert api["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert spec["terminationGracePeriodSeconds"] > 5 + 10
    assert api["livenessProbe"]["httpGet"] == api["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert api["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_routes_let_the_api_through_and_nothing_else() -> None:
    asked = {"hosts": ["games.example.com"], "enabled": True}
    release = render({"ingress": asked, "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}})
    paths = [p["path"] for o in release.of("Ingress") for r in o["spec"]["rules"] for p in r["http"]["paths"]]
    matches = [m["path"] for o in release.of("HTTPRoute") for r in o["spec"]["rules"] for m in r["matches"]]
    assert paths == ["/api/v1/recommendation"]
    assert matches == [{"type": "PathPrefix", "value": "/api/v1/recommendation"}]


def test_there_is_one_operator_and_a_rollout_never_runs_two() -> None:
    spec = render().one("Deployment", "operator")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    (container,) = spec["template"]["spec"]["containers"]
    assert [*container["command"], *container["args"]] == [
        *["kopf", "run", "-m", "recommendation_operator", "--namespace=shop", "--standalone"],
        *["--log-format=json", "--liveness=http://0.0.0.0:8080/healthz"],
    ]


def test_another_job_template_restarts_the_operator() -> None:
    def annotation(values: dict[str, object]) -> str:
        template = render(values).one("Deployment", "operator")["spec"]["template"]
        value: str = template["metadata"]["annotations"]["checksum/regeneration-job"]
        return value

    assert annotation({}) != annotation({"regeneration": {"shardsAtOnce": 2}})
    assert annotation({}) == annotation({"api": {"replicas": {"max": 5}}})


def test_the_api_gets_hashes_only_and_the_operator_only_its_own_key() -> None:
    release = render()
    keys = {}
    for component in ("api", "operator"):
        spec = release.one("Deployment", component)["spec"]["template"]["spec"]
        (volume,) = [v for v in spec["volumes"] if v["name"] == "keys"]
        keys[component] = [item["key"] for item in volume["secret"]["items"]]
    assert keys == {"api": ["keys"], "operator": ["operator"]}


def test_digests_win_over_tags() -> None:
    release = variant("everything")
    jobs = release.one("CronJob", "training")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert jobs["containers"][0]["image"] == "registry.example.com/games/recommendation-jobs@sha256:" + "0" * 64
    assert jobs["initContainers"][0]["image"] == "registry.example.com/games/recommendation-service:1.2.3"


def test_who_may_view_and_who_may_edit_drops() -> None:
    view, edit = (render().one("ClusterRole", f"contentdrops-{role}") for role in ("view", "edit"))
    assert {v for r in view["rules"] for v in r["verbs"]} == {"get", "list", "watch"}
    assert all("status" not in resource for r in edit["rules"] for resource in r["resources"])
    for role, into in ((view, {"view"}), (edit, {"edit", "admin"})):
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        assert {label.removeprefix(prefix) for label in role["metadata"]["labels"] if label.startswith(prefix)} == into


def test_the_crd_is_the_operators_and_is_kept_by_default() -> None:
    written = yaml.safe_load((CHART / "crd" / "contentdrops.yaml").read_text())
    (kept,), (left,) = (render(v).of("CustomResourceDefinition") for v in ({}, {"crd": {"keep": False}}))
    assert kept["spec"] == left["spec"] == written["spec"]
    assert kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "helm.sh/resource-policy" not in (left["metadata"].get("annotations") or {})


def test_the_operator_may_do_what_its_rules_say_and_nothing_in_other_namespaces() -> None:
    release = render()
    rules = yaml.safe_load((CHART / "crd" / "operator-role-rules.yaml").read_text())
    assert release.one("Role", "operator")["rules"] == rules
    assert all("secrets" not in rule["resources"] for rule in rules)
    assert release.of("ClusterRoleBinding") == []


def test_alerts_link_their_runbooks_where_a_base_url_is_set() -> None:
    release = render({"monitoring": {"rules": True, "runbookBaseUrl": "https://wiki.example.com/games/runbooks"}})
    (found,) = release.of("PrometheusRule")
    expected = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    for rule in (rule for group in expected["groups"] for rule in group["rules"]):
        page = rule["annotations"]["runbook"].removeprefix("docs/runbooks/")
        rule["annotations"]["runbook_url"] = f"https://wiki.example.com/games/runbooks/{page}"
    assert found["spec"] == expected


@pytest.mark.parametrize("bad", ["wiki.example.com", "https://wiki.example.com/", "https://a b", "ftp://a"])
def test_a_bad_base_url_for_runbooks_is_refused(bad: str) -> None:
    with pytest.raises(Refused, match="runbookBaseUrl"):
        render({"monitoring": {"rules": True, "runbookBaseUrl": bad}})


def test_the_dashboard_links_console_and_runbooks_where_their_addresses_are_set() -> None:
    addresses = {"consoleUrl": "https://games.example.com/console/", "runbookBaseUrl": "https://wiki.example.com/run"}
    found = render({"monitoring": {"dashboard": True, **addresses}}).one("ConfigMap", "dashboard")
    (content,) = found["data"].values()
    links = {link["title"]: link["url"] for link in json.loads(content)["links"]}
    assert links == {"Console": addresses["consoleUrl"], "Runbooks": addresses["runbookBaseUrl"]}


@pytest.mark.parametrize("bad", ["games.example.com/console/", "javascript:alert(1)", "https://a b"])
def test_a_bad_address_of_the_console_is_refused(bad: str) -> None:
    with pytest.raises(Refused, match="consoleUrl"):
        render({"monitoring": {"dashboard": True, "consoleUrl": bad}})


def test_alerts_and_dashboard_are_rendered_unchanged_when_enabled() -> None:
    release = variant("monitored")
    (rules,) = release.of("PrometheusRule")
    assert rules["spec"] == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    for dashboard in (o for o in release.of("ConfigMap") if o["metadata"]["name"].endswith("-dashboard")):
        assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
        (content,) = dashboard["data"].values()
        assert json.loads(content) == json.loads((CHART / "files" / "dashboard.json").read_text())
    assert variant("defaults").of("PrometheusRule") == []
