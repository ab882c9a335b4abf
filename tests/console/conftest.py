"""A running service with hostile names in it, and a real browser that looks at its console."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from hostile_names import HOSTILE_GAME, HOSTILE_TITLE, HOSTILE_USER

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.lists.personal import ListSettings
from recommendation.regeneration.shard import regenerate_shard
from recommendation.settings import Settings
from recommendation.training.train import train
from recommendation_api.app import PREFIX, create_app
from recommendation_api.http.connections import Connection

SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def browser_in(profile: Path) -> Any:
    """Open Debian's chromium, with a profile of its own."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    opened.set_script_timeout(20)
    return opened


class Site:
    """A service that is up."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self._client = httpx.Client(base_url=url + PREFIX, timeout=30)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def train(self) -> None:
        database = Database(self.settings.database_url)
        try:
            outcome = train(database, self.settings, SteadyClock(), None, lambda stage: None)
        finally:
            database.close()
        assert outcome.state == "succeeded", outcome

    def remake(self, drop_uid: str) -> Any:
        """Make the lists of a drop's users, as its Job does."""
        opened = self.send("POST", "/regenerations", {"drop_uid": drop_uid})
        database = Database(self.settings.database_url)
        try:
            regenerate_shard(database, opened["id"], 0, ListSettings(), 2**30, SteadyClock(), lambda users: None)
        finally:
            database.close()
        return self.send("GET", f"/regenerations/{opened['id']}")

    def close(self) -> None:
        self._client.close()


def fill(site: Site) -> None:
    """Even users play even games; one game and one user have names that a page must not mistake for markup."""
    names = [f"g{number:02}" for number in range(16)]
    names[4] = HOSTILE_GAME
    site.send("PUT", "/games", [{"game_id": name, "title": f"Title of {name}"} for name in names if name != "g02"])
    site.send("PUT", "/games", {"game_id": "g02", "title": HOSTILE_TITLE})
    events = [
        {"user_id": f"u{user:02}", "game_id": names[game], "event_type": "played"}
        for user in range(16)
        for game in range(16)
        if user % 2 == game % 2 and user != game
    ]
    events += [{"user_id": HOSTILE_USER, "game_id": "g02", "event_type": "wishlisted"}]
    site.send("POST", "/interactions", events)
    release = datetime.now(UTC).isoformat()
    drop = {
        "name": HOSTILE_TITLE,
        "generation": 1,
        "games": [{"game_id": "new-1", "title": "Deep Harbour", "similar_to": ["g02"]}],
        "release_time": release,
        "created_at": release,
        "placement": {"slots": 2, "first_position": 3, "duration_days": 14},
    }
    site.send("PUT", "/drops/drop-1", drop)
    long_ago = {"name": "winter", "release_time": "2026-01-01T00:00:00Z", "games": [{"game_id": "g09"}]}
    site.send("PUT", "/drops/drop-0", {**drop, **long_ago})
    sides = [{"name": "with", "share": 50}, {"name": "without", "share": 50, "settings": {"drop_slots": 0}}]
    site.send("PUT", "/experiments/drop-places", {"variants": sides})


@pytest.fixture(scope="module")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(sqlite_template, folder / "app.db")
    settings = Settings(
        database_url=f"sqlite:///{folder / 'app.db'}",
        model_path=folder / "models" / "cf.pkl",
        training="queued",
        drain_seconds=0,
        console_images=("https://pictures.invalid",),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), http=Connection, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    opened = Site(f"http://127.0.0.1:{listening.getsockname()[1]}", settings)
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        thread.join(0.05)
    fill(opened)
    opened.train()
    opened.train()
    yield opened
    opened.close()
    server.should_exit = True
    thread.join(30)
    listening.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        absent = pytest.fail if os.environ.get("CI") else pytest.skip  # a test that is skipped there checks nothing
        absent("no browser: apt-get install chromium chromium-driver")
    opened = browser_in(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.quit()
