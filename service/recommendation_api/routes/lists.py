"""Lists: reading one, making one now, popular and similar games, and why."""

import asyncio
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope

from recommendation.catalogue.games import Game
from recommendation.engine.model import LiveModel
from recommendation.errors import no_model
from recommendation.lists.asked import MOST_EXCLUDED, MOST_NAMES, MOST_ON_PAGE, USUAL_ON_PAGE, parse_sources
from recommendation.lists.page import ActiveList, active_list
from recommendation.lists.reads import read_users
from recommendation.lists.sources import PageRequest
from recommendation.lists.tags import TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.lists.why import NOT_REMADE, Explanation, explain
from recommendation.regeneration.next_time import NextTime, next_time
from recommendation_api.batching.kept_pages import KeptPage, kept_page
from recommendation_api.batching.turns import too_many_writes
from recommendation_api.http.auth import needs
from recommendation_api.http.etags import tag_of
from recommendation_api.http.pages import (
    decode_cursor,
    json_body_response,
    json_response,
    list_body,
    tagged_plainly,
    tagged_response,
)
from recommendation_api.http.shortcuts import shortcut
from recommendation_api.openapi import schemas
from recommendation_api.openapi.answers import answer
from recommendation_api.openapi.answers.lists import ListOut, PopularOut, SimilarOut, WhyOut
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import unknown_game
from recommendation_api.telemetry.metrics import made_of

reading = APIRouter(tags=["readers"], dependencies=[needs("read")])


making = APIRouter(tags=["store backends"], dependencies=[needs("write")])


Limit = Annotated[int, Query(ge=1, le=MOST_ON_PAGE, description="places on a page")]


MANY_GAMES = 20_000
"""Games of a model or a catalogue from which similar ones, or those of a tag, are found in a thread."""


MANY_OWN_GAMES = 500
"""Games of a user from which a list is made or explained in a thread."""


Tag = Annotated[
    list[schemas.Tag] | None, Query(max_length=MOST_NAMES, description="tags of which a game should have one")
]


WithoutTag = Annotated[
    list[schemas.Tag] | None, Query(max_length=MOST_NAMES, description="tags of which a game should have none")
]


Contributions = Annotated[int, Query(ge=1, le=1000, description="most contributions to tell")]


@reading.get("/user/{user_id}", response_model=None, responses=answer(ListOut, 200, 304), openapi_extra=schemas.TAGGED)
async def get_list(
    request: Request,
    user_id: schemas.UserId,
    limit: Limit = USUAL_ON_PAGE,
    cursor: Annotated[str | None, Query(max_length=schemas.MAX_CURSOR)] = None,
    exclude: Annotated[list[str] | None, Query(max_length=MOST_EXCLUDED, description="games to leave out")] = None,
    source: Annotated[list[str] | None, Query(max_length=MOST_NAMES, description=schemas.SOURCES_TO_KEEP)] = None,
    tag: Tag = None,
    exclude_tag: WithoutTag = None,
) -> Response:
    """
    Read a user's list: personal as of this moment, owned and dismissed games left out.

    An unknown user gets popular games. The answer has an ETag; `next_cursor` leads to the next page, of the same
    filters. A list that is filtered by tags is ranked among the games that have them, so it is as long and as personal
    as any other.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    shown = decode_cursor(cursor, parts.views.view.catalogue) if cursor else frozenset()
    page = PageRequest(limit, shown, frozenset(exclude or ()), parse_sources(source or ()), _tags(tag, exclude_tag))
    found = await _page_of(parts, user_id, page)
    return tagged_response(request, found.body, found.tag)


async def _page_of(parts: Parts, user_id: str, page: PageRequest) -> KeptPage:
    """Return the page that was answered before if it would be made the same now, else make it; and count it."""
    view, erasures = parts.views.view, parts.pages.erasures
    state = await parts.reads.ask(user_id)
    if state.games > MANY_OWN_GAMES or (page.tags and len(view.catalogue.by_id) > MANY_GAMES):
        # Two clients that read a user of thousands of games hold up no other: one such page at a time, beside the loop.
        async with parts.large:
            stamp = await asyncio.to_thread(state.stamp)
            found = _kept(parts, user_id, page, stamp, view)
            if found is None:
                made = await asyncio.to_thread(_made, parts, view, state, page, stamp)
                found = parts.pages.keep(page, _noted(parts, made), erasures)
    else:
        stamp = state.stamp()
        found = _kept(parts, user_id, page, stamp, view)
        found = found or parts.pages.keep(page, _noted(parts, _made(parts, view, state, page, stamp)), erasures)
    parts.metrics.served_as(
        found.made, user_id, found.events_seen, found.game_ids, found.treatment, is_filtered=bool(page.tags)
    )
    return found


def _kept(parts: Parts, user_id: str, page: PageRequest, stamp: bytes, view: StoreView) -> KeptPage | None:
    """Return the page that was answered before if it would be made the same now."""
    found = parts.pages.find(user_id, page, stamp, view, parts.clock())
    return found if found is None or found.is_read_noted else _noted(parts, found)


def _made(parts: Parts, view: StoreView, state: UserState, page: PageRequest, stamp: bytes) -> KeptPage:
    """Make a page, and write it with its tag."""
    now = parts.clock()
    active = _list_of(parts, view, state, page, now)
    body = list_body(active, page.limit, view.catalogue)
    return kept_page(body, tag_of(body), made_of(state, active), stamp, state, active, page, view, now)


def _noted(parts: Parts, page: KeptPage) -> KeptPage:
    """Note whom a page exposes that is about to be answered, and return it with what became of that."""
    begun = page.treatment.counting_reads
    if not begun:
        return page
    return page._replace(is_read_noted=parts.first_reads.saw(page.user_id, begun, parts.clock()))


def _tags(tag: list[str] | None, exclude_tag: list[str] | None) -> TagFilter:
    return TagFilter(frozenset(tag or ()), frozenset(exclude_tag or ()))


def _list_of(parts: Parts, view: StoreView, state: UserState, page: PageRequest, now: datetime) -> ActiveList:
    return active_list(state, view, page, parts.list_settings, parts.settings.fresh_reads, now)


def uncounted_list(parts: Parts, view: StoreView, user_id: str, page: PageRequest) -> bytes:
    """Make the list that a user would get of a view that no reader has; to be called in a thread."""
    how = parts.list_settings
    with parts.database.reading() as connection:
        state = read_users(connection, [user_id], how.needs_times(view), view.least_often(how.often))[user_id]
    return list_body(_list_of(parts, view, state, page, parts.clock()), page.limit, view.catalogue)


def make_page(parts: Parts, view: StoreView, state: UserState, page: PageRequest) -> ActiveList:
    """Make a page of a list, and count how it came about."""
    active = _list_of(parts, view, state, page, parts.clock())
    count_list(parts, state, active, page)
    return active


def count_list(parts: Parts, state: UserState, active: ActiveList, page: PageRequest) -> None:
    """Count a list that is about to be answered, and note whom it exposes."""
    parts.metrics.served(state, active, is_filtered=bool(page.tags))
    parts.first_reads.saw(state.user_id, active.treatment.counting_reads, parts.clock())


@making.post("/user/{user_id}/generate", response_model=None, responses=answer(ListOut, 200, 409))
async def generate_list(request: Request, user_id: schemas.UserId, limit: Limit = USUAL_ON_PAGE) -> Response:
    """Make and store a user's list now, from their present interactions and the live model; 409 before there is one."""
    return json_body_response(await _made_body(parts_of(request), user_id, PageRequest(limit)))


