"""
What chance alone would do: the tests, and the sample size. In NumPy, as the API's image has no SciPy.

A permutation test holds at any size; the others rest on the normal distribution.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
"""Share of experiments without an effect that may look as if they had one."""


POWER = 0.8
"""Share of experiments with the smallest effect worth finding that should find it."""


PERMUTATIONS = 1999


_NORMAL = NormalDist()


def half_width(standard_error: float, alpha: float = ALPHA) -> float:
    """Return half the width of the interval for one look, planned beforehand."""
    return _quantile(alpha) * standard_error


TIGHTEST_AT = 10_000
"""Users at which the always-valid interval is as narrow as it can be; elsewhere it is only a little wider than that."""


def always_valid_half_width(standard_error: float, users: int, alpha: float = ALPHA) -> float:
    """
    Return half the width of an interval that holds at every look, however often and whenever someone looks.

    It is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
    limit theory and asymptotic confidence sequences" (Annals of Statistics 52, 2024), their theorem 2.2, with rho
    chosen by their equation for a time at which it should be tight. It is the mixture of Robbins (1970), as the mSPRT.

    Args:
        standard_error: of the estimate; `users` times its square is the variance of one user's part in it.
        users: of both groups together.
    """
    tight = -2 * math.log(alpha)
    rho_squared = (tight + math.log(tight) + 1) / TIGHTEST_AT
    grown = users * rho_squared
    return standard_error * math.sqrt(2 * (grown + 1) / grown * math.log(math.sqrt(grown + 1) / alpha))


def share_interval(found: int, of: int, alpha: float = ALPHA) -> tuple[float, float]:
    """
    Return the interval of a share that was seen in a sample: `found` of so many; 0 to 1 where none was looked at.

    It is the score interval of Wilson, "Probable inference, the law of succession, and statistical inference"
    (JASA 22, 1927), which stays within 0 and 1 and is no point where none, or all, were found.
    """
    if of == 0:
        return 0.0, 1.0
    z = _quantile(alpha)
    share = found / of
    middle = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z * math.sqrt(share * (1 - share) / of + z**2 / (4 * of**2)) / (1 + z**2 / of)
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def grown(variance: float, relative: float) -> float:
    """
    Return the most that a variance comes to where every user does more by a share, such as 0.05.

    What is multiplied varies by the square of that. Counts at rates vary by less: 10 % more of them raise a variance by
    10 to 21 %.
    """
    return variance * (1 + relative) ** 2


def users_needed(
    variances: tuple[float, float], effect: float, share: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """
    Return the users, of both groups together, with which an effect is found in a share `power` of all experiments.

    That is for one look at the end: (z(1 - alpha/2) + z(power))² (a/(1 - share) + b/share) / effect², where a and b are
    the variances.

    Args:
        variances: of one user's outcome, after adjustment, in the control and in the treated group. They differ where
            there is an effect: with that of the control for both, 10 % more were found in 77 to 78 %, not in 80.
        effect: the difference of the means.
        share: of the users in the treated group, from 0 to 1.
    """
    return _of_one_user(variances, effect, share) * (_quantile(alpha) + _NORMAL.inv_cdf(power)) ** 2


def users_needed_at_every_look(
    variances: tuple[float, float], effect: float, share: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """
    Return the users with which the interval that holds at every look leaves out 0 in a share `power` of experiments.

    Looks before the last one find some effects earlier, so a few more are found than that. The interval's width depends
    on the users: they are looked for by a fixed point, which a few rounds reach, as the width changes by a logarithm.

    Args:
        variances: as `users_needed` takes them, and so the others.
    """
    one, users = _of_one_user(variances, effect, share), float(TIGHTEST_AT)
    for _ in range(50):
        quantile = always_valid_half_width(1.0, max(1, round(users)), alpha)
        users = one * (quantile + _NORMAL.inv_cdf(power)) ** 2
    return users


def _of_one_user(variances: tuple[float, float], effect: float, share: float) -> float:
    control, treated = variances
    return (control / (1 - share) + treated / share) / effect**2


def _quantile(alpha: float) -> float:
    return _NORMAL.inv_cdf(1 - alpha / 2)


def permutation_p_value(one: NDArray[np.float64], other: NDArray[np.float64], seed: int) -> float:
    """
    Return the share of random splits of all values whose means differ as much as those of the split that was made.

    The split itself counts as one of them, so the value is never 0. The same seed gives the same value.
    """
    everyone = np.concatenate([one, other])
    few = one if len(one) <= len(other) else other
    centre = everyone.mean()
    seen = abs(few.sum() - len(few) * centre)
    rng = np.random.default_rng(seed)
    as_much = 1
    for _ in range(PERMUTATIONS):
        drawn = rng.choice(everyone, len(few), replace=False, shuffle=False)
        as_much += bool(abs(drawn.sum() - len(few) * centre) >= seen - 1e-9)
    return as_much / (PERMUTATIONS + 1)


def sample_ratio_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """
    Return how likely counts are so far from their shares by chance: the chi-square test of goodness of fit.

    A small value says that users are missing from a variant, so that its means tell nothing (Fabijan et al.,
    "Diagnosing Sample Ratio Mismatch", KDD 2019).
    """
    total = sum(counts)
    if not total:
        return 1.0
    expected = [total * share / sum(shares) for share in shares]
    squared = sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))
    return _chi_square_above(squared, len(counts) - 1)


def _chi_square_above(value: float, degrees: int) -> float:
    """Return the probability above a value: Q(n/2, x/2), by Q(a + 1, x) = Q(a, x) + x^a e^-x / gamma(a + 1)."""
    half = value / 2
    if half <= 0:
        return 1.0
    a = 0.5 if degrees % 2 else 1.0
    above = math.erfc(math.sqrt(half)) if degrees % 2 else math.exp(-half)
    while a < degrees / 2:
        above += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return min(1.0, above)
