"""
The model as bytes: joblib's format, holding plain arrays and metadata, read back without trusting what it says.

`joblib.load` reads these bytes too, but runs whatever a pickle asks for. `load` here checks size and digest and then
builds nothing but arrays of numbers: no class or function of any module can be reached from the bytes, so a hostile
file does nothing even when its digest matches. Nor does it take memory or time: the few instructions that `dump` needs
are obeyed, a bounded number of them, none allocates more than the bytes that are there, and no list or mapping stands
in two places, so what was read is a tree. Arrays are not copied: they lie in the bytes that were given.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyUnpickler
from numpy.typing import NDArray

from recommendation.engine.model import Model
from recommendation.engine.settings import MOST_RECENCY, MOST_TREND_DAYS
from recommendation.engine.sparse import SparseLinks
from recommendation.errors import ArtifactRefused
from recommendation.matrix.vocabulary import Vocabulary

FORMAT = 1
"""Number of the layout below. A release of this service reads its own format and the one before."""


READABLE_FORMATS = (1,)


MOST_STEPS = 10_000
"""Instructions of a pickle that are obeyed; a model needs few, however many games it knows."""


MOST_AT_ONCE = 1024 * 1024
"""Bytes that one instruction may read, beside those of arrays."""


MOST_DEPTH = 20
"""How deep lists and mappings of metadata may nest."""


LARGEST = 1e15
"""Largest number of a model, and largest length of a game's factors."""


LARGEST_SCORE = 1e28
"""Largest score that one unit of a game's weight may give another; 1e10 of them are a finite float32 still."""


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
    "trend": (np.float32, 1),
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
        "recency": float(model.recency),
        **_trend_of(model),
        "decision": model.decision,
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
    for what in ("metadata", "decision"):
        _refuse_unless(_plain(payload[what]), f"the {what} holds something other than text, numbers, lists and dicts")
        payload[what] = _copied(payload[what])
    buffer = io.BytesIO()
    joblib.dump(payload, buffer)
    return buffer.getvalue()


def digest(data: bytes | bytearray) -> str:
    """SHA-256 in hexadecimal, as the database records it."""
    return hashlib.sha256(data).hexdigest()


def load(data: bytes | bytearray, sha256: str, max_bytes: int) -> tuple[Model, dict[str, Any]]:
    """
    Read a model and its metadata.

    Args:
        data: the bytes, which the model's arrays go on using: they must not be changed.
        sha256: the digest that was recorded.
        max_bytes: how many bytes there may be.

    Raises:
        ArtifactRefused: too large, another digest than recorded, not whole, or not a model of a readable format.
    """
    _refuse_unless(len(data) <= max_bytes, f"it has {len(data)} bytes, more than the {max_bytes} allowed")
    _refuse_unless(digest(data) == sha256, "its SHA-256 is not the one that the database recorded")
    payload = _read(data)
    _refuse_unless(isinstance(payload, dict), "it does not hold a model")
    known = payload.get("format")
    readable = type(known) is int and known in READABLE_FORMATS
    _refuse_unless(readable, f"its format is not one that this release reads: {', '.join(map(str, READABLE_FORMATS))}")
    try:
        return _model(payload), payload["metadata"]
    except ArtifactRefused:
        raise
    except Exception as error:  # what does not make a model can raise anything; each means that it is none
        raise ArtifactRefused(f"the model file was refused: {error!r:.200}") from error


def _read(data: bytes | bytearray) -> Any:
    file = _Bytes(data)
    try:
        payload = _ArrayUnpickler(file).load()
    except ArtifactRefused:
        raise
    except Exception as error:  # damaged bytes can raise anything; each means that the file is damaged
        raise ArtifactRefused(f"the model file was refused: it is damaged ({error!r:.200})") from error
    _refuse_unless(file.place == len(data), "something follows the model's end")
    return payload


