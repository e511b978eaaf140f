"""Values that the tests of formats begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

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
