"""`evaluate --database`: the store's own pairs and its live model, judged on users whom no model learnt from."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from recommendation.clock import SteadyClock
from recommendation.database.database import Database
from recommendation.database.tables import games, user_game_interactions
from recommendation.engine.settings import EngineSettings
from recommendation.evaluation.gate_users import GateRule
from recommendation.matrix.extract import read_matrix
from recommendation.settings import Settings
from recommendation.training.train import train
from recommendation_jobs import evaluate

NOW = datetime(2026, 3, 1, tzinfo=UTC)
USERS, GAMES = 600, 40


def pair(user: str, game: str, at: datetime, millionths: int = 3_000_000) -> dict[str, Any]:
    moments = {"owned_at": at, "dismissed_at": None, "first_event_at": at, "last_event_at": at}
    flags = {"owned": True, "dismissed": False, "events": 1}
    return {"user_id": user, "game_id": game, "score_millionths": millionths, **flags, **moments}


def tastes() -> list[dict[str, Any]]:
    """Even users play even games, odd users odd ones, each twelve in an order of their own."""
    rng = np.random.default_rng(3)
    return [
        pair(f"u{user:03}", f"g{2 * int(game) + user % 2:02}", NOW + timedelta(hours=place))
        for user in range(USERS)
        for place, game in enumerate(rng.permutation(GAMES // 2)[:12])
    ]


def fill(database: Database, rows: list[dict[str, Any]]) -> None:
    names = sorted({row["game_id"] for row in rows})
    with database.writing() as connection:
        connection.execute(insert(games), [{"game_id": name, "available": True, "updated_at": NOW} for name in names])
        connection.execute(insert(user_game_interactions), rows)


def evaluated(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path, *arguments: str) -> dict[str, Any]:
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", url)
    out = folder / "out.json"
    assert evaluate.main(["--database", "--components", "4", *arguments, "--json", str(out)]) == 0
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_times_stay_with_their_pairs_and_pairs_without_a_score_are_left_out(database: Database) -> None:
    rows = [pair("b", "\u00e9", NOW, 5), pair("b", "z", NOW + timedelta(1)), pair("a", "z", NOW + timedelta(2), 0)]
    fill(database, rows)
    with database.snapshot() as connection:
        matrix = read_matrix(connection, None, NOW)
    assert matrix.users.ids(matrix.user_rows) == ["b", "b"]
    assert dict(zip(matrix.games.ids(matrix.indices), matrix.times.tolist(), strict=True)) == {
        "\u00e9": round(NOW.timestamp() * 1e6),
        "z": round((NOW + timedelta(1)).timestamp() * 1e6),
    }


def test_the_pairs_of_the_database_are_split_by_their_last_event(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, tastes())
    rankings = tmp_path / "rankings.csv"
    results = evaluated(monkeypatch, database_url, tmp_path, "--split", "temporal", "--rankings", str(rankings))
    assert results["model"]["ndcg@10"] > results["popularity"]["ndcg@10"]
    lines = rankings.read_text().splitlines()[1:]
    last = {row["user_id"]: row["game_id"] for row in tastes()}
    earlier = {(row["user_id"], row["game_id"]) for row in tastes() if last[row["user_id"]] != row["game_id"]}
    listed = {(user, game) for user, _, game in (line.split(",") for line in lines)}
    assert not listed & earlier
    hits = sum((user, game) in listed for user, game in last.items())
    assert hits / USERS == pytest.approx(results["model"]["recall@20"])


def test_the_live_model_is_measured_on_gate_users_only_and_beside_a_fit_that_knows_no_more(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, tastes())
    engine = EngineSettings(components=4)
    settings = Settings(database_url=database_url, model_path=tmp_path / "cf.pkl", engine=engine)
    # Two tastes and nothing beside look like two crowds.
    outcome = train(database, settings, SteadyClock(), None, lambda stage: None, accept="there are two tastes")
    rankings = tmp_path / "rankings.csv"
    results = evaluated(monkeypatch, database_url, tmp_path, "--live", "--rankings", str(rankings))
    assert results["live_version"] == outcome.model_version
    # The same data without the gate users was fitted twice: once by the training, once here.
    assert results["live"] == results["model"]
    users = {line.split(",")[0] for line in rankings.read_text().splitlines()[1:]}
    assert users == {f"u{user:03}" for user in range(USERS) if GateRule(5).holds(f"u{user:03}")}


def test_without_a_live_model_it_says_what_to_do(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(sqlite_url)
    fill(database, tastes()[:120])
    database.close()
    monkeypatch.setenv("RECOMMENDATION_DATABASE_URL", sqlite_url)
    assert evaluate.main(["--database", "--live"]) == 42
    assert "train" in capsys.readouterr().err
