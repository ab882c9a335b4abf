"""
The OpenAPI document: what FastAPI makes of the routes, finished.

FastAPI knows the routes' parameters and answers. What all operations have in common is said here once: the schemas of
bodies, problems, headers, examples.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from recommendation_api.openapi.problem import problems_of, responses

REFERENCE = "#/components/schemas/{model}"


DESCRIPTION = """Ranked lists of games, learned from what users do.

Errors are RFC 9457 problem documents that say what to do. Times are RFC 3339, in UTC. Every GET also answers HEAD.
Unknown fields and unknown query parameters are refused by name. Each answer has an `X-Request-Id`, the client's own
where it sent one."""


TAGS = [
    {"name": "store backends", "description": "Interactions, feedback, first-party lists and the catalogue."},
    {"name": "readers", "description": "Lists, and why a game is listed or is not."},
    {"name": "training", "description": "Training runs and model versions."},
    {"name": "operator", "description": "Drops and regenerations."},
    {"name": "experiments", "description": "What is compared, among whom, and what it earned."},
    {"name": "people", "description": "One person's data."},
    {"name": "operations", "description": "Is it alive, is it ready, how does it do, and what is it set to."},
]


def operation_id(route: APIRoute) -> str:
    """Name the operation of a route after its function: `get_list` is `getList`."""
    first, *others = route.name.split("_")
    return first + "".join(other.capitalize() for other in others)


def finish(document: dict[str, Any]) -> None:
    """Add to a document of FastAPI's what it leaves out, in place."""
    document["info"]["license"] = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
    document.setdefault("servers", [{"url": "/"}])
    schemas = document["components"]["schemas"]
    for name, schema in _schemas_of_models().items():
        schemas.setdefault(name, schema)
    for path, of in document["paths"].items():
        for method, operation in of.items():
            operation.setdefault("security", [])  # asks for no key, and says so
            operation["responses"] |= problems_of(path, method, operation)
            _add_headers(operation)
            for parameter in operation.get("parameters", ()):
                _take_out_null(parameter)
    document["components"]["responses"] = responses()
    _keep(schemas, set(_references([document["paths"], document["components"]["responses"]])))
    for name, example in _examples().items():
        if name in schemas:
            schemas[name]["examples"] = [example]


def _schemas_of_models() -> dict[str, Any]:
    """Return the schema of every model of this package by its name."""
    models = sorted(set(_models_below(BaseModel)), key=lambda model: model.__name__)
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    definitions: dict[str, Any] = found["$defs"]
    return definitions


def _models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for found in model.__subclasses__():
        if found.__module__.startswith(f"{__package__}."):
            yield found
        yield from _models_below(found)


def _take_out_null(parameter: dict[str, Any]) -> None:
    """Let a parameter that may be left out have the type that it has where it is given; no address holds null."""
    schema = parameter["schema"]
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]


_HEADERS = {
    "ETag": {"description": "for `If-None-Match`", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true` where this answer was stored before", "schema": {"type": "string"}},
}


def _add_headers(operation: dict[str, Any]) -> None:
    """Say which headers the answer of an operation has."""
    given = {parameter["name"] for parameter in operation.get("parameters", ())}
    for status, response in operation["responses"].items():
        names = ["ETag"] if status in ("200", "304") and "304" in operation["responses"] else []
        names += ["Idempotency-Replayed"] if status < "300" and "Idempotency-Key" in given else []
        if names:
            response["headers"] = response.get("headers", {}) | {name: _HEADERS[name] for name in names}


def _keep(schemas: dict[str, Any], names: set[str]) -> None:
    """Take out the schemas that neither these names nor others that they refer to lead to; sort the rest."""
    found: set[str] = set()
    while names:
        found |= names
        names = set(_references([schemas[name] for name in names])) - found
    kept = {name: schemas[name] for name in sorted(found)}
    schemas.clear()
    schemas |= kept


def _references(node: Any) -> Iterator[str]:
    """Yield the names of the schemas that a part of the document refers to."""
    if isinstance(node, list):
        for part in node:
            yield from _references(part)
    elif isinstance(node, dict):
        for key, part in node.items():
            if key == "$ref" and part.startswith(REFERENCE.format(model="")):
                yield part.rpartition("/")[2]
            yield from _references(part)


def _examples() -> dict[str, Any]:
    """Return an example of each body and answer, by the name of its schema."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("examples.json").read_text())
    return found
