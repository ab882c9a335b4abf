"""The library for notebooks: what it says is what the service shows and what `evaluate` measures."""

import csv
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from shops import Shop

import recommendation
from recommendation import notebook
from recommendation.engine.artifact import digest
from recommendation.errors import ArtifactRefused, InvalidInput, StoreUnavailable
from recommendation.evaluation import plots
from recommendation.evaluation.gate_users import GateRule
from recommendation.notebook import Dataset, EngineSettings, Model, evaluate, interactions, read_store
from recommendation.settings import Settings
from recommendation_jobs import evaluate as command
from stores import checkerboard, random_store

FEW = EngineSettings(components=4, min_interactions=1)


@pytest.fixture(scope="module")
def store() -> Dataset:
    matrix = random_store(1)
    return interactions(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), matrix.scores.tolist())


@pytest.fixture(scope="module")
def model(store: Dataset) -> Model:
    return Model.fit(store, FEW)


@pytest.fixture
def shop(sqlite_url: str, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(Settings(database_url=sqlite_url, model_path=tmp_path / "models" / "cf.pkl"))
    made.fill(checkerboard())
    made.train(components=4, min_interactions=1)
    yield made
    made.database.close()


def test_lists_are_those_that_the_service_stores(shop: Shop) -> None:
    shop.regenerate()
    data = read_store(shop.settings.database_url)
    live = Model.load(shop.settings.model_path)
    served = shop.lists()
    assert len(served) == 40
    assert {user: [item.game_id for item in live.recommend(data.history(user), 100)] for user in served} == served


def test_a_copy_of_a_model_is_known_by_its_version_and_its_digest(shop: Shop) -> None:
    path, published = shop.settings.model_path, shop.train(components=4, min_interactions=1)
    assert published.model_version is not None
    assert Model.load(path).version == published.model_version
    assert Model.load(path, digest(path.read_bytes())).game_ids == [f"g{number:03}" for number in range(20)]
    with pytest.raises(ArtifactRefused, match="SHA-256"):
        Model.load(path, "0" * 64)


def test_a_file_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "it-ran",)

    (tmp_path / "cf.pkl").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ArtifactRefused):
        Model.load(tmp_path / "cf.pkl")
    assert not (tmp_path / "it-ran").exists()


def test_contributions_sum_to_the_score_and_the_reason_adds_most(store: Dataset, model: Model) -> None:
    history = store.history("u0003")
    first = model.recommend(history, 1)[0]
    parts = model.explain(history, first.game_id)
    assert sum(part.contribution for part in parts) == pytest.approx(first.score, rel=1e-5)
    assert parts[0].game_id == first.because
    assert {part.game_id for part in parts} <= set(history)


def test_games_of_the_history_are_listed_only_where_others_are_hidden(store: Dataset, model: Model) -> None:
    history = store.history("u0003")
    best = model.recommend(history, 60)
    assert not {item.game_id for item in best} & set(history)
    hidden = best[0].game_id
    others = {item.game_id for item in model.recommend(history, 60, hidden=[hidden])}
    assert hidden not in others
    assert others & set(history)


def test_games_without_scores_count_one_each_and_an_unknown_history_gives_nothing(model: Model) -> None:
    assert model.recommend(["g0001", "g0002", "g0001"]) == model.recommend({"g0001": 1.0, "g0002": 1.0})
    assert model.recommend({"unheard-of": 5.0}) == []
    assert model.recommend([]) == []
    with pytest.raises(InvalidInput, match="several games"):
        model.recommend("g0001")


def test_similar_games_are_nearest_first_without_the_game_itself(model: Model) -> None:
    found = model.similar("g0001", 5)
    assert len(found) == 5
    assert [item.cosine for item in found] == sorted((item.cosine for item in found), reverse=True)
    assert "g0001" not in {item.game_id for item in found}
    for asks in (lambda: model.similar("unheard-of"), lambda: model.explain(["g0001"], "unheard-of")):
        with pytest.raises(InvalidInput, match="unheard-of"):
            asks()


