"""
Requests of a few events, counted for an event loop by one statement: one round trip that is a transaction.

It counts what can be answered before it is asked: new keys, no user erased since, nothing to be done but to count. What
it leaves out goes the way of `interactions.ingest`, step by step.

The statement: Parts of a statement that write see none of each other's rows, only what the others return
(https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING). So `done` says which requests are
counted: those without a key, and those whose key is new; a twin that is being written elsewhere is waited for at its
key. `done` is read into an array before the first pair is written, so locks are taken in one order, and the array
filters the pairs in the order in which they are given, where a join might not keep it.
"""

import asyncio
from collections.abc import Collection, Container, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ARRAY, BigInteger, String, Table, and_, bindparam, cast, func, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from recommendation.database.database import Database, translated
from recommendation.database.dialects.arrays import array_text, array_type
from recommendation.database.dialects.connections import is_sqlite_url
from recommendation.database.dialects.on_loop import LoopConnection, Rows
from recommendation.database.dialects.prepared import PreparedStatement
from recommendation.database.dialects.writing import Finish, columns_of_arrays, compiled, given_arrays, only_new
from recommendation.database.idempotency import Answer, answer_columns
from recommendation.database.locks import sharing_with_erasure
from recommendation.database.tables import erasures, idempotent_answers, user_game_interactions
from recommendation.errors import LockHeld, TransactionLost
from recommendation.interactions.erasures import user_digest
from recommendation.interactions.ingest import Ingest, Ingested
from recommendation.interactions.pairs import PairChange, fold
from recommendation.interactions.store import Recorded, adding, pair_columns
from recommendation.weights import MAX_SCORE


def counting_statement(answers: Table, erasures: Table, pairs: Table, finish: Finish) -> PreparedStatement:
    """
    Put the statement together.

    It takes rows of `answers`, with `since`, the time of the request's first event, and a null key where there is none;
    rows of `pairs`, with `request`, the place of their request from 1 on; and the digests of all their users. It
    returns the places of the requests that it counted, and leaves out those whose key was used before and those with an
    event from before an erasure of any of these users. It has to run in a transaction that keeps erasures off, behind
    the statement that does so: a statement sees what was committed when it began.

    Args:
        finish: adds to the insert of pairs what becomes of one that is there already.
    """
    request = _requests(answers, erasures)
    claimed = _claimed(answers, request)
    same = and_(*(request.c[column.name] == claimed.c[column.name] for column in answers.primary_key))
    is_new = or_(request.c.key.is_(None), claimed.c.key.is_not(None))
    done = select(request.c.place).select_from(request.outerjoin(claimed, same)).where(is_new).cte("done")
    return compiled(select(done.c.place).add_cte(_pairs_counted(pairs, done, finish)))


def _requests(answers: Table, erasures: Table) -> Any:
    erased_at = erasures.c.erased_at
    given = columns_of_arrays({**{c.name: c.type for c in answers.c}, "since": erased_at.type}, numbered="place")
    digest = erasures.c.user_digest
    users = cast(bindparam("users_array", type_=String), ARRAY(array_type(digest.type)))
    last = select(func.max(erased_at)).where(digest == func.any(users)).scalar_subquery()
    return (
        select(*(column.label(name) for name, column in given.items()))
        .where(or_(last.is_(None), given["since"] > last))
        .cte("request")
    )


def _claimed(answers: Table, request: Any) -> Any:
    names = [column.name for column in answers.c]
    rows = select(*(request.c[name] for name in names)).where(request.c.key.is_not(None))
    insert = only_new(postgresql.insert(answers).from_select(names, rows, include_defaults=False))
    return insert.returning(*answers.primary_key).cte("claimed")


def _pairs_counted(pairs: Table, done: Any, finish: Finish) -> Any:
    given = columns_of_arrays({"request": BigInteger(), **{c.name: c.type for c in pairs.c}})
    is_done = given.pop("request") == func.any(func.array(select(done.c.place).scalar_subquery()))
    rows = select(*given.values()).where(is_done)
    return finish(postgresql.insert(pairs).from_select(list(given), rows, include_defaults=False)).cte("counted")


MOST_EVENTS = 50
"""Of one request: their rows are written on the loop, which should be back within a millisecond."""


_COUNTING = counting_statement(idempotent_answers, erasures, user_game_interactions, adding)


