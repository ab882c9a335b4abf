"""
The truncated SVD of a scaled matrix, whole or over parts of the users.

Over parts it is subspace iteration (Halko, Martinsson and Tropp, Finding Structure with Randomness, SIAM Review 53,
2011, algorithm 4.4), as scikit-learn's `randomized_svd` does it, but for what would hold a row for every user: with Q
orthonormal and Y = W'W Q, which is a sum over parts, Q'Y is the Gram matrix of WQ. With Q'Y = E L E', the columns of
P = WQ E L^-1/2 are orthonormal, and P'W = L^-1/2 E'Y' is what scikit-learn has from a QR decomposition of WQ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits

from recommendation.errors import RecommendationError
from recommendation.matrix.parts import MatrixParts, as_it_is

EXACT_PAIRS = 3_000_000
"""Up to so many pairs in one part ARPACK computes the factors to the last bit. With more it would take longer than the
rest of the fit, and subspace iteration finds nearly the same subspace in half the time."""


ITERATIONS = 4
"""Iterations of the subspace: with 2, lists get visibly worse where components are few; with 5 they do not."""


OVERSAMPLES = 10
"""Directions beside those that are wanted, as in scikit-learn."""


NOISE = 1e-6
"""Directions with less than this share of the strongest one's energy are rounding errors: the data has no more."""


CELLS_AT_ONCE = 2_500_000
"""Entries of WQ that are held at a time: 10 MB."""


Decomposition = tuple[NDArray[np.float64], NDArray[np.float32]]
"""Singular values, descending, shape (components,), and right singular vectors, shape (games, components)."""


class UnusableFactors(RecommendationError):
    """The factorisation produced numbers that are not finite."""


def factorise(weights: MatrixParts, components: int, seed: int) -> Decomposition:
    """Factorise float32 CSR arrays of shape (users, games), fewer components than users or games."""
    if len(weights) == 1 and weights.total(entries_of) <= EXACT_PAIRS:
        singular, vectors = _exact(weights.each(as_it_is)[0], components, seed)
    else:
        singular, vectors = _over_parts(weights, components, seed)
    if not (np.all(np.isfinite(singular)) and np.all(np.isfinite(vectors))):
        raise UnusableFactors("the factorisation gave numbers that are not finite; nothing was published")
    return singular.astype(np.float64), np.ascontiguousarray(vectors, dtype=np.float32)


def entries_of(weights: csr_array) -> int:
    """Number of entries of a part."""
    return int(weights.nnz)


def _exact(weights: csr_array, components: int, seed: int) -> Decomposition:
    svd = TruncatedSVD(components, algorithm="arpack", random_state=seed).fit(weights)
    return svd.singular_values_, svd.components_.T


def _over_parts(weights: MatrixParts, components: int, seed: int) -> Decomposition:
    games = len(weights.games)
    width = min(components + OVERSAMPLES, games)
    basis = np.random.RandomState(seed).normal(size=(games, width)).astype(np.float32)
    for _ in range(ITERATIONS):
        basis = _orthonormal(weights.total(product, basis))
    return _from_subspace(basis, weights.total(product, basis), components)


def product(weights: csr_array, basis: NDArray[np.float32]) -> NDArray[np.float64]:
    """W'(WQ) of a part, in float64 beyond some users at a time; shape (games, columns of the basis)."""
    total = np.zeros(basis.shape)
    step = max(1, CELLS_AT_ONCE // basis.shape[1])
    for start in range(0, weights.shape[0], step):
        some = weights[start : start + step]
        total += some.T @ (some @ basis)
    return total


def _orthonormal(block: NDArray[np.float64]) -> NDArray[np.float32]:
    # Several threads of BLAS may round in another way than one.
    with threadpool_limits(1, "blas"):
        return np.linalg.qr(block)[0].astype(np.float32)


def _from_subspace(basis: NDArray[np.float32], block: NDArray[np.float64], components: int) -> Decomposition:
    with threadpool_limits(1, "blas"):
        gram = basis.astype(np.float64).T @ block
        energies, directions = np.linalg.eigh((gram + gram.T) / 2)
        there = energies > NOISE * energies[-1]
        projected = (directions[:, there] / np.sqrt(energies[there])).T @ block.T
        _, singular, rows = np.linalg.svd(projected, full_matrices=False)
    # As in scikit-learn, the entry of the largest size of each vector is positive.
    largest = np.argmax(np.abs(rows), axis=1)
    rows *= np.sign(rows[np.arange(len(rows)), largest])[:, None]
    return singular[:components], rows[:components].T.astype(np.float32)
