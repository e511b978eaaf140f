"""What is exported comes back as it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings

from convoscope_jupyter import formats
from convoscope_jupyter.errors import UnknownFormat
from convoscope_jupyter.messages import (
    Attempt,
    Conversation,
    ImagePart,
    Message,
    ModelRef,
    ReasoningPart,
    Response,
    TextPart,
    Turn,
)
from tests.formats.building import NOON, answered, attempt, chat
from tests.support.conversations import conversations

SUFFIXES = pytest.mark.parametrize("suffix", formats.SUFFIXES)


def again(conversation: Conversation, suffix: str) -> Conversation:
    return formats.load(formats.dump(conversation, suffix), name=f"chat{suffix}")


@SUFFIXES
@settings(max_examples=60, deadline=None)
@given(conversation=conversations())
def test_any_conversation_comes_back_as_it_was(conversation: Conversation, suffix: str) -> None:
    assert conversation == again(conversation, suffix)


@SUFFIXES
@settings(max_examples=20, deadline=None)
@given(conversation=conversations())
def test_the_text_is_the_same_each_time_and_can_be_written_as_utf8(conversation: Conversation, suffix: str) -> None:
    text = formats.dump(conversation, suffix)

    assert text == formats.dump(conversation, suffix)
    assert text == formats.dump(again(conversation, suffix), suffix)
    assert conversation == formats.load(text.encode(), name=f"chat{suffix}")
    assert text.endswith("}\n")


@SUFFIXES
def test_what_a_text_file_cannot_hold_becomes_the_replacement_sign(suffix: str) -> None:
    turn = answered("split \ud83d\ude00, half \ud83d, nul \0", "\udc00\n\n```python\n'\ud83d'\n```")

    (kept,) = again(chat(turn), suffix).turns

    assert "split \U0001f600, half �, nul \0" == kept.prompt.text
    assert "�\n\n```python\n'�'\n```" == kept.text


@SUFFIXES
def test_numbers_that_json_does_not_know_are_kept_but_a_cost_of_them_is_unknown(suffix: str) -> None:
    turn = answered(
        "?",
        attempts=(
            attempt(duration_s=math.nan, retry_after_s=math.inf, cost_usd=Decimal("NaN")),
            attempt(duration_s=-math.inf, cost_usd=Decimal("0.000000000000000000012300")),
        ),
    )

    text = formats.dump(chat(turn), suffix)
    first, second = formats.load(text, name=f"chat{suffix}").turns[0].responses[0].attempts

    assert math.isnan(first.duration_s)
    assert (math.inf, None) == (first.retry_after_s, first.cost_usd)
    assert (-math.inf, "1.2300E-20") == (second.duration_s, str(second.cost_usd))
    json.loads(text, parse_constant=pytest.fail)  # a browser reads no NaN


@SUFFIXES
def test_times_are_written_in_utc_to_the_microsecond(suffix: str) -> None:
    elsewhere = datetime(2026, 11, 22, 7, 0, 0, 1, tzinfo=timezone(timedelta(hours=-5)))

    text = formats.dump(replace(chat(), created_at=elsewhere), suffix)
    loaded = formats.load(text, name=f"chat{suffix}")

    assert '"2026-11-22T12:00:00.000001+00:00"' in text
    assert (elsewhere, UTC) == (loaded.created_at, loaded.created_at.tzinfo)
    assert loaded.updated_at.tzinfo is UTC
    assert text == formats.dump(replace(chat(), created_at=elsewhere.astimezone(UTC).replace(tzinfo=None)), suffix)


@SUFFIXES
def test_siblings_lanes_reasoning_and_images_are_all_in_the_file(suffix: str) -> None:
    root = answered("root")
    thinking = Message(role="assistant", parts=(ReasoningPart(text="hm"), TextPart(text="a"), TextPart(text="b")))
    compared = replace(
        answered("compared", turn_id="turn-0002", parent_id=root.id),
        responses=(
            Response(message=thinking, status="cancelled", attempts=(attempt(error_kind="cancelled"),)),
            Response(message=Message.assistant("lane 2"), status="complete", finish_reason="length"),
        ),
        chosen=1,
    )
    looked_at = Turn(
        id="turn-0003",
        parent_id=root.id,
        prompt=Message(role="user", parts=(ImagePart(media_type="image/png", data_base64="iVBORw0="),)),
        created_at=NOON,
        continues=compared.id,
    )
    conversation = chat(root, compared, looked_at)

    assert conversation == again(conversation, suffix)


@SUFFIXES
def test_a_suffix_counts_in_any_case(suffix: str) -> None:
    assert chat() == formats.load(formats.dump(chat(), suffix.upper()), name=f"CHAT{suffix.upper()}")
    assert chat() == formats.load(formats.dump(chat(), suffix), name=suffix)


@pytest.mark.parametrize("suffix", [".docx", "", "json", ".md"])
def test_another_suffix_is_refused_with_those_there_are(suffix: str) -> None:
    with pytest.raises(UnknownFormat, match=r"\.ipynb and \.json, not .*Choose one of them") as written:
        formats.dump(chat(), suffix)
    with pytest.raises(UnknownFormat) as read:
        formats.load("{}", name=f"chat{suffix}")

    assert (suffix, formats.SUFFIXES) == (written.value.path, written.value.known)
    assert f"chat{suffix}" == read.value.path


def test_the_json_says_what_it_is_and_has_one_field_a_line() -> None:
    lines = formats.dump(chat(answered("é")), ".json").splitlines()

    assert ["{", ' "format": "convoscope",', ' "version": 2,', ' "conversation": {'] == lines[:4]
    assert '"text": "é",' in [line.strip() for line in lines]


def test_an_attempt_with_nothing_known_stays_unknown() -> None:
    bare = Attempt(model=ModelRef(provider="p", name="m"), started_at=NOON, duration_s=1.0)

    assert (bare,) == again(chat(answered("?", attempts=(bare,))), ".json").turns[0].responses[0].attempts
