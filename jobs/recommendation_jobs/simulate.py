"""
`simulate`: write the events of a made-up store, and its catalogue.

The store has genres, hits and a long tail, releases while it is open, busy weekends, and users who view, click,
wishlist, buy, play and sometimes refund by their taste. The same arguments give the same bytes.
"""

import argparse
import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from recommendation.clock import rfc3339
from recommendation.errors import InvalidInput
from recommendation_jobs import exits
from recommendation_jobs.console import progress
from recommendation_jobs.simulation.effects import Effect, read_effect
from recommendation_jobs.simulation.shop import Shop, open_shop
from recommendation_jobs.simulation.visits import EVENT_TYPES, User

EXAMPLES = """  recs simulate --out events.csv --games-out games.csv
  recs simulate --users 20000 --games 2000 --seed 7 --out events.csv
  recs simulate --experiment experiment.json --effect with=20 --out events.csv"""

COLUMNS = ("event_id", "user_id", "game_id", "event_type", "quantity", "occurred_at")
_ROWS_AT_ONCE = 100_000
_SHOP, _USER, _EFFECT = 0, 1, 2
"""Streams of the seed, so that one more user changes nothing for the others."""


@dataclass(frozen=True)
class Recipe:
    """What to make up."""

    users: int = 2000
    games: int = 400
    days: int = 150
    seed: int = 1
    until: date = date(2026, 11, 1)
    """The day after the last; fixed, because the same arguments must give the same bytes."""

    @property
    def start(self) -> datetime:
        """The first moment."""
        return datetime.combine(self.until - timedelta(days=self.days), datetime.min.time(), UTC)

    @property
    def name(self) -> str:
        """Eight letters that stand for this store, so that event ids of two stores never meet."""
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        # The word before the bracket stays: with another one the same arguments would give other event ids.
        return hashlib.blake2b(f"Plan({fields})".encode(), digest_size=4).hexdigest()

    def user_id(self, user: int) -> str:
        """Name a user by their number."""
        return f"u-{user:0{max(6, len(str(self.users)))}}"


@dataclass(frozen=True)
class Happenings:
    """Every event of the store in order of time, as parallel arrays of shape (events,)."""

    seconds: NDArray[np.int64]
    users: NDArray[np.int32]
    games: NDArray[np.int32]
    types: NDArray[np.int8]
    hours: NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="events, for `import FILE.csv`")
    parser.add_argument(
        "--games-out", type=Path, metavar="FILE", help="games, for `import --catalogue`: .csv or .jsonl"
    )
    for name, most in (("users", 1_000_000), ("games", 20_000), ("days", 3650), ("seed", 2**32)):
        default = getattr(Recipe, name)
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"up to {most}; default {default}"
        )
    parser.add_argument(
        "--experiment",
        type=Path,
        metavar="FILE.json",
        help="an experiment as GET /experiments/NAME answers it, for --effect",
    )
    parser.add_argument(
        "--effect",
        action="append",
        default=[],
        metavar="VARIANT=PERCENT",
        help="users of a variant buy so much more from its start on",
    )
    parser.add_argument(
        "--until", type=date.fromisoformat, default=Recipe.until, help=f"end day; default {Recipe.until}"
    )


def run(options: argparse.Namespace) -> int:
    """Write the files; return the exit code."""
    if not (1 <= options.users <= 1_000_000 and 1 <= options.games <= 20_000 and 1 <= options.days <= 3650):
        raise InvalidInput("simulate needs 1 to 1000000 users, 1 to 20000 games and 1 to 3650 days")
    if not 0 <= options.seed <= 2**32:
        raise InvalidInput("simulate needs a seed from 0 to 4294967296")
    recipe = Recipe(options.users, options.games, options.days, options.seed, options.until)
    effect = _effect_of(options)
    shop = open_shop(recipe.games, recipe.days, np.random.default_rng([recipe.seed, _SHOP]))
    try:
        if options.games_out is not None:
            write_games(options.games_out, shop, recipe)
        with progress("simulate", recipe.users, "users") as bar:
            happenings = happen(recipe, shop, bar.advance)
        if effect is not None:
            happenings = with_effect(happenings, recipe, effect)
        write_events(options.out, happenings, shop, recipe, effect)
    except OSError as error:
        raise InvalidInput(f"{error.filename}: cannot be written ({error.strerror})") from error
    print(
        f"simulated {len(happenings.seconds):,} events of {recipe.users:,} users and {recipe.games:,} games: "
        f"{options.out}"
    )
    return exits.DONE


