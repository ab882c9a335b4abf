"""An export holds everything that is kept of a person, and an erasure leaves none of it: every table is walked."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shop import START, WEIGHTS, event, everything, send
from sqlalchemy import Table, select

from recommendation.catalogue.store import load_catalogue
from recommendation.clock import rfc3339
from recommendation.database.database import Database
from recommendation.database.tables import metadata
from recommendation.experiments.first_reads import leave_first_reads
from recommendation.experiments.treatment import Begun
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.feedback import parse_feedback
from recommendation.interactions.store import record_all, store_feedback
from recommendation.interactions.taking_back import take_back_event
from recommendation.lists.first_party import FirstPartyItem, decode_first_party
from recommendation.lists.first_party_store import store_first_party
from recommendation.lists.store import store_lists
from recommendation.lists.stored import StoredList, pack
from recommendation.operations.export import export_user
from recommendation.operations.merging import merge_user

WHO, VISITOR = "ann-of-somewhere", "visitor-of-somewhere"
LATER = START + timedelta(hours=1)

PEOPLE = {"user_id", "into_user_id", "after_user", "user_digest"}
"""Names of columns that tell of whom a row is. A table with a new one of them has to be dealt with below."""

NOT_SHOWN = {
    "event_ids.event_id": "a digest",
    "event_ids.fingerprint": "a digest",
    "event_ids.marks_before": "repeats times of interactions that are shown, as far as they still count",
    "feedback.feedback_id": "a number of ours",
    "feedback.event_id": "a digest",
    "outbox.outbox_id": "a number of ours",
    "outbox.event_id": "a random number",
    "outbox.subject": "the user's id again",
    "user_lists.number": "a number of ours",
    "user_lists.events_seen": "a number of events, which interactions show",
    "merges.erased_at": "of the visitor, before",
    "exposures.begun_at": "when the experiment began, which tells of no person",
}
"""Columns that no export shows, and why."""

NOT_EXPORTED = {
    "erasures": "digests of people who were erased; nothing else is known of them",
    "regeneration_shards": "where a shard goes on, for as long as it runs; an erasure moves it",
}
"""Tables that no export shows, and why."""


def tables_of_people() -> list[Table]:
    return [table for table in metadata.sorted_tables if PEOPLE & set(table.columns.keys())]


def live_a_life(database: Database) -> None:
    """Let a person leave a row, with every column filled, in each table that an export shows."""
    until = LATER + timedelta(days=9)
    send(database, [event(WHO, "g1", "played", event_id="e-0"), event(WHO, "g2", "purchased", event_id="e-1")])
    send(database, [event(WHO, "g1", "refunded", event_id="e-2"), event(VISITOR, "g3", "viewed")])
    row = {
        "user_id": WHO,
        "game_id": "g3",
        "action": "dismissed",
        "source": "cf",
        "model_version": "v7",
        "event_id": "f",
    }
    given = replace(parse_feedback(row, WEIGHTS, START), variants=(("autumn", "no-drops"),))
    with database.writing() as connection:
        record_all(connection, [[(0, given.interaction)]], frozenset({"played", "purchased"}), START)
        store_feedback(connection, [given])
        keys = {name: game.key for name, game in load_catalogue(connection).by_id.items()}
        made = pack([keys["g2"]], [0.5], [keys["g3"]])
        items = [FirstPartyItem("g1", 2.0, "a reason of its own", 4, until)]
        store_first_party(connection, {(WHO, "editorial"): items}, False, START)
        take_back_event(connection, "e-1", frozenset({"played", "purchased"}), LATER)
        merge_user(connection, VISITOR, WHO, LATER)
        store_lists(connection, [StoredList(WHO, "cf", 10**9, LATER, made, "v7", 3)])
        leave_first_reads(connection, {(Begun("autumn", START), WHO): LATER})


def told(table: Table, name: str, value: Any) -> list[str]:
    """Return what an export says where it shows a value."""
    if table.name == "user_lists" and name == "items":
        if not value.startswith(b"["):
            return ['"score": 0.5', '"game_id": "g2"', '"because": "g3"']
        (item,) = decode_first_party(value)
        return ["a reason of its own", '"position": 4', rfc3339(item.expires_at), '"score": 2.0', '"game_id": "g1"']
    if name == "variants":
        return ['"experiment": "autumn"', '"variant": "no-drops"']
    if name == "score_millionths":
        return [f'"score": {value / 1_000_000}']
    if table.name == "outbox" and name == "data":
        return [json.dumps(json.loads(value))]
    return [rfc3339(value) if hasattr(value, "tzinfo") else json.dumps(value)]


def test_every_column_of_every_table_that_tells_of_a_person_is_in_their_export(announcing: Database) -> None:
    live_a_life(announcing)
    with announcing.reading() as connection:
        export = json.dumps(export_user(connection, WHO, load_catalogue(connection), START))
        for table in tables_of_people():
            if table.name in NOT_EXPORTED:
                continue
            owner = table.c.get("into_user_id", table.c.get("user_id"))
            rows = connection.execute(select(table).where(owner == WHO)).mappings().all()
            assert rows, f"{table.name}: let a person leave a row in it, or say above why none is exported"
            columns = [c for c in table.c if f"{table.name}.{c.key}" not in NOT_SHOWN]
            for column in columns:
                values = [row[column.key] for row in rows if row[column.key] is not None]
                assert values, f"{table.name}.{column.name}: let a person fill it, or say above why it is not shown"
                for value in values:
                    for text in told(table, column.name, value):
                        assert text in export, f"{table.name}.{column.name} = {value!r} is in no export"


def test_an_erasure_leaves_no_row_of_the_person_in_any_of_these_tables(announcing: Database) -> None:
    live_a_life(announcing)
    with announcing.writing() as connection:
        receipt = erase_user(connection, WHO, LATER)
    assert receipt.keys() >= {table.name for table in tables_of_people()} - NOT_EXPORTED.keys()
    assert WHO not in everything(announcing)
    assert VISITOR not in everything(announcing)


def test_no_other_table_has_a_column_by_the_name_of_a_user() -> None:
    odd = [
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.c
        if ("user" in column.name or "visitor" in column.name or "person" in column.name) and column.name not in PEOPLE
    ]
    counts = {"models.users", "training_runs.users", "popular_games.users", "sample_ratios.users"}
    assert [name for name in odd if name not in counts and ".users_" not in name] == []
