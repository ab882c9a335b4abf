"""Peers, beside figures that were worked out by hand or computed in another way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recommendation.evaluation import peers
from recommendation.evaluation.data import random_split
from recommendation.evaluation.peer_search import ease_candidates, inner_split, searched
from recommendation.evaluation.peers import Ease, Rp3Beta
from recommendation.evaluation.rankers import Filled, Popularity
from recommendation.matrix.matrix import InteractionMatrix


def store(users: int = 60, games: int = 30, seed: int = 0) -> InteractionMatrix:
    rng = np.random.default_rng(seed)
    rows = [(user, game) for user in range(users) for game in rng.choice(games, 8, replace=False)]
    return InteractionMatrix.from_pairs(
        [f"u{u:02}" for u, _ in rows], [f"g{g:02}" for _, g in rows], np.ones(len(rows))
    )


def test_walks_lead_to_games_of_users_with_a_game_in_common() -> None:
    """
    u has a; v has a and b; w has a, b and c. From a a step leads to each user with 1/3, from v to b with 1/2, from w to
    b and c with 1/3 each: b 1/6 + 1/9, c 1/9.
    """
    pairs = [("u", "a"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "b"), ("w", "c"), ("x", "d")]
    matrix = InteractionMatrix.from_pairs([u for u, _ in pairs], [g for _, g in pairs], np.ones(len(pairs)))
    lists = Rp3Beta(alpha=1.0, beta=0.0).rank(matrix, np.array([0, 3]), 4)
    assert lists.tolist() == [[1, 2, -1, -1], [-1, -1, -1, -1]]
    # With a large power of the number of users (b has two, c one) the walk rather ends at c.
    assert Rp3Beta(alpha=1.0, beta=3.0).rank(matrix, np.array([0]), 2).tolist() == [[2, 1]]
    assert Rp3Beta(1, alpha=1.0, beta=0.0).rank(matrix, np.array([0]), 2).tolist() == [[1, -1]]


def test_walks_agree_with_dense_products() -> None:
    matrix = store()
    dense = np.zeros(matrix.shape)
    dense[matrix.user_rows, matrix.indices] = 1.0
    step = (dense / dense.sum(axis=1, keepdims=True)) ** 0.7
    back = (dense.T / dense.sum(axis=0)[:, None]) ** 0.7
    walks = back @ step * dense.sum(axis=0) ** -0.4
    np.fill_diagonal(walks, 0.0)
    scores = np.where(dense > 0, -np.inf, dense @ walks)
    lists = Rp3Beta(1000, 0.7, 0.4).rank(matrix, np.arange(60), 5)
    for user, listed in enumerate(lists):
        assert scores[user, listed].tolist() == pytest.approx(np.sort(scores[user])[::-1][:5].tolist(), rel=1e-5)


def test_ease_agrees_with_a_dense_inverse() -> None:
    matrix = store()
    dense = np.zeros(matrix.shape)
    dense[matrix.user_rows, matrix.indices] = 1.0
    inverse = np.linalg.inv(dense.T @ dense + 50.0 * np.eye(len(matrix.games)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    scores = np.where(dense > 0, -np.inf, dense @ weights)
    lists = Ease(50.0).rank(matrix, np.arange(60), 5)
    assert (lists >= 0).all()
    for user, listed in enumerate(lists):
        assert scores[user, listed].tolist() == pytest.approx(np.sort(scores[user])[::-1][:5].tolist(), rel=1e-3)


def test_short_lists_are_filled_with_popular_games() -> None:
    matrix = store()
    users = np.arange(5)
    filled = Filled(Rp3Beta(1)).rank(matrix, users, 20)
    assert (filled >= 0).all()
    own = [set(matrix.row(user)[0].tolist()) for user in users]
    assert all(not own[user] & set(listed) and len(set(listed)) == 20 for user, listed in enumerate(filled.tolist()))


def test_a_search_takes_the_best_by_the_split_it_is_given() -> None:
    matrix = store()
    inner = inner_split(replace(matrix, times=np.arange(matrix.pairs)), 1, last=True)
    assert inner.held_out.pairs == 60
    inner = inner_split(matrix, 1, last=False)
    assert inner.held_out.pairs == random_split(matrix, 1).held_out.pairs == 120
    assert searched([Popularity(), Rp3Beta(20)], inner) in (Popularity(), Rp3Beta(20))


def test_where_all_scores_are_equal_one_weighting_is_tried() -> None:
    assert {one.weighting for one in ease_candidates(store())} == {"binary"}
    scored = replace(store(), scores=np.arange(1, 481, dtype=np.float32))
    assert {one.weighting for one in ease_candidates(scored)} == {"binary", "log"}


@pytest.mark.parametrize(("most", "taken", "fits"), [("100000000", "60000000", False), ("max", "60000000", True)])
def test_ease_counts_what_a_container_has_taken_already(
    most: str, taken: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text(f"{taken}\n")
    monkeypatch.setattr(peers, "CGROUP", tmp_path)
    assert peers.ease_fits(1000) is fits  # 28 MB in half of what is free
