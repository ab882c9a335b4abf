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
from numpy.typing import NDArray

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
"""Share of the users that a day lacks, and of the newest pairs that the first day lacks."""


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


def with_more(
    matrix: InteractionMatrix, rng: Rng, user_ids: list[str], game_rows: NDArray[np.int64]
) -> InteractionMatrix:
    """Add pairs, of any time and the usual score."""
    users, games = matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices)
    scores = np.concatenate([matrix.scores, np.full(len(user_ids), np.median(matrix.scores))])
    times = np.concatenate([times_of(matrix), rng.integers(0, matrix.pairs, len(user_ids))])
    return InteractionMatrix.from_pairs([*users, *user_ids], [*games, *matrix.games.ids(game_rows)], scores, times)


def times_of(matrix: InteractionMatrix) -> NDArray[np.int64]:
    """The times that `store` gave."""
    assert matrix.times is not None
    return matrix.times


def with_bots(matrix: InteractionMatrix, rng: Rng, share: float, keeps: float = 1.0) -> InteractionMatrix:
    """Add bots, as a share of the users there are, that have the same games or most of them."""
    games = rng.choice(len(matrix.games), BOT_GAMES, replace=False)
    bots, places = np.nonzero(rng.random((int(share * len(matrix.users)), BOT_GAMES)) < keeps)
    return with_more(matrix, rng, [f"bot-{number}" for number in bots.tolist()], games[places])


def mixed_up(matrix: InteractionMatrix, rng: Rng, share: float) -> InteractionMatrix:
    """Deal the games of a share of the pairs out among these pairs."""
    games = matrix.indices.copy()
    chosen = np.flatnonzero(rng.random(matrix.pairs) < share)
    games[chosen] = games[rng.permutation(chosen)]
    return InteractionMatrix.from_codes(
        matrix.users, matrix.games, matrix.user_rows, games, matrix.scores, times_of(matrix)
    )


def with_one_game(matrix: InteractionMatrix, rng: Rng) -> InteractionMatrix:
    """Give everyone one and the same game, as a feed does that always sends one id."""
    users = list(matrix.users.all_ids)
    return with_more(matrix, rng, users, np.full(len(users), rng.integers(len(matrix.games))))


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


def day(matrix: InteractionMatrix, rng: Rng, number: int) -> InteractionMatrix:
    """One of two days of a store: the first lacks the newest pairs, and each lacks a few users of its own."""
    there = (rng.random(len(matrix.users)) > OF_A_DAY)[matrix.user_rows]
    if number == 0:
        there &= times_of(matrix) < (1.0 - OF_A_DAY) * matrix.pairs
    return matrix.only_pairs(there).without_empty()


def store(whole: InteractionMatrix, rng: Rng, users: int) -> InteractionMatrix:
    """Draw users, and an order of time for all pairs, so that what gate users are judged by is what came last."""
    count = min(users, int(0.9 * len(whole.users)))
    drawn = whole.of_users(np.sort(rng.choice(len(whole.users), count, replace=False))).without_empty()
    return replace(drawn, times=rng.permutation(drawn.pairs))


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
    began, live = train(day(shop, rng, 0), settings, Live())
    yield "sound", "first", began
    for name, spoilt in CASES.items():
        data = spoilt(day(shop, rng, 1), rng)
        if name != "sound":
            yield name, "first", train(data, settings, Live())[0]
        if began == "live":
            yield name, "later", train(data, settings, live)[0]


def table(name: str, trials: int, settings: Settings) -> None:
    """Print a row for each case; lists what rejected how often."""
    one = SETS[name]
    whole = one.read()
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
