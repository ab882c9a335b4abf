"""The shop's own recommendations: their items, how a client writes them, and how a row holds them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from recommendation.clock import parse_rfc3339, rfc3339
from recommendation.lists.stored import EVERYONE, StoredList
from recommendation.rows import RowError, as_fields, optional_id, optional_time, required_id, whole_number

LAST_PLACE = 1000
"""Last place that an item can be pinned to."""


MAX_REASON = 300


_RULE = re.compile(r"rule:[A-Za-z0-9._-]{1,64}")


ITEM_FIELDS = frozenset({"game_id", "score", "reason", "position", "expires_at"})


BATCH_FIELDS = ITEM_FIELDS | {"user_id", "source"}


@dataclass(frozen=True)
class Bounds:
    """How much the shop may recommend to one user, or to everyone: each read takes all of it into account."""

    of_list: int = 500
    """Items in one list, of one source."""
    sources: int = 10
    """Lists with an item that has not expired."""
    in_all: int = 2_000
    """Items in all of these lists together."""
    pins: int = 100
    """Items with a position among them."""

    def refusal(
        self, source: str, new: Sequence["FirstPartyItem"], lists: Mapping[str, Sequence["FirstPartyItem"]]
    ) -> str | None:
        """
        Tell why a list may not take the place of the one of its source; None if it may.

        Args:
            lists: the present ones, by source. What was too large before may stay or become smaller.
        """
        if not new:
            return None
        old = lists.get(source, ())
        others = [item for name, items in lists.items() if name != source for item in items]
        number = sum(1 for items in lists.values() if items)
        for what, bound, size, was, setting in (
            ("items in a list", self.of_list, len(new), len(old), "RECOMMENDATION_LIST_MAX_ITEMS"),
            ("sources", self.sources, number + (not old), number, "RECOMMENDATION_LIST_MAX_SOURCES"),
            ("items", self.in_all, len(others) + len(new), len(others) + len(old), "RECOMMENDATION_LISTS_MAX_ITEMS"),
            ("pins", self.pins, _pins(others, new), _pins(others, old), "RECOMMENDATION_LISTS_MAX_PINS"),
        ):
            if size > max(bound, was):
                return (
                    f"{size} {what} would be more than the {bound} that one user, or everyone, may have ({setting}); "
                    "take others off first: replace a list by a shorter one, or delete it"
                )
        return None


USUAL_BOUNDS = Bounds()


def _pins(*lists: Sequence["FirstPartyItem"]) -> int:
    return sum(item.position is not None for items in lists for item in items)


@dataclass(frozen=True, slots=True)
class FirstPartyItem:
    """
    A recommendation that the shop itself makes.

    `position` is the place it is pinned to, from 1; `updated` is the number of the write that brought it: of two pins
    for one place by the same source, the one with the higher number wins.
    """

    game_id: str
    score: float
    reason: str | None = None
    position: int | None = None
    expires_at: datetime | None = None
    updated: int = 0


def encode_first_party(items: Iterable[FirstPartyItem]) -> bytes:
    """Write first-party items, best first, ties by game."""
    ordered = sorted(items, key=lambda item: (-item.score, item.game_id))
    return json.dumps([_item_as_json(item) for item in ordered], ensure_ascii=False, separators=(",", ":")).encode()


def decode_first_party(items: bytes) -> list[FirstPartyItem]:
    """Read what `encode_first_party` wrote."""
    return [
        FirstPartyItem(
            row["g"],
            row["s"],
            row.get("r"),
            row.get("p"),
            parse_rfc3339(row["e"]) if "e" in row else None,
            row["u"],
        )
        for row in orjson.loads(items)
    ]


def _item_as_json(item: FirstPartyItem) -> dict[str, Any]:
    row: dict[str, Any] = {"g": item.game_id, "s": item.score, "u": item.updated}
    if item.reason is not None:
        row["r"] = item.reason
    if item.position is not None:
        row["p"] = item.position
    if item.expires_at is not None:
        row["e"] = rfc3339(item.expires_at)
    return row


def parse_first_party(row: object, now: datetime) -> tuple[str, str, FirstPartyItem]:
    """
    Check one row of `POST /batch` at a moment: what expired before it would be taken and never shown.

    Returns:
        The user (`EVERYONE` where none is named), the source and the item.

    Raises:
        RowError: what is wrong with it.
    """
    fields = as_fields(row, BATCH_FIELDS, required=("game_id", "score", "source"))
    item = _item(fields, now)
    return optional_id(fields, "user_id") or EVERYONE, parse_source(fields["source"]), item


def parse_item(row: object, now: datetime) -> FirstPartyItem:
    """
    Check one item of a list that is named elsewhere; its score is 0 where it has none.

    Raises:
        RowError: what is wrong with it.
    """
    fields = as_fields(row, ITEM_FIELDS, required=("game_id",))
    return _item({**fields, "score": 0 if fields.get("score") is None else fields["score"]}, now)


def _item(fields: dict[str, Any], now: datetime) -> FirstPartyItem:
    return FirstPartyItem(
        game_id=required_id(fields, "game_id"),
        score=_score(fields["score"]),
        reason=_reason(fields.get("reason")),
        position=whole_number(fields, "position", 1, LAST_PLACE, absent=None),
        expires_at=_expiry(fields, now),
    )


def _expiry(fields: dict[str, Any], now: datetime) -> datetime | None:
    expires_at = optional_time(fields, "expires_at")
    if expires_at is not None and expires_at <= now:
        raise RowError("invalid_expires_at", f"expires_at lies in the past: it is {rfc3339(now)}")
    return expires_at


def is_rule(source: str) -> bool:
    """Tell whether a source is a rule of the shop, such as `rule:new-players`."""
    return _RULE.fullmatch(source) is not None


def parse_source(source: object) -> str:
    """Return a source that the shop may write: `editorial` or `rule:<name>`."""
    if isinstance(source, str) and (source == "editorial" or is_rule(source)):
        return source
    detail = "source should be 'editorial' or 'rule:<name>', name of letters, digits and ._- ; others are made by us"
    raise RowError("reserved_source", detail)


def _score(value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not -1e9 <= value <= 1e9:  # type: ignore[operator]
        raise RowError("invalid_score", "score should be a number from -1e9 to 1e9")
    return float(value)  # type: ignore[arg-type]


def _reason(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_REASON or not _is_storable(value):
        raise RowError("invalid_reason", f"reason should be a text of 1 to {MAX_REASON} characters")
    return value


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def merged(old: Sequence[FirstPartyItem], new: Sequence[FirstPartyItem]) -> list[FirstPartyItem]:
    """Return the old items with the new ones in place of those of the same game."""
    by_game = {item.game_id: item for item in (*old, *new)}
    return list(by_game.values())


def alive(items: Iterable[FirstPartyItem], now: datetime) -> list[FirstPartyItem]:
    """Return the items that have not expired at a moment."""
    return [item for item in items if item.expires_at is None or item.expires_at > now]


def games_of(lists: Mapping[tuple[str, str], Iterable[FirstPartyItem]]) -> set[str]:
    """Return the games that stand in lists."""
    return {item.game_id for items in lists.values() for item in items}


@dataclass(frozen=True)
class FirstPartyList:
    """What the shop recommends to everyone from one source."""

    generated_at: datetime
    items: Sequence[FirstPartyItem]

    @classmethod
    def of(cls, stored: StoredList) -> "FirstPartyList":
        """Read a stored row."""
        return cls(stored.generated_at, decode_first_party(stored.items))


_NEWEST_WRITE = 2**63 - 1


def with_item(
    lists: Mapping[str, FirstPartyList], source: str, item: FirstPartyItem, now: datetime
) -> Mapping[str, FirstPartyList]:
    """Return lists by source as they would be after an item was written into one of them."""
    before = lists[source].items if source in lists else ()
    return {**lists, source: FirstPartyList(now, merged(before, [replace(item, updated=_NEWEST_WRITE)]))}
