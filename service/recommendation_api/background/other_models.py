"""A kept model beside the live one, to compare what users would see: one at a time, and not for long."""

import asyncio
import contextlib
import time

from recommendation.catalogue.games import Catalogue
from recommendation.database.database import Database
from recommendation.engine.model import LiveModel
from recommendation.errors import InvalidInput, ModelMissing
from recommendation.lists.view import StoreView, with_releases
from recommendation.settings import Settings
from recommendation.training.beside import bytes_named
from recommendation.training.models import load_model, model_row
from recommendation.training.readers import another_fits

KEPT_SECONDS = 600.0
"""Someone who compares looks at several users; then the memory is given back."""


LOOK_EVERY_SECONDS = 30.0


class OtherModels:
    """Holds one model that is not live. It is asked by one thread at a time."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._model: LiveModel | None = None
        self._extended: LiveModel | None = None
        """The model with the new games of `_catalogue`: placing some ten thousand of them takes seconds."""
        self._catalogue: Catalogue | None = None
        self._view: StoreView | None = None
        self._of: StoreView | None = None
        """The present view that `_view` was made from."""
        self._asked_at = 0.0

    @property
    def version(self) -> str | None:
        """The version that is held."""
        held = self._model
        return None if held is None else held.version

    def view(self, version: str, present: StoreView) -> StoreView:
        """
        Return what all users would share if another kept version were live; it may have to be loaded.

        Raises:
            ModelMissing: the version is not kept.
            InvalidInput: there is no memory for it beside the live model and the next one.
            ArtifactRefused: its bytes are not those that were published.
        """
        self._asked_at = time.monotonic()
        if present.live is not None and present.live.version == version:
            return present
        if (beside := present.beside.get(version)) is not None:  # an experiment names it: it is there already
            return present.if_live(beside.live) if beside.live is not None else present
        model, extended, view = self._model, self._extended, self._view
        if model is None or model.version != version:
            self.let_go()  # before the next is loaded: never two of them
            model, extended, view = self._load(version, present), None, None
        if extended is None or self._catalogue is not present.catalogue:
            extended, view = with_releases(model, present.catalogue), None
        if view is None or self._of is not present:
            view = present.if_live(extended)
        self._model, self._extended, self._catalogue = model, extended, present.catalogue
        self._view, self._of = view, present
        return view

    def _load(self, version: str, present: StoreView) -> LiveModel:
        with self._database.reading() as connection:
            row = model_row(connection, version)
            if row is None:
                raise ModelMissing(f"there is no model {version}; GET /models lists those that are kept")
            beside = bytes_named(connection, present.experiments)
            if not another_fits(self._settings, row.bytes, len(present.catalogue.by_id), beside):
                raise InvalidInput(
                    f"no memory for {version} beside the live model: raise the memory limit of the API's pods "
                    f"(RECOMMENDATION_READER_MEMORY_MIB={self._settings.reader_memory_mib})"
                )
            return load_model(connection, version, self._settings.model_max_bytes)

    def let_go(self) -> None:
        """Give the memory back."""
        self._model = self._extended = self._catalogue = self._view = self._of = None

    def let_go_if_unused(self) -> None:
        """Give the memory back where nothing was compared lately."""
        if self._model is not None and time.monotonic() - self._asked_at > KEPT_SECONDS:
            self.let_go()

    async def keep_bounded(self) -> None:
        """Look after the memory until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                self.let_go_if_unused()
