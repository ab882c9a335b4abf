"""Names fit their limits, and two releases never share an object."""

import re

import pytest
from rendering import Object, Release, pod_templates, render
from variants import EVERYTHING, LONGEST_NAME, VARIANTS, variant

LIMITS = {"CronJob": 52, "StatefulSet": 52, "Job": 63, "Service": 63, "Deployment": 63}
"""Names that become labels or parts of pod names; all others may have 253 characters."""

CLUSTER_WIDE = {
    "ClusterRole",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
NAMES = ["recs", LONGEST_NAME, LONGEST_NAME[:-1] + "x", "7-eleven", "my.store", "a" * 40, "a" * 41]


def identities(release: Release) -> set[tuple[str, str, str]]:
    return {
        (o["kind"], "" if o["kind"] in CLUSTER_WIDE else release.namespace, o["metadata"]["name"])
        for o in release.objects
    }


def selects(selector: Object, labels: dict[str, str]) -> bool:
    wanted: dict[str, str] = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return wanted.items() <= labels.items() and all(labels.get(e["key"]) in e["values"] for e in expressions)


def selectors(release: Release) -> list[Object]:
    found = [
        o["spec"]["selector"] for kind in ("Deployment", "StatefulSet", "PodDisruptionBudget") for o in release.of(kind)
    ]
    found += [{"matchLabels": o["spec"]["selector"]} for o in release.of("Service")]
    return found + [o["spec"]["podSelector"] for o in release.of("NetworkPolicy")]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_and_label_fits(name: str) -> None:
    release = render(EVERYTHING, name, "n" * 63)
    for o in release.objects:
        own = o["metadata"]["name"]
        assert len(own) <= LIMITS.get(o["kind"], 253)
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", own)
        if o["kind"] == "Service":
            assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", own)
        for value in o["metadata"].get("labels", {}).values():
            assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", value)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_release_holds_an_object_twice(name: str) -> None:
    release = variant(name)
    assert len(identities(release)) == len(release.objects)


@pytest.mark.parametrize("other", [("other", "shop"), ("recs", "second"), ("other", "second")])
def test_two_releases_share_no_object(other: tuple[str, str]) -> None:
    """Of two releases in a cluster one leaves the CRD out: there is only one."""
    second = {**EVERYTHING, "crd": {"enabled": False}}
    assert identities(render(EVERYTHING)) & identities(render(second, *other)) == set()


@pytest.mark.parametrize("pair", [("recs", "other"), (LONGEST_NAME, LONGEST_NAME[:-1] + "x"), ("my.store", "my-store")])
def test_two_releases_in_one_namespace_select_only_their_own_pods(pair: tuple[str, str]) -> None:
    first, second = (render(EVERYTHING, name) for name in pair)
    assert identities(first) & identities(second) <= {
        ("CustomResourceDefinition", "", "contentdrops.recommendation.gamestore.dev")
    }
    for one, another in ((first, second), (second, first)):
        for selector in selectors(one):
            assert not any(selects(selector, t["metadata"]["labels"]) for _, t in pod_templates(another))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_selects_its_own_pods_and_no_other(kind: str) -> None:
    release = variant("everything")
    for o in release.of(kind):
        where = [w for w, t in pod_templates(release) if selects(o["spec"]["selector"], t["metadata"]["labels"])]
        assert where == [f"{kind}/{o['metadata']['name']}"]


def test_every_pod_of_the_release_is_under_exactly_one_network_policy() -> None:
    for name in ("defaults", "production", "everything"):
        release = variant(name)
        for where, template in pod_templates(release):
            labels = template["metadata"]["labels"]
            policies = [o for o in release.of("NetworkPolicy") if selects(o["spec"]["podSelector"], labels)]
            assert len(policies) == 1, where
            assert policies[0]["spec"]["policyTypes"] == ["Ingress", "Egress"]
