"""`train`: fit a model and publish it, forget what is past its retention, and remake the lists if asked to."""

import argparse
import logging
import os
import sys

from recommendation.clock import SteadyClock, utc_now
from recommendation.database.database import Database
from recommendation.experiments.sample_ratios import count_sample_ratios, keep_sample_ratios
from recommendation.extras import extra_or_exit
from recommendation.interactions import owning
from recommendation.settings import Settings
from recommendation.training.pairs import Workers
from recommendation.training.runs import LOST, STOPPED
from recommendation.training.source import source_of_pairs
from recommendation.training.train import Outcome, train
from recommendation_jobs import exits, prune, regenerate
from recommendation_jobs.following import Following

log = logging.getLogger(__name__)

INDEX = "JOB_COMPLETION_INDEX"
"""What Kubernetes tells each pod of an Indexed Job."""


DRIVER = "0"
"""The index that trains; all others work for it."""


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


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Train, or work for the training of another process of this Job; return the exit code."""
    if settings.training_engine == "here":
        return _train(options, settings, database, None)
    with extra_or_exit("dask", "RECOMMENDATION_TRAINING_ENGINE=dask"):
        from recommendation_jobs.spread.driver import Driver
    if os.environ.get(INDEX, DRIVER) != DRIVER:
        database.close()
        # In place of this process: what trains has been loaded, and takes memory that the worker needs.
        os.execv(sys.executable, [sys.executable, "-m", "recommendation_jobs.spread", "supervisor"])  # noqa: S606
    # Workers stay until lists are remade: of a Job all of whose workers fail meanwhile, nothing is left.
    with Driver(settings) as workers:
        return _train(options, settings, database, workers)


def _train(options: argparse.Namespace, settings: Settings, database: Database, workers: Workers | None) -> int:
    with database.reading() as connection:
        if owning.nothing_is_owned(connection):
            log.warning(owning.sentence("the store", settings.owning_events))
    with source_of_pairs(database, settings.training_database_url) as source:
        outcome = _told(options, settings, database, source, workers)
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


def _told(
    options: argparse.Namespace, settings: Settings, database: Database, source: Database, workers: Workers | None
) -> Outcome:
    """Train, and tell meanwhile how far it is."""
    told = Following()
    try:
        return train(
            database, settings, SteadyClock(), options.run, told.stage, options.accept, source, workers, told.step
        )
    finally:
        told.close()


def _remake(outcome: Outcome, is_asked: bool, settings: Settings, database: Database) -> int:
    """Remake the lists where that is asked for and there is a reason to; return the exit code."""
    code = exit_code_of(outcome)
    if code or not is_asked:
        return code
    if outcome.state == "succeeded":
        return regenerate.remake_after_training(settings, database)
    return regenerate.carry_on(settings, database) if outcome.reason == "ended" else exits.DONE


def exit_code_of(outcome: Outcome) -> int:
    """Say whether a training that failed is worth another try: with other pods, but not with other data."""
    if outcome.state != "failed" or outcome.reason == STOPPED:
        return exits.DONE
    return exits.TRY_AGAIN if outcome.reason == LOST else exits.DO_NOT_TRY_AGAIN


def _count_sample_ratios(database: Database) -> None:
    """
    Count whether experiments and holdouts lack users of a variant: a metric tells it until the next training.

    The training is over, and its model live: a count that fails is told, and counted again after the next one.
    """
    try:
        with database.snapshot() as snapshot:
            found = count_sample_ratios(snapshot, utc_now())
        with database.writing() as connection:
            keep_sample_ratios(connection, found)
    except Exception:
        log.exception("sample ratios were not counted; the next training counts them again")
        return
    for one in found:
        if one.mismatch:
            log.warning("users of a variant are missing (sample ratio mismatch): %s %s", one.kind, one.name)
