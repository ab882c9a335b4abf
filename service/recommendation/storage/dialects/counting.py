"""
Several requests counted by one statement of PostgreSQL, which takes their keys, keeps their answers and adds to pairs.

Parts of a statement that write see none of each other's rows, only what the others return
(https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING). So `done` says which requests are
counted: those without a key, and those whose key is new; a twin that is being written elsewhere is waited for at its
key. `done` is read into an array before the first pair is written, so locks are taken in one order, and the array
filters the pairs in the order in which they are given, where a join might not keep it.
"""

from typing import Any

from sqlalchemy import BigInteger, Table, and_, func, or_, select
from sqlalchemy.dialects import postgresql

from recommendation.storage.dialects.prepared import PreparedStatement
from recommendation.storage.dialects.writing import Finish, columns_of_arrays, compiled, only_new


def counting_statement(answers: Table, erasures: Table, pairs: Table, finish: Finish) -> PreparedStatement:
    """
    Put the statement together.

    It takes rows of `answers`, with `since`, the time of the request's first event, and a null key where there is none;
    and rows of `pairs`, with `request`, the place of their request from 1 on. It returns the places of the requests
    that it counted, and leaves out those whose key was used before and those with an event from before an erasure. It
    has to run in a transaction that keeps erasures off, behind the statement that does so: a statement sees what was
    committed when it began.

    Args:
        finish: adds to the insert of pairs what becomes of one that is there already.
    """
    request = _requests(answers, erasures)
    claimed = _claimed(answers, request)
    same = and_(*(request.c[column.name] == claimed.c[column.name] for column in answers.primary_key))
    is_new = or_(request.c.key.is_(None), claimed.c.key.is_not(None))
    done = select(request.c.place).select_from(request.outerjoin(claimed, same)).where(is_new).cte("done")
    return compiled(select(done.c.place).add_cte(_counted(pairs, done, finish)))


def _requests(answers: Table, erasures: Table) -> Any:
    erased_at = erasures.c.erased_at
    given = columns_of_arrays({**{c.name: c.type for c in answers.c}, "since": erased_at.type}, numbered="place")
    last = select(func.max(erased_at)).scalar_subquery()
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


def _counted(pairs: Table, done: Any, finish: Finish) -> Any:
    given = columns_of_arrays({"request": BigInteger(), **{c.name: c.type for c in pairs.c}})
    is_done = given.pop("request") == func.any(func.array(select(done.c.place).scalar_subquery()))
    rows = select(*given.values()).where(is_done)
    return finish(postgresql.insert(pairs).from_select(list(given), rows, include_defaults=False)).cte("counted")
