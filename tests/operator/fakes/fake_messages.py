"""Why an object is refused, in the words of the real API server, and what counts as a time there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

import jsonschema
import re2

Json = dict[str, Any]
NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
BLOCKING = {
    *("FieldValueRequired", "FieldValueTypeInvalid", "FieldValueNotSupported"),
    *("FieldValueTooLong", "FieldValueTooMany"),
}
"""With one of these a server leaves the rules unchecked, and says so."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The point of the decimals is any character, and what follows a second `t` is not looked at: the server's own slips.
_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")


class Cause(NamedTuple):
    """One thing that is wrong with an object."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def is_date_time(text: object) -> bool:
    """Tell whether the server takes a text for a `date-time`: more than RFC 3339 in some places, less in others."""
    if not isinstance(text, str):
        return True
    day, *rest = text.lower().split("t")
    if not rest or not _DAY.fullmatch(day):
        return False
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    found = _CLOCK.fullmatch(rest[0])
    return found is not None and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Any:
    """Patterns are Go's, which knows Unicode classes; Python's `re` does not."""
    if isinstance(instance, str) and not re2.search(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


FORMATS = jsonschema.FormatChecker(formats=())
FORMATS.checks("date-time")(is_date_time)
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


def causes(schema: Json, obj: Json) -> list[Cause]:
    """Everything that is wrong with an object's shape."""
    return [_cause(error) for error in Validator(schema, format_checker=FORMATS).iter_errors(obj)]


def path_of(parts: Iterable[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueDuplicate", f"Duplicate value: {json.dumps(value, separators=(',', ':'))}")


def _cause(error: jsonschema.ValidationError) -> Cause:
    path, value, limit = path_of(error.absolute_path), error.instance, error.validator_value
    shown = json.dumps(value)
    if error.validator == "required":
        missing = next(name for name in limit if name not in value)
        return Cause(path_of([*error.absolute_path, missing]), "FieldValueRequired", "Required value")
    if error.validator == "enum":
        values = ", ".join(json.dumps(one) for one in limit)
        return Cause(path, "FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {values}")
    if error.validator == "maxLength":
        return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")
    if error.validator == "maxItems":
        return Cause(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {limit} items")
    if error.validator in ("type", "format"):
        kind = _kind(value) if error.validator == "type" else value
        words = f'Invalid value: "{kind}": {path} in body must be of type {limit}: "{kind}"'
        return Cause(path, "FieldValueTypeInvalid", words)
    if error.validator == "not":
        return Cause(path, "FieldValueInvalid", f'Invalid value: {shown}: "{path}" must not validate the schema (not)')
    should = {
        "minimum": f"should be greater than or equal to {limit}",
        "maximum": f"should be less than or equal to {limit}",
        "minLength": f"should be at least {limit} chars long",
        "minItems": f"should have at least {limit} items",
        "pattern": f"should match '{limit}'",
    }[str(error.validator)]
    shown = str(len(value)) if error.validator == "minItems" else shown
    return Cause(path, "FieldValueInvalid", f"Invalid value: {shown}: {path} in body {should}")


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")
