"""Lists: reading one, making one now, popular and similar games, and why."""

import re
from collections.abc import Awaitable
from typing import Annotated, Any, NamedTuple

import numpy as np
import orjson
from fastapi import APIRouter, FastAPI, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recommendation.errors import no_model
from recommendation.ids import is_id
from recommendation.lists.page import ActiveList, PageRequest, active_list
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.why import explain
from recommendation_api.batching.gate import too_many_writes
from recommendation_api.http.auth import holder_of, needs
from recommendation_api.http.middleware import before_everything
from recommendation_api.http.pages import (
    decode_cursor,
    json_body_response,
    json_response,
    list_body,
    send_plainly,
    tagged_response,
)
from recommendation_api.openapi import bodies as schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.lists import ListOut, PopularOut, SimilarOut, WhyOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem, as_problem, problem_response

reading = APIRouter(tags=["readers"], dependencies=[needs("read")])


making = APIRouter(tags=["store backends"], dependencies=[needs("write")])


Limit = Annotated[int, Query(ge=1, le=100, description="places on a page")]


MANY = 100


@reading.get("/user/{user_id}", response_model=None, responses=answer(ListOut))
async def get_list(
    request: Request,
    user_id: schemas.UserId,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=16_000)] = None,
    exclude: Annotated[list[str] | None, Query(max_length=1000, description="games to leave out")] = None,
    source: Annotated[list[str] | None, Query(max_length=MANY, description="sources to keep")] = None,
) -> Response:
    """
    Read a user's list: personal as of this moment, owned and dismissed games left out.

    A user nobody knows gets what is popular. The answer has an ETag; `next_cursor` leads to the next page.
    """
    parts = parts_of(request)
    await parts.views.settle()
    view = parts.views.view
    shown = decode_cursor(cursor, view.catalogue) if cursor else frozenset()
    page = PageRequest(limit, shown, frozenset(exclude or ()), frozenset(source or ()))
    active = make_page(parts, view, await parts.reads.read(user_id), page)
    return tagged_response(request, list_body(active, limit, view.catalogue))


_FIRST_PAGE = PageRequest()


_READ, _WRITE = ("read",), ("write",)


class PlainLists:
    """
    Reading a list, and making one, before FastAPI's machinery, which costs as much as the list itself.

    It takes only requests with a `limit` at most, which need no more checking: whatever else comes to these paths,
    mistakes among it, goes on to `get_list` and `generate`, which are also what the documentation shows.
    """

    def __init__(self, app: ASGIApp, parts: Parts, prefix: str) -> None:
        self._app = app
        self._parts = parts
        self._start, self._end = f"{prefix}/user/", "/generate"
        self._reading = PlainRoute(f"{prefix}/user/{{user_id}}")
        self._making = PlainRoute(f"{prefix}/user/{{user_id}}{self._end}")

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a plain request, and hand every other on."""
        user_id, limit = self._asked(scope)
        if limit is None:
            return self._app(scope, receive, send)
        return self._answer(user_id, limit, scope, receive, send)

    async def _answer(self, user_id: str, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["method"] == "GET"
        scope["route"] = self._reading if is_read else self._making
        page = _FIRST_PAGE if limit == _FIRST_PAGE.limit else PageRequest(limit)
        try:
            holder_of(scope, self._parts, _READ if is_read else _WRITE)
            body = await (_read_body if is_read else _made_body)(self._parts, user_id, page)
        except Exception as error:
            await problem_response(as_problem(error))(scope, receive, send)
        else:
            if not is_read:
                await json_body_response(body)(scope, receive, send)
            elif _knows_a_tag(scope):
                await tagged_response(Request(scope), body)(scope, receive, send)
            else:
                await send_plainly(send, body)

    def _asked(self, scope: Scope) -> tuple[str, int | None]:
        """Return user and limit of a plain request; no limit for any other."""
        if scope["type"] != "http":
            return "", None
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        if not path.startswith(self._start):
            return "", None
        method, user_id = scope["method"], path[len(self._start) :]
        if method == "POST" and user_id.endswith(self._end):
            user_id = user_id.removesuffix(self._end)
        elif method != "GET":
            return "", None
        return (user_id, _plain_limit(scope["query_string"])) if is_id(user_id) else ("", None)


class PlainRoute(NamedTuple):
    """What metrics and access lines know a request by."""

    path: str


def _knows_a_tag(scope: Scope) -> bool:
    return any(name == b"if-none-match" for name, _ in scope["headers"])


def install(app: FastAPI, parts: Parts, prefix: str) -> None:
    """Put the short way for plain reads before everything that an app does with a request."""
    before_everything(app, lambda behind: PlainLists(behind, parts, prefix))


_PLAIN_QUERY = re.compile(rb"limit=([1-9][0-9]?|100)")


def _plain_limit(query: bytes) -> int | None:
    """The limit of a request that asks for nothing else, None where it does."""
    if not query:
        return _FIRST_PAGE.limit
    plain = _PLAIN_QUERY.fullmatch(query)
    return int(plain[1]) if plain else None


def make_page(parts: Parts, view: StoreView, state: UserState, page: PageRequest) -> ActiveList:
    """Make a page of a list, and count how it came about."""
    settings = parts.settings
    active = active_list(state, view, page, parts.list_settings, settings.fresh_reads, parts.clock())
    parts.metrics.served(state, active)
    return active


@making.post("/user/{user_id}/generate", response_model=None, responses=answer(ListOut))
async def generate(request: Request, user_id: schemas.UserId, limit: Limit = 20) -> Response:
    """Make and store a user's list now, from their present interactions and the live model; 409 before there is one."""
    return json_body_response(await _made_body(parts_of(request), user_id, PageRequest(limit)))


