"""
Cursors: where a list goes on, as the games that were shown.

The keys of the games stand sorted, as differences in base-128, in URL-safe base64: about two characters a game.
"""

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache
from operator import sub

from recommendation.catalogue import Catalogue
from recommendation_api.problems import Problem

MOST_SHOWN = 2000
"""Games a cursor may hold; a list has no more."""


def encode_cursor(keys: Iterable[int]) -> str:
    """Write the keys of the games that were shown."""
    ordered = sorted(keys)
    steps = map(sub, ordered, [0, *ordered])
    return base64.urlsafe_b64encode(b"".join(map(_in_base_128, steps))).decode().rstrip("=")


@lru_cache(maxsize=16_384)
def _in_base_128(step: int) -> bytes:
    data = bytearray()
    while step >= 128:
        data.append(step & 127 | 128)
        step >>= 7
    return bytes([*data, step])


def decode_cursor(cursor: str, catalogue: Catalogue) -> frozenset[str]:
    """
    Read the games that were shown.

    Raises:
        Problem: it is no cursor of ours.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unknown() from None
    keys, key, step, shift = [], 0, 0, 0
    for byte in data:
        step |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            key += step
            keys.append(key)
            step, shift = 0, 0
        elif shift > 28:
            raise _unknown()
    if shift or not keys or len(keys) > MOST_SHOWN:
        raise _unknown()
    games = [catalogue.by_key.get(key) for key in keys]
    if None in games:
        raise _unknown()
    return frozenset(game.game_id for game in games if game is not None)


def _unknown() -> Problem:
    return Problem(422, "invalid_cursor", "this is no cursor of ours; start again without one")
