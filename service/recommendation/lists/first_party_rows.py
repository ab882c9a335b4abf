"""
Rows of the shop's own recommendations, sorted into lists; which of them are refused, and what goes with them.

All of a list is taken or nothing: a pair of user and source with a row that is refused keeps the list that it has.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from recommendation.lists.first_party import FirstPartyItem, parse_first_party
from recommendation.lists.stored import EVERYONE
from recommendation.rows import Rejection, parse_each

Indexed = list[tuple[int, FirstPartyItem]]
"""Items with the index of their row."""


IndexedLists = Mapping[tuple[str, str], Indexed]
"""By user (`EVERYONE` for all) and source."""


_UNCHANGED = "another row of the same user and source was rejected, so their list stays as it was"


def parse_lists(rows: Sequence[Any], now: datetime) -> tuple[IndexedLists, list[Rejection]]:
    """Sort rows into lists; a list with a rejected row is left out whole, and its other rows are rejected too."""
    lists: dict[tuple[str, str], Indexed] = defaultdict(list)
    parsed, refused = parse_each(rows, lambda row, _index: parse_first_party(row, now))
    for index, (user_id, source, item) in parsed:
        lists[user_id, source].append((index, item))
    spoiled = {_pair_of(rows[rejection.index]) for rejection in refused}
    for pair in spoiled & lists.keys():
        refused += [Rejection(index, "list_unchanged", _UNCHANGED) for index, _ in lists.pop(pair)]
    return lists, refused


def _pair_of(row: Any) -> tuple[Any, Any]:
    """Return the user and source that a rejected row meant, as far as it says."""
    if not isinstance(row, dict):
        return None, None
    user_id, source = row.get("user_id"), row.get("source")
    return (EVERYONE if user_id is None else user_id if isinstance(user_id, str) else None), (
        source if isinstance(source, str) else None
    )


def repeated(items: Indexed) -> list[Rejection]:
    """Refuse the items of one list that name a game a second time."""
    first: dict[str, int] = {}
    for index, item in items:
        first.setdefault(item.game_id, index)
    return [
        Rejection(index, "repeated_game", f"the game stands in item {first[item.game_id]} already")
        for index, item in items
        if first[item.game_id] != index
    ]


def without_merged(lists: IndexedLists, merged: Collection[str]) -> tuple[IndexedLists, list[Rejection]]:
    """Leave out the lists of visitors who were merged into accounts."""
    detail = "its user was merged into an account: name that one"
    gone = [index for pair, items in lists.items() if pair[0] in merged for index, _ in items]
    there = {pair: items for pair, items in lists.items() if pair[0] not in merged}
    return there, [Rejection(index, "user_merged", detail) for index in gone]


def games_for_everyone(lists: IndexedLists) -> set[str]:
    """Return the games that stand in lists for everyone: one that is mistyped would stand in every list."""
    return {item.game_id for (user_id, _), items in lists.items() if user_id == EVERYONE for _, item in items}


def of_unknown(lists: IndexedLists, unknown: Collection[str]) -> list[Rejection]:
    """Refuse the items for everyone whose game is not known."""
    return [
        Rejection(
            index,
            "unknown_game",
            f"no game has the id {item.game_id!r}; PUT /games makes it known, or send create_games: true",
        )
        for (user_id, _), items in lists.items()
        if user_id == EVERYONE
        for index, item in items
        if item.game_id in unknown
    ]


def without_unknown(lists: IndexedLists, unknown: Collection[str]) -> tuple[IndexedLists, list[Rejection]]:
    """Leave out each list for everyone that names a game which is not known, and say why."""
    refused = of_unknown(lists, unknown)
    indexes = {rejection.index for rejection in refused}
    spoiled = {pair for pair, items in lists.items() if any(index in indexes for index, _ in items)}
    others = [
        Rejection(index, "list_unchanged", _UNCHANGED)
        for pair in spoiled
        for index, _ in lists[pair]
        if index not in indexes
    ]
    return {pair: items for pair, items in lists.items() if pair not in spoiled}, [*refused, *others]
