"""
Retries: a request with an `Idempotency-Key` is answered once, and replayed after that.

The answer is written in the transaction of the request itself. A concurrent twin waits at the key's row until the
first has ended, then finds its answer, or takes its turn if the first was rolled back.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, select, update

from recommendation.storage.dialects.writing import insert_if_new
from recommendation.storage.tables import idempotent_answers

_PENDING = 0


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


def claim(connection: Connection, request: RequestKey, now: datetime) -> Answer | None:
    """
    Take a key, or find what was answered under it.

    Must be the first statement that writes in its transaction, which then `keep`s the answer.

    Raises:
        KeyReusedError: the key was used with another body.
    """
    row = {
        "holder": request.holder,
        "route": request.route,
        "key": request.key,
        "request_digest": request.digest,
        "status": _PENDING,
        "headers": {},
        "body": b"",
        "answered_at": now,
    }
    if insert_if_new(connection, idempotent_answers, row):
        return None
    columns = idempotent_answers.c
    query = select(columns.request_digest, columns.status, columns.body, columns.headers).where(_is(request))
    found = connection.execute(query).one()
    if bytes(found.request_digest) != request.digest:
        raise KeyReusedError
    return Answer(found.status, bytes(found.body), found.headers)


def keep(connection: Connection, request: RequestKey, answer: Answer) -> None:
    """Write down the answer, to be committed with what the request did."""
    given = {"status": answer.status, "body": answer.body, "headers": answer.headers}
    names = {"of_holder": request.holder, "of_route": request.route, "of_key": request.key}
    connection.execute(_KEEP, {**given, **names})


def _is(request: RequestKey) -> ColumnElement[bool]:
    columns = idempotent_answers.c
    return and_(columns.holder == request.holder, columns.route == request.route, columns.key == request.key)


_KEEP = (
    update(idempotent_answers)
    .where(
        idempotent_answers.c.holder == bindparam("of_holder"),
        idempotent_answers.c.route == bindparam("of_route"),
        idempotent_answers.c.key == bindparam("of_key"),
    )
    .values({name: bindparam(name) for name in ("status", "body", "headers")})
)
"""Built once: it is part of every write."""


def forget_answers(connection: Connection, before: datetime) -> int:
    """Forget answers older than the retention; return how many."""
    gone = connection.execute(delete(idempotent_answers).where(idempotent_answers.c.answered_at < before))
    return int(gone.rowcount)
