"""
The console: a static page that knows no key and no data, and asks the API for both.

It is served from memory under a policy that lets nothing in but its own files, so that a title or an id that
says otherwise stays text. Pictures of games come from the hosts that a setting names, and from no other.
"""

from collections.abc import Iterable
from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recommendation_api.http.files import PageFiles


def console_router(image_hosts: Iterable[str]) -> APIRouter:
    """Return the routes of the page, which may load pictures from some hosts."""
    router = APIRouter(include_in_schema=False)
    page_files = PageFiles(
        files("recommendation_api").joinpath("static", "console").iterdir,
        "require-trusted-types-for 'script'",
        image_hosts,
    )

    @router.get("/console")
    async def to_page() -> Response:
        """Lead to the page; its files are named relative to it."""
        return RedirectResponse("console/", 308, page_files.headers)

    @router.get("/console/")
    async def page(request: Request) -> Response:
        """The page."""
        return page_files.answer(request, "index.html")

    @router.get("/console/{name}")
    async def asset(request: Request, name: str) -> Response:
        """One of its files."""
        return page_files.answer(request, name)

    return router
