import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommendation.engine.sparse import SparseLinks

LINKS = SparseLinks.from_triples(3, np.array([2, 0, 2]), np.array([1, 2, 0]), np.array([0.3, 0.5, 0.1]))


def test_links_stand_in_the_order_of_sources_and_targets() -> None:
    assert LINKS.indptr.tolist() == [0, 1, 1, 3]
    assert LINKS.sources.tolist() == [0, 2, 2]
    assert LINKS.targets.tolist() == [2, 0, 1]
    assert LINKS.strengths.tolist() == np.array([0.5, 0.1, 0.3], np.float32).tolist()


def test_the_links_of_some_games_come_in_the_order_in_which_these_are_given() -> None:
    origin, place = LINKS.from_games(np.array([2, 0]))
    assert origin.tolist() == [0, 0, 1]
    assert place.tolist() == [1, 2, 0]


@given(st.sets(st.integers(0, 35)), st.permutations(range(6)), st.integers(0, 6), st.integers(0, 6))
def test_strengths_between_games_are_those_of_the_whole_matrix(
    pairs: set[int], games: list[int], rows: int, targets: int
) -> None:
    linked = np.array(sorted(pair for pair in pairs if pair // 6 != pair % 6), np.int64)
    whole = np.zeros((6, 6))
    whole[linked // 6, linked % 6] = linked + 1.0
    links = SparseLinks.from_triples(6, linked // 6, linked % 6, linked + 1.0)
    some, others = np.array(games[:rows], np.int64), np.array(games[::-1][:targets], np.int64)
    assert links.between(some, others).tolist() == whole[np.ix_(some, others)].tolist()
