"""`export-pairs`: write all pairs into Parquet files, one for each part of the users, for trainings to read."""

import argparse

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.environment import without_keys
from recommendation.matrix.pair_files import export_pairs
from recommendation.settings import Settings
from recommendation_jobs import exits

EXAMPLES = """  recs export-pairs /exports/pairs
  recs export-pairs s3://bucket/pairs
  RECOMMENDATION_TRAINING_SOURCE=parquet:s3://bucket/pairs recs train"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("to", metavar="URL", help="a folder, or an address such as s3://bucket/pairs")


def run(options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Export; return the exit code."""
    with database.snapshot() as connection:
        made = export_pairs(connection, options.to, settings.training_partitions, utc_now())
    print(f"exported {sum(made.rows)} pairs into {len(made.rows)} files: {without_keys(options.to)}, {made.folder}")
    return exits.DONE
