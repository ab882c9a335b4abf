import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.matrix.vocabulary import Vocabulary

ids = st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20))


@given(ids)
def test_ids_stand_in_the_order_of_their_utf8_bytes(given_ids: list[str]) -> None:
    vocabulary = Vocabulary.from_ids(given_ids)
    assert vocabulary.all_ids == sorted(set(given_ids), key=lambda one: one.encode())


@given(ids)
def test_rows_and_ids_undo_each_other(given_ids: list[str]) -> None:
    vocabulary = Vocabulary.from_ids(given_ids)
    assert vocabulary.ids(vocabulary.rows(given_ids)) == given_ids


@given(ids, st.randoms())
def test_taking_rows_keeps_their_ids(given_ids: list[str], random) -> None:
    vocabulary = Vocabulary.from_ids(given_ids)
    rows = [row for row in range(len(vocabulary)) if random.random() < 0.5]
    taken = vocabulary.take(vocabulary.rows(vocabulary.ids(rows)))
    assert taken == Vocabulary.from_ids(vocabulary.ids(rows))


def test_unknown_ids_have_row_minus_one() -> None:
    assert Vocabulary.from_ids(["a", "ä"]).rows(["ä", "A", "a"]).tolist() == [1, -1, 0]


def test_ids_are_not_normalised() -> None:
    assert len(Vocabulary.from_ids(["é", "e\u0301"])) == 2


def test_minus_one_has_no_id() -> None:
    with pytest.raises(IndexError):
        Vocabulary.from_ids(["a"]).ids([-1])
