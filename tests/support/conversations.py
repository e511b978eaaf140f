"""Conversations for hypothesis: every field of every value varies, those added later too."""

from __future__ import annotations

import base64
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_type_hints

from hypothesis import strategies as st

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
    Usage,
)
from tests.support.hostile_markdown import KNOWN, PIECES

TEXTS = st.text(max_size=40)
"""Any characters but surrogates; NUL too."""

MARKDOWN = st.sampled_from(sorted(KNOWN.values())) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
"""What would do harm if it were rendered as it is."""

_KEPT = TEXTS | MARKDOWN.filter(lambda text: "\ud83d" not in text)

IDS = st.uuids().map(str)

_COUNTS = st.integers(min_value=0, max_value=2**63 - 1)
_FLOATS = st.floats(allow_nan=False)  # NaN is no equal of itself
_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    str: _KEPT,
    str | None: st.none() | _KEPT,
    datetime: st.datetimes(timezones=st.just(UTC)),
    float: _FLOATS,
    float | None: st.none() | _FLOATS,
    int | None: st.none() | _COUNTS,
    Decimal | None: st.none() | st.decimals(allow_nan=False, allow_infinity=False),
}


def every(cls: type[Any], **chosen: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a dataclass in which every field varies."""
    types = get_type_hints(cls)
    drawn = {name: _BY_TYPE.get(type_, st.from_type(type_)) for name, type_ in types.items() if name not in chosen}
    assert set(types) == {field.name for field in fields(cls)}
    return st.builds(cls, **drawn, **chosen)


IMAGES = every(ImagePart, data_base64=st.binary(max_size=30).map(lambda data: base64.b64encode(data).decode()))
PARTS = st.lists(every(TextPart) | every(ReasoningPart) | IMAGES, max_size=3).map(tuple)
ATTEMPTS = every(Attempt, model=every(ModelRef), usage=every(Usage))
RESPONSES = every(
    Response,
    message=every(Message, role=st.just("assistant"), parts=PARTS),
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
)


@st.composite
def conversations(draw: st.DrawFn, *, max_turns: int = 4) -> Conversation:
    """Trees of turns with siblings, comparisons and turns whose parent is not there; fit for a store and a file."""
    ids = draw(st.lists(IDS, max_size=max_turns, unique=True))
    turns: list[Turn] = []
    for number, turn_id in enumerate(ids):
        responses = draw(st.lists(RESPONSES, max_size=3).map(tuple))
        earlier = st.sampled_from([None, *ids[:number]]) | IDS
        turn = every(
            Turn,
            id=st.just(turn_id),
            parent_id=earlier,
            prompt=every(Message, role=st.just("user"), parts=PARTS),
            responses=st.just(responses),
            chosen=st.integers(0, max(0, len(responses) - 1)),
            continues=earlier,
        )
        turns.append(draw(turn))
    conversation: Conversation = draw(every(Conversation, id=IDS, turns=st.just(tuple(turns))))
    return conversation
