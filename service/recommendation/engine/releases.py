"""
Giving releases a place in the model: new games with few pairs or none, placed by the games they are like.

A game is a release while its own pairs are fewer than `KNOWN_WELL`; it names its neighbours in `similar_to`, or its
tags find them. A release takes the weighted mean of its neighbours' factors, with a fraction of the score that this
would give, and a direct link from each neighbour, strong enough that an owner of one sees the release near the top of
the list. The fraction keeps it out of the lists of users who own no neighbour but would like one. Once a fit has seen
pairs of the release itself, its own numbers and its placement are averaged by how many pairs there are, so that the
placement fades.

An example: a release with the neighbours A and B, both named, and no pairs yet has the factors (F_A + F_B) / 2 and a
link from each. After 10 pairs of its own (`FADE_PAIRS`) half of every number comes from the fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recommendation.catalogue.tag_index import TagIndex
from recommendation.engine.model import Model
from recommendation.engine.sparse import SparseLinks
from recommendation.matrix.vocabulary import Vocabulary

Number = TypeVar("Number", bound=np.generic)


KNOWN_WELL = 100
"""Pairs in the fit from which a game has factors of its own alone, whatever it is said to be like."""


CENTROID_SHARE = 0.05
"""Share of its neighbours' factor score that a release gets; the rest must come through the links."""


FADE_PAIRS = 10
"""Own pairs with which a release's own numbers weigh as much as its placement."""


TAG_NEIGHBOURS = 300
"""Neighbours chosen by tags, where the release names none: so many that a user's whole taste for tags has a say."""


FEWEST_TAG_NEIGHBOURS = 10
"""So many where very many releases are placed at once."""


MOST_TAG_LINKS = 500_000
"""Links by tags that are added to a model: 4 MB, and up to some hundred more for each game that a reader owns."""


TAG_TOTAL = 20.0
"""Most that all neighbours of a release by tags weigh together: in a catalogue of a few broad tags hundreds share all
of them, and each must say little, or a user who owns some would see every release first."""


TAG_POWER = 3
"""A neighbour weighs the share of common tags to this power: few tags in common say little, and there are many such."""


@dataclass(frozen=True)
class Release:
    """A game to be placed by its neighbours."""

    game_id: str
    similar_to: Sequence[str] = ()
    """Ids of games it is like; those outside the model are skipped."""
    tags: Sequence[str] = ()
    """Used where no named neighbour is in the model."""


@dataclass(frozen=True)
class _Placement:
    game_id: str
    neighbours: NDArray[np.int64]
    weights: NDArray[np.float64]
    """Closeness of each neighbour, above 0 and at most 1."""
    share: float = field(default=1.0)
    """How much of the placement is left beside the game's own pairs."""


