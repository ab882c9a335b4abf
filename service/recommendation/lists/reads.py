"""
What a read needs of the store: several users' interactions and lists, in one statement that sees one moment.

An event loop reads on itself where the driver can, and beside itself where the driver blocks.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    ScalarSelect,
    Select,
    String,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.exc import DBAPIError

from recommendation.database.database import Database, translated
from recommendation.database.dialects.connections import Store, is_postgres, is_sqlite_url
from recommendation.database.dialects.on_loop import LoopConnection, Rows
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.dialects.reading import microseconds
from recommendation.database.tables import feedback, id_type, user_game_interactions, user_lists
from recommendation.errors import StoreUnavailable
from recommendation.interactions.flags import flag_digit
from recommendation.lists.rotation import LOOKED_AT
from recommendation.lists.stored import StoredList
from recommendation.lists.user import UserState, _moment
from recommendation.weights import SHOWN


class LoopReads:
    """
    Reads for one event loop, at most `at_once` at a time.

    PostgreSQL is read over connections of their own, kept between reads. A connection that turns out to be lost is
    replaced once before the read is given up.
    """

    def __init__(
        self,
        database: Database,
        at_once: int,
        with_times: Callable[[], bool] = lambda: False,
        often: Callable[[], int] = lambda: 0,
    ) -> None:
        """
        Read from a database.

        Args:
            at_once: how many connections are kept for it.
            with_times: asked before each read: whether each pair's last event is needed.
            often: asked before each read, too: as `read_users` takes it.
        """
        self._database = database
        self._with_times = with_times
        self._often = often
        self._idle: deque[tuple[LoopConnection, int]] = deque()
        """With the number that its statements were prepared for."""
        self._threads = ThreadPoolExecutor(at_once, "reader")

    @staticmethod
    def connections(url: str, at_once: int) -> int:
        """Connections of its own that it will hold; a pool beside it has to be so much smaller."""
        return 0 if is_sqlite_url(url) else at_once

    async def read(self, user_ids: Sequence[str]) -> Mapping[str, UserState]:
        """
        Read some users, of whom there must be one at least.

        Raises:
            StoreUnavailable: the database cannot be reached, or cannot answer in time.
        """
        if not is_postgres(self._database.engine):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read_blocking, user_ids)
        return states_of(await self._rows(list(dict.fromkeys(user_ids))), user_ids)

    def close(self) -> None:
        """Give connections and threads back."""
        while self._idle:
            self._idle.pop()[0].close()
        self._threads.shutdown(wait=True)

    def _read_blocking(self, user_ids: Sequence[str]) -> Mapping[str, UserState]:
        with self._database.reading() as connection:
            return read_users(connection, user_ids, self._with_times(), self._often())

    async def _rows(self, user_ids: list[str]) -> Rows:
        often = self._often()
        while self._idle:
            held, prepared_for = self._idle.pop()
            if held.is_usable and prepared_for == often:
                try:
                    return await self._rows_over(held, user_ids, often)
                except StoreUnavailable:
                    break
            held.close()
        return await self._rows_over(await self._opened(often), user_ids, often)

    async def _rows_over(self, connection: LoopConnection, user_ids: list[str], often: int) -> Rows:
        """Return the rows, and keep the connection if it is still good."""
        try:
            with translated():
                return await self._asked(connection, user_ids, often)
        finally:
            if connection.is_usable and not connection.is_busy:
                self._idle.append((connection, often))
            else:
                connection.close()

    async def _asked(self, connection: LoopConnection, user_ids: list[str], often: int) -> Rows:
        given = {"users": user_ids}
        statement = users_statement(self._database.engine, self._with_times(), often)
        try:
            return await connection.run(statement.execution(given), given)
        except DBAPIError as error:
            if not statement.gives_up_after(error):
                raise
        return await connection.run(statement.execution(given), given)

    async def _opened(self, often: int) -> LoopConnection:
        def opened() -> Any:
            # Both: which one is sent may change with the live model, and a connection is kept for long.
            both = (users_statement(self._database.engine, with_times, often) for with_times in (False, True))
            first = [text for statement in both for text in statement.preparation(["users"])]
            return self._database.open_for_loop(first)

        return LoopConnection(
            await asyncio.get_running_loop().run_in_executor(self._threads, opened), self._database.forget
        )


_SEPARATOR = "\n"
"""Stands between ids that the database joins: no id holds a control character."""


def read_users(
    connection: Connection, user_ids: Sequence[str], with_times: bool = False, often: int = 0
) -> Mapping[str, UserState]:
    """
    Read the interactions and lists of some users.

    Args:
        with_times: whether each pair's last event is wanted: scores may fade by it, or by their order.
        often: games that were shown more often are wanted too; 0: none.
    """
    return states_of(_rows(connection, user_ids, with_times, often) if user_ids else (), user_ids)


def _rows(connection: Connection, user_ids: Sequence[str], with_times: bool, often: int) -> Sequence[Any]:
    if not is_postgres(connection):
        lists, pairs = user_lists.c.user_id.in_(user_ids), user_game_interactions.c.user_id.in_(user_ids)
        of_pairs = _of_pairs(connection, pairs, with_times, often)
        return connection.execute(union_all(_of_lists(connection, lists, often), of_pairs)).all()
    given = {"users": list(dict.fromkeys(user_ids))}
    return users_statement(connection.engine, with_times, often).rows_alone(connection, given)


@lru_cache(maxsize=16)
def users_statement(engine: Engine, with_times: bool, often: int = 0) -> PreparedStatement:
    """
    Return PostgreSQL's statement for users given as the array `users`, none twice; `states_of` reads its rows.

    Pairs are looked up one user after another. `= ANY` of a parameter leaves out no partition of the table in a plan
    that is made once: each user would be looked for in each partition.
    """
    array: ColumnElement[Any] = literal_column("$1")
    asked = func.unnest(array).table_valued("user_id").render_derived(name="asked")
    of_user = _of_pairs(engine, user_game_interactions.c.user_id == asked.c.user_id, with_times, often).lateral(
        "of_user"
    )
    of_lists = _of_lists(engine, user_lists.c.user_id == func.any(array), often)
    query = union_all(of_lists, select(*of_user.c).select_from(asked.join(of_user, true())))
    text = str(query.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))
    # Put in afterwards: SQLAlchemy takes a percent sign that it is given for one of the statement's own.
    return PreparedStatement(text.replace("$1", "CAST(%(users)s AS TEXT[])"))


def states_of(rows: Iterable[Sequence[Any]], user_ids: Iterable[str]) -> dict[str, UserState]:
    """Turn the rows of lists and pairs into users; a user of whom nothing is kept is there all the same."""
    states = {user_id: UserState(user_id) for user_id in user_ids}
    for row in rows:
        user_id, source, number, first, second, third, times, moment, items, events_seen, *shown = row
        state = states[user_id]
        state.rows.append(row)
        if source is None:
            state.events_seen = number
            state.game_ids = first.split(_SEPARATOR)
            state._millionths, state._flags = second, third
            state._newest_event_at = moment
            state._last_event_at = times
            if shown and shown[0]:
                state.shown = _counts(shown[0])
        else:
            made_at = _moment(moment)
            state.lists[source] = StoredList(user_id, source, number, made_at, bytes(items), first, events_seen)
    return states


def _counts(text: str) -> dict[str, int]:
    """Read joined games behind how often they were shown: "12 g-1" and "3 g-2" in two lines."""
    parts = (line.split(" ", 1) for line in text.split(_SEPARATOR))
    return {game_id: int(times) for times, game_id in parts}


def _of_pairs(store: Store, condition: ColumnElement[bool], with_times: bool, often: int) -> Select[Any]:
    """
    A row for each user's pairs all together, with no source.

    Where games shown often are wanted, rows have one column more, which holds them; so have those of `_of_lists`.
    """
    pairs = user_game_interactions.c
    times = func.aggregate_strings(cast(microseconds(store, pairs.last_event_at), String), ",")
    query = select(
        pairs.user_id,
        null().label("source"),
        cast(func.sum(pairs.events), BigInteger).label("number"),
        func.aggregate_strings(pairs.game_id, _SEPARATOR).label("first"),
        func.aggregate_strings(cast(pairs.score_millionths, String), ",").label("second"),
        func.aggregate_strings(flag_digit(), "").label("third"),
        (times if with_times else null()).label("times"),
        microseconds(store, func.max(pairs.last_event_at)).label("moment"),
        cast(null(), LargeBinary).label("items"),
        cast(null(), BigInteger).label("events_seen"),
    )
    if often:
        query = query.add_columns(_shown_often(often).label("shown"))
    return query.where(condition).group_by(pairs.user_id)


def _of_lists(store: Store, condition: ColumnElement[bool], often: int) -> Select[Any]:
    """A row for each list of a user."""
    lists = user_lists.c
    query = select(
        lists.user_id,
        lists.source,
        lists.number,
        lists.model_version,
        null(),
        null(),
        null(),
        microseconds(store, lists.generated_at),
        lists["items"],
        lists.events_seen,
    )
    return (query.add_columns(null()) if often else query).where(condition)


def _shown_often(often: int) -> ScalarSelect[Any]:
    """Games that the user of the enclosing row was shown more often than this, among those shown last."""
    given, of_row = feedback.c, literal_column(f"{user_game_interactions.name}.user_id", id_type())
    last = (
        select(given.game_id)
        .where(given.user_id == of_row, given.action == SHOWN)
        .order_by(given.feedback_id.desc())
        .limit(LOOKED_AT)
        .subquery("last_shown")
    )
    times = func.count()
    counted = select(last.c.game_id, times.label("times")).group_by(last.c.game_id).having(times > often)
    games = counted.order_by(last.c.game_id).subquery("shown_often")
    told = cast(games.c.times, String) + " " + games.c.game_id
    return select(func.aggregate_strings(told, _SEPARATOR)).select_from(games).scalar_subquery()
