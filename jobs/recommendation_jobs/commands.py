"""Carries out a command of the batch jobs: `train`, `regenerate`, `import` and the others that `COMMANDS` names."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

from recommendation.errors import RecommendationError, StoreUnavailable
from recommendation.settings import load_settings
from recommendation.unknown_settings import warnings_of
from recommendation_jobs import exits
from recommendation_jobs.console import start_logging
from recommendation_jobs.store import opened

log = logging.getLogger("recommendation_jobs")

COMMANDS = {
    "train": ("train", "fit a model and publish it"),
    "regenerate": ("regenerate", "remake lists"),
    "import": ("import_file", "count interactions from a file, or write a catalogue"),
    "export-pairs": ("export_pairs", "write all pairs into files for trainings to read"),
    "experiment": ("experiment", "say whether an experiment worked"),
    "partition": ("partition", "divide the interactions of a large store among partitions"),
    "prune": ("prune", "forget what is past its retention"),
}
FILE_COMMANDS = {
    "evaluate": ("evaluate", "measure how good lists are, on a file of interactions or on the database"),
    "simulate": ("simulate", "write the events of a made-up store to a CSV file"),
}
"""Commands that need no database unless they are asked to read one."""

PROGRAM = "python -m recommendation_jobs"


class Stopped(BaseException):
    """The process was told to stop."""


_told_to_stop = threading.Event()


def main(arguments: list[str] | None = None, program: str = PROGRAM) -> int:
    """Run a command; 0 done, 1 try again, 42 do not."""
    options = parse(sys.argv[1:] if arguments is None else arguments, program)
    start_logging()
    for warning in warnings_of(os.environ):
        log.warning(warning)
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(options)
    except StoreUnavailable as error:
        log.error("%s", error)
        return exits.TRY_AGAIN
    except RecommendationError as error:
        if _told_to_stop.is_set():
            # It was raised in a callback of a library, which made another error of it.
            return _stopped()
        log.error("%s", error)
        return exits.DO_NOT_TRY_AGAIN
    except OSError as error:
        log.error("a disk or a file failed: %s", error)
        return exits.TRY_AGAIN
    except (Stopped, KeyboardInterrupt):
        return _stopped()


def _stopped() -> int:
    log.warning("stopped; committed work stays, and the next start resumes from there")
    return exits.TRY_AGAIN


def parse(arguments: Sequence[str], program: str = PROGRAM) -> argparse.Namespace:
    """Read a command line."""
    # Only what is asked for is loaded: an import needs no scikit-learn, and starts a second sooner.
    return parser_of([name for name in COMMANDS | FILE_COMMANDS if name in arguments], program).parse_args(arguments)


def parser_of(loaded: Sequence[str], program: str = PROGRAM) -> argparse.ArgumentParser:
    """Return a parser that knows all commands, and the arguments of those that are named."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="The batch jobs.",
        epilog=exits.TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in {**COMMANDS, **FILE_COMMANDS}.items():
        command = commands.add_parser(name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name in loaded:
            add_command_arguments(name, command)
    return parser


def add_command_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Load a command, and tell its parser the arguments, examples and exit codes."""
    module = _module(name)
    parser.description = module.__doc__.strip()
    parser.epilog = f"examples:\n{module.EXAMPLES}\n\n{exits.TEXT}"
    module.add_arguments(parser)


def _module(command: str) -> Any:
    return import_module(f"recommendation_jobs.{(COMMANDS | FILE_COMMANDS)[command][0]}")


def _run(options: argparse.Namespace) -> int:
    module = _module(options.command)
    if options.command in FILE_COMMANDS:
        return int(module.run(options))
    settings = load_settings()
    if hasattr(module, "start"):  # looks at what it was given before it opens the database
        return int(module.start(options, settings))
    with opened(settings) as database:
        return int(module.run(options, settings, database))


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    _told_to_stop.set()
    raise Stopped