def _model(payload: dict[str, Any]) -> Model:
    _refuse_unless(isinstance(payload["metadata"], dict) and _plain(payload["metadata"]), "its metadata is not plain")
    arrays = {name: _array(payload, name) for name in _ARRAYS if name != "trend"}
    numbers = {name: _number(payload, name) for name in ("entry_score", "user_power", "ridge", "link_share")}
    _refuse_unless(payload["weighting"] in ("log", "binary"), "its weighting is not known")
    model = Model(
        games=Vocabulary(arrays["game_blob"], arrays["game_offsets"]),
        factors=arrays["factors"],
        input_scales=arrays["input_scales"],
        output_scales=arrays["output_scales"],
        links=SparseLinks(arrays["link_indptr"], arrays["link_targets"], arrays["link_strengths"]),
        pairs=arrays["pairs"],
        weighting=payload["weighting"],
        # Releases before these wrote the same format without them, and read past them.
        decision=payload.get("decision", {}),
        recency=_number(payload, "recency") if "recency" in payload else 0.0,
        trend=_array(payload, "trend") if "trend" in payload else None,
        trend_days=payload.get("trend_days", 0),
        **numbers,
    )
    _refuse_unless(_consistent(model), "its arrays do not fit together")
    _refuse_unless(_scores_are_finite(model), "its numbers are so large that scores would not be finite")
    _refuse_unless(isinstance(model.decision, dict) and _plain(model.decision), "its decision is not plain")
    return model


def _trend_of(model: Model) -> dict[str, Any]:
    """Return what is written of a trend: nothing without one, as before there were any."""
    return {} if model.trend is None else {"trend": model.trend, "trend_days": model.trend_days}


def _number(payload: dict[str, Any], name: str) -> float:
    value = payload[name]
    _refuse_unless(type(value) is float and abs(value) <= LARGEST, f"{name} is not a number of a usable size")
    return float(value)


def _array(payload: dict[str, Any], name: str) -> NDArray[Any]:
    kind, dimensions = _ARRAYS[name]
    array = payload[name]
    good = isinstance(array, np.ndarray) and array.dtype == kind and array.ndim == dimensions
    _refuse_unless(good, f"{name} is not an array of {np.dtype(kind)} with {dimensions} dimensions")
    # Extremes are NaN where any number is; asking each would take a mask of the array's length.
    least, most = (float(extreme(array, initial=0)) for extreme in (np.min, np.max))
    _refuse_unless(least >= -LARGEST and most <= LARGEST, f"{name} holds numbers that are not finite, or too large")
    return np.asarray(array)


def _consistent(model: Model) -> bool:
    games = len(model.games)
    per_game = (model.factors, model.input_scales, model.output_scales, model.pairs)
    links = model.links
    return (
        games > 0
        and all(len(array) == games for array in per_game)
        and len(links.indptr) == games + 1
        and links.indptr[0] == 0
        and links.indptr[-1] == len(links.targets) == len(links.strengths)
        and bool(np.all(np.diff(links.indptr) >= 0))
        and (not len(links.targets) or (int(links.targets.min()) >= 0 and int(links.targets.max()) < games))
        and 0 <= model.user_power <= 2
        and 0 <= model.recency <= MOST_RECENCY
        and int(model.pairs.min()) >= 0
        and float(model.input_scales.min()) >= 1 / LARGEST  # releases divide by it
        and _trend_fits(model)
        and all(before < after for before, after in pairwise(model.games.all_ids))
    )


def _trend_fits(model: Model) -> bool:
    days = model.trend_days
    if model.trend is None:
        return days == 0 and type(days) is int
    fits = len(model.trend) == len(model.games) and float(model.trend.min()) >= 0
    return fits and type(days) is int and 1 <= days <= MOST_TREND_DAYS


def _scores_are_finite(model: Model) -> bool:
    """Tell whether no user can get a score that is not finite, by the largest numbers that could meet."""
    longest = float(model.lengths.max())
    into, out, strongest = map(_largest, (model.input_scales, model.output_scales, model.links.strengths))
    return longest <= LARGEST and into * (out * longest**2 + strongest) <= LARGEST_SCORE


def _largest(array: NDArray[np.float32]) -> float:
    """Largest magnitude, found without a copy of the array."""
    return max(float(array.max(initial=0)), -float(array.min(initial=0)))


def _plain(value: Any, depth: int = MOST_DEPTH) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(isinstance(key, str) and _plain(inner, depth - 1) for key, inner in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_plain(inner, depth - 1) for inner in value)
    return value is None or isinstance(value, (str, bool, int, float))


