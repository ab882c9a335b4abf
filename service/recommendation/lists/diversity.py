"""
The first places of a personal list, so that they are not all of one kind: by the tags that games share.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next place goes to the game with the largest
(1 - wanted) x score - wanted x likeness, where scores are shares of the best one and likeness is the share of common
tags among all tags with the place before that is most alike. Behind these places the order is by score.

The order is a function of the list and the catalogue alone, found anew at each read: it follows tags and settings at
once, and every page of a list cuts the same order. Stored lists stay in the order of scores.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from recommendation.lists.order import Candidate

PLACES = 20
"""Places that are put in order: a page."""


AMONG = 40
"""Games of a list, best first, that may take one of them where games of one tag are bounded. Else they are put in
order among themselves: to bring games up from further down costs more hits than it gives."""


def diversified(items: Iterable[Candidate], wanted: float, most_per_tag: int) -> Iterator[Candidate]:
    """
    Put the first places of a list in order.

    Args:
        items: a personal list, best first.
        wanted: from 0 (by score alone) to 1 (as unlike as can be).
        most_per_tag: games with one and the same tag on these places, while others are left; 0: any number.

    Example:
        Of the scores 1.0, 0.9 and 0.8 with the tags (rpg), (rpg) and (puzzle), 0.2 takes the third second:
        0.8 x 0.8 is more than 0.8 x 0.9 - 0.2 x 1.
    """
    rest = iter(items)
    found = list(islice(rest, AMONG if most_per_tag else PLACES))
    if not found or (wanted <= 0 and not most_per_tag):
        return chain(found, rest)
    order = _order(found, _marks(found), wanted, most_per_tag)
    taken = set(order)
    return chain((found[place] for place in order), (x for place, x in enumerate(found) if place not in taken), rest)


def _marks(found: Iterable[Candidate]) -> list[int]:
    """
    Return a number for each game, with a bit for each of its tags: the tags of two are compared as two numbers.

    Only tags of the games at hand have bits, so the numbers stay short however many tags the catalogue has.
    """
    places: dict[str, int] = {}
    marks = []
    for item in found:
        mark = 0
        for tag in item.game.tags:
            mark |= 1 << places.setdefault(tag, len(places))
        marks.append(mark)
    return marks


def _order(found: list[Candidate], marks: list[int], wanted: float, most_per_tag: int) -> list[int]:
    """Return which of the candidates take the first places; of equal ones the better."""
    best = found[0].score
    worth = [(1.0 - wanted) * item.score / best if best > 0 else 0.0 for item in found]
    alike = [0.0] * len(found)
    left = list(range(len(found)))
    of_tags: Counter[str] = Counter()
    order: list[int] = []
    while left and len(order) < PLACES:
        free = left
        if most_per_tag:
            free = [at for at in left if all(of_tags[tag] < most_per_tag for tag in found[at].game.tags)] or left
        taken = max(free, key=lambda at: (worth[at] - wanted * alike[at], -at))
        order.append(taken)
        left.remove(taken)
        of_tags.update(found[taken].game.tags)
        mark, size = marks[taken], marks[taken].bit_count()
        for at in left:
            common = (mark & marks[at]).bit_count()
            if common:
                alike[at] = max(alike[at], common / (size + marks[at].bit_count() - common))
    return order
