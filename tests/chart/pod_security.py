"""
The restricted Pod Security Standard, as far as a chart can break it.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator

from rendering import Object, containers

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(template: Object) -> Iterator[str]:
    """Return how a pod template violates the restricted profile."""
    spec = template["spec"]
    security = spec.get("securityContext", {})
    yield from (f"{field} is set" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    if security.get("runAsNonRoot") is not True:
        yield "the pod may run as root"
    if security.get("runAsUser", 0) == 0:
        yield "the pod has no numeric user other than root"
    if security.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccomp profile"
    if security.get("sysctls"):
        yield "sysctls are set"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is a {kinds}"
    for container in containers(template):
        yield from (f"{container['name']}: {fault}" for fault in _container_violations(container))


def _container_violations(container: Object) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield "privilege escalation is not refused"
    if security.get("privileged"):
        yield "privileged"
    if "ALL" not in security.get("capabilities", {}).get("drop", []):
        yield "capabilities are not dropped"
    if set(security.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if security.get("runAsNonRoot") is False or security.get("runAsUser") == 0:
        yield "runs as root"
    if any("hostPort" in port and port["hostPort"] for port in container.get("ports", [])):
        yield "takes a port of the host"
    if security.get("procMount", "Default") != "Default":
        yield "procMount is set"
