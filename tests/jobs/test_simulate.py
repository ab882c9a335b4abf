from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import files
import numpy as np
import pytest
from numpy.typing import NDArray

from recommendation.catalogue.store import load_catalogue
from recommendation.database.database import Database
from recommendation.engine.fit import fit
from recommendation.engine.settings import EngineSettings
from recommendation.engine.unseen import rank_unseen
from recommendation.matrix.matrix import InteractionMatrix
from recommendation_jobs import exits
from recommendation_jobs.__main__ import parse
from recommendation_jobs.simulate import run


def simulate(folder: Path, *options: str, games: str = "games.csv") -> tuple[Path, Path]:
    out, games_out = folder / "events.csv", folder / games
    # Not through `main`, which would take the signals of the test process for itself.
    parsed = parse(["simulate", "--out", str(out), "--games-out", str(games_out), *options])
    assert run(parsed) == exits.DONE
    return out, games_out


SMALL = ("--users", "60", "--games", "40", "--days", "60")


pytestmark = pytest.mark.xdist_group("simulated store")  # what the fixtures of the module cost is paid once


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Events of a store of 1,000 users and 400 games."""
    out, _ = simulate(tmp_path_factory.mktemp("store"), "--users", "1000")
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        (tmp_path / name).mkdir()
        made.append([path.read_bytes() for path in simulate(tmp_path / name, *SMALL, "--seed", seed)])
    assert made[0] == made[1]
    assert made[0][0] != made[2][0]
    assert made[0][1] != made[2][1]


@pytest.mark.parametrize("games", ["games.csv", "games.jsonl"])
def test_what_is_simulated_can_be_imported_whole(
    database: Database, tmp_path: Path, games: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, games_out = simulate(tmp_path, *SMALL, games=games)
    assert files.run_import(database, out, "--catalogue", str(games_out)) == exits.DONE
    assert "refused" not in capsys.readouterr().out
    with database.reading() as connection:
        catalogue = load_catalogue(connection)
    assert len(catalogue.by_id) == 40
    assert all(game.title and game.tags and game.released_at for game in catalogue.by_id.values())
    assert any(game.similar_to for game in catalogue.by_id.values())


def test_users_go_down_the_funnel_step_by_step(store: list[dict[str, str]]) -> None:
    counts = Counter(row["event_type"] for row in store)
    assert counts["viewed"] > counts["clicked"] > counts["purchased"] > counts["refunded"] > 0
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    before = {"clicked": "viewed", "wishlisted": "clicked", "purchased": "clicked", "played": "purchased"}
    before["refunded"] = "purchased"
    for row in store:
        earlier = seen[row["user_id"], row["game_id"]]
        if row["event_type"] in before:
            assert before[row["event_type"]] in earlier
        earlier.add(row["event_type"])


def test_events_come_in_order_and_no_game_is_touched_before_its_release(tmp_path: Path) -> None:
    out, games_out = simulate(tmp_path, *SMALL)
    with games_out.open(newline="") as file:
        released = {row["game_id"]: row["released_at"] for row in csv.DictReader(file)}
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    moments = [row["occurred_at"] for row in rows]
    assert moments == sorted(moments)
    assert len({row["event_id"] for row in rows}) == len(rows)
    assert all(row["occurred_at"] >= released[row["game_id"]] for row in rows)
    assert max(released.values()) > min(moments)


def test_popularity_has_a_long_tail_and_weekends_are_busy(store: list[dict[str, str]]) -> None:
    per_game = sorted(Counter(row["game_id"] for row in store).values(), reverse=True)
    assert sum(per_game[:40]) > 0.25 * sum(per_game)
    assert len(per_game) > 350
    weekdays = Counter(datetime.fromisoformat(row["occurred_at"]).weekday() for row in store)
    assert weekdays[5] > 1.5 * weekdays[0]


def test_a_model_of_the_store_ranks_far_better_than_popularity(store: list[dict[str, str]]) -> None:
    weights = files.settings().weights.by_type
    scores: dict[tuple[str, str], float] = defaultdict(float)
    for row in store:
        scores[row["user_id"], row["game_id"]] += float(weights[row["event_type"]]) * float(row["quantity"])
    pairs = sorted(scores)
    matrix = InteractionMatrix.from_pairs([u for u, _ in pairs], [g for _, g in pairs], [scores[p] for p in pairs])
    held = np.random.default_rng(0).random(matrix.pairs) < 0.2
    seen, hidden = matrix.only_pairs(~held), matrix.only_pairs(held)
    model = fit(seen, EngineSettings())
    ranked = rank_unseen(model, seen, 10)
    personal = ndcg(matrix.games.rows(model.games.all_ids)[ranked.rows], hidden)
    popularity = np.tile(seen.pairs_per_game().astype(float), (len(seen.users), 1))
    popularity[seen.user_rows, seen.indices] = -1
    popular = ndcg(np.argsort(-popularity, axis=1, kind="stable")[:, :10], hidden)
    assert personal > 1.8 * popular
    assert len(np.unique(ranked.rows)) > 0.5 * len(seen.games)


def ndcg(ranked: NDArray[np.integer], hidden: InteractionMatrix) -> float:
    """Mean NDCG@10 over users with hidden pairs; ideal DCG cut at 10."""
    discount = 1 / np.log2(np.arange(2, 12))
    found = []
    for user in np.flatnonzero(hidden.pairs_per_user()):
        wanted = hidden.row(int(user))[0]
        found.append(discount[np.isin(ranked[user], wanted)].sum() / discount[: min(10, len(wanted))].sum())
    return float(np.mean(found))
