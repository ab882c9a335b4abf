"""How popular a game is: a number, and the sentence that says what it counts."""

from typing import NamedTuple

USUAL_DAYS = 90
"""Over so many days users are counted where neither a setting nor a model says: a season of releases."""


POPULAR = "popular"
"""Under this name a model's decision, and the quality of its version, keep over how many days users are counted."""


FEWEST_RECENT = 100
"""Below so many games in the window all time counts, so that a small or quiet store still has a full list."""


class PopularGame(NamedTuple):
    """
    A game with the users that were counted of it; more owners come first, then more users, ties by id.

    Example:
        Three users own `g1`, and 6,000 viewed `g2`: `PopularGame("g1", 3, 3)` precedes `PopularGame("g2", 6000, 0)`.
    """

    game_id: str
    users: int
    """Who own it or were interested in it, without those who gave it back or dismissed it."""
    owners: int
    """Those of them who own it."""

    @property
    def score(self) -> float:
        """By which it stands in a list: its owners, or below 1 where interest is all there is."""
        return float(self.owners) if self.owners else self.users / (self.users + 1)

    def sentence(self, days: int | None) -> str:
        """
        Say what the score counts.

        Args:
            days: how far back users were counted by their last event with the game; None where it was all time.
        """
        lately = f" in the last {days} days" if days else ""
        if self.owners:
            return f"Popular: {_counted(self.owners, 'player')} with it{lately}"
        return f"Popular: {_counted(self.users, 'user')} interested in it{lately}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
