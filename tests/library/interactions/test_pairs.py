"""Folding laws: any order, and any split into batches, gives the same rows."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from recommendation.interactions.events import Interaction
from recommendation.interactions.pairs import PairChange, fold

OWNING = frozenset({"purchased", "played"})
START = datetime(2026, 1, 1, tzinfo=UTC)

EVENTS = st.lists(
    st.builds(
        lambda user, game, kind, score, at: Interaction(user, game, kind, score, START + timedelta(seconds=at)),
        st.sampled_from("ab"),
        st.sampled_from("xy"),
        st.sampled_from(["purchased", "played", "refunded", "dismissed", "wishlisted", "clicked", "viewed"]),
        st.integers(0, 10**9),
        st.integers(0, 4),  # few moments, so that many events share one
    ),
    max_size=25,
)


def rows(changes: list[PairChange]) -> dict[tuple[str, str], PairChange]:
    return {(change.user_id, change.game_id): change for change in changes}


@given(EVENTS, st.randoms())
def test_any_order_gives_the_same_rows(events: list[Interaction], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(shuffled, OWNING) == fold(events, OWNING)


@given(EVENTS)
def test_sums_and_counts_are_those_of_the_events(events: list[Interaction]) -> None:
    for pair, change in rows(fold(events, OWNING)).items():
        mine = [event for event in events if (event.user_id, event.game_id) == pair]
        assert (change.score, change.events) == (sum(event.score for event in mine), len(mine))
        assert change.first_event_at == min(event.occurred_at for event in mine)
        assert change.last_event_at == max(event.occurred_at for event in mine)


@given(EVENTS)
def test_the_latest_event_that_speaks_of_it_decides_what_is_owned(events: list[Interaction]) -> None:
    for pair, change in rows(fold(events, OWNING)).items():
        said = [
            (event.occurred_at, event.event_type in OWNING)
            for event in events
            if (event.user_id, event.game_id) == pair and event.event_type in {*OWNING, "refunded"}
        ]
        assert (change.owned, change.owned_at) == (max(said)[1] if said else False, max(said)[0] if said else None)


@given(EVENTS)
def test_changes_come_in_the_order_in_which_every_writer_locks(events: list[Interaction]) -> None:
    changes = [(change.user_id, change.game_id) for change in fold(events, OWNING)]
    assert changes == sorted(set(changes))
