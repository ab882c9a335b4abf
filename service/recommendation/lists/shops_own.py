"""The shop's own recommendations in the order in which lists take them: sorted once, read as far as a page needs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from operator import itemgetter
from typing import NamedTuple

from recommendation.catalogue.games import Game
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList
from recommendation.lists.order import Candidate, Origin, Reason, source_class

REASONS = {"editorial": "Picked by the store", "rule": "Picked by a rule of the store"}
"""Classes of the shop's own sources, in their order, with what is said where the shop gives no reason."""


class Entry(NamedTuple):
    """A candidate behind what it is sorted by: score (most first), game and source."""

    below: float
    game_id: str
    source: str
    candidate: Candidate


_PLACE = itemgetter(0, 1, 2)


@dataclass(frozen=True)
class ShopsOwn:
    """
    What the shop recommends to one user, or to everyone.

    Example:
        `editorial` pins `a` to place 2 and holds `b`; `rule:x` holds `c`: `pins` is `{"editorial": [a]}`, `plain`
        `{"editorial": [b], "rule": [c]}`, and `named` all three as (source, game).
    """

    pins: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    """Pinned candidates of each class of source."""
    plain: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    """The others of each class."""
    named: frozenset[tuple[str, str]] = frozenset()
    """Source and game of each candidate."""

    @classmethod
    def of(cls, lists: Mapping[str, FirstPartyList], games: Mapping[str, Game]) -> "ShopsOwn":
        """Sort lists by source; items of unknown games are left out."""
        pins: dict[str, list[Entry]] = {}
        plain: dict[str, list[Entry]] = {}
        for source, given in lists.items():
            kind = source_class(source)
            for item in given.items:
                game = games.get(item.game_id)
                if game is not None:
                    found = Entry(-item.score, item.game_id, source, _candidate(game, source, kind, item, given))
                    (plain if item.position is None else pins).setdefault(kind, []).append(found)
        for entries in (*pins.values(), *plain.values()):
            entries.sort(key=_PLACE)
        named = {(item.source, item.game_id) for group in (*pins.values(), *plain.values()) for item in group}
        return cls(pins, plain, frozenset(named))

    def beside(self, everyone: "ShopsOwn") -> Iterator[tuple[Iterable[Entry], Iterable[Entry]]]:
        """
        Yield the pins and the other candidates of each class, this user's and everyone's together, in order.

        Of two for one game by one source the user's own counts.
        """
        for kind in REASONS:
            yield (
                self._merged(self.pins.get(kind, ()), everyone.pins.get(kind, ())),
                self._merged(self.plain.get(kind, ()), everyone.plain.get(kind, ())),
            )

    def _merged(self, mine: Sequence[Entry], of_everyone: Sequence[Entry]) -> Iterable[Entry]:
        if not self.named:
            return of_everyone
        others = (entry for entry in of_everyone if (entry.source, entry.game_id) not in self.named)
        return merge(others, mine, key=_PLACE)


def _candidate(game: Game, source: str, kind: str, item: FirstPartyItem, given: FirstPartyList) -> Candidate:
    return Candidate(
        game,
        item.score,
        Reason(kind, item.reason or REASONS[kind]),
        Origin(source, generated_at=given.generated_at, expires_at=item.expires_at),
        item.position,
        item.updated,
    )
