import numpy as np

from stores import checkerboard, fitted


def test_similar_games_are_the_other_of_the_same_colour() -> None:
    model = fitted(checkerboard(), components=2)
    rows, cosines = model.similar(4, 9)
    assert all(row % 2 == 0 for row in rows.tolist())
    assert 4 not in rows
    assert np.all(np.diff(cosines) <= 0)
