"""
The model as bytes: joblib's format, holding plain arrays and metadata, read back without trusting what it says.

`joblib.load` reads these bytes too, but runs whatever a pickle asks for. `load` here checks size and digest and then
builds nothing but arrays of numbers: no class or function of any module can be reached from the bytes, so a hostile
file does nothing even when its digest matches.
"""

from __future__ import annotations

import hashlib
import io
import math
from itertools import pairwise
from typing import Any, ClassVar

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyUnpickler
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.sparse import SparseLinks
from recommendation.errors import ArtifactRefused
from recommendation.matrix.vocabulary import Vocabulary

FORMAT = 1
"""Number of the layout below. A release of this service reads its own format and the one before."""


READABLE_FORMATS = (1,)


_ARRAYS = {
    "game_blob": (np.uint8, 1),
    "game_offsets": (np.int64, 1),
    "factors": (np.float32, 2),
    "input_scales": (np.float32, 1),
    "output_scales": (np.float32, 1),
    "link_indptr": (np.int64, 1),
    "link_targets": (np.int32, 1),
    "link_strengths": (np.float32, 1),
    "pairs": (np.int32, 1),
}


def dump(model: Model, metadata: dict[str, Any]) -> bytes:
    """Write a model; metadata must be plain: text, numbers, lists and dicts of them."""
    payload = {
        "format": FORMAT,
        "metadata": metadata,
        "weighting": model.weighting,
        "user_power": float(model.user_power),
        "entry_score": float(model.entry_score),
        "ridge": float(model.ridge),
        "link_share": float(model.link_share),
        "game_blob": model.games.blob,
        "game_offsets": model.games.offsets,
        "factors": model.factors,
        "input_scales": model.input_scales,
        "output_scales": model.output_scales,
        "link_indptr": model.links.indptr,
        "link_targets": model.links.targets,
        "link_strengths": model.links.strengths,
        "pairs": model.pairs,
    }
    _refuse_unless(_plain(metadata), "the metadata holds something other than text, numbers, lists and dicts")
    buffer = io.BytesIO()
    joblib.dump(payload, buffer)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal, as the database records it."""
    return hashlib.sha256(data).hexdigest()


def load(data: bytes, sha256: str, max_bytes: int) -> tuple[Model, dict[str, Any]]:
    """
    Read a model and its metadata.

    Raises:
        ArtifactRefused: too large, another digest than recorded, not whole, or not a model of a readable format.
    """
    _refuse_unless(len(data) <= max_bytes, f"it has {len(data)} bytes, more than the {max_bytes} allowed")
    _refuse_unless(digest(data) == sha256, "its SHA-256 is not the one that the database recorded")
    payload = _read(data)
    _refuse_unless(isinstance(payload, dict), "it does not hold a model")
    _refuse_unless(
        payload.get("format") in READABLE_FORMATS,
        f"its format is {payload.get('format')!r}; this release reads {', '.join(map(str, READABLE_FORMATS))}",
    )
    try:
        return _model(payload), payload["metadata"]
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactRefused(f"the model file was refused: {error}") from error


def _read(data: bytes) -> Any:
    file = io.BytesIO(data)
    try:
        payload = _ArrayUnpickler(file).load()
    except ArtifactRefused:
        raise
    except Exception as error:  # damaged bytes can raise anything; each means that the file is damaged
        raise ArtifactRefused(f"the model file was refused: it is damaged ({error})") from error
    _refuse_unless(file.tell() == len(data), "something follows the model's end")
    return payload


def _model(payload: dict[str, Any]) -> Model:
    arrays = {name: _array(payload, name) for name in _ARRAYS}
    model = Model(
        games=Vocabulary(arrays["game_blob"], arrays["game_offsets"]),
        factors=arrays["factors"],
        input_scales=arrays["input_scales"],
        output_scales=arrays["output_scales"],
        links=SparseLinks(arrays["link_indptr"], arrays["link_targets"], arrays["link_strengths"]),
        pairs=arrays["pairs"],
        entry_score=float(payload["entry_score"]),
        weighting=str(payload["weighting"]),
        user_power=float(payload["user_power"]),
        ridge=float(payload["ridge"]),
        link_share=float(payload["link_share"]),
    )
    _refuse_unless(_consistent(model), "its arrays do not fit together")
    _refuse_unless(_plain(payload["metadata"]) and isinstance(payload["metadata"], dict), "its metadata is not plain")
    return model


def _array(payload: dict[str, Any], name: str) -> NDArray[Any]:
    kind, dimensions = _ARRAYS[name]
    array = payload[name]
    good = isinstance(array, np.ndarray) and array.dtype == kind and array.ndim == dimensions
    _refuse_unless(good, f"{name} is not an array of {np.dtype(kind)} with {dimensions} dimensions")
    _refuse_unless(bool(np.all(np.isfinite(array))), f"{name} holds numbers that are not finite")
    return np.asarray(array)


def _consistent(model: Model) -> bool:
    games = len(model.games)
    per_game = (model.factors, model.input_scales, model.output_scales, model.pairs)
    links = model.links
    return (
        all(len(array) == games for array in per_game)
        and len(links.indptr) == games + 1
        and links.indptr[0] == 0
        and links.indptr[-1] == len(links.targets) == len(links.strengths)
        and bool(np.all(np.diff(links.indptr) >= 0))
        and (not len(links.targets) or (int(links.targets.min()) >= 0 and int(links.targets.max()) < games))
        and model.weighting in ("log", "binary")
        and math.isfinite(model.user_power)
        and math.isfinite(model.entry_score)
        and all(before < after for before, after in pairwise(model.games.all_ids))
    )


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_plain(inner) for inner in value)
    return value is None or isinstance(value, (str, bool, int, float))


def _refuse_unless(condition: bool, reason: str) -> None:
    if not condition:
        raise ArtifactRefused(f"the model file was refused: {reason}")


class _PlainType:
    """Stands in for `numpy.dtype` while unpickling: remembers a code, builds no NumPy object until it is checked."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def checked(self) -> np.dtype[Any]:
        known = {"u1", "i4", "i8", "f4", "f8"}
        _refuse_unless(self.code in known, f"an array of type {self.code!r} is not admitted")
        _refuse_unless(self.order in ("<", "=", "|"), "an array with foreign byte order is not admitted")
        return np.dtype("<" + self.code)


