import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.engine.ranking import top_n


def brute_force(scores: np.ndarray, n: int) -> list[list[int]]:
    lists = []
    for row in scores:
        finite = [game for game in range(len(row)) if np.isfinite(row[game])]
        lists.append(sorted(finite, key=lambda game, row=row: (-row[game], game))[:n])
    return lists


def ranked(scores: np.ndarray, n: int) -> list[list[int]]:
    block = top_n(scores.copy(), n, lambda users, candidates: scores[users[:, None], candidates])
    return [[row for row in rows.tolist() if row >= 0] for rows in block.rows]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3000), st.integers(1, 60), st.integers(2, 400))
def test_lists_equal_a_full_sort_with_many_ties_and_many_hidden(seed, users, games, n, levels) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels, (users, games)).astype(np.float32) / levels
    scores[rng.random((users, games)) < rng.random()] = -np.inf
    assert ranked(scores, n) == brute_force(scores, n)


def test_scores_that_are_not_finite_are_never_listed() -> None:
    for games in (4, 5000):
        scores = np.full((1, games), -np.inf, np.float32)
        scores[0, :4] = [np.nan, np.inf, -np.inf, 1.0]
        assert ranked(scores, 3) == [[3]]


def test_the_exact_score_decides_where_the_approximate_one_errs() -> None:
    approximate = np.zeros((1, 3000), np.float32)
    approximate[0, :2] = [1.0, 1.0 + 1e-6]
    exact = approximate.copy()
    exact[0, :2] = [1.0 + 1e-6, 1.0]
    block = top_n(approximate, 1, lambda users, candidates: exact[users[:, None], candidates])
    assert block.rows.tolist() == [[0]]
