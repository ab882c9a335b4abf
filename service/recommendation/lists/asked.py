"""What a client asks of lists in a body: which part of a list, of which users, or for which basket."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from recommendation.ids import ID_RULE, is_id
from recommendation.lists.first_party import is_rule
from recommendation.lists.order import SOURCE_ORDER, Candidate, Reason
from recommendation.lists.page import NEW_RELEASE, ActiveList
from recommendation.lists.sources import PageRequest
from recommendation.lists.tags import TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.rows import RowError, whole_number
from recommendation.weights import MILLION

PAGE_FIELDS = frozenset({"limit", "exclude", "source", "tag", "exclude_tag"})


MOST_USERS = 500
"""Users whose lists are read in one call."""


MOST_IN_BASKET = 500
"""Games of a basket; what a fold-in costs grows with them."""


MAX_WEIGHT = 1_000_000


MOST_EXCLUDED, MOST_NAMES, MOST_ON_PAGE, USUAL_ON_PAGE = 1_000, 100, 100, 20


MOST_ROWS, USUAL_ROWS, MOST_IN_ROW, USUAL_IN_ROW = 20, 6, 50, 12


def parse_page(fields: Mapping[str, Any], before: frozenset[str] = frozenset()) -> PageRequest:
    """
    Check the fields of a body that say which part of a list is wanted; the same as the parameters of a single read.

    Args:
        before: games on the pages before.

    Raises:
        RowError: what is wrong with them.
    """
    return PageRequest(
        whole_number(dict(fields), "limit", 1, MOST_ON_PAGE, absent=USUAL_ON_PAGE),
        before,
        _texts(fields, "exclude", MOST_EXCLUDED),
        parse_sources(_texts(fields, "source", MOST_NAMES)),
        TagFilter(_texts(fields, "tag", MOST_NAMES), _texts(fields, "exclude_tag", MOST_NAMES)),
    )


def parse_sources(names: Iterable[str]) -> frozenset[str]:
    """
    Check which sources are wanted, such as `cf`, `rule` for all rules, or `rule:new-players`.

    Raises:
        RowError: one is none. A typing error would otherwise look like a list without games.
    """
    wanted = frozenset(names)
    unknown = sorted(name for name in wanted if name not in SOURCE_ORDER and not is_rule(name))
    if unknown:
        known = ", ".join(SOURCE_ORDER)
        raise RowError("invalid_source", f"there is no source {unknown[0]!r}; there are {known}, and rule:<name>")
    return wanted


def _texts(fields: Mapping[str, Any], name: str, most: int) -> frozenset[str]:
    value = fields.get(name)
    if value is None:
        return frozenset()
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) and one for one in value):
        raise RowError(f"invalid_{name}", f"{name} should be an array of at most {most} strings")
    return frozenset(value)


def parse_users(value: object) -> list[str]:
    """
    Check the users whose lists are wanted.

    Returns:
        Each once, in the order in which they were named.

    Raises:
        RowError: what is wrong with them.
    """
    if not isinstance(value, list) or not value:
        raise RowError("invalid_users", f"users should be an array of 1 to {MOST_USERS} ids")
    if len(value) > MOST_USERS:
        raise RowError("too_many_users", f"at most {MOST_USERS} users in a request, not {len(value)}")
    for place, user_id in enumerate(value):
        if not isinstance(user_id, str) or not is_id(user_id):
            raise RowError("invalid_user_id", f"each of users should be a string of {ID_RULE}; users[{place}] is none")
    return list(dict.fromkeys(value))


def parse_basket(value: object) -> dict[str, int]:
    """
    Check a basket, such as `{"g-17": 1, "g-202": 2.5}`.

    Returns:
        Millionths of weight by game.

    Raises:
        RowError: what is wrong with it.
    """
    if not isinstance(value, dict) or not value:
        raise RowError("invalid_games", 'games should be an object of weights by game, such as {"g-17": 1}')
    if len(value) > MOST_IN_BASKET:
        raise RowError("too_many_games", f"at most {MOST_IN_BASKET} games in a basket, not {len(value)}")
    return {_game(game_id): _weight(game_id, weight) for game_id, weight in value.items()}


def _game(game_id: object) -> str:
    if not isinstance(game_id, str) or not is_id(game_id):
        raise RowError("invalid_game_id", f"each game should be named by a string of {ID_RULE}")
    return game_id


def _weight(game_id: str, value: object) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= MAX_WEIGHT:  # type: ignore[operator]
        raise RowError("invalid_weight", f"the weight of {game_id!r} should be a number over 0, at most {MAX_WEIGHT}")
    return max(1, round(value * MILLION))  # type: ignore[operator]


def basket(millionths: Mapping[str, int], now: datetime) -> UserState:
    """
    Return a user who owns just these games: their list is the one to recommend for the basket.

    Nothing is kept of such a user. All games of the basket were touched now, so none of them fades and none is older.
    """
    return UserState(
        "",
        len(millionths),
        tuple(millionths),
        "1" * len(millionths),
        _joined(millionths.values()),
        _joined([round(now.timestamp() * MILLION)] * len(millionths)),
    )


def because_of_basket(active: ActiveList, view: StoreView) -> ActiveList:
    """Say of the games in a basket nothing that is true of a user only: that they own them."""
    return active._replace(items=[_because_of_basket(item, view) for item in active.items])


def _because_of_basket(item: Candidate, view: StoreView) -> Candidate:
    game = view.catalogue.by_id.get(item.reason.because or "")
    if game is None:
        return item
    start = NEW_RELEASE if item.source == "drop" else ""
    return item._replace(reason=Reason(item.reason.code, f"{start}Because of {game.name}", game.game_id))


def _joined(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
