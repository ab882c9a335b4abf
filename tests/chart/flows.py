"""What the rendered NetworkPolicies allow, by the rules of the Kubernetes reference for networking.k8s.io/v1."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from rendering import Object, Release, pod_templates


@dataclass(frozen=True)
class End:
    """One end of a flow: a pod with its labels and those of its namespace, or an address outside."""

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    address: str = ""

    @property
    def namespace_labels(self) -> dict[str, str]:
        return {"kubernetes.io/metadata.name": self.namespace}


def pod_of(release: Release, component: str) -> End:
    """A pod of the release, with the labels that its template really gives it."""
    for _, template in pod_templates(release):
        if template["metadata"]["labels"]["app.kubernetes.io/component"] == component:
            return End(release.namespace, template["metadata"]["labels"])
    raise LookupError(component)


def allowed(releases: Iterable[Release], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection passes: out of the source and into the target."""
    policies = [(r.namespace, p) for r in releases for p in r.of("NetworkPolicy")]
    return _passes(policies, source, target, port, protocol, "Egress") and _passes(
        policies, target, source, port, protocol, "Ingress"
    )


def _passes(
    policies: list[tuple[str, Object]], subject: End, peer: End, port: int, protocol: str, direction: str
) -> bool:
    """One side of it. No policy for the subject means that all is allowed; several add up."""
    if subject.address:
        return True
    own = [
        (namespace, policy["spec"])
        for namespace, policy in policies
        if namespace == subject.namespace
        and matches(policy["spec"]["podSelector"], subject.labels)
        and direction in policy["spec"]["policyTypes"]
    ]
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return not own or any(
        _port_matches(rule, port, protocol) and _peer_matches(rule.get(peers), peer, namespace)
        for namespace, spec in own
        for rule in spec.get(key) or []
    )


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """A LabelSelector; the empty one selects all."""
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] != "In":
            raise NotImplementedError(expression["operator"])
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def _port_matches(rule: Object, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(p["port"] == port and p.get("protocol", "TCP") == protocol for p in ports)


def _peer_matches(peers: list[Object] | None, end: End, namespace: str) -> bool:
    """No peers at all means any peer; a pod selector alone means pods of the policy's own namespace."""
    return not peers or any(_one_peer_matches(peer, end, namespace) for peer in peers)


def _one_peer_matches(peer: Object, end: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        return bool(end.address) and _in_block(peer["ipBlock"], end.address)
    if end.address:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], end.namespace_labels):
            return False
    elif end.namespace != namespace:
        return False
    return matches(peer.get("podSelector", {}), end.labels)


def _in_block(block: Object, address: str) -> bool:
    inside = ipaddress.ip_address(address) in ipaddress.ip_network(block["cidr"])
    return inside and not any(ipaddress.ip_address(address) in ipaddress.ip_network(b) for b in block.get("except", []))
