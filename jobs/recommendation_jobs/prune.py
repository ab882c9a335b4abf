"""`prune`: forget what is past its retention."""

import argparse
from datetime import timedelta

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.operations.retention import forget_old
from recommendation.settings import Settings
from recommendation_jobs import exits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing can be asked for: retention is a setting."""


def run(_options: argparse.Namespace, settings: Settings, database: Database) -> int:
    """Forget; return the exit code."""
    gone = forget(settings, database)
    print("forgotten: " + ", ".join(f"{count} {what}" for what, count in gone.items()))
    return exits.DONE


def forget(settings: Settings, database: Database) -> dict[str, int]:
    """Forget what is past its retention; return how many of what."""
    retention = timedelta(days=settings.idempotency_retention_days)
    with database.writing() as connection:
        return forget_old(connection, utc_now(), retention, settings.models_kept)
