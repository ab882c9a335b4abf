"""
How often spoilt data goes live, and how often sound data does not: `python -m benchmarks.poison`.

Whole trainings without a database: the guards look at the data, a model is fitted without the gate users, and the gate
judges. Each trial draws a store of its own from a set and trains on it for the first time; then the next day's data,
sound or spoilt, is trained on beside that live model, and the same spoilt data without a live model. Models are fitted
with fixed settings: what rejects spoilt data does not depend on the search, and `--auto` runs it all the same.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.gate import FIXED
from benchmarks.quality_sets import apps, steam_hours, steam_reviews
from recommendation.engine import artifact
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.gate import gain
from recommendation.evaluation.guards import LiveData, look_at
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts
from recommendation.settings import Settings
from recommendation.training.candidate import Live, make_candidate, seen_by_guards

Rng = np.random.Generator
BOT_GAMES = 20
BOT_KEEPS = 0.75
"""Share of the bots' games that each has, where they are not all the same."""
OF_A_DAY = 0.03
"""Share of users, and of pairs, that another day lacks or adds."""


@dataclass(frozen=True)
class Set:
    """Data to draw stores from."""

    title: str
    read: Callable[[], InteractionMatrix]
    users: int
    """Users of a store that is drawn, at most."""


SETS = {
    "steam": Set("play hours (dense)", steam_hours, 8_000),
    "steam-au": Set("reviews, Australia (sparse, thin)", steam_reviews, 20_000),
    "apps": Set("Amazon Apps (sparse)", apps, 10_000),
}


def with_bots(matrix: InteractionMatrix, rng: Rng, share: float, keeps: float = 1.0) -> InteractionMatrix:
    """Add bots, as a share of the users there are, that have the same games or most of them."""
    count = int(share * len(matrix.users))
    games = rng.choice(len(matrix.games), BOT_GAMES, replace=False)
    has = rng.random((count, BOT_GAMES)) < keeps
    bots, places = np.nonzero(has)
    users = [*matrix.users.ids(matrix.user_rows), *(f"bot-{number}" for number in bots.tolist())]
    all_games = [*matrix.games.ids(matrix.indices), *matrix.games.ids(games[places])]
    scores = np.concatenate([matrix.scores, np.full(len(bots), np.median(matrix.scores))])
    return InteractionMatrix.from_pairs(users, all_games, scores)


def mixed_up(matrix: InteractionMatrix, rng: Rng, share: float) -> InteractionMatrix:
    """Deal the games of a share of the pairs out among these pairs."""
    games = matrix.indices.copy()
    chosen = np.flatnonzero(rng.random(matrix.pairs) < share)
    games[chosen] = games[rng.permutation(chosen)]
    return InteractionMatrix.from_codes(matrix.users, matrix.games, matrix.user_rows, games, matrix.scores)


def with_one_game(matrix: InteractionMatrix, rng: Rng) -> InteractionMatrix:
    """Give everyone one and the same game, as a feed does that always sends one id."""
    game, users = int(rng.integers(len(matrix.games))), np.arange(len(matrix.users))
    return InteractionMatrix.from_codes(
        matrix.users,
        matrix.games,
        np.concatenate([matrix.user_rows, users]),
        np.concatenate([matrix.indices, np.full(len(users), game)]),
        np.concatenate([matrix.scores, np.full(len(users), np.median(matrix.scores))]),
    )


CASES: dict[str, Callable[[InteractionMatrix, Rng], InteractionMatrix]] = {
    "sound": lambda matrix, rng: matrix,
    "10 % bots, one history": lambda matrix, rng: with_bots(matrix, rng, 0.1),
    "30 % bots, one history": lambda matrix, rng: with_bots(matrix, rng, 0.3),
    "10 % bots, alike": lambda matrix, rng: with_bots(matrix, rng, 0.1, BOT_KEEPS),
    "30 % bots, alike": lambda matrix, rng: with_bots(matrix, rng, 0.3, BOT_KEEPS),
    "30 % mixed up": lambda matrix, rng: mixed_up(matrix, rng, 0.3),
    "100 % mixed up": lambda matrix, rng: mixed_up(matrix, rng, 1.0),
    "one game for everyone": with_one_game,
}


