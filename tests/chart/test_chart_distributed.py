"""A training that is spread over pods: one Indexed Job, whose index 0 trains and whose others work for it."""

from typing import Any

import pytest
from flows import End, allowed, pod_of
from rendering import Release, render
from variants import LONGEST_NAME, variant

MINUTES = "-29412345"
"""What a CronJob appends to the names of its Jobs: minutes since 1970."""

MOST_CHARACTERS = 63
"""Of a pod's host name, and of a label."""


def job_of(release: Release) -> Any:
    return release.one("CronJob", "training")["spec"]["jobTemplate"]["spec"]


def container_of(release: Release) -> Any:
    (container,) = job_of(release)["template"]["spec"]["containers"]
    return container


def test_index_0_decides_how_the_job_ends_and_lost_workers_are_replaced() -> None:
    job = job_of(variant("distributed"))
    expected = {
        "completionMode": "Indexed",
        "completions": 4,
        "parallelism": 4,
        "backoffLimitPerIndex": 6,
        "maxFailedIndexes": 0,
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
        "podReplacementPolicy": "Failed",
    }
    assert {name: job.get(name) for name in expected} == expected
    assert "backoffLimit" not in job
    codes = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert codes == [{"containerName": "train", "operator": "In", "values": [42]}]


def test_workers_find_index_0_by_a_name_that_the_service_gives_it_before_it_is_ready() -> None:
    release = variant("distributed")
    service = release.one("Service", "training")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    pod = job_of(release)["template"]
    assert pod["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    names = {one["name"]: one.get("value") for one in container_of(release)["env"]}
    assert names["RECOMMENDATION_TRAINING_SCHEDULER"] == f"$(JOB_NAME)-0.{service['metadata']['name']}:8786"
    assert list(names).index("JOB_NAME") < list(names).index("RECOMMENDATION_TRAINING_SCHEDULER")
    assert names["RECOMMENDATION_TRAINING_WORKERS"] == "3"


@pytest.mark.parametrize("name", ["recs", LONGEST_NAME])
def test_names_of_pods_are_short_enough_with_as_many_workers_as_the_schema_takes(name: str) -> None:
    values = {"training": {"distributed": {"enabled": True, "workers": 256}}, "database": {"maxConnections": 400}}
    cron_job = render(values, name).one("CronJob", "training")["metadata"]["name"]
    assert len(f"{cron_job}{MINUTES}-256") <= MOST_CHARACTERS


def test_pods_have_certificates_and_no_claim_that_would_keep_them_on_one_node() -> None:
    spec = job_of(variant("distributed"))["template"]["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert set(volumes) == {"tmp", "certificates"}
    assert volumes["certificates"]["secret"] == {"secretName": "recs-training-tls", "defaultMode": 0o440}
    named = render({"training": {"distributed": {"enabled": True, "existingSecret": "own"}}})
    volumes = {one["name"]: one for one in job_of(named)["template"]["spec"]["volumes"]}
    assert volumes["certificates"]["secret"]["secretName"] == "own"
    assert "--training-tls=" not in named.text


@pytest.mark.parametrize(
    ("source", "target", "port", "passes"),
    [
        ("training", "training", 8786, True),
        ("training", "training", 8788, True),
        ("training", "training", 8787, False),
        ("training", "training", 34567, False),
        ("training", "database", 5432, True),
        ("regeneration", "training", 8786, False),
        ("api", "training", 8786, False),
        (End("shop", {"app": "storefront"}), "training", 8786, False),
        ("training", "api", 8786, False),
    ],
)
def test_only_pods_of_trainings_reach_each_other(source: str | End, target: str, port: int, passes: bool) -> None:
    for name, are_spread in (("distributed", True), ("defaults", False)):
        release = variant(name)
        ends = [pod_of(release, end) if isinstance(end, str) else end for end in (source, target)]
        assert allowed([release], ends[0], ends[1], port) is (passes and (are_spread or target == "database"))


def test_nothing_of_it_is_rendered_unless_it_is_switched_on() -> None:
    text = variant("defaults").text
    assert [word for word in ("8786", "recs-training-tls", "successPolicy", "TRAINING_ENGINE") if word in text] == []
