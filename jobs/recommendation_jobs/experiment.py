"""`experiment report NAME`: say whether an experiment worked."""

import argparse
import json

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.errors import InvalidInput
from recommendation.experiments.report import as_text, report
from recommendation.experiments.store import get_experiment
from recommendation.settings import Settings
from recommendation_jobs import exits

EXAMPLES = """  recs experiment report release-places
  recs experiment report release-places --outcome wishlisted --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to do, and with which experiment."""
    parser.add_argument("action", choices=["report"], help="what to do")
    parser.add_argument("name", metavar="NAME", help="name of the experiment")
    parser.add_argument("--outcome", metavar="EVENT_TYPE", help="event type to count; the experiment's own by default")
    parser.add_argument("--json", action="store_true", help="print what GET /experiments/NAME/report answers")


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Print the report; return the exit code."""
    if options.outcome is not None and options.outcome not in settings.weights:
        raise InvalidInput(f"--outcome: {options.outcome!r} is none of {', '.join(settings.weights.names)}")
    with database.snapshot() as connection:
        experiment = get_experiment(connection, options.name)
        if experiment is None:
            raise InvalidInput(f"no experiment has the name {options.name!r}; GET /experiments lists them")
        told = report(connection, experiment, options.outcome, utc_now())
    print(json.dumps(told, indent=2) if options.json else as_text(told))
    return exits.DONE
