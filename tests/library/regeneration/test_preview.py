"""A preview of a drop is made from some users' lists where there are many, and says so."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import START, checkerboard, trained

from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Game
from recommendation.catalogue.store import load_catalogue
from recommendation.database.database import Database
from recommendation.lists.personal import ListSettings
from recommendation.lists.view import StoreView, with_releases
from recommendation.regeneration.preview import SAMPLE, preview
from recommendation.training.models import live_version, load_model

NOW = START + timedelta(hours=1)
GAME = Game("g-new", similar_to=("g02",))
DROP = Drop("uid-1", "autumn", 1, (GAME,), START, START, START + timedelta(days=14), 2, 1)
USERS = 60


@pytest.fixture
def previewed(database: Database, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Preview the drop in a store of some users."""
    checkerboard(database, users=USERS)
    trained(database, tmp_path)
    with database.reading() as connection:
        catalogue = load_catalogue(connection)
        version = live_version(connection)
        assert version is not None
        view = StoreView(catalogue=catalogue, live=with_releases(load_model(connection, version, 2**30), catalogue))

    def look(**how: int) -> dict[str, Any]:
        with database.snapshot() as connection:
            return preview(connection, DROP, view, None, ListSettings(), NOW, **how)

    return look


def test_everyone_of_a_small_store_is_ranked_and_the_interval_is_a_point(previewed: Any) -> None:
    found = previewed()
    assert USERS < SAMPLE
    assert (found["users_targeted"], found["users_ranked"], found["exact"]) == (USERS, USERS, True)
    assert 0 < found["lists_touched_low"] == found["lists_touched"] == found["lists_touched_high"] < USERS


def test_of_a_larger_one_a_sample_is_ranked_the_same_each_time_and_the_interval_holds_what_all_would_say(
    previewed: Any,
) -> None:
    everyone, some = previewed(), previewed(sample=20)
    assert some == previewed(sample=20)
    assert some["users_targeted"] == USERS
    assert 8 <= some["users_ranked"] <= 35
    assert some["exact"] is False
    assert some["lists_touched_low"] < some["lists_touched"] < some["lists_touched_high"]
    assert some["lists_touched_low"] <= everyone["lists_touched"] <= some["lists_touched_high"]
    counts = {row["lists"] for row in some["displaced"]}
    assert counts == {round(USERS / some["users_ranked"])}, "of the whole audience: each stood in one list"
