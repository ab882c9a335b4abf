"""The table is divided by processes that are killed at any moment, while shops write: each event counts once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

import pytest
from processes import ROUNDS, Doomed
from shop import event, pairs, send
from sqlalchemy import text

from recommendation.database.database import Database
from recommendation.database.dividing import twin

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

USERS, GAMES = 400, 50

FILL = f"""
INSERT INTO user_game_interactions
SELECT 'u' || u, 'g' || g, 3000000, 1, true, now(), false, NULL, now(), now()
FROM generate_series(1, {USERS}) u, generate_series(1, {GAMES}) g ORDER BY md5(u || ' ' || g)
"""


@pytest.mark.parametrize("seed", range(10 * ROUNDS))
def test_each_event_counts_once(seed: int, postgres_url: str, tmp_path: Path) -> None:
    dice = random.Random(seed)
    database = Database(postgres_url)
    with database.writing() as connection:
        connection.execute(text(FILL))
    sent, stop = Counter({(f"u{u}", f"g{g}"): 1 for u in range(1, USERS + 1) for g in range(1, GAMES + 1)}), False

    def write() -> None:
        own = random.Random(seed)
        while not stop:
            some = [(f"u{own.randint(1, USERS)}", f"g{own.randint(1, 2 * GAMES)}") for _ in range(5)]
            send(database, [event(*pair) for pair in some])
            sent.update(some)

    writer = threading.Thread(target=write)
    writer.start()
    killed = 0
    while True:
        process = Doomed(postgres_url, tmp_path, "command", "none", "9", "partition", "--rest", "2")
        if process.ends_within(0.2 + dice.random()):
            assert process.wait(1) == 0
            break
        process.kill()
        process.wait(10)
        killed += 1
    stop = True
    writer.join()
    assert {row[:2]: row[3] for row in pairs(database)} == sent
    with database.reading() as connection:
        assert twin.is_divided(connection)
        assert not twin.exists(connection, twin.BEFORE)
    database.close()
