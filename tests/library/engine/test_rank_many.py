from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.engine.model import Model
from recommendation.engine.rank_many import MOST_USERS, BatchRanker, RankingBlock, recommend_batch
from recommendation.engine.sparse import SparseLinks
from recommendation.matrix.vocabulary import Vocabulary

TASTER = 0
"""Row of the one game that users have here: its factor is 1, so that a game's factor is its score."""


def model_of(factors: np.ndarray) -> Model:
    games = len(factors)
    ones = np.ones(games, np.float32)
    return Model(
        games=Vocabulary.from_ids(f"g{row:06}" for row in range(games)),
        factors=factors.astype(np.float32).reshape(games, -1),
        input_scales=ones,
        output_scales=ones,
        links=SparseLinks.none(games),
        pairs=np.ones(games, np.int32),
        entry_score=1.0,
        weighting="binary",
        user_power=0.0,
        ridge=1.0,
        link_share=0.0,
    )


def ranked(model: Model, hidden: list[np.ndarray], n: int) -> RankingBlock:
    users = len(hidden)
    starts = np.cumsum([0, *map(len, hidden)])
    rows = np.full(users, TASTER)
    return recommend_batch(model, np.arange(users + 1), rows, np.ones(users), starts, np.concatenate(hidden), n)


def brute_force(scores: np.ndarray, hidden: np.ndarray, n: int) -> list[int]:
    listed = np.setdiff1d(np.arange(len(scores)), hidden)
    return sorted(listed.tolist(), key=lambda game: (-scores[game], game))[:n]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 3000), st.integers(1, 60), st.integers(2, 400))
def test_lists_equal_a_full_sort_with_many_ties_and_many_hidden(seed, users, games, n, levels) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.integers(-levels, levels, games).astype(np.float32) / np.float32(levels)
    factors[TASTER] = 1.0
    hidden = [np.append(np.flatnonzero(rng.random(games) < rng.random()), TASTER) for _ in range(users)]
    block = ranked(model_of(factors), hidden, n)
    for rows, away in zip(block.rows, hidden, strict=True):
        assert [row for row in rows.tolist() if row >= 0] == brute_force(factors, away, n)


def test_a_game_hidden_from_all_stands_in_no_list_and_the_others_move_up() -> None:
    model = model_of(np.linspace(1, 0, 5000))
    histories = model.fold_in(np.arange(4), np.full(3, TASTER, np.int32), np.ones(3))
    block = RankingBlock.empty(3, 3)
    ranker = BatchRanker(model, np.array([1, 3, -1, TASTER], np.int32))
    ranker.rank(histories, np.zeros(4, np.int64), np.zeros(0, np.int32), block, reasons=True)
    assert block.rows.tolist() == [[2, 4, 5]] * 3


def test_the_exact_score_decides_where_the_float32_product_errs() -> None:
    """A large component that cancels out leaves the product wrong by more than two games differ."""
    rng = np.random.default_rng(1)
    factors = rng.standard_normal((3000, 40)) * 1e3
    factors[:, -1] = rng.random(3000) * 1e-3
    factors[TASTER] = 1.0
    factors[:, :-1] -= factors[:, :-1].mean(axis=1, keepdims=True)
    model = model_of(factors)
    block = ranked(model, [np.array([TASTER])], 50)
    taste = model.factors[TASTER].astype(np.float64)
    exact = (model.factors * taste).sum(axis=1).astype(np.float32)
    assert block.rows[0].tolist() == brute_force(exact, np.array([TASTER]), 50)


def test_threads_that_share_a_ranker_each_get_what_one_alone_gets() -> None:
    rng = np.random.default_rng(2)
    users, games, n = 2 * MOST_USERS + 7, 300, 10
    model = replace(model_of(rng.standard_normal((games, 4))), user_power=0.5)
    sizes = rng.integers(0, 6, users)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.concatenate([rng.choice(games, size, replace=False) for size in sizes]).astype(np.int32)
    one = recommend_batch(model, indptr, rows, np.ones(len(rows)), indptr, rows, n)
    ranker, own = BatchRanker(model), model.fold_in(indptr, rows, np.ones(len(rows)))
    blocks = [RankingBlock.empty(users, n) for _ in range(6)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda block: ranker.rank(own, indptr, rows, block, reasons=True), blocks))
    for block in blocks:
        assert np.array_equal(one.rows, block.rows)
        assert np.array_equal(one.scores, block.scores)
        assert np.array_equal(one.because, block.because)


def test_a_ranker_gives_the_same_lists_every_time_it_is_used() -> None:
    model = model_of(np.random.default_rng(3).standard_normal((200, 3)))
    ranker, found = BatchRanker(model), []
    for _ in range(2):
        block = RankingBlock.empty(2, 5)
        own = model.fold_in(np.array([0, 2, 3]), np.array([4, 9, 4], np.int32), np.ones(3))
        ranker.rank(own, np.array([0, 1, 1]), np.array([4], np.int32), block, reasons=True)
        found.append(block)
    assert np.array_equal(found[0].rows, found[1].rows)
    assert np.array_equal(found[0].scores, found[1].scores)
