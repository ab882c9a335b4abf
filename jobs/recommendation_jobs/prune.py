"""`prune`: forget what is past its retention."""

import argparse
from datetime import timedelta

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.operations.retention import forget_old
from recommendation.settings import Settings
from recommendation_jobs import exits

EXAMPLES = """  recs prune
  RECOMMENDATION_IDEMPOTENCY_RETENTION_DAYS=30 recs prune"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments: retention is a setting."""


def run(_options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Forget; return the exit code."""
    forget(settings, database)
    return exits.DONE


def forget(settings: Settings, database: Database) -> None:
    """Forget what is past its retention, and print how much of each kind."""
    retention = timedelta(days=settings.idempotency_retention_days)
    with database.writing() as connection:
        gone = forget_old(connection, utc_now(), retention, settings.models_kept)
    print("forgotten: " + ", ".join(f"{count} {what}" for what, count in gone.items()))
