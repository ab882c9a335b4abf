import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from recommendation.engine import strongest
from recommendation.engine.residual import GROUP, best_first, reached
from recommendation.matrix.parts import MatrixParts
from recommendation.matrix.vocabulary import Vocabulary


def dense_residual(weights: np.ndarray, singular: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    left = weights.T @ weights - (vectors * singular**2) @ vectors.T
    np.fill_diagonal(left, 0.0)
    return left


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("cells", [100, 10**7])
def test_the_strongest_are_those_of_the_whole_residual_however_it_is_cut(
    cells: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strongest, "BLOCK_CELLS", cells)
    rng = np.random.default_rng(1)
    weights = (rng.random((300, 150)) * (rng.random((300, 150)) < 0.1)).astype(np.float32)
    _, singular, vectors = np.linalg.svd(weights, full_matrices=False)
    singular, vectors = singular[:5].astype(np.float64), np.ascontiguousarray(vectors[:5].T)
    games = Vocabulary.from_ids(f"g{game:03}" for game in range(150))
    parts = MatrixParts([csr_array(some) for some in np.array_split(weights, count)], games)
    found = strongest.strongest(parts, singular, vectors, 7)
    whole = dense_residual(weights.astype(np.float64), singular, vectors)
    assert np.bincount(found.targets).tolist() == [7] * 150
    assert found.values == pytest.approx(whole[found.sources, found.targets], rel=1e-3, abs=1e-4)
    for target in range(150):
        weakest = np.abs(found.values[found.targets == target]).min()
        assert weakest >= np.sort(np.abs(whole[:, target]))[-7] - 1e-4


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 20), st.integers(1, 40), st.integers(1, 50))
def test_what_reaches_the_bar_holds_the_best_of_each_row(
    seed: int, rows: int, groups: int, n: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.integers(-levels, levels, (rows, groups * GROUP)) / levels).astype(np.float32)
    bar = reached(values, n)
    who, columns = np.nonzero(values >= bar[:, None])
    kept = best_first(rows, n, who, columns, values[who, columns])
    for row in range(rows):
        order = sorted(range(values.shape[1]), key=lambda column, row=row: (-values[row, column], column))[:n]
        assert kept[row, : len(order)].tolist() == order
        assert np.all(kept[row, len(order) :] == -1)
