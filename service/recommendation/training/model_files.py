"""Copies of published models as files; the database is the truth, so a lost volume loses nothing."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from recommendation.errors import SettingsError


def write_copies(model_path: Path, version: str, data: bytes | bytearray, kept: Iterable[str]) -> None:
    """
    Leave a model under its version and at the path itself, each whole or not at all, and clear away old versions.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        model_path.parent.mkdir(parents=True, exist_ok=True)
        for path in (versioned(model_path, version), model_path):
            _replace(path, data)
        _clear(model_path, {version, *kept})
    except OSError as error:
        raise SettingsError(f"RECOMMENDATION_MODEL_PATH: {model_path} cannot be written ({error.strerror})") from error


def is_copy(path: Path, sha256: str) -> bool:
    """Tell whether a file holds just the bytes of a digest."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def versioned(model_path: Path, version: str) -> Path:
    """Return where the copy of a version stands: `cf.v17.pkl` beside `cf.pkl`."""
    return model_path.with_name(f"{model_path.stem}.{version}{model_path.suffix}")


def _replace(path: Path, data: bytes | bytearray) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _clear(model_path: Path, kept: set[str]) -> None:
    keep = {versioned(model_path, version) for version in kept} | {model_path}
    for path in model_path.parent.glob(f"{model_path.stem}.v*{model_path.suffix}"):
        if path not in keep:
            path.unlink(missing_ok=True)
    for leftover in model_path.parent.glob(f".{model_path.stem}.*"):
        leftover.unlink(missing_ok=True)
