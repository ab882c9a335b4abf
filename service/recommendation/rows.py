"""Checking rows that a client sent: what is wrong with one, in a code for programs and a sentence for people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, TypeVar

from recommendation.clock import parse_rfc3339
from recommendation.ids import ID_RULE, is_id, should_be

FUTURE_ALLOWED = timedelta(minutes=10)
"""How far a client's clock may run ahead. The latest event decides what is owned: one of 2190 would do so for ever."""


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


USER_COLUMNS = (
    "user_id", "user", "userid", "uid", "player_id", "player", "steamid", "steam_id", "customer_id", "account_id",
    "reviewerid", "username", "visitorid",
)  # fmt: skip
"""Names by which a file's column of users is guessed, likeliest first; capitals do not matter."""


GAME_COLUMNS = (
    "game_id", "game", "gameid", "app_id", "appid", "item_id", "itemid", "item", "movie_id", "movieid",
    "artist_id", "artistid", "product_id", "productid", "asin", "isbn", "book_id", "anime_id", "track_id", "song_id",
    "business_id", "recipe_id", "title", "game_title",
)  # fmt: skip
"""The same for games. An id comes before a title, so that a file with both is read by id."""


QUANTITY_COLUMNS = (
    "quantity", "hours", "hours_played", "playtime", "playtime_forever", "rating", "book_rating", "stars", "overall",
    "weight",
)  # fmt: skip
"""The same for how much of an event there was."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one row of a batch was refused; `index` is its place in the batch, from 0."""

    index: int
    code: str
    detail: str

    def as_json(self) -> dict[str, object]:
        """Return the row of the answer."""
        return {"index": self.index, "code": self.code, "detail": self.detail}


class RowError(ValueError):
    """A row that cannot be taken: a code for programs and a sentence for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


Parsed = TypeVar("Parsed")


def parse_each(
    rows: Sequence[object], parse: Callable[[object, int], Parsed]
) -> tuple[list[tuple[int, Parsed]], list[Rejection]]:
    """
    Parse the rows of a batch, so that a bad row does not sink the others.

    Args:
        rows: decoded JSON values, in the order they were sent.
        parse: takes a row and its index; raises `RowError` for a row that cannot be taken.

    Returns:
        What was parsed with its index, and the rejections, both in order of index: of `["1", "x", "3"]`, read as
        numbers, `[(0, 1), (2, 3)]` and one rejection with index 1.
    """
    taken: list[tuple[int, Parsed]] = []
    refused: list[Rejection] = []
    for index, row in enumerate(rows):
        try:
            taken.append((index, parse(row, index)))
        except RowError as error:
            refused.append(Rejection(index, error.code, error.detail))
    return taken, refused


def as_fields(row: object, known: frozenset[str], required: Iterable[str]) -> dict[str, Any]:
    """
    Return a row as the mapping that it is, with every required field and no unknown one.

    Raises:
        RowError: it is no such row.
    """
    if not isinstance(row, dict):
        raise RowError("not_an_object", "each row should be a JSON object")
    if not row.keys() <= known:
        unknown = sorted(map(str, row.keys() - known))
        named = ", ".join(f"{name[:40]!r}{meant(name, known)}" for name in unknown[:3])
        raise RowError("unknown_field", f"unknown field {named}; known are {', '.join(sorted(known)) or 'none'}")
    for name in required:
        if row.get(name) is None:
            raise RowError("missing_field", f"{name} is missing")
    if not isinstance(row.get("event_type", ""), str):
        raise RowError("unknown_event_type", "event_type should be a string")
    return row


def meant(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)" with the known name that is nearest to an unknown one; nothing where none is near."""
    by_spelling = {_plain(each): each for each in sorted(known, reverse=True)}
    nearest = get_close_matches(_plain(name[:80]), by_spelling, 1, cutoff=0.75)
    return f" (did you mean {by_spelling[nearest[0]]}?)" if nearest else ""


def _plain(name: str) -> str:
    """Return a name without what tells spellings apart: `gameId`, `game-id` and `GAME_ID` are one."""
    return "".join(filter(str.isalnum, name.lower()))


def required_id(fields: dict[str, Any], name: str) -> str:
    """Return an id that must be there, or refuse the row."""
    value = fields[name]
    if not isinstance(value, str):
        kind = "a number" if isinstance(value, int | float) and not isinstance(value, bool) else "no string"
        raise RowError(f"invalid_{name}", f"{name} is {kind}; send a string of {ID_RULE}")
    if not is_id(value):
        raise RowError(f"invalid_{name}", f"{name} {should_be(value)}")
    return value


def optional_id(fields: dict[str, Any], name: str) -> str | None:
    """Return an id that may be absent or null."""
    return None if fields.get(name) is None else required_id(fields, name)


Absent = TypeVar("Absent", int, None)


MAX_WHOLE = 2**53
"""Every reader of JSON keeps whole numbers up to here exact."""


def whole_number(fields: dict[str, Any], name: str, least: int, most: int, absent: Absent) -> int | Absent:
    """Return a whole number from `least` to `most`, or `absent` where there is none."""
    value = fields.get(name)
    if value is None:
        return absent
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RowError(f"invalid_{name}", f"{name} should be a whole number from {least} to {most}")
    return value


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Return true or false; false where there is neither."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise RowError(f"invalid_{name}", f"{name} should be true or false")
    return bool(value)


def required_time(fields: dict[str, Any], name: str) -> datetime:
    """Return a time that must be there, in UTC."""
    try:
        return parse_rfc3339(fields[name])
    except (TypeError, ValueError, OverflowError):
        raise RowError(f"invalid_{name}", f"{name} should be an RFC 3339 time such as 2026-11-22T18:00:00Z") from None


def optional_time(fields: dict[str, Any], name: str) -> datetime | None:
    """Return a time that may be absent or null, in UTC."""
    return None if fields.get(name) is None else required_time(fields, name)


def moment(fields: dict[str, Any], name: str, now: datetime) -> datetime:
    """Return the time of an event: its own, between 1970 and a little after `now`; or `now` where it has none."""
    occurred = optional_time(fields, name)
    if occurred is None:
        return now
    if not EARLIEST <= occurred <= now + FUTURE_ALLOWED:
        raise RowError(f"invalid_{name}", f"{name} should lie between 1970 and now")
    return occurred
