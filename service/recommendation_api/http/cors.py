"""Which pages of other origins a browser may let read answers (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


_SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id", "traceparent")


_READ = ("ETag", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-Id")


_KEPT_SECONDS = 600


def with_cors(app: ASGIApp, origins: Iterable[str]) -> ASGIApp:
    """Return an app whose answers pages of these origins may read; without any, the app itself."""
    allowed = sorted(origins)
    if not allowed:
        return app
    return CORSMiddleware(
        app,
        allow_origins=allowed,
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_READ,
        max_age=_KEPT_SECONDS,
    )