def _effect_of(options: argparse.Namespace) -> Effect | None:
    if (options.experiment is None) != (not options.effect):
        raise InvalidInput("--experiment and --effect go together: which users, and how much more they buy")
    return None if options.experiment is None else read_effect(options.experiment, options.effect)


def happen(recipe: Recipe, shop: Shop, advance: Callable[[int], None] = lambda _: None) -> Happenings:
    """Let every user live in the shop."""
    parts: list[tuple[NDArray[Any], ...]] = []
    for user in range(recipe.users):
        diary = User(shop, np.random.default_rng([recipe.seed, _USER, user])).live(recipe.days, recipe.start.weekday())
        moments = np.array(diary.moments, np.int64)
        whose = np.full(len(moments), user, np.int32)
        own = np.array(diary.games, np.int32), np.array(diary.types, np.int8), np.array(diary.hours, np.float64)
        parts.append((moments, whose, *own))
        advance(1)
    seconds, users, games, types, hours = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(seconds, kind="stable")
    return Happenings(seconds[order], users[order], games[order], types[order], hours[order])


def with_effect(events: Happenings, recipe: Recipe, effect: Effect) -> Happenings:
    """Return the events of a store where users of a variant buy more than the others."""
    by_user = np.argsort(events.users, kind="stable")
    ends = np.cumsum(np.bincount(events.users, minlength=recipe.users))[:-1]
    stays = np.ones(len(events.users), bool)
    for user, mine in enumerate(np.split(by_user, ends)):
        rng = np.random.default_rng([recipe.seed, _EFFECT, user])  # one more user changes nothing for the others
        own = events.seconds[mine], events.games[mine], events.types[mine]
        stays[mine] = effect.stays(recipe.user_id(user), *own, recipe.start, rng)
    return Happenings(*(column[stays] for column in vars(events).values()))


def write_events(path: Path, events: Happenings, shop: Shop, recipe: Recipe, effect: Effect | None = None) -> None:
    """Write the events as CSV, oldest first."""
    # A store with an effect is another store: its event ids meet those of none.
    name = recipe.name if effect is None else f"{recipe.name}-{effect.name}"
    with path.open("wb") as file:
        file.write((",".join(COLUMNS) + "\n").encode())
        for start in range(0, len(events.seconds), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            moments = np.datetime64(recipe.start.replace(tzinfo=None), "s") + events.seconds[rows]
            table = pa.table(
                {
                    "event_id": [f"{name}-{start + place}" for place in range(len(moments))],
                    "user_id": [recipe.user_id(user) for user in events.users[rows]],
                    "game_id": [shop.game_ids[game] for game in events.games[rows]],
                    "event_type": [EVENT_TYPES[event_type] for event_type in events.types[rows]],
                    "quantity": [f"{hours:g}" for hours in events.hours[rows]],
                    "occurred_at": [f"{moment}Z" for moment in moments],
                }
            )
            # None of our values needs a quote.
            pa_csv.write_csv(table, file, pa_csv.WriteOptions(include_header=False, quoting_style="none"))


def write_games(path: Path, shop: Shop, recipe: Recipe) -> None:
    """Write the catalogue: CSV where the name ends in `.csv`, else JSON lines."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix.lower() != ".csv":
            file.writelines(json.dumps(game) + "\n" for game in _games(shop, recipe))
            return
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("game_id", "title", "tags", "released_at", "similar_to"))
        for game in _games(shop, recipe):
            tags, similar = "|".join(game["tags"]), "|".join(game["similar_to"])
            writer.writerow((game["game_id"], game["title"], tags, game["released_at"], similar))


def _games(shop: Shop, recipe: Recipe) -> Iterator[dict[str, Any]]:
    for row, game_id in enumerate(shop.game_ids):
        yield {
            "game_id": game_id,
            "title": shop.titles[row],
            "tags": list(shop.tags[row]),
            "released_at": rfc3339(recipe.start + timedelta(days=int(shop.released_day[row]))),
            "similar_to": list(shop.similar[row]),
        }
