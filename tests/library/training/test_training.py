"""What data scientists and release managers rely on, from the store through training to what readers are shown."""

from __future__ import annotations

import asyncio
import shutil
import threading
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from shops import LONG_AGO, Api, Shop

from recommendation.clock import SteadyClock, rfc3339, utc_now
from recommendation.database.tables import model_artifacts, user_game_interactions, user_lists
from recommendation.engine.settings import EngineSettings
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.settings import Settings
from recommendation.training import models
from recommendation_jobs import train as train_job
from recommendation_jobs.evaluation.reading import Columns, read_csv
from stores import random_store

USERS = 120
FEW = EngineSettings(components=8, min_interactions=2)


def user(number: int) -> str:
    return f"u{number:04}"


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Shop]:
    settings = Settings(
        database_url=database_url, model_path=tmp_path / "models" / "cf.pkl", training="queued", engine=FEW
    )
    opened = Shop(settings)
    opened.fill(random_store(1, USERS))
    yield opened
    opened.database.close()


pytestmark = pytest.mark.xdist_group("trained store")  # what the fixtures of the module cost is paid once


@pytest.fixture(scope="module")
def play_hours(test_data: Path) -> InteractionMatrix:
    """Real play hours; games numbered, as their titles are no ids."""
    found = read_csv(test_data / "steam-play.csv.gz", Columns())
    games = [f"g{row}" for row in found.indices.tolist()]
    return InteractionMatrix.from_pairs(found.users.ids(found.user_rows), games, found.scores)


