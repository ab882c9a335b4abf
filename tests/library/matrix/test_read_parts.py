"""Pairs that are read into parts are those that are read whole, on both databases and in whatever order rows lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from shops import Shop

from recommendation.matrix import extract
from recommendation.matrix.extract import has_more_pairs, read_matrix, read_parts
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.numbering import part_of
from recommendation.matrix.parts import joined
from recommendation.settings import Settings
from stores import random_store

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    opened = Shop(Settings(database_url=database_url))
    yield opened
    opened.database.close()


def same(one: InteractionMatrix, other: InteractionMatrix) -> bool:
    assert one.times is not None
    assert other.times is not None
    return (
        one.users == other.users
        and one.games == other.games
        and all(
            np.array_equal(mine, theirs)
            for mine, theirs in (
                (one.indptr, other.indptr),
                (one.indices, other.indices),
                (one.scores, other.scores),
                (one.times, other.times),
            )
        )
    )


def times_of(matrix: InteractionMatrix) -> list[datetime]:
    seconds = np.random.default_rng(2).integers(0, 10**6, matrix.pairs).tolist()
    return [NOW - timedelta(seconds=second) for second in seconds]


@pytest.mark.parametrize("half_life_days", [None, 3.0])
def test_parts_hold_every_pair_once(shop: Shop, half_life_days: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "_ROUTED_AT_ONCE", 500)
    matrix = random_store(1, 300)
    shop.fill(matrix, times_of(matrix))
    with shop.database.snapshot() as connection:
        whole = read_matrix(connection, half_life_days, NOW)
        parts = read_parts(connection, half_life_days, NOW, 8)
        alone = read_parts(connection, half_life_days, NOW, 1)
    assert same(joined(parts.held), whole)
    assert same(alone.held[0], whole)
    assert all(20 <= len(part.users) <= 60 for part in parts.held)
    assert all(part.games is parts.games for part in parts.held)


def test_the_order_in_which_rows_lie_does_not_matter(shop: Shop) -> None:
    matrix = random_store(1, 300)
    read = []
    for order in (np.arange(matrix.pairs), np.random.default_rng(5).permutation(matrix.pairs)):
        shop.fill(_InOrder(matrix, order))  # type: ignore[arg-type]
        with shop.database.snapshot() as connection:
            read.append(read_parts(connection, None, NOW, 4))
    assert all(same(one, other) for one, other in zip(read[0].held, read[1].held, strict=True))


class _InOrder:
    """A matrix whose pairs are given in another order."""

    def __init__(self, matrix: InteractionMatrix, order: np.ndarray) -> None:
        self.users, self.games, self.pairs = matrix.users, matrix.games, matrix.pairs
        self.user_rows, self.indices, self.scores = (
            column[order] for column in (matrix.user_rows, matrix.indices, matrix.scores)
        )


def test_more_parts_than_users_leave_some_empty_and_an_empty_store_leaves_all(shop: Shop) -> None:
    with shop.database.snapshot() as connection:
        assert [part.shape for part in read_parts(connection, None, NOW, 3).held] == [(0, 0)] * 3
    shop.fill(random_store(1, 4, games=5))
    with shop.database.snapshot() as connection:
        parts = read_parts(connection, None, NOW, 16)
    assert sum(len(part.users) for part in parts.held) == 4
    assert {len(part.games) for part in parts.held} == {4}


def test_a_store_is_counted_no_further_than_it_must_be(shop: Shop) -> None:
    matrix = random_store(1, 30)
    shop.fill(matrix)
    with shop.database.snapshot() as connection:
        assert not has_more_pairs(connection, matrix.pairs)
        assert has_more_pairs(connection, matrix.pairs - 1)
        assert has_more_pairs(connection, 0)


def test_a_user_is_always_in_the_same_part_and_parts_are_about_equal() -> None:
    ids = pa.array([f"user-{number}\n" for number in range(64_000)], pa.large_string())
    parts = part_of(ids, 64)
    counts = np.bincount(parts, minlength=64)
    assert len(counts) == 64
    assert 850 < counts.min() <= counts.max() < 1150
    # Another machine and another release must deal users out alike, or the same data would give another model.
    assert part_of(pa.array(["a\n", "ü\n", "用户\n"], pa.large_string()), 64).tolist() == [18, 51, 23]
    assert part_of(ids.slice(17, 5), 64).tolist() == parts[17:22].tolist()
