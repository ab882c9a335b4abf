"""A shop for tests: a database with pairs, trainings and regenerations in this process, and API apps over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from starlette.testclient import TestClient

from recommendation.catalogue.store import ensure_games, load_catalogue
from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.tables import user_game_interactions, user_lists
from recommendation.lists.personal import ListSettings
from recommendation.lists.stored import unpack
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.regeneration.shard import regenerate_shard
from recommendation.regeneration.store import Regeneration, open_regeneration
from recommendation.settings import Settings
from recommendation.training.train import Outcome, train
from recommendation_api.app import PREFIX, create_app

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Shop:
    """One database and everything that works on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.clock = SteadyClock()

    def fill(self, matrix: InteractionMatrix, times: Sequence[datetime] | None = None) -> None:
        """Make these pairs, all of owned games, the only ones; one event each."""
        users, games = matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices)
        rows = [
            {
                "user_id": user,
                "game_id": game,
                "score_millionths": round(score * 1_000_000),
                "events": 1,
                "owned": True,
                "owned_at": at,
                "dismissed": False,
                "first_event_at": at,
                "last_event_at": at,
            }
            for user, game, score, at in zip(
                users, games, matrix.scores.tolist(), times or [LONG_AGO] * matrix.pairs, strict=True
            )
        ]
        with self.database.writing() as connection:
            ensure_games(connection, sorted(set(games)), LONG_AGO, known=())
            connection.execute(delete(user_game_interactions))
            connection.execute(insert(user_game_interactions), rows)

    def train(self, **engine: Any) -> Outcome:
        """Train in this process, with some of the engine's settings changed."""
        settings = replace(self.settings, engine=replace(self.settings.engine, **engine))
        return train(self.database, settings, self.clock, None, lambda stage: None)

    def train_accepting(self, reason: str) -> Outcome:
        """Train in this process, and publish whatever a guard or the gate says."""
        return train(self.database, self.settings, self.clock, None, lambda stage: None, reason)

    def regenerate(self, drop_uid: str | None = None) -> Regeneration:
        """Regenerate all lists with the live model."""
        with self.database.writing() as connection:
            opened = open_regeneration(connection, drop_uid, None, 1, self.clock())
        lists = ListSettings.of(self.settings)
        return regenerate_shard(
            self.database,
            opened.regeneration_id,
            0,
            lists,
            self.settings.model_max_bytes,
            self.clock,
            lambda users: None,
        )

    def lists(self) -> dict[str, list[str]]:
        """The games of every stored personal list, best first."""
        with self.database.reading() as connection:
            by_key = load_catalogue(connection).by_key
            rows = connection.execute(select(user_lists).where(user_lists.c.source == "cf")).all()
        return {row.user_id: [by_key[key].game_id for key, _, _ in unpack(row.items)] for row in rows}

    def versions(self) -> set[str | None]:
        """The models that made the stored personal lists."""
        with self.database.reading() as connection:
            query = select(user_lists.c.model_version).where(user_lists.c.source == "cf").distinct()
            return set(connection.execute(query).scalars())

    def rows(self, table: Any) -> list[Any]:
        """Everything that stands in a table."""
        with self.database.reading() as connection:
            return sorted(connection.execute(select(table)).all(), key=lambda row: tuple(row)[:2])

    @contextmanager
    def app(self) -> Iterator[Api]:
        """An API app over this database."""
        with TestClient(create_app(self.settings)) as client:
            yield Api(client)


class Api:
    """Talks to one app."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    @property
    def parts(self) -> Any:
        """The parts of the running app."""
        return self.client.app.state.parts  # type: ignore[attr-defined]

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Send a request, and expect success."""
        answer = self.client.request(method, PREFIX + path, json=body, params=params)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, **params: Any) -> Any:
        """GET."""
        return self.call("GET", path, **params)

    def look(self) -> None:
        """Count popular games and take up what others wrote; a running app does it every second."""
        self.parts.popular.count()
        self.parts.views.refresh()

    def shown(self, user: str, limit: int = 20) -> tuple[str | None, list[tuple[str, float]]]:
        """The model that a user's list comes from, and the list's games with their scores."""
        page = self.get(f"/user/{user}", limit=limit)
        assert {item["model_version"] for item in page["items"] if item["source"] == "cf"} <= {page["model_version"]}
        return page["model_version"], [(item["game_id"], item["score"]) for item in page["items"]]
