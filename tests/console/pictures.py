"""
Takes the pictures of the console in docs/images: `make pictures DATA=pairs.csv GAMES=games.jsonl`.

A store is made of a file of who plays what and of its catalogue. What such files lack is made up, the same each time:
releases, what users did with them, a pin and an experiment. It takes some minutes, most of them for two trainings.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from browsing import DESK, Console
from PIL import Image
from processes import free_port
from sqlalchemy import update

from conftest import browser_in
from recommendation.database.database import Database
from recommendation.database.tables import experiments
from recommendation_api.app import PREFIX

IMAGES = Path(__file__).parents[2] / "docs" / "images"
HEIGHT = 960
PHONE = (390, 1400)
USERS = 2000
"""Users who are made up to have been shown something; enough for the experiment to tell."""


class Shop:
    """A running service, and what is made up in it."""

    def __init__(self, url: str, database_url: str) -> None:
        self.client = httpx.Client(base_url=url + PREFIX, timeout=120)
        self.database_url = database_url
        self.chance = random.Random(7)
        self.now = datetime.now(UTC)
        self.popular = [item["game_id"] for item in self.ask("GET", "/popular?limit=60")["items"]]
        self.users = list(self._users())

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def _users(self) -> Iterator[str]:
        cursor = ""
        for _ in range(USERS // 100):
            page = self.ask("GET", f"/users?limit=100{cursor}")
            yield from (user["user_id"] for user in page["users"])
            if not page["next_cursor"]:
                break
            cursor = f"&cursor={page['next_cursor']}"

    def find(self, titles: list[str]) -> list[dict[str, Any]]:
        """Return games by their titles, as a drop names them."""
        found = []
        for title in titles:
            games = self.ask("GET", f"/games?query={title}&limit=20")["games"]
            exact = next(game for game in games if game["title"] == title)
            found.append({"game_id": exact["game_id"], "title": title})
        return found

    def release(self, uid: str, name: str, games: list[dict[str, Any]], days_ago: float, **placement: int) -> datetime:
        """Make a drop known whose release was so many days ago, and that was announced two days before."""
        at = self.now - timedelta(days=days_ago)
        announced = min(self.now, at) - timedelta(days=2)
        drop = {"name": name, "games": games, "created_at": announced.isoformat(), "release_time": at.isoformat()}
        self.ask("PUT", f"/drops/{uid}", {**drop, "placement": placement})
        return at

    def regenerate(self, drop_uid: str) -> None:
        """Make the lists of a drop's users, and wait until they are there."""
        opened = self.ask("POST", "/regenerations", {"drop_uid": drop_uid, "shards": 2})
        while self.ask("GET", f"/regenerations/{opened['id']}")["state"] == "running":
            time.sleep(0.5)

    def respond(self, games: list[dict[str, Any]], since: datetime, days: float, count: int) -> None:
        """Let users do something with a drop's games, most of it soon after the release."""
        kinds = {"clicked": 60, "wishlisted": 14, "purchased": 9, "dismissed": 5}
        rows = []
        for _ in range(count):
            at = min(self.now, since + timedelta(days=days * self.chance.random() ** 1.6))
            (action,) = self.chance.choices(list(kinds), list(kinds.values()))
            who, what = self.chance.choice(self.users), self.chance.choice(games)["game_id"]
            rows.append(
                {"user_id": who, "game_id": what, "action": action, "source": "drop", "occurred_at": at.isoformat()}
            )
        self.ask("POST", "/feedback", rows)

    def experiment(self) -> None:
        """Compare lists with and without a drop's places, over twelve days in which those without are clicked less."""
        start = self.now - timedelta(days=12)
        sides = [{"name": "with", "share": 50}, {"name": "without", "share": 50, "placement": "off"}]
        about = {
            "description": "Do places for new games cost clicks on others?",
            "outcome": "clicked",
            "window_days": 2,
        }
        self.ask("PUT", "/experiments/drop-places", {**about, "variants": sides})
        self.backdate(start)
        rows: list[dict[str, Any]] = []
        for user in self.users:
            at = start + timedelta(days=11.9 * self.chance.random())
            variant = self.ask("GET", f"/user/{user}/experiments")["experiments"][0]["variant"]
            clicks = sum(self.chance.random() < (0.31 if variant == "with" else 0.23) for _ in range(3))
            for place in range(1 + clicks):
                moment = min(self.now, at + timedelta(hours=place * 3)).isoformat()
                action, game = ("clicked" if place else "shown"), self.chance.choice(self.popular)
                rows.append({"user_id": user, "game_id": game, "action": action, "source": "cf", "occurred_at": moment})
        for start_row in range(0, len(rows), 5000):
            self.ask("POST", "/feedback", rows[start_row : start_row + 5000])

    def backdate(self, start: datetime) -> None:
        """Let the experiment have begun earlier, which the service refuses to be told."""
        database = Database(self.database_url)
        with database.writing() as connection:
            connection.execute(update(experiments).values(starts_at=start))
        database.close()

    def read_for(self, minutes: int) -> None:
        """Read lists for some minutes, so that the overview has something to tell."""
        ends = time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            user = self.chance.choice(self.users)
            items = self.ask("GET", f"/user/{user}")["items"]
            shown = [{"user_id": user, "game_id": item["game_id"], "action": "shown"} for item in items[:5]]
            if self.chance.random() < 0.3:
                shown.append({"user_id": user, "game_id": items[0]["game_id"], "action": "clicked", "source": "cf"})
            self.ask("POST", "/feedback", shown)
            time.sleep(self.chance.random() / 2)


