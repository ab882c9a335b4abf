"""A rehearsal of the worst night: last night's dump in a new database and an empty models volume, and it serves."""

import subprocess
from pathlib import Path

import pytest
from own_postgres import OwnPostgres, program
from processes import Api, Doomed
from shop import checkerboard, event, pairs, send, trained

from recommendation.database.database import Database
from recommendation.database.schema import is_usable, schema_state
from recommendation.regeneration import store as regenerations
from recommendation.training import models
from recommendation.training.model_files import is_copy

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


def restored(server: OwnPostgres, folder: Path) -> str:
    """Dump the store and restore it elsewhere, as docs/operations.md says."""
    dump = folder / "store.dump"
    server.administer("CREATE DATABASE restored OWNER shop")
    dumping = ["pg_dump", "--format=custom", f"--file={dump}", server.url()]
    restoring = ["pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
    restoring += [f"--dbname={server.url('restored')}", str(dump)]
    for command in (dumping, restoring):
        subprocess.run([program(command[0]), *command[1:]], check=True, timeout=120)
    return server.url("restored")


def places(api: Api) -> list[tuple[str, str, float, str]]:
    return [
        (item["game_id"], item["source"], item["score"], item["model_version"])
        for item in api.call("GET", "/user/u01")[1]["items"]
    ]


def test_a_restored_database_with_an_empty_models_volume_serves_retrains_and_takes_what_is_sent_again(
    own_postgres: OwnPostgres, tmp_path: Path
) -> None:
    before = Database(own_postgres.url())
    checkerboard(before)
    old = trained(before, tmp_path / "old").model_version
    send(before, [event("late", "g01", event_id="e-1")])
    kept = pairs(before)
    served = Api(own_postgres.url(), tmp_path, RECOMMENDATION_TRAINING="queued")
    served.call("POST", "/user/u01/generate")
    expected = places(served)
    served.kill()
    url = restored(own_postgres, tmp_path)
    send(before, [event("late", "g03", event_id="e-2")])  # arrived after the dump
    before.close()

    after = Database(url)
    with after.reading() as connection:
        assert is_usable(schema_state(connection)), "the migrate step has nothing to do"
    assert pairs(after) == kept
    empty = tmp_path / "new"
    empty.mkdir()
    api = Api(url, empty, RECOMMENDATION_TRAINING="queued")
    assert places(api) == expected
    log_of_the_day = [event("late", "g01", event_id="e-1"), event("late", "g03", event_id="e-2")]
    assert api.call("POST", "/interactions", log_of_the_day)[1] == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert Doomed(url, empty, "command", "never", "0", "train", "--regenerate").wait(120) == 0
    with after.reading() as connection:
        row = models.live_row(connection)
        remade = regenerations.list_regenerations(connection, 1)[0]
    assert row is not None
    assert row.version != old
    assert is_copy(empty / "models" / "cf.pkl", row.sha256)
    assert (remade.state, remade.users_regenerated) == ("succeeded", 17)
    api.until(lambda: api.call("GET", "/user/u01")[1]["model_version"] == row.version)
    api.kill()
    after.close()
    own_postgres.administer("DROP DATABASE restored WITH (FORCE)")
