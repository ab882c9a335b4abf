"""What a drop would do, without doing it: whom it would reach, and which games it would push from the top of lists."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection

from recommendation.catalogue import Catalogue
from recommendation.drops import Drop
from recommendation.engine.alone import rank_alone
from recommendation.errors import ModelMissing
from recommendation.lists import LEAST_SCORE
from recommendation.personal import ListSettings
from recommendation.placing import placed
from recommendation.storage.regenerations import count_users
from recommendation.storage.streams import UserBlock, stream_users
from recommendation.view import StoreView

MOST_USERS = 20_000
"""Users looked at; a larger audience is reckoned from this many of its first."""

USERS_AT_ONCE = 1024
"""Users read at a time; each is ranked alone, as reads rank them."""

DISPLACED_SHOWN = 20


def preview(
    connection: Connection, drop: Drop, view: StoreView, since: datetime | None, settings: ListSettings, now: datetime
) -> dict[str, Any]:
    """
    Rank the audience with the drop's games released, and compare with how their lists stand without.

    Raises:
        ModelMissing: there is no live model to rank with.
    """
    if view.live is None:
        raise ModelMissing("no model yet: POST /train, or run 'python -m recommendation_jobs train'")
    names = {game.game_id for game in drop.games}
    released = _with_drop(view, drop, now)
    keys = {released.catalogue.by_id[name].key for name in names}
    targeted, looked, touched = count_users(connection, since), 0, 0
    displaced: Counter[int] = Counter()
    last = drop.first_position + drop.slots - 1
    with_times = settings.half_life_days is not None
    for block in stream_users(connection, USERS_AT_ONCE, active_since=since, with_times=with_times):
        looked += len(block.user_ids)
        for order in _lists(block, released, settings, now):
            if keys.intersection(order):
                touched += 1
                others = [key for key in order if key not in keys]
                displaced.update(others[drop.first_position - 1 : last])
        if looked >= MOST_USERS:
            break
    scale = targeted / looked if looked else 1.0
    return {
        "users_targeted": targeted,
        "lists_touched": round(touched * scale),
        "exact": looked >= targeted,
        "displaced": [
            {"game_id": released.catalogue.by_key[key].game_id, "lists": round(count * scale)}
            for key, count in displaced.most_common(DISPLACED_SHOWN)
            if key in released.catalogue.by_key
        ],
    }


def _lists(block: UserBlock, view: StoreView, settings: ListSettings, now: datetime) -> Iterator[list[int]]:
    """Keys of every user's listed games, best first."""
    assert view.live
    model, keys = view.live.model, view.keys
    rows = model.games.rows(block.game_ids)
    histories = model.fold_in(block.indptr, rows, block.scores(settings.half_life_days, now))
    for user in range(len(block.user_ids)):
        own = slice(block.indptr[user], block.indptr[user + 1])
        hidden = rows[own][block.hidden[own] & (rows[own] >= 0)]
        alone = rank_alone(
            model,
            histories.part(slice(user, user + 1)),
            np.concatenate([hidden, view.unlisted_rows]),
            settings.length,
            reasons=False,
        )
        yield keys[alone.rows[alone.scores >= LEAST_SCORE]].tolist()


def _with_drop(view: StoreView, drop: Drop, now: datetime) -> StoreView:
    """Return the view as it will be once the drop's games are released; new games get keys that no game has."""
    known = dict(view.catalogue.by_id)
    for place, game in enumerate(drop.games, 1):
        old = known.get(game.game_id)
        given = replace(game, key=old.key if old else -1 - place, released_at=None)
        if old is not None:
            given = replace(
                given,
                available=old.available,
                tags=game.tags or old.tags,
                similar_to=game.similar_to or old.similar_to,
            )
        known[game.game_id] = given
    catalogue = Catalogue.of(known.values())
    live = view.live and placed(view.live, catalogue)
    return StoreView(catalogue=catalogue, live=live, made_at=now)
