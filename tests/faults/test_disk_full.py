"""A full disk: the live model stays whole, reads go on, and writes work again once there is room."""

from pathlib import Path

import pytest
from own_postgres import fill, small_disk
from processes import Doomed
from shop import checkerboard
from starlette.testclient import TestClient

from recommendation.database.database import Database
from recommendation.migrate import upgrade
from recommendation.settings import Settings
from recommendation.training import models, runs
from recommendation.training.model_files import is_copy
from recommendation_api.app import PREFIX, create_app
from recommendation_jobs import exits

pytestmark = pytest.mark.faults


def trains(url: str, folder: Path) -> int | None:
    return Doomed(url, folder, "command", "never", "0", "train").wait(120)


def live(database: Database) -> models.ModelRow:
    with database.reading() as connection:
        row = models.live_row(connection)
    assert row is not None
    return row


def test_a_full_volume_keeps_the_old_copy_whole_and_the_next_training_writes_the_new_one(
    postgres_url: str,
) -> None:
    """The new model is live nevertheless: its bytes are in the database, and the volume holds only copies."""
    database = Database(postgres_url)
    checkerboard(database)
    with small_disk(1) as disk:
        file = disk / "models" / "cf.pkl"
        assert trains(postgres_url, disk) == exits.DONE
        old = live(database)
        assert is_copy(file, old.sha256)
        filler = fill(disk)
        assert trains(postgres_url, disk) == exits.DONE
        new = live(database)
        assert new.version != old.version
        assert is_copy(file, old.sha256)
        filler.unlink()
        assert trains(postgres_url, disk) == exits.DONE
        assert is_copy(file, live(database).sha256)
    database.close()


def test_an_embedded_database_on_a_full_disk_is_readable_and_writable_again_once_there_is_room(tmp_path: Path) -> None:
    event = {"user_id": "ann", "game_id": "g01", "event_type": "played"}
    rows = [{**event, "user_id": f"n{n:05}"} for n in range(9000)]
    with small_disk(24) as disk:
        url = f"sqlite:///{disk}/app.db"
        upgrade(url)
        database = Database(url)
        checkerboard(database)
        assert trains(url, tmp_path) == exits.DONE
        old = live(database)
        settings = Settings(database_url=url, model_path=tmp_path / "cf.pkl", training="queued")
        with TestClient(create_app(settings)) as api:
            assert api.post(f"{PREFIX}/interactions", json=event).status_code == 200
            filler = fill(disk)
            refused = api.post(f"{PREFIX}/interactions", json=rows)
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert api.get(f"{PREFIX}/user/u01").json()["model_version"] == old.version
            assert trains(url, tmp_path) == exits.TRY_AGAIN
            assert live(database).version == old.version
            filler.unlink()
            assert api.post(f"{PREFIX}/interactions", json=rows).json()["accepted"] == len(rows)
            assert trains(url, tmp_path) == exits.DONE
        assert live(database).version != old.version
        with database.reading() as connection:
            assert runs.active_run(connection) is None
        database.close()
