"""Taking back what an import counted."""

from recommendation.catalogue.popular import count_popular
from recommendation.clock import utc_now
from recommendation.interactions.bulk import forget_import, take_back
from recommendation_jobs import source
from recommendation_jobs.folding import fold, fold_again
from recommendation_jobs.importing.work import Import
from recommendation_jobs.runs import Runs


def take_back_counted(work: Import) -> int:
    """Take back the stretches of users that were counted; return how many events."""
    taken = 0
    with Runs() as runs:
        for first_row, table in work.pieces(source.RUN_ROWS):
            runs.add(fold(work.checked(table, first_row).events, work.settings.owning_events))
        counted = [number for number in range(runs.cut(source.PART_PAIRS)) if number in work.done]
        for number in counted:
            pairs = fold_again(runs.part(number))
            with work.database.writing() as connection:
                taken += take_back(connection, work.digest, number, pairs)
    with work.database.writing() as connection:
        forget_import(connection, work.digest)
        count_popular(connection, work.settings.popular_days, utc_now())
    return taken
