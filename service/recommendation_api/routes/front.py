"""What stands at `/`: the ways to the pages, for people as a page and for programs as JSON."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from recommendation_api.http.pages import json_response
from recommendation_api.parts import parts_of

router = APIRouter(include_in_schema=False)


_POLICY = {"Content-Security-Policy": "default-src 'none'; img-src data:; frame-ancestors 'none'"}


@router.get("/")
async def front(request: Request) -> Response:
    """Lead to what is served."""
    settings = parts_of(request).settings
    ways = {"docs": "docs", "openapi": "openapi.json"} if settings.docs else {}
    ways |= {"console": "console/"} if settings.console else {}
    if "text/html" not in request.headers.get("accept", ""):
        return json_response(ways)
    links = "".join(f'<li><a href="{way}">{name}</a></li>' for name, way in ways.items())
    page = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
    return HTMLResponse(f"{page}<title>Recommendation service</title><ul>{links}</ul></html>", headers=_POLICY)