async def _made_body(parts: Parts, user_id: str, page: PageRequest) -> bytes:
    async def generate_now() -> UserState:
        return await parts.generating.ask(user_id)

    await parts.views.catch_up()
    await parts.views.look_for_model()
    if parts.views.view.live is None:
        raise no_model()
    if parts.generating.waiting >= parts.settings.max_waiting_writes:
        raise too_many_writes()
    state = await parts.held.run(generate_now, generate_now, user_id)
    view = parts.views.view
    return list_body(make_page(parts, view, state, page), page.limit, view.catalogue)


async def _take_reading(parts: Parts, scope: Scope, _receive: Receive, user_id: str, page: PageRequest) -> ASGIApp:
    await parts.views.catch_up()
    found = await _page_of(parts, user_id, page)
    if any(name == b"if-none-match" for name, _ in scope["headers"]):
        return tagged_response(Request(scope), found.body, found.tag)
    return tagged_plainly(found.body, found.tag)


async def _take_making(parts: Parts, _scope: Scope, _receive: Receive, user_id: str, page: PageRequest) -> ASGIApp:
    return json_body_response(await _made_body(parts, user_id, page))


SHORTCUTS = (shortcut(reading, get_list, _take_reading), shortcut(making, generate_list, _take_making))


@reading.get("/popular", response_model=None, responses=answer(PopularOut, 200, 304), openapi_extra=schemas.TAGGED)
async def get_popular(
    request: Request, limit: Limit = USUAL_ON_PAGE, tag: Tag = None, exclude_tag: WithoutTag = None
) -> Response:
    """
    Read the games that most users own, counting users with an event in the last days.

    Where that gives fewer than 100 games, all time counts.
    `users` are those who own the game or were interested (viewed, clicked, wishlisted); who gave it back or dismissed
    it does not count. `owners` are those who own it. Games without an owner come last, by `users`.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view, now = parts.views.view, parts.clock()
    tags = _tags(tag, exclude_tag)
    if tags and len(view.catalogue.by_id) > MANY_GAMES:
        items = await asyncio.to_thread(_popular, view, limit, tags, now)
    else:
        items = _popular(view, limit, tags, now)
    return tagged_response(request, orjson.dumps({"items": items}))


def _popular(view: StoreView, limit: int, tags: TagFilter, now: datetime) -> list[dict[str, Any]]:
    """Return the most popular games that are listed, as they are answered."""
    found = ((popular, view.catalogue.by_id.get(popular.game_id)) for popular in view.popular)
    listed = (
        (popular, game) for popular, game in found if game is not None and game.is_listed(now) and tags.admits(game)
    )
    return [
        {
            "rank": rank,
            "game_id": popular.game_id,
            "title": game.title,
            "users": popular.users,
            "owners": popular.owners,
            "text": popular.sentence(view.popular_days),
        }
        for rank, (popular, game) in enumerate(islice(listed, limit), 1)
    ]


@reading.get(
    "/game/{game_id}/similar",
    response_model=None,
    responses=answer(SimilarOut, 200, 304),
    openapi_extra=schemas.TAGGED,
)
async def get_similar(
    request: Request,
    game_id: schemas.GameId,
    limit: Limit = USUAL_ON_PAGE,
    tag: Tag = None,
    exclude_tag: WithoutTag = None,
) -> Response:
    """
    Read the nearest games; 404 for a game that neither catalogue nor model knows.

    `by` says how they were found: `model` by the factors of the live model, where it knows the game; else `catalogue`,
    by what is said of games: first those that its `similar_to` names, then those that share most of its tags.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view, now = parts.views.view, parts.clock()
    if game_id not in view.catalogue.by_id:
        raise unknown_game()
    live, tags = view.live, _tags(tag, exclude_tag)
    row = int(live.model.games.rows([game_id])[0]) if live else -1

    def found() -> list[dict[str, Any]]:
        if live is None or row < 0:
            return _alike(view, game_id, limit, tags, now)
        return nearest(view, live, row, limit, tags, now)

    # A large model or catalogue takes so long that other requests should not wait for it.
    is_large = max(len(view.catalogue.by_id), len(live.model.games) if live else 0) > MANY_GAMES
    document = {
        "game_id": game_id,
        "in_model": row >= 0,
        "by": "model" if row >= 0 else "catalogue",
        "items": await asyncio.to_thread(found) if is_large else found(),
        "model_version": live.version if live else None,
    }
    return tagged_response(request, orjson.dumps(document))


