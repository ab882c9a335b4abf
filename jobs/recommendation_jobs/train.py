"""`train`: fit a model and publish it, forget what is past its retention, and remake the lists if asked to."""

import argparse
import logging

from recommendation.clock import SteadyClock, utc_now
from recommendation.database.database import Database
from recommendation.experiments.sample_ratios import count_sample_ratios, keep_sample_ratios
from recommendation.interactions import owning
from recommendation.settings import Settings
from recommendation.training.runs import STOPPED
from recommendation.training.source import source_of_pairs
from recommendation.training.train import Outcome, train
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
    if outcome.model_version and outcome.detail:
        print(outcome.detail)
    if outcome.state == "skipped":
        return _remake(outcome, options.regenerate, settings, database)
    prune.forget(settings, database)  # no other job runs every hour
    code = _remake(outcome, options.regenerate, settings, database)
    _count_sample_ratios(database)  # nor this; lists go first, as counting may take long
    return code


def _remake(outcome: Outcome, is_asked: bool, settings: Settings, database: Database) -> int:
    """Remake the lists where that is asked for and there is a reason to; return the exit code."""
    if outcome.state == "failed" and outcome.reason != STOPPED:
        return exits.DO_NOT_TRY_AGAIN
    if not is_asked:
        return exits.DONE
    if outcome.state == "succeeded":
        return regenerate.remake_after_training(settings, database)
    return regenerate.carry_on(settings, database) if outcome.reason == "ended" else exits.DONE


def _count_sample_ratios(database: Database) -> None:
    """Count whether experiments and holdouts lack users of a variant: a metric tells it until the next training."""
    with database.snapshot() as snapshot:
        found = count_sample_ratios(snapshot, utc_now())
    with database.writing() as connection:
        keep_sample_ratios(connection, found)
    for one in found:
        if one.mismatch:
            log.warning("users of a variant are missing (sample ratio mismatch): %s %s", one.kind, one.name)
