import gzip

import numpy as np
import pytest

from recommendation.errors import InvalidInput
from recommendation.evaluation.data import (
    Split,
    given_split,
    leave_last_out,
    must_split_by_time,
    random_split,
    split_by_time,
)
from recommendation.matrix.matrix import InteractionMatrix
from recommendation_jobs.evaluation.reading import Columns, read_csv


def pairs(matrix) -> set[tuple[str, str]]:
    return set(zip(matrix.users.ids(matrix.user_rows), matrix.games.ids(matrix.indices), strict=True))


def written(tmp_path, text: str):
    path = tmp_path / "interactions.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_guessed_and_ids_stay_text(tmp_path) -> None:
    path = written(tmp_path, "Hours,Game,USER_ID\n1.5,007,01\n2,Ω,01\n")
    matrix = read_csv(path, Columns())
    assert pairs(matrix) == {("01", "007"), ("01", "Ω")}
    assert sorted(matrix.scores.tolist()) == [1.5, 2.0]


def test_a_gzipped_file_is_unpacked(tmp_path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\nu,g\n"))
    assert pairs(read_csv(path, Columns("a", "b"))) == {("u", "g")}


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b\nu,g\n", Columns(), "--user-column"),
        ("user_id,b\nu,g\n", Columns(), "--game-column"),
        ("user_id,game\nu,g\n", Columns(score="hours"), "no column 'hours'"),
        ("user_id,game,hours\nu,g,many\n", Columns(), "line 2"),
        ("user_id,game,hours\nu,g,nan\n", Columns(), "line 2"),
        ("user_id,game,hours\nu,g,1\nu\n", Columns(), "line 3"),
        ("", Columns(), "empty"),
        ("user_id,game\n", Columns(), "no line"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path, text, columns, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_csv(written(tmp_path, text), columns)


def test_a_missing_file_and_a_damaged_one_are_refused(tmp_path) -> None:
    damaged = tmp_path / "x.csv.gz"
    damaged.write_bytes(gzip.compress(b"user_id,game\nu,g\n" * 100)[:-20])
    for path in (tmp_path / "none.csv", damaged):
        with pytest.raises(InvalidInput, match="cannot be read"):
            read_csv(path, Columns())


def store(sizes: list[int]):
    users = [f"u{user}" for user, size in enumerate(sizes) for _ in range(size)]
    games = [f"g{game:03}" for size in sizes for game in range(size)]
    return InteractionMatrix.from_pairs(users, games, np.ones(len(users)), np.arange(len(users)))


def counts(split: Split) -> dict[str, int]:
    return dict(zip(split.held_out.users.all_ids, split.held_out.pairs_per_user().tolist(), strict=True))


def test_a_fifth_of_the_pairs_of_users_with_five_or_more_is_held_out() -> None:
    split = random_split(store([4, 5, 10, 52]), 0)
    assert counts(split) == {"u0": 0, "u1": 1, "u2": 2, "u3": 10}
    assert not pairs(split.train) & pairs(split.held_out)
    assert split.train.pairs + split.held_out.pairs == 71


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    data = store([52, 60])
    assert pairs(random_split(data, 3).held_out) == pairs(random_split(data, 3).held_out)
    assert pairs(random_split(data, 3).held_out) != pairs(random_split(data, 4).held_out)


def test_the_temporal_split_holds_out_each_users_last_pair() -> None:
    assert pairs(leave_last_out(store([4, 5, 7])).held_out) == {("u1", "g004"), ("u2", "g006")}


def test_a_pairs_time_is_that_of_its_last_event() -> None:
    users, games = ["u"] * 6, ["a", "b", "c", "d", "e", "a"]
    data = InteractionMatrix.from_pairs(users, games, np.ones(6), np.arange(6))
    assert pairs(leave_last_out(data).held_out) == {("u", "a")}


def test_a_temporal_split_without_times_says_what_to_give() -> None:
    with pytest.raises(InvalidInput, match="--time-column"):
        leave_last_out(InteractionMatrix.from_pairs(["u"], ["g"], np.ones(1)))


def test_times_may_be_seconds_or_written_out(tmp_path) -> None:
    path = written(tmp_path, "user_id,game,at\nu,a,2026-01-01T00:00:00Z\nu,b,0\nu,c,2026-01-01 00:00:01\n")
    assert read_csv(path, Columns(time="at")).times.tolist() == [1767225600000000, 0, 1767225601000000]


def test_a_given_split_is_brought_under_common_ids() -> None:
    train = InteractionMatrix.from_pairs(["u", "v"], ["a", "b"], np.ones(2))
    split = given_split(train, InteractionMatrix.from_pairs(["u", "w", "u"], ["c", "a", "a"], np.ones(3)))
    assert pairs(split.train) == {("u", "a"), ("v", "b")}
    assert pairs(split.held_out) == {("u", "c"), ("w", "a")}
    assert split.train.games == split.held_out.games


def timed(*rows: tuple[str, str, int]) -> InteractionMatrix:
    users, games, times = zip(*rows, strict=True)
    return InteractionMatrix.from_pairs(users, games, np.ones(len(rows)), np.array(times))


def test_by_time_the_latest_fifth_is_held_out_and_pairs_of_one_time_stay_together() -> None:
    matrix = timed(*(("u", f"g{number}", when) for number, when in enumerate([1, 2, 2, 3, 9, 9])))
    split = split_by_time(matrix)
    assert split is not None
    assert pairs(split.held_out) == {("u", "g4"), ("u", "g5")}
    assert split.is_in_time
    assert pairs(split.train) == pairs(matrix) - pairs(split.held_out)


def test_by_time_a_user_who_did_nothing_before_is_left_out() -> None:
    split = split_by_time(timed(("u", "a", 1), ("u", "b", 1), ("u", "c", 1), ("u", "d", 8), ("new", "a", 8)))
    assert split is not None
    assert pairs(split.held_out) == {("u", "d")}


def test_by_time_what_came_at_once_is_what_was_before() -> None:
    """Most pairs come from one import; what came later is held out, however little it is."""
    rows = [("u", f"g{number}", 5) for number in range(20)]
    split = split_by_time(timed(*rows, ("u", "late", 6)))
    assert split is not None
    assert pairs(split.held_out) == {("u", "late")}


def test_by_time_nothing_is_held_out_where_times_do_not_tell() -> None:
    one_time = timed(("u", "a", 5), ("v", "b", 5))
    assert split_by_time(one_time) is None
    assert split_by_time(InteractionMatrix.from_pairs(["u"], ["a"], [1.0])) is None
    assert split_by_time(timed(("u", "a", 1), ("v", "b", 2))) is None  # no one did something before and after
    with pytest.raises(InvalidInput, match="--time-column"):
        must_split_by_time(one_time)
