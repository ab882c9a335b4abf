"""Errors as RFC 9457 problem documents that say what to do. The one place where errors become HTTP."""

import logging
import re
from collections.abc import Iterator, Mapping

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from recommendation.database.idempotency import KeyReusedError
from recommendation.errors import (
    DropRefused,
    ExperimentRefused,
    InvalidInput,
    MergeRefused,
    ModelMissing,
    StoreUnavailable,
)
from recommendation.ids import NO_SLASH
from recommendation.rows import RowError

log = logging.getLogger(__name__)


RETRY_AFTER_SECONDS = 2


_TITLES = {
    400: "Bad request",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Not now",
    413: "Too large",
    415: "Not JSON",
    422: "Cannot be processed",
    429: "Too many requests",
    431: "Too large",
    500: "A fault of ours",
    503: "Try again in a moment",
}


class Problem(Exception):
    """An answer that is an error: status, code for programs, sentence for people."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> dict[str, object]:
        """Return the members of its problem document."""
        return {
            "type": f"urn:recommendation:problem:{self.code}",
            "title": _TITLES.get(self.status, "Error"),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


def problem_response(problem: Problem) -> Response:
    """Write a problem document."""
    return Response(orjson.dumps(problem.document()), problem.status, problem.headers, "application/problem+json")


def unavailable(detail: str) -> Problem:
    """Return the problem of a database that is away."""
    return Problem(503, "store_unavailable", detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def unknown_game() -> Problem:
    """Return the problem of a game that was never heard of."""
    return Problem(404, "unknown_game", "this game is in no catalogue and no interaction; PUT /games makes it known")


def unknown_model() -> Problem:
    """Return the problem of a model version that is not kept."""
    return Problem(404, "unknown_model", "there is no such model; GET /models lists those that are kept")


def as_problem(error: Exception) -> Problem:
    """Say of an error what a client should know and do."""
    match error:
        case Problem():
            return error
        case StoreUnavailable():
            return unavailable(str(error))
        case RowError():
            return Problem(422, error.code, error.detail)
        case InvalidInput():
            return Problem(422, "invalid_input", str(error))
        case MergeRefused() | ExperimentRefused() | DropRefused():
            return Problem(409, error.code, str(error))
        case ModelMissing():
            return Problem(409, "model_missing", str(error))
        case KeyReusedError():
            detail = "this Idempotency-Key was used for another request; use a new one for every new request"
            return Problem(422, "idempotency_key_reused", detail)
        case RequestValidationError():
            return Problem(422, "invalid_parameter", _first_of(error))
        case HTTPException():
            return _of_http(error)
    log.error("unexpected error", exc_info=error)
    return Problem(500, "internal", "this is our fault; the log has the details under the request's id")


def _of_http(error: HTTPException) -> Problem:
    details = {404: "there is nothing under this path; /docs lists what is", 405: "this path takes another method"}
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return Problem(error.status_code, code, details.get(error.status_code, str(error.detail)), error.headers)


def _first_of(error: RequestValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}"


def _is_cut_by_a_slash(request: Request) -> bool:
    """Tell whether a path would be one that is there, if the id in it might have a `/`."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    with_ids = (re.escape(_AN_ID.sub("\0", each)) for each in request.app.openapi()["paths"] if _AN_ID.search(each))
    return any(re.fullmatch(each.replace("\0", ".+"), path) for each in with_ids)


_AN_ID = re.compile(r"{(user_id|game_id|event_id|uid|source)}")


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _methods(request: Request) -> Iterator[str]:
    """
    Yield the methods that a path takes; the router names those of the first route only that has the path.

    HEAD goes with GET: `http.heads` passes it on so.
    """
    for method in _METHODS:
        asked = {**request.scope, "method": method}
        if any(route.matches(asked)[0] is Match.FULL for route in request.app.routes):
            yield from (method, "HEAD") if method == "GET" else (method,)


def install(app: FastAPI) -> None:
    """Let every error of an app leave as a problem document."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if problem.status == 405:
            problem.headers["Allow"] = ", ".join(_methods(request))
        if problem.code == "not_found" and _is_cut_by_a_slash(request):
            problem.detail += f". If there is an id with a '/' in it: {NO_SLASH}; percent-encode all else"
        return problem_response(problem)

    for kind in (
        Problem,
        StoreUnavailable,
        RowError,
        InvalidInput,
        MergeRefused,
        ExperimentRefused,
        DropRefused,
        ModelMissing,
        KeyReusedError,
        RequestValidationError,
        HTTPException,
        Exception,
    ):
        app.add_exception_handler(kind, handle)
