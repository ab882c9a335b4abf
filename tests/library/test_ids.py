"""Ids: opaque, 1 to 128 characters, fit for a path."""

import unicodedata
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.ids import MAX_ID_CHARACTERS, is_id

FINE = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="/"),
    min_size=1,
    max_size=MAX_ID_CHARACTERS,
).filter(lambda text: text not in {".", ".."})


@given(FINE)
def test_any_printable_text_without_a_slash_is_an_id_and_survives_a_path(text: str) -> None:
    assert is_id(text)
    assert unquote(quote(text, safe="")) == text


@given(st.characters(categories=["C"]) | st.just("/"), FINE)
def test_one_control_character_or_slash_anywhere_refuses_it(character: str, text: str) -> None:
    for place in (0, len(text) // 2, len(text)):
        assert not is_id((text[:place] + character + text[place:])[-MAX_ID_CHARACTERS:]) or len(text) >= 128


@pytest.mark.parametrize(
    "value", ["", "x" * 129, ".", "..", "a\0", "a\u200bb", "\ud800", "\ue000", "a/b", "a\n", None, 7, b"a", ["a"], True]
)
def test_what_is_no_id_is_refused(value: object) -> None:
    assert not is_id(value)


@pytest.mark.parametrize(
    "value", ["x" * 128, "😀" * 128, "...", " ", "a b", "%2F", "o'brien", "Zoë", "用户", "'; DROP--"]
)
def test_odd_but_fine_ids_are_taken(value: str) -> None:
    assert is_id(value)


def test_ids_are_never_normalised() -> None:
    composed, parted = "é", unicodedata.normalize("NFD", "é")
    assert is_id(composed)
    assert is_id(parted)
    assert composed != parted
