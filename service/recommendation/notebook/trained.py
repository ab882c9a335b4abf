"""A trained model that is asked by ids. It ranks by the code that serves readers, and by no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recommendation.engine import artifact, rank_one
from recommendation.engine.fit import fit
from recommendation.engine.model import Model
from recommendation.engine.settings import EngineSettings
from recommendation.errors import InvalidInput
from recommendation.evaluation.data import Dataset
from recommendation.lists.stored import LEAST_SCORE
from recommendation.notebook.reading import microseconds_of

History = Mapping[str, float] | Iterable[str]
"""A user's score for each game, in weight units, as `Dataset.history` gives it; or games alone, which count 1 each."""


class Recommended(NamedTuple):
    """One place of a list."""

    game_id: str
    score: float
    because: str | None
    """The game of the history that adds most to the score; None where none adds anything."""


class Contribution(NamedTuple):
    """What one game of a history adds to a score."""

    game_id: str
    contribution: float


class Nearest(NamedTuple):
    """A game, and how near its factors are to another's."""

    game_id: str
    cosine: float
    """1: the same direction; 0: nothing in common."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model, read from a file or fitted in the notebook; `recommendation.notebook` calls it `Model`."""

    engine: Model = field(repr=False)
    """The model as the service holds it, for what is not here."""
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What training wrote beside it: version, settings, times, sizes; empty where it was fitted here."""

    @classmethod
    def load(cls, path: Path | str, sha256: str | None = None) -> Self:
        """
        Read a copy of a published model, such as `models/cf.pkl` or `models/cf.v3.pkl`.

        The file can run nothing: it is read as the service reads it, and not by `joblib.load`.

        Args:
            sha256: the digest that `GET /models` shows; None takes the file for what it says it is.

        Raises:
            ArtifactRefused: the file is no model of a readable format, or has another digest.
            OSError: there is no such file.
        """
        data = Path(path).read_bytes()
        return cls(*artifact.load(data, sha256 or artifact.digest(data), len(data)))

    @classmethod
    def fit(cls, data: Dataset, settings: EngineSettings | None = None) -> Self:
        """
        Fit a model as a training does, but without a gate, and publish it nowhere.

        Raises:
            InsufficientData: fewer than 3 users or games have enough interactions.
        """
        return cls(fit(data.matrix, settings or EngineSettings()))

    @property
    def version(self) -> str | None:
        """Such as `v3`; None where it was fitted here."""
        return self.metadata.get("version")

    @property
    def game_ids(self) -> list[str]:
        """Every game that the model knows, in the order of their UTF-8 bytes."""
        return list(self.engine.games.all_ids)

    def recommend(
        self,
        history: History,
        n: int = 10,
        hidden: Iterable[str] | None = None,
        times: Mapping[str, float] | None = None,
    ) -> list[Recommended]:
        """
        Rank games for a history, best first.

        The service ranks by the same code, but from more than the model: pins, drops, games that are not for sale,
        popular games that fill a short list, and games of few players, which it places by tags and `similar_to`.

        Args:
            history: what the user did; games that the model does not know are passed over.
            n: places; fewer come back where fewer games have a score above 0, none for an unknown history.
            hidden: games that are never listed; None takes those of the history, as if the user owned them all.
            times: when each game of the history was touched last, as `Dataset.times_of` gives it; needed where
                `engine.recency` is above 0. Only their order counts.

        Raises:
            InvalidInput: the model needs times, and a game of the history has none, or one that is not finite.
        """
        games, scores = _of(history)
        rows = self.engine.games.rows(games)
        not_listed = rows if hidden is None else self.engine.games.rows(hidden)
        ranking = rank_one.recommend(self.engine, rows, scores, not_listed, n, self._times_of(games, times))
        listed = int(np.count_nonzero(ranking.scores >= LEAST_SCORE))
        names = [*self.engine.games.all_ids, None, None]  # rows -2 and -1: the trend is the reason, or nothing is
        return [
            Recommended(self.engine.games.all_ids[row], score, names[because])
            for row, score, because in zip(
                ranking.rows[:listed].tolist(),
                ranking.scores[:listed].tolist(),
                ranking.because[:listed].tolist(),
                strict=True,
            )
        ]

    def explain(self, history: History, game_id: str, times: Mapping[str, float] | None = None) -> list[Contribution]:
        """
        Say what each game of a history adds to the score of one game, most first; with `engine.trend` they sum to it.

        Raises:
            InvalidInput: the model does not know the game, or needs `times` as for `recommend`.
        """
        games, scores = _of(history)
        row = self._row(game_id)
        rows, moments = self.engine.games.rows(games), self._times_of(games, times)
        added = rank_one.contributions(self.engine, rows, scores, row, moments).tolist()
        parts = [Contribution(game, value) for game, value in zip(games, added, strict=True) if value]
        return sorted(parts, key=lambda part: (-part.contribution, part.game_id))

    def similar(self, game_id: str, n: int = 10) -> list[Nearest]:
        """
        Find the games with the nearest factors, nearest first, without the game itself.

        Raises:
            InvalidInput: the model does not know the game.
        """
        rows, cosines = self.engine.similar(self._row(game_id), n)
        return [Nearest(*pair) for pair in zip(self.engine.games.ids(rows), cosines.tolist(), strict=True)]

    def _times_of(self, games: list[str], times: Mapping[str, float] | None) -> NDArray[np.int64] | None:
        if not self.engine.recency:
            return None
        try:
            moments = np.array([(times or {})[game] for game in games], float)
        except KeyError as error:
            raise InvalidInput(
                f"this model lets older games fade, and nothing says when {error} was touched: give times, such as "
                "those of Dataset.times_of"
            ) from error
        return microseconds_of(moments)

    def _row(self, game_id: str) -> int:
        row = int(self.engine.games.rows([game_id])[0])
        if row < 0:
            raise InvalidInput(f"the model does not know the game {game_id!r}: too few users touched it")
        return row


def _of(history: History) -> tuple[list[str], NDArray[np.float64]]:
    """Games in the order given, each once, and their scores."""
    if isinstance(history, str):
        raise InvalidInput("a history is several games: give a list, or scores by game")
    if isinstance(history, Mapping):
        return list(history), np.fromiter(history.values(), float, len(history))
    games = list(dict.fromkeys(history))
    return games, np.ones(len(games))