def day(matrix: InteractionMatrix, rng: Rng) -> InteractionMatrix:
    """One day of a store: without a few of its users and pairs, others each time."""
    there = (rng.random(len(matrix.users)) > OF_A_DAY)[matrix.user_rows] & (rng.random(matrix.pairs) > OF_A_DAY)
    return matrix.only_pairs(there).without_empty()


def store(whole: InteractionMatrix, rng: Rng, users: int) -> InteractionMatrix:
    """Draw users."""
    count = min(users, int(0.9 * len(whole.users)))
    return whole.of_users(np.sort(rng.choice(len(whole.users), count, replace=False))).without_empty()


def train(matrix: InteractionMatrix, settings: Settings, live: Live) -> tuple[str, Live]:
    """Train as `training.train` does, without a database: say what came of it, and what is live then."""
    parts = MatrixParts.of(matrix)
    found = look_at(parts, LiveData(live.data, live.model))
    if found.against:
        return found.against[0].split(":")[0], live
    candidate, verdict = make_candidate(parts, settings, live, 1, lambda stage: None)
    if verdict.state == "rejected":
        return "gate", live
    model, _ = artifact.load(candidate.data, artifact.digest(candidate.data), settings.model_max_bytes)
    gained = gain(verdict.candidate, verdict.popularity)
    return "live", Live(model, gained, seen_by_guards(found)["data"])


def trial(whole: InteractionMatrix, one: Set, settings: Settings, seed: int) -> Iterator[tuple[str, str, str]]:
    """Yield for each case and kind of training what came of it."""
    rng = np.random.default_rng(seed)
    shop = store(whole, rng, one.users)
    began, live = train(day(shop, rng), settings, Live())
    yield "sound", "first", began
    for name, spoilt in CASES.items():
        data = spoilt(day(shop, rng), rng)
        if name != "sound":
            yield name, "first", train(data, settings, Live())[0]
        if began == "live":
            yield name, "later", train(data, settings, live)[0]


def table(name: str, trials: int, settings: Settings) -> None:
    """Print a row for each case; lists what rejected how often."""
    one = SETS[name]
    whole = replace(one.read(), times=None)
    counts: dict[tuple[str, str], Counter[str]] = {}
    began, made = time.monotonic(), 0
    for made in range(1, trials + 1):
        for case, kind, outcome in trial(whole, one, settings, made):
            counts.setdefault((case, kind), Counter())[outcome] += 1
        if made % 5 == 0 or made == trials:
            print(f"{name}: {made} of {trials} stores, {time.monotonic() - began:.0f} s", flush=True)
    print(f"\n{one.title}, {made} stores; load {os.getloadavg()[0]:.1f}\n")
    print("| data | first training: goes live | later training: goes live | what rejects |\n|---|---|---|---|")
    for case in CASES:
        kinds = [counts.get((case, kind), Counter()) for kind in ("first", "later")]
        rates = [f"{of['live']} of {of.total()}" for of in kinds]
        why = Counter({outcome: count for outcome, count in sum(kinds, Counter()).items() if outcome != "live"})
        print(f"| {case} | {' | '.join(rates)} | {', '.join(f'{what} {count}' for what, count in why.most_common())} |")
    print(flush=True)


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--trials", type=int, default=40, help="stores that are drawn from each set")
    parser.add_argument("--auto", action="store_true", help="let each training choose its settings, which takes longer")
    options = parser.parse_args()
    settings = Settings(engine=EngineSettings() if options.auto else replace(FIXED, trend=0.0))
    for name in options.sets:
        table(name, options.trials, settings)


if __name__ == "__main__":
    main()
