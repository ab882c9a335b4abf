"""The batch jobs: `python -m recommendation_jobs train|regenerate|import|evaluate|simulate|prune`."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

from recommendation.errors import RecommendationError, StoreUnavailable
from recommendation.settings import load_settings
from recommendation_jobs import exits
from recommendation_jobs.console import start_logging
from recommendation_jobs.store import opened

log = logging.getLogger("recommendation_jobs")

COMMANDS = {
    "train": ("train", "fit a model and publish it"),
    "regenerate": ("regenerate", "remake lists"),
    "import": ("import_file", "count interactions from a CSV or Parquet file"),
    "prune": ("prune", "forget what is past its retention"),
}
FILE_COMMANDS = {
    "evaluate": ("evaluate", "measure how good lists are, on a file of interactions or on the database"),
    "simulate": ("simulate", "write the events of a made-up store to a CSV file"),
}
"""Commands that need no database unless they are asked to read one."""


class Stopped(BaseException):
    """The process was told to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 done, 1 try again, 42 do not."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    start_logging()
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(options)
    except StoreUnavailable as error:
        log.error("%s", error)
        return exits.TRY_AGAIN
    except RecommendationError as error:
        log.error("%s", error)
        return exits.DO_NOT_TRY_AGAIN
    except OSError as error:
        log.error("a disk or a file failed: %s", error)
        return exits.TRY_AGAIN
    except (Stopped, KeyboardInterrupt):
        log.warning("stopped; committed work stays, and the next start resumes from there")
        return exits.TRY_AGAIN


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line."""
    parser = argparse.ArgumentParser(prog="python -m recommendation_jobs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in {**COMMANDS, **FILE_COMMANDS}.items():
        command = commands.add_parser(name, help=text)
        if name in arguments:
            # Only what is asked for is loaded: an import needs no scikit-learn, and starts a second sooner.
            module = _module(name)
            command.description = module.__doc__
            module.add_arguments(command)
    return parser.parse_args(arguments)


def _module(command: str) -> Any:
    return import_module(f"recommendation_jobs.{(COMMANDS | FILE_COMMANDS)[command][0]}")


def _run(options: argparse.Namespace) -> int:
    module = _module(options.command)
    if options.command in FILE_COMMANDS:
        return int(module.run(options))
    settings = load_settings()
    with opened(settings) as database:
        return int(module.run(options, settings, database))


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
