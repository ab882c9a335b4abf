"""What is written to the outbox, with what, and when not; on both databases."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from brokers_of_tests import MemoryBroker, ingest, ingested, waiting_data, waiting_types
from shop import START, checkerboard, event, publish_bytes, settings_of, trained
from sqlalchemy import func, select

from recommendation.announcements.announcement import cloud_event
from recommendation.announcements.outbox import backlog, put
from recommendation.catalogue.drop_store import put_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Catalogue, Game
from recommendation.clock import SteadyClock, parse_rfc3339
from recommendation.database.database import Database
from recommendation.database.tables import outbox
from recommendation.interactions.announced import feedback_received, interactions_accepted
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.events import Interaction
from recommendation.interactions.feedback import parse_feedback
from recommendation.lists.personal import ListSettings
from recommendation.operations.export import export_user
from recommendation.regeneration import ending as endings
from recommendation.regeneration import store as regenerations
from recommendation.regeneration.shard import regenerate_shard
from recommendation.training import models, runs
from recommendation.weights import parse_weights
from recommendation_api.background.relay import send_round

HOUR = timedelta(hours=1)


def drop(uid: str = "d-1") -> Drop:
    """Return a drop of one game that stands from START on."""
    return Drop(uid, "autumn", 1, (Game("g-new"),), START, START, START + timedelta(days=14), 2, 3)


def remade(database: Database, regeneration_id: str) -> None:
    """Carry out a regeneration of one shard."""
    regenerate_shard(database, regeneration_id, 0, ListSettings(10), 2**25, SteadyClock(), lambda users: None)


def only_row_count(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())


def test_there_is_one_for_each_request_and_user_even_where_requests_share_a_transaction(announcing: Database) -> None:
    def request(*users: str) -> Sequence[Interaction]:
        return [Interaction(user, "g1", "played", 3_000_000, START) for user in users]

    with announcing.writing() as connection:
        put(connection, interactions_accepted([request("ann", "bob", "ann"), request("ann"), request()], START))
    assert waiting_types(announcing) == [("interactions.accepted", user) for user in ("ann", "bob", "ann")]
    assert [len(data["interactions"]) for data in waiting_data(announcing)] == [2, 1, 1]


def test_what_is_told_are_ids_and_what_was_counted(announcing: Database) -> None:
    ingested(announcing, [event("ann", "g1", "played", quantity=2, event_id="e-1", occurred_at="2026-10-31T09:00:00Z")])
    assert waiting_data(announcing) == [
        {
            "user_id": "ann",
            "interactions": [
                {
                    "game_id": "g1",
                    "event_type": "played",
                    "score": 6.0,
                    "occurred_at": "2026-10-31T09:00:00Z",
                    "event_id": "e-1",
                }
            ],
        }
    ]


def test_duplicates_and_rolled_back_requests_are_not_told(announcing: Database) -> None:
    ingested(announcing, [event("ann", "g1", event_id="e-1")])
    ingested(announcing, [event("ann", "g1", event_id="e-1")])
    with pytest.raises(KeyError), announcing.writing() as connection:
        ingest(connection, [event("ann", "g2")])
        raise KeyError
    assert len(waiting_types(announcing)) == 1


def test_no_row_is_written_where_no_broker_is_set(database: Database, tmp_path: Path) -> None:
    ingested(database, [event("ann", "g1")])
    checkerboard(database)
    trained(database, tmp_path)
    with database.writing() as connection:
        put_drop(connection, drop(), START)
        opened = regenerations.open_regeneration(connection, "d-1", None, 1, START)
        models.promote(connection, publish_bytes(connection, b"other"), START)
        given = parse_feedback({"user_id": "ann", "game_id": "g1", "action": "clicked"}, parse_weights(""), START)
        put(connection, feedback_received([[given]], START))
        endings.withdraw_drop(connection, "d-1", START)
        assert not endings.fail_regeneration(connection, opened.regeneration_id, [0], START)
    assert only_row_count(database) == 0


def test_a_training_that_ends_is_told_whatever_came_of_it(announcing: Database, tmp_path: Path) -> None:
    trained(announcing, tmp_path)
    checkerboard(announcing)
    published = trained(announcing, tmp_path)
    with announcing.writing() as connection:
        runs.queue_run(connection, START)
        runs.close_unclaimed_run(connection, START + HOUR)
    told = [data for data in waiting_data(announcing) if "run_id" in data]
    assert [(data["state"], data["reason"]) for data in told] == [
        ("failed", "insufficient_data"),
        ("succeeded", None),
        ("failed", "no runner"),
    ]
    assert told[1]["model_version"] == published.model_version
    assert told[1]["duration_seconds"] > 0


def test_a_run_that_ended_already_is_not_told_again(announcing: Database) -> None:
    with announcing.writing() as connection:
        run, _ = runs.queue_run(connection, START)
        assert runs.finish_run(connection, run.run_id, "failed", START, reason="lost")
        assert not runs.finish_run(connection, run.run_id, "failed", START, reason="lost")
    assert waiting_types(announcing) == [("training.finished", run.run_id)]


def test_a_promotion_is_told_and_one_to_the_live_version_is_not(announcing: Database) -> None:
    with announcing.writing() as connection:
        first, second = publish_bytes(connection, b"one"), publish_bytes(connection, b"two")
        models.promote(connection, second, START)
        models.promote(connection, first, START)
    assert waiting_types(announcing) == [("model.promoted", first)]
    assert waiting_data(announcing)[0] == {
        "model_version": first,
        "before": second,
        "promoted_at": "2026-11-01T00:00:00Z",
    }


def test_a_regeneration_of_a_drop_tells_of_both_when_it_is_through(announcing: Database, tmp_path: Path) -> None:
    checkerboard(announcing)
    trained(announcing, tmp_path)
    with announcing.writing() as connection:
        put_drop(connection, replace(drop(), holdout_percent=10), START)
        opened = regenerations.open_regeneration(connection, "d-1", None, 1, START)
    remade(announcing, opened.regeneration_id)
    remade(announcing, opened.regeneration_id)
    assert waiting_types(announcing)[1:] == [
        ("regeneration.finished", opened.regeneration_id),
        ("drop.finished", "d-1"),
    ]
    regenerated, dropped = waiting_data(announcing)[1:]
    assert (regenerated["state"], regenerated["users_targeted"], regenerated["users_regenerated"]) == (
        "succeeded",
        16,
        16,
    )
    assert (dropped["state"], dropped["name"], dropped["regeneration_id"]) == (
        "succeeded",
        "autumn",
        opened.regeneration_id,
    )
    assert 0.0 <= dropped["release_coverage"] <= 1.0
    assert dropped["holdout_percent"] == 10


def test_a_failed_regeneration_and_a_withdrawn_drop_are_told_once(announcing: Database) -> None:
    with announcing.writing() as connection:
        models.promote(connection, publish_bytes(connection, b"one"), START)
        for uid in ("d-1", "d-2", "d-3"):
            put_drop(connection, drop(uid), START)
        failing = regenerations.open_regeneration(connection, "d-1", None, 2, START)
        regenerations.open_regeneration(connection, "d-2", None, 1, START)
        endings.fail_regeneration(connection, failing.regeneration_id, [1], START)
        for uid in ("d-1", "d-2", "d-3", "d-3", "unknown"):
            endings.withdraw_drop(connection, uid, START + HOUR)
    told = [
        (name, data["state"])
        for (name, _), data in zip(waiting_types(announcing), waiting_data(announcing), strict=True)
    ]
    assert told == [
        ("regeneration.finished", "failed"),
        ("drop.finished", "failed"),
        ("regeneration.finished", "failed"),
        ("drop.finished", "withdrawn"),
        ("drop.finished", "withdrawn"),
    ]


def test_feedback_is_told_with_what_it_was_about() -> None:
    row = {"user_id": "ann", "game_id": "g1", "action": "dismissed", "source": "cf", "event_id": "f-1"}
    given = parse_feedback(row, parse_weights(""), START)
    (told,) = feedback_received([[given]], START)
    assert (told.type, told.user_id) == ("feedback.received", "ann")
    assert json.loads(told.data) == {
        "user_id": "ann",
        "feedback": [
            {
                "game_id": "g1",
                "action": "dismissed",
                "source": "cf",
                "occurred_at": "2026-11-01T00:00:00Z",
                "event_id": "f-1",
            }
        ],
    }


def test_variants_are_told_where_there_are_some() -> None:
    variants, named = (("autumn", "no-drops"),), [{"experiment": "autumn", "variant": "no-drops"}]
    row = {"user_id": "ann", "game_id": "g1", "action": "shown"}
    given = replace(parse_feedback(row, parse_weights(""), START), variants=variants)
    (told,) = feedback_received([[given]], START)
    assert json.loads(told.data)["feedback"][0]["experiments"] == named
    events = [Interaction(user, "g1", "played", 3_000_000, START) for user in ("ann", "bob")]
    of_ann, of_bob = interactions_accepted([events], START, {"ann": variants, "bob": ()}.__getitem__)
    assert json.loads(of_ann.data)["experiments"] == named
    assert "experiments" not in json.loads(of_bob.data)


def test_the_envelope_is_cloudevents_and_every_attribute_is_a_string(announcing: Database) -> None:
    ingested(announcing, [event('a"n\\n ü', "g1")])
    broker = MemoryBroker()
    send_round(announcing, broker, lambda type_: None)
    (told,) = broker.taken
    assert set(told) == {
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "sequence", "data"),
    }
    assert told["subject"] == told["data"]["user_id"] == 'a"n\\n ü'
    assert all(isinstance(value, str) for name, value in told.items() if name != "data")
    assert parse_rfc3339(told["time"]) == START


def test_what_a_user_did_in_one_request_is_told_in_parts_where_a_broker_would_not_take_it_whole() -> None:

    long = "ü" * 128
    events = [Interaction("ann", f"{long}{n}", "played", 1, START, f"{long}{n}") for n in range(10_000)]
    told = interactions_accepted([events], START)
    sizes = [len(cloud_event(part, 1)) for part in told]
    assert max(sizes) < 600_000
    data: list[dict[str, Any]] = [json.loads(part.data) for part in told]
    assert [(d["part"], d["parts"]) for d in data] == [(n + 1, len(told)) for n in range(len(told))]
    assert [row["game_id"] for d in data for row in d["interactions"]] == [one.game_id for one in events]


def test_a_person_who_is_erased_or_exported_is_so_in_the_outbox_too(announcing: Database) -> None:
    ingested(announcing, [event("ann", "g1"), event("bob", "g1")])
    with announcing.reading() as connection:
        (waiting,) = export_user(connection, "ann", Catalogue(), START)["announcements"]
    assert waiting["type"] == "interactions.accepted"
    assert waiting["data"]["user_id"] == "ann"
    with announcing.writing() as connection:
        assert erase_user(connection, "ann", START + HOUR)["outbox"] == 1
    assert waiting_types(announcing) == [("interactions.accepted", "bob")]


def test_the_backlog_is_a_count_and_the_age_of_the_oldest(announcing: Database) -> None:
    with announcing.reading() as connection:
        assert backlog(connection) == (0, None)
    for hours in (2, 1, 3):
        with announcing.writing() as connection:
            ingest(connection, [event("ann", f"g{hours}")], START + hours * HOUR)
    with announcing.reading() as connection:
        assert backlog(connection) == (3, START + 2 * HOUR)


def test_the_trainers_settings_say_whether_to_announce(announcing: Database, tmp_path: Path) -> None:
    assert not settings_of(announcing, tmp_path).announces