def _alike(view: StoreView, game_id: str, limit: int, tags: TagFilter, now: datetime) -> list[dict[str, Any]]:
    """Return the listed games that the catalogue says are like a game, as they are answered."""

    def is_shown(game: Game) -> bool:
        return game.is_listed(now) and tags.admits(game)

    found = view.catalogue.alike(view.catalogue.by_id[game_id], limit, is_shown)
    return [
        {"rank": rank, "game_id": game.game_id, "title": game.title, "score": round(score, 6)}
        for rank, (game, score) in enumerate(found, 1)
    ]


def nearest(
    view: StoreView, live: LiveModel, row: int, limit: int, tags: TagFilter, now: datetime
) -> list[dict[str, Any]]:
    """Return the listed games that are nearest to a row of the live model, as they are answered."""
    names, by_id = live.model.games.all_ids, view.catalogue.by_id

    def is_listed(other: int) -> bool:
        game = by_id.get(names[other])
        return game is not None and game.is_listed(now) and tags.admits(game)

    rows, cosines = live.model.similar(row, limit, is_listed)
    games = [by_id[names[other]] for other in rows.tolist()]
    return [
        {"rank": rank, "game_id": game.game_id, "title": game.title, "score": round(cosine, 6)}
        for rank, (game, cosine) in enumerate(zip(games, cosines.tolist(), strict=True), 1)
    ]


@reading.get("/user/{user_id}/why", response_model=None, responses=answer(WhyOut))
async def get_why(
    request: Request,
    user_id: schemas.UserId,
    game_id: Annotated[str, Query()],
    tag: Tag = None,
    exclude_tag: WithoutTag = None,
    contributions: Contributions = 100,
) -> Response:
    """
    Say why a game stands in a user's list, with what each of their games adds to its score; or why it does not.

    `tag` and `exclude_tag` are those of the list that is explained. `left_out` counts the contributions that are not
    told. Where the list is only older than the game, `remade` says when it will be made anew.
    """
    parts = parts_of(request)
    await parts.views.catch_up()
    view, state = parts.views.view, await parts.reads.ask(user_id)
    now, tags = parts.clock(), _tags(tag, exclude_tag)

    def found() -> Explanation | None:
        fresh = parts.settings.fresh_reads
        return explain(state, view, parts.list_settings, game_id, now, fresh, tags, contributions)

    # Explaining takes as long as a user has games; other requests should not wait for one who has thousands.
    told = found() if len(state.game_ids) <= MANY_OWN_GAMES else await asyncio.to_thread(found)
    if told is None:
        raise unknown_game()
    document = {**told.as_json(), "remade": None}
    if told.code == NOT_REMADE:
        when = await asyncio.to_thread(_next_time, parts)
        document |= {"text": f"{told.text}: {when.sentence(now)}", "remade": when.as_json()}
    return json_response(document)


def _next_time(parts: Parts) -> NextTime:
    with parts.database.reading() as connection:
        return next_time(connection)
