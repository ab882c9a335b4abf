"""Keys: who may do what, rotated without a restart, never said aloud."""

import hashlib
import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from recommendation.errors import SettingsError
from recommendation.settings import Settings
from recommendation_api import keys
from recommendation_api.app import PREFIX, create_app
from recommendation_api.keys import KeyRing, read_keys


def line(name: str, scopes: str, key: str) -> str:
    return f"{name}:{scopes}:{hashlib.sha256(key.encode()).hexdigest()}\n"


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file at every request."""
    monkeypatch.setattr(keys, "_LOOK_EVERY_SECONDS", 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# only a comment\n",
        "shop:write",
        "shop:write:" + "0" * 63,
        "shop:root:" + "0" * 64,
        "a b:read:" + "0" * 64,
    ],
)
def test_a_file_without_a_usable_key_stops_the_start_and_is_not_repeated(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_keys(path)
    assert str(refused.value).startswith("RECOMMENDATION_API_KEYS_FILE: ")
    assert "0" * 20 not in str(refused.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        KeyRing(tmp_path / "none")


def test_a_new_file_takes_over_and_a_bad_one_leaves_the_last_good_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys"
    path.write_text(line("shop", "write", "old-key"))
    ring = KeyRing(path)
    assert ring.holder_of("old-key") is not None
    path.write_text(line("shop", "write", "new-key") + line("shop", "write,read", "next-key"))
    assert ring.holder_of("old-key") is None
    assert ring.holder_of("new-key") is not None
    with caplog.at_level(logging.DEBUG):
        path.write_text("shop:write:hunter2-is-no-digest")
        assert ring.holder_of("new-key") is not None
        path.unlink()
        assert ring.holder_of("new-key") is not None
        path.write_text(line("shop", "read", "third-key"))
        assert ring.holder_of("new-key") is None
    assert "hunter2" not in caplog.text
    assert "third-key" not in caplog.text


ROUTES = [
    ("GET", "/user/ann", "read"),
    ("GET", "/popular", "read"),
    ("GET", "/user/ann/why?game_id=g", "read"),
    ("POST", "/interactions", "write"),
    ("POST", "/feedback", "write"),
    ("POST", "/batch", "write"),
    ("PUT", "/games", "write"),
    ("DELETE", "/user/ann/lists/editorial", "write"),
    ("POST", "/user/ann/generate", "write"),
    ("GET", "/train", "admin"),
    ("GET", "/models", "admin"),
    ("POST", "/models/v1/promote", "admin"),
    ("GET", "/models/v1/lists/ann", "admin"),
    ("POST", "/train/run/stop", "operator"),
    ("GET", "/settings", "admin"),
    ("DELETE", "/user/ann", "admin"),
    ("GET", "/user/ann/export", "admin"),
    ("GET", "/drops", "operator"),
    ("DELETE", "/drops/uid", "operator"),
    ("POST", "/regenerations", "operator"),
]


def test_each_route_takes_keys_of_its_scope_only_and_refusals_leak_nothing(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scopes = ("read", "write", "admin", "operator")
    path = tmp_path / "keys"
    path.write_text("".join(line(scope, scope, f"{scope}-key") for scope in scopes))
    settings = Settings(database_url=sqlite_url, api_keys_file=path, training="queued")
    with caplog.at_level(logging.DEBUG), TestClient(create_app(settings), raise_server_exceptions=False) as client:
        for method, route, needed in ROUTES:
            for scope in (None, "unknown", *scopes):
                headers = {"Authorization": f"Bearer {scope}-key"} if scope else {}
                answer = client.request(method, PREFIX + route, headers=headers)
                known = scope in scopes
                allowed = scope == needed or (scope == "admin" and needed == "operator")
                if route == "/train":
                    allowed = scope in ("admin", "operator")
                assert (answer.status_code == 401) is not known, (route, scope)
                assert (answer.status_code == 403) is (known and not allowed), (route, scope)
                assert "-key" not in answer.text
                if not known:
                    assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.get("/healthz").status_code == 200
    assert "-key" not in caplog.text


def test_without_keys_other_hosts_are_not_served(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    monkeypatch.setattr("sys.argv", ["uvicorn", "--host", "0.0.0.0"])
    with pytest.raises(SettingsError, match="RECOMMENDATION_API_KEYS_FILE"):
        create_app(Settings(database_url=sqlite_url))
    create_app(Settings(database_url=sqlite_url, insecure_open=True))
