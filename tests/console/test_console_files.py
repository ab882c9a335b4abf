"""The console's files: complete, self-contained, under a strict policy."""

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import pytest
from starlette.testclient import TestClient

from recommendation.errors import SettingsError
from recommendation.settings import Settings, load_settings
from recommendation_api.app import create_app

NAMES = sorted(
    entry.name for entry in files("recommendation_api").joinpath("static", "console").iterdir() if entry.is_file()
)


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(database_url=sqlite_url, training="queued", drain_seconds=0))) as opened:
        yield opened


@pytest.mark.parametrize("path", ["", *NAMES])
def test_each_file_is_served_under_a_policy_that_allows_no_other_source(client: TestClient, path: str) -> None:
    answer = client.get(f"/console/{path}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pictures_come_from_the_hosts_that_a_setting_names_and_from_no_other(sqlite_url: str) -> None:
    settings = load_settings({"RECOMMENDATION_CONSOLE_IMAGES": " https://b.example:8443  https://a.example"})
    app = create_app(replace(settings, database_url=sqlite_url, training="queued", drain_seconds=0))
    with TestClient(app) as client:
        policy = client.get("/console/").headers["content-security-policy"]
        assert "; img-src data: https://a.example https://b.example:8443; " in policy
        assert "example" not in client.get("/docs").headers["content-security-policy"]
    for wrong in ("http://a.example", "https://*.example", "https://a.example/x", "*", "https://a.example;script-src"):
        with pytest.raises(SettingsError, match="RECOMMENDATION_CONSOLE_IMAGES"):
            load_settings({"RECOMMENDATION_CONSOLE_IMAGES": wrong})


def test_an_unchanged_file_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/console/console.js").headers["etag"]
    assert client.get("/console/console.js", headers={"If-None-Match": tag}).status_code == 304


def test_the_whole_page_is_small() -> None:
    folder = files("recommendation_api").joinpath("static", "console")
    assert 10_000 < sum(len(folder.joinpath(name).read_bytes()) for name in NAMES) < 150_000


@pytest.mark.parametrize("path", ["nothing.js", "..%2f..%2fapp.py", "%2e%2e/app.py", "__init__.py"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(f"/console/{path}").status_code == 404


def test_only_the_key_is_kept_and_only_by_its_own_module() -> None:
    folder = files("recommendation_api").joinpath("static", "console")
    users = {name for name in NAMES if "sessionStorage" in folder.joinpath(name).read_text()}
    assert users == {"api.js"}


def test_the_console_can_be_turned_off(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, training="queued", console=False, drain_seconds=0))
    with TestClient(app) as client:
        assert client.get("/console").status_code == 404


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_another_host_or_parses_html(name: str) -> None:
    text = files("recommendation_api").joinpath("static", "console", name).read_text()
    hosts = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text))
    assert hosts <= {"http://www.w3.org"}  # a namespace, never fetched
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage", text)
