"""What a report counts: who was exposed, what they did in their window and before the start, and each event once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from shop import OWNING, WEIGHTS, event, send

from recommendation.database.database import Database
from recommendation.experiments.estimate import Difference
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.exposures import Exposed, exposed_users
from recommendation.experiments.report import as_text, report, verdict
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.feedback import parse_feedback
from recommendation.interactions.store import record_all, store_feedback
from recommendation.interactions.taking_back import take_back_event
from recommendation.operations.merging import merge_user

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + 10 * DAY
VARIANTS = (Variant("as-ever", 50), Variant("without", 50, placement=False))
EXPERIMENT = Experiment("e", VARIANTS, START, window_days=7, before_days=14)


def said(database: Database, *rows: tuple[str, str, datetime]) -> None:
    """Keep feedback of (user, action, time), as the API does."""
    given = [
        parse_feedback(
            {
                "user_id": user,
                "game_id": "g1",
                "action": action,
                "occurred_at": at.isoformat(),
                "event_id": f"f{n}-{at}",
            },
            WEIGHTS,
            at,
        )
        for n, (user, action, at) in enumerate(rows)
    ]
    with database.writing() as connection:
        record_all(connection, [[(n, one.interaction) for n, one in enumerate(given)]], OWNING, NOW)
        store_feedback(connection, given)


def bought(database: Database, user: str, at: datetime, **more: Any) -> None:
    send(database, [event(user, "g2", "purchased", occurred_at=at.isoformat(), **more)], at)


def counted(database: Database, experiment: Experiment = EXPERIMENT, now: datetime = NOW) -> list[Exposed]:
    with database.snapshot() as connection:
        return sorted(exposed_users(connection, experiment, experiment.outcome, now))


def test_events_count_in_the_window_and_before_the_start_each_once(database: Database) -> None:
    said(
        database,
        ("ann", "shown", START + DAY),
        ("ann", "shown", START + 2 * DAY),
        ("ann", "purchased", START + DAY),
        ("ann", "purchased", START + 8 * DAY),  # the window is over
        ("ann", "purchased", START - DAY),
        ("ann", "wishlisted", START + 2 * DAY),
    )
    bought(database, "ann", START + 3 * DAY, event_id="e1")
    bought(database, "ann", START + 3 * DAY)  # without an id nothing is kept of it
    bought(database, "ann", START - 15 * DAY, event_id="e2")  # too long ago
    bought(database, "ann", START + DAY / 2, event_id="e3")  # neither before the start nor in the window
    bought(database, "ben", START + DAY, event_id="e4")  # was shown nothing
    assert counted(database) == [Exposed("ann", True, 2, 1)]
    assert counted(database, now=START + 8 * DAY - DAY / 24) == [Exposed("ann", False, 2, 1)]


def test_only_what_was_shown_while_it_ran_exposes(database: Database) -> None:
    said(database, ("ann", "shown", START - DAY), ("ben", "shown", START + 5 * DAY), ("cat", "shown", START + DAY))
    assert [user.user_id for user in counted(database, replace(EXPERIMENT, ends_at=START + 5 * DAY))] == ["cat"]
    assert [user.user_id for user in counted(database)] == ["ben", "cat"]


def test_an_event_that_was_taken_back_an_erased_person_and_a_merged_one_do_not_count(database: Database) -> None:
    said(database, *((user, "shown", START + DAY) for user in ("ann", "ben", "cat", "dan")))
    for user in ("ann", "ben", "cat"):
        bought(database, user, START + 2 * DAY, event_id=f"e-{user}")
    with database.writing() as connection:
        take_back_event(connection, "e-ann", OWNING, NOW)
        erase_user(connection, "ben", NOW)
        merge_user(connection, "dan", "cat", NOW)
    assert counted(database) == [Exposed("ann", True, 0, 0)]


def simulated(database: Database, users: Sequence[str], effect: float) -> None:
    """Show everyone a list; who goes without buys less by an effect."""
    rng = np.random.default_rng(5)
    rows = []
    for user in users:
        variant = EXPERIMENT.variant_of(user)
        rate = rng.gamma(0.5, 2.0)
        rows.append((user, "shown", START + DAY))
        rows += [(user, "purchased", START - DAY - i * DAY / 99) for i in range(rng.poisson(rate))]
        factor = 1 - effect if variant and variant.name == "without" else 1
        rows += [(user, "purchased", START + 2 * DAY + i * DAY / 99) for i in range(rng.poisson(rate * factor))]
    said(database, *rows)


def test_a_true_effect_is_found_and_told(database: Database) -> None:
    simulated(database, [f"u{number}" for number in range(1500)], effect=0.6)
    with database.snapshot() as connection:
        told = report(connection, EXPERIMENT, "purchased", NOW)
        assert report(connection, EXPERIMENT, "purchased", NOW) == told
    control, treated = told["variants"]
    assert control["compared"] is None
    assert control["counted"] + treated["counted"] == 1500
    assert not told["sample_ratio"]["mismatch"]
    found = treated["compared"]
    assert found["state"] == "Significant"
    assert -0.9 < found["low"] < found["one_look_low"] < -0.6 < found["one_look_high"] < found["high"] < 0
    assert found["p_value"] < 0.01
    assert found["variance_left"] < 0.75
    text = as_text(told)
    assert "Significant: -0." in text
    assert "WARNING" not in text


def test_before_it_starts_the_sample_size_is_told(database: Database) -> None:
    simulated(database, [f"u{number}" for number in range(400)], effect=0.0)
    waiting = replace(EXPERIMENT, starts_at=NOW + DAY, window_days=5)
    with database.snapshot() as connection:
        told = report(connection, waiting, "purchased", NOW)
    (needed,) = told["planned"]["variants"]
    assert told["planned"]["users"] == 400
    assert needed["variant"] == "without"
    assert 10_000 < needed["users_needed"] < 60_000
    assert f"users needed: {needed['users_needed']} for without" in as_text(told)


def test_the_sample_size_says_where_outcomes_are_forgotten_that_it_counts(database: Database) -> None:
    users = [f"u{number}" for number in range(100)]
    said(database, *((user, "shown", NOW - 8 * DAY) for user in users))
    waiting = replace(EXPERIMENT, starts_at=NOW + DAY, window_days=5)

    def planned() -> Any:
        with database.snapshot() as connection:
            found = report(connection, waiting, "purchased", NOW)
        return found["planned"], as_text(found)

    said(database, ("u0", "purchased", NOW - 7 * DAY))
    told, text = planned()
    assert (told["remembered_since"], told["is_complete"]) == (None, True), "feedback is never forgotten"
    for day in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11):
        bought(database, "u1", NOW - day * DAY, event_id=f"e{day}")
    told, text = planned()
    assert (told["remembered_since"], told["is_complete"]) == ("2026-11-07T00:00:00Z", False)
    assert "interactions are remembered since 2026-11-07T00:00:00Z only" in text
    bought(database, "u1", NOW - 5 * DAY, event_id="e5")
    told, text = planned()
    assert (told["remembered_since"], told["is_complete"]) == ("2026-10-31T00:00:00Z", True)
    assert "too many" not in text


def test_a_variant_whose_users_are_missing_raises_the_alarm(database: Database) -> None:
    users = [user for user in (f"u{n}" for n in range(400)) if EXPERIMENT.variant_of(user) is VARIANTS[0]]
    lost = [user for user in (f"u{n}" for n in range(240)) if EXPERIMENT.variant_of(user) is VARIANTS[1]]
    said(database, *((user, "shown", START + DAY) for user in [*users, *lost]))
    with database.snapshot() as connection:
        told = report(connection, EXPERIMENT, "purchased", NOW)
    assert told["sample_ratio"]["mismatch"]
    assert "WARNING: users are missing from a variant" in as_text(told)


def test_too_few_users_collect_until_it_is_over_and_then_are_too_few(database: Database) -> None:
    said(database, ("ann", "shown", START + DAY))
    ended = replace(EXPERIMENT, ends_at=START + 2 * DAY)
    states = []
    for now in (START + 9 * DAY - DAY / 24, START + 9 * DAY):
        with database.snapshot() as connection:
            told = report(connection, ended, "purchased", now)
        states.append(told["variants"][1]["compared"]["state"])
        assert "each group needs 100 users whose window is over" in as_text(told)
    assert states == ["Collecting", "TooFewUsers"]


def test_a_verdict_needs_a_reason() -> None:
    wide = Difference(0.1, 0.1, -0.2, 0.4, -0.1, 0.3, 1.0, 1.0, None)
    assert verdict(wide, 0.05, is_over=False) == "Collecting"
    assert verdict(wide, 0.05, is_over=True) == "NoEffect"
    assert verdict(wide, 0.5, is_over=False) == "NoEffect"
    assert verdict(replace(wide, low=0.01), 0.05, is_over=False) == "Significant"
    assert verdict(replace(wide, low=0.01, p_value=0.2), 0.05, is_over=False) == "Collecting"
