"""Pages of other origins may call the API only where a setting names them."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from recommendation.errors import SettingsError
from recommendation.settings import Settings, load_settings
from recommendation_api.app import PREFIX, create_app

SHOP, OTHER = "https://shop.example", "https://evil.example"
LIST = f"{PREFIX}/user/ann"


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    """A client of an app that one origin may call."""
    read = load_settings({"RECOMMENDATION_CORS_ORIGINS": f"{SHOP}, http://localhost:3000"}).cors_origins
    settings = Settings(database_url=sqlite_url, training="queued", cors_origins=read)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8010") as made:
        yield made


def asked_before(client: TestClient, origin: str) -> tuple[int, str | None]:
    """Ask as a browser does before it sends a body with a key."""
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    answer = client.options(f"{PREFIX}/feedback", headers={"Origin": origin, **wanted})
    return answer.status_code, answer.headers.get("access-control-allow-origin")


def test_a_named_origin_may_ask_and_read(client: TestClient) -> None:
    assert asked_before(client, SHOP) == (200, SHOP)
    answer = client.get(LIST, headers={"Origin": SHOP})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "etag" in answer.headers["access-control-expose-headers"].lower()
    assert "origin" in answer.headers["vary"].lower()


def test_problems_may_be_read_too(client: TestClient) -> None:
    answer = client.get(f"{LIST}?limit=0", headers={"Origin": SHOP})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (422, SHOP)


def test_another_origin_is_told_nothing(client: TestClient) -> None:
    assert asked_before(client, OTHER) == (400, None)
    answer = client.get(LIST, headers={"Origin": OTHER})
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (403, None)


def test_without_the_setting_there_is_no_cors(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url, training="queued")
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8010") as client:
        assert asked_before(client, SHOP) == (405, None)
        assert "access-control-allow-origin" not in client.get(LIST).headers


@pytest.mark.parametrize("wrong", ["shop.example", "https://shop.example/", "*", "https://Shop.example", "null"])
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDATION_CORS_ORIGINS"):
        load_settings({"RECOMMENDATION_CORS_ORIGINS": wrong})
