"""The winner of an experiment is made live, or the answer says why no one can."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from past_experiments import begun_days_ago, bought_by_variant
from sqlalchemy import text

from recommendation.database.database import Database

Store = Any
USERS = 280


@pytest.fixture
def versions(store: Store) -> tuple[str, str]:
    """Two models; the second is live."""
    store.checkerboard()
    return store.train().model_version, store.train().model_version


def compared(store: Store, variants: list[dict[str, Any]], users: int = USERS, **bought: int) -> None:
    """Compare variants since ten days, whose users bought so often."""
    share = 100 // len(variants)
    last = 100 - share * (len(variants) - 1)
    given = [{"share": share, **one} for one in variants[:-1]] + [{"share": last, **variants[-1]}]
    begun = begun_days_ago(store.settings.database_url, "models", {"variants": given, "window_days": 1})
    store.look()
    if users:
        store.post(
            "/feedback", bought_by_variant(begun, users, {name.replace("_", "-"): n for name, n in bought.items()})
        )


def promote(store: Store, status: int = 200, **options: Any) -> Any:
    answer = store.call("POST", "/experiments/models/promote", **options)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("better", ["older", "newer"])
def test_the_better_model_goes_live_and_the_experiment_ends(
    store: Store, versions: tuple[str, str], better: str
) -> None:
    """Also where the better one is the first variant, which others are compared with."""
    named = dict(zip(("older", "newer"), versions, strict=True))
    compared(store, [{"name": n, "model_version": v} for n, v in named.items()], **{"older": 0, "newer": 0, better: 2})
    assert store.get("/experiments/models/report")["winner"] == {"variant": better, "undecided": None}
    told = promote(store)
    expected = {"experiment": "models", "variant": better, "live": named[better], "before": versions[1]}
    assert {name: told[name] for name in expected} == expected
    assert (told["regeneration_id"] is None) == (better == "newer")
    assert store.get("/models")["live"] == named[better]
    assert store.get("/experiments/models")["state"] == "ended"
    assert store.get("/user/u00")["experiments"] == []
    assert store.get("/user/u00")["model_version"] == named[better]
    ended_at = store.get("/experiments/models")["ends_at"]
    assert promote(store)["regeneration_id"] is None, "it is live, and the experiment has ended: nothing is left to do"
    assert store.get("/experiments/models")["ends_at"] == ended_at


def test_a_retry_is_a_replay_also_after_the_experiment_is_gone(store: Store, versions: tuple[str, str]) -> None:
    compared(
        store, [{"name": "a", "model_version": versions[1]}, {"name": "b", "model_version": versions[0]}], a=0, b=2
    )
    key = {"Idempotency-Key": "once"}
    told = promote(store, headers=key)
    store.call("DELETE", "/experiments/models")
    again = store.call("POST", "/experiments/models/promote", headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (told, "true")
    assert promote(store, 404)["code"] == "unknown_experiment"


MODEL = "older model"


@pytest.mark.parametrize(
    ("variants", "users", "bought", "words"),
    [
        ([{"name": "a"}, {"name": "b", "model_version": MODEL}], 0, {}, "a has 0, b has 0"),
        (
            [{"name": "a"}, {"name": "b", "model_version": MODEL}],
            USERS,
            {"a": 1, "b": 1},
            "no variant is surely better",
        ),
        ([{"name": "a"}, {"name": "b", "model_version": MODEL}], USERS, {"a": 2, "b": 0}, "a won, and names no model"),
        (
            [{"name": "a"}, {"name": "b", "model_version": MODEL, "settings": {"diversity": 0.5}, "placement": "off"}],
            USERS,
            {"a": 0, "b": 2},
            "b won, and its users get more than v1: give everyone placement off, diversity 0.5, then POST /models/v1/",
        ),
        (
            [{"name": "a"}, {"name": "b", "model_version": MODEL}, {"name": "c", "lists": "popular"}],
            420,
            {"a": 0, "b": 2, "c": 2},
            "no variant is surely better than each other one",
        ),
    ],
    ids=["no users", "no difference", "no model", "more than a model", "two that beat the first"],
)
def test_where_nothing_can_be_promoted_the_answer_says_why_and_nothing_changes(
    store: Store, versions: tuple[str, str], variants: list[Any], users: int, bought: dict[str, int], words: str
) -> None:
    given = [{**one, "model_version": versions[0]} if one.get("model_version") else one for one in variants]
    compared(store, given, users, **bought)
    told = promote(store, 409)
    assert told["code"] == "experiment_refused"
    assert words in told["detail"]
    assert store.get("/models")["live"] == versions[1]
    assert store.get("/experiments/models")["state"] == "running"


def test_users_missing_from_a_variant_leave_no_winner(store: Store, versions: tuple[str, str]) -> None:
    compared(store, [{"name": "a"}, {"name": "b", "model_version": versions[0]}], 0)
    begun = store.get("/experiments/models")
    at = datetime.fromisoformat(begun["starts_at"]) + timedelta(hours=1)
    split: dict[str, list[str]] = {"a": [], "b": []}
    for number in range(700):
        (mine,) = store.call("GET", f"/user/y{number}/experiments").json()["experiments"]
        split[mine["variant"]].append(f"y{number}")
    rows = [(user, "shown") for user in split["a"]] + [(user, "shown") for user in split["b"][:120]]
    rows += [(user, "purchased") for user in split["b"][:120]]
    store.post("/feedback", [
        {"user_id": user, "game_id": "g00", "action": action, "occurred_at": at.isoformat()} for user, action in rows
    ])  # fmt: skip
    assert "users are missing from a variant" in promote(store, 409)["detail"]


def test_an_experiment_that_waits_has_no_winner(store: Store, versions: tuple[str, str]) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    sides = [{"name": "a", "share": 50}, {"name": "b", "share": 50, "model_version": versions[0]}]
    assert store.call("PUT", "/experiments/models", json={"variants": sides, "starts_at": later}).status_code == 200
    assert "models has not started" in promote(store, 409)["detail"]


def test_a_model_that_is_not_kept_any_more_is_not_promoted(store: Store, versions: tuple[str, str]) -> None:
    compared(store, [{"name": "a"}, {"name": "b", "model_version": versions[0]}], a=0, b=2)
    database = Database(store.settings.database_url)
    with database.writing() as connection:
        for table in ("model_artifacts", "models"):
            connection.execute(text(f"DELETE FROM {table} WHERE version = :v"), {"v": versions[0]})
    database.close()
    assert "b won, but v1 is not kept any more" in promote(store, 409)["detail"]
    assert store.get("/experiments/models")["state"] == "running"
