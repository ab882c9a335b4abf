"""What one event is worth: exact millionths, and nonsense that stops the start."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.errors import SettingsError
from recommendation.weights import DEFAULT_WEIGHTS, MAX_QUANTITY, parse_weights

QUANTITIES = st.integers(1, MAX_QUANTITY) | st.floats(0, MAX_QUANTITY, exclude_min=True, allow_subnormal=True)


def test_the_defaults_are_those_that_are_documented() -> None:
    assert {name: str(weight) for name, weight in DEFAULT_WEIGHTS.items()} == {
        "purchased": "5",
        "played": "3",
        "wishlisted": "2",
        "clicked": "0.5",
        "viewed": "0.3",
    }


def test_given_weights_override_and_add_to_the_defaults() -> None:
    weights = parse_weights(" purchased:7 , reviewed:1.5,")
    assert weights.millionths("purchased", 1) == 7_000_000
    assert weights.millionths("reviewed", 2) == 3_000_000
    assert weights.millionths("played", 1) == 3_000_000


@pytest.mark.parametrize("name", ["refunded", "dismissed"])
def test_refunds_and_dismissals_weigh_nothing(name: str) -> None:
    assert parse_weights("").millionths(name, 1000) == 0


@pytest.mark.parametrize(
    ("weight", "quantity", "expected"),
    [("0.0000005", 1, 0), ("0.0000015", 1, 2), ("0.0000025", 1, 2), ("1", 0.0000005, 0), ("0.3", 0.1, 30_000)],
)
def test_halves_are_rounded_to_even_once(weight: str, quantity: float, expected: int) -> None:
    assert parse_weights(f"viewed:{weight}").millionths("viewed", quantity) == expected


@given(st.decimals(0, 1000, places=7), QUANTITIES)
def test_a_score_is_the_exact_product_rounded_once(weight: Decimal, quantity: float) -> None:
    exact = Fraction(weight) * Fraction(str(quantity)) * 1_000_000
    below = exact.numerator // exact.denominator
    rest = exact - below
    nearest = below + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1))
    assert parse_weights(f"viewed:{weight}").millionths("viewed", quantity) == nearest


@pytest.mark.parametrize(
    "text",
    [
        "purchased:x",
        "purchased",
        "purchased:",
        ":5",
        "purchased:-1",
        "purchased:nan",
        "purchased:inf",
        "purchased:1e9",
        "Purchased:5",
        "buy now:5",
        "refunded:1",
        "dismissed:1",
        "shown:1",
        "purchased:5;played:3",
        "a" * 33 + ":1",
        "purchased:5:6",
    ],
)
def test_nonsense_is_refused_in_one_line_that_names_the_setting(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_weights(text)
    assert str(refused.value).startswith("INTERACTION_WEIGHTS: ")
    assert "\n" not in str(refused.value)
