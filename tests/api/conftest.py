"""A running app over a database of each kind, and small stores to ask it about."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.settings import Settings
from recommendation.training.train import train
from recommendation_api.app import PREFIX, create_app


class Store:
    """Talks to the API as a store backend does."""

    def __init__(self, client: TestClient, settings: Settings) -> None:
        self.client = client
        self.settings = settings

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request to a path of the API."""
        return self.client.request(method, PREFIX + path, **options)

    def look(self) -> None:
        """Count what is popular and take up what others wrote; a running app does so a moment later."""
        parts = self.client.app.state.parts  # type: ignore[attr-defined]
        parts.popular.count()
        parts.views.refresh()

    def get(self, path: str, **options: Any) -> Any:
        """Look, GET, and expect 200."""
        self.look()
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """POST, and expect success."""
        answer = self.call("POST", path, json=body, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refused(self, path: str, body: Any) -> Any:
        """POST a batch of which every row is refused, and return the answer that lists why."""
        answer = self.call("POST", path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "every_row_refused"), answer.text
        return answer.json()

    def interact(self, *events: tuple[str, str, str]) -> Any:
        """Send events of (user, game, type)."""
        return self.post("/interactions", [{"user_id": u, "game_id": g, "event_type": t} for u, g, t in events])

    def checkerboard(self, users: int = 16, games: int = 16) -> None:
        """Let even users play even games and odd users odd ones, but each leave out the game of their own number."""
        self.interact(
            *(
                (f"u{user:02}", f"g{game:02}", "played")
                for user in range(users)
                for game in range(games)
                if user % 2 == game % 2 and user != game
            )
        )

    def train(self) -> Any:
        """Train in this process and take the model up."""
        database = Database(self.settings.database_url)
        outcome = train(database, self.settings, SteadyClock(), None, lambda stage: None)
        database.close()
        self.look()
        return outcome

    def listed(self, user: str, **params: Any) -> list[str]:
        """Return the games of a user's list, in order."""
        return [item["game_id"] for item in self.get(f"/user/{user}", params=params)["items"]]


@pytest.fixture
def settings(database_url: str, tmp_path: Any) -> Settings:
    """Settings of the app under test."""
    return Settings(database_url=database_url, model_path=tmp_path / "models" / "cf.pkl", training="queued")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A running app."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield Store(client, settings)
