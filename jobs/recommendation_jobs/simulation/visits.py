"""What one user does: visits of an evening or a weekend, and at each a few steps down the purchase funnel."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommendation_jobs.simulation.shop import DIMENSIONS, Shop, stray, unit

EVENT_TYPES = ("viewed", "clicked", "wishlisted", "purchased", "played", "refunded")
VIEWED, CLICKED, WISHLISTED, PURCHASED, PLAYED, REFUNDED = range(len(EVENT_TYPES))

DAY = 86_400
_WEEK = np.array([0.8, 0.75, 0.8, 0.9, 1.3, 1.7, 1.5])
"""How busy each weekday is, Monday first."""

_EVENING, _EVENING_SPREAD = 20 * 3600, 3 * 3600
_VISITS_PER_DAY = 0.08
_VISITS_SPREAD = 0.8
"""Of the logarithm: a few users come every day, many only now and then."""

_PICKINESS = 5.0
"""How much more taste than attraction decides what is looked at."""

_NEWNESS_DAYS = 10.0
_PLAY_AGAIN = 0.7


@dataclass
class Diary:
    """A user's events, in the order in which they happened."""

    moments: list[int] = field(default_factory=list)
    """Seconds after the start of the first day."""
    games: list[int] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    hours: list[float] = field(default_factory=list)
    """Quantity; 1 where nothing was played."""

    def note(self, moment: int, game: int, event_type: int, hours: float = 1.0) -> None:
        """Write down one event."""
        self.moments.append(moment)
        self.games.append(game)
        self.types.append(event_type)
        self.hours.append(hours)


class User:
    """A user with a taste: mostly one genre, and a second one that is their own mixture."""

    def __init__(self, shop: Shop, rng: np.random.Generator) -> None:
        self._shop = shop
        self._rng = rng
        first, second = rng.choice(len(shop.genres), 2, replace=False)
        mixed = shop.genres[first] + rng.random() * 0.8 * shop.genres[second]
        taste = unit(mixed.reshape(1, DIMENSIONS) + stray(rng, 1))[0]
        self._likes: NDArray[np.float64] = shop.tastes @ taste
        self._owned: set[int] = set()
        self._wished: set[int] = set()
        self.diary = Diary()

    def live(self, days: int, first_weekday: int) -> Diary:
        """Visit the shop over some days; nothing is noted after the last."""
        for moment in self._visits(days, first_weekday):
            self._visit(int(moment))
        return self.diary

    def _visits(self, days: int, first_weekday: int) -> NDArray[np.int64]:
        rng = self._rng
        often = _VISITS_PER_DAY * np.exp(rng.normal(0, _VISITS_SPREAD))
        joined = rng.integers(days) if rng.random() < 0.25 else 0
        busy = _WEEK[(first_weekday + np.arange(joined, days)) % 7]
        visited = joined + np.flatnonzero(rng.random(days - joined) < np.minimum(often * busy, 0.95))
        seconds = rng.normal(_EVENING, _EVENING_SPREAD, len(visited)).astype(np.int64) % (DAY - 6 * 3600)
        return visited * DAY + seconds

    def _visit(self, moment: int) -> None:
        if self._owned and self._rng.random() < _PLAY_AGAIN:
            owned = np.array(sorted(self._owned))
            self._play(moment, int(owned[np.argmax(self._likes[owned] + self._rng.gumbel(0, 0.3, len(owned)))]))
            moment += 300
        for game in self._browse(moment // DAY):
            moment += int(self._rng.integers(20, 240))
            moment = self._consider(moment, int(game))

    def _browse(self, day: int) -> NDArray[np.int64]:
        """Games that catch the eye: by taste, by attraction, and by being new."""
        shop, rng = self._shop, self._rng
        age = day - shop.released_day
        drawn = _PICKINESS * self._likes + shop.attraction + rng.gumbel(size=len(age))
        drawn += 1.5 * np.exp(-np.maximum(age, 0) / _NEWNESS_DAYS)
        drawn[age < 0] = -np.inf
        drawn[list(self._owned)] = -np.inf
        best = np.argsort(-drawn, kind="stable")[: 1 + rng.poisson(2)]
        return best[np.isfinite(drawn[best])]

    def _consider(self, moment: int, game: int) -> int:
        """View a game, and go on as far as it pleases; return the time after it."""
        rng, liking = self._rng, float(self._likes[game])
        self.diary.note(moment, game, VIEWED)
        if rng.random() > _chance(4 * liking - 0.5):
            return moment
        moment += int(rng.integers(5, 60))
        self.diary.note(moment, game, CLICKED)
        wished = game in self._wished
        if rng.random() < _chance(5 * liking - (2.5 if wished else 4.5)):
            return self._buy(moment + int(rng.integers(30, 300)), game)
        if not wished and rng.random() < _chance(3 * liking - 1.5):
            self._wished.add(game)
            moment += int(rng.integers(5, 60))
            self.diary.note(moment, game, WISHLISTED)
        return moment

    def _buy(self, moment: int, game: int) -> int:
        self.diary.note(moment, game, PURCHASED)
        self._owned.add(game)
        self._wished.discard(game)
        moment += 600
        self._play(moment, game)
        if self._rng.random() < 0.08 * (1 - float(self._likes[game])):
            moment += 3600
            self.diary.note(moment, game, REFUNDED)
            self._owned.discard(game)
        return moment

    def _play(self, moment: int, game: int) -> None:
        hours = float(self._rng.lognormal(float(self._likes[game]) * 1.2 - 0.3, 0.7))
        self.diary.note(moment, game, PLAYED, round(min(max(hours, 0.1), 16.0), 1))


def _chance(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
