"""Hypothesis strategies from an OpenAPI schema as CRDs have it: whatever the schema admits, odd things more often."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Strategy = st.SearchStrategy[Any]
MANY = 6
"""Items of a list, mostly; more are only more of the same."""
LONG = 40
"""Characters of a text, mostly."""
NOT_IN_GO = {"C": ("Cc", "Cf", "Co", "Cs"), "Cc": ("Cc", "Cs")}
"""
Unicode classes of a pattern. Go's `\\p{C}` leaves unassigned characters out, so a server takes those. Half a surrogate
pair reaches no server: JSON in UTF-8 cannot hold one.
"""
_ALL_BUT = re.compile(r"\^\[\^\\p\{(Cc?)\}(/?)\][+*]\$")


def legal(schema: Json, special: dict[str, Strategy], path: str = "") -> Strategy:
    """
    Objects that a schema admits.

    Args:
        special: strategies to use in the place of the schema's, by path, such as `status.conditions[].type`.
    """
    if path in special:
        return special[path]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema["type"]
    if kind == "object":
        return _objects(schema, special, path)
    if kind == "array":
        return _arrays(schema, special, path)
    if kind == "integer":
        least, most = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
        return st.integers(least, most) | st.sampled_from([least, most])
    return st.booleans() if kind == "boolean" else _texts(schema)


def _objects(schema: Json, special: dict[str, Strategy], path: str) -> Strategy:
    fields = {
        name: legal(sub, special, f"{path}.{name}".lstrip(".")) for name, sub in schema.get("properties", {}).items()
    }
    required = {name: fields.pop(name) for name in schema.get("required", ()) if name in fields}
    # Null stands for absent, and a field that the schema does not know is dropped.
    optional = {name: values | st.none() for name, values in fields.items()} | {"unknown": st.text(max_size=3)}
    return st.fixed_dictionaries(required, optional=optional)


def _arrays(schema: Json, special: dict[str, Strategy], path: str) -> Strategy:
    items = legal(schema["items"], special, f"{path}[]")
    least, most = schema.get("minItems", 0), min(schema["maxItems"], MANY)
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        return st.lists(items, min_size=least, max_size=most, unique_by=lambda item: tuple(item[key] for key in keys))
    return st.lists(items, min_size=least, max_size=most, unique=schema.get("x-kubernetes-list-type") == "set")


def _texts(schema: Json) -> Strategy:
    if schema.get("format") == "date-time":
        return date_times()
    least, most = schema.get("minLength", 0), schema.get("maxLength", LONG)
    pattern = schema.get("pattern")
    found = _ALL_BUT.fullmatch(pattern) if pattern else None
    if pattern and not found:
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: least <= len(text) <= most)
    without = NOT_IN_GO[found[1]] if found else ("Cs",)
    characters = st.characters(exclude_categories=without, exclude_characters=found[2] if found else "")
    forbidden = schema.get("not", {}).get("enum", ())
    texts = st.text(characters, min_size=least, max_size=min(most, LONG)) | st.sampled_from(["x" * most, "$(X) --help"])
    return texts.filter(lambda text: text not in forbidden and least <= len(text) <= most)


def date_times() -> Strategy:
    """Texts that an API server takes for a time, among them some that are none (see `fake_messages.is_date_time`)."""
    days = st.dates().map(lambda day: f"20{day.year % 100:02}{day.strftime('-%m-')}{min(day.day, 28):02}")
    clocks = st.times().map(lambda clock: clock.strftime("%H:%M:%S"))
    points = st.sampled_from([".", ",", "x", "5", "ゲ"])
    decimals = st.just("") | st.builds("{}{}".format, points, st.integers(0, 10**9 - 1))
    offsets = st.builds("{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 99), st.integers(0, 99))
    zones = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+25:00"]) | offsets
    tails = st.just("") | st.just("") | st.just("T?")
    return st.builds("{}{}{}{}{}{}".format, days, st.sampled_from("Tt"), clocks, decimals, zones, tails)
