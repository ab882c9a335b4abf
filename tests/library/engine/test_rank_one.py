from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.engine import model as engine_model
from recommendation.engine import rank_many, rank_one
from recommendation.engine import reach as reach_module
from recommendation.engine.model import BY_TREND, Model
from recommendation.engine.rank_many import BatchRanker, RankingBlock, recommend_batch
from recommendation.engine.rank_one import contributions, recommend, score
from recommendation.engine.sparse import SparseLinks
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary
from stores import checkerboard, fitted, random_store

MATRIX = random_store(7)
seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted(MATRIX)


class Unmultiplied(np.ndarray):
    """Factors of which no product is made with all games."""

    def __new__(cls, factors: np.ndarray) -> "Unmultiplied":
        return factors.view(cls)

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        assert len(self) < 1000
        return np.asarray(self) @ other


def history(rng: np.random.Generator, games: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    rows = rng.choice(games, size=size, replace=False).astype(np.int32)
    return rows, rng.integers(1, 100, size).astype(np.float32) / 8


def test_the_withheld_game_of_a_checkerboard_comes_first() -> None:
    matrix = checkerboard()
    model = fitted(matrix, components=2)
    for user in range(len(matrix.users)):
        rows, scores = matrix.row(user)
        assert model.games.ids(recommend(model, rows, scores, rows, 1).rows) == [f"g{user % 20:03}"]


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 20), st.integers(1, 80))
def test_hidden_games_never_appear_and_lists_are_sorted(model: Model, seed: int, size: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows, scores = history(rng, len(model.games), size)
    hidden = rng.choice(len(model.games), size=rng.integers(0, len(model.games)), replace=False)
    ranking = recommend(model, rows, scores, hidden, n)
    assert not set(ranking.rows.tolist()) & set(hidden.tolist())
    assert len(ranking.rows) == min(n, len(model.games) - len(hidden))
    keys = list(zip((-ranking.scores).tolist(), ranking.rows.tolist(), strict=True))
    assert keys == sorted(keys)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 20))
def test_contributions_sum_to_the_score_that_the_list_shows(model: Model, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    rows, scores = history(rng, len(model.games), size)
    ranking = recommend(model, rows, scores, [], 10)
    for game, listed, because in zip(ranking.rows, ranking.scores, ranking.because, strict=True):
        parts = contributions(model, rows, scores, int(game))
        assert parts.sum() == score(model, rows, scores, int(game))
        assert listed == pytest.approx(parts.sum(), rel=1e-4, abs=1e-6)
        assert because == (rows[parts.argmax()] if parts.max() > 0 else -1)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 40), st.integers(1, 30))
