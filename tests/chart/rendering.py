"""Rendered releases as plain data, and how to walk them."""

import copy
import functools
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml
from helm_binary import ROOT, helm_binary

CHART = ROOT / "helm" / "recommendation-service"
Object = dict[str, Any]


class Refused(Exception):
    """Helm did not render; the message is Helm's."""


@dataclass(frozen=True)
class Release:
    """What one `helm template` gave."""

    text: str
    objects: tuple[Object, ...]
    name: str
    namespace: str

    def of(self, kind: str) -> list[Object]:
        return [o for o in self.objects if o["kind"] == kind]

    def one(self, kind: str, suffix: str) -> Object:
        """The only object of a kind whose name ends in `-suffix`."""
        (found,) = [o for o in self.of(kind) if o["metadata"]["name"].endswith(f"-{suffix}")]
        return found

    def job_template(self) -> Object:
        """The Job that the operator starts from."""
        template: Object = yaml.load(self.one("ConfigMap", "regeneration")["data"]["job.yaml"], yaml.CSafeLoader)
        return template


def render(
    values: Mapping[str, object] | None = None, name: str = "recs", namespace: str = "shop", *flags: str
) -> Release:
    """
    Render with the real Helm.

    Raises:
        Refused: by schema, check or template.
    """
    cached = _render(json.dumps(values or {}, sort_keys=True), name, namespace, flags)
    return replace(cached, objects=copy.deepcopy(cached.objects))


@functools.lru_cache(maxsize=256)
def _render(values: str, name: str, namespace: str, flags: tuple[str, ...]) -> Release:
    command = [str(helm_binary()), "template", name, str(CHART), "--namespace", namespace, "--values", "-", *flags]
    done = subprocess.run(command, input=values, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Refused(done.stderr)
    objects = tuple(o for o in yaml.load_all(done.stdout, yaml.CSafeLoader) if o)
    return Release(done.stdout, objects, name, namespace)


def helm(*arguments: str, stdin: str = "", version: str = "4.1.4") -> subprocess.CompletedProcess[str]:
    """Run Helm and return its output; the caller checks the return code."""
    command = [str(helm_binary(version)), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)


def pod_templates(release: Release) -> Iterator[tuple[str, Object]]:
    """Every pod that the release leads to, the operator's Jobs too, as (where, {metadata, spec})."""
    for o in release.objects:
        where = f"{o['kind']}/{o['metadata']['name']}"
        if o["kind"] == "Pod":
            yield where, o
        elif o["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield where, o["spec"]["template"]
        elif o["kind"] == "CronJob":
            yield where, o["spec"]["jobTemplate"]["spec"]["template"]
    if any(o["kind"] == "ConfigMap" and "job.yaml" in o["data"] for o in release.objects):
        yield "regeneration Job", release.job_template()["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    """Init containers and containers of a pod template."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def is_hook(o: Object) -> bool:
    return "helm.sh/hook" in o["metadata"].get("annotations", {})
