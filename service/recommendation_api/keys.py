"""
Keys: who may do what.

A file of lines `name:scopes:sha256hex` names the digests of random 256-bit keys; a plain digest is enough for keys that
cannot be guessed. The file is read again when it changes, so keys are rotated without a restart.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from recommendation.errors import SettingsError

log = logging.getLogger(__name__)


SCOPES = frozenset({"read", "write", "admin", "operator"})


_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,64}):(?P<scopes>[a-z,]+):(?P<digest>[0-9a-f]{64})")


_LOOK_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class KeyHolder:
    """Who sent a request."""

    name: str
    scopes: frozenset[str]


ANYONE = KeyHolder("anyone", SCOPES)


class KeyRing:
    """The keys of a file, as it stands."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._stamp = _stamp(path)
        self._keys = read_keys(path)

    def holder_of(self, key: str) -> KeyHolder | None:
        """Return who holds a key. Every digest is compared, each in constant time, whichever matches."""
        self._look_again()
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, holder in self._keys:
            if hmac.compare_digest(known, digest):
                found = holder
        return found

    def _look_again(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < _LOOK_EVERY_SECONDS:
                return
            self._looked = time.monotonic()
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            try:
                self._keys, self._stamp = read_keys(self._path), stamp
                log.info("keys were read again", extra={"keys": len(self._keys)})
            except SettingsError as error:
                self._stamp = stamp
                log.error("the last good keys stay in force: %s", error)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_keys(path: Path) -> Sequence[tuple[bytes, KeyHolder]]:
    """
    Read a file of keys.

    Raises:
        SettingsError: it cannot be read, holds none, or a line is wrong; the line's number is said, never its text.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"RECOMMENDATION_API_KEYS_FILE: cannot be read ({type(error).__name__})") from None
    keys = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        scopes = frozenset(match["scopes"].split(",")) if match else frozenset()
        if match is None or not scopes <= SCOPES:
            raise SettingsError(f"RECOMMENDATION_API_KEYS_FILE: line {number} should read name:scopes:sha256hex")
        keys.append((bytes.fromhex(match["digest"]), KeyHolder(match["name"], scopes)))
    if not keys:
        raise SettingsError("RECOMMENDATION_API_KEYS_FILE: holds no key")
    return keys


@lru_cache(maxsize=64)
def is_loopback(host: str | None) -> bool:
    """Tell whether an address is this machine's own."""
    if host is None or host in {"localhost", "testserver", "testclient"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
