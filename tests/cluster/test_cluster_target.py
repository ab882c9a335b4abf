"""`make cluster` without a cluster: what it would run, by commands that only note their calls, and what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLED = 'echo "$(basename "$0") $*" >> "$CALLS"\n'
KUBECTL = (
    CALLED
    + 'case "$*" in "config current-context") echo "$CONTEXT";; version*) echo "{\\"serverVersion\\": {}}";; esac\n'
)


class Machine:
    """A machine with some commands, and a cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.touch()
        for name in ("docker", "helm", "kind", "k3d", "minikube", "python"):
            self.has(name, CALLED)
        self.has("kubectl", KUBECTL)
        for name in ("sh", "basename"):
            (self.bin / name).symlink_to(str(shutil.which(name)))

    def has(self, name: str, script: str) -> None:
        """Put a command on the path."""
        command = self.bin / name
        command.write_text(f"#!/bin/sh\n{script}")
        command.chmod(0o755)

    def run(self, context: str, **more: str) -> tuple[int, str, list[str]]:
        """Return the exit code, what was said, and the calls that change something."""
        environment = {"PATH": str(self.bin), "CALLS": str(self.calls), "CONTEXT": context}
        given = {**environment, "KUBECONFIG": str(self.kubeconfig), **more}
        # The last step would run this very test: python's place is taken by a command that notes its call.
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); sys.executable = {str(self.bin / 'python')!r}"
        )
        program += "; import cluster, os; sys.exit(cluster.main(os.environ))"
        done = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, timeout=60)
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        changing = [c for c in calls if not c.startswith(("kubectl config", "kubectl version"))]
        return done.returncode, done.stderr, changing


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("context", "loaded"),
    [
        ("kind-try", "kind load docker-image --name try recommendation-jobs:0.1.0"),
        ("k3d-try", "k3d image import --cluster try recommendation-jobs:0.1.0"),
        ("minikube", "minikube --profile minikube image load recommendation-jobs:0.1.0"),
    ],
)
def test_it_builds_loads_installs_and_tests(machine: Machine, context: str, loaded: str) -> None:
    code, _, calls = machine.run(context)
    assert code == 0
    assert loaded in calls
    chart = ROOT / "helm" / "recommendation-service"
    assert [c for c in calls if not c.startswith(("kind", "k3d", "minikube"))] == [
        *(
            f"docker build --file {i}/Dockerfile --tag recommendation-{i}:0.1.0 ."
            for i in ("service", "jobs", "operator")
        ),
        f"helm upgrade --install recs {chart} --namespace recommendation-trial --create-namespace",
        "kubectl --namespace recommendation-trial rollout status deployment/recs-api --timeout=10m",
        "helm --namespace recommendation-trial test recs --logs",
        "python -m pytest -m cluster tests/operator tests/cluster",
    ]


def test_any_other_cluster_gets_its_images_from_a_registry(machine: Machine) -> None:
    code, _, calls = machine.run("production-like", REGISTRY="registry.example.com/games/")
    assert code == 0
    assert "docker push registry.example.com/games/recommendation-operator:0.1.0" in calls
    assert any(c.endswith("--create-namespace --set image.registry=registry.example.com/games") for c in calls)


def test_it_stops_at_the_first_step_that_fails(machine: Machine) -> None:
    machine.has("helm", CALLED + "exit 7\n")
    code, said, calls = machine.run("kind-try")
    assert (code, calls[-1].split()[0]) == (7, "helm")
    assert "exit code 7" in said


@pytest.mark.parametrize("missing", ["docker", "kubectl", "helm", "kind"])
def test_it_says_which_command_is_missing(machine: Machine, missing: str) -> None:
    (machine.bin / missing).unlink()
    code, said, calls = machine.run("kind-try")
    assert (code, calls) == (2, [])
    assert missing in said
    assert said.count("\n") == 1


def test_it_says_that_there_is_no_cluster(machine: Machine) -> None:
    for name, said_of in (("", "KUBECONFIG names no cluster"), ("/nowhere", "there is no such file")):
        code, said, calls = machine.run("kind-try", KUBECONFIG=name)
        assert (code, calls) == (2, [])
        assert said_of in said
    machine.has("kubectl", "echo connection refused >&2; exit 1\n")
    code, said, calls = machine.run("kind-try")
    assert (code, calls) == (2, [])
    assert "does not answer: connection refused" in said


def test_a_cluster_that_takes_images_in_no_known_way_is_refused(machine: Machine) -> None:
    code, said, calls = machine.run("somewhere")
    assert (code, calls) == (2, [])
    assert "set REGISTRY=" in said


def test_make_runs_it() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "cluster"], cwd=ROOT, env=os.environ | {"KUBECONFIG": ""}, capture_output=True, text=True
    )
    assert "scripts/cluster.py" in done.stdout
