import io
import os
import pickle
import time
import tracemalloc

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


def test_a_file_without_a_decision_as_earlier_releases_wrote_it_is_read(data: bytes) -> None:
    before = payload_of(data)
    decision = before.pop("decision")
    assert decision == read(data)[0].decision != {}
    assert read(bytes_of(before))[0].decision == {}


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
    poisoned = b"cnumpy\ndtype\n(N}X\x07\x00\x00\x00checkedK\x05stb."
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
        ("weighting", []),
        ("format", True),
        ("format", 10**400),
        ("entry_score", 10**400),
        ("entry_score", float("inf")),
        ("entry_score", 1e300),
        ("ridge", 10**400),
        ("user_power", 1e9),
        ("factors", np.full((60, 8), 3.4e38, np.float32)),
        ("output_scales", np.full(60, 3.4e38, np.float32)),
        ("input_scales", np.zeros(60, np.float32)),
        ("link_strengths", np.full(1, np.inf, np.float32)),
        ("decision", [1]),
        ("decision", {"chosen": (1, 2)}),
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


def test_metadata_with_the_same_list_in_two_places_comes_back(model: Model) -> None:
    shared = [1, 2]
    assert read(artifact.dump(model, {"one": shared, "two": shared}))[1] == {"one": shared, "two": shared}


def nested(times: int) -> list:
    """Lists that hold each other twice: few in the file, 2 ** times to walk."""
    made: list = []
    for _ in range(times):
        made = [made, made]
    return made


def in_itself() -> dict:
    made: dict = {}
    made["me"] = made
    return made


def deep(times: int) -> list:
    made: list = []
    for _ in range(times):
        made = [made]
    return made


COLLIDING = {n * (2**61 - 1): None for n in range(1, 5000)}
HOSTILE = {
    "holds itself": in_itself(),
    "shared lists": nested(40),
    "shared tuples": {"a": (shared := (1, 2)), "b": shared},
    "deep": {"deep": deep(300)},
    "many": {"many": [[] for _ in range(100_000)]},
    "keys that collide": COLLIDING,
    "a larger number": {"larger": 10**4000},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_metadata_that_cannot_be_walked_is_refused_before_it_is(data: bytes, kind: str) -> None:
    hostile = pickle.dumps({**payload_of(pickled_arrays_apart(data)), "metadata": HOSTILE[kind]}, protocol=4)
    began = time.process_time()
    with pytest.raises(ArtifactRefused):
        read(hostile)
    assert time.process_time() - began < 5


def pickled_arrays_apart(data: bytes) -> bytes:
    """The payload without its arrays: what is refused is refused for the rest of it."""
    return bytes_of({name: value for name, value in payload_of(data).items() if not isinstance(value, np.ndarray)})


@pytest.mark.parametrize(
    "asks",
    [
        b"\x96" + (6 * 2**30).to_bytes(8, "little") + b".",  # BYTEARRAY8: allocates before it reads
        b"\x80\x04\x95" + (6 * 2**30).to_bytes(8, "little") + b".",
        b"\x8e" + (6 * 2**30).to_bytes(8, "little") + b".",
        b"\x8d" + (6 * 2**30).to_bytes(8, "little") + b".",
        b"T\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\x7f.",
        b"]" + b"2" * 100 + b".",
        b"]" * 1_000_000,
    ],
    ids=["bytearray", "frame", "bytes", "text", "old text", "number", "again and again", "lists"],
)
def test_a_few_bytes_that_ask_for_much_get_nothing(asks: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactRefused):
            read(asks)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_loading_copies_no_array(data: bytes) -> None:
    again, _ = read(data)
    whole = np.frombuffer(data, np.uint8)
    assert np.shares_memory(again.factors, whole)
    assert np.shares_memory(again.links.targets, whole)
    assert not again.factors.flags.writeable
    assert not read(bytearray(data))[0].factors.flags.writeable
