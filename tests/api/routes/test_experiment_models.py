"""Two models side by side: users of a variant are served by its model wherever lists are answered."""

from typing import Any

import pytest
from sqlalchemy import text

from recommendation.database.database import Database

Store = Any
USERS = [f"u{number:02}" for number in range(16)]


@pytest.fixture
def versions(store: Store) -> tuple[str, str]:
    """Two models that differ; the second is live."""
    store.checkerboard()
    first = store.train().model_version
    store.interact(*((f"u{user:02}", f"g{game:02}", "played") for user in range(1, 16, 2) for game in range(0, 8, 2)))
    return first, store.train().model_version


def begin(store: Store, version: str, status: int = 200) -> Any:
    variants = [{"name": "live", "share": 50}, {"name": "older", "share": 50, "model_version": version}]
    answer = store.call("PUT", "/experiments/models", json={"variants": variants})
    assert answer.status_code == status, answer.text
    return answer.json()


def users_of(store: Store, variant: str) -> list[str]:
    return [
        user
        for user in USERS
        if [one["variant"] for one in store.get(f"/user/{user}/experiments")["experiments"]] == [variant]
    ]


def ranked(page: Any) -> list[tuple[str, float]]:
    return [(item["game_id"], item["score"]) for item in page["items"]]


def test_every_way_to_a_list_has_the_model_of_the_variant(store: Store, versions: tuple[str, str]) -> None:
    first, second = versions
    begun = begin(store, first)
    assert [variant["model_version"] for variant in begun["variants"]] == [None, first]
    for variant, version in (("live", second), ("older", first)):
        user = users_of(store, variant)[0]
        page = store.get(f"/user/{user}")
        assert (page["model_version"], page["personal"]) == (version, True)
        assert page["experiments"] == [{"experiment": "models", "variant": variant, "fallback": None}]
        assert store.post("/lists/read", {"users": [user]})["lists"] == [page]
        assert store.get(f"/user/{user}/shelves")["model_version"] == version
        item = page["items"][0]
        why = store.get(f"/user/{user}/why", params={"game_id": item["game_id"]})
        assert (why["model_version"], why["rank"], why["score"]) == (version, 1, pytest.approx(item["score"], abs=1e-6))
        answered = store.post(f"/user/{user}/generate")
        assert (answered["model_version"], ranked(answered)) == (version, ranked(page))
        (stored,) = store.get(f"/user/{user}/export")["lists"]
        assert stored["model_version"] == second, "the live model's list is the one that is stored"
    assert store.get("/game/g00/similar")["model_version"] == second
    assert store.post("/recommend", {"games": {"g02": 1}})["model_version"] == second


def test_promotions_move_the_others_only_and_every_list_has_a_tag_of_its_own(
    store: Store, versions: tuple[str, str]
) -> None:
    first, second = versions
    begin(store, first)
    user, other = users_of(store, "older")[0], users_of(store, "live")[0]
    mine, theirs = f"/user/{user}?source=cf", f"/user/{other}?source=cf"
    before, others = store.call("GET", mine), store.call("GET", theirs)
    assert store.call("POST", f"/models/{first}/promote").status_code == 200
    after = store.call("GET", mine)
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert store.get(f"/user/{other}")["model_version"] == first
    assert store.call("POST", f"/models/{second}/promote").status_code == 200
    again = store.call("GET", theirs, headers={"If-None-Match": others.headers["etag"]})
    assert again.status_code == 304
    assert store.call("GET", mine).content == before.content
    assert store.call("DELETE", "/experiments/models").status_code == 204
    assert store.get(f"/user/{user}")["model_version"] == second


def test_a_model_that_is_lost_is_stood_in_for_and_counted(store: Store, versions: tuple[str, str]) -> None:
    first, second = versions
    begin(store, first)
    user = users_of(store, "older")[0]
    database = Database(store.settings.database_url)
    with database.writing() as connection:
        connection.execute(text("DELETE FROM model_artifacts WHERE version = :v"), {"v": first})
    database.close()
    parts = store.client.app.state.parts
    parts.views._loader = type(parts.views._loader)(store.settings.model_max_bytes)  # as one that has just begun
    page = store.get(f"/user/{user}")
    assert page["model_version"] == second
    assert page["experiments"] == [{"experiment": "models", "variant": "older", "fallback": "live_model"}]
    assert store.get(f"/user/{user}/experiments")["experiments"] == page["experiments"]
    shelves = store.get(f"/user/{user}/shelves")
    assert (shelves["model_version"], shelves["experiments"]) == (second, page["experiments"])
    store.post("/lists/read", {"users": [user]})
    told = store.client.get("/metrics").text
    name = 'recommendation_experiment_reads_total{experiment="models",served="%s",variant="%s"} %s'
    assert name % ("live_model", "older", "3.0") in told
    assert name % ("as_meant", "older", "0.0") in told
    assert name % ("as_meant", "live", "0.0") in told
    assert "recommendation_experiment_models_missing 1.0" in told
    store.call("DELETE", "/experiments/models")
    store.look()
    told = store.client.get("/metrics").text
    assert 'experiment="models"' not in told
    assert "recommendation_experiment_models_missing 0.0" in told


def test_a_kept_page_counts_as_a_read_of_its_variant_too(store: Store, versions: tuple[str, str]) -> None:
    begin(store, versions[0])
    user = users_of(store, "older")[0]
    for _ in range(3):
        assert store.call("GET", f"/user/{user}").status_code == 200
    assert store.client.app.state.parts.pages.found["kept"] == 2
    name = 'recommendation_experiment_reads_total{experiment="models",served="as_meant",variant="older"} 3.0'
    assert name in store.client.get("/metrics").text


def test_a_model_that_is_not_there_is_refused_with_what_to_do(store: Store, versions: tuple[str, str]) -> None:
    problem = begin(store, "v77", 409)
    assert (problem["code"], "GET /models" in problem["detail"]) == ("experiment_refused", True)
    assert begin(store, "live", 422)["code"] == "invalid_model_version"


def test_a_preview_of_the_shops_own_list_shows_in_the_list_of_a_variants_model(
    store: Store, versions: tuple[str, str]
) -> None:
    begin(store, versions[0])
    user = users_of(store, "older")[0]
    assert all(item["game_id"] != "g09" for item in store.get(f"/user/{user}", params={"limit": 1})["items"])
    told = store.post("/lists/editorial/g09/preview", {"user_id": user, "position": 1})
    assert (told["items"][0]["game_id"], told["model_version"]) == ("g09", versions[0])
    assert store.call("PUT", "/lists/editorial/g09", json={"position": 1}).status_code == 200
    assert ranked(store.get(f"/user/{user}")) == ranked(told)


def test_a_list_as_if_another_version_were_live_keeps_the_live_one_beside_where_an_experiment_names_it(
    store: Store, versions: tuple[str, str]
) -> None:
    first, second = versions
    begin(store, second)
    user, other = users_of(store, "older")[0], users_of(store, "live")[0]
    compared = {who: store.get(f"/models/{first}/lists/{who}") for who in (user, other)}
    assert (compared[user]["model_version"], compared[other]["model_version"]) == (second, first)
    assert store.call("POST", f"/models/{first}/promote").status_code == 200
    assert {who: store.get(f"/user/{who}") for who in (user, other)} == compared
