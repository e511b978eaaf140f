"""What the decoders share: JSON from strangers, and text that escapes cut in two."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.errors import ProtocolError
from convoscope_jupyter.messages import ReasoningDelta, TextDelta
from convoscope_jupyter.providers._decoding import Speech, as_count, as_list, as_object, as_text, parse_json


@pytest.mark.parametrize(
    "text",
    ["", "{", "nonsense", '{"a": }', "[" * 100_000, "9" * 5000 + "]"],
    ids=["empty", "cut short", "words", "no value", "too deep", "a huge number and a bracket"],
)
def test_broken_json_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError, match="garbled"):
        parse_json(text)


def test_half_an_emoji_in_json_is_read() -> None:
    assert {"a": "\ud83d"} == parse_json(r'{"a": "\ud83d"}')


@pytest.mark.parametrize(
    "value, expected",
    [(7, 7), (0, 0), (-1, None), (True, None), (1.5, None), ("7", None), (None, None)],
    ids=["number", "zero", "negative", "bool", "fraction", "text", "nothing"],
)
def test_a_count_of_tokens_is_a_natural_number_or_unknown(value: object, expected: int | None) -> None:
    assert expected == as_count(value)


def test_a_value_of_the_wrong_type_is_an_empty_one_of_the_right_type() -> None:
    assert ({}, (), "") == (as_object([1]), as_list({"a": 1}), as_text(1))


@given(text=st.text(min_size=1), units=st.integers(1, 3))
def test_text_cut_between_utf16_units_is_mended(text: str, units: int) -> None:
    encoded = text.encode("utf-16-le")
    pieces = [
        encoded[at : at + 2 * units].decode("utf-16-le", "surrogatepass") for at in range(0, len(encoded), 2 * units)
    ]
    speech = Speech()
    said = [chunk for piece in pieces for chunk in speech.say(piece)] + speech.rest()

    assert text == "".join(chunk.text for chunk in said if isinstance(chunk, TextDelta))


@given(pieces=st.lists(st.text(st.sampled_from("a\ud83d\ude00é"))))
def test_what_is_said_can_always_be_stored(pieces: list[str]) -> None:
    speech = Speech()
    chunks = [chunk for piece in pieces for chunk in (*speech.say(piece), *speech.think(piece))] + speech.rest()

    for chunk in chunks:
        assert isinstance(chunk, TextDelta | ReasoningDelta)
        chunk.text.encode()


def test_half_an_emoji_at_the_very_end_is_replaced() -> None:
    speech = Speech()

    assert [TextDelta(text="a")] == speech.say("a\ud83d")
    assert [ReasoningDelta(text="b")] == speech.think("b\ud83d")
    assert [ReasoningDelta(text="\ufffd"), TextDelta(text="\ufffd")] == speech.rest()
    assert [] == speech.rest()
