"""
`recs COMMAND`: one command for the API, the jobs and the migrations.

It hands the rest of the command line to the program that carries the command out. These are loaded only then: each
needs an extra, and `recs` says which one where it is missing.
"""

import argparse
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from recommendation.extras import ExtraMissing, extra_needed
from recommendation_cli import completion, serve
from recommendation_cli.env_file import EnvFileUnreadable, read_env_file

COMMANDS = {
    "migrate": "bring the database to this release's schema",
    "import": "count interactions from a file, or write a catalogue",
    "train": "fit a model and publish it",
    "regenerate": "remake lists",
    "serve": "answer HTTP requests",
    "evaluate": "measure how good lists are, on a file or on the database",
    "simulate": "write the events of a made-up store",
    "experiment": "say whether an experiment worked",
    "export-pairs": "write all pairs into files for trainings to read",
    "partition": "divide the interactions of a large store among partitions",
    "prune": "forget what is past its retention",
    "completion": "print a script that completes commands in a shell",
}

_JOBS = ("train", "regenerate", "import", "evaluate", "simulate", "experiment", "export-pairs", "partition", "prune")

_EPILOG = """examples:
  recs simulate --out events.csv --games-out games.csv
  recs migrate
  recs import --catalogue games.csv events.csv
  recs train --regenerate
  recs serve

exit codes:
  0   done
  1   try again: the database was away, or the command was stopped
  2   the command line is wrong
  42  do not try again before the data, a setting or the installation is mended

'recs COMMAND --help' has the arguments and examples of a command."""

_CANNOT = 42


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        rest = _with_env_file(given)
        options = top_parser().parse_args(rest)
        return carry_out(options.command, rest[rest.index(options.command) + 1 :])
    except (EnvFileUnreadable, ExtraMissing) as error:
        print(error, file=sys.stderr)
        return _CANNOT


def top_parser() -> argparse.ArgumentParser:
    """Return the parser of what stands before the command's own arguments."""
    parser = argparse.ArgumentParser(
        prog="recs",
        usage="recs [--env-file FILE] COMMAND ...",
        description="A recommendation service for a game store.",
        epilog="commands:\n" + "\n".join(f"  {name:<14}{text}" for name, text in COMMANDS.items()) + "\n\n" + _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"recs {version('recommendation-service')}")
    parser.add_argument("--env-file", metavar="FILE", help="settings as NAME=value; the environment stands above it")
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS), help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def carry_out(command: str, arguments: list[str]) -> int:
    """Hand the arguments to the program of a command."""
    if command in _JOBS:
        return _program(command, "jobs", _jobs)([command, *arguments], "recs")
    if command == "migrate":
        return _program(command, "service", _migrate)(arguments, "recs migrate")
    module = serve if command == "serve" else completion
    parser = argparse.ArgumentParser(
        prog=f"recs {command}",
        description=module.__doc__,
        epilog=f"examples:\n{module.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    options = parser.parse_args(arguments)
    with extra_needed(module.EXTRA, f"recs {command}"):
        return int(module.run(options))


def _with_env_file(arguments: list[str]) -> list[str]:
    """Put the settings of `--env-file` into the environment; return the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--env-file", type=Path, action="append", default=[])
    options, rest = parser.parse_known_args(arguments)
    found: dict[str, str] = {}
    for path in options.env_file:
        found |= read_env_file(path)
    os.environ.update({name: value for name, value in found.items() if name not in os.environ})
    return rest


_Main = Callable[[list[str], str], int]


def _program(command: str, extra: str, load: Callable[[], _Main]) -> _Main:
    with extra_needed(extra, f"recs {command}"):
        return load()


def _jobs() -> _Main:
    from recommendation_jobs.commands import main as jobs

    return jobs


def _migrate() -> _Main:
    from recommendation.migrate import main as migrate

    return migrate
