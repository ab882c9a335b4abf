"""
Games that a user was shown often and never touched sink, so that others get a turn.

What counts is feedback of the action `shown`, as it is kept: of the user's last `LOOKED_AT`. No clock has a say, and a
game rises again as others are shown in its place. A game that the user touched in any way does not sink.
"""

from collections.abc import Iterable, Mapping

from recommendation.lists.order import Candidate

LOOKED_AT = 1000
"""Of so many games shown last, those of each game are counted: a bound on what a read looks at."""


LEAST_FACTOR = 0.5
"""No game sinks further than a score of half its own does."""


def sunk(items: Iterable[Candidate], shown: Mapping[str, int], often: int) -> Iterable[Candidate]:
    """
    Return the items of a personal list by the scores that are left of them, ties by id.

    Args:
        items: best first.
        shown: how often each game was shown that was shown more than `often` and not touched.
        often: so often a game is shown before it sinks; then its score counts `often` over how often it was.

    Example:
        Shown 15 times, where 10 are often, a score of 0.3 counts 0.2.
    """
    if not shown:
        return items
    left = [_left(item, shown[item.game_id], often) if item.game_id in shown else item for item in items]
    return sorted(left, key=lambda item: (-item.score, item.game_id))


def _left(item: Candidate, times: int, often: int) -> Candidate:
    factor = max(LEAST_FACTOR, often / times)
    text = f"{item.reason.text}. Shown {times} times and never touched: its score counts {factor:.0%} here"
    return item._replace(score=item.score * factor, reason=item.reason._replace(text=text))