def test_a_batch_gives_each_user_to_the_bit_what_they_get_alone(model: Model, seed: int, users: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    histories = [history(rng, len(model.games), int(rng.integers(0, 15))) for _ in range(users)]
    hidden = [rng.choice(len(model.games), size=rng.integers(0, 30), replace=False) for _ in range(users)]
    block = recommend_batch(
        model,
        np.cumsum([0, *(len(rows) for rows, _ in histories)]),
        np.concatenate([rows for rows, _ in histories]),
        np.concatenate([scores for _, scores in histories]),
        np.cumsum([0, *map(len, hidden)]),
        np.concatenate(hidden),
        n,
    )
    for user, ((rows, scores), away) in enumerate(zip(histories, hidden, strict=True)):
        alone = recommend(model, rows, scores, away, n)
        filled = len(alone.rows)
        assert block.rows[user, :filled].tolist() == alone.rows.tolist()
        assert block.scores[user, :filled].tolist() == alone.scores.tolist()
        assert block.because[user, :filled].tolist() == alone.because.tolist()
        assert np.all(block.rows[user, filled:] == -1)


def made_up(rng: np.random.Generator, games: int, levels: int, components: int, size: float) -> Model:
    """A model that no fit made: factors on a grid, so that many scores are equal, some links, perhaps a trend."""
    factors = (rng.integers(-levels, levels + 1, (games, components)) / levels * size).astype(np.float32)
    factors[rng.random(games) < 0.2] = 0.0
    links = np.unique(rng.integers(0, games * games, 4 * games))
    links = links[links // games != links % games]
    linked = SparseLinks.from_triples(
        games, links // games, links % games, (rng.integers(-8, 9, len(links)) / 8 * size).astype(np.float32)
    )
    trend = (np.maximum(rng.integers(-levels, levels + 1, games), 0) / levels * size * size).astype(np.float32)
    return Model(
        trend=trend if rng.random() < 0.5 else None,
        games=Vocabulary.from_ids(f"g{row:05}" for row in range(games)),
        factors=factors,
        input_scales=rng.integers(1, 4, games).astype(np.float32),
        output_scales=rng.integers(0, 3, games).astype(np.float32),
        links=linked if rng.random() < 0.5 else SparseLinks.none(games),
        pairs=np.ones(games, np.int32),
        entry_score=1.0,
        weighting="log",
        user_power=0.5,
        ridge=10.0,
        link_share=1.0,
    )


games_there = st.sampled_from([1, 2, 5, 60, 63, 64, 65, 300, 1000, 3000])
hidden_shares = st.sampled_from([0.0, 0.3, 0.99, 1.0])


@settings(deadline=None, max_examples=300)
@given(
    seeds,
    games_there,
    st.integers(1, 40),
    st.sampled_from([1, 3, 1000]),
    st.integers(1, 9),
    st.sampled_from([1.0, 1e-20]),
    st.integers(1, 130),
    hidden_shares,
)
def test_a_user_alone_gets_to_the_bit_what_a_block_gives_reasons_too(
    seed: int, games: int, size: int, levels: int, components: int, factor: float, n: int, hidden_share: float
) -> None:
    rng = np.random.default_rng(seed)
    model = made_up(rng, games, levels, components, factor)
    rows, scores = history(rng, games, min(size, games))
    hidden = np.flatnonzero(rng.random(games) < hidden_share)
    alone = recommend(model, rows, scores, hidden, n)
    block = recommend_batch(model, [0, len(rows)], rows, scores, [0, len(hidden)], hidden, n)
    for_all = RankingBlock.empty(1, n)
    histories = model.fold_in(np.array([0, len(rows)]), rows, scores)
    ranker = BatchRanker(model, hidden.astype(np.int32))
    ranker.rank(histories, np.zeros(2, np.int64), np.zeros(0, np.int32), for_all, reasons=True)
    assert len(alone.rows) == min(n, games - len(hidden))
    for made in (block, for_all):
        assert made.rows[0, : len(alone.rows)].tobytes() == alone.rows.tobytes()
        assert made.scores[0, : len(alone.rows)].tobytes() == alone.scores.tobytes()
        assert made.because[0, : len(alone.rows)].tobytes() == alone.because.tobytes()
        assert np.all(made.rows[0, len(alone.rows) :] == -1)
        assert np.all(made.because[0, len(alone.rows) :] == -1)


@settings(deadline=None, max_examples=60)
@given(
    seeds,
    st.sampled_from([65, 300, 1000, 3000]),
    st.sampled_from([0.0, 0.01, 0.3]),
    st.sampled_from([1, 4]),
    st.integers(1, 60),
    hidden_shares,
)
def test_a_block_gives_the_same_however_few_games_were_multiplied_at_first(
    seed: int, games: int, first_share: float, components: int, n: int, hidden_share: float
) -> None:
    """Games reach unequally far (with one component just as far as their length), and links lift some that do not."""
    rng = np.random.default_rng(seed)
    made = made_up(rng, games, 1000, components, 1.0)
    reach = rng.permutation(np.linspace(0, 1, games) ** rng.integers(0, 9)).astype(np.float32)
    model = replace(made, factors=made.factors * reach[:, None], output_scales=np.ones(games, np.float32))
    users = [history(rng, games, int(rng.integers(0, 12))) for _ in range(9)]
    indptr = np.cumsum([0, *(len(rows) for rows, _ in users)])
    rows, scores = (np.concatenate(parts) for parts in zip(*users, strict=True))
    hidden = np.flatnonzero(rng.random(games) < hidden_share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_many, "FIRST_SHARE", first_share)
        ranker = BatchRanker(model, hidden)
        for _ in range(2):  # the second time as many are multiplied as the first one took
            block = RankingBlock.empty(len(users), n)
            ranker.rank(model.fold_in(indptr, rows, scores), np.zeros(10, int), rows[:0], block, reasons=True)
            for user, (own, amounts) in enumerate(users):
                alone = recommend(model, own, amounts, hidden, n)
                for found, wanted in ((block.rows, alone.rows), (block.scores, alone.scores)):
                    assert found[user, : len(wanted)].tobytes() == wanted.tobytes()
                assert block.because[user, : len(alone.rows)].tobytes() == alone.because.tobytes()
                assert np.all(block.rows[user, len(alone.rows) :] == -1)


@settings(deadline=None, max_examples=60)
@given(seeds, st.lists(st.integers(0, 12), min_size=1, max_size=5), st.sampled_from([0.0, 0.5]))
def test_of_very_many_games_those_that_amount_to_most_count_alone_and_in_a_block(
    seed: int, sizes: list[int], recency: float
) -> None:
    """A list is the one of a user who touched just the games that count; which games are hidden has no bound."""
    rng = np.random.default_rng(seed)
    model = replace(made_up(rng, 300, 3, 4, 1.0), recency=recency)
    users = [history(rng, 300, size) for size in sizes]
    times = [rng.integers(0, 9, size) for size in sizes]
    indptr = np.cumsum([0, *sizes])
    rows, scores = (np.concatenate(parts) for parts in zip(*users, strict=True))
    whole = model.fold_in(indptr, rows, scores, np.concatenate(times))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_model, "MOST_COUNTED", 5)
        block = model.fold_in(indptr, rows, scores, np.concatenate(times))
        for user, (own, amounts) in enumerate(users):
            alone, of_block = model.fold_in_one(own, amounts, times[user]), block.part(slice(user, user + 1))
            assert alone.rows.tobytes() == of_block.rows.tobytes()
            assert alone.amounts.tobytes() == of_block.amounts.tobytes()
            all_of_them = whole.part(slice(user, user + 1))
            order = np.lexsort((all_of_them.rows, -all_of_them.amounts))
            assert set(alone.rows.tolist()) == set(all_of_them.rows[order[:5]].tolist())
            ranking = recommend(model, own, amounts, own, 20, times[user])
            assert not set(ranking.rows.tolist()) & set(own.tolist())
            assert set(ranking.because[ranking.because >= 0].tolist()) <= set(alone.rows.tolist())


@settings(deadline=None, max_examples=150)
@given(
    seeds,
    st.sampled_from([65, 300, 3000]),
    st.sampled_from([0.02, 0.25, 0.5]),
    st.sampled_from([1, 4]),
    st.integers(1, 40),
    hidden_shares,
)
def test_a_list_is_the_same_however_few_games_are_multiplied_at_first(
    seed: int, games: int, share: float, components: int, n: int, hidden_share: float
) -> None:
    """Games reach unequally far, links lift some that do not, and some have output scales below 0."""
    rng = np.random.default_rng(seed)
    made = made_up(rng, games, 1000, components, 1.0)
    reach = rng.permutation(np.linspace(0, 1, games) ** rng.integers(0, 9)).astype(np.float32)
    model = replace(made, factors=made.factors * reach[:, None], output_scales=rng.choice([1, -1, 2], games))
    rows, scores = history(rng, games, int(rng.integers(1, 12)))
    hidden = np.flatnonzero(rng.random(games) < hidden_share)
    whole = recommend(model, rows, scores, hidden, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach_module, "SHARE", share)
        patch.setattr(reach_module, "FEWEST", 1)
        patch.setattr(rank_one, "AHEAD_PER_PLACE", 1)
        model = replace(model)
        found = recommend(model, rows, scores, hidden, n)
    assert model.ahead is not None
    for got, wanted in ((found.rows, whole.rows), (found.scores, whole.scores), (found.because, whole.because)):
        assert got.tobytes() == wanted.tobytes()


def test_of_a_catalogue_with_few_games_that_reach_far_few_are_multiplied() -> None:
    games = 8000
    reach = np.exp(-np.arange(games) / 300).astype(np.float32)
    model = replace(made_up(np.random.default_rng(1), games, 1000, 8, 1.0), trend=None, links=SparseLinks.none(games))
    model = replace(model, factors=model.factors * reach[:, None])
    whole = recommend(replace(model), [1, 2, 3], [1.0, 2.0, 3.0], [1, 2, 3], 20)
    model.warm()
    object.__setattr__(model, "factors", Unmultiplied(model.factors))
    assert recommend(model, [1, 2, 3], [1.0, 2.0, 3.0], [1, 2, 3], 20).rows.tolist() == whole.rows.tolist()


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(2, 200), st.integers(1, 30), st.sampled_from([1, 3]))
def test_the_reason_is_the_first_of_the_games_that_add_most_if_the_trend_does_not(
    seed: int, games: int, size: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    model = made_up(rng, games, levels, 5, 1.0)
    rows, scores = history(rng, games, min(size, games))
    rows, scores = np.sort(rows), scores
    ranking = recommend(model, rows, scores, [], 20)
    for game, because in zip(ranking.rows.tolist(), ranking.because.tolist(), strict=True):
        added = contributions(model, rows, scores, game)
        trend = 0.0 if model.trend is None else model.trend[game]
        of_game = rows[added.argmax()] if added.max() > 0 else -1
        assert because == (BY_TREND if trend > max(added.max(), 0) else of_game)
        assert score(model, rows, scores, game) == added.sum() + trend


def test_a_model_without_games_lists_nothing() -> None:
    empty = made_up(np.random.default_rng(0), 0, 1, 2, 1.0)
    assert len(recommend(empty, [-1], [1.0], [], 5).rows) == 0
    assert recommend_batch(empty, [0, 1, 1], [-1], [1.0], [0, 0, 0], [], 5).rows.tolist() == [[-1] * 5] * 2


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 20))
def test_equal_input_gives_equal_lists_in_whatever_order_the_history_comes(model: Model, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    rows, scores = history(rng, len(model.games), size)
    order = rng.permutation(size)
    one, other = recommend(model, rows, scores, rows, 20), recommend(model, rows[order], scores[order], rows, 20)
    assert one.rows.tolist() == other.rows.tolist()
    assert one.scores.tolist() == other.scores.tolist()


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 15))
def test_adding_a_game_never_lowers_its_strongest_neighbour_among_those_it_adds_less_to(
    model: Model, seed: int, size: int
) -> None:
    """A score is a sum over the history: whatever a new game adds least to cannot overtake what it adds most to."""
    rng = np.random.default_rng(seed)
    rows, scores = history(rng, len(model.games), size)
    added, rows, scores = rows[0], rows[1:], scores[1:]
    others = np.setdiff1d(np.arange(len(model.games)), [added, *rows])
    gains = np.array([score(model, [added], [4.0], int(game)) for game in others])
    neighbour = int(others[gains.argmax()])
    before = recommend(model, rows, scores, [*rows, added], len(model.games)).rows.tolist()
    after = recommend(model, [*rows, added], [*scores, 4.0], [*rows, added], len(model.games)).rows.tolist()
    if before:
        assert after.index(neighbour) <= before.index(neighbour)


