"""
Who gets what, by a keyed hash of the user alone: the same on every replica, and no row is written for it.

A hash under one key says nothing of the hash under another. So the users of one experiment fall into the variants of
another at random, and gate users and partitions, which are hashed in other ways, are spread over all of them.
"""

import hashlib
from typing import Any


def hash_of(kind: str, name: str) -> Any:
    """Return a hash with the key of a thing of some kind, such as a layer: a read copies it for each user."""
    key = hashlib.blake2b(f"{kind}:{name}".encode(), digest_size=32, person=b"experiment key").digest()
    return hashlib.blake2b(digest_size=8, key=key)


def part_of_hundred(keyed: Any, user_id: str) -> int:
    """
    Return a number from 0 to 99 for a user, each as likely as any other.

    The hash has 64 bits, so no number is more likely than another by more than 1e-17.
    """
    hashed = keyed.copy()
    hashed.update(user_id.encode())
    return int.from_bytes(hashed.digest(), "big") % 100
