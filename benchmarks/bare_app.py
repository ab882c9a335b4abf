"""The reference for reads: a FastAPI route that returns fixed bytes."""

import os

from fastapi import FastAPI
from starlette.responses import Response

BODY = b"x" * int(os.environ["BENCHMARK_BODY_BYTES"])

app = FastAPI()


@app.get("/static")
async def static() -> Response:
    """Answer with the bytes."""
    return Response(BODY, media_type="application/json")


@app.get("/readyz")
async def ready() -> Response:
    """Say that it runs."""
    return Response(b"{}")