def test_figures_are_those_of_the_command(store: Dataset, tmp_path: Path) -> None:
    matrix = store.matrix
    rows = zip(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), matrix.scores, strict=True)
    with (tmp_path / "store.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("user_id", "game_id", "score"), *rows])
    said = tmp_path / "said.json"
    arguments = ["--csv", str(tmp_path / "store.csv"), "--components", "4", "--min-interactions", "1"]
    assert command.main([*arguments, "--json", str(said)]) == 0
    result = evaluate(store, FEW)
    told = json.loads(said.read_text())
    assert result.measures == {"model": told["model"], "popularity": told["popularity"]}
    assert "popularity" in str(result)


def test_a_live_model_is_measured_on_users_who_entered_no_fit() -> None:
    matrix = random_store(2, users=400)
    learnt = [not GateRule().holds(user) for user in matrix.users.ids(matrix.user_rows)]
    store = Dataset(matrix)
    others = Dataset(matrix.only_pairs(learnt))  # type: ignore[arg-type]  # a list does for an array
    result = evaluate(store, FEW, live=Model.fit(others, FEW))
    assert result.measures["live"] == pytest.approx(result.measures["model"])
    users = [matrix.users.all_ids[row] for row in result.trial.split.users]
    assert users
    assert all(GateRule().holds(user) for user in users)


@pytest.mark.parametrize("wrong", [{"split": "by taste"}, {"k": 0}, {"split": "temporal"}])
def test_what_cannot_be_measured_is_refused(store: Dataset, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        evaluate(store, FEW, **wrong)  # type: ignore[arg-type]


def test_columns_of_different_lengths_and_what_is_no_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="different lengths"):
        interactions(["ann"], ["g1", "g2"])
    with pytest.raises(InvalidInput, match=r"not nan: number 1 of 3, counted from 0, and 1 more"):
        interactions(["ann"] * 3, ["g1", "g2", "g3"], times=[5.0, float("nan"), float("inf")])
    with pytest.raises(InvalidInput, match="seconds since 1970, not 1000"):
        interactions(["ann"], ["g1"], times=[1e13])
    with pytest.raises(StoreUnavailable, match="migrate"):
        read_store(f"sqlite:///{tmp_path / 'empty.db'}")


def test_a_model_that_lets_older_games_fade_asks_for_their_times(shop: Shop) -> None:
    data = read_store(shop.settings.database_url)
    user = data.matrix.users.all_ids[0]
    plain = Model.load(shop.settings.model_path)
    fading = Model(replace(plain.engine, recency=1.0))
    with pytest.raises(InvalidInput, match="times_of"):
        fading.recommend(data.history(user))
    with pytest.raises(InvalidInput, match="seconds since 1970, not nan"):
        fading.recommend(["g001"], times={"g001": float("nan")})
    order = {game: float(place) for place, game in enumerate(data.history(user))}
    listed = fading.recommend(data.history(user), times=order)[0]
    parts = fading.explain(data.history(user), listed.game_id, order)
    assert sum(part.contribution for part in parts) == pytest.approx(listed.score, rel=1e-5)
    assert parts != plain.explain(data.history(user), listed.game_id)
    assert set(data.times_of(user)) == set(data.history(user))


def test_times_are_the_last_of_each_pair() -> None:
    data = interactions(["ann", "ann"], ["g1", "g1"], [3, 1], [5.0, 4.0])
    assert data.history("ann") == {"g1": 4.0}
    assert data.history("bob") == {}
    assert data.times is not None
    assert data.times.tolist() == [5.0]


def test_plots_have_a_title_a_baseline_and_names_on_both_axes(store: Dataset) -> None:
    result = evaluate(store, FEW)
    for plot in (result.plot_length(), result.plot_places()):
        (axes,) = plot.figure.axes
        assert axes.get_title()
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        legend = axes.get_legend()
        assert legend is not None
        assert {"model", "popularity"} <= {text.get_text() for text in legend.get_texts()}
        assert plot._repr_png_().startswith(b"\x89PNG")


def test_a_plot_without_matplotlib_says_how_to_get_it(store: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    result = evaluate(store, FEW)
    monkeypatch.setattr(plots, "find_spec", lambda _name: None)
    with pytest.raises(InvalidInput, match=r"recommendation-service\[plots\]"):
        result.plot_length()


def test_without_its_extra_the_library_says_which_one() -> None:
    code = "import sys; sys.modules['numba'] = None; import recommendation.notebook"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs numba: pip install 'recommendation-service[jobs]'" in done.stderr.splitlines()[-1]


def test_what_is_public_exists_says_what_it_is_and_is_in_the_docs() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "notebooks.md").read_text()
    assert recommendation.__version__ == version("recommendation-service")
    assert recommendation.__all__ == ["__version__", "notebook"]
    for name in notebook.__all__:
        assert getattr(notebook, name).__doc__, name
        assert f"`{name}" in page, name


def test_the_library_alone_loads_nothing() -> None:
    code = "import recommendation, sys; print(recommendation.__version__, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [version("recommendation-service"), "False"]
