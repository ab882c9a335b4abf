"""Everything that is kept of one person, in plain words."""

import json
from typing import Any

from sqlalchemy import Connection, select

from recommendation.catalogue.games import Catalogue
from recommendation.clock import rfc3339
from recommendation.database.tables import feedback, outbox, user_game_interactions
from recommendation.interactions.merged import merged_into, visitors_of
from recommendation.lists.first_party import decode_first_party
from recommendation.lists.order import source_class
from recommendation.lists.store import lists_of
from recommendation.lists.stored import PACKED_ITEM, unpack
from recommendation.weights import MILLION


def export_user(connection: Connection, user_id: str, catalogue: Catalogue) -> dict[str, Any]:
    """
    Return a person's interactions, feedback, lists, and what waits to be announced of them.

    An account has its visitors' with its own; a visitor has nothing left but the account.
    """
    visitors = visitors_of(connection, user_id)
    names = [user_id, *(visitor for visitor, _ in visitors)]
    pairs = connection.execute(
        select(user_game_interactions)
        .where(user_game_interactions.c.user_id == user_id)
        .order_by(user_game_interactions.c.game_id)
    )
    given = connection.execute(select(feedback).where(feedback.c.user_id == user_id).order_by(feedback.c.feedback_id))
    return {
        "user_id": user_id,
        "merged_into": merged_into(connection, user_id),
        "merged": [{"user_id": visitor, "merged_at": rfc3339(moment)} for visitor, moment in visitors],
        "interactions": [
            {
                "game_id": row.game_id,
                "score": row.score_millionths / MILLION,
                "events": row.events,
                "owned": row.owned,
                "dismissed": row.dismissed,
                "first_event_at": rfc3339(row.first_event_at),
                "last_event_at": rfc3339(row.last_event_at),
            }
            for row in pairs
        ],
        "feedback": [
            {
                "game_id": row.game_id,
                "action": row.action,
                "source": row.source,
                "model_version": row.model_version,
                "occurred_at": rfc3339(row.occurred_at),
            }
            for row in given
        ],
        "lists": [
            {
                "source": stored.source,
                "generated_at": rfc3339(stored.generated_at),
                "model_version": stored.model_version,
                "items": _items(stored.source, stored.items, catalogue),
            }
            for stored in lists_of(connection, [user_id])
            if stored.model_version or source_class(stored.source) != "cf"  # others hold a number and no list
        ],
        "announcements": [
            {"type": row.type, "created_at": rfc3339(row.created_at), "data": json.loads(row.data)}
            for row in connection.execute(
                select(outbox).where(outbox.c.user_id.in_(names)).order_by(outbox.c.outbox_id)
            )
        ],
    }


def _items(source: str, items: bytes, catalogue: Catalogue) -> list[dict[str, Any]]:
    if source_class(source) in {"editorial", "rule"}:
        return [{"game_id": item.game_id, "score": item.score} for item in decode_first_party(items)]
    if len(items) % PACKED_ITEM.itemsize:
        raise ValueError(f"a {source} list of {len(items)} bytes")
    games = catalogue.by_key
    return [{"game_id": games[key].game_id, "score": score} for key, score, _ in unpack(items) if key in games]
