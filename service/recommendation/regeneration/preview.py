"""What a drop would do, without doing it: whom it would reach, and which games it would push from the top of lists."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Catalogue, Said, completed
from recommendation.errors import no_model
from recommendation.experiments.chance import share_interval
from recommendation.experiments.holdout import is_held_back, measured
from recommendation.interactions.stream import count_users, stream_users
from recommendation.lists.personal import ListSettings
from recommendation.lists.personal_each import RankEach
from recommendation.lists.view import StoreView, with_releases

SAMPLE = 1000
"""
Users whose lists are ranked, about: of a larger store those of one part by hash, the same ones each time.

Ranking for one takes up to some milliseconds, and who asks waits; the share of so many is right to three points.
"""


USERS_AT_ONCE = 1024
"""Users read at a time; each is ranked alone, as reads rank them."""


DISPLACED_SHOWN = 20


def preview(
    connection: Connection,
    drop: Drop,
    view: StoreView,
    since: datetime | None,
    settings: ListSettings,
    now: datetime,
    sample: int = SAMPLE,
) -> dict[str, Any]:
    """
    Rank a sample of the audience with the drop's games released, and compare with how their lists stand without.

    Users of the drop's holdout are counted, and nothing is displaced in their lists.

    Args:
        connection: of a snapshot, as it streams.
        since: the audience has an event since then; None: everyone.
        sample: users whose lists are ranked, about; everyone where there are no more.

    Returns:
        Counts for the whole audience, with the 95 % interval of `lists_touched`; `exact` where everyone was ranked.

    Raises:
        ModelMissing: there is no live model to rank with.
    """
    if view.live is None:
        raise no_model()
    names = {game.game_id for game in drop.games}
    released = _with_drop(view, drop, now)
    lists = RankEach(released, settings)
    keys = {released.catalogue.by_id[name].key for name in names}
    targeted, ranked, touched, held_back = count_users(connection, since), 0, 0, 0
    parts = max(1, -(-targeted // sample))
    holdout = measured(drop)
    displaced: Counter[int] = Counter()
    last = drop.first_position + drop.slots - 1
    blocks = stream_users(
        connection, USERS_AT_ONCE, shards=parts, active_since=since, with_times=settings.needs_times(released)
    )
    for block in blocks:
        ranked += len(block.user_ids)
        for user_id, order in zip(block.user_ids, lists.keys_of(block, now), strict=True):
            if holdout is not None and is_held_back(holdout, user_id):
                held_back += 1
            elif keys.intersection(order):
                touched += 1
                others = [key for key in order if key not in keys]
                displaced.update(others[drop.first_position - 1 : last])
    scale = targeted / ranked if ranked else 1.0
    low, high = share_interval(touched, ranked) if ranked < targeted else (touched / max(1, ranked),) * 2
    return {
        "users_targeted": targeted,
        "users_ranked": ranked,
        "lists_touched": round(touched * scale),
        "lists_touched_low": round(targeted * low),
        "lists_touched_high": round(targeted * high),
        "users_held_back": round(held_back * scale),
        "exact": ranked >= targeted,
        "displaced": [
            {"game_id": released.catalogue.by_key[key].game_id, "lists": round(count * scale)}
            for key, count in displaced.most_common(DISPLACED_SHOWN)
            if key in released.catalogue.by_key
        ],
    }


def _with_drop(view: StoreView, drop: Drop, now: datetime) -> StoreView:
    """Return the view as it will be once the drop is released; new games get keys that no game has."""
    known = dict(view.catalogue.by_id)
    for place, game in enumerate(drop.games, 1):
        old = known.get(game.game_id)
        if old is None:
            known[game.game_id] = replace(game, key=-1 - place, released_at=None)
            continue
        with_it = completed(old, [Said(game.title, game.tags, game.similar_to)])
        known[game.game_id] = replace(with_it, released_at=None) if old.is_announced else with_it
    catalogue = Catalogue.of(known.values())
    live = view.live and with_releases(view.live, catalogue)
    return StoreView(catalogue=catalogue, live=live, made_at=now)
