"""
Counting a file by stretches of users, each in one transaction: rows of new users then only ever go to the end of the
table. For files whose events have no ids of their own.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pa_compute

from recommendation.catalogue.store import ensure_games
from recommendation.clock import utc_now
from recommendation.database.dialects.connections import writers_at_once
from recommendation.interactions.bulk import claim_chunk, finish_chunk, merge_table, note_keys, note_refused
from recommendation.interactions.erasures import all_erasures, erased_since
from recommendation.rows import EARLIEST
from recommendation_jobs import source
from recommendation_jobs.console import Progress
from recommendation_jobs.erased import ERASED, Erased
from recommendation_jobs.folding import fold, fold_again
from recommendation_jobs.importing.repeated import is_known
from recommendation_jobs.importing.work import Import
from recommendation_jobs.repeats import Sample
from recommendation_jobs.runs import Runs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Part:
    accepted: int = 0
    games: list[str] = field(default_factory=list)
    erased: int = 0
    """Events of people who were erased after the file was read."""


def count_by_users(work: Import, bar: Progress, again: bool) -> None:
    """
    Count what was not counted yet.

    Args:
        again: whether rows are counted that an earlier import counted.

    Raises:
        InvalidInput: another import counted some of the rows.
    """
    with work.database.reading() as connection:
        erased = Erased(all_erasures(connection), work.settings.owning_events)
    sample = Sample(timed=work.columns.time_column is not None)
    with Runs() as runs:
        for first_row, table in work.pieces(source.RUN_ROWS):
            checked = work.checked(table, first_row)
            # With the erased: where parts are cut must not depend on who was erased when.
            runs.add(fold(checked.events, work.settings.owning_events))
            work.refuse(checked, checked.refused.rows | erased.refused(checked.events), first_row)
            sample.add(checked)
            bar.advance(table.num_rows)
        if is_known(work, sample, again):
            return
        _count_parts(work, runs, erased)
    with work.database.writing() as connection:
        note_refused(connection, work.digest, work.report.refused.total())
        note_keys(connection, work.digest, [sample.whole], utc_now())


def _count_parts(work: Import, runs: Runs, erased: Erased) -> None:
    waiting = [number for number in range(runs.cut(source.PART_PAIRS)) if number not in work.done]

    def count(number: int) -> _Part:
        return _count_part(work, number, fold_again(runs.part(number)), erased)

    with ThreadPoolExecutor(writers_at_once(work.database.engine)) as pool:
        for part in pool.map(count, waiting):
            work.report.accepted += part.accepted
            if part.erased:
                work.report.refuse(ERASED, [], part.erased)
            work.remember(part.games)


def _count_part(work: Import, number: int, pairs: pa.Table, erased: Erased) -> _Part:
    now = utc_now()
    with work.database.writing() as connection:
        if not claim_chunk(connection, work.digest, number, now):
            return _Part()  # a twin of this process was faster
        bars = erased_since(connection, pairs["user_id"].unique().to_pylist(), EARLIEST)
        pairs, left_out = erased.left_out(pairs, bars)
        games = pairs["game_id"].unique().to_pylist()
        ensure_games(connection, games, now, work.known_games, titled=work.columns.titles)
        merge_table(connection, pairs)
        accepted = pa_compute.sum(pairs["events"]).as_py() or 0
        finish_chunk(connection, work.digest, number, accepted, 0)
    log.info("chunk counted", extra={"chunk": number, "interactions": accepted})
    return _Part(accepted, games, left_out)
