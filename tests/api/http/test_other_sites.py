"""Without keys, what a page of another site sends through a browser is refused; with keys nothing of it matters."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from recommendation.settings import Settings
from recommendation_api.app import PREFIX, create_app

EVENT = b'{"user_id": "ann", "game_id": "g", "event_type": "played"}'
JSON = {"Content-Type": "application/json"}
HERE = "http://127.0.0.1:8010"


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(database_url=sqlite_url, training="queued")), base_url=HERE) as made:
        yield made


def post(client: TestClient, headers: dict[str, str], body: bytes = EVENT) -> tuple[int, str]:
    answer = client.post(f"{PREFIX}/interactions", content=body, headers=headers)
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_that_needs_no_permission_of_the_browser_is_not_taken(client: TestClient, kind: str) -> None:
    assert post(client, {"Content-Type": kind}) == (415, "json_needed")
    assert post(client, {}) == (415, "json_needed")
    assert client.get(f"{PREFIX}/user/ann/export").json()["interactions"] == []


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:8011",
        "http://127.0.0.1:8010.evil.example",
    ],
)
def test_a_page_of_another_origin_neither_writes_nor_reads(client: TestClient, origin: str) -> None:
    assert post(client, {**JSON, "Origin": origin}) == (403, "foreign_origin")
    for method, path in (("GET", "/user/ann"), ("POST", "/train"), ("DELETE", "/user/ann"), ("GET", "/settings")):
        answer = client.request(method, PREFIX + path, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8010", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_a_name_that_was_made_to_lead_here_is_not_served(client: TestClient, host: str) -> None:
    assert post(client, {**JSON, "Host": host, "Origin": f"http://{host}"}) == (403, "foreign_host")
    assert client.get(f"{PREFIX}/user/ann", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8010", "localhost:8010", "LOCALHOST", "[::1]:8010", "127.0.0.2"])
def test_programs_and_the_console_of_this_machine_are_served(client: TestClient, host: str) -> None:
    assert post(client, {"Content-Type": "application/json; charset=utf-8", "Host": host}) == (200, "")
    assert post(client, {**JSON, "Host": host, "Origin": f"http://{host.lower()}"}) == (200, "")
    assert client.get(f"{PREFIX}/user/ann", headers={"Host": host}).status_code == 200


def test_behind_another_layer_any_host_is_served_but_no_other_origin(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url, training="queued", insecure_open=True)
    with TestClient(create_app(settings), base_url="http://shop.example") as client:
        assert post(client, JSON) == (200, "")
        assert post(client, {**JSON, "Origin": "http://shop.example"}) == (200, "")
        assert post(client, {**JSON, "Origin": "http://evil.example"}) == (403, "foreign_origin")
        assert post(client, {"Content-Type": "text/plain"}) == (415, "json_needed")


def test_with_keys_none_of_it_matters(sqlite_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"shop:write:{hashlib.sha256(b'shop-key').hexdigest()}\n")
    settings = Settings(database_url=sqlite_url, training="queued", api_keys_file=keys)
    headers = {"Authorization": "Bearer shop-key", "Origin": "http://evil.example", "Content-Type": "text/plain"}
    with TestClient(create_app(settings), base_url="http://shop.example") as client:
        assert post(client, headers) == (200, "")
