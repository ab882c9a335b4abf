"""
Tries this checkout on a Kubernetes cluster: builds the images, brings them there, installs the chart, and tests it.
`make cluster`, with KUBECONFIG naming the cluster.

Images reach a kind, k3d or minikube cluster by its own command, any other through a registry (REGISTRY=…). The release
stays afterwards, to be looked at. A second run upgrades it.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "recommendation-service"
IMAGES = ("service", "jobs", "operator")
NAMESPACE, RELEASE = "recommendation-trial", "recs"
NEEDED = {
    "docker": "builds the images (or a command of that name which does what Docker does)",
    "kubectl": "speaks with the cluster",
    "helm": "installs the chart",
}


class Refused(Exception):
    """What is missing, in one line."""


class Cluster(NamedTuple):
    """Where KUBECONFIG points to."""

    context: str
    registry: str

    @property
    def loader(self) -> list[str] | None:
        """The command that brings images to the cluster's nodes; the images' names follow. None with a registry."""
        kind, _, name = self.context.partition("-")
        if self.registry:
            return None
        if kind == "kind":
            return ["kind", "load", "docker-image", "--name", name]
        if kind == "k3d":
            return ["k3d", "image", "import", "--cluster", name]
        if kind == "minikube":
            return ["minikube", "--profile", self.context, "image", "load"]
        raise Refused(
            f"the context {self.context} is neither of kind, k3d nor minikube: set REGISTRY=… to a registry that "
            "you may push to and its nodes may pull from"
        )


def main(environment: Mapping[str, str]) -> int:
    """Run every step; return the exit code of the first that fails."""
    try:
        cluster = find_cluster(environment)
        commands = list(steps(cluster))
    except Refused as reason:
        print(f"make cluster: {reason}", file=sys.stderr)
        return 2
    for command in commands:
        print(f"$ {' '.join(command)}", flush=True)
        told = {"RECOMMENDATION_CLUSTER_RELEASE": f"{NAMESPACE}/{RELEASE}"}
        code = subprocess.run(command, cwd=ROOT, env={**environment, **told}, check=False).returncode
        if code:
            print(f"make cluster: this failed, with exit code {code}", file=sys.stderr)
            return code
    return 0


def find_cluster(environment: Mapping[str, str]) -> Cluster:
    """
    Return the cluster, which answered.

    Raises:
        Refused: there is none, or a command is missing.
    """
    path = environment.get("PATH", "")
    for command, why in NEEDED.items():
        if shutil.which(command, path=path) is None:
            raise Refused(f"there is no command {command}: it {why}")
    kubeconfig = environment.get("KUBECONFIG")
    if not kubeconfig:
        raise Refused("KUBECONFIG names no cluster: set it to the file of one that may be changed")
    if not Path(kubeconfig).is_file():
        raise Refused(f"KUBECONFIG is {kubeconfig}, and there is no such file")
    context = _ask("config", "current-context", environment=environment)
    version = json.loads(_ask("version", "--output=json", "--request-timeout=10s", environment=environment))
    if "serverVersion" not in version:
        raise Refused(f"the cluster of {context} does not answer")
    cluster = Cluster(context, environment.get("REGISTRY", "").rstrip("/"))
    if cluster.loader and shutil.which(cluster.loader[0], path=path) is None:
        raise Refused(f"{context} takes images by {cluster.loader[0]}, and there is no such command")
    return cluster


def steps(cluster: Cluster) -> Iterator[list[str]]:
    """Yield the commands, in order."""
    tag = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    prefix = f"{cluster.registry}/" if cluster.registry else ""
    names = [f"{prefix}recommendation-{image}:{tag}" for image in IMAGES]
    for image, name in zip(IMAGES, names, strict=True):
        yield ["docker", "build", "--file", f"{image}/Dockerfile", "--tag", name, "."]
    for name in names:
        yield [*cluster.loader, name] if cluster.loader else ["docker", "push", name]
    here = ["--namespace", NAMESPACE]
    install = ["helm", "upgrade", "--install", RELEASE, str(CHART), *here, "--create-namespace"]
    yield [*install, *(["--set", f"image.registry={cluster.registry}"] if cluster.registry else [])]
    yield ["kubectl", *here, "rollout", "status", f"deployment/{RELEASE}-api", "--timeout=10m"]
    yield ["helm", *here, "test", RELEASE, "--logs"]
    yield [sys.executable, "-m", "pytest", "-m", "cluster", "tests/operator", "tests/cluster"]


def _ask(*arguments: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(["kubectl", *arguments], env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise Refused(f"the cluster of KUBECONFIG does not answer: {said}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(os.environ))
