"""Values that the tests of formats begin with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from convoscope_jupyter import formats
from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.messages import Attempt, Conversation, Message, ModelRef, Response, Turn

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def attempt(model: str = "demo:echo", **known: Any) -> Attempt:  # noqa: ANN401 - any field of an attempt
    provider, name = model.split(":")
    return Attempt(**{"model": ModelRef(provider=provider, name=name), "started_at": NOON, "duration_s": 1.5, **known})


def answered(
    prompt: str,
    answer: str = "",
    *,
    turn_id: str = "turn-0001",
    parent_id: str | None = None,
    attempts: tuple[Attempt, ...] = (),
) -> Turn:
    return Turn(
        id=turn_id,
        parent_id=parent_id,
        prompt=Message.user(prompt),
        created_at=NOON,
        responses=(Response(message=Message.assistant(answer), status="complete", attempts=attempts),),
    )


def chat(*turns: Turn, title: str = "") -> Conversation:
    return Conversation(id="chat-0001", created_at=NOON, updated_at=NOON, title=title, turns=turns)


BOTH = pytest.mark.parametrize("name", ["chat.json", "chat.ipynb"])
SOUND = chat(
    answered("canary", "canary", attempts=(attempt(),)), answered("b", turn_id="turn-0002", parent_id="turn-0001")
)


def refused(text: str | bytes, name: str = "chat.json") -> ImportFormatError:
    with pytest.raises(ImportFormatError) as caught:
        formats.load(text, name=name)
    assert name == caught.value.path
    return caught.value


def changed(change: Callable[[dict[str, Any]], object], name: str = "chat.json") -> str:
    """A sound file after a change to its conversation."""
    if name.endswith(".json"):
        document = whole = json.loads(formats.dump(SOUND, ".json"))
    else:
        whole = json.loads(formats.dump(SOUND, ".ipynb"))
        document = whole["metadata"]["convoscope"]
    change(document["conversation"])
    return json.dumps(whole)
