"""Writes docs/api.md from the OpenAPI document: `make api-docs`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recommendation.settings import load_settings
from recommendation_api.app import create_app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
INTRODUCTION = """# API reference

Made from the OpenAPI document by `make api-docs`; the running service shows the same at `/docs` and `/openapi.json`.
Examples with `curl` are in the [README](../README.md).

- Keys: `Authorization: Bearer`, with one of the scopes that a route names (see
  [configuration](configuration.md)).
- Ids are 1 to 128 characters, no control characters, no `/`, not `.` or `..`. Times are RFC 3339.
- Every error is a problem document (RFC 9457): `type`, `title`, `status`, `code`, and a `detail` that says what to do.
  429 and 503 carry `Retry-After`. The OpenAPI document says which status each route may answer with.
- A route that takes an `Idempotency-Key` replays its first answer to the same key and body, with
  `Idempotency-Replayed: true`; the same key with another body is 422.
- Bulk bodies are one object, an array of them, or an envelope with the array under the name given.
- Unknown fields and unknown query parameters are refused by name. HEAD is answered as GET, without a body.
- Operation ids, in brackets, are what generated clients call their functions.
"""


def page() -> str:
    """Return the page."""
    document = create_app(load_settings({})).openapi()
    operations = [(path, method, one) for path, of in document["paths"].items() for method, one in of.items()]
    parts = [INTRODUCTION]
    for tag in document["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}\n")
        parts += [_operation(document, *found) for found in operations if tag["name"] in found[2]["tags"]]
    return "\n".join(parts).rstrip() + "\n"


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    scopes = [scope for need in operation.get("security", ()) for scope in need["key"]]
    lines = [
        f"### `{method.upper()} {path}` ({operation['operationId']})\n",
        operation.get("description", "").strip() + "\n",
    ]
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
    whole = _resolved(document, schema)
    if "anyOf" not in whole:
        return [*_table("body", _fields(document, whole)), *_example(whole)]
    envelope, _, row = (_resolved(document, kind) for kind in whole["anyOf"])
    names = ", ".join(f"`{name}`" for name in envelope["properties"])
    rows = _table("field", _fields(document, row))
    return [f"Bulk body; the envelope has {names}. Each row:\n", *rows, *_example(whole)]


def _answer(document: dict[str, Any], responses: dict[str, Any]) -> list[str]:
    status = next(code for code in responses if code.startswith("2"))
    schema = responses[status].get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" not in schema:
        return [f"Answers {status}.\n"]
    found = _resolved(document, schema)
    return [f"Answers {status}:\n", *_table("field", _fields(document, found)), *_example(found)]


def _example(schema: dict[str, Any]) -> list[str]:
    """Show an example of a body or an answer, a row of it on each line."""
    if "examples" not in schema:
        return []
    lines = []
    for name, value in schema["examples"][0].items():
        inner = [f"    {json.dumps(row, ensure_ascii=False)}" for row in value] if isinstance(value, list) else []
        shown = "[\n" + ",\n".join(inner) + "\n  ]" if inner else json.dumps(value, ensure_ascii=False)
        lines.append(f"  {json.dumps(name)}: {shown}")
    return ["```json\n{\n" + ",\n".join(lines) + "\n}\n```\n"]


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
