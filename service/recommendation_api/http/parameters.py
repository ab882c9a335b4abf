"""Unknown query parameters are refused by name: `?limt=5` would else give a list of 20."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from fastapi.dependencies.utils import get_dependant
from starlette.types import Scope

from recommendation.rows import meant
from recommendation_api.problems import Problem


def refuse_unknown_parameters(scope: Scope) -> None:
    """
    Let a request pass whose query names only parameters of its route.

    Raises:
        Problem: 422 that names the first other one, and those that the route takes.
    """
    query: bytes = scope["query_string"]
    if not query:
        return
    known = _parameters_of(scope["endpoint"])
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            takes = f"this route takes {', '.join(sorted(known))}" if known else "this route takes none"
            raise Problem(
                422, "invalid_parameter", f"unknown query parameter {name[:40]!r}{meant(name, known)}; {takes}"
            )


@lru_cache(maxsize=256)
def _parameters_of(endpoint: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the query parameters that a route's function takes."""
    return frozenset(field.alias for field in get_dependant(path="", call=endpoint).query_params)
