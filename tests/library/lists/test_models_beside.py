"""Views of several models: who is ranked by which, and what is done where a model is not at hand."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shop import START, checkerboard, event, publish_bytes, send, trained
from sqlalchemy import text

from recommendation.catalogue.games import parse_change
from recommendation.catalogue.store import put_games
from recommendation.database.database import Database
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.store import delete_experiment, put_experiment
from recommendation.lists.models_at_hand import ModelsAtHand
from recommendation.lists.own_view import own_view
from recommendation.lists.page import ActiveList, active_list
from recommendation.lists.personal import ListSettings
from recommendation.lists.reads import read_users
from recommendation.lists.sources import PageRequest
from recommendation.lists.view import StoreView
from recommendation.lists.view_store import ViewLoader
from recommendation.lists.why import explain
from recommendation.training import models

MINUTE = timedelta(minutes=1)
LIST = ListSettings(10)


def begin(database: Database, version: str, name: str = "models") -> None:
    """Let everyone's list be ranked by a version."""
    variants = (Variant("other", 100, model_version=version),)
    with database.writing() as connection:
        put_experiment(connection, name, lambda _: Experiment(name, variants, START), START)


def two_models(database: Database, folder: Path) -> tuple[str, str]:
    """Train twice; between the trainings the odd users turn to even games too, so that the models differ."""
    checkerboard(database)
    first = str(trained(database, folder).model_version)
    send(database, [event(f"u{user:02}", f"g{game:02}") for user in range(1, 16, 2) for game in range(0, 8, 2)])
    second = str(trained(database, folder).model_version)
    return first, second


def loaded(database: Database, loader: ViewLoader, minutes: int = 0) -> StoreView:
    with database.reading() as connection:
        return loader.load(connection, START + minutes * MINUTE)


def page(database: Database, view: StoreView, user: str, minutes: int = 0) -> ActiveList:
    with database.reading() as connection:
        (state,) = read_users(connection, [user], with_times=True).values()
    return active_list(state, view, PageRequest(5), LIST, True, START + minutes * MINUTE)


def test_a_user_of_the_variant_gets_what_all_would_get_were_its_model_live(database: Database, tmp_path: Path) -> None:
    first, second = two_models(database, tmp_path)
    plain = page(database, loaded(database, ViewLoader(2**30)), "u01")
    assert plain.model_version == second
    begin(database, first)
    loader = ViewLoader(2**30)
    found = page(database, loaded(database, loader), "u01")
    assert (found.model_version, found.was_folded_in, found.treatment.falls_back) == (first, True, False)
    with database.writing() as connection:
        models.promote(connection, first, START)
    promoted = page(database, loaded(database, loader), "u01")
    assert promoted.items == found.items != plain.items
    assert loader.view.beside == {}, "the live model is not held twice"
    with database.writing() as connection:
        models.promote(connection, second, START)
    assert page(database, loaded(database, loader), "u01").items == found.items
    assert loader.view.live is not None
    assert loader.view.live.version == second


def test_why_is_told_by_the_model_that_ranks(database: Database, tmp_path: Path) -> None:
    first, second = two_models(database, tmp_path)
    begin(database, first)
    view = loaded(database, ViewLoader(2**30))
    with database.reading() as connection:
        (state,) = read_users(connection, ["u01"], with_times=True).values()
    item = page(database, view, "u01").items[0]
    told = explain(state, view, LIST, item.game_id, START, True)
    assert told is not None
    assert (told.model_version, told.rank) == (first, 1)
    assert told.score == pytest.approx(item.score, abs=1e-6)
    assert sum(part["contribution"] for part in told.contributions) == pytest.approx(item.score, abs=1e-6)
    live = explain(state, replace(view, experiments=()), LIST, item.game_id, START, True)
    assert live is not None
    assert (live.model_version, live.score) != (first, told.score)
    assert second != first


