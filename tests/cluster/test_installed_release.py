"""
What a release must survive on a real cluster, once `make cluster` has installed it: `pytest -m cluster tests/cluster`.

Nothing here can run without nodes that run its images; drops, kills and bad dates also run against the simulated
cluster, in `tests/operator`.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "recommendation-service"
VISITOR = Path(__file__).with_name("visitor.py").read_text()
Json = dict[str, Any]


class Release(NamedTuple):
    """An installed release, by kubectl and Helm."""

    namespace: str
    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=900).stdout

    def helm(self, *arguments: str) -> None:
        command = ["helm", "--namespace", self.namespace, *arguments]
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)

    def get(self, *what: str) -> Json:
        found: Json = json.loads(self.kubectl("get", *what, "--output", "json"))
        return found

    def rolled_out(self) -> None:
        self.kubectl("rollout", "status", f"deployment/{self.name}-api", "--timeout=10m")

    def until(self, holds: Callable[[], bool], seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.kubectl("get", "contentdrops,jobs,pods", "--output", "wide")
            time.sleep(2)

    def apply(self, drop: str, **spec: object) -> None:
        kind = {"apiVersion": "recommendation.gamestore.dev/v1alpha1", "kind": "ContentDrop"}
        whole = {**kind, "metadata": {"name": drop}, "spec": {"games": [{"id": f"game-of-{drop}"}], **spec}}
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(whole))

    def status(self, drop: str) -> Json:
        found: Json = self.get(f"contentdrop/{drop}").get("status", {})
        return found

    def condition(self, drop: str, kind: str) -> Json:
        conditions = self.status(drop).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def finished(self, drop: str) -> bool:
        return bool(self.condition(drop, "Finished").get("status") == "True")


@pytest.fixture
def release() -> Iterator[Release]:
    named = os.environ.get("RECOMMENDATION_CLUSTER_RELEASE")
    if not named or not os.environ.get("KUBECONFIG"):
        pytest.skip("no installed release: run `make cluster`, which installs one and names it")
    for command in ("kubectl", "helm"):
        if shutil.which(command) is None:
            pytest.skip(f"no {command} on the PATH")
    namespace, _, name = named.partition("/")
    found = Release(namespace, name)
    yield found
    found.kubectl("delete", "contentdrops", "--all", "--wait=true")
    found.kubectl("delete", "resourcequota", "--all")


@contextmanager
def visitors(release: Release) -> Iterator[Callable[[], Json]]:
    """Clients that keep their connections, in a pod of the release's own image; their counts, once asked for."""
    api = release.get(f"deployment/{release.name}-api")["spec"]["template"]["spec"]
    container = {
        "name": "visitor",
        "image": api["containers"][0]["image"],
        "imagePullPolicy": api["containers"][0]["imagePullPolicy"],
        "command": ["python", "-c", VISITOR, f"{release.name}-api", "8010", "/api/v1/recommendation/user/anyone"],
        "securityContext": api["containers"][0]["securityContext"],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": api["securityContext"],
        "containers": [container],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "visitor"}, "spec": spec}

    def counts() -> Json:
        # SIGTERM to the process itself, not to the pod: a deleted pod has no log.
        release.kubectl("exec", "visitor", "--", "python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
        release.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/visitor", "--timeout=2m")
        told: Json = json.loads(release.kubectl("logs", "visitor").splitlines()[-1])
        return told

    release.kubectl("apply", "--filename", "-", stdin=json.dumps(pod))
    try:
        release.kubectl("wait", "--for=condition=Ready", "pod/visitor", "--timeout=5m")
        yield counts
    finally:
        release.kubectl("delete", "pod", "visitor", "--ignore-not-found")


def test_a_rolling_restart_resets_no_connection_that_a_client_keeps(release: Release) -> None:
    with visitors(release) as counts:
        release.kubectl("rollout", "restart", f"deployment/{release.name}-api")
        release.rolled_out()
        seen = counts()
    assert set(seen) == {"answered"}, seen
    assert seen["answered"] > 500


def test_an_upgrade_and_the_way_back_fail_no_request(release: Release) -> None:
    with visitors(release) as counts:
        changed = ["--set", f"pods.annotations.changed={int(time.time())}"]
        release.helm("upgrade", release.name, str(CHART), "--reuse-values", *changed)
        release.rolled_out()
        release.helm("rollback", release.name)
        release.rolled_out()
        seen = counts()
    assert set(seen) == {"answered"}, seen


def test_an_operator_that_is_killed_again_and_again_makes_one_job_for_a_drop(release: Release) -> None:
    release.apply("killed", retrain="Never")
    operator = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=operator"

    def killed_until_finished() -> bool:
        release.kubectl("delete", "pods", "--selector", operator, "--force", "--grace-period=0")
        return release.finished("killed")

    release.until(killed_until_finished)
    uid = release.get("contentdrop/killed")["metadata"]["uid"]
    made = release.get("jobs", "--selector", f"recommendation.gamestore.dev/content-drop={uid}")["items"]
    assert len(made) == 1
    assert release.condition("killed", "Succeeded")["status"] == "True"


def test_a_quota_that_lets_no_pod_in_is_told_and_the_drop_goes_on_without_it(release: Release) -> None:
    release.kubectl("create", "quota", "no-pods", "--hard=pods=0")
    release.apply("crowded", retrain="Never")
    release.until(lambda: "quota" in release.condition("crowded", "Succeeded").get("message", ""), seconds=300)
    release.kubectl("delete", "resourcequota", "no-pods")
    release.until(lambda: release.finished("crowded"))
    assert release.condition("crowded", "Succeeded")["status"] == "True"


PLAYS = """
import json, sys, urllib.request
key = sys.stdin.read().strip()
events = [{"user_id": f"player-{u}", "game_id": f"game-{u % 2}", "event_type": "purchased"} for u in range(20)]
headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
url = "http://127.0.0.1:8010/api/v1/recommendation/interactions"
urllib.request.urlopen(urllib.request.Request(url, json.dumps(events).encode(), headers), timeout=60)
"""
"""Users with lists that others can overtake, written from inside an API pod."""


def test_a_drop_that_others_overtook_while_it_paused_begins_anew(release: Release) -> None:
    key = base64.b64decode(release.get(f"secret/{release.name}-api-keys")["data"]["admin"]).decode()
    release.kubectl("exec", "--stdin", f"deployment/{release.name}-api", "--", "python", "-c", PLAYS, stdin=key)
    release.kubectl("create", "quota", "no-pods", "--hard=pods=0")  # so that it pauses before it has written anything
    release.apply("overtaken", retrain="Never")
    release.until(lambda: "jobName" in release.status("overtaken") and "regeneration" in release.status("overtaken"))
    first = release.status("overtaken")["regeneration"]
    release.kubectl("patch", "contentdrop/overtaken", "--type=merge", "--patch", '{"spec": {"suspend": true}}')
    release.until(lambda: release.condition("overtaken", "Succeeded").get("reason") == "Suspended")
    release.kubectl("delete", "resourcequota", "no-pods")
    release.apply("passing", retrain="Never")
    release.until(lambda: release.finished("passing"))
    release.kubectl("patch", "contentdrop/overtaken", "--type=merge", "--patch", '{"spec": {"suspend": false}}')
    release.until(lambda: release.finished("overtaken"))
    status = release.status("overtaken")
    assert status["regeneration"] != first
    assert status["usersRegenerated"] == status["usersTargeted"] >= 20
    assert "newer lists" not in release.condition("overtaken", "Succeeded")["message"]


@pytest.mark.parametrize("time_", ["2026-11-01t00:00:00z", "2026-11-01T00:00:00+25:00", "2026-11-01T00:00:00-00:00"])
def test_a_date_that_the_server_takes_stops_no_other_drop(release: Release, time_: str) -> None:
    release.apply("odd-date", releaseTime=time_, retrain="Never")
    release.apply("after-it", retrain="Never")
    release.until(lambda: release.finished("after-it"))
    assert release.condition("odd-date", "Accepted")["status"] in ("True", "False")


@pytest.mark.parametrize("time_", ["2026-13-45T00:00:00Z", "2026-11-01T00:00:00", "2026-02-30T00:00:00Z"])
def test_a_date_that_is_none_is_refused_by_the_server(release: Release, time_: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        release.apply("no-date", releaseTime=time_)
    assert "date-time" in refused.value.stderr
