"""Loading a model takes at most half of its size beside the model itself, and so does putting releases into it."""

import subprocess
import sys

import numpy as np
import pytest
from shop import publish_bytes

from recommendation.database.database import Database
from recommendation.engine import artifact
from recommendation.engine.model import Model
from recommendation.engine.sparse import SparseLinks
from recommendation.matrix.vocabulary import Vocabulary
from recommendation.training import models

GAMES, COMPONENTS, LINKS = 150_000, 40, 20

READER = """
import sys
from pathlib import Path

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.lists.view_store import ViewLoader
from recommendation.training import models

def mib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

database, loader = Database(sys.argv[1]), ViewLoader(10**9)

def peak_beside_what_was_there(version):
    with database.writing() as connection:
        models.promote(connection, version, utc_now())
    before = mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    with database.reading() as connection:
        assert loader.load(connection, utc_now()).live.version == version
    return mib("VmHWM") - before

for version in sys.argv[2:]:
    print(peak_beside_what_was_there(version))
"""


def large_model(seed: int) -> Model:
    chance = np.random.default_rng(seed)
    ids = "".join(f"game-{number:08}" for number in range(GAMES)).encode()
    links = chance.integers(0, GAMES, GAMES * LINKS, dtype=np.int32), chance.random(GAMES * LINKS, np.float32)
    return Model(
        games=Vocabulary(np.frombuffer(ids, np.uint8), np.arange(0, len(ids) + 1, 13)),
        factors=chance.standard_normal((GAMES, COMPONENTS), np.float32),
        input_scales=np.ones(GAMES, np.float32),
        output_scales=np.ones(GAMES, np.float32),
        links=SparseLinks(np.arange(0, GAMES * LINKS + 1, LINKS), *links),
        pairs=np.full(GAMES, 100, np.int32),
        entry_score=0.5,
        weighting="log",
        user_power=0.5,
        ridge=1.0,
        link_share=0.5,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads peaks of memory from /proc")
def test_loading_a_model_peaks_at_one_and_a_half_times_its_size_beside_the_live_one(
    database: Database, database_url: str
) -> None:
    with database.writing() as connection:
        versions = [publish_bytes(connection, artifact.dump(large_model(seed), {})) for seed in (1, 2)]
        mib = sum(row.bytes for row in models.all_models(connection)) / len(versions) / 2**20
    command = [sys.executable, "-c", READER, database_url, versions[0], *versions[::-1]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    _first, *beside_live = map(float, done.stdout.split())
    assert len(beside_live) == 2
    assert max(beside_live) < 1.5 * mib, (mib, beside_live)
