"""Requests that a client may send again: what names them, and their answers as they are kept and as they are sent."""

import hashlib
from collections.abc import Callable
from datetime import datetime

import orjson
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from recommendation.database import idempotency
from recommendation.database.idempotency import MAX_KEY_CHARACTERS, Answer, RequestKey
from recommendation.database.locks import wait_briefly
from recommendation.ids import is_printable_ascii
from recommendation.operations.changes import note_change
from recommendation.rows import Rejection
from recommendation_api.batching.turns import WriteTurns, tried_again
from recommendation_api.http.auth import scopes_of
from recommendation_api.parts import parts_of
from recommendation_api.problems import Problem


async def once(
    request: Request,
    content: bytes,
    work: Callable[[Connection, datetime], Answer],
    user_id: str | None = None,
    turns: WriteTurns | None = None,
) -> tuple[Answer, bool]:
    """
    Do a write in one transaction, once per `Idempotency-Key`.

    What takes an admin's or the operator's key is noted in the trail of changes, in the same transaction.

    Args:
        request: names the key, its holder and the route.
        content: the body, which tells a retry from another request under the same key.
        work: what to do; its answer is kept with it. Where the transaction is lost to another it is done again.
        user_id: the one user whom it is for, '' for everyone at once; None where it is for several or for none.
        turns: whose turn it takes; that of all writes, if none is given.

    Returns:
        The answer, and whether it is a replay.

    Raises:
        Problem: 422 for an unusable key.
        KeyReusedError: the key was used for another request.
    """
    parts = parts_of(request)
    key = request_key(request, content)
    work = _noted(request, content, work)

    def in_transaction() -> tuple[Answer, bool]:
        now = parts.clock()
        with parts.database.writing() as connection:
            wait_briefly(connection)
            return idempotency.once(connection, key, now, work)

    async def in_turn() -> tuple[Answer, bool]:
        return await (turns or parts.writes).run(lambda: tried_again(in_transaction))

    answered_once = await parts.held.run(in_turn, in_turn, user_id)
    parts.written()
    return answered_once


Work = Callable[[Connection, datetime], Answer]


def _noted(request: Request, content: bytes, work: Work) -> Work:
    """Return work that leaves a trail where its route is for an admin or the operator."""
    route = request.scope["route"]
    if {"admin", "operator"}.isdisjoint(scopes_of(route)):
        return work
    is_personal = "user_id" in request.path_params
    subject = None if is_personal else "/".join(map(str, request.path_params.values())) or None
    digest = None if subject is None else hashlib.sha256(request.scope["query_string"] + b"\n" + content).digest()

    def noted(connection: Connection, now: datetime) -> Answer:
        answer = work(connection, now)
        if answer.status < 400:
            action = f"{request.method} {route.path}"
            note_change(connection, request.state.holder.name, action, subject, digest, now)
        return answer

    return noted


async def once_and_shown(
    request: Request, content: bytes, work: Callable[[Connection, datetime], Answer], user_id: str | None = None
) -> tuple[Answer, bool]:
    """
    Do as `once`, and return when every later read of this process shows it.

    Raises:
        StoreUnavailable: also where it is done, but could not be read back; a retry is a replay.
    """
    answered_once = await once(request, content, work, user_id)
    await parts_of(request).views.settle()
    return answered_once


def request_key(request: Request, content: bytes) -> RequestKey | None:
    """Return what names this request among its retries; None where the client sent no key."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not is_printable_ascii(key):
        raise Problem(
            422, "invalid_idempotency_key", f"Idempotency-Key should be 1 to {MAX_KEY_CHARACTERS} ASCII characters"
        )
    scope = request.scope
    route = scope["route"].path
    target = scope["path"].encode() + b"?" + scope["query_string"]
    return RequestKey.of(request.state.holder.name, f"{request.method} {route}", key, target, content)


def batch_answer(accepted: int, rejected: list[Rejection], duplicates: int, **more: list[str]) -> Answer:
    """
    Say what became of the rows of a batch, and whatever else a route has to say.

    A batch of which every row was refused is a problem with the same members, so that a client that looks at the
    status alone learns that nothing was stored.
    """
    ordered = sorted(rejected, key=lambda rejection: rejection.index)
    document: dict[str, object] = {
        "accepted": accepted,
        "duplicates": duplicates,
        "rejected": [row.as_json() for row in ordered],
    }
    document |= more
    if rejected and not accepted and not duplicates:
        first = ordered[0]
        detail = f"every row was refused, so nothing was stored; row {first.index}: {first.detail}"
        problem = Problem(422, "every_row_refused", detail)
        return Answer(422, orjson.dumps({**problem.document(), **document}))
    return Answer(200, orjson.dumps(document))


def answered(answer: Answer, replayed: bool) -> Response:
    """Send an answer, marked where it is a replay."""
    headers = {**answer.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    kind = "application/json" if answer.status < 400 else "application/problem+json"
    return Response(answer.body, answer.status, headers, kind if answer.body else None)