class LoopIngests:
    """Counts for one event loop, one group of requests at a time, over a connection of its own."""

    def __init__(self, database: Database, owning_events: frozenset[str]) -> None:
        """
        Connect to nothing yet.

        Args:
            owning_events: event types that make a game owned.
        """
        self._database = database
        self._owning_events = owning_events
        self._held: LoopConnection | None = None

    @staticmethod
    def is_possible(url: str) -> bool:
        """Tell whether a database can do so; a pool beside it has to be smaller by the one connection it will hold."""
        return not is_sqlite_url(url)

    @staticmethod
    def takes(request: Ingest, known_games: Container[str]) -> bool:
        """Tell whether a request may be counted so: it needs nothing but counting."""
        return (
            request.expected is not None
            and 0 < len(request.events) <= MOST_EVENTS
            and all(event.event_id is None and event.game_id in known_games for _, event in request.events)
        )

    async def count(self, requests: Sequence[Ingest], now: datetime) -> list[Ingested | None]:
        """
        Count requests, each whole or not at all.

        Args:
            requests: which it `takes`.
            now: when they came in.

        Returns:
            What became of each; None where it is not done and has to be done step by step.

        Raises:
            StoreUnavailable: the database cannot be reached, or cannot answer in time.
            LockHeld: another transaction holds what the one request needs.
        """
        group = _Counted(requests, self._owning_events)
        done: set[int] = set()
        if group.requests:
            try:
                rows = await self._rows(group.arrays(now), group.users)
            except (TransactionLost, LockHeld, DBAPIError) as error:
                if isinstance(error, LockHeld) and len(requests) == 1:
                    raise
                rows = []  # whichever of them it was: step by step each has its own answer
            done = {id(group.requests[place - 1]) for (place,) in rows}
        return [_counted(request) if id(request) in done else None for request in requests]

    def close(self) -> None:
        """Give the connection back."""
        if self._held is not None:
            self._held.close()

    async def _rows(self, arrays: dict[str, str], users: Collection[str]) -> Rows:
        connection = self._held
        if connection is None or not connection.is_usable:
            connection = self._held = await self._opened(arrays)
        share = sharing_with_erasure(self._database.engine, users)
        with translated():
            try:
                return await connection.run(f"{share}; {_COUNTING.execution(arrays)}", arrays)
            except DBAPIError as error:
                if _COUNTING.gives_up_after(error):
                    raise TransactionLost("the statement was given to another session") from error
                raise

    async def _opened(self, names: dict[str, str]) -> LoopConnection:
        if self._held is not None:
            self._held.close()
        opening = asyncio.to_thread(self._database.open_for_loop, _COUNTING.preparation(names))
        return LoopConnection(await opening, self._database.forget)


class _Counted:
    """Those of several requests that one statement can count, in the order of their keys."""

    def __init__(self, requests: Sequence[Ingest], owning_events: frozenset[str]) -> None:
        self.requests: list[Ingest] = []
        self._changes: list[tuple[str, str, int, PairChange]] = []
        taken: set[tuple[str, ...]] = set()
        # Those without a key come last, in a place that no key has.
        for request in sorted(requests, key=_order):
            changes = fold((event for _, event in request.events), owning_events)
            names: set[tuple[str, ...]] = {(change.user_id, change.game_id) for change in changes}
            if request.key is not None:
                names.add(request.key.name())
            # A statement writes no row twice.
            if taken.isdisjoint(names) and max(change.score for change in changes) <= MAX_SCORE:
                taken |= names
                self.requests.append(request)
                place = len(self.requests)
                self._changes += [(change.user_id, change.game_id, place, change) for change in changes]

    @property
    def users(self) -> set[str]:
        """Users of these requests."""
        return {user_id for user_id, _, _, _ in self._changes}

    def arrays(self, now: datetime) -> dict[str, str]:
        """Write the statement's parameters."""
        self._changes.sort(key=itemgetter(0, 1))
        first = [min(event.occurred_at for _, event in request.events) for request in self.requests]
        return {
            **given_arrays(
                idempotent_answers, answer_columns([(one.key, _expected(one)) for one in self.requests], now)
            ),
            "users_array": array_text(erasures.c.user_digest.type, list(map(user_digest, self.users))),
            "since_array": array_text(erasures.c.erased_at.type, first),
            "request_array": array_text(BigInteger(), [place for _, _, place, _ in self._changes]),
            **given_arrays(user_game_interactions, pair_columns([change for _, _, _, change in self._changes])),
        }


def _order(request: Ingest) -> tuple[str, ...]:
    return request.key.name() if request.key else ("\U0010ffff",)


def _counted(request: Ingest) -> Ingested:
    return Ingested(_expected(request), Recorded([event for _, event in request.events], 0))


def _expected(request: Ingest) -> Answer:
    if request.expected is None:
        raise ValueError("only requests with an expected answer are counted so")
    return request.expected
