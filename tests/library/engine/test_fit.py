import numpy as np
import pytest

from recommendation.engine import decomposition
from recommendation.engine.decomposition import UnusableFactors
from recommendation.engine.fit import fit
from recommendation.engine.settings import EngineSettings
from recommendation.errors import InsufficientData, SettingsError
from recommendation.matrix.matrix import InteractionMatrix
from stores import checkerboard, fitted, random_store


def test_two_trainings_on_the_same_data_give_equal_models() -> None:
    one, other = fitted(random_store(1)), fitted(random_store(1))
    assert np.array_equal(one.factors, other.factors)
    assert np.array_equal(one.output_scales, other.output_scales)
    assert np.array_equal(one.links.strengths, other.links.strengths)
    assert one.entry_score == other.entry_score


def test_components_are_bounded_by_users_and_games() -> None:
    assert fitted(random_store(1, users=30, games=12), components=40).components == 11
    assert fitted(checkerboard(users=8, games=20), components=40).components == 7


def test_data_that_bears_fewer_than_two_components_is_insufficient() -> None:
    matrix = InteractionMatrix.from_pairs(["u", "u", "v", "w"], ["a", "b", "a", "b"], np.ones(4))
    with pytest.raises(InsufficientData, match="3 users and 2 games"):
        fit(matrix, EngineSettings(min_interactions=1))


def test_an_empty_matrix_is_insufficient() -> None:
    with pytest.raises(InsufficientData):
        fit(InteractionMatrix.from_pairs([], [], []), EngineSettings())


def test_factors_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenSvd(decomposition.TruncatedSVD):
        def fit(self, *arguments):
            super().fit(*arguments)
            self.components_[0, 0] = np.nan
            return self

    monkeypatch.setattr(decomposition, "TruncatedSVD", BrokenSvd)
    with pytest.raises(UnusableFactors):
        fitted(random_store(1))


def test_scores_may_be_of_any_unit_when_only_touching_counts() -> None:
    matrix = random_store(2)
    settings = EngineSettings(components=8, min_interactions=1, weighting="binary")
    louder = InteractionMatrix(matrix.users, matrix.games, matrix.indptr, matrix.indices, matrix.scores * 1000)
    assert np.array_equal(fit(matrix, settings).factors, fit(louder, settings).factors)


@pytest.mark.parametrize(
    "wrong",
    [
        {"components": 1},
        {"min_interactions": 0},
        {"weighting": "raw"},
        {"ridge": 0.0},
        {"ridge": float("nan")},
        {"link_share": -1.0},
        {"neighbours": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        EngineSettings(**wrong)
