"""
The console: a static page that knows no key and no data, and asks the API for both.

It is served from memory under a policy that lets nothing in but its own files, so that a title or an id that
says otherwise stays text.
"""

import hashlib
from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recommendation_api.problems import Problem

router = APIRouter(include_in_schema=False)


_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def _read_page() -> dict[str, tuple[bytes, str, str]]:
    """Return content, type and tag of each file by its name."""
    found = {}
    for entry in files("recommendation_api").joinpath("static", "console").iterdir():
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None:
            content = entry.read_bytes()
            tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
            found[entry.name] = (content, f"{kind}; charset=utf-8", tag)
    return found


_page: dict[str, tuple[bytes, str, str]] = {}


@router.get("/console")
async def to_page() -> Response:
    """Lead to the page; its files are named relative to it."""
    return RedirectResponse("console/", 308, HEADERS)


@router.get("/console/")
async def page(request: Request) -> Response:
    """The page."""
    return _answer(request, "index.html")


@router.get("/console/{name}")
async def asset(request: Request, name: str) -> Response:
    """One of its files."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    if not _page:
        _page.update(_read_page())
    if name not in _page:
        raise Problem(404, "not_found", "the console has no such file")
    content, kind, tag = _page[name]
    headers = HEADERS | {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, kind)
