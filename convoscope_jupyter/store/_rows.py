"""Rows to values and back. Pure; the border at which what comes out of the file is validated.

Text is cleaned on the way in: SQLite holds UTF-8, which has no lone surrogates. NUL is kept.
Numbers that no column can hold, such as a token count over 64 bits, become unknown (`None`): one
absurd number in a provider's answer must not cost the user the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from convoscope_jupyter._text import clean
from convoscope_jupyter.messages import Attempt, Conversation, Message, Part, Response, Turn
from convoscope_jupyter.store import ConversationSummary

Row = Mapping[str, Any]
"""A row of the database by column name; of any type until it is validated."""

_CONVERSATION: Final = TypeAdapter(Conversation)
_SUMMARY: Final = TypeAdapter(ConversationSummary)
_LARGEST_INTEGER = 2**63 - 1


def time_text(moment: datetime) -> str:
    """A time as the columns hold it: UTC, of one width, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def conversation_row(conversation: Conversation) -> dict[str, object]:
    """The columns of `conversation`."""
    return {
        "id": clean(conversation.id),
        "title": clean(conversation.title),
        "name": _clean_or_none(conversation.name),
        "system": _clean_or_none(conversation.system),
        "created_at": time_text(conversation.created_at),
        "updated_at": time_text(conversation.updated_at),
    }


def turn_row(conversation_id: str, turn: Turn, *, finished_at: datetime | None) -> dict[str, object]:
    """The columns of `turn`, but for `seq`, which the store assigns."""
    return {
        "id": clean(turn.id),
        "conversation_id": clean(conversation_id),
        "parent_id": _clean_or_none(turn.parent_id),
        "prompt": _parts_json(turn.prompt.parts),
        "created_at": time_text(turn.created_at),
        "chosen": turn.chosen,
        "continues": _clean_or_none(turn.continues),
        "finished_at": time_text(finished_at) if finished_at is not None else None,
    }


def response_row(turn_id: str, lane: int, response: Response) -> dict[str, object]:
    """The columns of `response`."""
    return {
        "turn_id": clean(turn_id),
        "lane": lane,
        "status": response.status,
        "finish_reason": response.finish_reason,
        "parts": _parts_json(response.message.parts),
    }


def attempt_row(turn_id: str, lane: int, position: int, attempt: Attempt) -> dict[str, object]:
    """The columns of `attempt`."""
    return {
        "turn_id": clean(turn_id),
        "lane": lane,
        "position": position,
        "provider": clean(attempt.model.provider),
        "model": clean(attempt.model.name),
        "started_at": time_text(attempt.started_at),
        "duration_s": attempt.duration_s,
        "error_kind": attempt.error_kind,
        "error_message": _clean_or_none(attempt.error_message),
        "status_code": _integer(attempt.status_code),
        "retry_after_s": attempt.retry_after_s,
        "time_to_first_chunk_s": attempt.time_to_first_chunk_s,
        "response_model": _clean_or_none(attempt.response_model),
        "response_id": _clean_or_none(attempt.response_id),
        "request_id": _clean_or_none(attempt.request_id),
        "raw_finish_reason": _clean_or_none(attempt.raw_finish_reason),
        "input_tokens": _integer(attempt.usage.input_tokens),
        "output_tokens": _integer(attempt.usage.output_tokens),
        "cached_input_tokens": _integer(attempt.usage.cached_input_tokens),
        "reasoning_tokens": _integer(attempt.usage.reasoning_tokens),
        "cost_usd": _decimal_text(attempt.cost_usd),
        "price_source": _clean_or_none(attempt.price_source),
        "temperature": attempt.temperature,
        "max_output_tokens": _integer(attempt.max_output_tokens),
        "held_back": attempt.held_back,
    }


def conversation(
    row: Row, *, turns: Sequence[Row], responses: Iterable[Row] = (), attempts: Iterable[Row] = ()
) -> Conversation:
    """Put a conversation together from its rows.

    Args:
        row: Its row of `conversation`.
        turns: Rows of `turn`, in order.
        responses: Rows of `response` of these turns, each turn's in order of lane.
        attempts: Rows of `attempt` of these responses, each response's in order of position.

    Raises:
        ValueError: A row does not hold what this version can read.
    """
    attempts_of: dict[tuple[str, int], list[dict[str, object]]] = {}
    for attempt in attempts:
        attempts_of.setdefault((attempt["turn_id"], attempt["lane"]), []).append(_attempt(attempt))
    responses_of: dict[str, list[dict[str, object]]] = {}
    for response in responses:
        value = _response(response, attempts_of.get((response["turn_id"], response["lane"]), []))
        responses_of.setdefault(response["turn_id"], []).append(value)
    return _CONVERSATION.validate_python(
        {
            **row,
            "created_at": _moment(row["created_at"]),
            "updated_at": _moment(row["updated_at"]),
            "turns": [_turn(turn, responses_of.get(turn["id"], [])) for turn in turns],
        }
    )


def summary(row: Row) -> ConversationSummary:
    """One line of the history from its row.

    Raises:
        ValueError: The row does not hold what this version can read.
    """
    return _SUMMARY.validate_python({**row, "updated_at": _moment(row["updated_at"])})


def _turn(row: Row, responses: Sequence[dict[str, object]]) -> dict[str, object]:
    return {
        **row,
        "prompt": {"role": "user", "parts": json.loads(row["prompt"])},
        "created_at": _moment(row["created_at"]),
        "responses": responses,
    }


def _response(row: Row, attempts: Sequence[dict[str, object]]) -> dict[str, object]:
    return {**row, "message": {"role": "assistant", "parts": json.loads(row["parts"])}, "attempts": attempts}


def _attempt(row: Row) -> dict[str, object]:
    return {
        **row,
        "model": {"provider": row["provider"], "name": row["model"]},
        "started_at": _moment(row["started_at"]),
        # SQLite holds no NaN; NULL comes of it.
        "duration_s": row["duration_s"] if row["duration_s"] is not None else float("nan"),
        "held_back": bool(row["held_back"]),
        "usage": {
            "input_tokens": row["input_tokens"],
            "output_tokens": row["output_tokens"],
            "cached_input_tokens": row["cached_input_tokens"],
            "reasoning_tokens": row["reasoning_tokens"],
        },
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _parts_json(parts: Sequence[Part]) -> str:
    return clean(json.dumps([asdict(part) for part in parts], ensure_ascii=False, separators=(",", ":")))


def _clean_or_none(text: str | None) -> str | None:
    return clean(text) if text is not None else None


def _integer(number: int | None) -> int | None:
    return number if number is not None and abs(number) <= _LARGEST_INTEGER else None


def _decimal_text(number: Decimal | None) -> str | None:
    return str(number) if number is not None and number.is_finite() else None


def interrupted(answers: Sequence[Message]) -> tuple[Response, ...]:
    """What a kernel that is gone has left of its answers: one lane at least, if only to say that it was interrupted."""
    return tuple(Response(message=answer, status="interrupted") for answer in answers or [Message.assistant("")])
