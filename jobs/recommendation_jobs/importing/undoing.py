"""Taking back what an import counted."""

import pyarrow as pa

from recommendation.catalogue.popular import count_popular
from recommendation.clock import utc_now
from recommendation.interactions.bulk import forget_import, unclaim_chunk
from recommendation.interactions.taking_back_files import erasures_beneath_merges, take_back_pairs, whose_they_are
from recommendation_jobs import source
from recommendation_jobs.erased import Erased
from recommendation_jobs.folding import fold, fold_again
from recommendation_jobs.importing.work import Import
from recommendation_jobs.runs import Runs


def take_back_counted(work: Import) -> int:
    """
    Take back the stretches of users that were counted; return how many events.

    Raises:
        StoreUnavailable: a person was erased or merged meanwhile; the same once more takes back what is left.
    """
    with work.database.reading() as connection:
        erased = Erased(erasures_beneath_merges(connection), work.settings.owning_events)
    taken = 0
    with Runs() as runs:
        for first_row, table in work.pieces(source.RUN_ROWS):
            events = work.checked(table, first_row).events
            runs.add(fold(events, work.settings.owning_events))
            erased.refused(events)
        for number in range(runs.cut(source.PART_PAIRS)):
            if number in work.done:
                taken += _take_back_part(work, number, fold_again(runs.part(number)), erased)
    with work.database.writing() as connection:
        forget_import(connection, work.digest)
        count_popular(connection, work.settings.popular_days, utc_now())
    return taken


def _take_back_part(work: Import, number: int, pairs: pa.Table, erased: Erased) -> int:
    with work.database.writing() as connection:
        counted_at = unclaim_chunk(connection, work.digest, number)
        if counted_at is None:
            return 0
        users = pairs["user_id"].unique().to_pylist()
        accounts, bars = whose_they_are(connection, users, counted_at)
        counted, _ = erased.left_out(pairs, bars)
        return take_back_pairs(connection, counted, accounts, utc_now())
