"""Numbers of ids do not depend on how these are cut into batches."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recommendation.database.dialects.columns import BETWEEN
from recommendation.matrix.numbering import Column, Numbering
from recommendation.matrix.vocabulary import Vocabulary

batches = st.lists(st.lists(st.sampled_from(["a", "b", "cd", "é", "z" * 9]), max_size=6), max_size=6)


@given(batches, st.integers(0, 4))
def test_rows_are_places_in_the_vocabulary_in_the_order_of_entries(given_ids, fewest_waiting) -> None:
    numbering = Numbering(fewest_waiting)
    for ids in given_ids:
        numbering.add(pa.array([one + BETWEEN for one in ids], pa.large_string()))
    numbered = numbering.finish()
    every = [one for ids in given_ids for one in ids]
    assert numbered.vocabulary == Vocabulary.from_ids(every)
    assert numbered.vocabulary.ids(numbered.rows) == every


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4))
def test_a_column_holds_copies_in_order_and_is_empty_at_the_end(given_batches) -> None:
    column = Column(np.int32)
    for values in given_batches:
        array = np.array(values, np.int64)
        column.add(array)
        array[:] = -1
    assert column.finish().tolist() == [value for values in given_batches for value in values]
    assert column.finish().tolist() == []
