"""The list of a user as another kept version would make it, beside the one that is read now."""

from dataclasses import replace
from typing import Any

import pytest

from recommendation.catalogue.games import Catalogue
from recommendation.engine.model import LiveModel
from recommendation.lists.view import with_releases
from recommendation_api.background.other_models import KEPT_SECONDS, OtherModels


@pytest.fixture
def shop(store: Any) -> Any:
    """Two versions that differ: by the second, everyone plays g15 too; a pin for everyone."""
    store.checkerboard()
    store.train()
    store.interact(*[(f"u{user:02}", "g15", "purchased") for user in range(0, 14, 2)])
    store.train()
    assert store.call("PUT", "/lists/editorial/g09", json={"position": 2}).status_code == 200
    store.post("/user/u00/generate")
    store.look()
    return store


def by(shop: Any, version: str, user: str = "u00", **params: Any) -> Any:
    answer = shop.call("GET", f"/models/{version}/lists/{user}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def others(shop: Any) -> OtherModels:
    held: OtherModels = shop.client.app.state.parts.other_models
    return held


def test_the_list_of_the_live_version_is_the_one_that_is_read(shop: Any) -> None:
    assert by(shop, "v2") == shop.get("/user/u00")
    assert others(shop).version is None, "nothing is loaded for it"


def test_the_list_of_another_version_is_what_the_user_reads_once_that_is_live(shop: Any) -> None:
    before = by(shop, "v1", "u08", limit=5)
    following = by(shop, "v1", "u08", limit=5, cursor=before["next_cursor"])
    assert before["model_version"] == "v1"
    assert before["items"][1]["source"] == "editorial"
    assert before["items"] != shop.get("/user/u08", params={"limit": 5})["items"]
    assert shop.call("POST", "/models/v1/promote").status_code == 200
    promoted = shop.get("/user/u08", params={"limit": 5})
    assert before == promoted
    assert following == shop.get("/user/u08", params={"limit": 5, "cursor": promoted["next_cursor"]})


def test_one_other_version_is_held_and_given_back(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.train()
    by(shop, "v1")
    assert others(shop).version == "v1"
    by(shop, "v2")
    assert others(shop).version == "v2"
    others(shop).let_go_if_unused()
    assert others(shop).version == "v2"
    monkeypatch.setattr("recommendation_api.background.other_models.KEPT_SECONDS", -1.0)
    others(shop).let_go_if_unused()
    assert others(shop).version is None
    assert KEPT_SECONDS > 60


def test_a_new_pin_shows_in_the_list_of_a_version_that_is_held(shop: Any) -> None:
    by(shop, "v1")
    assert shop.call("PUT", "/lists/editorial/g13", json={"position": 1}).status_code == 200
    assert by(shop, "v1")["items"][0]["game_id"] == "g13"


def test_new_games_are_placed_once_for_a_catalogue_and_not_for_each_view(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[int] = []

    def counting(live: LiveModel, catalogue: Catalogue) -> LiveModel:
        placed.append(len(catalogue.by_id))
        return with_releases(live, catalogue)

    monkeypatch.setattr("recommendation_api.background.other_models.with_releases", counting)
    by(shop, "v1")
    for position in (1, 3):
        assert shop.call("PUT", "/lists/editorial/g13", json={"position": position}).status_code == 200
        assert by(shop, "v1")["items"][position - 1]["game_id"] == "g13"
    assert placed == [16]
    shop.call("PUT", "/games", json={"game_id": "new", "similar_to": ["g02"]})
    by(shop, "v1")
    assert placed == [16, 17]


def test_too_many_comparisons_are_refused_by_their_name(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.client.app.state.parts.comparing, "_room", 0)
    answer = shop.call("GET", "/models/v1/lists/u00")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_comparisons")
    assert "by models that are not live" in answer.json()["detail"]


@pytest.mark.parametrize("version", ["v0", "nonsense", "%C3%A9"])
def test_a_version_that_is_not_kept_is_not_found(shop: Any, version: str) -> None:
    answer = shop.call("GET", f"/models/{version}/lists/u00")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_model")


def test_a_version_for_which_there_is_no_memory_is_refused_with_the_numbers(shop: Any) -> None:
    held = others(shop)
    held._settings = replace(held._settings, reader_memory_mib=100)
    answer = shop.call("GET", "/models/v1/lists/u00")
    assert answer.status_code == 422
    assert "RECOMMENDATION_READER_MEMORY_MIB=100" in answer.json()["detail"]
    assert held.version is None