def test_permuting_ids_permutes_lists() -> None:
    """Neither factors nor lists depend on what the games are called, except for ties."""
    rng = np.random.default_rng(3)
    names = MATRIX.games.all_ids
    renamed = dict(zip(names, rng.permutation(names).tolist(), strict=True))
    users, games = MATRIX.users.ids(MATRIX.user_rows), MATRIX.games.ids(MATRIX.indices)
    other_matrix = InteractionMatrix.from_pairs(users, [renamed[game] for game in games], MATRIX.scores)
    one, other = fitted(MATRIX), fitted(other_matrix)
    for user in range(0, len(MATRIX.users), 7):
        rows, scores = MATRIX.row(user)
        listed = one.games.ids(recommend(one, rows, scores, rows, 10).rows)
        there, their_scores = other_matrix.row(user)
        assert other.games.ids(recommend(other, there, their_scores, there, 10).rows) == [renamed[g] for g in listed]


def test_a_game_the_user_touched_may_be_listed_and_its_own_entry_counts_nothing(model: Model) -> None:
    rows, scores = MATRIX.row(5)
    ranking = recommend(model, rows, scores, rows[1:], len(model.games))
    assert rows[0] in ranking.rows
    place = ranking.rows.tolist().index(rows[0])
    parts = contributions(model, rows, scores, int(rows[0]))
    assert parts[0] == 0.0
    assert ranking.scores[place] == pytest.approx(parts.sum(), rel=1e-4, abs=1e-6)


