"""Making the lists of one shard of a regeneration, block by block, so that it can be stopped and taken up anywhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from recommendation.catalogue import Catalogue
from recommendation.clock import Clock
from recommendation.errors import InvalidInput
from recommendation.exposure import Exposure
from recommendation.lists import LEAST_SCORE, StoredList, pack
from recommendation.personal import ListSettings
from recommendation.placing import placed
from recommendation.storage.database import Database
from recommendation.storage.drops import get_drop
from recommendation.storage.endings import close_if_done
from recommendation.storage.erasures import still_there
from recommendation.storage.games import load_catalogue
from recommendation.storage.lists import store_lists
from recommendation.storage.locks import share_with_erasure
from recommendation.storage.regenerations import Regeneration, get_regeneration
from recommendation.storage.shards import Shard, advance_shard
from recommendation.storage.streams import UserBlock, stream_users
from recommendation.storage.views import load_model
from recommendation.view import StoreView

USERS_AT_ONCE = 2048
TOP_PLACES = 10
"""Places that count for catalogue coverage."""

Report = Callable[[int], None]
"""Told how many users were done."""


class Overtaken(Exception):
    """Another process works on the same shard and is ahead."""


def regenerate_shard(
    database: Database,
    regeneration_id: str,
    shard_number: int,
    settings: ListSettings,
    max_bytes: int,
    clock: Clock,
    report: Report,
) -> Regeneration:
    """
    Remake the lists of a shard's users, from where it was left.

    Raises:
        InvalidInput: there is no such regeneration or shard, or it was ended.
    """
    while True:
        regeneration, view = _prepare(database, regeneration_id, shard_number, max_bytes, clock)
        shard = regeneration.progress[shard_number]
        if shard.state != "succeeded":
            try:
                _work(database, regeneration, shard, view, settings, clock, report)
            except Overtaken:
                continue
        with database.writing() as connection:
            close_if_done(connection, regeneration_id, clock())
            found = get_regeneration(connection, regeneration_id)
        return found or regeneration


def _prepare(
    database: Database, regeneration_id: str, shard_number: int, max_bytes: int, clock: Clock
) -> tuple[Regeneration, StoreView]:
    with database.reading() as connection:
        regeneration = get_regeneration(connection, regeneration_id)
        if regeneration is None:
            raise InvalidInput(f"there is no regeneration {regeneration_id}")
        if not 0 <= shard_number < regeneration.shards:
            raise InvalidInput(f"regeneration {regeneration_id} has shards 0 to {regeneration.shards - 1}")
        if regeneration.state == "failed":
            raise InvalidInput(f"regeneration {regeneration_id} was ended")
        catalogue = load_catalogue(connection)
        live = placed(load_model(connection, regeneration.model_version, max_bytes), catalogue)
    return regeneration, StoreView(catalogue=catalogue, live=live, made_at=clock())


def _work(
    database: Database,
    regeneration: Regeneration,
    shard: Shard,
    view: StoreView,
    settings: ListSettings,
    clock: Clock,
    report: Report,
) -> None:
    release = _release_keys(database, regeneration.drop_uid, view.catalogue)
    with database.snapshot() as snapshot:
        blocks = stream_users(
            snapshot,
            USERS_AT_ONCE,
            shard.shard,
            regeneration.shards,
            shard.after_user,
            regeneration.active_since,
            settings.half_life_days is not None,
        )
        for block in blocks:
            lists = rank_block(block, view, settings, regeneration.generation, clock())
            shard = _write(database, regeneration, shard, block.user_ids, lists, release, clock())
            report(len(block.user_ids))
    with database.writing() as connection:
        # The last user done matters to who resumes; a shard that is through names nobody.
        done = replace(shard, state="succeeded", after_user="")
        if not advance_shard(connection, regeneration.regeneration_id, shard, done, clock()):
            raise Overtaken


def _release_keys(database: Database, drop_uid: str | None, catalogue: Catalogue) -> frozenset[int]:
    if drop_uid is None:
        return frozenset()
    with database.reading() as connection:
        drop = get_drop(connection, drop_uid)
    names = [game.game_id for game in drop.games] if drop else []
    return frozenset(catalogue.by_id[name].key for name in names if name in catalogue.by_id)


def _write(
    database: Database,
    regeneration: Regeneration,
    shard: Shard,
    users: list[str],
    lists: list[StoredList],
    release: frozenset[int],
    now: datetime,
) -> Shard:
    """Write a block's lists and the shard's progress in one transaction."""
    with database.writing() as connection:
        share_with_erasure(connection)
        there = still_there(connection, users, regeneration.generation)
        kept = [stored for stored in lists if stored.user_id in there]
        store_lists(connection, kept)
        top, anywhere = _games_in(kept)
        after = replace(
            shard,
            state="running",
            after_user=users[-1],
            users_regenerated=shard.users_regenerated + len(there),
            users_personal=shard.users_personal + len(kept),
            exposure=Exposure.joined(shard.exposure, top),
            release_seen=shard.release_seen | (anywhere & release),
        )
        if not advance_shard(connection, regeneration.regeneration_id, shard, after, now):
            raise Overtaken
    return after


def _games_in(lists: list[StoredList]) -> tuple[Exposure, frozenset[int]]:
    """Return how often games stand in a top ten, and the keys of those that stand anywhere."""
    keys = [np.frombuffer(stored.items, "<i4")[::3] for stored in lists] or [np.empty(0, "<i4")]
    top = Exposure.of(np.concatenate([own[:TOP_PLACES] for own in keys]))
    return top, frozenset(np.unique(np.concatenate(keys)).tolist())


def rank_block(
    block: UserBlock, view: StoreView, settings: ListSettings, generation: int, now: datetime
) -> list[StoredList]:
    """Rank for several users; each gets what `personal_list` gives them alone. Users without a list are left out."""
    live = view.live
    if live is None:
        raise InvalidInput("there is no model to rank with")
    indptr, rows = block.indptr, live.model.games.rows(block.game_ids)
    starts, hidden = _hidden(block, rows, view.unlisted_rows)
    scores = block.scores(settings.half_life_days, now)
    ranked = live.model.recommend_batch(indptr, rows, scores, starts, hidden, settings.length)
    keys = view.keys
    lists = []
    for place, user_id in enumerate(block.user_ids):
        count = int(np.count_nonzero(ranked.scores[place] >= LEAST_SCORE))
        if not count:
            continue
        because = ranked.because[place, :count]
        items = pack(
            keys[ranked.rows[place, :count]],
            ranked.scores[place, :count],
            np.where(because >= 0, keys[because], -1),
        )
        lists.append(StoredList(user_id, "cf", generation, now, items, live.version, int(block.events[place])))
    return lists


def _hidden(
    block: UserBlock, rows: npt.NDArray[np.int32], unlisted: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return each user's hidden rows: their own, and those that nobody may be shown."""
    own = np.where(block.hidden, rows, -1)
    pieces: list[npt.NDArray[np.int32]] = []
    for start, stop in zip(block.indptr[:-1], block.indptr[1:], strict=True):
        pieces += [own[start:stop], unlisted]
    lengths = np.diff(block.indptr) + len(unlisted)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return starts, np.concatenate(pieces) if pieces else np.empty(0, np.int32)
