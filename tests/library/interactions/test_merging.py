"""A visitor's history becomes an account's exactly once, whatever is retried or on its way."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import OWNING, START, at_once, event, everything, pairs, send
from test_taking_back import never_sent, rows_of

from recommendation.database.database import Database
from recommendation.errors import InvalidInput, MergeRefused
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.taking_back import take_back_event
from recommendation.lists.first_party import FirstPartyItem, decode_first_party
from recommendation.lists.first_party_store import store_first_party
from recommendation.lists.store import lists_of
from recommendation.operations.merging import Merged, merge_user
from recommendation.weights import MAX_QUANTITY

LATER = START + timedelta(hours=1)
EXAMPLE = itertools.count()
Row = dict[str, Any]


def merge(database: Database, visitor: str, account: str) -> Merged:
    with database.writing() as connection:
        return merge_user(connection, visitor, account, LATER)


def erase(database: Database, user: str) -> dict[str, int]:
    with database.writing() as connection:
        return erase_user(connection, user, LATER)


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[list[Row]], int, list[str]]:
    """Transactions of two users' events, before which of them the users are merged, and ids to take back."""
    number = next(EXAMPLE)
    batches: list[list[Row]] = []
    for batch in range(draw(st.integers(2, 5))):
        batches.append([])
        for place in range(draw(st.integers(1, 3))):
            named = draw(st.booleans())
            ticks = st.integers(0 if named else 10 * batch, 10 * batch + 4)
            moment = START + timedelta(minutes=2 * draw(ticks) + named - 200)
            kind = draw(st.sampled_from(("purchased", "played", "refunded", "wishlisted", "viewed")))
            user = f"{draw(st.sampled_from(('visitor', 'account')))}-{number}"
            row = event(user, draw(st.sampled_from("ab")), kind, occurred_at=moment.isoformat())
            batches[-1].append({**row, "event_id": f"{number}-{batch}-{place}"} if named else row)
    ids = [row["event_id"] for rows in batches for row in rows if "event_id" in row]
    taken = draw(st.permutations(ids))[: draw(st.integers(0, len(ids)))]
    return batches, draw(st.integers(0, len(batches))), taken


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=lives())
def test_the_account_has_the_history_of_one_user(
    life: tuple[list[list[Row]], int, list[str]], database: Database
) -> None:
    batches, place, taken = life
    number = batches[0][0]["user_id"].partition("-")[2]
    visitor, account = f"visitor-{number}", f"account-{number}"
    for rows in batches[:place]:
        send(database, rows)
    merge(database, visitor, account)
    for rows in batches[place:]:
        send(database, rows)
    for rows in batches:  # sent again
        named = [row for row in rows if "event_id" in row]
        assert send(database, named).duplicates == len(named)
    assert merge(database, visitor, account).moved == {}
    for name in taken:
        with database.writing() as connection:
            assert take_back_event(connection, name, OWNING, LATER)
    left = [{**row, "user_id": account} for rows in batches for row in rows if row.get("event_id") not in taken]
    exact = slice(None) if not taken else slice(0, 8)
    assert [row[exact] for row in rows_of(database, account)] == [row[exact] for row in never_sent(left)]
    assert rows_of(database, visitor) == []


def test_merged_both_ways_at_once_one_becomes_the_other_and_nothing_is_lost(database: Database) -> None:
    for round_ in range(5):
        a, b = f"a{round_}", f"b{round_}"
        send(database, [event(a, "g"), event(b, "g"), event(b, "h")])
        ended = at_once(lambda a=a, b=b: merge(database, a, b), lambda a=a, b=b: merge(database, b, a))
        assert sorted(type(one.error).__name__ for one in ended) == ["MergeRefused", "NoneType"]
        found = [row for user in (a, b) for row in rows_of(database, user)]
        assert sorted((row[1], row[3]) for row in found) == [("g", 2), ("h", 1)]
        assert len({row[0] for row in found}) == 1


def test_events_on_their_way_while_the_merge_runs_are_all_counted_once(database: Database) -> None:
    rows = [event("visitor", f"g{n % 3}", event_id=f"e-{n}") for n in range(24)]

    def sent(part: int) -> None:
        for row in rows[part::4]:
            while True:
                try:
                    send(database, [row])
                    break
                except Exception as error:
                    assert type(error).__name__ == "TransactionLost", error

    at_once(*[lambda part=part: sent(part) for part in range(4)], lambda: merge(database, "visitor", "account"))
    assert {row[:2]: row[3] for row in pairs(database)} == {("account", f"g{n}"): 8 for n in range(3)}


