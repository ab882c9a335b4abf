"""The Job that docs/chart.md gives for imports: valid, restricted, and let through by the release's policies."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from flows import End, allowed, pod_of
from pod_security import violations
from rendering import ROOT, Object, render
from variants import PRODUCTION

from recommendation_jobs.__main__ import parse

PAGE = (ROOT / "docs" / "chart.md").read_text()
BUCKET = End(address="203.0.113.7")


@pytest.fixture
def job() -> Object:
    (text,) = re.findall(r"```yaml\n(apiVersion: batch/v1\nkind: Job\n.*?)```", PAGE, re.DOTALL)
    found: Object = yaml.safe_load(text)
    return found


def pod(job: Object) -> End:
    return End("shop", job["spec"]["template"]["metadata"]["labels"])


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_it_is_valid(job: Object, version: str) -> None:
    kubernetes_validate.validate(job, version, strict=True)


def test_it_satisfies_the_restricted_profile(job: Object) -> None:
    assert list(violations(job["spec"]["template"])) == []


def test_its_names_are_those_of_the_release(job: Object) -> None:
    release = render()
    training = release.one("CronJob", "training")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    spec = job["spec"]["template"]["spec"]
    (own,), (theirs,) = spec["containers"], training["containers"]
    assert spec["serviceAccountName"] == training["serviceAccountName"]
    assert own["image"] == theirs["image"]
    assert own["env"] == [v for v in theirs["env"] if v["name"] == "RECOMMENDATION_DATABASE_URL"]
    assert own["securityContext"] == theirs["securityContext"]
    assert parse(own["args"]).file == "/data/events.csv"


def test_its_pod_reaches_the_database_and_the_bucket_and_nothing_else(job: Object) -> None:
    release = render()
    assert allowed([release], pod(job), pod_of(release, "database"), 5432)
    assert allowed([release], pod(job), BUCKET, 443)
    assert allowed([release], pod(job), End("kube-system", {"k8s-app": "kube-dns"}), 53, "UDP")
    assert not allowed([release], pod(job), BUCKET, 80)
    assert not allowed([release], pod(job), pod_of(release, "api"), 8010)
    assert not allowed([release], End("shop", {"app": "storefront"}), pod(job), 80)


def test_in_production_it_reaches_the_database_and_named_buckets_only(job: Object) -> None:
    policy: Any = PRODUCTION["networkPolicy"]
    named = {"peers": [{"ipBlock": {"cidr": "10.40.0.0/24"}}], "ports": [9000]}
    release = render({**PRODUCTION, "networkPolicy": {**policy, "allowTo": {**policy["allowTo"], "imports": named}}})
    assert allowed([release], pod(job), End(address="10.20.0.9"), 5432)
    assert allowed([release], pod(job), End(address="10.40.0.1"), 9000)
    assert not allowed([release], pod(job), BUCKET, 443)
