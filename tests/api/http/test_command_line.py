"""Without its own protocol the API does not start: nothing would bound connections."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommendation.errors import SettingsError
from recommendation_api.http.command_line import PROTOCOL, announced_host, check_protocol
from recommendation_api.http.connections import Connection


def test_a_start_without_the_protocol_is_refused_with_one_line_that_says_what_to_type(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "UVICORN_HTTP"}
    environment["RECOMMENDATION_DATABASE_URL"] = "sqlite:///none.db"
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "recommendation_api.main:app", "--port", "0"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 42
    assert f"--http {PROTOCOL}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "is_right"),
    [
        (["--http", PROTOCOL], None, True),
        ([f"--http={PROTOCOL}"], None, True),
        ([], PROTOCOL, True),
        ([], None, False),
        (["--http", "h11"], PROTOCOL, False),
        (["--http"], None, False),
    ],
)
def test_command_line_and_environment_are_understood_as_uvicorn_does(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: str | None, is_right: bool
) -> None:
    monkeypatch.setattr("sys.argv", ["uvicorn", "recommendation_api.main:app", *arguments])
    monkeypatch.delenv("UVICORN_HTTP", raising=False)
    if environment is not None:
        monkeypatch.setenv("UVICORN_HTTP", environment)
    if is_right:
        check_protocol()
    else:
        with pytest.raises(SettingsError, match="nothing bounds"):
            check_protocol()


def test_the_protocol_that_is_asked_for_is_the_one_with_the_bounds() -> None:
    module, _, name = PROTOCOL.partition(":")
    assert (module, name) == (Connection.__module__, Connection.__qualname__)


def test_the_host_is_found_in_the_command_line_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UVICORN_HOST", "::1")
    monkeypatch.setattr("sys.argv", ["uvicorn", "--host", "0.0.0.0"])
    assert announced_host() == "0.0.0.0"
    monkeypatch.setattr("sys.argv", ["uvicorn"])
    assert announced_host() == "::1"
