"""What one event is worth. Scores are integers of millionths, so that their sums are exact in any order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from types import MappingProxyType

from recommendation.errors import SettingsError

MILLION = 1_000_000


MAX_QUANTITY = 1_000_000


MAX_WEIGHT = 1_000


MAX_SCORE = 4 * 10**18
"""Bound of a pair's score in millionths: two of them still fit a 64-bit integer, so a sum is refused, never wrapped."""


DEFAULT_WEIGHTS: Mapping[str, Decimal] = MappingProxyType(
    {
        "purchased": Decimal("5"),
        "played": Decimal("3"),
        "wishlisted": Decimal("2"),
        "clicked": Decimal("0.5"),
        "viewed": Decimal("0.3"),
    }
)


WEIGHTLESS = ("refunded", "dismissed")
"""Events that change what a user owns or hides, never a score."""


SHOWN = "shown"
"""Feedback that a game was shown. It is kept and counted, but is no interaction: a page shows twenty games, and none of
them became one that the user did something with."""


DEFAULT_OWNING = frozenset({"purchased", "played"})
"""Events that make a game owned, unless `RECOMMENDATION_OWNING_EVENTS` says otherwise."""


_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Weights:
    """The weight of every event type that is known, as exact decimals."""

    by_type: Mapping[str, Decimal]
    _unit: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, weight in self.by_type.items():
            self._unit[name] = int((weight * MILLION).to_integral_value(ROUND_HALF_EVEN))

    def millionths(self, event_type: str, quantity: int | float | Decimal) -> int:
        """
        Return `weight x quantity` in millionths, rounded once, half to even: 600,000 for two views of 0.3 each.

        Raises:
            KeyError: the event type is not known.
        """
        if quantity == 1:
            return self._unit[event_type]
        exact = self.by_type[event_type] * Decimal(str(quantity)) * MILLION
        return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))

    def __contains__(self, event_type: object) -> bool:
        return event_type in self.by_type

    @property
    def names(self) -> tuple[str, ...]:
        """Every known event type, sorted."""
        return tuple(sorted(self.by_type))


def parse_weights(text: str) -> Weights:
    """
    Read `INTERACTION_WEIGHTS`, such as `purchased:5,reviewed:1.5`.

    Given values override the defaults; new names add event types. `refunded` and `dismissed` always weigh nothing.

    Raises:
        SettingsError: with one line that names the setting and the part that is wrong.
    """
    weights = dict(DEFAULT_WEIGHTS)
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = part.partition(":")
        weights[_name(name.strip(), part)] = _weight(value.strip(), part)
    weights.update(dict.fromkeys(WEIGHTLESS, Decimal(0)))
    return Weights(MappingProxyType(weights))


def _name(name: str, part: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"INTERACTION_WEIGHTS: {part!r} should read event_type:weight, such as purchased:5")
    if name in WEIGHTLESS or name == SHOWN:
        raise SettingsError(f"INTERACTION_WEIGHTS: {name!r} always weighs nothing and cannot be given")
    return name


def _weight(value: str, part: str) -> Decimal:
    try:
        weight = Decimal(value)
    except InvalidOperation:
        raise SettingsError(f"INTERACTION_WEIGHTS: {part!r} has no number after the colon") from None
    if not weight.is_finite() or not 0 <= weight <= MAX_WEIGHT:
        raise SettingsError(f"INTERACTION_WEIGHTS: {part!r} should weigh from 0 to {MAX_WEIGHT}")
    return weight
