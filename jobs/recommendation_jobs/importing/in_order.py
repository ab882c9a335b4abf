"""Counting pieces of a file in its order: of several events with one id the first one has it."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from recommendation.catalogue.store import ensure_games
from recommendation.clock import utc_now
from recommendation.interactions.bulk import claim_chunk, finish_chunk, merge_table
from recommendation.interactions.erasures import erased_since
from recommendation.interactions.event_ids import Novelty, claim_event_ids
from recommendation.rows import EARLIEST
from recommendation_jobs import source
from recommendation_jobs.checking import Checked, Events
from recommendation_jobs.console import Progress
from recommendation_jobs.erased import ERASED, are_erased
from recommendation_jobs.folding import fold
from recommendation_jobs.importing.work import Import

log = logging.getLogger(__name__)


def count_in_order(work: Import, bar: Progress) -> None:
    """Count what was not counted yet."""
    for first_row, table in work.pieces(source.CHUNK_ROWS):
        if first_row // source.CHUNK_ROWS not in work.done:
            _count_piece(work, first_row, table)
        bar.advance(table.num_rows)


def _count_piece(work: Import, first_row: int, table: pa.Table) -> None:
    number = first_row // source.CHUNK_ROWS
    checked = work.checked(table, first_row)
    now = utc_now()
    with work.database.writing() as connection:
        if not claim_chunk(connection, work.digest, number, now):
            return  # a twin of this process was faster
        # Before ids are claimed: a user who is left out uses up none, and all writers lock in one order.
        gone = are_erased(checked.events, erased_since(connection, checked.events.users.texts, EARLIEST))
        wanted = replace(checked, events=checked.events.only(~gone))
        claimed = _without_repeats(connection, wanted, now)
        events = claimed.events
        games = _merge(work, connection, events, now)
        late = {ERASED: checked.events.rows[gone], "event_id_conflict": claimed.conflicts}
        refused = checked.refused.rows | {code: rows for code, rows in late.items() if len(rows)}
        count = sum(map(len, refused.values()))
        finish_chunk(connection, work.digest, number, len(events), count)
    work.remember(games)
    work.report.accepted += len(events)
    work.report.duplicates += claimed.duplicates
    work.refuse(checked, refused, first_row)
    log.info("chunk counted", extra={"chunk": number, "interactions": len(events), "refused": count})


def _merge(work: Import, connection: Connection, events: Events, now: datetime) -> list[str]:
    pairs = fold(events, work.settings.owning_events)
    used = np.unique(events.games.codes[events.rows])
    games = [events.games.texts[code] for code in used]
    ensure_games(connection, games, now, work.known_games, titled=work.columns.titles)
    merge_table(connection, pairs)
    return games


@dataclass(frozen=True)
class _Claimed:
    events: Events
    duplicates: int = 0
    conflicts: np.typing.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows whose event id was used for other content."""


def _without_repeats(connection: Connection, checked: Checked, now: datetime) -> _Claimed:
    """Leave out events whose ids are known, by the rules of `POST /interactions`."""
    events, ids = checked.events, checked.event_ids
    if ids is None:
        return _Claimed(events)
    names = [ids.text(int(row)) for row in events.rows]
    claims = [(name, checked.fingerprint(place) if name else b"") for place, name in enumerate(names)]
    verdicts = np.array(claim_event_ids(connection, claims, now), object)
    kept, repeated = events.only(verdicts == Novelty.NEW), int((verdicts == Novelty.REPEAT).sum())
    return _Claimed(kept, repeated, events.rows[verdicts == Novelty.CONFLICT])
