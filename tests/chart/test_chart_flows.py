"""Who may talk to whom: a table of flows, each allowed or refused by the rendered NetworkPolicies."""

import pytest
from flows import End, allowed, pod_of
from rendering import render
from variants import EVERYTHING, NOTHING, PRODUCTION, variant

DNS = End("kube-system", {"k8s-app": "kube-dns"})
NODE_DNS = End(address="169.254.20.10")
API_SERVER = End(address="172.18.0.2")
INTERNET = End(address="203.0.113.7")
PROMETHEUS = End("monitoring", {"app.kubernetes.io/name": "prometheus"})
GATEWAY = End("gateway", {"app": "gateway"})
NEIGHBOUR = End("shop", {"app": "storefront"})
STRANGER = End("elsewhere", {"app": "anything"})

TRIAL = [
    # from, to, port, whether it passes
    (NEIGHBOUR, "api", 8010, True),
    (PROMETHEUS, "api", 8010, True),
    ("operator", "api", 8010, True),
    ("test", "api", 8010, True),
    (GATEWAY, "api", 8010, False),
    (STRANGER, "api", 8010, False),
    (INTERNET, "api", 8010, False),
    (NEIGHBOUR, "api", 9090, False),
    (PROMETHEUS, "operator", 9090, True),
    (NEIGHBOUR, "operator", 9090, False),
    (STRANGER, "operator", 9090, False),
    (PROMETHEUS, "operator", 8080, False),
    ("api", "database", 5432, True),
    ("migration", "database", 5432, True),
    ("training", "database", 5432, True),
    ("regeneration", "database", 5432, True),
    ("operator", "database", 5432, False),
    ("test", "database", 5432, False),
    ("secrets", "database", 5432, False),
    (NEIGHBOUR, "database", 5432, False),
    (STRANGER, "database", 5432, False),
    (PROMETHEUS, "database", 5432, False),
    ("operator", API_SERVER, 6443, True),
    ("operator", API_SERVER, 443, True),
    ("secrets", API_SERVER, 6443, True),
    ("api", API_SERVER, 6443, False),
    ("training", API_SERVER, 6443, False),
    ("regeneration", API_SERVER, 6443, False),
    ("migration", API_SERVER, 443, False),
    ("database", API_SERVER, 443, False),
    ("test", API_SERVER, 6443, False),
    ("api", INTERNET, 443, False),
    ("training", INTERNET, 443, False),
    ("operator", INTERNET, 80, False),
    ("operator", INTERNET, 25, False),
    ("database", INTERNET, 443, False),
    ("database", "api", 8010, False),
    ("api", STRANGER, 5432, False),
    ("training", "api", 8010, False),
    ("regeneration", "operator", 9090, False),
    ("api", INTERNET, 9092, False),
    (NEIGHBOUR, "training", 80, False),
    (NEIGHBOUR, "regeneration", 80, False),
    (NEIGHBOUR, "migration", 80, False),
    (NEIGHBOUR, "secrets", 80, False),
]


@pytest.mark.parametrize(("source", "target", "port", "passes"), TRIAL)
def test_a_trial_allows_the_flows_that_it_needs_and_no_others(
    source: str | End, target: str | End, port: int, passes: bool
) -> None:
    release = variant("defaults")
    ends = [pod_of(release, end) if isinstance(end, str) else end for end in (source, target)]
    assert allowed([release], ends[0], ends[1], port) is passes


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("component", ["api", "migration", "training", "regeneration", "operator", "secrets", "test"])
@pytest.mark.parametrize("server", [DNS, NODE_DNS])
def test_components_that_use_names_may_ask_dns(server: End, component: str, protocol: str) -> None:
    release = variant("defaults")
    assert allowed([release], pod_of(release, component), server, 53, protocol)


def test_dns_is_not_a_way_out() -> None:
    release = variant("defaults")
    for component in ("api", "training", "regeneration", "database", "operator"):
        assert not allowed([release], pod_of(release, component), INTERNET, 53, "UDP")


@pytest.mark.parametrize("component", ["api", "migration", "training", "regeneration"])
def test_production_reaches_its_database_and_no_other_address(component: str) -> None:
    release = variant("production")
    pod = pod_of(release, component)
    assert allowed([release], pod, End(address="10.20.0.9"), 5432)
    assert not allowed([release], pod, End(address="10.21.0.9"), 5432)
    assert not allowed([release], pod, End(address="10.20.0.9"), 22)


def test_the_operator_reaches_no_database_in_production() -> None:
    release = variant("production")
    assert not allowed([release], pod_of(release, "operator"), End(address="10.20.0.9"), 5432)


def test_production_lets_its_gateway_in_but_not_its_neighbours() -> None:
    release = variant("production")
    api = pod_of(release, "api")
    assert allowed([release], GATEWAY, api, 8010)
    assert not allowed([release], NEIGHBOUR, api, 8010)
    assert allowed([release], pod_of(release, "operator"), api, 8010)


@pytest.mark.parametrize("component", ["api", "training", "regeneration"])
def test_only_the_api_reaches_the_broker_and_only_when_events_are_on(component: str) -> None:
    broker = End(address="10.30.0.5")
    on, off = variant("everything"), variant("defaults")
    assert allowed([on], pod_of(on, component), broker, 9092) is (component == "api")
    assert not allowed([off], pod_of(off, component), broker, 9092)


def test_named_peers_narrow_the_kubernetes_api() -> None:
    narrow = {"networkPolicy": {"allowTo": {"kubernetesApi": {"peers": [{"ipBlock": {"cidr": "172.18.0.2/32"}}]}}}}
    release = render(narrow)
    for component in ("operator", "secrets"):
        assert allowed([release], pod_of(release, component), API_SERVER, 6443)
        assert not allowed([release], pod_of(release, component), INTERNET, 443)


@pytest.mark.parametrize("other", [("other", "shop"), ("recs", "second")])
def test_another_release_reaches_neither_database_nor_operator(other: tuple[str, str]) -> None:
    first, second = render(), render(None, *other)
    for component in ("api", "training", "regeneration", "operator"):
        assert not allowed([first, second], pod_of(second, component), pod_of(first, "database"), 5432)
        assert not allowed([first, second], pod_of(second, component), pod_of(first, "operator"), 9090)


def test_without_policies_everything_passes() -> None:
    release = render(NOTHING)
    assert release.of("NetworkPolicy") == []
    assert allowed([release], STRANGER, pod_of(release, "api"), 8010)


def test_metrics_may_have_no_peers_at_all() -> None:
    release = render({"networkPolicy": {"allowFrom": {"api": [], "metrics": []}}})
    assert not allowed([release], PROMETHEUS, pod_of(release, "operator"), 9090)
    assert not allowed([release], NEIGHBOUR, pod_of(release, "api"), 8010)
    assert allowed([release], pod_of(release, "operator"), pod_of(release, "api"), 8010)


def test_the_variants_under_test_are_the_ones_meant() -> None:
    assert "peers" in PRODUCTION["networkPolicy"]["allowTo"]["database"]  # type: ignore[index]
    assert EVERYTHING["events"] == {"existingSecret": "broker"}