def is_new(model: Model, game_ids: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which games a model knows little or nothing of, so that those that they are like place them."""
    rows = model.games.rows(game_ids)
    # A game outside the model has the row -1, and so the 0 pairs at the end.
    return np.asarray(np.append(model.pairs, 0)[rows] < KNOWN_WELL)


def extended(model: Model, releases: Sequence[Release], tags: Mapping[str, Sequence[str]] | None = None) -> Model:
    """
    Return the model with releases placed; a release without a neighbour in the model is not placed.

    Args:
        tags: tags of the catalogue's games, by id; needed only for releases without named neighbours.
    """
    most = max(FEWEST_TAG_NEIGHBOURS, min(TAG_NEIGHBOURS, MOST_TAG_LINKS // max(len(releases), 1)))
    by_tags = _ByTags(model, tags or {}, most)
    placements = [placement for release in releases if (placement := _place(model, release, by_tags))]
    if not placements:
        return model
    grown = _with_rows_for(model, [placement.game_id for placement in placements])
    old_rows = grown.games.rows(model.games.all_ids).astype(np.int64)
    return _mixed(grown, placements, old_rows)


def _place(model: Model, release: Release, by_tags: _ByTags) -> _Placement | None:
    named = np.unique(model.games.rows(name for name in release.similar_to if name != release.game_id))
    neighbours = named[named >= 0].astype(np.int64)
    weights = np.ones(len(neighbours))
    if not len(neighbours):
        neighbours, weights = by_tags.nearest(release)
    if not len(neighbours):
        return None
    own_row = int(model.games.rows([release.game_id])[0])
    own_pairs = int(model.pairs[own_row]) if own_row >= 0 else 0
    return _Placement(release.game_id, neighbours, weights, FADE_PAIRS / (FADE_PAIRS + own_pairs))


class _ByTags:
    """
    The model's games that share most tags with a release.

    A game's tags are looked at once, and each set of tags that releases have. In a catalogue of 20,000 games the index
    takes some 50 ms, where a release needs it, and each set a fraction of a millisecond.
    """

    def __init__(self, model: Model, tags: Mapping[str, Sequence[str]], most: int) -> None:
        self._model = model
        self._tags = tags
        self._most = most
        self._found: dict[frozenset[str], tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    @cached_property
    def _index(self) -> TagIndex:
        of_rows: list[Sequence[str]] = [()] * len(self._model.games)
        for theirs, row in zip(self._tags.values(), self._model.games.rows(self._tags).tolist(), strict=True):
            if row >= 0:
                of_rows[row] = theirs
        return TagIndex.of(of_rows)

    def nearest(self, release: Release) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows and weights of its neighbours, nearest first; of equals the more popular."""
        wanted = frozenset(release.tags)
        if wanted not in self._found:
            self._found[wanted] = self._nearest(wanted)
        rows, weights = self._found[wanted]
        others = np.flatnonzero(rows != self._model.games.rows([release.game_id]))[: self._most]
        rows, weights = rows[others], weights[others]
        return rows, weights * (TAG_TOTAL / max(float(weights.sum()), TAG_TOTAL))

    def _nearest(self, wanted: frozenset[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return one neighbour more than wanted: one of them may be the release itself."""
        rows, closeness = self._index.shares(wanted)
        last = len(rows) - self._most - 1
        if last > 0:
            near = closeness >= np.partition(closeness, last)[last]
            rows, closeness = rows[near], closeness[near]
        order = np.lexsort((rows, -self._model.pairs[rows], -closeness))[: self._most + 1]
        return rows[order], closeness[order] ** TAG_POWER


def _with_rows_for(model: Model, game_ids: Sequence[str]) -> Model:
    """A copy of the model, but for the links' strengths, with an all-zero row for each new id."""
    games = Vocabulary.from_ids([*model.games.all_ids, *game_ids])
    rows = games.rows(model.games.all_ids)

    def grown(values: NDArray[Number]) -> NDArray[Number]:
        array = np.zeros((len(games), *values.shape[1:]), values.dtype)
        array[rows] = values
        return array

    indptr = np.zeros(len(games) + 1, np.int64)
    np.cumsum(grown(np.diff(model.links.indptr)), out=indptr[1:])
    return replace(
        model,
        games=games,
        factors=grown(model.factors),
        input_scales=grown(model.input_scales),
        output_scales=grown(model.output_scales),
        pairs=grown(model.pairs),
        trend=None if model.trend is None else grown(model.trend),
        # Ids keep their order when others come between them, and so do links.
        links=SparseLinks(indptr, rows[model.links.targets], model.links.strengths),
    )


def _mixed(model: Model, placements: Sequence[_Placement], old_rows: NDArray[np.int64]) -> Model:
    """Set each release's row, in place, to own numbers x (1 - share) + placement x share."""
    rows = model.games.rows(placement.game_id for placement in placements)
    factors = np.empty((len(rows), model.components), np.float32)
    inputs, outputs = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
    added = []
    for place, (row, placement) in enumerate(zip(rows.tolist(), placements, strict=True)):
        near = old_rows[placement.neighbours]
        portions = placement.weights / placement.weights.sum()
        factors[place] = _faded(model.factors, row, portions @ model.factors[near], placement.share)
        inputs[place] = _faded(model.input_scales, row, portions @ model.input_scales[near], placement.share)
        centroid = CENTROID_SHARE * portions @ model.output_scales[near]
        outputs[place] = _faded(model.output_scales, row, centroid, placement.share)
        strengths = placement.share * placement.weights * model.entry_score / model.input_scales[near]
        added.append((near, np.full(len(near), row, np.int64), strengths))
    model.factors[rows], model.input_scales[rows], model.output_scales[rows] = factors, inputs, outputs
    left = np.ones(len(model.games))
    left[rows] = [1.0 - placement.share for placement in placements]
    sources, targets, strengths = (np.concatenate(parts) for parts in zip(*added, strict=True))
    return replace(model, links=_mixed_links(model.links, left, sources, targets, strengths))


def _faded(values: NDArray[np.float32], row: int, placed: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    return np.asarray((1.0 - share) * values[row] + share * placed)


BLOCK_LINKS = 1_000_000
"""Links whose strengths are float64 at a time: a few MiB. A large model has ten million links."""


def _mixed_links(
    links: SparseLinks,
    left: NDArray[np.float64],
    sources: NDArray[np.int64],
    targets: NDArray[np.int64],
    added: NDArray[np.float64],
) -> SparseLinks:
    """
    Return links of which a share is left, by their targets, with others added to them.

    Args:
        links: those of the fit.
        left: share of the strength that stays of each link to a game; shape (games,).
        sources: of the links to add, distinct together with `targets`.
        targets: where these lead to.
        added: their strengths; where there is a link already, its strength grows.
    """
    games = len(links.indptr) - 1
    keys = np.repeat(np.arange(games) * games, np.diff(links.indptr))
    keys += links.targets
    wanted = sources * games + targets
    order = np.argsort(wanted)
    sources, targets, added, wanted = sources[order], targets[order], added[order], wanted[order]
    place = np.searchsorted(keys, wanted)
    there = np.flatnonzero(place < len(keys))
    there = there[keys[place[there]] == wanted[there]]
    del keys
    strengths = np.empty(len(links.strengths), np.float32)
    for start in range(0, len(strengths), BLOCK_LINKS):
        block = slice(start, start + BLOCK_LINKS)
        strengths[block] = links.strengths[block] * left[links.targets[block]]
    old = place[there]
    strengths[old] = links.strengths[old] * left[links.targets[old]] + added[there]
    new = np.ones(len(wanted), bool)
    new[there] = False
    more = np.cumsum(np.bincount(sources[new], minlength=games))
    return SparseLinks(
        np.concatenate([links.indptr[:1], links.indptr[1:] + more]),
        np.insert(links.targets, place[new], targets[new]),
        np.insert(strengths, place[new], added[new]),
    )
