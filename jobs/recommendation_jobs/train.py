"""`train`: fit a model and publish it, forget what is past its retention, and remake the lists if asked to."""

import argparse
import logging

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.interactions import owning
from recommendation.settings import Settings
from recommendation.training.runs import STOPPED
from recommendation.training.source import source_of_pairs
from recommendation.training.train import train
from recommendation_jobs import exits, prune, regenerate

log = logging.getLogger(__name__)

EXAMPLES = """  recs train
  recs train --regenerate
  recs train --accept "everyone was given a game for the holidays"
  CF_N_COMPONENTS=64 recs train"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--run", metavar="ID", help="carry out this queued run; default: the queued one, or a new one")
    parser.add_argument(
        "--accept",
        type=_reason,
        metavar="REASON",
        help="publish even what the gate or a guard on the data rejects; the reason is kept with the run and the model",
    )
    parser.add_argument("--regenerate", action="store_true", help="remake every user's list after publishing")


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why, in a few words")
    return text.strip()


def _stage(stage: str) -> None:
    log.info("stage: %s", stage)


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Train; return the exit code."""
    with database.reading() as connection:
        if owning.nothing_is_owned(connection):
            log.warning(owning.sentence("the store", settings.owning_events))
    with source_of_pairs(database, settings.training_database_url) as source:
        outcome = train(database, settings, SteadyClock(), options.run, _stage, options.accept, source)
    log.info("training %s", outcome.state, extra={name: value for name, value in vars(outcome).items() if value})
    print(f"training {outcome.state}: {outcome.model_version or outcome.detail}")
    if outcome.state != "skipped":
        prune.forget(settings, database)  # no other job runs every hour
    if outcome.state == "failed" and outcome.reason != STOPPED:
        return exits.DO_NOT_TRY_AGAIN
    if not options.regenerate:
        return exits.DONE
    if outcome.state == "succeeded":
        return regenerate.remake_after_training(settings, database)
    return regenerate.carry_on(settings, database) if outcome.reason == "ended" else exits.DONE
