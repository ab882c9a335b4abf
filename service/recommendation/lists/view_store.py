"""Reading the shared view from the store: only what changed since the last one."""

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from recommendation.catalogue.drop_store import standing_drops
from recommendation.catalogue.popular import last_count, load_popular
from recommendation.catalogue.store import load_catalogue
from recommendation.database.versions import present_versions
from recommendation.experiments.experiment import versions_of
from recommendation.experiments.store import unended
from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.first_party_store import everyone_lists
from recommendation.lists.models_at_hand import ModelsAtHand
from recommendation.lists.view import StoreView

Versions = dict[str, int | str | None]


EXPIRES = timedelta(seconds=60)
"""A view is built anew after this time even if nothing changed."""


class ViewLoader:
    """Keeps what was read, so that the next view takes one query where nothing changed."""

    def __init__(self, model_max_bytes: int) -> None:
        self._versions: Versions = {}
        self._models = ModelsAtHand(model_max_bytes)
        self.view = StoreView()
        self.needs_times = False
        """Whether a view so far needed times. A read may begin with one view and reach the store under the next."""

    @property
    def refused(self) -> str | None:
        """Why the live model could not be taken up, if so: the last good one stays, everything else goes on."""
        return self._models.refused.get(str(self._versions.get("model")))

    @property
    def refused_beside(self) -> Mapping[str, str]:
        """Why models that experiments name could not be taken up: the live one serves in their place."""
        named = versions_of(self.view.experiments)
        return {version: why for version, why in self._models.refused.items() if version in named}

    def load(self, connection: Connection, now: datetime) -> StoreView:
        """
        Return the present view: the same object where nothing changed. A new one may try a refused model again.

        A game's release changes it too, though nothing is written then: else this process would leave the game out
        of what it folds in until the view expires, and one that started since would list it.
        """
        versions = dict(present_versions(connection))
        made_at, has_released = self.view.made_at, self.view.has_released_by(now)
        is_young = made_at is not None and now - made_at < EXPIRES
        if versions == self._versions and is_young and not has_released:
            return self.view
        changed = {name for name in {*versions, *self._versions} if versions.get(name) != self._versions.get(name)}
        view = self._taken_up(connection, changed, now)
        if changed - {"popular"} or has_released:
            view = replace(view, edition=view.edition + 1)
        view = self._with_models(connection, view, versions.get("model"), now)
        view.warm()
        self.needs_times = self.needs_times or view.needs_times
        self._versions, self.view = versions, view
        return view

    def _taken_up(self, connection: Connection, changed: Container[str], now: datetime) -> StoreView:
        """Return the present view with what changed in the store, but for models."""
        view = replace(self.view, made_at=now)
        if "catalogue" in changed:
            view = replace(view, catalogue=load_catalogue(connection))
        if "popular" in changed:
            (popular, days), (popular_at, _) = load_popular(connection), last_count(connection)
            view = replace(view, popular=popular, popular_days=days, popular_at=popular_at)
            view = replace(view, popular_edition=view.popular_edition + 1)
        if "everyone" in changed:
            lists = {row.source: FirstPartyList.of(row) for row in everyone_lists(connection)}
            view = replace(view, everyone=lists)
        if "drops" in changed:
            view = replace(view, drops=tuple(standing_drops(connection, now)))
        if "experiments" in changed or view.experiments:
            view = replace(view, experiments=unended(connection, now))
        return view

    def _with_models(self, connection: Connection, view: StoreView, live: int | str | None, now: datetime) -> StoreView:
        version, named = None if live is None else str(live), versions_of(view.experiments)
        if not self.view.beside.keys() <= named:
            # The view that still serves lets go first: nothing that is loaded now comes beside what is not wanted.
            wanted = {name: other for name, other in self.view.beside.items() if name in named}
            self.view = self.view.with_beside(wanted)
        self._models.let_go(version, named)
        self._models.take_up(connection, version, named, now)
        ready, live_version = self._models.with_releases_of(view.catalogue), self._models.live
        others = sorted(named & ready.keys() - {live_version})
        if (live_version, others) != _versions_in(self.view):  # one that was refused before may come at a later try
            view = replace(view, edition=self.view.edition + 1)
        beside: dict[str, StoreView] = {}
        view = replace(view, live=ready.get(str(live_version)), beside=beside)
        # Last of all: what they share with the view belongs to the object that they are made from.
        beside.update({name: view.with_model(ready[name]) for name in others})
        return view


def _versions_in(view: StoreView) -> tuple[str | None, list[str]]:
    return view.live.version if view.live is not None else None, sorted(view.beside)
