"""Answers of writes, as they are kept for retries and as they are sent."""

import orjson
from starlette.responses import Response

from recommendation.database.idempotency import Answer
from recommendation.rows import Rejection


def batch_answer(accepted: int, rejected: list[Rejection], duplicates: int, **more: list[str]) -> Answer:
    """Say what became of the rows of a batch, and whatever else a route has to say."""
    ordered = sorted(rejected, key=lambda rejection: rejection.index)
    document = {"accepted": accepted, "duplicates": duplicates, "rejected": [row.as_json() for row in ordered]}
    document |= more
    return Answer(200, orjson.dumps(document))


def answered(answer: Answer, replayed: bool) -> Response:
    """Send an answer, marked where it is a replay."""
    headers = {**answer.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return Response(answer.body, answer.status, headers, "application/json" if answer.body else None)
