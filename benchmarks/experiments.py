"""
`python -m benchmarks.experiments`: how often experiments on simulated stores tell the truth.

Each store is one of `recs simulate`, with a true effect or without, and each is drawn by the hash and judged by the
estimator of the report. Told are: how often a 95 % interval holds the true difference, how often a store without an
effect raises an alarm under continuous looking, and how often an effect is found with as many users as the sample size
says, that is, as `planned` of the report tells it from another store.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendation.experiments.chance import grown, users_needed, users_needed_at_every_look
from recommendation.experiments.estimate import Difference, Group, adjusted, difference
from recommendation.experiments.experiment import Experiment, Variant
from recommendation_jobs.simulate import Happenings, Recipe, happen, with_effect
from recommendation_jobs.simulation.effects import Effect
from recommendation_jobs.simulation.shop import Shop, open_shop
from recommendation_jobs.simulation.visits import PURCHASED

BEFORE_DAYS, WINDOW_DAYS, WARM_DAYS = 56, 28, 14
"""Users who join a store buy more than later: the days before the experiment begin when that is over."""


DAYS = WARM_DAYS + BEFORE_DAYS + WINDOW_DAYS
EFFECTS = (0.0, 0.25)
FIRST_LOOK, LOOK_EVERY = 200, 200
"""Users."""


PILOT_SEED = 10**6


class Store(NamedTuple):
    """What the users of a store did, by user: the variant, and purchases in the window and before."""

    treated: NDArray[np.bool_]
    after: NDArray[np.float64]
    before: NDArray[np.float64]

    def groups(self, users: int | None = None, looks_back: bool = True) -> tuple[Group, Group]:
        """Return the groups of the first users."""
        part = slice(users)
        before = self.before[part] if looks_back else np.zeros(len(self.before[part]))
        treated, after = self.treated[part], self.after[part]
        return Group(after[~treated], before[~treated]), Group(after[treated], before[treated])


@dataclass(frozen=True)
class Sizes:
    """Users that the sample size asks for, with the time before and without it."""

    one_look: tuple[int, int]
    every_look: tuple[int, int]


class Run(NamedTuple):
    """What one store told."""

    bought: float
    """Purchases of a user in the window where no one buys less: the true difference is a share of it."""
    differences: tuple[Difference, ...]
    """By effect, of all users."""
    alarmed: bool
    carelessly: bool
    """Whether the interval for one look left out 0 at some look."""
    found_at_one_look: tuple[bool, bool]
    found_at_every_look: tuple[bool, bool]


def recipe_of(users: int, seed: int) -> Recipe:
    """Return a store's recipe."""
    return Recipe(users, 200, DAYS, seed, date(2026, 11, 1))


def experiment_of(recipe: Recipe) -> Experiment:
    """Return an experiment of two halves that begins a window before the store's last day."""
    starts_at = recipe.start + timedelta(days=WARM_DAYS + BEFORE_DAYS)
    variants = Variant("as-ever", 50), Variant("with", 50, placement=False)
    return Experiment("rehearsal", variants, starts_at, salt=f"rehearsal-{recipe.seed}")


def stores_of(recipe: Recipe, effects: Sequence[float]) -> list[Store]:
    """Simulate a store, with each effect on the users of the second variant."""
    experiment, events = experiment_of(recipe), happen(recipe, shop_of(recipe))
    treated = _treated(recipe, experiment)
    each = (with_effect(events, recipe, Effect(experiment, {"with": 1 + effect})) for effect in effects)
    return [Store(treated, *_purchases(recipe, one, experiment.starts_at)) for one in each]


def shop_of(recipe: Recipe) -> Shop:
    """Open the shop that `recs simulate` opens."""
    return open_shop(recipe.games, recipe.days, np.random.default_rng([recipe.seed, 0]))


def _treated(recipe: Recipe, experiment: Experiment) -> NDArray[np.bool_]:
    variants = (experiment.variant_of(recipe.user_id(user)) for user in range(recipe.users))
    return np.fromiter((variant is not None and variant.name == "with" for variant in variants), bool, recipe.users)


def _purchases(recipe: Recipe, events: Happenings, start: datetime) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    began = (start - recipe.start).total_seconds()
    of_users = partial(np.bincount, minlength=recipe.users)
    bought, day = events.types == PURCHASED, 86_400
    after = bought & (events.seconds >= began) & (events.seconds < began + WINDOW_DAYS * day)
    before = bought & (events.seconds < began) & (events.seconds >= began - BEFORE_DAYS * day)
    return of_users(events.users[after]).astype(float), of_users(events.users[before]).astype(float)


