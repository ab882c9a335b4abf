"""A true effect in a made-up store: as large as it was said, on whom it was said, and nothing else changes."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recommendation_jobs import exits
from recommendation_jobs.commands import main
from recommendation_jobs.simulate import Recipe
from recommendation_jobs.simulation.effects import read_effect

START = "2026-10-18T00:00:00Z"
EXPERIMENT = {
    "name": "rehearsal",
    "state": "running",
    "variants": [{"name": "as-ever", "share": 50}, {"name": "with", "share": 50, "placement": "off"}],
    "starts_at": START,
}
SIZE = ("--users", "1500", "--games", "60", "--days", "30")


def experiment_file(folder: Path, **more: Any) -> Path:
    path = folder / "experiment.json"
    path.write_text(json.dumps({**EXPERIMENT, **more}))
    return path


def simulated(folder: Path, *effects: str) -> list[dict[str, str]]:
    out = folder / "events.csv"
    given = ["--experiment", str(experiment_file(folder)), *(f"--effect={effect}" for effect in effects)]
    assert main(["simulate", "--out", str(out), *SIZE, *(given if effects else [])]) == exits.DONE
    with out.open() as file:
        return list(csv.DictReader(file))


def without_ids(rows: list[dict[str, str]]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(value for name, value in row.items() if name != "event_id") for row in rows)


def test_users_of_the_variant_buy_so_much_more_from_the_start_on(tmp_path: Path) -> None:
    usual, changed = simulated(tmp_path), simulated(tmp_path, "with=50")
    effect = read_effect(experiment_file(tmp_path), ["with=50"])
    drawn = {user: effect.experiment.variant_of(user) for user in {row["user_id"] for row in usual}}

    def bought(rows: list[dict[str, str]], name: str, later: bool) -> int:
        mine = {user for user, variant in drawn.items() if variant is not None and variant.name == name}
        return sum(
            row["event_type"] == "purchased" and row["user_id"] in mine and (row["occurred_at"] >= START) == later
            for row in rows
        )

    kept = {(name, later): bought(changed, name, later) / bought(usual, name, later)
            for name in ("as-ever", "with") for later in (False, True)}  # fmt: skip
    assert kept["with", True] == 1
    for usual_share in (kept["with", False], kept["as-ever", False], kept["as-ever", True]):
        assert usual_share == pytest.approx(1 / 1.5, abs=0.04)


def test_all_else_stays_and_a_lost_purchase_takes_what_was_done_with_the_game(tmp_path: Path) -> None:
    usual, changed = simulated(tmp_path), simulated(tmp_path, "with=50")
    before, after = without_ids(usual), without_ids(changed)
    assert after <= before
    assert {kind for _, _, kind, *_ in before - after} <= {"purchased", "played", "refunded"}
    owned = {(row["user_id"], row["game_id"]) for row in changed if row["event_type"] == "purchased"}
    done = {(row["user_id"], row["game_id"]) for row in changed if row["event_type"] in ("played", "refunded")}
    assert done <= owned
    assert not {row["event_id"] for row in usual} & {row["event_id"] for row in changed}, "two stores share no id"
    assert simulated(tmp_path, "with=50") == changed


def test_an_effect_of_nothing_changes_nothing(tmp_path: Path) -> None:
    assert without_ids(simulated(tmp_path, "with=0")) == without_ids(simulated(tmp_path))


@pytest.mark.parametrize(
    ("more", "effect", "words"),
    [
        ({}, "without=20", "with one of as-ever, with"),
        ({}, "with=twenty", "VARIANT=PERCENT"),
        ({}, "with=-100", "above -100"),
        ({"percent": 50}, "with=20", "of all users is needed"),
        ({"starts_at": None}, "with=20", "with starts_at"),
        ({"variants": []}, "with=20", "variants should be a list"),
    ],
)
def test_what_is_no_effect_on_an_experiment_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], more: dict[str, Any], effect: str, words: str
) -> None:
    given = ["--experiment", str(experiment_file(tmp_path, **more)), "--effect", effect]
    assert main(["simulate", "--out", str(tmp_path / "e.csv"), *given]) == exits.DO_NOT_TRY_AGAIN
    assert words in capfd.readouterr().err
    assert not (tmp_path / "e.csv").exists()


def test_an_effect_without_an_experiment_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--out", str(tmp_path / "e.csv"), "--effect", "with=20"]) == exits.DO_NOT_TRY_AGAIN
    assert "go together" in capfd.readouterr().err


def test_the_names_of_users_are_as_long_as_the_store_needs() -> None:
    assert [Recipe(users).user_id(7) for users in (10, 1_000_000)] == ["u-000007", "u-0000007"]
