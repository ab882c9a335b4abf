"""The models that a process holds: the live one, and those that experiments name beside it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from recommendation.catalogue.games import Catalogue
from recommendation.engine.model import LiveModel
from recommendation.errors import ArtifactRefused, ModelMissing
from recommendation.lists.view import with_releases
from recommendation.training.models import load_model

TRY_AGAIN = timedelta(seconds=60)
"""After this time a model that was refused is tried again."""


class ModelsAtHand:
    """
    Loads models as they are wanted, and lets them go.

    What a version holds never changes, so one that was loaded stays good for as long as it is wanted. What is not
    wanted any more goes before something else is loaded: memory is reckoned for so many models and no more
    (`training.readers`).
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bases: dict[str, LiveModel] = {}
        self._ready: dict[str, LiveModel] = {}
        """The same with releases in them."""
        self._catalogue: Catalogue | None = None
        """That whose releases they are."""
        self._tried_at: dict[str, datetime] = {}
        self.refused: dict[str, str] = {}
        """Why versions that are wanted could not be loaded."""
        self.live: str | None = None
        """The version that serves as the live one: the last good one where the one that is live was refused."""

    def let_go(self, live: str | None, named: Iterable[str]) -> None:
        """Let go of what is not wanted any more; a last good live model stays until another takes its place."""
        wanted = {*named, live}
        self.live = None if live is None else self.live
        for kept in (self._bases, self._ready):
            for version in kept.keys() - wanted - {self.live}:
                del kept[version]
        self.refused = {version: why for version, why in self.refused.items() if version in wanted}

    def take_up(self, connection: Connection, live: str | None, named: Iterable[str], now: datetime) -> None:
        """Load what is wanted and not there."""
        for version in sorted({*named, *([live] if live else [])} - self._bases.keys()):
            if version not in self.refused or now - self._tried_at[version] >= TRY_AGAIN:
                self._load(connection, version, now)
        if live in self._bases and live != self.live:
            self.live = live
            self.let_go(live, named)

    def _load(self, connection: Connection, version: str, now: datetime) -> None:
        self._tried_at[version] = now
        try:
            self._bases[version] = load_model(connection, version, self._max_bytes)
            self.refused.pop(version, None)
        except (ArtifactRefused, ModelMissing) as error:
            self.refused[version] = str(error)

    def with_releases_of(self, catalogue: Catalogue) -> Mapping[str, LiveModel]:
        """Return the models by version, each with a catalogue's releases in it."""
        if catalogue is not self._catalogue:
            self._ready, self._catalogue = {}, catalogue
        for version, base in self._bases.items():
            if version not in self._ready:
                self._ready[version] = with_releases(base, catalogue)
        return self._ready
