"""
The console: a static page that knows no key and no data, and asks the API for both.

It is served from memory under a policy that lets nothing in but its own files, so that a title or an id that
says otherwise stays text.
"""

from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recommendation_api.http.files import PageFiles

router = APIRouter(include_in_schema=False)


_page = PageFiles(
    files("recommendation_api").joinpath("static", "console").iterdir,
    policy="require-trusted-types-for 'script'",
)


@router.get("/console")
async def to_page() -> Response:
    """Lead to the page; its files are named relative to it."""
    return RedirectResponse("console/", 308, _page.headers)


@router.get("/console/")
async def page(request: Request) -> Response:
    """The page."""
    return _page.answer(request, "index.html")


@router.get("/console/{name}")
async def asset(request: Request, name: str) -> Response:
    """One of its files."""
    return _page.answer(request, name)