def sizes_by(pilot: Store, effect: float) -> Sizes:
    """Return what the report's `planned` would say by the users of a store."""
    one, every = [], []
    for before in (pilot.before, np.zeros(len(pilot.before))):
        variance = float(adjusted(pilot.after, before).var(ddof=1))
        given = (variance, grown(variance, effect)), effect * float(pilot.after.mean()), 0.5
        one.append(round(users_needed(*given)))
        every.append(round(users_needed_at_every_look(*given)))
    return Sizes((one[0], one[1]), (every[0], every[1]))


def run(users: int, sizes: Sizes, seed: int) -> Run:
    """Simulate one store with each effect, and judge it."""
    recipe = recipe_of(users, seed)
    without, changed = stores_of(recipe, EFFECTS)
    alarms = [difference(*without.groups(look), seed=0) for look in range(FIRST_LOOK, users + 1, LOOK_EVERY)]
    one_look, every_look = [], []
    for looks_back, one, every in zip((True, False), sizes.one_look, sizes.every_look, strict=True):
        one_look.append(difference(*changed.groups(one, looks_back), seed=0).one_look_low > 0)
        found = difference(*changed.groups(every, looks_back), seed=0)
        every_look.append(found.is_significant and found.difference > 0)
    return Run(
        float(without.after.mean()),
        tuple(difference(*store.groups(), seed=0) for store in (without, changed)),
        any(one.is_significant for one in alarms),
        any(not one.one_look_low <= 0 <= one.one_look_high for one in alarms),
        (one_look[0], one_look[1]),
        (every_look[0], every_look[1]),
    )


def tell(runs: Sequence[Run], sizes: Sizes) -> list[str]:
    """Return lines that say how often the truth was told."""
    bought = float(np.mean([one.bought for one in runs]))
    lines = []
    for place, effect in enumerate(EFFECTS):
        # Without an effect no one loses a purchase; with one, those who are not treated lose a share of theirs.
        truth = bought * effect / (1 + effect)
        found = [one.differences[place] for one in runs]
        one_look = [one.one_look_low <= truth <= one.one_look_high for one in found]
        always = [one.low <= truth <= one.high for one in found]
        lines.append(f"effect {effect:.0%}: one-look interval holds {_share(one_look)}, always-valid {_share(always)}")
    lines.append(
        f"false alarms under continuous looking: {_share([one.alarmed for one in runs])}; "
        f"by the one-look interval {_share([one.carelessly for one in runs])}"
    )
    for place, name in enumerate(("with the time before", "without it")):
        at_one, at_every = ([getattr(one, kind)[place] for one in runs] for kind in
                            ("found_at_one_look", "found_at_every_look"))  # fmt: skip
        lines.append(
            f"power {name}: {_share(at_one)} at one look of {sizes.one_look[place]} users, {_share(at_every)} by the "
            f"state `Significant` at {sizes.every_look[place]}"
        )
    left = np.mean([one.differences[0].variance_left for one in runs])
    return [*lines, f"variance left by the time before: {left:.2f}; purchases a user in a window: {bought:.3f}"]


def _share(held: Sequence[bool]) -> str:
    return f"{np.mean(held):.1%}"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=1, help="seed of the first store; others have those that follow")
    parser.add_argument("--users", type=int, default=0, help="of each store; default: what the sample size asks for")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    began, effect = time.monotonic(), EFFECTS[1]
    (pilot,) = stores_of(recipe_of(20_000, PILOT_SEED), [0.0])
    # The usual store of the runs with an effect sells less by it than the pilot's does.
    usual = thinned(pilot, 1 / (1 + effect), PILOT_SEED)
    sizes = sizes_by(usual, effect)
    users = max(options.users, *sizes.every_look)
    print(f"{options.runs} stores of {users} users; users needed: {sizes}", flush=True)
    with ProcessPoolExecutor(options.processes) as processes:
        runs = list(processes.map(partial(run, users, sizes), range(options.first, options.first + options.runs)))
    for line in tell(runs, sizes):
        print(line)
    print(f"took {(time.monotonic() - began) / 60:.1f} minutes")


def thinned(store: Store, share: float, seed: int) -> Store:
    """Return a store where everyone keeps a share of their purchases, before and after."""
    rng = np.random.default_rng(seed)
    kept = (rng.binomial(bought.astype(int), share).astype(float) for bought in (store.after, store.before))
    return Store(store.treated, *kept)


if __name__ == "__main__":
    main()
