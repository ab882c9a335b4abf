"""
How much memory takes what workers hold.

Dask takes an object that it does not know for a few bytes, and would rather bring parts to sums than sums to parts.
"""

from __future__ import annotations

from dask.sizeof import sizeof
from scipy.sparse import csr_array

from recommendation.engine.strongest import Both
from recommendation.matrix.extract import Rows
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary


def register_sizes() -> None:
    """Tell Dask; a worker does so before it works."""
    for kind in (InteractionMatrix, Vocabulary, Both, Rows, csr_array):
        sizeof.register(kind, of_fields)


def of_fields(held: object) -> int:
    """Return how many bytes an object's fields take."""
    return sum(int(sizeof(value)) for value in vars(held).values())
