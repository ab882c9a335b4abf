"""What is measured on: files, or the pairs of the database and its live model."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.engine.model import LiveModel
from recommendation.errors import InvalidInput, ModelMissing
from recommendation.evaluation.data import Split, given_split, leave_last_out, must_split_by_time, random_split
from recommendation.evaluation.trial import Trial, gate_trial
from recommendation.matrix.extract import read_matrix
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.settings import Settings, load_settings
from recommendation.training.models import live_version, load_model
from recommendation_jobs.evaluation.reading import Columns, read_csv
from recommendation_jobs.reading.dialect import told_by
from recommendation_jobs.store import opened


@dataclass(frozen=True, eq=False)
class Inputs:
    """A trial, and the live model where it takes part."""

    trial: Trial
    live: LiveModel | None = None


def read_inputs(options: argparse.Namespace) -> Inputs:
    """
    Read the pairs that the arguments name, and split them.

    Raises:
        InvalidInput: a file cannot be used, or no pair of any user could be held out.
        ModelMissing: the live model was asked for, and there is none.
        StoreUnavailable: the database does not answer.
    """
    if options.database:
        found = _from_database(options, load_settings())
    elif options.csv:
        found = Inputs(Trial(_split(read_csv(options.csv, _columns(options), told_by(options)), options), options.k))
    else:
        files = [read_csv(path, _columns(options), told_by(options)) for path in (options.train, options.test)]
        found = Inputs(Trial(given_split(files[0], files[1]), options.k))
    if not len(found.trial.split.users):
        whom = "gate user" if found.live else "user"
        raise InvalidInput(f"no pair of any {whom} is held out: a user needs at least 5 games, or use --train, --test")
    return found


def _from_database(options: argparse.Namespace, settings: Settings) -> Inputs:
    with opened(settings) as database:
        data = _pairs(database, settings, utc_now())
        live = _live(database, settings) if options.live else None
    split = _split(data, options)
    if live is None:
        return Inputs(Trial(split, options.k))
    return Inputs(gate_trial(split, options.k, live.model), live)


def _pairs(database: Database, settings: Settings, now: datetime) -> InteractionMatrix:
    """Read pairs as a training reads them."""
    with database.snapshot() as connection:
        return read_matrix(connection, settings.half_life_days, now)


def _live(database: Database, settings: Settings) -> LiveModel:
    with database.reading() as connection:
        version = live_version(connection)
        if version is None:
            raise ModelMissing("no model is live: run 'recs train', or leave --live out")
        return load_model(connection, version, settings.model_max_bytes)


def _split(data: InteractionMatrix, options: argparse.Namespace) -> Split:
    if options.by == "time":
        return must_split_by_time(data)
    return leave_last_out(data) if options.split == "temporal" else random_split(data, options.seed)


def _columns(options: argparse.Namespace) -> Columns:
    return Columns(
        options.user_column,
        options.game_column,
        options.score_column,
        options.time_column,
        guess_ids=not options.no_guess_ids,
        guess_decimal_commas=not options.no_guess_decimal_commas,
    )
