"""What stands before FastAPI: middleware that is added to an app the usual way stands behind its handler of faults."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp


def before_everything(app: FastAPI, put: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put something before all middleware of an app; what was put later comes first."""
    build = app.build_middleware_stack

    def build_behind() -> ASGIApp:
        return put(build())

    app.build_middleware_stack = build_behind  # type: ignore[method-assign]
