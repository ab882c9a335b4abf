"""Which games a page may hold, by their tags."""

from dataclasses import dataclass

from recommendation.catalogue.games import Game


@dataclass(frozen=True)
class TagFilter:
    """
    Games with any of some tags, and none of others.

    Example:
        `TagFilter(frozenset({"rpg", "co-op"}), frozenset({"horror"}))` admits a game of `rpg` and `indie`, but none
        that has `horror` too.
    """

    any_of: frozenset[str] = frozenset()
    """Empty: any game."""
    none_of: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.any_of or self.none_of)

    def admits(self, game: Game) -> bool:
        """Tell whether a game may be listed."""
        wanted = not self.any_of or not self.any_of.isdisjoint(game.tags)
        return wanted and self.none_of.isdisjoint(game.tags)


ANY_TAGS = TagFilter()