def main() -> None:
    """Make the store, fill it, and take each picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a file of interactions")
    parser.add_argument("--games", type=Path, required=True, help="its catalogue, with titles")
    parser.add_argument("--minutes", type=int, default=5, help="for which lists are read before the pictures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), options) as url:
        shop = Shop(url, store_in(Path(folder)))
        fill(shop)
        shop.read_for(options.minutes)
        browser = browser_in(Path(folder) / "profile")
        try:
            take_all(Console(browser, url), shop)
        finally:
            browser.quit()


def store_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'app.db'}"


@contextmanager
def served(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Make a store with two models in a folder, and serve it."""
    # In the folder, with the usual names there: pictures tell no path of a machine.
    environment = os.environ | {"RECOMMENDATION_DRAIN_SECONDS": "0"}
    data, games = options.data.resolve(), options.games.resolve()

    def recs(*command: str, **more: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "recommendation_cli", *command], cwd=folder, env=environment | more, check=True
        )

    recs("migrate")
    recs("import", "--catalogue", str(games), str(data), "--event-type", "played")
    recs("train", "--regenerate", CF_N_COMPONENTS="16")  # so that two versions differ
    recs("train", "--regenerate")
    port = free_port()
    serve = [sys.executable, "-m", "recommendation_cli", "serve", "--port", str(port)]
    with (
        (folder / "api.log").open("w") as log,
        subprocess.Popen(serve, cwd=folder, env=environment, stdout=log, stderr=log) as api,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            while not is_ready(url):
                assert api.poll() is None, (folder / "api.log").read_text()
                time.sleep(0.2)
            yield url
        finally:
            api.terminate()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def fill(shop: Shop) -> None:
    """Make up what a store has beside its players."""
    shop.experiment()
    autumn, weekend, ended = (
        shop.find(titles) for titles in (["Firewatch", "Factorio"], ["Oxenfree", "ABZU"], ["Stardew Valley"])
    )
    released = shop.release(
        "8b1c6f0e-autumn", "autumn-release", autumn, 6.4, slots=2, first_position=3, duration_days=14
    )
    shop.release("91aa77c0-holiday", "holiday-bundle", weekend, -9, slots=1, first_position=2, duration_days=21)
    over = shop.release("6f0c2b1e-summer", "summer-release", ended, 38, slots=1, first_position=4, duration_days=14)
    shop.respond(autumn, released, 6.4, 700)
    shop.respond(ended, over, 14, 400)
    shop.regenerate("8b1c6f0e-autumn")
    pin = {
        "game_id": shop.popular[24],
        "source": "editorial",
        "score": 1,
        "position": 2,
        "reason": "Staff pick of the week",
    }
    shop.ask("POST", "/batch", {"recommendations": [pin], "mode": "merge"})


def take_all(console: Console, shop: Shop) -> None:
    """Take each picture of the documents."""
    user = shop.users[3]
    first = shop.ask("GET", f"/user/{user}?source=cf")["items"][0]["game_id"]
    newest, before, *_ = (model["version"] for model in shop.ask("GET", "/models")["models"])
    (game,), pinned = shop.find(["Firewatch"]), shop.popular[30]
    for name, address in (
        ("overview", "overview"),
        ("why", f"lists/{user}?game={first}"),
        ("compared", f"lists/{user}?beside={before}"),
        ("front-page", f"lists/{user}?page=front"),
        ("pins", f"pins?game={pinned}&position=1&user={user}"),
        ("games", "games"),
        ("game", f"games/{game['game_id']}?owners=time"),
        ("releases", "releases"),
        ("release", "releases/8b1c6f0e-autumn"),
        ("experiments", "experiments/drop-places?over=time"),
        ("models", f"models?version={newest}&beside={before}"),
        ("runs", "runs"),
        ("people", f"people/{user}"),
        ("settings", "settings"),
    ):
        console.open(address, (DESK[0], HEIGHT))
        take(console, name)
    console.open("overview", PHONE, is_dark=True)
    take(console, "phone-dark")


def take(console: Console, name: str) -> None:
    console.until(lambda: "Loading" not in console.text())
    taken = Image.open(BytesIO(console.browser.get_screenshot_as_png())).convert("RGB")
    # Of 256 colours, each near enough to those that were drawn, and a third of the size.
    taken.quantize(256, Image.Quantize.MAXCOVERAGE).save(IMAGES / f"console-{name}.png", optimize=True)
    assert console.errors() == [], name


if __name__ == "__main__":
    main()
