"""The catalogue: what the shop says of its games, and which of them may stand in lists now."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any

from recommendation.catalogue.tag_index import TagIndex
from recommendation.clock import EPOCH
from recommendation.ids import ID_RULE, is_id
from recommendation.rows import RowError, as_fields, optional_time, required_id

GAME_FIELDS = frozenset({"game_id", "title", "tags", "released_at", "available", "similar_to", "image_url"})


MAX_TITLE = 200


MAX_TAGS = 32


MAX_SIMILAR = 32


MAX_IMAGE_URL = 500


IMAGE_URL = r"^https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*$"
"""An address of a picture: encrypted, with a host, without a name and password, and without characters that a page
would have to quote."""


_NEWNESS_DAYS = 100_000
"""Days from 1970 on that newness is told within: releases of the next two centuries stay below 1."""


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
    image_url: str | None = None
    """Where its picture is; only the console shows it."""
    is_deleted: bool = False
    """Whether it was deleted: it is in no list until the shop, or a drop, makes it known again."""
    is_announced: bool = False
    """Whether its release time is that of a drop, and of nothing that the shop says."""

    def is_listed(self, now: datetime) -> bool:
        """Tell whether it may stand in lists: it is available and released."""
        return self.available and not self.is_deleted and (self.released_at is None or self.released_at <= now)

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return self.title or self.game_id

    @property
    def newness(self) -> float:
        """A number that grows with the day of its release: 0 where that is unknown, below 1/2 until the year 2106."""
        return max((self.released_at - EPOCH).days, 0) / _NEWNESS_DAYS if self.released_at else 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a standing drop says of a game; with a release time only where the drop made the game known."""

    title: str | None = None
    tags: tuple[str, ...] = ()
    similar_to: tuple[str, ...] = ()
    released_at: datetime | None = None


def completed(game: Game, drops: Iterable[Said]) -> Game:
    """
    Return a game with what drops say of it where the shop says nothing: a drop adds, and replaces nothing.

    Args:
        drops: those that stand, earlier release first; of two that say the same thing the first is believed.

    Example:
        The shop says `title="Tin Orchard"` and no tags; a drop says `title="Orchard"` and `tags=("co-op",)`: the game
        keeps its title, and has the drop's tags for as long as the drop stands.
    """
    for said in () if game.is_deleted else drops:
        hides = said.released_at is not None and game.released_at is None
        game = replace(
            game,
            title=game.title or said.title,
            tags=game.tags or said.tags,
            similar_to=game.similar_to or said.similar_to,
            released_at=said.released_at if hides else game.released_at,
            is_announced=game.is_announced or hides,
        )
    return game


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

    @cached_property
    def newest(self) -> Sequence[Game]:
        """Every game that is available, the latest release first, ties and those without one by id."""
        available = (game for game in self.by_id.values() if game.available and not game.is_deleted)
        return sorted(available, key=lambda game: (-game.newness, game.game_id))

    @cached_property
    def _tagged(self) -> TagIndex:
        return TagIndex.of([game.tags for game in self.newest])

    def alike(self, game: Game, limit: int, is_shown: Callable[[Game], bool]) -> list[tuple[Game, float]]:
        """
        Find games that are like another by what is said of them: those that it names, then those that share most tags.

        Returns:
            Games, and 1 for those named or the share of common tags among all tags of both; of equals the newest first.
        """
        named = ((self.by_id[name], 1.0) for name in game.similar_to if name in self.by_id)
        tagged = ((self.newest[place], share) for place, share in self._tagged.nearest(game.tags))
        found: dict[int, tuple[Game, float]] = {}
        for other, share in chain(named, tagged):
            if len(found) == limit:
                break
            if other.key != game.key and other.key not in found and is_shown(other):
                found[other.key] = other, share
        return list(found.values())


@dataclass(frozen=True, slots=True)
class GameChange:
    """
    What one row of `PUT /games` changes: fields that are absent stay as they are, null clears one.

    Example:
        `{"game_id": "g-1", "title": "Tin Orchard", "tags": null}` gives the game a title, takes its tags away, and
        leaves its release, its neighbours and whether it is on sale as they were.
    """

    game_id: str
    fields: Mapping[str, Any]
    """The fields of `Game` that were given, with a cleared one as a new game has it."""

    def then(self, later: "GameChange") -> "GameChange":
        """Return both changes of a game as one; of a field that both give, the later one counts."""
        return GameChange(self.game_id, {**self.fields, **later.fields})

    def applied_to(self, game: Game) -> Game:
        """Return the game after the change; a deleted game begins anew."""
        return replace(Game(game.game_id, game.key) if game.is_deleted else game, **self.fields)


def parse_change(row: object) -> GameChange:
    """
    Check one row of `PUT /games`.

    Raises:
        RowError: what is wrong with it.
    """
    fields = as_fields(row, GAME_FIELDS, required=("game_id",))
    name = required_id(fields, "game_id")
    return GameChange(name, {field: parse(fields) for field, parse in _PARSERS.items() if field in fields})


def parse_game(row: object) -> Game:
    """
    Check one row of a game that is told whole.

    Raises:
        RowError: what is wrong with it.
    """
    change = parse_change(row)
    return change.applied_to(Game(change.game_id))


def _available(fields: dict[str, Any]) -> bool:
    value = fields["available"]
    if value is not None and not isinstance(value, bool):
        raise RowError("invalid_available", "available should be true or false")
    return value is not False


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


def _image_url(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_IMAGE_URL or not re.fullmatch(IMAGE_URL, value):
        raise RowError(
            "invalid_image_url",
            f"image_url should be an address of a picture over https://, of at most {MAX_IMAGE_URL} characters",
        )
    return value


def _ids(value: object, name: str, most: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > most or not all(map(is_id, value)):
        raise RowError(f"invalid_{name}", f"{name} should be at most {most} strings, each of {ID_RULE}")
    return tuple(dict.fromkeys(value))


_PARSERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "title": lambda fields: _title(fields["title"]),
    "tags": lambda fields: _ids(fields["tags"], "tags", MAX_TAGS),
    "similar_to": lambda fields: _ids(fields["similar_to"], "similar_to", MAX_SIMILAR),
    "released_at": lambda fields: optional_time(fields, "released_at"),
    "available": _available,
    "image_url": lambda fields: _image_url(fields["image_url"]),
}
