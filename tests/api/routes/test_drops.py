"""Drops and regenerations, as the operator asks for them."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import pytest

from recommendation.clock import SteadyClock, rfc3339
from recommendation.database.database import Database
from recommendation.database.tables import drops
from recommendation.errors import InvalidInput
from recommendation.lists.personal import ListSettings
from recommendation.regeneration.shard import regenerate_shard

DROP = {
    "name": "autumn",
    "generation": 1,
    "created_at": "2026-11-01T00:00:00Z",
    "games": [{"game_id": "g-new", "title": "Deep Harbour", "similar_to": ["g02", "g-unknown"]}],
    "placement": {"slots": 1, "first_position": 2, "duration_days": 90},
}


def put(store: Any, uid: str = "uid-1", **changes: Any) -> Any:
    answer = store.call("PUT", f"/drops/{uid}", json={**DROP, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def remake(store: Any, regeneration: dict[str, Any], shard: int = 0) -> None:
    database = Database(store.settings.database_url)
    try:
        regenerate_shard(database, regeneration["id"], shard, ListSettings(), 2**30, SteadyClock(), lambda users: None)
    finally:
        database.close()


@pytest.fixture
def trained(store: Any) -> Any:
    store.checkerboard()
    store.train()
    return store


def test_a_drop_says_what_it_does_not_know_and_the_same_one_twice_changes_nothing(trained: Any) -> None:
    first = put(trained)
    assert (first["state"], first["unknown_similar"]) == ("standing", ["g-unknown"])
    assert first["live_model"]["age_seconds"] >= 0
    assert put(trained)["ends_at"] == first["ends_at"]
    assert [drop["uid"] for drop in trained.get("/drops")["drops"]] == ["uid-1"]


def test_drops_tell_what_users_did_with_their_games_as_games_of_a_drop(trained: Any) -> None:
    put(trained)
    now = {"occurred_at": rfc3339(datetime.now(UTC))}
    for action, source, when, game in (
        ("shown", "drop", now, "g-new"),
        ("clicked", "drop", now, "g-new"),
        ("purchased", "drop", {}, "g-new"),
        ("purchased", "cf", {}, "g-new"),
        ("clicked", "drop", {}, "g02"),
        ("clicked", "drop", {"occurred_at": "2026-10-31T23:59:59Z"}, "g-new"),
    ):
        trained.post("/feedback", {"user_id": "u00", "game_id": game, "action": action, "source": source, **when})
    trained.post("/feedback", {"user_id": "u02", "game_id": "g-new", "action": "clicked", "source": "drop"})
    (drop,) = trained.get("/drops", params={"feedback": "true"})["drops"]
    assert drop["feedback"] == {"clicked": 2, "wishlisted": 0, "purchased": 1, "dismissed": 0}
    (drop,) = trained.get("/drops")["drops"]
    assert "feedback" not in drop


def test_drops_that_ended_are_told_when_asked_with_what_was_done_until_then(trained: Any) -> None:
    put(trained, "by-time", created_at="2026-01-01T00:00:00Z", placement={"duration_days": 2})
    put(trained, "by-hand", created_at="2026-11-02T00:00:00Z")
    put(trained, "stands", created_at="2026-11-03T00:00:00Z")
    for when in ("2026-01-01T12:00:00Z", "2026-01-05T00:00:00Z"):
        act = {"user_id": "u00", "game_id": "g-new", "action": "clicked", "source": "drop", "occurred_at": when}
        trained.post("/feedback", act)
    assert trained.call("DELETE", "/drops/by-hand").status_code == 204
    trained.post("/feedback", {"user_id": "u00", "game_id": "g-new", "action": "clicked", "source": "drop"})
    assert [drop["uid"] for drop in trained.get("/drops")["drops"]] == ["stands"]
    stands, by_hand, by_time = trained.get("/drops", params={"ended": "true", "feedback": "true"})["drops"]
    assert [drop["state"] for drop in (stands, by_hand, by_time)] == ["standing", "ended", "ended"]
    assert [drop["uid"] for drop in (by_hand, by_time)] == ["by-hand", "by-time"], "the latest release first"
    assert (stands["ended_at"], by_time["ended_at"]) == (None, None)
    assert by_hand["ended_at"] < by_hand["ends_at"]
    assert [drop["feedback"]["clicked"] for drop in (stands, by_hand, by_time)] == [1, 0, 1]


def test_a_released_game_takes_the_drops_place_among_owners_of_what_it_is_like_only(trained: Any) -> None:
    put(trained)
    remake(trained, trained.post("/regenerations", {"drop_uid": "uid-1"}))
    even, odd = trained.get("/user/u00")["items"], trained.get("/user/u01")["items"]
    assert (even[1]["game_id"], even[1]["source"]) == ("g-new", "drop")
    assert "g-new" not in [item["game_id"] for item in odd[:10]]
    assert trained.call("DELETE", "/drops/uid-1").status_code == 204
    assert {item["source"] for item in trained.get("/user/u00")["items"]} == {"cf", "popular"}


def test_a_drop_tells_how_its_lists_were_remade_and_what_users_did_day_by_day(trained: Any) -> None:
    put(trained)
    nothing = {"regeneration_id": None, "users_targeted": None, "points": [], "days": []}
    assert trained.get("/drops/uid-1/reach") == nothing
    opened = trained.post("/regenerations", {"drop_uid": "uid-1", "shards": 2})
    assert [point["users"] for point in trained.get("/drops/uid-1/reach")["points"]] == [0]
    remake(trained, opened, 0)
    half = trained.get(f"/regenerations/{opened['id']}")["users_regenerated"]
    remake(trained, opened, 1)
    for action, when, source in (
        ("clicked", "2026-11-02T23:59:59Z", "drop"),
        ("clicked", "2026-11-02T00:00:00Z", "drop"),
        ("purchased", "2026-11-03T00:00:00Z", "drop"),
        ("shown", "2026-11-04T00:00:00Z", "drop"),
        ("clicked", "2026-11-05T00:00:00Z", "cf"),
    ):
        act = {"user_id": "u00", "game_id": "g-new", "action": action, "source": source, "occurred_at": when}
        trained.post("/feedback", act)
    found = trained.get("/drops/uid-1/reach")
    assert (found["regeneration_id"], found["users_targeted"]) == (opened["id"], 16)
    assert [point["users"] for point in found["points"]] == [0, half, 16]
    times = [point["at"] for point in found["points"]]
    assert times == sorted(times)
    assert times[0] == opened["started_at"]
    none = {"clicked": 0, "wishlisted": 0, "purchased": 0, "dismissed": 0}
    assert found["days"] == [
        {"day": "2026-11-02", **none, "clicked": 2},
        {"day": "2026-11-03", **none, "purchased": 1},
    ]
    assert trained.call("GET", "/drops/nothing/reach").status_code == 404


def test_a_preview_says_whom_a_drop_would_reach_and_writes_nothing(trained: Any) -> None:
    before = trained.get("/regenerations")
    placement = {"slots": 1, "first_position": 1}
    preview = trained.post("/drops/uid-1/preview", {**DROP, "audience": {}, "placement": placement})
    assert preview["users_targeted"] == 16
    assert 8 <= preview["lists_touched"] <= 16
    # Each owner's list began with the one game they had left; the release would stand before it.
    assert {row["game_id"] for row in preview["displaced"]} <= {f"g{game:02}" for game in range(0, 16, 2)}
    assert sum(row["lists"] for row in preview["displaced"]) >= 7
    assert trained.get("/regenerations") == before
    assert trained.get("/drops") == {"drops": []}
    assert trained.call("GET", "/user/u00/why", params={"game_id": "g-new"}).status_code == 404


@pytest.mark.parametrize("holdout", [{}, {"percent": 0}, {"percent": 51}, {"percent": 1.5}, {"users": 3}, 10])
def test_a_holdout_is_some_percent_of_the_users(store: Any, holdout: Any) -> None:
    assert store.call("PUT", "/drops/uid-1", json={**DROP, "holdout": holdout}).status_code == 422


def test_who_is_held_back_has_no_place_of_the_drop_wherever_lists_are_read(trained: Any) -> None:
    assert put(trained, holdout={"percent": 50})["holdout"] == {"percent": 50}
    opened = trained.post("/regenerations", {"drop_uid": "uid-1"})
    remake(trained, opened)
    users = [f"u{number:02}" for number in range(0, 16, 2)]
    held = {user for user in users if trained.get(f"/user/{user}/experiments")["holdouts"][0]["held_back"]}
    assert 0 < len(held) < 8
    batch = trained.post("/lists/read", {"users": users})["lists"]
    for user, together in zip(users, batch, strict=True):
        alone = trained.get(f"/user/{user}")
        new = next(item for item in alone["items"] if item["game_id"] == "g-new")
        assert new["source"] == ("cf" if user in held else "drop")
        assert [(item["game_id"], item["source"]) for item in together["items"]] == [
            (item["game_id"], item["source"]) for item in alone["items"]
        ]
        shelves = trained.get(f"/user/{user}/shelves")["rows"]
        assert ("drop" in {item["source"] for row in shelves for item in row["items"]}) is (user not in held)
        exported = trained.get(f"/user/{user}/export")["holdouts"]
        assert exported == [{"drop_uid": "uid-1", "held_back": user in held}]
    assert trained.call("DELETE", "/drops/uid-1").status_code == 204
    assert trained.get("/user/u00/experiments")["holdouts"] == []


def test_games_in_the_lists_of_those_held_back_are_not_the_drops_doing(trained: Any) -> None:
    body = {**DROP, "audience": {}, "holdout": {"percent": 50}}
    without = trained.post("/drops/uid-1/preview", {**body, "holdout": None})
    preview = trained.post("/drops/uid-1/preview", body)
    assert without["users_held_back"] == 0
    assert 0 < preview["users_held_back"] < 16
    assert 0 < preview["lists_touched"] < without["lists_touched"]
    # A drop that holds half of all back, but of those whose lists would hold its game all, reaches nothing.
    even = [f"u{number:02}" for number in range(0, 16, 2)]
    uid = next(uid for uid in map(str, range(10_000)) if all(is_held_back(uid, user) for user in even))
    put(trained, uid, holdout={"percent": 50}, games=[{"game_id": "g-new", "similar_to": ["g02"]}])
    opened = trained.post("/regenerations", {"drop_uid": uid})
    remake(trained, opened)
    done = trained.get(f"/regenerations/{opened['id']}")
    assert (done["users_targeted"], done["users_regenerated"]) == (16, 16)
    assert done["release_coverage"] == float(any("g-new" in trained.listed(f"u{n:02}") for n in range(1, 16, 2)))


def is_held_back(uid: str, user: str) -> bool:
    """Tell by hashes alone whether a user is in the half that a drop holds back."""
    key = blake2b(f"variant:drop/{uid}".encode(), digest_size=32, person=b"experiment key").digest()
    return int.from_bytes(blake2b(user.encode(), digest_size=8, key=key).digest(), "big") % 100 < 50


def test_a_regeneration_reports_what_was_done_and_ends_when_every_shard_is_through(trained: Any) -> None:
    put(trained)
    opened = trained.post("/regenerations", {"drop_uid": "uid-1", "shards": 2})
    assert (opened["state"], opened["users_targeted"], opened["users_regenerated"]) == ("running", 16, 0)
    remake(trained, opened, 0)
    half = trained.get(f"/regenerations/{opened['id']}")
    assert (half["state"], half["shards_done"]) == ("running", 1)
    remake(trained, opened, 0)
    remake(trained, opened, 1)
    done = trained.get(f"/regenerations/{opened['id']}")
    assert (done["state"], done["users_regenerated"], done["users_personal"]) == ("succeeded", 16, 16)
    assert done["release_coverage"] == 1.0
    assert 0 < done["catalogue_coverage_after"] <= 1


def test_only_shards_that_are_not_through_can_be_said_to_have_failed(trained: Any) -> None:
    opened = trained.post("/regenerations", {"shards": 3})
    remake(trained, opened, 1)
    failed = trained.post(f"/regenerations/{opened['id']}/fail", {"failed_shards": [0, 1, 2]})
    assert (failed["state"], failed["failed_shards"]) == ("failed", [0, 2])
    assert failed["users_failed"] == 16 - failed["users_regenerated"]


def test_a_deleted_drop_ends_its_regeneration_and_nothing_more_is_written(trained: Any) -> None:
    put(trained)
    opened = trained.post("/regenerations", {"drop_uid": "uid-1"})
    trained.call("DELETE", "/drops/uid-1")
    assert trained.get(f"/regenerations/{opened['id']}")["state"] == "failed"
    with pytest.raises(InvalidInput):
        remake(trained, opened)
    assert trained.get("/user/u00/export")["lists"] == []


def test_a_regeneration_without_a_model_says_what_is_missing(store: Any) -> None:
    answer = store.call("POST", "/regenerations", json={"shards": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "model_missing")


def test_an_unknown_drop_or_regeneration_is_said_to_be_unknown(trained: Any) -> None:
    assert trained.call("GET", "/regenerations/none").status_code == 404
    assert trained.call("POST", "/regenerations", json={"drop_uid": "none"}).status_code == 422
    assert trained.call("DELETE", "/drops/none").status_code == 204


FAR_AWAY = {"release_time": "2099-01-01T00:00:00Z"}


def test_what_a_deleted_drop_said_of_a_game_that_it_made_known_ends_with_it(trained: Any) -> None:
    drop = {**FAR_AWAY, "games": [{"game_id": "g-new", "title": "Deep Harbour", "similar_to": ["g02"]}]}
    put(trained, **drop)
    assert trained.get("/user/u00/why", params={"game_id": "g-new"})["code"] == "not_released"
    trained.interact(("u15", "g-new", "played"))
    assert "g-new" not in trained.listed("stranger", limit=100), "it is not released yet"
    trained.call("DELETE", "/drops/uid-1")
    items = {item["game_id"]: item for item in trained.get("/user/stranger", params={"limit": 100})["items"]}
    assert "Deep Harbour" not in items["g-new"]["reason"]["text"]
    why = trained.get("/user/u00/why", params={"game_id": "g-new"})
    assert (why["source"], why["score"]) == ("popular", None), "nothing says any more what it is like"
    again = trained.call("PUT", "/drops/uid-1", json={**DROP, **drop})
    assert (again.status_code, again.json()["code"]) == (409, "drop_ended")
    assert "another uid" in again.json()["detail"]
    opened = trained.call("POST", "/regenerations", json={"drop_uid": "uid-1"})
    assert (opened.status_code, "was ended" in opened.json()["detail"]) == (422, True)
    assert "g-new" in trained.listed("stranger", limit=100), "an ended drop stays ended"


GAME = {"game_id": "g-new", "title": "Deep Harbour", "similar_to": ["g02", "g-unknown"]}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "winter"}, "other name:"),
        ({"games": [{**GAME, "title": "Other"}]}, "other games:"),
        ({"games": [{**GAME, "tags": ["co-op"]}]}, "other games:"),
        ({"games": [{**GAME, "similar_to": ["g02"]}]}, "other games:"),
        ({"games": [GAME, {"game_id": "g04"}]}, "other games:"),
        ({"created_at": "2026-11-02T00:00:00Z"}, "other created_at and release_time:"),
        ({"release_time": "2026-11-05T00:00:00Z"}, "other release_time:"),
        ({"placement": {"slots": 2, "first_position": 2, "duration_days": 90}}, "other placement:"),
        ({"placement": {"slots": 1, "first_position": 2, "duration_days": 9}}, "other placement:"),
        ({"holdout": {"percent": 10}}, "other holdout:"),
        ({"generation": 2, "name": "winter"}, "other name:"),
    ],
)
def test_another_drop_under_a_known_uid_is_refused_with_what_differs_and_changes_nothing(
    trained: Any, changes: dict[str, Any], named: str
) -> None:
    put(trained, games=[GAME])
    before = (trained.get("/drops"), games(trained))
    answer = trained.call("PUT", "/drops/uid-1", json={**DROP, "games": [GAME], **changes})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "drop_differs")
    assert named.rstrip(":") in problem["detail"]
    assert "end it with DELETE" in problem["detail"]
    assert (trained.get("/drops"), games(trained)) == before


@pytest.mark.parametrize("over", [False, True], ids=["standing", "over by its time"])
def test_the_same_drop_is_taken_again_however_it_is_spelt_and_its_generation_only_rises(
    trained: Any, over: bool
) -> None:
    """As the operator sends it: once more after a lost reply, and with a higher generation after `suspend`."""
    created = {"created_at": "2026-01-01T00:00:00Z" if over else DROP["created_at"]}
    pair = [GAME, {"game_id": "g04"}]
    first = put(trained, **created, games=pair)
    assert first["state"] == ("ended" if over else "standing")
    spelt = created["created_at"].replace("Z", "+00:00")
    same = {**created, "games": pair[::-1], "release_time": spelt, "holdout": None}
    for sent, stands in ((1, 1), (3, 3), (2, 3)):
        again = put(trained, **same, generation=sent)
        volatile = {name: again[name] for name in ("now", "live_model")}
        assert again == {**first, "generation": stands, "games": again["games"], **volatile}
        assert sorted(again["games"]) == ["g-new", "g04"]


def test_a_drop_of_the_first_release_of_which_only_the_ids_are_kept_is_known_by_them(trained: Any) -> None:
    put(trained)
    with trained.client.app.state.parts.database.writing() as connection:
        connection.execute(drops.update().values(given=None))
    assert put(trained)["uid"] == "uid-1"
    other = trained.call("PUT", "/drops/uid-1", json={**DROP, "games": [{"game_id": "g04"}]})
    assert (other.status_code, other.json()["code"]) == (409, "drop_differs")


def test_a_drop_adds_to_a_known_game_where_nothing_stands_and_replaces_nothing(trained: Any) -> None:
    own = {"title": "Two", "tags": ["own"], "similar_to": ["g04"]}
    known = [{"game_id": "g02", **own}, {"game_id": "g06", "released_at": "2098-01-01T00:00:00Z"}]
    assert trained.call("PUT", "/games", json=known).status_code == 200
    before = games(trained)
    said = {"title": "Other", "tags": ["other"], "similar_to": ["g01"]}
    put(trained, **FAR_AWAY, games=[{"game_id": name, **said} for name in ("g02", "g04", "g06")])
    during = games(trained)
    assert during["g02"] == before["g02"]
    assert during["g04"] == ("Other", ("other",), ("g01",), None), "it is on sale already"
    assert during["g06"] == ("Other", ("other",), ("g01",), before["g06"][3])
    put(trained, "uid-2", games=[{"game_id": "g06", "title": "Third"}])
    trained.call("DELETE", "/drops/uid-1")
    assert games(trained) == {**before, "g06": ("Third", (), (), before["g06"][3])}
    trained.call("DELETE", "/drops/uid-2")
    assert games(trained) == before


def test_a_game_of_two_drops_comes_with_the_earlier_and_stays_hidden_for_the_one_that_is_left(trained: Any) -> None:
    only = {"games": [{"game_id": "g-new"}]}
    put(trained, "later", **FAR_AWAY, **only)
    put(trained, "sooner", release_time="2098-01-01T00:00:00Z", **only)
    assert games(trained)["g-new"][3].year == 2098
    trained.call("DELETE", "/drops/later")
    assert games(trained)["g-new"][3].year == 2098
    trained.call("DELETE", "/drops/sooner")
    assert games(trained)["g-new"][3] is None


def test_a_preview_shows_what_the_drop_will_do_to_games_that_are_known(trained: Any) -> None:
    """The shop hides g04 itself: a drop does not release it, so it would displace nothing."""
    trained.call("PUT", "/games", json=[{"game_id": "g04", "released_at": "2098-01-01T00:00:00Z"}])
    drop = {**DROP, "games": [{"game_id": "g04", "similar_to": ["g02"]}], "audience": {}}
    trained.look()
    assert trained.post("/drops/uid-1/preview", drop)["lists_touched"] == 0
    put(trained, **FAR_AWAY)
    trained.look()
    preview = trained.post("/drops/uid-1/preview", {**DROP, **FAR_AWAY, "audience": {}})
    assert preview["lists_touched"] >= 8, "it shows the lists as of the release"


def games(store: Any) -> dict[str, tuple[Any, ...]]:
    """Return what readers know of each game: title, tags, similar games and release."""
    store.look()
    view = store.client.app.state.parts.views.view
    return {
        name: (game.title, game.tags, game.similar_to, game.released_at) for name, game in view.catalogue.by_id.items()
    }


def test_a_drop_that_was_overtaken_begins_anew_with_a_higher_number(trained: Any) -> None:
    put(trained)
    first = trained.post("/regenerations", {"drop_uid": "uid-1"})
    beside = trained.post("/regenerations", {})
    remake(trained, beside)
    path = f"/regenerations/{first['id']}"
    newer = {"regeneration_id": beside["id"], "model_version": beside["model_version"]}
    assert trained.get(path)["overtaken_by"] == newer
    second = trained.post("/regenerations", {"drop_uid": "uid-1", "replaces": first["id"]})
    assert second["overtaken_by"] is None
    assert (trained.get(path)["state"], trained.get(path)["replaced_by"]) == ("failed", second["id"])
    with pytest.raises(InvalidInput):
        remake(trained, first)
    remake(trained, second)
    done = trained.get(f"/regenerations/{second['id']}")
    assert (done["users_regenerated"], done["users_overtaken"], done["release_coverage"]) == (16, 0, 1.0)


def test_a_drop_beside_which_others_wrote_counts_what_it_wrote(trained: Any) -> None:
    put(trained)
    first = trained.post("/regenerations", {"drop_uid": "uid-1"})
    beside = trained.post("/regenerations", {})
    remake(trained, beside)
    remake(trained, first)
    done = trained.get(f"/regenerations/{first['id']}")
    assert (done["users_regenerated"], done["users_overtaken"]) == (0, 16)
    assert done["overtaken_by"]["regeneration_id"] == beside["id"]
    assert (done["release_coverage"], done["catalogue_coverage_after"]) == (
        1.0,
        trained.get(f"/regenerations/{beside['id']}")["catalogue_coverage_after"],
    )


def test_the_lift_of_a_drop_is_told_to_the_operator_and_only_where_it_has_a_holdout(trained: Any) -> None:
    put(trained, "uid-1", holdout={"percent": 10})
    put(trained, "uid-2")
    told = trained.get("/drops/uid-1/lift")
    assert (told["state"], told["percent"], told["outcome"], told["games"]) == ("Collecting", 10, "purchased", "drop")
    assert told["placed"] == told["held_back"] == {"exposed": 0, "counted": 0, "mean": None}
    trained.post("/feedback", {"user_id": "u00", "game_id": "g02", "action": "shown"})
    told = trained.get("/drops/uid-1/lift", params={"outcome": "wishlisted", "games": "all"})
    assert (told["outcome"], told["games"]) == ("wishlisted", "all")
    assert told["placed"]["exposed"] + told["held_back"]["exposed"] == 1
    for path, status, code in (
        ("/drops/uid-2/lift", 404, "unknown_holdout"),
        ("/drops/none/lift", 404, "unknown_holdout"),
        ("/drops/uid-1/lift?outcome=sold", 422, "unknown_outcome"),
        ("/drops/uid-1/lift?games=own", 422, "invalid_parameter"),
    ):
        answer = trained.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    assert trained.call("DELETE", "/drops/uid-1").status_code == 204
    assert trained.get("/drops/uid-1/lift")["placed"]["exposed"] <= 1
