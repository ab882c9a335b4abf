"""Reading the shared view from the store: only what changed since the last one."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from recommendation.catalogue.drop_store import standing_drops
from recommendation.catalogue.popular import last_count, load_popular
from recommendation.catalogue.store import load_catalogue
from recommendation.database.versions import present_versions
from recommendation.engine.model import LiveModel
from recommendation.errors import ArtifactRefused, ModelMissing
from recommendation.experiments.store import unended
from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.first_party_store import everyone_lists
from recommendation.lists.view import StoreView, with_releases
from recommendation.training.models import load_model

Versions = dict[str, int | str | None]


EXPIRES = timedelta(seconds=60)
"""A view is built anew after this time even if nothing changed: so often a model that was refused is tried again."""


class ViewLoader:
    """Keeps what was read, so that the next view takes one query where nothing changed."""

    def __init__(self, model_max_bytes: int) -> None:
        self._max_bytes = model_max_bytes
        self._versions: Versions = {}
        self._base: LiveModel | None = None
        self.view = StoreView()
        self.refused: str | None = None
        """Why the live model could not be taken up, if so: the last good one stays, everything else goes on."""
        self.needs_times = False
        """Whether a view so far needed times. A read may begin with one view and reach the store under the next."""

    def load(self, connection: Connection, now: datetime) -> StoreView:
        """
        Return the present view: the same object where nothing changed. A new one tries a refused model again.

        A game's release changes it too, though nothing is written then: else this process would leave the game out
        of what it folds in until the view expires, and one that started since would list it.
        """
        versions = dict(present_versions(connection))
        made_at, has_released = self.view.made_at, self.view.has_released_by(now)
        is_young = made_at is not None and now - made_at < EXPIRES
        if versions == self._versions and is_young and not has_released:
            return self.view
        if self.refused is not None:
            self._versions.pop("model", None)
        changed = {name for name in {*versions, *self._versions} if versions.get(name) != self._versions.get(name)}
        view = replace(self.view, made_at=now)
        if changed - {"popular"} or has_released:
            view = replace(view, edition=view.edition + 1)
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
        if changed & {"model", "catalogue"}:
            self._take_up_model(connection, versions.get("model"))
            live = self._base and with_releases(self._base, view.catalogue)
            view = replace(view, live=live)
        view.warm()
        self.needs_times = self.needs_times or view.needs_times
        self._versions, self.view = versions, view
        return view

    def _take_up_model(self, connection: Connection, version: int | str | None) -> None:
        if version is None:
            self._base, self.refused = None, None
            return
        if self._base is not None and self._base.version == version:
            self.refused = None
            return
        try:
            self._base, self.refused = load_model(connection, str(version), self._max_bytes), None
        except (ArtifactRefused, ModelMissing) as error:
            self.refused = str(error)
