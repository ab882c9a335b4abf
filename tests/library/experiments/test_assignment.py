"""Who gets which variant: even, lasting, the same everywhere, and nothing of it written."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.experiments import treatment as treatments
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.treatment import USUAL, Treatments, treatment

START = datetime(2026, 11, 1, tzinfo=UTC)
LATER = START + timedelta(days=1)
USERS = [f"user-{number}" for number in range(20_000)]
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)


def holdout(name: str = "holdout", share: int = 10, **more: object) -> Experiment:
    """A share of users without places of drops."""
    variants = (Variant("as-ever", 100 - share), Variant("without", share, placement=False))
    experiment = Experiment(name, variants, START)
    return replace(experiment, **more)  # type: ignore[arg-type]


def named(experiment: Experiment, user_id: str) -> str | None:
    variant = experiment.variant_of(user_id)
    return variant and variant.name


@settings(max_examples=20, deadline=None)
@given(name=names, share=st.integers(1, 99))
def test_each_variant_gets_its_share_of_users(name: str, share: int) -> None:
    got = Counter(named(holdout(name, share), user) for user in USERS)
    expected = len(USERS) * share / 100
    assert abs(got["without"] - expected) < 5 * sqrt(expected * (1 - share / 100))
    assert got["as-ever"] + got["without"] == len(USERS)


@settings(max_examples=20, deadline=None)
@given(first=names, second=names)
def test_experiments_of_two_layers_are_independent(first: str, second: str) -> None:
    one = holdout(f"a-{first}", 50, layer=f"a-{first}")
    other = holdout(f"b-{second}", 50, layer=f"b-{second}")
    together = sum(named(one, user) == named(other, user) == "without" for user in USERS)
    assert abs(together - len(USERS) / 4) < 5 * sqrt(len(USERS) * 3 / 16)


@settings(max_examples=50, deadline=None)
@given(layer=names, sizes=st.lists(st.integers(1, 30), min_size=2, max_size=3), user=st.text(min_size=1, max_size=128))
def test_experiments_of_one_layer_exclude_each_other(layer: str, sizes: list[int], user: str) -> None:
    taken, experiments = 0, []
    for number, size in enumerate(sizes):
        buckets = frozenset(range(taken, taken + size))
        experiments.append(holdout(f"e{number}", layer=layer, percent=size, buckets=buckets))
        taken += size
    assert len(treatment(experiments, user, LATER).assigned) <= 1


def test_a_user_keeps_the_variant_whatever_else_changes() -> None:
    before = holdout(percent=30, buckets=frozenset(range(30)))
    after = replace(before, ends_at=LATER, description="renamed", outcome="played", buckets=frozenset(range(60)))
    kept = [user for user in USERS if before.variant_of(user)]
    assert 5_500 < len(kept) < 6_500
    assert all(named(before, user) == named(after, user) for user in kept)


def test_another_process_says_the_same() -> None:
    """A replica is another process, with another seed of Python's own hash."""
    told = (
        "from datetime import UTC, datetime\n"
        "from recommendation.experiments.experiment import Experiment, Variant\n"
        "variants = (Variant('as-ever', 90), Variant('without', 10, placement=False))\n"
        "experiment = Experiment('holdout', variants, datetime(2026, 11, 1, tzinfo=UTC))\n"
        "print([experiment.variant_of(f'user-{number}').name for number in range(500)])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([named(holdout(), user) for user in USERS[:500]])


def test_these_users_have_these_variants_for_ever() -> None:
    """Changing the hash would draw the users of every running experiment anew."""
    assert [user for user in USERS[:40] if named(holdout(), user) == "without"] == ["user-9", "user-16", "user-27"]


def test_another_salt_draws_users_anew() -> None:
    one, other = holdout(), holdout(salt="again")
    both = sum(named(one, user) == named(other, user) == "without" for user in USERS)
    assert 100 < both < 300


@pytest.mark.parametrize("seconds", [-1, 86_400])
def test_an_experiment_does_nothing_before_its_start_and_after_its_end(seconds: int) -> None:
    experiment = holdout(ends_at=START + timedelta(days=1))
    assert all(treatment([experiment], user, START + timedelta(seconds=seconds)) is USUAL for user in USERS[:100])


def test_what_one_experiment_takes_no_other_gives_back() -> None:
    variants = (Variant("as-ever", 1), Variant("popular", 99, personal=False))
    other = Experiment("z-popular", variants, START, layer="second")
    (user,) = [u for u in USERS[:100] if named(holdout(), u) == "without" and named(other, u) == "popular"][:1]
    given = treatment([holdout(), other], user, LATER)
    assert (given.placement, given.personal) == (False, False)
    assert given.assigned == (("holdout", "without"), ("z-popular", "popular"))


def test_a_basket_is_in_no_experiment() -> None:
    assert treatment([holdout()], "", LATER) is USUAL


def test_users_of_the_same_variants_share_a_treatment_and_it_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the experiments end meanwhile; more treatments than are kept are made each time."""
    many = [holdout(f"e{number}", 40, ends_at=START + timedelta(days=number)) for number in range(1, 4)]
    kept = Treatments(many)
    monkeypatch.setattr(treatments, "MOST_TREATMENTS", 6)
    for day in range(4):
        now = START + timedelta(days=day, hours=1)
        assert all(kept.of(user, now) == treatment(many, user, now) for user in ["", *USERS[:200]])
    first = kept.of(USERS[0], START)
    assert kept.of(next(user for user in USERS[1:] if kept.of(user, START) == first), START) is first