async def _read_body(parts: Parts, user_id: str, page: PageRequest) -> bytes:
    await parts.views.settle()
    view = parts.views.view
    active = make_page(parts, view, await parts.reads.read(user_id), page)
    return list_body(active, page.limit, view.catalogue)


async def _made_body(parts: Parts, user_id: str, page: PageRequest) -> bytes:
    await parts.views.settle()
    if parts.views.view.live is None:
        raise no_model()
    if parts.makes.waiting >= parts.settings.max_waiting_writes:
        raise too_many_writes()
    state = await parts.makes.read(user_id)
    view = parts.views.view
    return list_body(make_page(parts, view, state, page), page.limit, view.catalogue)


@reading.get("/popular", response_model=None, responses=answer(PopularOut))
async def get_popular(request: Request, limit: Limit = 20) -> Response:
    """Read the games with most distinct users in the last days; all time where that gives fewer than 100."""
    parts = parts_of(request)
    await parts.views.settle()
    view, now = parts.views.view, parts.clock()
    listed = [
        {"game_id": game_id, "title": view.catalogue.by_id[game_id].title, "users": users}
        for game_id, users in view.popular
        if game_id in view.catalogue.by_id and view.catalogue.by_id[game_id].is_listed(now)
    ]
    items = [{"rank": i, **row} for i, row in enumerate(listed[:limit], 1)]
    return tagged_response(request, orjson.dumps({"items": items}))


@reading.get("/game/{game_id}/similar", response_model=None, responses=answer(SimilarOut))
async def get_similar(request: Request, game_id: schemas.GameId, limit: Limit = 20) -> Response:
    """Read the nearest games by their factors; 404 for a game that neither catalogue nor model knows."""
    parts = parts_of(request)
    await parts.views.settle()
    view, now = parts.views.view, parts.clock()
    if game_id not in view.catalogue.by_id:
        raise Problem(404, "unknown_game", "this game is in no catalogue and no interaction; PUT /games makes it known")
    if view.live is None:
        raise no_model()
    model = view.live.model
    row = int(model.games.rows([game_id])[0])
    items: list[dict[str, Any]] = []
    if row >= 0:
        rows, cosines = model.similar(row, len(model.games) - 1)
        for name, cosine in zip(model.games.ids(rows), np.asarray(cosines).tolist(), strict=True):
            game = view.catalogue.by_id.get(name)
            if game is not None and game.is_listed(now):
                items.append({"rank": len(items) + 1, "game_id": name, "title": game.title, "score": round(cosine, 6)})
                if len(items) == limit:
                    break
    document = {"game_id": game_id, "in_model": row >= 0, "items": items, "model_version": view.live.version}
    return tagged_response(request, orjson.dumps(document))


@reading.get("/user/{user_id}/why", response_model=None, responses=answer(WhyOut))
async def get_why(request: Request, user_id: schemas.UserId, game_id: Annotated[str, Query()]) -> Response:
    """Say why a game stands in a user's list, with what each of their games adds to its score; or why it does not."""
    parts = parts_of(request)
    await parts.views.settle()
    state = await parts.reads.read(user_id)
    found = explain(state, parts.views.view, parts.list_settings, game_id, parts.clock(), parts.settings.fresh_reads)
    if found is None:
        raise Problem(404, "unknown_game", "this game is in no catalogue and no interaction; PUT /games makes it known")
    return json_response(found.as_json())
