"""Ids of users and games: what the shop calls them, opaque to us."""

import unicodedata
from typing import TypeGuard

MAX_ID_CHARACTERS = 128


def is_id(value: object) -> TypeGuard[str]:
    """
    Tell whether a value may name a user or a game.

    An id is a string of 1 to 128 characters, none of Unicode category C (controls, formats, surrogates, private use,
    unassigned), without `/` and not `.` or `..`, so that it can stand in a path. It is never normalised.
    """
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARACTERS:
        return False
    if "/" in value or value in {".", ".."}:
        return False
    if value.isascii():
        return value.isprintable()
    return not any(unicodedata.category(character)[0] == "C" for character in value)


def is_printable_ascii(text: str) -> bool:
    """Tell whether a text holds nothing that a header, a log line or a query would mind."""
    return text.isascii() and text.isprintable()


ID_RULE = f"1 to {MAX_ID_CHARACTERS} characters, no control characters, no '/', not '.' or '..'"


NO_SLASH = (
    "ids stand in paths, where a '/' ends them, also as %2F: write another character for it, such as ':', "
    "wherever you send the id"
)


def should_be(value: str) -> str:
    """Say of a value that is no id what it should be, and of a slash in it what to do."""
    return f"should be {ID_RULE}{f'; {NO_SLASH}' if '/' in value else ''}"
