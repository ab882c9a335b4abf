"""
For which tags a user's history speaks, and which of them rows of games do not show enough yet.

Calibration (Steck, Calibrated Recommendations, RecSys 2018, section 3): tags stand on a page in the proportions in
which the history has them. Where p is the history's share of a tag and q the page's, the divergence that is left is
the sum of p ln(p / q'), with q' = (1 - a) q + a p, so that it stays finite for a tag that the page lacks (his eq. 7).
The tag that adds most to this sum is the one to show next.

A share of the history alone would choose what most games have anyway ("Action", "Indie"). So q' is at least the share
that the tag has in what all users touch: a tag counts as far as it stands out from the page and from the store.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SMOOTHING = 0.01
"""Steck's a."""


FEWEST_GAMES = 2
"""Games of a history with a tag from which it speaks for the tag: one game has a dozen tags, and likes none of them."""


def shares(games: Iterable[tuple[float, Sequence[str]]]) -> dict[str, float]:
    """
    Return each tag's share of some games; the shares sum to 1.

    Args:
        games: a weight for each game, and its tags, among which the weight is divided equally.

    Example:
        `shares([(1.0, ("rpg", "co-op")), (1.0, ("rpg",))])` gives `{"rpg": 0.75, "co-op": 0.25}`.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for weight, tags in games:
        for tag in tags:
            found[tag] += weight / len(tags)
    total = sum(found.values())
    return {tag: share / total for tag, share in found.items()} if total > 0 else {}


@dataclass(frozen=True)
class TagTaste:
    """What a history says of tags."""

    games: int = 0
    """Games of the history that have a tag at all."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Those of them with each tag."""
    outstanding: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The tags that the history speaks for: their share in it, and the smaller one in what all users touch."""

    @classmethod
    def of(cls, history: Iterable[tuple[float, Sequence[str]]], beyond: Mapping[str, float]) -> "TagTaste":
        """
        Return the taste of a history.

        Args:
            history: how much each game says, above 0, and its tags.
            beyond: the share of each tag in what all users touch.
        """
        tagged = [(weight, tags) for weight, tags in history if tags]
        counts = Counter(tag for _, tags in tagged for tag in tags)
        outstanding = {
            tag: (share, beyond.get(tag, 0.0))
            for tag, share in shares(tagged).items()
            if counts[tag] >= FEWEST_GAMES and share > beyond.get(tag, 0.0)
        }
        return cls(len(tagged), counts, outstanding)

    def next_tags(self, page: Mapping[str, float]) -> list[str]:
        """
        Return the tags that a page should show more of, the most wanting first; ties by tag.

        Args:
            page: the share of tags in what stands on the page; absent: none.
        """
        wanting = []
        for tag, (share, store) in self.outstanding.items():
            present = (1 - SMOOTHING) * max(page.get(tag, 0.0), store) + SMOOTHING * share
            wanting.append((-share * math.log(share / present), tag))
        return [tag for _, tag in sorted(wanting)]