def test_a_user_whose_games_are_all_unknown_gets_no_list(model: Model) -> None:
    assert len(recommend(model, [-1, -1], [3.0, 1.0], [], 10).rows) == 0


def test_unknown_games_and_scores_of_zero_change_nothing(model: Model) -> None:
    one = recommend(model, [3, 4], [2.0, 5.0], [3], 10)
    other = recommend(model, [3, -1, 4, 9], [2.0, 7.0, 5.0, 0.0], [3, -1], 10)
    assert one.scores.tolist() == other.scores.tolist()
    assert one.rows.tolist() == other.rows.tolist()


def test_direct_links_count_in_lists_reasons_and_scores(model: Model) -> None:
    linked = replace(
        model, links=SparseLinks.from_triples(len(model.games), np.array([2]), np.array([9]), np.array([50.0]))
    )
    rows, scores = np.array([2, 3]), np.array([1.0, 1.0])
    ranking = recommend(linked, rows, scores, rows, 3)
    assert ranking.rows[0] == 9
    assert ranking.because[0] == 2
    assert ranking.scores[0] == pytest.approx(score(linked, rows, scores, 9), rel=1e-6)
    bare = replace(model, links=SparseLinks.none(len(model.games)))
    gain = contributions(linked, rows, scores, 9) - contributions(bare, rows, scores, 9)
    assert gain[0] > 0
    assert gain[1] == 0
