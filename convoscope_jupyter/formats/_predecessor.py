"""The list of `{"user": "…", "ai": "…"}` that an earlier app of this name kept a conversation in.

It says neither which model answered nor at what price, so an answer has no attempts. A `timestamp`
in ISO 8601 is kept; other fields are left out.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Final, TypeGuard, cast

from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.formats._document import utc
from convoscope_jupyter.messages import Conversation, Message, Response, Turn

_NAMESPACE: Final = uuid.UUID("d0a3e6a8-6f5b-5d0e-9a53-1c4b8c0c7f11")
_UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TITLE: Final = 200


def is_one(value: object) -> TypeGuard[list[dict[str, object]]]:
    """Whether a JSON value looks like such a list; an empty one is a conversation nobody has begun."""
    if not isinstance(value, list):
        return False
    items = cast("list[object]", value)
    return all(isinstance(item, dict) and {"user", "ai"} & item.keys() for item in items)


def conversation(value: list[dict[str, object]], *, name: str) -> Conversation:
    """Make a conversation of such a list.

    Args:
        value: The list.
        name: The file's name: its stem is the title.

    Returns:
        A conversation of one path, its ids made from the list.

    Raises:
        ImportFormatError: An entry lacks a text.
    """
    exchanges = [
        tuple(_text(item, field, number, name=name) for field in ("user", "ai")) for number, item in enumerate(value, 1)
    ]
    own_id = uuid.uuid5(_NAMESPACE, json.dumps(exchanges))
    turns: list[Turn] = []
    time = _UNKNOWN_TIME
    for number, (item, (asked, said)) in enumerate(zip(value, exchanges, strict=True)):
        time = _moment(item.get("timestamp")) or time
        answer = Message.assistant(said)
        turns.append(
            Turn(
                id=str(uuid.uuid5(own_id, str(number))),
                parent_id=turns[-1].id if turns else None,
                prompt=Message.user(asked),
                created_at=time,
                responses=(Response(message=answer, status="complete" if answer.text else "failed"),),
            )
        )
    return Conversation(
        id=str(own_id),
        title=PurePath(name).stem[:_MAX_TITLE],
        created_at=turns[0].created_at if turns else time,
        updated_at=time,
        turns=tuple(turns),
    )


def _text(item: dict[str, object], field: str, number: int, *, name: str) -> str:
    text = item.get(field)
    if isinstance(text, str):
        return text
    raise ImportFormatError(
        f"is a list of questions and answers, but entry {number} has no text {field!r}. Add it, or remove the entry.",
        path=name,
    )


def _moment(value: object) -> datetime | None:
    try:
        return utc(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
