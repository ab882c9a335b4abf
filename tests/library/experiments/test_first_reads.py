"""Exposures by lists that were read: the earliest of each user, whichever process left it; of no one who is gone."""

from datetime import UTC, datetime, timedelta

from shop import at_once, event, send
from sqlalchemy import select

from recommendation.catalogue.games import Catalogue
from recommendation.database.database import Database
from recommendation.database.tables import exposures
from recommendation.experiments.experiment import READ, Experiment, Variant
from recommendation.experiments.first_reads import leave_first_reads
from recommendation.experiments.report import report
from recommendation.experiments.store import delete_experiment, put_experiment
from recommendation.experiments.treatment import Begun
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.merges import move_history
from recommendation.operations.export import export_user
from recommendation.operations.retention import HISTORY, forget_old

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
VARIANTS = (Variant("as-ever", 50), Variant("without", 50, placement=False))
BEGUN = Begun("reads", START)


def begin(database: Database, name: str = "reads", at: datetime = START) -> Experiment:
    experiment = Experiment(name, VARIANTS, at, layer=name, exposure=READ, window_days=1)
    with database.writing() as connection:
        return put_experiment(connection, name, lambda _: experiment, at)


def leave(database: Database, *seen: tuple[str, datetime], begun: Begun = BEGUN) -> int:
    with database.writing() as connection:
        return leave_first_reads(connection, {(begun, user): moment for user, moment in seen})


def left(database: Database) -> list[tuple[str, str, datetime]]:
    with database.reading() as connection:
        read = exposures.c
        query = select(read.experiment, read.user_id, read.first_at).order_by(read.experiment, read.user_id)
        return [tuple(row) for row in connection.execute(query)]


def test_the_earliest_read_stays_whichever_process_leaves_it_first(database: Database) -> None:
    begin(database)
    assert leave(database, ("ann", START + 2 * MINUTE), ("bob", START + 2 * MINUTE)) == 2
    leave(database, ("ann", START + MINUTE), ("bob", START + 3 * MINUTE))
    assert left(database) == [("reads", "ann", START + MINUTE), ("reads", "bob", START + 2 * MINUTE)]


def test_processes_that_leave_the_same_users_at_once_do_not_hold_each_other_up(database: Database) -> None:
    users = [f"u{number:03}" for number in range(200)]

    def of_process(number: int) -> int:
        ordered = users if number % 2 else users[::-1]
        return leave(database, *((user, START + number * MINUTE) for user in ordered))

    ended = at_once(*(lambda number=number: of_process(number) for number in range(1, 5)))
    assert [one.error for one in ended] == [None] * 4
    assert {moment for _, _, moment in left(database)} == {START + MINUTE}


def test_a_report_counts_who_read_a_list_from_then_on(database: Database) -> None:
    experiment = begin(database)
    users = [f"u{number:03}" for number in range(40)]
    leave(database, *((user, START + MINUTE) for user in users))
    leave(database, ("early", START + MINUTE), begun=Begun("other", START))
    send(
        database,
        [
            event(user, "g1", "purchased", event_id=f"e-{user}", occurred_at=(START + 2 * MINUTE).isoformat())
            for user in users
        ],
        START + DAY,
    )
    with database.snapshot() as connection:
        told = report(connection, experiment, None, START + 2 * DAY)
    assert told["exposure"] == "read"
    assert sum(one["exposed"] for one in told["variants"]) == 40
    assert [one["mean"] for one in told["variants"]] == [1.0, 1.0]


def test_reads_of_an_earlier_experiment_of_the_name_do_not_count_and_give_way(database: Database) -> None:
    begin(database)
    leave(database, ("ann", START + MINUTE), ("bob", START + MINUTE))
    with database.writing() as connection:
        assert delete_experiment(connection, "reads", START + DAY)
    again = begin(database, at=START + DAY)
    with database.writing() as connection:
        seen = {(BEGUN, "ann"): START + 2 * MINUTE, (Begun("reads", again.starts_at), "ann"): START + DAY + MINUTE}
        assert leave_first_reads(connection, seen) == 1
    leave(database, ("ann", START + 2 * MINUTE))
    assert [moment for _, _, moment in left(database)] == [START + DAY + MINUTE, START + MINUTE]
    with database.snapshot() as connection:
        told = report(connection, again, None, START + 2 * DAY)
    assert sum(one["exposed"] for one in told["variants"]) == 1


def test_an_erased_person_is_not_brought_back_by_a_read_from_before(database: Database) -> None:
    begin(database)
    leave(database, ("ann", START + MINUTE), ("bob", START + MINUTE))
    with database.writing() as connection:
        assert export_user(connection, "ann", Catalogue(), START + DAY)["exposures"] == [
            {"experiment": "reads", "first_at": "2026-11-01T00:01:00Z"}
        ]
        assert erase_user(connection, "ann", START + DAY)["exposures"] == 1
    assert leave(database, ("ann", START + 2 * MINUTE), ("bob", START + 2 * MINUTE)) == 1
    assert [user for _, user, _ in left(database)] == ["bob"]
    assert leave(database, ("ann", START + DAY + MINUTE)) == 1


def test_a_visitor_who_became_an_account_is_exposed_no_more(database: Database) -> None:
    begin(database)
    leave(database, ("visitor", START + MINUTE), ("ann", START + MINUTE))
    with database.writing() as connection:
        move_history(connection, "visitor", "ann", START + DAY)
    assert [user for _, user, _ in left(database)] == ["ann"]
    assert leave(database, ("visitor", START + 2 * DAY)) == 0


def test_what_is_old_or_of_a_deleted_experiment_goes(database: Database) -> None:
    begin(database)
    begin(database, "gone")
    leave(database, ("ann", START), ("bob", START + DAY))
    leave(database, ("ann", START + DAY), begun=Begun("gone", START))
    with database.writing() as connection:
        delete_experiment(connection, "gone", START)
        assert forget_old(connection, START + HISTORY + MINUTE, 7 * DAY, 3)["first reads"] == 2
    assert [user for _, user, _ in left(database)] == ["bob"]