@pytest.mark.parametrize("harm", ["gone", "half", "never there"])
def test_where_the_model_is_not_at_hand_the_live_one_serves_and_the_list_says_so(
    harm: str, database: Database, tmp_path: Path
) -> None:
    first, second = two_models(database, tmp_path)
    plain = page(database, loaded(database, ViewLoader(2**30)), "u01")
    begin(database, "v99" if harm == "never there" else first)
    with database.writing() as connection:
        whole = models.artifact(connection, first)
        if harm == "gone":
            connection.execute(text("DELETE FROM model_artifacts WHERE version = :v"), {"v": first})
        if harm == "half":
            change = text("UPDATE model_artifacts SET artifact = :data WHERE version = :v")
            connection.execute(change, {"v": first, "data": bytes(whole[: len(whole) // 2])})
    loader = ViewLoader(2**30)
    found = page(database, loaded(database, loader), "u01")
    assert (found.items, found.model_version) == (plain.items, second)
    assert found.treatment.as_json() == [{"experiment": "models", "variant": "other", "fallback": "live_model"}]
    assert list(loader.refused_beside) == ["v99" if harm == "never there" else first]
    assert loader.refused is None
    if harm == "half":
        edition = loader.view.edition
        with database.writing() as connection:
            connection.execute(change, {"v": first, "data": bytes(whole)})
        assert loaded(database, loader, 2).beside.keys() == {first}
        assert loader.view.edition == edition + 1, "pages that were kept of the live model are outdated"
        assert page(database, loader.view, "u01", 2).treatment.falls_back is False


def test_a_refused_live_model_leaves_the_last_good_one_which_an_experiment_may_name(
    database: Database, tmp_path: Path
) -> None:
    first, _ = two_models(database, tmp_path)
    with database.writing() as connection:
        models.promote(connection, first, START)
    loader = ViewLoader(2**30)
    loaded(database, loader)
    with database.writing() as connection:
        publish_bytes(connection, b"no model")
    begin(database, first)
    view = loaded(database, loader)
    assert view.live is not None
    assert (view.live.version, loader.refused is None, dict(loader.refused_beside)) == (first, False, {})
    assert own_view(view, "u01", START)[1].falls_back is False


def test_models_go_with_their_experiment_and_no_two_more_are_ever_held(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_models(database, tmp_path)
    with database.writing() as connection:
        third = publish_bytes(connection, models.artifact(connection, second))
    begin(database, first)
    loader = ViewLoader(2**30)
    loaded(database, loader)
    with database.writing() as connection:
        delete_experiment(connection, "models", START)
    begin(database, second)
    held: list[Any] = []
    take_up = loader._models.take_up

    def noting(*arguments: Any) -> None:
        held.append((set(loader._models._bases), set(loader.view.beside)))
        take_up(*arguments)

    monkeypatch.setattr(loader._models, "take_up", noting)
    assert loaded(database, loader).beside.keys() == {second}
    assert held == [({third}, set())], "what is not wanted any more goes before another is loaded"


def test_the_view_that_serves_while_models_are_loaded_is_ready_for_readers(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two_models(database, tmp_path)
    begin(database, first)
    loader = ViewLoader(2**30)
    worked_out = set(vars(loaded(database, loader)))
    with database.writing() as connection:
        delete_experiment(connection, "models", START)
    serving: list[StoreView] = []
    take_up = ModelsAtHand.take_up

    def looking(self: ModelsAtHand, *given: Any) -> None:
        serving.append(loader.view)
        take_up(self, *given)

    monkeypatch.setattr(ModelsAtHand, "take_up", looking)
    loaded(database, loader)
    assert serving[0].beside == {}
    assert set(vars(serving[0])) == worked_out


def test_pages_end_where_the_trend_of_any_of_the_models_does(database: Database, tmp_path: Path) -> None:
    first, _ = two_models(database, tmp_path)
    begin(database, first)
    view = loaded(database, ViewLoader(2**30))
    other = view.beside[first].live
    assert other is not None
    trend = np.zeros(len(other.model.games), np.float32)
    trending = replace(other, model=replace(other.model, trend=trend, trend_days=7))
    ends = other.created_at + timedelta(days=7)
    assert view.turns_after(ends - MINUTE) is None
    assert replace(view, beside={first: view.with_model(trending)}).turns_after(ends - MINUTE) == ends


def test_a_new_game_stands_in_the_lists_of_both_models(database: Database, tmp_path: Path) -> None:
    first, _ = two_models(database, tmp_path)
    begin(database, first)
    loader = ViewLoader(2**30)
    loaded(database, loader)
    with database.writing() as connection:
        put_games(connection, [parse_change({"game_id": "new", "similar_to": ["g01", "g03"]})], START)
    view = loaded(database, loader)
    for one in (view, view.beside[first]):
        assert one.live is not None
        assert "new" in one.live.model.games.all_ids
        assert one.catalogue is view.catalogue
        assert one.listed(START) is view.listed(START)
