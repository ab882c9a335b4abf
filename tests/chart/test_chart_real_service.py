"""`helm test` against the real service, with the keys that the hook really makes; only Kubernetes is left out."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from rendering import CHART, ROOT, render


def script(name: str) -> ModuleType:
    """A script of the chart, as a module."""
    spec = importlib.util.spec_from_file_location(name, CHART / "files" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The API on loopback, over SQLite, with generated keys; it trains in a child process, as no operator is here."""
    keys = script("create_secrets").api_keys()
    for entry, content in keys.items():
        (tmp_path / entry).write_text(content)
    environment = {
        **os.environ,
        "RECOMMENDATION_DATABASE_URL": f"sqlite:///{tmp_path}/app.db",
        "RECOMMENDATION_MODEL_PATH": str(tmp_path / "models" / "cf.pkl"),
        "RECOMMENDATION_API_KEYS_FILE": str(tmp_path / "keys"),
        "RECOMMENDATION_TRAINING": "local",
        "RECOMMENDATION_DRAIN_SECONDS": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, "-m", "recommendation.migrate"], cwd=ROOT, env=environment, check=True, timeout=60)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "recommendation_api.main:app",
        "--http",
        "recommendation_api.http.connections:Connection",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def helm_test(url: str, key: Path) -> subprocess.CompletedProcess[str]:
    (pod,) = render().of("Pod")
    (container,) = pod["spec"]["containers"]
    command = [sys.executable, *container["command"][1:], *container["args"], "--url", url, "--key-file", str(key)]
    return subprocess.run([*command, "--pause", "0.3"], capture_output=True, text=True, timeout=180)


def popular(url: str, key: Path) -> bytes:
    request = urllib.request.Request(f"{url}/api/v1/recommendation/popular")
    request.add_header("Authorization", f"Bearer {key.read_text()}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: bytes = answer.read()
        return content


def test_it_passes_on_an_empty_store_leaves_it_empty_and_passes_again(service: str, tmp_path: Path) -> None:
    first = helm_test(service, tmp_path / "admin")
    assert first.returncode == 0, first.stdout + first.stderr + (tmp_path / "log").read_text()[-3000:]
    assert "generate and read: " in first.stdout
    end = time.monotonic() + 15
    while popular(service, tmp_path / "admin") != b'{"items":[]}' and time.monotonic() < end:
        time.sleep(0.5)
    assert popular(service, tmp_path / "admin") == b'{"items":[]}'
    second = helm_test(service, tmp_path / "admin")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "live store" not in second.stdout


def test_the_operators_key_is_not_enough_for_it(service: str, tmp_path: Path) -> None:
    done = helm_test(service, tmp_path / "operator")
    assert done.returncode == 1
    assert "403" in done.stderr
