"""
Who gets what, by a keyed hash of the user alone: the same on every replica, and no row is written for it.

A hash under one key says nothing of the hash under another. So the users of one experiment fall into the variants of
another at random, and gate users and partitions, which are hashed in other ways, are spread over all of them.
"""

import hashlib


def key_of(kind: str, name: str) -> bytes:
    """Return the key under which users are hashed for a thing of some kind, such as a layer."""
    return hashlib.blake2b(f"{kind}:{name}".encode(), digest_size=32, person=b"experiment key").digest()


def part_of_hundred(key: bytes, user_id: str) -> int:
    """
    Return a number from 0 to 99 for a user, each as likely as any other.

    The hash has 64 bits, so no number is more likely than another by more than 1e-17.
    """
    hashed = hashlib.blake2b(user_id.encode(), digest_size=8, key=key).digest()
    return int.from_bytes(hashed, "big") % 100
