"""What is forgotten, and when."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from recommendation.database.idempotency import forget_answers
from recommendation.database.tables import feedback, models, regenerations, training_runs, user_lists
from recommendation.experiments.first_reads import forget_first_reads
from recommendation.experiments.needed import needed_events
from recommendation.interactions.erasures import forget_erasures
from recommendation.interactions.event_ids import forget_event_ids
from recommendation.operations.changes import forget_changes
from recommendation.training.models import prune_models
from recommendation.weights import SHOWN

HISTORY = timedelta(days=90)
"""How long ended runs, regenerations, items shown, what experiments count, and the trail of changes are kept."""


def forget_old(connection: Connection, now: datetime, retention: timedelta, models_kept: int) -> dict[str, int]:
    """
    Forget event ids, answers, erasures, model versions, history, and lists of models that are gone.

    Ids of events that an experiment counts stay longer, up to `HISTORY`.
    """
    before, long_ago = now - retention, now - HISTORY
    gone = {
        "event ids": forget_event_ids(connection, before, needed_events(connection, now, HISTORY), long_ago),
        "answers": forget_answers(connection, before),
        "erasure digests": forget_erasures(connection, before),
        "model versions": len(prune_models(connection, models_kept, now)),
        "changes": forget_changes(connection, long_ago),
        "first reads": forget_first_reads(connection, long_ago),
    }
    kept = select(models.c.version)
    outdated = user_lists.c.model_version.is_(None) & (user_lists.c.generated_at < before)
    old_lists = (user_lists.c.source == "cf") & (user_lists.c.model_version.not_in(kept) | outdated)
    old_runs = training_runs.c.active.is_(None) & (training_runs.c.finished_at < long_ago)
    old_regenerations = (regenerations.c.state != "running") & (regenerations.c.finished_at < long_ago)
    for what, table, condition in (
        ("lists of models that are gone", user_lists, old_lists),
        ("training runs", training_runs, old_runs),
        ("regenerations", regenerations, old_regenerations),
        ("items shown", feedback, (feedback.c.action == SHOWN) & (feedback.c.occurred_at < long_ago)),
    ):
        gone[what] = int(connection.execute(delete(table).where(condition)).rowcount)
    return gone
