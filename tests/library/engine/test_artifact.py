import io
import os
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendation.engine import artifact
from recommendation.engine.model import Model
from recommendation.engine.rank_one import recommend
from recommendation.errors import ArtifactRefused
from stores import fitted, random_store

LIMIT = 10**7
METADATA = {"version": "v1", "quality": {"ndcg@10": 0.25, "gate": None}, "sizes": [1, 2]}


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted(random_store(1))


@pytest.fixture(scope="module")
def data(model: Model) -> bytes:
    return artifact.dump(model, METADATA)


def read(data: bytes) -> tuple[Model, dict]:
    return artifact.load(data, artifact.digest(data), LIMIT)


def bytes_of(payload: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(payload, buffer)
    return buffer.getvalue()


def payload_of(data: bytes) -> dict:
    return joblib.load(io.BytesIO(data))


def test_a_model_comes_back_as_it_was(model: Model, data: bytes) -> None:
    again, metadata = read(data)
    assert metadata == METADATA
    assert again.games == model.games
    assert np.array_equal(again.factors, model.factors)
    one, other = recommend(model, [1, 2], [3.0, 1.0], [1], 10), recommend(again, [1, 2], [3.0, 1.0], [1], 10)
    assert one.rows.tolist() == other.rows.tolist()
    assert one.scores.tolist() == other.scores.tolist()


def test_joblib_reads_the_same_bytes(model: Model, data: bytes) -> None:
    payload = payload_of(data)
    assert np.array_equal(payload["factors"], model.factors)
    assert payload["metadata"] == METADATA


def test_dumping_twice_gives_the_same_bytes(model: Model, data: bytes) -> None:
    assert artifact.dump(model, METADATA) == data


def test_another_digest_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactRefused, match="SHA-256"):
        artifact.load(data, artifact.digest(b"other"), LIMIT)


def test_too_many_bytes_are_refused_before_they_are_read(data: bytes) -> None:
    with pytest.raises(ArtifactRefused, match="more than"):
        artifact.load(data, artifact.digest(data), len(data) - 1)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_file_cut_short_is_refused_even_with_its_own_digest(data: bytes, draw) -> None:
    with pytest.raises(ArtifactRefused):
        read(data[: draw.draw(st.integers(0, len(data) - 1))])


def test_anything_after_the_end_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactRefused, match="follows"):
        read(data + b".")


class RunsOnLoad:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_hostile_pickle_with_a_matching_digest_runs_nothing(tmp_path, data: bytes) -> None:
    trap = str(tmp_path / "ran")
    in_metadata = {**payload_of(data), "metadata": {"x": RunsOnLoad(trap)}}
    in_objects = {**payload_of(data), "factors": np.array([RunsOnLoad(trap)], dtype=object)}
    for hostile in (pickle.dumps(RunsOnLoad(trap)), bytes_of(in_metadata), bytes_of(in_objects)):
        with pytest.raises(ArtifactRefused):
            read(hostile)
    assert list(tmp_path.iterdir()) == []
    joblib.load(io.BytesIO(bytes_of(in_metadata)))  # the trap is real: joblib itself walks into it
    assert [path.name for path in tmp_path.iterdir()] == ["ran"]


@pytest.mark.parametrize(
    "name", ["builtins eval", "numpy frombuffer", "joblib.numpy_pickle load", "numpy ndarray.tofile"]
)
def test_no_other_name_can_be_reached(name: str) -> None:
    module, attribute = name.split()
    with pytest.raises(ArtifactRefused, match="asks for"):
        read(b"c" + module.encode() + b"\n" + attribute.encode() + b"\n.")


def test_state_set_on_a_stand_in_class_is_refused(data: bytes) -> None:
    poisoned = b"cnumpy\ndtype\n(N}S'checked'\nI5\nstb."
    with pytest.raises(ArtifactRefused, match="sets state"):
        read(poisoned)
    read(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("factors", np.zeros((60, 8))),
        ("factors", np.full((60, 8), np.nan, np.float32)),
        ("pairs", np.zeros(59, np.int32)),
        ("link_targets", np.array([60], np.int32)),
        ("game_offsets", np.zeros(61, np.int64)),
        ("factors", "text"),
        ("format", 99),
        ("weighting", "raw"),
    ],
)
def test_arrays_that_do_not_make_a_model_are_refused(data: bytes, name: str, value: object) -> None:
    with pytest.raises(ArtifactRefused):
        read(bytes_of({**payload_of(data), name: value}))


def test_a_missing_array_is_refused(data: bytes) -> None:
    payload = payload_of(data)
    del payload["pairs"]
    with pytest.raises(ArtifactRefused, match="pairs"):
        read(bytes_of(payload))


def test_metadata_that_is_not_plain_is_refused_when_written(model: Model) -> None:
    with pytest.raises(ArtifactRefused, match="metadata"):
        artifact.dump(model, {"when": np.float64(1.0).astype(object), "what": object()})
