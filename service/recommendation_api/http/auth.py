"""
Which scope a route needs: each router or route in `routes` says `needs("read")` or the like, once.

The dependency asks for it where FastAPI routes; a short cut reads the same scopes from the route (`scopes_of`).
"""

from typing import Any

from fastapi import Security
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from recommendation.settings import Settings
from recommendation_api.http.bodies import refuse_body
from recommendation_api.http.other_sites import refuse_other_sites
from recommendation_api.http.parameters import refuse_unknown_parameters
from recommendation_api.keys import ANYONE, KeyHolder, is_loopback
from recommendation_api.parts import Parts, parts_of
from recommendation_api.problems import Problem


class _Needs(SecurityBase):
    """Lets a request through whose key has one of the scopes, and says so in the OpenAPI document."""

    scheme_name = "key"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.model = HTTPBearer(description="A key that has one of the scopes which a route names.")
        self.scopes = scopes

    async def __call__(self, request: Request) -> KeyHolder:
        """
        Return who sent a request.

        Raises:
            Problem: as `authorise`, and 422 for a query parameter that the route does not know.
            RowError: for a field of a body where the route takes none.
        """
        parts = parts_of(request)
        holder = authorise(request.scope, parts, self.scopes)
        refuse_unknown_parameters(request.scope)
        if not takes_body(request.scope["route"]):
            await refuse_body(request, parts.settings.max_body_bytes)
        return holder


def needs(*scopes: str) -> Any:
    """Return the dependency of a route on a key with one of the scopes."""
    return Security(_Needs(scopes), scopes=scopes)


def takes_body(route: APIRoute) -> bool:
    """Tell whether a route reads a body, as it says in the OpenAPI document; that of a GET or HEAD means nothing."""
    return "requestBody" in (route.openapi_extra or {}) or "GET" in (route.methods or ())


def scopes_of(route: APIRoute) -> tuple[str, ...]:
    """Return the scopes of which a key needs one at a route, as its router says."""
    (needed,) = (part.dependency for part in route.dependencies if isinstance(part.dependency, _Needs))
    return needed.scopes


def authorise(scope: Scope, parts: Parts, scopes: tuple[str, ...]) -> KeyHolder:
    """
    Return who sent a request, and note it there, as `request.state.holder`.

    Raises:
        Problem: 401 without a known key, 403 where the key may not do this. Neither says what would have been allowed
            to whom. Where nothing checks keys, 403 and 415 for what a page of another site sends.
    """
    if parts.keys is None:
        holder = _without_keys(scope, parts.settings)
    else:
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        found = parts.keys.holder_of(key.strip()) if kind.lower() == "bearer" and key else None
        if found is None:
            raise Problem(
                401, "key_needed", "send Authorization: Bearer with a key that is known", {"WWW-Authenticate": "Bearer"}
            )
        holder = found
    if not holder.scopes.intersection(scopes):
        raise Problem(403, "scope_missing", f"this needs a key with scope {' or '.join(scopes)}")
    scope.setdefault("state", {})["holder"] = holder
    return holder


def _without_keys(scope: Scope, settings: Settings) -> KeyHolder:
    server = scope.get("server")
    if not settings.insecure_open and not is_loopback(server[0] if server else None):
        raise Problem(403, "keys_not_set", "without RECOMMENDATION_API_KEYS_FILE only this machine itself is served")
    refuse_other_sites(scope, settings.insecure_open, settings.cors_origins)
    return ANYONE
