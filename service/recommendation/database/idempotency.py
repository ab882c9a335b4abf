"""
Retries: a request with an `Idempotency-Key` is answered once, and replayed after that.

The answer is written in the transaction of the request itself. A concurrent twin waits at the key's row until the
first has ended, then finds its answer, or takes its turn if the first was rolled back.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_

from recommendation.database.dialects.writing import insert_new, update_columns
from recommendation.database.tables import idempotent_answers

MAX_KEY_CHARACTERS = 255
"""In a key that a client sends."""


_PENDING = 0


_NAME = ("holder", "route", "key")


@dataclass(frozen=True)
class RequestKey:
    """
    What names a request: who sent it (a key's name), to which route, under which key, and a digest of it.

    The key is kept as a digest too: clients build keys from what they know, and that may be a person's id.
    """

    holder: str
    route: str
    key: str
    digest: bytes

    def name(self) -> tuple[str, str, str]:
        """What it is stored under."""
        return self.holder, self.route, self.key

    @classmethod
    def of(cls, holder: str, route: str, key: str, *content: bytes) -> "RequestKey":
        """Digest the content, each part with its length so that parts cannot flow into each other."""
        digest = hashlib.sha256()
        for part in content:
            digest.update(len(part).to_bytes(8, "big") + part)
        return cls(holder, route, hashlib.sha256(key.encode()).hexdigest(), digest.digest())


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class KeyReusedError(Exception):
    """The key was used for another request."""


Claimed = Answer | KeyReusedError | None
"""What was answered under a key, that it was used for something else, or that it is ours now."""


def claim(connection: Connection, request: RequestKey, now: datetime) -> Answer | None:
    """
    Take a key, or find what was answered under it.

    Must be the first statement that writes in its transaction, which then `keep`s the answer.

    Raises:
        KeyReusedError: the key was used with another body.
    """
    found = claim_all(connection, [request], now)[0]
    if isinstance(found, KeyReusedError):
        raise found
    return found


def once(
    connection: Connection, request: RequestKey | None, now: datetime, work: Callable[[Connection, datetime], Answer]
) -> tuple[Answer, bool]:
    """
    Do a request's work in this transaction, once a key.

    Args:
        connection: of a transaction that has written nothing yet.
        request: names the request among its retries; None where the work is done whatever was done before.
        now: the time of the answer.
        work: what to do; its answer is kept under the key.

    Returns:
        The answer, and whether it is a replay.

    Raises:
        KeyReusedError: the key was used for another request.
    """
    if request is None:
        return work(connection, now), False
    kept = claim(connection, request, now)
    if kept is not None:
        return kept, True
    answer = work(connection, now)
    keep(connection, request, answer)
    return answer, False


def claim_all(connection: Connection, requests: Sequence[RequestKey], now: datetime) -> list[Claimed]:
    """
    Take the keys of several requests, each as `claim` does; no two of them may be the same.

    Keys are taken in one order, so that transactions that share keys wait for each other one way round.
    """
    rows = [
        {
            "holder": request.holder,
            "route": request.route,
            "key": request.key,
            "request_digest": request.digest,
            "status": _PENDING,
            "headers": {},
            "body": b"",
            "answered_at": now,
        }
        for request in sorted(requests, key=RequestKey.name)
    ]
    new = insert_new(connection, idempotent_answers, rows, *_NAME)
    known = _answers(connection, [request for request in requests if request.name() not in new])
    return [_judged(request, known[request.name()]) if request.name() in known else None for request in requests]


def _answers(connection: Connection, requests: Sequence[RequestKey]) -> dict[tuple[str, str, str], Any]:
    if not requests:
        return {}
    columns = idempotent_answers.c
    name = tuple_(*(columns[part] for part in _NAME))
    found = connection.execute(select(idempotent_answers).where(name.in_([request.name() for request in requests])))
    return {(row.holder, row.route, row.key): row for row in found}


def _judged(request: RequestKey, row: Any) -> Claimed:
    if bytes(row.request_digest) != request.digest:
        return KeyReusedError()
    return Answer(row.status, bytes(row.body), row.headers)


def keep(connection: Connection, request: RequestKey, answer: Answer) -> None:
    """Write down the answer, to be committed with what the request did."""
    keep_all(connection, [(request, answer)])


def keep_all(connection: Connection, answers: Sequence[tuple[RequestKey, Answer]]) -> None:
    """Write down the answers to requests whose keys were taken in this transaction."""
    if answers:
        columns = {
            **{part: [getattr(request, part) for request, _ in answers] for part in _NAME},
            **{part: [getattr(answer, part) for _, answer in answers] for part in ("status", "body", "headers")},
        }
        update_columns(connection, idempotent_answers, columns, _NAME)


def answer_columns(
    answers: Sequence[tuple[RequestKey | None, Answer]], now: datetime
) -> dict[str, list[str | bytes | int | dict[str, str] | datetime | None]]:
    """Return answers, and the keys that have one, as columns of `idempotent_answers`."""
    return {
        **{part: [getattr(key, part, None) for key, _ in answers] for part in _NAME},
        "request_digest": [getattr(key, "digest", None) for key, _ in answers],
        "status": [answer.status for _, answer in answers],
        "headers": [answer.headers for _, answer in answers],
        "body": [answer.body for _, answer in answers],
        "answered_at": [now for _ in answers],
    }


def forget_answers(connection: Connection, before: datetime) -> int:
    """Forget answers older than the retention; return how many."""
    gone = connection.execute(delete(idempotent_answers).where(idempotent_answers.c.answered_at < before))
    return int(gone.rowcount)
