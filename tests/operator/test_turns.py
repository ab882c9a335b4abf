"""Whose turn it is: drops are served in order, one at a time, and two operators agree."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from plan_cases import (
    NOW,
    RUNNING,
    a_drop,
    after,
    following,
)

from recommendation_operator.drop import ContentDrop
from recommendation_operator.seen import Seen
from recommendation_operator.turns import holder


def test_drops_are_served_in_order_of_release_or_creation() -> None:
    drops = [
        a_drop("created"),
        a_drop("released", releaseTime="2026-03-01T00:00:00Z"),
        a_drop("ahead", releaseTime="2026-11-22T12:00:01Z"),
        a_drop("dry", dryRun=True, releaseTime="2020-01-01T00:00:00Z"),
        a_drop("held", suspend=True, releaseTime="2020-01-01T00:00:00Z"),
    ]
    assert holder(drops, NOW) == "released"
    assert holder(drops[:1] + drops[2:], NOW) == "created"
    assert holder(drops[2:], NOW) is None
    assert holder(drops[2:], NOW + timedelta(seconds=1)) == "ahead"


def test_a_drop_at_work_keeps_its_turn() -> None:
    assert holder([a_drop("u-0", releaseTime="2020-01-01T00:00:00Z"), following()], NOW) == "u-1"


def test_a_finished_drop_gives_up_its_turn() -> None:
    ended = after(following(), Seen(regeneration=dataclasses.replace(RUNNING, state="succeeded")))
    assert holder([ended, a_drop("u-2")], NOW) == "u-2"


@given(st.permutations([a_drop(f"u-{number}") for number in range(5)]))
def test_two_operators_agree_on_whose_turn_it_is(drops: list[ContentDrop]) -> None:
    assert holder(drops, NOW) == "u-0"
