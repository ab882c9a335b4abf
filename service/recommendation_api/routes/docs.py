"""The page of the OpenAPI document: Swagger UI, with every file from this service (a cluster has no internet)."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from recommendation_api.http.files import PageFiles

router = APIRouter(include_in_schema=False)


def _files() -> Iterator[Traversable]:
    yield from files("recommendation_api").joinpath("static", "docs").iterdir()
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        yield files("fastapi_offline").joinpath("static", name)


_page = PageFiles(_files)


@router.get("/docs")
async def page(request: Request) -> Response:
    """The page."""
    return _page.answer(request, "index.html")


@router.get("/docs/{name}")
async def asset(request: Request, name: str) -> Response:
    """One of its files."""
    return _page.answer(request, name)
