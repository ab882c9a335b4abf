"""Writes docs/api.md from the OpenAPI document: `make api-docs`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recommendation.settings import load_settings
from recommendation_api.app import create_app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
SECTIONS = {
    "store backends": "Store backends: interactions, feedback, first-party lists",
    "readers": "Readers: lists and why",
    "training": "Training and model versions",
    "operator": "Drops and regenerations",
    "people": "One person's data",
    "operations": "Operations",
}
INTRODUCTION = """# API reference

Made from the OpenAPI document by `make api-docs`; the running service shows the same at `/docs` and `/openapi.json`.
Examples with `curl` are in the [README](../README.md).

- Keys: `Authorization: Bearer`, with one of the scopes that a route names (see
  [configuration](configuration.md)).
- Ids are 1 to 128 characters, no control characters, no `/`, not `.` or `..`. Times are RFC 3339.
- Every error is a problem document (RFC 9457): `type`, `title`, `status`, `code`, and a `detail` that says what to do.
  Any route may answer 400, 401, 403, 413, 422, 429 and 503; 429 and 503 carry `Retry-After`.
- A route that takes an `Idempotency-Key` replays its first answer to the same key and body, with
  `Idempotency-Replayed: true`; the same key with another body is 422.
- Bulk bodies are one object, an array of them, or an envelope with the array under the name given.
"""


def page() -> str:
    """Return the page."""
    document = create_app(load_settings({})).openapi()
    operations = [(path, method, one) for path, of in document["paths"].items() for method, one in of.items()]
    parts = [INTRODUCTION]
    for tag, title in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [_operation(document, *found) for found in operations if tag in found[2]["tags"]]
    return "\n".join(parts).rstrip() + "\n"


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    scopes = [scope for need in operation.get("security", ()) for scope in need["key"]]
    lines = [f"### `{method.upper()} {path}`\n", operation.get("description", "").strip() + "\n"]
    lines.append(f"Scope: {' or '.join(f'`{scope}`' for scope in scopes) if scopes else 'none'}.\n")
    if operation.get("parameters"):
        lines += _table("parameter", _parameters(document, operation["parameters"]))
    if "requestBody" in operation:
        lines += _body(document, operation["requestBody"]["content"]["application/json"]["schema"])
    return "\n".join(lines + _answer(document, operation["responses"]))


def _parameters(document: dict[str, Any], parameters: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for given in parameters:
        must = "required" if given["required"] else ""
        meaning = given.get("description", "")
        yield f"{given['name']} ({given['in']})", _type(document, given["schema"]), _joined(must, meaning)


def _body(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("anyOf")
    if not kinds:
        return _table("body", _fields(document, schema))
    envelope, _, row = kinds
    names = ", ".join(f"`{name}`" for name in envelope["properties"])
    return [f"Bulk body; the envelope has {names}. Each row:\n", *_table("field", _fields(document, row))]


def _answer(document: dict[str, Any], responses: dict[str, Any]) -> list[str]:
    status = next(code for code in responses if code.startswith("2"))
    schema = responses[status].get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" not in schema:
        return [f"Answers {status}.\n"]
    return [f"Answers {status}:\n", *_table("field", _fields(document, _resolved(document, schema)))]


def _fields(document: dict[str, Any], schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the fields of an object, and of objects in it, as dotted names."""
    needed = schema.get("required", ()) if schema.get("additionalProperties") is False else ()
    for name, field in schema.get("properties", {}).items():
        must = "required" if name in needed else ""
        default = f"default {json.dumps(field['default'])}" if field.get("default") is not None else ""
        yield above + name, _type(document, field), _joined(must, default, field.get("description", ""))
        yield from _fields(document, _inner(document, field), f"{above}{name}{'[]' if _is_list(field) else ''}.")


def _inner(document: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """Return the object in a field, be it optional or an item of a list."""
    chosen = next((kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"), field)
    return _resolved(document, chosen.get("items", chosen))


def _is_list(field: dict[str, Any]) -> bool:
    return any(kind.get("type") == "array" for kind in field.get("anyOf", [field]))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _type(document: dict[str, Any], schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(document, kind) for kind in schema["anyOf"])
    schema = _resolved(document, schema)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(document, schema['items'])}"
    plain = {"null": "null", "object": "object", None: "any"}.get(schema.get("type"), schema.get("type"))
    return f"{schema.get('format', plain)}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    """Say the bounds that a caller may run into."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high = schema.get("maximum", schema.get("maxLength"))
    start = f"over {above}" if above is not None else "" if low is None else f"{low}"
    if not start:
        return f", at most {high}" if high is not None else ""
    return f", {start} to {high}" if high is not None else f", {start} or more"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _table(head: str, rows: Iterator[tuple[str, str, str]]) -> list[str]:
    shown = [(name, kind, meaning.replace("|", "\\|").replace("\n", " ")) for name, kind, meaning in rows]
    lines = [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in shown]
    return [f"| {head} | type | |", "|---|---|---|", *lines, ""] if lines else []


if __name__ == "__main__":
    PAGE.write_text(page())
