"""`partition`: divide the interactions of a large store on PostgreSQL among partitions, while requests go on."""

import argparse

from recommendation.database.database import Database
from recommendation.database.dividing.steps import abandon, divide
from recommendation.settings import Settings
from recommendation_jobs import exits

EXAMPLES = """  recs partition
  recs partition --rest 3     copies a quarter of the time
  recs partition --abandon"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--rest",
        type=float,
        default=1.0,
        metavar="TIMES",
        help="pause between copies, as a multiple of what a copy takes: requests need the disk too (default: 1)",
    )
    parser.add_argument(
        "--abandon", action="store_true", help="take away what was made until now; once it is divided nothing is"
    )


def run(options: argparse.Namespace, _settings: Settings, database: Database) -> int:
    """Divide; return the exit code."""
    if options.abandon:
        abandon(database, print)
    else:
        divide(database, print, options.rest)
    return exits.DONE
