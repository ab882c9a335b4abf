"""The arguments of `evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recommendation.engine.settings import EngineSettings
from recommendation.environment import settings_of
from recommendation.errors import InvalidInput, SettingsError
from recommendation_jobs.reading import dialect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate` to a parser."""
    _add_data(parser)
    parser.add_argument("--k", type=int, default=10, help="length of the lists that are measured")
    parser.add_argument(
        "--components",
        type=_setting("components"),
        metavar="N",
        help="latent factors; auto, the default, chooses them by the data",
    )
    parser.add_argument(
        "--min-interactions",
        type=_setting("min_interactions"),
        metavar="N",
        help="users and games with fewer pairs are left out of the fit; auto, the default, chooses by the data",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the split")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="compare with RP3beta and EASE, and with implicit's ALS and BM25 where it is installed (all searched)",
    )
    parser.add_argument("--sweep", action="store_true", help="try other components, weightings and ridges")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the results there")
    parser.add_argument("--rankings", type=Path, metavar="OUT", help="write the lists: user_id,rank,game_id")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw PNG plots there (needs matplotlib)")
    parser.add_argument(
        "--report", type=Path, metavar="OUT", help="write one HTML page with all figures and plots (needs matplotlib)"
    )


def _setting(name: str) -> Callable[[str], Any]:
    """Return a reader of values as the environment gives them."""

    def read(text: str) -> Any:
        try:
            return settings_of(EngineSettings)[name].read(text)
        except SettingsError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", type=Path, metavar="FILE", help="interactions, in any file that `import` takes")
    parser.add_argument("--train", type=Path, metavar="FILE", help="with --test: a split of your own")
    parser.add_argument("--test", type=Path, metavar="FILE", help="the held-out pairs")
    parser.add_argument("--database", action="store_true", help="the pairs of RECOMMENDATION_DATABASE_URL")
    parser.add_argument(
        "--live",
        action="store_true",
        help="with --database: measure the live model too, everything on gate users, whose pairs enter no fit",
    )
    for what in ("user", "game", "score", "time"):
        parser.add_argument(
            f"--{what}-column",
            metavar="NAME",
            help=f"column of the {what}; guessed where left out"
            if what != "time"
            else "column of the time: seconds since 1970, or RFC 3339",
        )
    dialect.add_arguments(parser)
    parser.add_argument(
        "--split",
        choices=("random", "temporal"),
        help="random, the default: a fifth of the pairs of users with 5 or more; temporal: each user's last pair",
    )
    parser.add_argument(
        "--by",
        choices=("users", "time"),
        default="users",
        help="users: hold out of each user what --split says; time: what all users did since one moment, the latest "
        "fifth of all pairs",
    )


def check_arguments(options: argparse.Namespace) -> None:
    """
    Refuse arguments that contradict each other, before anything is read.

    Raises:
        InvalidInput: names the argument.
    """
    ways = [bool(options.csv), bool(options.train or options.test), options.database]
    if sum(ways) != 1 or bool(options.train) != bool(options.test):
        raise InvalidInput("give one of: --csv FILE; --train FILE and --test FILE; --database")
    if options.live and not options.database:
        raise InvalidInput("--live needs --database: the live model is the one of a database")
    if options.by == "time" and (options.split or options.train):
        raise InvalidInput("--by time holds out by one moment: leave --split, --train and --test out")
    if options.k < 1:
        raise InvalidInput(f"--k must be at least 1, not {options.k}")
