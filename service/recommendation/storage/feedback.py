"""Feedback in the store."""

from collections.abc import Sequence

from sqlalchemy import Connection

from recommendation.feedback import Feedback
from recommendation.storage.dialects.writing import insert_rows
from recommendation.storage.tables import feedback


def store_feedback(connection: Connection, given: Sequence[Feedback]) -> None:
    """Keep feedback as it came; counting it is the caller's, in the same transaction."""
    rows = [
        {
            "user_id": item.interaction.user_id,
            "game_id": item.interaction.game_id,
            "action": item.interaction.event_type,
            "source": item.source,
            "model_version": item.model_version,
            "occurred_at": item.interaction.occurred_at,
        }
        for item in given
    ]
    insert_rows(connection, feedback, rows, lambda insert: insert)