def _copied(value: Any) -> Any:
    """Copy plain metadata, so that no list or mapping of it stands in two places."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


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


class _Bytes:
    """A file over bytes that are not copied; `io.BytesIO` copies them when their buffer is asked for."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.view = memoryview(data).toreadonly()
        self.place = 0

    def read(self, size: int) -> bytes:
        """Read so many bytes, fewer at the end."""
        _refuse_unless(0 <= size <= MOST_AT_ONCE, "it asks for too many bytes at once")
        return bytes(self.skip(size))

    def readline(self) -> bytes:
        """Read a line, which names something and so is short."""
        start = bytes(self.view[self.place : self.place + 256])
        return self.read(start.find(b"\n") + 1 or len(start))

    def skip(self, size: int) -> memoryview:
        """Return so many bytes as they lie there, and go on behind them."""
        part = self.view[self.place : self.place + size]
        self.place += len(part)
        return part


_OBEYED = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.MEMOIZE, pickle.BINPUT, pickle.LONG_BINPUT),
    *(pickle.BINGET, pickle.LONG_BINGET, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BINFLOAT),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.SHORT_BINUNICODE, pickle.BINUNICODE),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.NEWOBJ, pickle.REDUCE, pickle.BUILD),
)
"""Instructions that a model needs. BYTEARRAY8, not among them, allocates what it is told to with no byte there."""


class _ArrayUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib publishes no types
    """Reads joblib's format; the bytes can name nothing but the stand-ins above."""

    admitted: ClassVar[dict[tuple[str, str], type]] = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): _ArrayHeader,
        ("numpy", "ndarray"): _ArrayMark,
        ("numpy", "dtype"): _PlainType,
    }

    def __init__(self, file: _Bytes) -> None:
        super().__init__("", file, ensure_native_byte_order=False)
        self.steps = 0

    def find_class(self, module: str, name: str) -> type:
        _refuse_unless((module, name) in self.admitted, f"it asks for {module}.{name}"[:200])
        return self.admitted[module, name]

    def load_build(self) -> None:
        # Only instances of the stand-ins take state: state set on a class would stay after this file.
        _refuse_unless(isinstance(self.stack[-2], (_ArrayHeader, _PlainType)), "it sets state where none belongs")
        super().load_build()
        if isinstance(self.stack[-1], _ArrayHeader):
            self.stack.append(_array_bytes(self.stack.pop(), self.file_handle))

    def step(self, obey: Callable[[Any], None], names_again: bool) -> None:
        """Obey one instruction; what is named again must not hold anything, or a small file could hold any amount."""
        self.steps += 1
        _refuse_unless(self.steps <= MOST_STEPS, f"it has more than {MOST_STEPS} instructions")
        obey(self)
        if names_again:
            _refuse_unless(isinstance(self.stack[-1], (str, type, _PlainType)), "a part of it stands in two places")


def _step(code: bytes) -> Callable[[_ArrayUnpickler], None]:
    """Return what obeys an instruction."""
    obey = _ArrayUnpickler.load_build if code == pickle.BUILD else NumpyUnpickler.dispatch[code[0]]
    names_again = code in (pickle.BINGET, pickle.LONG_BINGET)
    return lambda unpickler: unpickler.step(obey, names_again)


_ArrayUnpickler.dispatch = {code[0]: _step(code) for code in _OBEYED}


def _array_bytes(header: _ArrayHeader, file: _Bytes) -> NDArray[Any]:
    """Find the array behind its header: one byte with the length of the padding, the padding, the numbers."""
    _refuse_unless(isinstance(header.type, _PlainType), "an array's type is not plain")
    kind = header.type.checked()
    shape = header.shape
    sized = isinstance(shape, tuple) and len(shape) <= 2 and all(type(side) is int and side >= 0 for side in shape)
    _refuse_unless(sized and header.order == "C", "an array's shape is not plain")
    padding = file.read(1)
    file.skip(padding[0])
    size = math.prod(shape) * kind.itemsize
    _refuse_unless(size <= len(file.view) - file.place, "it ends in the middle of an array")
    return np.frombuffer(file.skip(size), dtype=kind).reshape(shape)
