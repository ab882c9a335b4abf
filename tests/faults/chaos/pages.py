"""What the contract says of a list that is shown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from judge import Person, Pin

FOR_EVERYONE = "for everyone"
"""How the reasons of first-party lists for everyone begin."""

Item = dict[str, Any]
Found = tuple[str, str]
"""A kind of broken promise, and what was seen."""


def reason_for(user: str) -> str:
    """Reason of every item of a user's own first-party lists: so a foreign item is seen at once."""
    return f"for {user}"


def judge_items(
    person: Person, items: Sequence[Item], off_sale: set[str], asked_at: float, whole: bool
) -> Iterator[Found]:
    """
    Compare what is shown with what may be true.

    Args:
        off_sale: games that may surely not be shown at the time of the question.
        asked_at: seconds of the wall clock.
        whole: whether the items are the whole list, so that every pin has to be among them.
    """
    games = [item["game_id"] for item in items]
    if len(set(games)) < len(games):
        yield "refused or odd answer", f"{person.user}: a game appears twice: {games}"
    surely, maybe = person.hidden()
    if wrong := surely & set(games):
        yield "owned or dismissed shown", f"{person.user}: {wrong}"
    if wrong := off_sale & set(games):
        yield "stale after acknowledgement", f"{person.user}: off sale and shown: {wrong}"
    touched = person.touched()
    for item in items:
        yield from _judge_item(person, item, touched, asked_at)
    if whole:
        yield from _missing(person, set(games), maybe, asked_at)


def _judge_item(person: Person, item: Item, touched: set[str], asked_at: float) -> Iterator[Found]:
    because, text, source = item["reason"]["because"], item["reason"]["text"], item["source"]
    if because is not None and because not in touched:
        yield "foreign item", f"{person.user}: {item['game_id']} because of {because}, of which no event was sent"
    if source not in ("cf", "popular", "drop") and not text.startswith(FOR_EVERYONE):
        if text != reason_for(person.user):
            yield "foreign item", f"{person.user}: {item['game_id']} {text}"
        else:
            yield from _judge_pin(person, item, source, asked_at)


def _judge_pin(person: Person, item: Item, source: str, asked_at: float) -> Iterator[Found]:
    may = [pins[item["game_id"]] for pins in person.lists.get(source, [{}]) if item["game_id"] in pins]
    if not may:
        yield "stale after acknowledgement", f"{person.user}: {item['game_id']} was taken off {source}"
    elif all(pin.expires_at < asked_at for pin in may):
        yield "stale after acknowledgement", f"{person.user}: {item['game_id']} of {source} has expired"


def _missing(person: Person, shown: set[str], maybe_hidden: set[str], asked_at: float) -> Iterator[Found]:
    for source, may in person.lists.items():
        surely = set.intersection(*(_standing(pins.items(), asked_at) for pins in may))
        if missing := surely - maybe_hidden - shown:
            yield "stale after acknowledgement", f"{person.user}: {source} was answered and lacks {missing}"


def _standing(pins: Iterable[tuple[str, Pin]], asked_at: float) -> set[str]:
    """Games of pins that surely stand until a question is answered, however slowly."""
    return {game for game, pin in pins if pin.expires_at > asked_at + 60}


Ask = Callable[[str], Any]
"""Sends a query for a list; returns the decoded page, or None where nothing was answered."""


def walk(ask: Ask, limit: int) -> list[Item] | None:
    """Read a list to its end, page after page; None where a page was not answered."""
    items: list[Item] = []
    query = f"limit={limit}"
    for _ in range(200):
        page = ask(query)
        if page is None:
            return None
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query = f"limit={limit}&cursor={quote(page['next_cursor'])}"
    raise AssertionError("the pages never end")