class _ArrayMark:
    """Stands in for `numpy.ndarray`, which joblib names as the kind of each array; it is never built."""


class _ArrayHeader:
    """Stands in for joblib's array wrapper: what precedes an array's bytes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.shape = state["shape"]
        self.order = state["order"]
        self.type = state["dtype"]


class _ArrayUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib publishes no types
    """Reads joblib's format; the bytes can name nothing but the stand-ins above."""

    dispatch: ClassVar[dict[int, Any]] = NumpyUnpickler.dispatch.copy()
    admitted: ClassVar[dict[tuple[str, str], type]] = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): _ArrayHeader,
        ("numpy", "ndarray"): _ArrayMark,
        ("numpy", "dtype"): _PlainType,
    }

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__("", file, ensure_native_byte_order=False)

    def find_class(self, module: str, name: str) -> type:
        _refuse_unless((module, name) in self.admitted, f"it asks for {module}.{name}")
        return self.admitted[module, name]

    def load_build(self) -> None:
        # Only instances of the stand-ins take state: state set on a class would stay after this file.
        _refuse_unless(isinstance(self.stack[-2], (_ArrayHeader, _PlainType)), "it sets state where none belongs")
        super().load_build()
        if isinstance(self.stack[-1], _ArrayHeader):
            self.stack.append(_array_bytes(self.stack.pop(), self.file_handle))

    dispatch[ord("b")] = load_build


def _array_bytes(header: _ArrayHeader, file: io.BytesIO) -> NDArray[Any]:
    """Read the array behind its header: one byte with the length of the padding, the padding, the numbers."""
    _refuse_unless(isinstance(header.type, _PlainType), "an array's type is not plain")
    kind = header.type.checked()
    shape = header.shape
    sized = isinstance(shape, tuple) and len(shape) <= 2 and all(type(side) is int and side >= 0 for side in shape)
    _refuse_unless(sized and header.order == "C", "an array's shape is not plain")
    padding = file.read(1)
    file.read(padding[0])
    size = math.prod(shape) * kind.itemsize
    _refuse_unless(size <= len(file.getbuffer()) - file.tell(), "it ends in the middle of an array")
    return np.frombuffer(file.read(size), dtype=kind).reshape(shape)
