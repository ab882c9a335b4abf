"""What taste leaves in pairs is more than chance, and is gone where games are mixed up among users."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.evaluation import structure
from recommendation.evaluation.structure import Structure, dealt_anew, structure_of
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.parts import MatrixParts


def measured(matrix: InteractionMatrix) -> Structure | None:
    return structure_of(MatrixParts.of(matrix))


def of_tastes(users: int, tastes: int, games: int = 240, each: int = 12) -> InteractionMatrix:
    """Users with games of one taste each; with one taste for all there is nothing but chance."""
    rng = np.random.default_rng(2)
    size = games // tastes
    rows = [(user, user % tastes * size + game) for user in range(users) for game in rng.choice(size, each, False)]
    return matrix_of(rows)


def matrix_of(rows: list[tuple[int, int]]) -> InteractionMatrix:
    return InteractionMatrix.from_pairs(
        [f"u{user:04}" for user, _ in rows], [f"g{game:03}" for _, game in rows], np.ones(len(rows))
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.floats(0.05, 0.5))
def test_deals_keep_how_many_games_users_have_and_how_many_users_games_have(seed, users, density) -> None:
    rng = np.random.default_rng(seed)
    there = rng.random((users, 30)) < density * rng.random(30) * 2
    there[0, 0] = True
    matrix = matrix_of([(int(user), int(game)) for user, game in np.argwhere(there)])
    games = dealt_anew(matrix, np.random.default_rng(seed))
    assert np.array_equal(np.bincount(games, minlength=len(matrix.games)), matrix.pairs_per_game())
    assert games.shape == matrix.indices.shape


def test_no_user_has_a_game_twice_after_a_deal() -> None:
    matrix = of_tastes(300, 1, games=60)
    games = dealt_anew(matrix, np.random.default_rng(1))
    keys = matrix.user_rows * len(matrix.games) + games
    assert len(np.unique(keys)) == len(keys)
    assert not np.array_equal(np.sort(keys), matrix.user_rows * len(matrix.games) + matrix.indices)


def test_tastes_are_seen_and_chance_is_one() -> None:
    tastes, chance = measured(of_tastes(600, 8)), measured(of_tastes(600, 1))
    assert tastes is not None
    assert chance is not None
    assert tastes.ratio > 2
    assert chance.ratio == pytest.approx(1.0, abs=0.03)
    assert (tastes.per_user, tastes.is_thin) == (12.0, False)


def test_mixing_up_takes_structure_away_bit_by_bit() -> None:
    matrix = of_tastes(600, 8)
    ratios = []
    for share in (0.0, 0.3, 1.0):
        rng = np.random.default_rng(3)
        games, moved = matrix.indices.copy(), np.flatnonzero(rng.random(matrix.pairs) < share)
        games[moved] = games[rng.permutation(moved)]
        mixed = InteractionMatrix.from_codes(matrix.users, matrix.games, matrix.user_rows, games, matrix.scores)
        found = measured(mixed)
        assert found is not None
        ratios.append(found.ratio)
    assert ratios[0] > ratios[1] > ratios[2] == pytest.approx(1.0, abs=0.03)


def test_few_users_or_games_have_none_and_the_same_pairs_have_the_same() -> None:
    assert measured(of_tastes(20, 1)) is None
    assert measured(of_tastes(300, 1, games=20)) is None
    assert measured(of_tastes(300, 8)) == measured(of_tastes(300, 8))


def test_of_many_pairs_some_users_are_drawn_and_mostly_the_same_the_next_day(monkeypatch) -> None:
    monkeypatch.setattr(structure, "MOST_PAIRS", 2400)
    matrix = of_tastes(600, 8)
    drawn = structure._sample(MatrixParts.of(matrix))
    assert len(drawn.users) == 200
    fewer = structure._sample(MatrixParts.of(matrix.of_users(np.arange(1, 600))))
    assert len(set(drawn.users.all_ids) & set(fewer.users.all_ids)) >= 199
    # Cut into parts it is the same users, whichever part they lie in.
    cut = MatrixParts.of(matrix.of_users(np.arange(250)), matrix.of_users(np.arange(250, 600)))
    assert structure_of(cut) == measured(matrix)


def test_what_parts_hand_over_to_be_drawn_from_is_bounded_however_many_parts_there_are(monkeypatch) -> None:
    monkeypatch.setattr(structure, "MOST_PAIRS", 1200)
    matrix = of_tastes(600, 8)
    cut = MatrixParts.of(*(matrix.of_users(np.arange(start, start + 100)) for start in range(0, 600, 100)))
    handed: list[int] = []
    each = cut.runner.each

    def counted(function, held, own, *common):
        found = each(function, held, own, *common)
        handed.extend(part.pairs for part in found if isinstance(part, InteractionMatrix))
        return found

    monkeypatch.setattr(cut.runner, "each", counted)
    assert structure._sample(cut).users == structure._sample(MatrixParts.of(matrix)).users
    assert sum(handed) == 1200


def test_one_user_with_more_pairs_than_are_looked_at_is_not_drawn(monkeypatch) -> None:
    monkeypatch.setattr(structure, "MOST_PAIRS", 11)
    assert len(structure._sample(MatrixParts.of(of_tastes(600, 8))).users) == 0
    assert measured(of_tastes(600, 8)) is None
