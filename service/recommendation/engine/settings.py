"""What the engine can be told. What is left open is chosen by the data of each store."""

from __future__ import annotations

from dataclasses import dataclass, field

from recommendation.environment import check_settings, whole_or_auto
from recommendation.errors import SettingsError

MOST_RECENCY = 1000.0
"""With more, a user's newest game is all that counts."""


MOST_TREND = 100.0
"""With more, the trend is all that counts."""


MOST_TREND_DAYS = 36_500


@dataclass(frozen=True)
class EngineSettings:
    """Settings of one fit; all of them are part of the model's identity and are stored with it."""

    components: int | None = field(
        default=None,
        metadata=whole_or_auto(
            "CF_N_COMPONENTS",
            2,
            4096,
            unit="factors",
            reason="latent factors kept; fewer where the data has fewer users or games. Model size and the time of a "
            "fit grow with it. A number is meant exactly; `auto` chooses from 40 to 512 on an inner holdout, as "
            "[a fit tries them](decisions/chosen-by-the-data.md).",
        ),
    )
    min_interactions: int | None = field(
        default=None,
        metadata=whole_or_auto(
            "CF_MIN_INTERACTIONS",
            1,
            1_000_000,
            unit="pairs",
            reason="distinct pairs that a user or a game needs to take part in the fit; fewer say too little. A number "
            "is meant exactly; `auto` takes 2, or 5 where that is better on an inner holdout.",
        ),
    )

    seed: int = 20240229
    """Seed of the factorisation and of the inner holdout."""

    weighting: str | None = None
    """How a pair's score counts: `log` is 1 + ln(1 + score), `binary` is 1; None chooses on an inner holdout."""

    recency: float | None = None
    """How much a user's older games fade, by their order, when they are folded in: a weight is divided by 1 + this x
    the number of newer games. None chooses on an inner holdout in time, 0 where there are no times."""

    user_power: float = 0.5
    """A user's row is divided by its length to this power: 0 lets heavy users dominate, 1 makes all users equal."""

    popularity_power: float = 0.3
    """A game's column is divided by its squared length to this power, so that hits do not dominate."""

    tail_power: float = 0.5
    """How far scores undo that division: 0 favours the long tail, 1 favours hits."""

    ridge: float | None = None
    """Ridge on the factors, in units of the mean squared length of a game's column; a larger one trusts weak
    factors less. None chooses on an inner holdout."""

    link_share: float | None = None
    """How much of what the factors leave out is added through each game's strongest links: 0 is none, 1 is all that
    a ridge would. None chooses on an inner holdout."""

    neighbours: int | None = None
    """Links kept for each game; the model takes 8 bytes for each, beside 4 for each component. None chooses 50 or 200
    on an inner holdout."""

    trend: float | None = None
    """How much the popularity of the last days of the data adds to every score: that of the game with most users, in
    units of a usual best score. None chooses at several moments of the store's past, 0 where there are no times."""

    trend_days: int | None = None
    """How many days those are; None: as the choice of `trend` finds best, or 7 where `trend` is given."""

    def __post_init__(self) -> None:
        check_settings(self)
        if self.weighting not in (None, "log", "binary"):
            raise SettingsError(f"the weighting must be log or binary, not {self.weighting!r}")
        if self.recency is not None and not 0 <= self.recency <= MOST_RECENCY:
            raise SettingsError(f"the recency must be from 0 to {MOST_RECENCY:g}, not {self.recency}")
        if self.ridge is not None and not self.ridge > 0:
            raise SettingsError(f"the ridge must be above 0, not {self.ridge}")
        if self.link_share is not None and not self.link_share >= 0:
            raise SettingsError(f"the share of links must be at least 0, not {self.link_share}")
        if self.trend is not None and not 0 <= self.trend <= MOST_TREND:
            raise SettingsError(f"the trend must be from 0 to {MOST_TREND:g}, not {self.trend}")
        if self.trend_days is not None and not 1 <= self.trend_days <= MOST_TREND_DAYS:
            raise SettingsError(f"the days of the trend must be from 1 to {MOST_TREND_DAYS}, not {self.trend_days}")
        if self.neighbours is not None and self.neighbours < 0:
            raise SettingsError(f"the number of neighbours must be at least 0, not {self.neighbours}")
