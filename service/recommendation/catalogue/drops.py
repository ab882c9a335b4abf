"""A drop as the service knows it: games released together, and the places they get in lists for some days."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recommendation.catalogue.games import Game, parse_game
from recommendation.ids import is_id
from recommendation.rows import MAX_WHOLE, RowError, as_fields, optional_time, required_time, whole_number

DROP_FIELDS = frozenset(
    {"name", "generation", "games", "release_time", "created_at", "placement", "audience", "holdout"}
)


MAX_GAMES = 200


LAST_PLACE = 100
"""Last place that a drop can take in a list."""


MAX_DAYS = 90


MOST_HELD_BACK = 50
"""Percent of the users; more than half would say no more, and hide the release from most."""


MAX_NAME = 253
"""Characters in a name, as Kubernetes has it."""


MAX_ACTIVE_DAYS = 36_500
"""A century: an audience of everyone."""


@dataclass(frozen=True)
class Drop:
    """
    One release of several games.

    It stands from `released_at` until `ends_at`, or until it is ended by hand: so long at most `slots` of its games
    take free places of each list, from place `first_position` on.
    """

    uid: str
    name: str
    generation: int
    games: tuple[Game, ...]
    released_at: datetime
    created_at: datetime
    ends_at: datetime
    slots: int
    first_position: int
    ended_at: datetime | None = None
    holdout_percent: int | None = None
    """Percent of the users whose lists hold no place of it; None: of none."""
    measured_from: datetime | None = None
    """Where there is a holdout: since when places differ, as the release may have passed before the drop was known."""

    def state(self, now: datetime) -> str:
        """Return `scheduled` before its release, `standing` while it has places in lists, `ended` after that."""
        if self.ended_at is not None or now >= self.ends_at:
            return "ended"
        return "scheduled" if now < self.released_at else "standing"

    def differences(self, other: "Drop") -> list[str]:
        """Name the fields, as a client writes them, in which two drops differ; `generation` is none of them."""
        ours, theirs = self._said(), other._said()
        return [name for name in ours if ours[name] != theirs[name]]

    def _said(self) -> dict[str, object]:
        return {
            "name": self.name,
            "games": {game.game_id: (game.title, game.tags, game.similar_to) for game in self.games},
            "created_at": self.created_at,
            "release_time": self.released_at,
            "placement": (self.slots, self.first_position, self.ends_at - self.released_at),
            "holdout": self.holdout_percent,
        }


def parse_drop(uid: str, body: object) -> Drop:
    """
    Check what the operator says of a drop.

    Example:
        `{"name": "autumn", "games": [{"game_id": "g1", "similar_to": ["g7"]}], "created_at": "2026-11-22T18:00:00Z",
        "placement": {"slots": 2, "first_position": 3, "duration_days": 14}}`; without `release_time` the games are
        released as the drop is created.

    Raises:
        RowError: what is wrong with it.
    """
    if not is_id(uid):
        raise RowError("invalid_uid", "the uid of a drop should be an id")
    fields = as_fields(body, DROP_FIELDS, required=("name", "games", "created_at"))
    placement = as_fields(
        fields.get("placement") or {}, frozenset({"slots", "first_position", "duration_days"}), required=()
    )
    slots = whole_number(placement, "slots", 1, LAST_PLACE, absent=2)
    first_position = whole_number(placement, "first_position", 1, LAST_PLACE, absent=3)
    if first_position + slots > LAST_PLACE + 1:
        raise RowError("invalid_placement", f"first_position + slots should be at most {LAST_PLACE + 1}")
    created_at = required_time(fields, "created_at")
    released_at = optional_time(fields, "release_time") or created_at
    return Drop(
        uid=uid,
        name=_name(fields["name"]),
        generation=whole_number(fields, "generation", 1, MAX_WHOLE, absent=1),
        games=_games(fields["games"], released_at),
        released_at=released_at,
        created_at=created_at,
        ends_at=released_at + timedelta(days=whole_number(placement, "duration_days", 1, MAX_DAYS, absent=14)),
        slots=slots,
        first_position=first_position,
        holdout_percent=_held_back(fields.get("holdout")),
    )


def _held_back(value: object) -> int | None:
    if value is None:
        return None
    fields = as_fields(value, frozenset({"percent"}), required=("percent",))
    return whole_number(fields, "percent", 1, MOST_HELD_BACK, absent=None)


def _games(value: object, released_at: datetime) -> tuple[Game, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_GAMES:
        raise RowError("invalid_games", f"games should be a list of 1 to {MAX_GAMES}")
    games = []
    for row in value:
        fields = as_fields(row, frozenset({"game_id", "title", "similar_to", "tags"}), required=("game_id",))
        games.append(parse_game({**fields, "released_at": released_at.isoformat()}))
    if len({game.game_id for game in games}) != len(games):
        raise RowError("invalid_games", "each game should stand in a drop once")
    return tuple(games)


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise RowError("invalid_name", f"name should be a string of 1 to {MAX_NAME} printable characters")
    return value


def active_since(audience: object, now: datetime) -> datetime | None:
    """
    Return the moment since which a user must have done something to be in the audience; None for everyone.

    Raises:
        RowError: the audience is not understood.
    """
    fields = as_fields(audience or {}, frozenset({"active_within_days"}), required=())
    days = whole_number(fields, "active_within_days", 1, MAX_ACTIVE_DAYS, absent=None)
    return None if days is None else now - timedelta(days=days)


@dataclass(frozen=True)
class StandingDrop:
    """A released drop whose placements have not ended."""

    uid: str
    games: frozenset[str]
    released_at: datetime
    ends_at: datetime
    slots: int
    first_position: int
    holdout_percent: int | None = None

    def with_slots(self, slots: int) -> "StandingDrop":
        """Return the drop with so many slots, as far as there are places from its first position on."""
        return replace(self, slots=min(slots, LAST_PLACE + 1 - self.first_position))
