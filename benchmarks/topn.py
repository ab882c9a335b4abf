"""Lists of many users in memory, beside implicit and beside the bare matrix product."""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks import data
from benchmarks.harness import Result, Sizes, compare, seconds
from recommendation.engine.fit import fit
from recommendation.engine.model import Model
from recommendation.engine.rank_many import BatchRanker, RankingBlock
from recommendation.engine.settings import EngineSettings
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary

DEFAULT = {"users": 100_000, "games": 20_000, "components": 40, "n": 100, "per_user": 30.0}
QUICK = {**DEFAULT, "users": 2_048, "games": 2_000}
AT_ONCE = 1024
THREADS = 2


def run(sizes: Sizes, rounds: int) -> list[Result]:
    """Measure `topn`: users ranked a second, each side with two threads of its own, BLAS with one in each."""
    users, games = sizes["users"], sizes["games"]
    pairs = data.make_pairs(users, games, sizes["per_user"])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pairs.users, minlength=users))])
    rows, scores = pairs.games.astype(np.int32), pairs.scores / 1e6
    model = _fitted(pairs, indptr, sizes)
    tastes = _tastes(model, indptr, rows, scores)

    def rank() -> None:
        ranker = BatchRanker(model)

        def rank_block(start: int) -> None:
            stop = min(start + AT_ONCE, users)
            part = slice(indptr[start], indptr[stop])
            starts = indptr[start : stop + 1] - indptr[start]
            block = RankingBlock.empty(stop - start, sizes["n"])
            histories = model.fold_in(starts, rows[part], scores[part])
            ranker.rank(histories, starts, rows[part], block, reasons=False)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(rank_block, range(0, users, AT_ONCE)))

    products: list[float] = []

    def reference() -> float:
        products.append(users / seconds(lambda: _multiply(model, tastes)))
        return float(users / _implicit(pairs, model, tastes, sizes))

    result = compare("topn", ">= 2.5", "users/s", sizes, rounds, lambda: users / seconds(rank), reference)
    product = statistics.median(products)
    share = result.ours / product
    result.further.update(sgemm_users_per_s=round(product), of_sgemm=round(share, 3), of_sgemm_reached=share >= 0.5)
    return [result]


def _multiply(model: Model, tastes: np.ndarray) -> None:
    def work(start: int) -> None:
        tastes[start : start + 256] @ model.factors.T

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(0, len(tastes), 256)))


def _fitted(pairs: data.Pairs, indptr: np.ndarray, sizes: Sizes) -> Model:
    """What a fit of the pairs gives, links too, which the references do not have."""
    matrix = InteractionMatrix(
        users=Vocabulary.from_ids(map(data.user_name, range(sizes["users"]))),
        games=Vocabulary.from_ids(map(data.game_name, range(sizes["games"]))),
        indptr=indptr,
        indices=pairs.games.astype(np.int32),
        scores=(pairs.scores / 1e6).astype(np.float32),
    )
    return fit(matrix, EngineSettings(components=sizes["components"], min_interactions=1))


def _tastes(model: Model, indptr: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    own = model.fold_in(indptr, rows, scores)
    users = len(indptr) - 1
    amounts = csr_matrix((own.amounts, own.rows, own.indptr), shape=(users, len(model.games)))
    return np.ascontiguousarray(amounts @ model.factors, np.float32)


def _implicit(pairs: data.Pairs, model: Model, tastes: np.ndarray, sizes: Sizes) -> float:
    from implicit.cpu.topk import topk

    users, games = len(tastes), sizes["games"]
    seen = csr_matrix((np.ones(len(pairs.users), np.float32), (pairs.users, pairs.games)), shape=(users, games))
    return seconds(lambda: topk(model.factors, tastes, sizes["n"], filter_query_items=seen, num_threads=THREADS))