def test_what_cannot_be_merged_is_refused_and_changes_nothing(database: Database) -> None:
    send(database, [event("a", "g"), event("b", "g"), event("c", "g")])
    merge(database, "a", "b")
    before = everything(database)
    with pytest.raises(InvalidInput, match="itself"):
        merge(database, "c", "c")
    with pytest.raises(MergeRefused, match="merged into b before"):
        merge(database, "a", "c")
    with pytest.raises(MergeRefused, match="name that one"):
        merge(database, "c", "a")
    assert everything(database) == before


def test_a_sum_beyond_what_is_exact_is_refused_and_nothing_is_merged(database: Database) -> None:
    send(database, [event(user, "g", "purchased", quantity=MAX_QUANTITY) for user in ("v", "a")])
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE user_game_interactions SET score_millionths = 4000000000000000000 - 5")
    before = everything(database)
    with pytest.raises(InvalidInput, match="exactly"):
        merge(database, "v", "a")
    assert everything(database) == before


def test_visitors_of_a_visitor_are_the_accounts(database: Database) -> None:
    send(database, [event("a", "g"), event("b", "g")])
    merge(database, "a", "b")
    merge(database, "b", "c")
    send(database, [event("a", "g"), event("b", "g")])
    assert [row[:4] for row in pairs(database)] == [("c", "g", 12_000_000, 4)]


def test_an_event_from_before_an_erasure_of_visitor_or_account_is_not_counted(database: Database) -> None:
    early = (START - timedelta(days=1)).isoformat()
    now = (START + timedelta(hours=2)).isoformat()
    erase(database, "v")
    erase(database, "a2")
    merge(database, "v", "a")
    merge(database, "v2", "a2")
    rows = [event(user, "g", occurred_at=at) for user in ("v", "v2") for at in (early, now)]
    done = send(database, rows, START + timedelta(hours=3))
    assert [(row.index, row.code) for row in done.rejected] == [(0, "user_erased"), (2, "user_erased")]
    assert [row[:2] for row in pairs(database)] == [("a", "g"), ("a2", "g")]


@pytest.mark.parametrize("who", ["visitor-of-somewhere", "account-of-somewhere"])
def test_an_erased_person_is_in_no_row_and_no_event_of_before_comes_back(who: str, database: Database) -> None:
    visitor, account = "visitor-of-somewhere", "account-of-somewhere"
    send(database, [event(visitor, "g", event_id="e-1"), event(account, "g")])
    merge(database, visitor, account)
    assert erase(database, who)["merges"] == 1
    assert who not in everything(database)
    assert visitor not in everything(database)
    assert [row.code for row in send(database, [event(visitor, "h")]).rejected] == ["user_erased"]
    assert send(database, [event(visitor, "g", event_id="e-1")]).accepted == []


def test_the_shops_own_lists_are_the_accounts_where_it_has_none_for_the_game(database: Database) -> None:
    def item(game: str, reason: str) -> FirstPartyItem:
        return FirstPartyItem(game, 1.0, reason)

    given = {
        ("v", "editorial"): [item("g", "visitor"), item("h", "visitor")],
        ("v", "rule:x"): [item("g", "visitor")],
        ("a", "editorial"): [item("g", "account")],
    }
    with database.writing() as connection:
        store_first_party(connection, given, False, START)
    assert merge(database, "v", "a").moved["user_lists"] == 2
    with database.reading() as connection:
        stored = {one.source: one.items for one in lists_of(connection, ["a"]) if one.source != "cf"}
        assert lists_of(connection, ["v"]) == []
    found = {source: {one.game_id: one.reason for one in decode_first_party(items)} for source, items in stored.items()}
    assert found == {"editorial": {"g": "account", "h": "visitor"}, "rule:x": {"g": "visitor"}}


def test_a_visitor_who_was_erased_is_so_until_the_later_time_when_the_account_is_erased(database: Database) -> None:
    """The visitor's clock ran ahead: no event up to its newest one counts, whatever was erased after."""
    ahead = LATER + timedelta(minutes=9)
    send(database, [event("v", "g", occurred_at=ahead.isoformat())], LATER)
    erase(database, "v")
    merge(database, "v", "a")
    erase(database, "a")
    late = [event("v", "g", occurred_at=(ahead + timedelta(seconds=more)).isoformat()) for more in (0, 1)]
    done = send(database, late, ahead)
    assert [(row.index, row.code) for row in done.rejected] == [(0, "user_erased")]
