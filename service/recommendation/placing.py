"""Which games of the catalogue are placed by their neighbours, because the model knows little or nothing of them."""

from dataclasses import replace

from recommendation.catalogue import Catalogue
from recommendation.engine.releases import Release, extended
from recommendation.view import LiveModel

KNOWN_WELL = 100
"""Pairs in the fit from which a game speaks for itself."""


def placed(live: LiveModel, catalogue: Catalogue) -> LiveModel:
    """Return the live model with new releases placed, by `similar_to` and tags of the catalogue."""
    model = live.model
    names = sorted(name for name, game in catalogue.by_id.items() if game.similar_to or game.tags)
    pairs = [int(model.pairs[row]) if row >= 0 else 0 for row in model.games.rows(names).tolist()]
    releases = [
        Release(name, catalogue.by_id[name].similar_to, catalogue.by_id[name].tags)
        for name, known in zip(names, pairs, strict=True)
        if known < KNOWN_WELL
    ]
    tags = {name: catalogue.by_id[name].tags for name in names}
    return replace(live, model=extended(model, releases, tags)) if releases else live
