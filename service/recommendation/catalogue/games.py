"""The catalogue: what the shop says of its games, and which of them may stand in lists now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recommendation.ids import ID_RULE, is_id
from recommendation.rows import RowError, as_fields, optional_time, required_id

GAME_FIELDS = frozenset({"game_id", "title", "tags", "released_at", "available", "similar_to"})


MAX_TITLE = 200


MAX_TAGS = 32


MAX_SIMILAR = 32


@dataclass(frozen=True, slots=True)
class Game:
    """One game; `key` is the small number that stands for it inside stored lists (0 before it is stored)."""

    game_id: str
    key: int = 0
    title: str | None = None
    tags: tuple[str, ...] = ()
    similar_to: tuple[str, ...] = ()
    released_at: datetime | None = None
    available: bool = True

    def is_listed(self, now: datetime) -> bool:
        """Tell whether it may stand in lists: it is available and released."""
        return self.available and (self.released_at is None or self.released_at <= now)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return self.title or self.game_id


@dataclass(frozen=True)
class Catalogue:
    """Every game, by id and by key."""

    by_id: Mapping[str, Game] = field(default_factory=dict)
    by_key: Mapping[int, Game] = field(default_factory=dict)

    @classmethod
    def of(cls, games: Iterable[Game]) -> "Catalogue":
        """Return the catalogue of some games."""
        listed = list(games)
        return cls({game.game_id: game for game in listed}, {game.key: game for game in listed})


def parse_game(row: object) -> Game:
    """
    Check one row of `PUT /games`.

    Raises:
        RowError: what is wrong with it.
    """
    fields = as_fields(row, GAME_FIELDS, required=("game_id",))
    available = fields.get("available", True)
    if not isinstance(available, bool):
        raise RowError("invalid_available", "available should be true or false")
    return Game(
        game_id=required_id(fields, "game_id"),
        title=_title(fields.get("title")),
        tags=_ids(fields.get("tags"), "tags", MAX_TAGS),
        similar_to=_ids(fields.get("similar_to"), "similar_to", MAX_SIMILAR),
        released_at=optional_time(fields, "released_at"),
        available=available,
    )


def _title(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TITLE or "\0" in value:
        raise RowError("invalid_title", f"title should be a string of 1 to {MAX_TITLE} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RowError("invalid_title", "title holds half a surrogate pair") from None
    return value


def _ids(value: object, name: str, most: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most or not all(map(is_id, value)):
        raise RowError(f"invalid_{name}", f"{name} should be at most {most} strings, each of {ID_RULE}")
    return tuple(dict.fromkeys(value))
