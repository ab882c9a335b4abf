"""The secrets hook, run as the chart runs it, against a fake Kubernetes API."""

import hashlib
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Call, serving
from rendering import is_hook, render

from recommendation_api.keys import read_keys


class Cluster:
    """Keeps Secrets; answers like the API server's POST, after some failures if asked to."""

    def __init__(self, failures: tuple[int, ...] = ()) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.calls: list[Call] = []
        self._failures = list(failures)

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if self._failures:
            return self._failures.pop(0), {"reason": "Failure"}
        name = call.body["metadata"]["name"]
        if name in self.secrets:
            return 409, {"reason": "AlreadyExists"}
        self.secrets[name] = call.body
        return 201, call.body


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the hook of a release; its command is the rendered one, only the addresses are the test's."""
    (tmp_path / "token").write_text("the-token\n")

    def run(cluster: Cluster, values: dict[str, object] | None = None) -> subprocess.CompletedProcess[str]:
        (job,) = [o for o in render(values).of("Job") if is_hook(o)]
        (container,) = job["spec"]["template"]["spec"]["containers"]
        with serving(cluster.answer) as url:
            command = [sys.executable, *container["command"][1:], *container["args"]]
            places = ["--server", url, "--account", str(tmp_path), "--pause", "0"]
            return subprocess.run([*command, *places], capture_output=True, text=True, timeout=30)

    return run


def test_it_makes_keys_that_fit_together_and_a_url_with_the_password(run: Run) -> None:
    cluster = Cluster()
    done = run(cluster)
    assert done.returncode == 0, done.stderr
    keys, database = (cluster.secrets[name]["stringData"] for name in ("recs-api-keys", "recs-database"))
    digests = {name: hashlib.sha256(keys[name].encode()).hexdigest() for name in ("operator", "admin")}
    assert keys["keys"] == f"operator:operator:{digests['operator']}\nadmin:read,write,admin:{digests['admin']}\n"
    assert database["url"] == f"postgresql://recommendation:{database['password']}@recs-database:5432/recommendation"
    assert {len(keys["operator"]), len(keys["admin"]), len(database["password"])} == {43}
    assert len({keys["operator"], keys["admin"], database["password"]}) == 3


def test_the_service_reads_the_keys_it_makes(run: Run, tmp_path: Path) -> None:
    cluster = Cluster()
    run(cluster)
    file = tmp_path / "keys"
    file.write_text(cluster.secrets["recs-api-keys"]["stringData"]["keys"])
    holders = {holder.name: holder.scopes for _, holder in read_keys(file)}
    assert holders == {"operator": {"operator"}, "admin": {"read", "write", "admin"}}


def test_the_certificates_it_makes_are_of_one_authority_whose_key_is_gone(run: Run, tmp_path: Path) -> None:
    cluster = Cluster()
    done = run(cluster, {"training": {"distributed": {"enabled": True}}})
    assert done.returncode == 0, done.stderr
    made = cluster.secrets["recs-training-tls"]["stringData"]
    assert set(made) == {"ca.crt", "tls.crt", "tls.key"}
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    verified = subprocess.run(["openssl", "verify", "-CAfile", "ca.crt", "tls.crt"], cwd=tmp_path, capture_output=True)
    assert verified.returncode == 0
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    other = Cluster()
    run(other)
    assert "recs-training-tls" not in other.secrets


def test_existing_secrets_are_kept(run: Run) -> None:
    cluster = Cluster()
    run(cluster)
    before = dict(cluster.secrets)
    done = run(cluster)
    assert done.returncode == 0
    assert cluster.secrets == before
    assert done.stdout == "Secret recs-api-keys: kept\nSecret recs-database: kept\n"


def test_it_only_ever_creates_secrets_in_its_namespace_with_its_token(run: Run) -> None:
    cluster = Cluster()
    run(cluster)
    seen = {(c.method, c.path, c.authorization) for c in cluster.calls}
    assert seen == {("POST", "/api/v1/namespaces/shop/secrets", "Bearer the-token")}


def test_no_secret_value_is_ever_printed(run: Run) -> None:
    cluster = Cluster(failures=(500,))
    done = run(cluster)
    values = [v for s in cluster.secrets.values() for v in s["stringData"].values()]
    assert len(values) == 5
    assert not [v for v in values if v.strip() in done.stdout + done.stderr]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_tries_again_while_the_api_fails(run: Run, status: int) -> None:
    cluster = Cluster(failures=(status, status))
    assert run(cluster).returncode == 0
    assert set(cluster.secrets) == {"recs-api-keys", "recs-database"}


def test_a_refusal_ends_it_at_once_and_says_why(run: Run) -> None:
    cluster = Cluster(failures=(403,))
    done = run(cluster)
    assert done.returncode == 1
    assert len(cluster.calls) == 1
    assert "Secret recs-api-keys could not be created: HTTP Error 403" in done.stderr


def test_an_existing_secret_is_not_made(run: Run) -> None:
    cluster = Cluster()
    assert run(cluster, {"apiKeys": {"existingSecret": "mine"}}).returncode == 0
    assert set(cluster.secrets) == {"recs-database"}


def test_the_secrets_carry_the_release_so_that_people_find_them(run: Run) -> None:
    cluster = Cluster()
    run(cluster)
    for secret in cluster.secrets.values():
        assert secret["metadata"]["labels"]["app.kubernetes.io/instance"] == "recs"
