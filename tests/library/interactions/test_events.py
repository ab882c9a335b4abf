"""One row of JSON in, one checked event or one clear refusal out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.clock import TICK, SteadyClock, parse_rfc3339
from recommendation.interactions.events import parse_interaction, parse_interactions
from recommendation.rows import FUTURE_ALLOWED, Rejection, RowError
from recommendation.weights import parse_weights

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
WEIGHTS = parse_weights("")
EVENT = {"user_id": "ann", "game_id": "g1", "event_type": "played"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("user_id", "game_id", "event_type", "quantity"), JSON)))
def test_any_json_is_an_event_or_a_refusal_with_a_code_and_never_a_fault(row: dict[str, Any]) -> None:
    accepted, rejected = parse_interactions([row], WEIGHTS, NOW)
    assert len(accepted) + len(rejected) == 1
    assert all(one.code and one.detail for one in rejected)


@given(JSON)
def test_what_is_no_object_is_said_to_be_none(row: Any) -> None:
    if not isinstance(row, dict):
        assert parse_interactions([row], WEIGHTS, NOW)[1] == [
            Rejection(0, "not_an_object", "each row should be a JSON object")
        ]


@pytest.mark.parametrize("event_type", ["played", "purchased", "refunded"])
@pytest.mark.parametrize("quantity", [0, 0.0, -0.0])
def test_an_event_that_makes_a_game_owned_or_ends_that_may_weigh_nothing(event_type: str, quantity: float) -> None:
    event = parse_interaction({**EVENT, "event_type": event_type, "quantity": quantity}, WEIGHTS, NOW)
    assert event.score == 0


def test_what_makes_a_game_owned_is_a_setting() -> None:
    event = {**EVENT, "event_type": "wishlisted", "quantity": 0}
    assert parse_interaction(event, WEIGHTS, NOW, frozenset({"wishlisted"})).score == 0
    with pytest.raises(RowError):
        parse_interaction(event, WEIGHTS, NOW)


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001, float("nan"), float("inf"), True, "2", None.__class__, [1]])
def test_a_quantity_that_is_no_number_above_0_and_at_most_a_million_is_refused(quantity: object) -> None:
    with pytest.raises(RowError) as refused:
        parse_interaction({**EVENT, "event_type": "viewed", "quantity": quantity}, WEIGHTS, NOW)
    assert refused.value.code == "invalid_quantity"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026-11-22T18:00:00",
        "yesterday",
        "2999-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00+14:00",
        17,
        {},
    ],
)
def test_a_time_that_is_none_or_out_of_range_is_refused(text: object) -> None:
    with pytest.raises(RowError) as refused:
        parse_interaction({**EVENT, "occurred_at": text}, WEIGHTS, NOW)
    assert refused.value.code == "invalid_occurred_at"


def test_a_clock_that_runs_a_little_ahead_is_forgiven() -> None:
    ahead = (NOW + FUTURE_ALLOWED).isoformat()
    assert parse_interaction({**EVENT, "occurred_at": ahead}, WEIGHTS, NOW).occurred_at == NOW + FUTURE_ALLOWED


def test_rows_without_a_time_keep_the_order_in_which_they_were_sent() -> None:
    accepted, _ = parse_interactions([EVENT, EVENT], WEIGHTS, NOW)
    assert [event.occurred_at for _, event in accepted] == [NOW, NOW + TICK]


def test_the_fingerprint_tells_a_retry_from_other_content() -> None:
    def digest(**more: Any) -> bytes:
        return parse_interaction({**EVENT, "event_id": "e", **more}, WEIGHTS, NOW).fingerprint

    assert digest() == digest(occurred_at=None)
    assert digest() != digest(quantity=2)
    assert digest() != digest(user_id="bob")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_that_is_taken_can_be_moved_into_any_zone(moment: datetime) -> None:
    try:
        taken = parse_rfc3339(moment.isoformat())
    except ValueError:
        return
    for hours in (-15, 15):
        assert abs((taken + timedelta(hours=hours)) - taken) == timedelta(hours=15)


def test_a_clock_that_is_set_back_still_puts_the_refund_after_the_purchase() -> None:
    moments = iter([NOW, NOW - timedelta(hours=1), NOW - timedelta(days=1)])
    clock = SteadyClock(lambda: next(moments))
    assert NOW == clock() < clock() < clock()
