"""Text as UTF-8 can hold it, and figures as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter._text import clean, dollars

ANY_TEXT = st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C"]))
"""Halves of characters too."""


def test_text_without_surrogates_is_not_touched() -> None:
    text = "plain é \U0001f600"

    assert clean(text) is text


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\ud83d\ude00", "\U0001f600"),
        ("\ud83d", "\ufffd"),
        ("a\ude00b", "a\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
    ],
    ids=["a pair", "a first half", "a second half", "the wrong way round", "a pair and a half"],
)
def test_halves_are_joined_or_replaced(written: str, kept: str) -> None:
    assert kept == clean(written)


@given(text=ANY_TEXT)
def test_whatever_it_was_it_can_be_written_and_is_then_left_alone(text: str) -> None:
    cleaned = clean(text)

    assert cleaned == cleaned.encode().decode() == clean(cleaned)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "$0.00"),
        ("0.5", "$0.50"),
        ("1234.5", "$1,234.50"),
        ("0.4982", "$0.4982"),
        ("0.49826", "$0.4983"),
        ("12.345", "$12.3450"),
        ("0.0001", "$0.0001"),
        ("0.00003", "under $0.0001"),
        ("1E+10", "$1.00e+10"),
        ("9E+999999", "$9.00e+999999"),
    ],
)
def test_money_is_written_in_cents_or_with_four_places(amount: str, written: str) -> None:
    assert written == dollars(Decimal(amount))
