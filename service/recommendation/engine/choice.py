"""What a fit may choose by the data, what it starts from, and a record of what it tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recommendation.engine.settings import EngineSettings


@dataclass(frozen=True)
class Choice:
    """The settings that the fit may choose by the data."""

    min_interactions: int = 2
    components: int = 40
    neighbours: int = 50
    weighting: str = "log"
    recency: float = 0.0
    ridge: float = 10.0
    link_share: float = 1.0
    trend: float = 0.0
    trend_days: int = 7

    @classmethod
    def given(cls, settings: EngineSettings) -> Choice:
        """Return what the settings fix, and the default for what they leave open."""
        names = asdict(cls())
        fixed = {name: getattr(settings, name) for name in names}
        return cls(**{name: names[name] if value is None else value for name, value in fixed.items()})


@dataclass(frozen=True)
class Tried:
    """One choice that was tried: a trend at several moments of the past, any other on the inner holdout."""

    step: str
    """Name of the setting that was to be chosen."""
    choice: Choice
    reached: float
    """NDCG@10 there: means over users of the holdout, or over moments, so comparable within a step only."""


@dataclass(frozen=True)
class Decision:
    """The choice of a fit and how it came about."""

    choice: Choice
    users: int = 0
    """Users of the inner holdout; 0 where nothing was tried on it."""
    tried: Sequence[Tried] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept with the model."""
        return {
            "chosen": asdict(self.choice),
            "users": self.users,
            "tried": [{"step": one.step, **asdict(one.choice), "ndcg@10": one.reached} for one in self.tried],
        }