@pytest.fixture(scope="module")
def trained_file(
    play_hours: InteractionMatrix, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A database of real play hours with a model that passed the gate, and a list for every user."""
    path = tmp_path_factory.mktemp("steam") / "app.db"
    shutil.copy(sqlite_template, path)
    shop = Shop(Settings(database_url=f"sqlite:///{path}", model_path=path.with_name("cf.pkl")))
    shop.fill(play_hours)
    outcome = shop.train()
    assert outcome.state == "succeeded", outcome.detail
    shop.regenerate()
    shop.database.close()
    return path


@pytest.fixture
def steam(trained_file: Path, tmp_path: Path) -> Iterator[Shop]:
    """A copy of that database, to do with as a test likes."""
    shutil.copy(trained_file, tmp_path / "steam.db")
    shop = Shop(Settings(database_url=f"sqlite:///{tmp_path / 'steam.db'}", model_path=tmp_path / "cf.pkl"))
    yield shop
    shop.database.close()


def spoiled(matrix: InteractionMatrix) -> InteractionMatrix:
    """Game ids permuted independently among rows: every game as popular as before, no taste left."""
    rows = np.random.default_rng(0).permutation(matrix.indices)
    return InteractionMatrix.from_codes(matrix.users, matrix.games, matrix.user_rows, rows, matrix.scores)


def test_a_training_on_spoiled_data_is_rejected_and_model_and_lists_stay(
    steam: Shop, play_hours: InteractionMatrix, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = steam.rows(user_lists)
    with steam.database.reading() as connection:
        live = models.live_version(connection)
    steam.fill(spoiled(play_hours))
    assert train_job.run(Namespace(run=None, accept=None, regenerate=True), steam.settings, steam.database) == 0
    assert "training rejected: structure: 1.0" in capsys.readouterr().out
    with steam.database.reading() as connection:
        assert models.live_version(connection) == live
        assert [row.version for row in models.all_models(connection)] == [live]
    assert steam.rows(user_lists) == lists
    assert [path.name for path in steam.settings.model_path.parent.glob("cf.v*.pkl")] == [f"cf.{live}.pkl"]


def test_an_announced_game_stands_in_its_neighbours_owners_lists_and_in_no_other_top_ten(
    steam: Shop, play_hours: InteractionMatrix
) -> None:
    by_users = np.argsort(-play_hours.pairs_per_game(), kind="stable")
    neighbours = play_hours.games.ids(by_users[[40, 200]])
    owned = np.isin(play_hours.indices, by_users[[40, 200]])
    owners = set(play_hours.users.ids(play_hours.user_rows[owned]))
    with steam.app() as api:
        api.call("PUT", "/games", {"game_id": "release", "similar_to": neighbours})
    assert steam.regenerate().state == "succeeded"
    lists = steam.lists()
    assert len(owners) > 100
    assert {name for name in owners if "release" not in lists[name]} == set()
    assert {name for name, listed in lists.items() if "release" in listed[:10]} <= owners


def test_a_promoted_older_version_serves_on_every_replica_and_no_list_of_the_withdrawn_one(shop: Shop) -> None:
    readers = [user(number) for number in range(0, USERS, 4)]
    old = shop.train().model_version
    shop.regenerate()
    with shop.app() as first, shop.app() as second:
        before = {name: first.shown(name) for name in readers}
        new = shop.train(components=3).model_version
        shop.regenerate()
        for api in (first, second):
            api.look()
            assert {api.shown(name)[0] for name in readers} == {new}
        assert shop.versions() == {new}

        promoted = first.call("POST", f"/models/{old}/promote")
        assert (promoted["live"], promoted["before"]) == (old, new)
        for api in (first, second):
            api.look()
            assert {name: api.shown(name) for name in readers} == before
        carried_out(first)
        found = second.get(f"/regenerations/{promoted['regeneration_id']}")
        assert (found["state"], found["model_version"], found["users_regenerated"]) == ("succeeded", old, USERS)
        assert shop.versions() == {old}
        assert {name: second.shown(name) for name in readers} == before
        shares = {row["version"]: row["list_share"] for row in second.get("/models")["models"]}
        assert shares == {old: 1.0, new: 0.0}


def carried_out(api: Api) -> None:
    """Wait for the processes that the app started."""

    async def ended() -> None:
        await asyncio.gather(*api.parts.trainer._regenerations.values())

    api.client.portal.call(ended)  # type: ignore[union-attr]


def test_a_reader_is_never_served_half_a_model(shop: Shop) -> None:
    versions = [str(shop.train(components=components).model_version) for components in (8, 3)]
    with shop.app() as api:
        whole = {}
        for version in versions:
            make_live(shop, api, version)
            whole[version] = {name: api.shown(name)[1] for name in map(user, range(10))}
        assert whole[versions[0]] != whole[versions[1]]
        done, torn, seen = threading.Event(), [], set()

        def read(name: str) -> None:
            while not done.is_set():
                version, listed = api.shown(name)
                seen.add(version)
                if listed != whole[str(version)][name]:
                    torn.append((version, listed))

        readers = [threading.Thread(target=read, args=(user(number),)) for number in range(3)]
        for reader in readers:
            reader.start()
        for turn in range(40):
            make_live(shop, api, versions[turn % 2])
        done.set()
        for reader in readers:
            reader.join()
        assert torn == []
        assert seen == set(versions)


def make_live(shop: Shop, api: Api, version: str) -> None:
    with shop.database.writing() as connection:
        models.promote(connection, version, shop.clock())
    api.look()


@pytest.mark.parametrize("half_life_days", [None, 30.0])
def test_contributions_sum_to_the_score_of_any_game_and_that_is_the_score_in_the_list(
    shop: Shop, half_life_days: float | None
) -> None:
    shop.settings = replace(shop.settings, half_life_days=half_life_days)
    fill_over_two_years(shop)
    shop.train()
    # A list that was made some days ago tells the scores of that day, and so does why.
    shop.clock = SteadyClock(lambda: utc_now() - timedelta(days=10))
    shop.regenerate()
    shown, path = 0, f"/user/{user(7)}"
    with shop.app() as api:
        listed = {item["game_id"]: item for item in api.get(path, limit=20)["items"]}
        for game in (f"g{number:04}" for number in range(60)):
            why = api.get(f"{path}/why", game_id=game)
            assert sum(part["contribution"] for part in why["contributions"]) == why["score"]
            assert game not in {part["game_id"] for part in why["contributions"]}
            if game in listed and listed[game]["source"] == "cf":
                shown += 1
                # Lists show six decimals.
                assert why["score"] == pytest.approx(listed[game]["score"], abs=1e-6)
                assert why["contributions"][0]["game_id"] == listed[game]["reason"]["because"]
    assert shown > 10


def test_a_drop_takes_at_most_its_slots_and_only_in_lists_that_have_its_games_anyway(shop: Shop) -> None:
    shop.settings = replace(shop.settings, list_length=5)
    shop.train()
    with shop.app() as api:
        api.call("PUT", "/drops/uid-1", drop(rfc3339(shop.clock()), slots=2, first_position=3))
        done = shop.regenerate("uid-1")
        assert len(done.release_seen()) == 3
        api.look()
        lists = shop.lists()
        placed = 0
        for name in map(user, range(USERS)):
            items = api.get(f"/user/{name}", limit=20)["items"]
            by_drop = [item for item in items if item["source"] == "drop"]
            due = [game for game in lists[name] if game.startswith("release")][:2]
            assert [(item["rank"], item["game_id"]) for item in by_drop] == list(enumerate(due, 3))
            placed += bool(due)
        assert 0 < placed < USERS

        api.call("DELETE", "/drops/uid-1")
        api.look()
        pages = [api.get(f"/user/{user(number)}", limit=20)["items"] for number in range(USERS)]
        assert "drop" not in {item["source"] for items in pages for item in items}


def drop(created_at: str, slots: int, first_position: int) -> dict[str, object]:
    return {
        "name": "autumn",
        "generation": 1,
        "games": [{"game_id": f"release-{near}", "similar_to": [f"g{near:04}"]} for near in (3, 11, 20)],
        "created_at": created_at,
        "placement": {"slots": slots, "first_position": first_position, "duration_days": 90},
    }


def fill_over_two_years(shop: Shop) -> None:
    """The same pairs, each with an age of its own."""
    matrix = random_store(1, USERS)
    days = np.random.default_rng(5).integers(0, 720, matrix.pairs).tolist()
    shop.fill(matrix, [LONG_AGO - timedelta(days=age) for age in days])


def test_a_half_life_changes_lists_and_leaves_the_stored_sums_alone(shop: Shop) -> None:
    fill_over_two_years(shop)
    sums = shop.rows(user_game_interactions)
    shop.train(weighting="log")  # what counts 1 however much it was does not fade either
    shop.regenerate()
    plain = shop.lists()
    with shop.app() as api:
        read = [api.shown(user(number)) for number in range(10)]
    shop.settings = replace(shop.settings, half_life_days=30.0)
    shop.regenerate()
    aged = shop.lists()
    assert sum(aged[name] != plain[name] for name in plain) > USERS / 2
    assert aged.keys() == plain.keys()
    with shop.app() as api:
        assert [api.shown(user(number)) for number in range(10)] != read
    shop.train()
    with shop.database.reading() as connection:
        newest, before = (models.artifact(connection, row.version) for row in models.all_models(connection))
    assert newest != before
    assert shop.rows(user_game_interactions) == sums


def test_only_the_last_versions_are_kept_in_the_database_and_as_files(shop: Shop) -> None:
    shop.settings = replace(shop.settings, models_kept=3)
    made = [str(shop.train(components=2 + turn).model_version) for turn in range(5)]
    path = shop.settings.model_path
    assert {row.version for row in shop.rows(model_artifacts)} == set(made[-3:])
    assert {file.name for file in path.parent.iterdir()} == {path.name, *(f"cf.{version}.pkl" for version in made[-3:])}
    assert path.read_bytes() == path.with_name(f"cf.{made[-1]}.pkl").read_bytes()
    assert all(int(old[1:]) < int(new[1:]) for old, new in pairwise(made))


def test_a_version_that_was_promoted_back_outlives_younger_ones(shop: Shop) -> None:
    shop.settings = replace(shop.settings, models_kept=2)
    made = [str(shop.train(components=2 + turn).model_version) for turn in range(2)]
    with shop.database.writing() as connection:
        models.promote(connection, made[0], shop.clock())
        assert models.prune_models(connection, 2, shop.clock()) == []
        assert models.prune_models(connection, 1, shop.clock()) == [made[1]]
        assert models.live_version(connection) == made[0]


def test_a_small_shop_goes_live_and_says_that_the_gate_was_skipped(shop: Shop) -> None:
    assert shop.train().state == "succeeded"
    with shop.database.reading() as connection:
        quality = models.all_models(connection)[0].quality
    assert quality["gate"]["state"] == "skipped"
    assert quality["gate"]["reason"].startswith("gate: skipped, too few to judge")


def test_the_budget_of_the_gate_is_a_setting_and_popularity_is_the_only_bar_of_a_first_model(
    play_hours: InteractionMatrix, sqlite_url: str, tmp_path: Path
) -> None:
    # Games that hardly anyone has come first: on play hours that is worse than popular games for all.
    powers = {"popularity_power": 1.5, "tail_power": 0.0}
    rare = EngineSettings(128, 5, neighbours=0, weighting="binary", ridge=1e-6, link_share=0.0, **powers)
    shop = Shop(Settings(database_url=sqlite_url, model_path=tmp_path / "cf.pkl", engine=rare))
    shop.fill(play_hours)
    first = shop.train()
    assert (first.state, first.reason) == ("rejected", "quality")
    assert "below popularity" in str(first.detail)
    assert "--accept REASON" in str(first.detail)
    shop.settings = replace(shop.settings, gate_budget=1.0)
    # The rejected candidate used up no number.
    assert [shop.train().model_version for _ in range(2)] == ["v1", "v2"]
    shop.settings = replace(shop.settings, gate_budget=0.05)
    assert shop.train().state == "rejected"
    assert shop.train_accepting("only this store").model_version == "v3"
    with shop.database.reading() as connection:
        row = models.live_row(connection)
    assert row is not None
    assert (row.quality["gate"]["state"], row.quality["accepted"]) == ("rejected", "only this store")
    shop.database.close()


def test_spoilt_data_trains_no_first_model_and_says_which_guard_until_a_reason_is_given(
    play_hours: InteractionMatrix, sqlite_url: str, tmp_path: Path
) -> None:
    some = play_hours.of_users(np.arange(1500))
    users = [*some.users.ids(some.user_rows), *(f"bot{n}" for n in range(300) for _ in range(8))]
    games = [*some.games.ids(some.indices), *(f"g{n}" for _ in range(300) for n in range(8))]
    shop = Shop(Settings(database_url=sqlite_url, model_path=tmp_path / "cf.pkl", engine=FEW))
    shop.fill(InteractionMatrix.from_pairs(users, games, np.ones(len(users))))
    first = shop.train()
    assert (first.state, first.reason) == ("rejected", "data")
    assert "same histories" in str(first.detail)
    assert "--accept REASON" in str(first.detail)
    with shop.database.reading() as connection:
        assert models.live_row(connection) is None
    assert shop.train_accepting("a test of bots").state == "succeeded"
    with shop.database.reading() as connection:
        row = models.live_row(connection)
    assert row is not None
    assert row.quality["accepted"] == "a test of bots"
    assert row.quality["against"][0].startswith("same histories")
    assert row.quality["data"]["accepted_alike"] == row.quality["data"]["alike"] > 0.05
    assert shop.train().reason != "data"
    shop.database.close()


def test_a_training_in_parts_makes_the_model_of_a_training_in_one(shop: Shop) -> None:
    shop.fill(random_store(1, 600, games=80))
    made = []
    for bound, count in ((10**6, 8), (0, 8), (0, 8), (0, 3)):
        shop.settings = replace(shop.settings, training_partitioned_from=bound, training_partitions=count)
        outcome = shop.train()
        assert outcome.state == "succeeded", outcome.detail
        with shop.database.reading() as connection:
            row = models.live_row(connection)
            made.append((row, models.load_model(connection, row.version, 2**30).model))
    whole, *cut = (model for _, model in made)
    assert [model.decision["parts"] for _, model in made] == [1, 8, 8, 3]
    assert np.array_equal(cut[0].factors, cut[1].factors)
    assert np.array_equal(cut[0].links.strengths, cut[1].links.strengths)
    for model in cut:
        assert model.decision["chosen"] == whole.decision["chosen"]
        assert model.input_scales == pytest.approx(whole.input_scales, rel=1e-6)
        assert model.pairs.tolist() == whole.pairs.tolist()
    facts = [(row.users, row.games, row.pairs, row.quality["data"], row.quality["gate"]["users"]) for row, _ in made]
    assert all(fact == facts[0] for fact in facts)
