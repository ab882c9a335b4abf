"""
Reads have a bound, as writes have: what comes beyond it is told at once to come back, so that the rest is quick.

A story with two actors: 500 clients send twenty reads each at once. The kubelet asks `/healthz`. 256 of the reads are
answered; each of the others gets 503, and its connection ends with the reads that stood behind it. So the probe stands
behind those that were let in, and behind the few requests of each connection that are parsed before they are answered
(`pieces.py`).
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation_api.http.access_log import QUIET_ROUTES
from recommendation_api.problems import Problem, problem_response

MOST_READS = 256
"""Reads that are answered or wait at a time in a process."""


class ReadTurns:
    """Lets so many reads through at a time, and those that watch the service always."""

    def __init__(self, app: ASGIApp, most: int = MOST_READS) -> None:
        self._app = app
        self._left = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or scope["path"] in QUIET_ROUTES:
            await self._app(scope, receive, send)
        elif not self._left:
            headers = {"Retry-After": "1", "Connection": "close"}
            problem = Problem(503, "too_many_reads", "too many reads at once; try again in a moment", headers)
            await problem_response(problem)(scope, receive, send)
        else:
            self._left -= 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._left += 1
