"""Everything that is kept of one person, in plain words."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from recommendation.catalogue.drop_store import standing_drops
from recommendation.catalogue.games import Catalogue
from recommendation.clock import rfc3339
from recommendation.database.tables import event_ids, exposures, feedback, outbox, user_game_interactions
from recommendation.experiments.holdout import groups_in_holdouts
from recommendation.experiments.store import unended
from recommendation.experiments.treatment import treatment, variants_json
from recommendation.interactions.erasures import erased_until
from recommendation.interactions.feedback import read_variants
from recommendation.interactions.merged import merged_into, visitors_of
from recommendation.lists.first_party import FirstPartyItem, decode_first_party
from recommendation.lists.order import source_class
from recommendation.lists.store import lists_of
from recommendation.lists.stored import PACKED_ITEM, StoredList, unpack
from recommendation.weights import MILLION


def export_user(connection: Connection, user_id: str, catalogue: Catalogue, now: datetime) -> dict[str, Any]:
    """
    Return a person's interactions, feedback, remembered events, lists, the variants that they get in experiments,
    the holdouts of drops, the first lists that they read in some experiments, and what waits to be announced of them.

    An account has its visitors' with its own; a visitor has nothing left but the account. `erased_at` is the time up to
    which no event counts, for as long as an erasure is remembered.
    """
    visitors, erased_at = visitors_of(connection, user_id), erased_until(connection, user_id)
    return {
        "user_id": user_id,
        "erased_at": erased_at and rfc3339(erased_at),
        "merged_into": merged_into(connection, user_id),
        "merged": [{"user_id": visitor, "merged_at": rfc3339(moment)} for visitor, moment in visitors],
        "interactions": [_interaction(row) for row in _rows(connection, user_game_interactions, [user_id], "game_id")],
        "feedback": [_feedback(row) for row in _rows(connection, feedback, [user_id], "feedback_id")],
        "remembered_events": [_event(row) for row in _rows(connection, event_ids, [user_id], "occurred_at")],
        "lists": [
            _list(stored, catalogue)
            for stored in lists_of(connection, [user_id])
            if stored.model_version or source_class(stored.source) != "cf"  # others hold a number and no list
        ],
        "experiments": variants_json(treatment(unended(connection, now), user_id, now).assigned),
        "exposures": [
            {"experiment": row.experiment, "first_at": rfc3339(row.first_at)}
            for row in _rows(connection, exposures, [user_id], "experiment")
        ],
        "holdouts": groups_in_holdouts(standing_drops(connection, now), user_id),
        "announcements": [
            {"type": row.type, "created_at": rfc3339(row.created_at), "data": json.loads(row.data)}
            for row in _rows(connection, outbox, [user_id, *(visitor for visitor, _ in visitors)], "outbox_id")
        ],
    }


def _rows(connection: Connection, table: Table, users: Sequence[str], order: str) -> Any:
    return connection.execute(select(table).where(table.c.user_id.in_(users)).order_by(table.c[order]))


def _interaction(row: Any) -> dict[str, Any]:
    return {
        "game_id": row.game_id,
        "score": row.score_millionths / MILLION,
        "events": row.events,
        "owned": row.owned,
        "owned_at": row.owned_at and rfc3339(row.owned_at),
        "dismissed": row.dismissed,
        "dismissed_at": row.dismissed_at and rfc3339(row.dismissed_at),
        "first_event_at": rfc3339(row.first_event_at),
        "last_event_at": rfc3339(row.last_event_at),
    }


def _feedback(row: Any) -> dict[str, Any]:
    return {
        "game_id": row.game_id,
        "action": row.action,
        "source": row.source,
        "model_version": row.model_version,
        "occurred_at": rfc3339(row.occurred_at),
        "experiments": variants_json(read_variants(row.variants)),
    }


def _event(row: Any) -> dict[str, Any]:
    """What is kept with the id of an event, which itself is kept as a digest."""
    return {
        "game_id": row.game_id,
        "event_type": row.event_type,
        "score": row.score_millionths / MILLION,
        "occurred_at": rfc3339(row.occurred_at),
        "received_at": rfc3339(row.received_at),
        "taken_back_at": row.taken_back_at and rfc3339(row.taken_back_at),
    }


def _list(stored: StoredList, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "source": stored.source,
        "generated_at": rfc3339(stored.generated_at),
        "model_version": stored.model_version,
        "items": _items(stored.source, stored.items, catalogue),
    }


def _items(source: str, items: bytes, catalogue: Catalogue) -> list[dict[str, Any]]:
    if source_class(source) in {"editorial", "rule"}:
        return [_own_item(item) for item in decode_first_party(items)]
    if len(items) % PACKED_ITEM.itemsize:
        raise ValueError(f"a {source} list of {len(items)} bytes")
    games = catalogue.by_key
    packed = ((games.get(key), score, because) for key, score, because in unpack(items))
    return [
        {"game_id": game.game_id, "score": score, "because": named.game_id if (named := games.get(because)) else None}
        for game, score, because in packed
        if game is not None
    ]


def _own_item(item: FirstPartyItem) -> dict[str, Any]:
    return {
        "game_id": item.game_id,
        "score": item.score,
        "reason": item.reason,
        "position": item.position,
        "expires_at": item.expires_at and rfc3339(item.expires_at),
    }
