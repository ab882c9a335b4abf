"""Finding games by the beginning of their id or title, from what a process holds in memory."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recommendation.catalogue.games import Catalogue, Game


class Place(NamedTuple):
    """Where a search goes on: behind this text and game."""

    text: str
    game_id: str


class GameIndex:
    """
    Games sorted by id and by title, letters folded (`str.casefold`), for one catalogue.

    Example:
        The games `g-1` ("Deep Harbour") and `deep` have the entries `deep`, `deep harbour` and `g-1`; the search for
        "DEEP" finds `deep`, then `g-1`.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        games = [game for game in catalogue.by_id.values() if not game.is_deleted]
        named = {(text.casefold(), game.game_id) for game in games for text in (game.game_id, game.title) if text}
        self._entries: Sequence[Place] = sorted(Place(*entry) for entry in named)
        self._games = catalogue.by_id

    def find(self, query: str, limit: int, after: Place | None = None) -> tuple[list[Game], Place | None]:
        """
        Return the first games whose id or title begins so, each once, and where to go on; None at the end.

        Games come in the order of the text that was found, then of their ids.
        """
        found: list[tuple[Place, Game]] = []
        for place, game in self._matches(query.casefold(), after):
            if len(found) == limit:
                return [game for _, game in found], found[-1][0]
            found.append((place, game))
        return [game for _, game in found], None

    def _matches(self, folded: str, after: Place | None) -> Iterator[tuple[Place, Game]]:
        entries = self._entries
        begin = bisect_left(entries, Place(folded, "")) if after is None else bisect_right(entries, after)
        for entry in (entries[place] for place in range(begin, len(entries))):
            if not entry.text.startswith(folded):
                return
            game = self._games[entry.game_id]
            if entry.text == min(text for text in _texts(game) if text.startswith(folded)):
                yield entry, game


def _texts(game: Game) -> list[str]:
    return [text.casefold() for text in (game.game_id, game.title) if text]
