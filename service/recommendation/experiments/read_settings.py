"""
Settings of lists that a variant may change: a declared set, each with its bounds; any other is refused by name.

Each is looked at when a list is read, so another value needs no other model and no other stored row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from recommendation.catalogue.drops import LAST_PLACE
from recommendation.rows import RowError, whole_number

SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE = 0.01, 36_500.0
"""Days, as `INTERACTION_HALF_LIFE_DAYS`; 0 switches it off."""


MOST_PER_TAG = 20
"""Games, as `RECOMMENDATION_MOST_PER_TAG`."""


MOST_SHOWN_OFTEN = 1_000
"""Times, as `RECOMMENDATION_SHOWN_OFTEN`."""


@dataclass(frozen=True)
class ReadSettings:
    """What a variant changes; None: it is as the service is set."""

    drop_slots: int | None = None
    """Places that drops take together in a list, in place of each drop's own number; 0: none."""
    fresh_reads: bool | None = None
    """Whether a list is folded in anew after each event of its user."""
    half_life_days: float | None = None
    """Days after which a pair counts half; 0: never. Such lists are always folded in."""
    diversity: float | None = None
    """How unlike by their tags the first games are to be; 0: not at all."""
    most_per_tag: int | None = None
    """Games of one tag among the first; 0: any number."""
    shown_often: int | None = None
    """So often a game is shown in vain before it sinks; 0: none sinks."""
    trend: bool | None = None
    """Whether the model's trend adds to scores. Where it does not, lists are always folded in."""

    @property
    def changed(self) -> Mapping[str, Any]:
        """The values that it has, by their names."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def of_making(self) -> bool:
        """Whether it changes `ListSettings`. Places of drops and stale lists are the reads'; a trend is the view's."""
        made = (self.half_life_days, self.diversity, self.most_per_tag, self.shown_often)
        return any(value is not None for value in made)

    def over(self, other: "ReadSettings | None") -> "ReadSettings":
        """Return these with what only the other has."""
        return self if other is None else replace(other, **self.changed)


def parse_read_settings(value: object) -> ReadSettings | None:
    """
    Check the settings of a variant; None where they change nothing.

    Example:
        `{"drop_slots": 4}`

    Raises:
        RowError: one is unknown, or its value is out of bounds.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RowError("invalid_settings", f"settings should be an object of {', '.join(_PARSERS)}")
    if not value.keys() <= _PARSERS.keys():
        unknown = ", ".join(sorted(repr(str(name)[:40]) for name in value.keys() - _PARSERS.keys())[:3])
        raise RowError("unknown_setting", f"no variant changes {unknown}; it may change {', '.join(_PARSERS)}")
    found = ReadSettings(**{name: parse(value, name) for name, parse in _PARSERS.items()})
    return found if found.changed else None


def _slots(fields: dict[str, Any], name: str) -> int | None:
    return whole_number(fields, name, 0, LAST_PLACE, absent=None)


def _flag(fields: dict[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise RowError(f"invalid_{name}", f"{name} should be true or false")
    return value


def _share(fields: dict[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise RowError(f"invalid_{name}", f"{name} should be a number from 0 to 1")
    return float(value)


def _few(fields: dict[str, Any], name: str) -> int | None:
    return whole_number(fields, name, 0, MOST_PER_TAG, absent=None)


def _times(fields: dict[str, Any], name: str) -> int | None:
    return whole_number(fields, name, 0, MOST_SHOWN_OFTEN, absent=None)


def _days(fields: dict[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (value == 0 or SHORTEST_HALF_LIFE <= value <= LONGEST_HALF_LIFE):
        wanted = f"0 or a number of days from {SHORTEST_HALF_LIFE:g} to {LONGEST_HALF_LIFE:g}"
        raise RowError(f"invalid_{name}", f"{name} should be {wanted}")
    return float(value)


_PARSERS: Mapping[str, Callable[[dict[str, Any], str], Any]] = {
    "drop_slots": _slots,
    "fresh_reads": _flag,
    "half_life_days": _days,
    "diversity": _share,
    "most_per_tag": _few,
    "shown_often": _times,
    "trend": _flag,
}
