"""`/docs` needs no host but this service, and `/` leads to the pages."""

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import create_app


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(database_url=sqlite_url, training="queued", drain_seconds=0))) as opened:
        yield opened


def test_every_file_that_the_page_names_is_served_by_the_service(client: TestClient) -> None:
    page = client.get("/docs").text
    start = client.get("/docs/start.js").text
    named = re.findall(r'(?:src|href)="([^"]+)"', page) + re.findall(r'url: "([^"]+)"', start)
    assert len(named) == 5
    assert "//" not in page
    for name in named:
        if not name.startswith("data:"):
            assert client.get(f"/{name}").status_code == 200, name


@pytest.mark.parametrize("name", ["", "/start.js", "/swagger-ui-bundle.js", "/swagger-ui.css"])
def test_a_browser_may_load_nothing_but_its_own_files(client: TestClient, name: str) -> None:
    answer = client.get(f"/docs{name}")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert client.get(f"/docs{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/docs/redoc.standalone.js", "/docs/favicon.png", "/docs/..%2fcore.py"])
def test_nothing_else_of_the_package_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_front_leads_people_and_programs_to_what_is_served(client: TestClient) -> None:
    page = client.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    ways = client.get("/").json()
    assert set(ways) == {"docs", "openapi", "console"}
    for way in ways.values():
        assert f'href="{way}"' in page.text
        assert client.get(f"/{way}").status_code == 200


def test_what_is_turned_off_is_not_led_to(sqlite_url: str) -> None:
    def opened(**off: bool) -> TestClient:
        return TestClient(create_app(Settings(database_url=sqlite_url, training="queued", drain_seconds=0, **off)))

    with opened(docs=False) as client:
        assert client.get("/").json() == {"console": "console/"}
        assert client.get("/docs").status_code == 404
    with opened(docs=False, console=False) as client:
        assert client.get("/").status_code == 404
