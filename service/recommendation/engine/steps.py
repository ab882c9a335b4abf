"""Where a fit stands, told while it goes on: of many pairs it takes minutes."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What a fit, or the gate behind it, does next."""

    part: str
    """`choose`, `factors`, `links`, `trend` or `gate`."""
    done: int = 0
    """How much of the part is done."""
    most: int = 0
    """How much there may be at most; 0 where nothing is counted."""
    now: str = ""
    """What it does now, such as `ridge 30.0`."""


Tell = Callable[[Step], None]


def quiet(_step: Step) -> None:
    """Tell no one."""
