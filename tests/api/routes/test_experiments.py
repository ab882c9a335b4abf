"""Experiments as data scientists begin them, and as store backends see them in lists."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommendation_api.background import first_reads as noting

Store = Any
VARIANTS = [{"name": "as-ever", "share": 50}, {"name": "popular", "share": 50, "lists": "popular"}]


USERS = [f"u{number:02}" for number in range(16)]


def owned(user: str) -> set[int]:
    """Return the games that a user of the checkerboard has."""
    number = int(user[1:])
    return set(range(number % 2, 16, 2)) - {number}


def begin(store: Store, name: str, **more: Any) -> Any:
    answer = store.call("PUT", f"/experiments/{name}", json={"variants": VARIANTS, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def split(store: Store, experiment: str) -> dict[str, list[str]]:
    """Return the users of each variant."""
    found: dict[str, list[str]] = {}
    for user in USERS:
        for given in store.get(f"/user/{user}/experiments")["experiments"]:
            if given["experiment"] == experiment:
                found.setdefault(given["variant"], []).append(user)
    return found


def test_lists_are_popular_for_one_variant_and_say_so_until_it_ends(store: Store) -> None:
    store.checkerboard()
    store.train()
    before = {user: store.listed(user) for user in USERS}
    begun = begin(store, "lasting")
    users = split(store, "lasting")
    assert len(users["as-ever"]) + len(users["popular"]) == 16
    for variant in ("as-ever", "popular"):
        user = users[variant][0]
        page = store.get(f"/user/{user}")
        assert page["experiments"] == [{"experiment": "lasting", "variant": variant, "fallback": None}]
        assert page["personal"] is (variant == "as-ever")
        assert store.post("/lists/read", {"users": [user]})["lists"] == [page]
    assert store.listed(users["as-ever"][0]) == before[users["as-ever"][0]]
    assert {item["source"] for item in page["items"]} == {"popular"}
    assert user[1:] in {item["game_id"][1:] for item in page["items"]}
    assert not {item["game_id"] for item in page["items"]} & {f"g{n:02}" for n in owned(user)}
    kept = {name: begun[name] for name in ("variants", "starts_at")}
    begin(store, "lasting", **kept, ends_at=datetime.now(UTC).isoformat())
    assert store.get("/experiments/lasting")["state"] == "ended"
    assert {user: store.listed(user) for user in USERS} == before


def test_why_says_that_an_experiment_leaves_a_game_out(store: Store) -> None:
    store.checkerboard()
    store.train()
    store.call("PUT", "/games", json=[{"game_id": "new", "similar_to": ["g00", "g01"]}])
    assert store.get("/user/u00/why", params={"game_id": "new"})["code"] != "experiment"
    begin(store, "lasting", variants=[{**VARIANTS[0], "share": 1}, {**VARIANTS[1], "share": 99}])
    told = store.get("/user/u00/why", params={"game_id": "new"})
    assert told["code"] == "experiment"
    assert told["text"].endswith("in the place of a personal list: lasting/popular")


def test_a_drop_has_places_for_one_variant_only(store: Store) -> None:
    store.checkerboard()
    store.train()
    now = datetime.now(UTC)
    drop = {
        "name": "autumn",
        "games": [{"game_id": "g00"}, {"game_id": "g01"}],
        "created_at": (now - timedelta(minutes=1)).isoformat(),
        "placement": {"slots": 2, "first_position": 1},
    }
    assert store.call("PUT", "/drops/d1", json=drop).status_code == 200
    begin(store, "places", variants=[VARIANTS[0], {"name": "without", "share": 50, "placement": "off"}])
    placed = {user: any(item["source"] == "drop" for item in store.get(f"/user/{user}")["items"]) for user in USERS}
    users = split(store, "places")
    assert not any(placed[user] for user in users["without"])
    assert any(placed[user] for user in users["as-ever"])


def test_the_etag_tells_variants_apart_and_head_promises_the_same(store: Store) -> None:
    store.checkerboard()
    store.train()
    address = "/user/u00?source=cf"
    plain = store.call("GET", address)
    begin(store, "lasting")
    answer = store.call("GET", address)
    assert answer.headers["etag"] != plain.headers["etag"]
    known = {"If-None-Match": answer.headers["etag"]}
    assert store.call("GET", address, headers=known).status_code == 304
    assert store.call("GET", address, headers={"If-None-Match": plain.headers["etag"]}).status_code == 200
    head = store.call("HEAD", address)
    assert (head.status_code, head.headers["etag"], head.content) == (200, answer.headers["etag"], b"")
    store.call("DELETE", "/experiments/lasting")
    assert store.call("GET", address).headers["etag"] == plain.headers["etag"]


def test_a_basket_is_in_no_experiment(store: Store) -> None:
    store.checkerboard()
    store.train()
    begin(store, "lasting", variants=[{**VARIANTS[0], "share": 1}, {**VARIANTS[1], "share": 99}])
    answer = store.post("/recommend", {"games": {"g02": 1}})
    assert "experiments" not in answer
    assert answer["personal"] is True


def test_experiments_are_listed_read_repeated_and_deleted(store: Store) -> None:
    first = begin(store, "lasting", layer="second", percent=20)
    assert begin(store, "lasting", layer="second", percent=20) == first
    assert store.get("/experiments") == {"experiments": [first]}
    assert store.get("/experiments/lasting") == first
    assert store.call("DELETE", "/experiments/lasting").status_code == 204
    assert store.call("DELETE", "/experiments/lasting").status_code == 204
    missing = store.call("GET", "/experiments/lasting")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_experiment")


def test_what_cannot_be_begun_is_refused(store: Store) -> None:
    begin(store, "lasting")
    for name, body, status, code in (
        ("lasting", {"variants": VARIANTS, "window_days": 3}, 409, "experiment_refused"),
        ("other", {"variants": VARIANTS}, 409, "experiment_refused"),
        ("Other", {"variants": VARIANTS}, 422, "invalid_name"),
        ("other", {"variants": VARIANTS[:1]}, 422, "invalid_variants"),
        ("other", [], 422, "not_an_object"),
    ):
        answer = store.call("PUT", f"/experiments/{name}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_the_export_of_a_person_names_their_variants(store: Store) -> None:
    begin(store, "lasting")
    (given,) = store.get("/user/u00/experiments")["experiments"]
    del given["fallback"]
    assert store.get("/user/u00/export")["experiments"] == [given]


def test_a_report_counts_what_was_shown_and_who_is_missing(store: Store) -> None:
    begin(store, "lasting")
    store.post("/feedback", [{"user_id": user, "game_id": "g00", "action": "shown"} for user in USERS])
    told = store.get("/experiments/lasting/report")
    assert sum(one["exposed"] for one in told["variants"]) == 16
    assert [one["counted"] for one in told["variants"]] == [0, 0]
    assert told["variants"][1]["compared"]["state"] == "Collecting"
    assert store.get("/experiments/lasting/report", params={"outcome": "played"})["outcome"] == "played"
    early, late = ({"at": at} for at in (store.get("/experiments/lasting")["starts_at"], "2999-01-01T00:00:00Z"))
    before = store.get("/experiments/lasting/report", params=early)
    assert ([one["exposed"] for one in before["variants"]], before["counted_until"]) == ([0, 0], early["at"])
    assert store.get("/experiments/lasting/report", params=late)["variants"] == told["variants"]
    for path, status, code in (
        ("/experiments/other/report", 404, "unknown_experiment"),
        ("/experiments/lasting/report?at=yesterday", 422, "invalid_at"),
        ("/experiments/lasting/report?outcome=enjoyed", 422, "unknown_outcome"),
    ):
        answer = store.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_feedback_keeps_the_variants_that_its_user_had_as_it_happened(store: Store) -> None:
    begin(store, "lasting", layer="one")
    begin(store, "places", layer="two", variants=[VARIANTS[0], {"name": "none", "share": 50, "placement": "off"}])
    given = {name: split(store, name) for name in ("lasting", "places")}
    user = given["lasting"]["popular"][0]
    mine = {
        name: next(variant for variant, users in given[name].items() if user in users) for name in ("lasting", "places")
    }
    earlier = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    store.post(
        "/feedback",
        [
            {"user_id": user, "game_id": "g00", "action": "shown"},
            {"user_id": user, "game_id": "g00", "action": "clicked", "event_id": "c1"},
            {"user_id": user, "game_id": "g01", "action": "clicked", "occurred_at": earlier},
        ],
    )
    store.post("/feedback", [{"user_id": user, "game_id": "g00", "action": "clicked", "event_id": "c1"}])
    told = [row["experiments"] for row in store.get(f"/user/{user}/export")["feedback"]]
    named = [{"experiment": name, "variant": mine[name]} for name in ("lasting", "places")]
    assert told == [named, named, []]
    metrics = store.client.get("/metrics").text
    series = 'recommendation_experiment_feedback_total{action="%s",experiment="lasting",variant="%s"} %s'
    assert series % ("clicked", "popular", "1.0") in metrics
    assert series % ("shown", "popular", "1.0") in metrics
    assert series % ("clicked", "as-ever", "0.0") in metrics
    store.call("DELETE", "/experiments/lasting")
    assert [row["experiments"] for row in store.get(f"/user/{user}/export")["feedback"]] == told
    assert store.call("DELETE", f"/user/{user}").json()["erased"]["feedback"] == 3


def test_a_kept_page_notes_a_read_that_was_left_out_at_first_and_nothing_after_that(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.checkerboard()
    store.train()
    begin(store, "reads", exposure="read")
    parts = store.client.app.state.parts
    store.look()
    with monkeypatch.context() as patched:
        patched.setattr(noting, "MOST_WAITING", 0)
        store.call("GET", "/user/u00")
    assert (len(parts.first_reads), parts.first_reads.left_out) == (0, 1)
    store.call("GET", "/user/u00")
    assert (len(parts.first_reads), parts.pages.found["kept"]) == (1, 1)
    store.call("GET", "/user/u01")
    asked = []
    monkeypatch.setattr(parts.first_reads, "saw", lambda *given: asked.append(given) is None)
    store.call("GET", "/user/u01")
    assert (parts.pages.found["kept"], asked) == (2, [])


def test_lists_that_are_read_expose_where_an_experiment_says_so_and_the_read_writes_nothing(store: Store) -> None:
    store.checkerboard()
    store.train()
    begun = begin(store, "reads", exposure="read")
    assert begun["exposure"] == "read"
    begin(store, "shown", layer="other")
    first_reads = store.client.app.state.parts.first_reads
    store.look()
    for user, read in (
        ("u00", lambda: store.call("GET", "/user/u00")),
        ("u00", lambda: store.call("GET", "/user/u00")),
        ("u01", lambda: store.call("POST", "/lists/read", json={"users": ["u01"]})),
        ("u02", lambda: store.call("GET", "/user/u02/shelves")),
        ("u03", lambda: store.call("POST", "/user/u03/generate")),
        ("u04", lambda: store.call("GET", "/user/u04/why?game_id=g04")),
        (None, lambda: store.call("POST", "/recommend", json={"games": {"g02": 1}})),
    ):
        assert read().status_code == 200
        if user is not None:
            assert store.get(f"/user/{user}/export")["exposures"] == []
    assert {user for _, user in first_reads._waiting} == {"u00", "u01", "u02", "u03"}
    assert {begun.name for begun, _ in first_reads._waiting} == {"reads"}
    first_reads.leave()
    assert [one["experiment"] for one in store.get("/user/u00/export")["exposures"]] == ["reads"]
    told = store.get("/experiments/reads/report")
    assert (told["exposure"], sum(one["exposed"] for one in told["variants"])) == ("read", 4)
    assert sum(one["exposed"] for one in store.get("/experiments/shown/report")["variants"]) == 0
    store.call("GET", "/user/u05")
    assert store.call("DELETE", "/user/u05").status_code == 200
    first_reads.leave()
    assert sum(one["exposed"] for one in store.get("/experiments/reads/report")["variants"]) == 4
    answer = store.call("PUT", "/experiments/reads", json={"variants": VARIANTS, "exposure": "shown"})
    assert (answer.status_code, "exposure cannot change" in answer.json()["detail"]) == (409, True)
