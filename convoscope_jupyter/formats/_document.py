"""The document: a conversation as JSON values, and back past every check."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeGuard, cast

from pydantic import TypeAdapter, ValidationError

from convoscope_jupyter._text import clean
from convoscope_jupyter.errors import ImportFormatError
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
from convoscope_jupyter.redaction import redact

FORMAT: Final = "convoscope"
VERSION: Final = 2
"""Counts up with every field that is added: fields that are not known are refused."""


class _AnyPart:
    """A part of a message; its `type` says which."""


_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {
    kind: TypeAdapter(kind)
    for kind in (
        *(Conversation, Turn, Response, Attempt, ModelRef, Usage, Message),
        *(TextPart, ReasoningPart, ImagePart),
    )
}
_WITHIN: Final[dict[type, dict[str, type]]] = {
    Conversation: {"turns": Turn},
    Turn: {"prompt": Message, "responses": Response},
    Response: {"message": Message, "attempts": Attempt},
    Attempt: {"model": ModelRef, "usage": Usage},
    Message: {"parts": _AnyPart},
}
_LISTS: Final = {"turns", "responses", "attempts", "parts"}
_PARTS: Final[dict[str, type]] = {"text": TextPart, "reasoning": ReasoningPart, "image": ImagePart}

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")  # also the names of side files; the store has the same rule
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_REMEDY: Final = "Export the conversation again, or take an undamaged copy."


def dump(conversation: Conversation) -> str:
    """Text of a `.json` file."""
    return clean(json.dumps(document(conversation), ensure_ascii=False, indent=1, allow_nan=False)) + "\n"


def document(conversation: Conversation) -> dict[str, object]:
    """A conversation as JSON values: dicts, lists, text, numbers that JSON knows, True, False and None."""
    return {"format": FORMAT, "version": VERSION, "conversation": _plain(conversation)}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return utc(value).isoformat()
        case Decimal():
            return str(value) if value.is_finite() else None
        case float():
            return value if isfinite(value) else str(value)  # JSON has no such numbers; pydantic reads their names
        case tuple():
            return [_plain(item) for item in cast("tuple[object, ...]", value)]
        case _ if is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def is_one(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a JSON value says that it is such a document."""
    return isinstance(value, dict) and cast("dict[str, object]", value).get("format") == FORMAT


def conversation(value: dict[str, object], *, name: str) -> Conversation:
    """Read a document.

    Args:
        value: A value of which `is_one` is true.
        name: The file's name, for errors.

    Returns:
        The conversation, its ids fit for the store.

    Raises:
        ImportFormatError: It is of a newer version, or anything in it is not what it should be.
    """
    try:
        return _checked(value)
    except _Problem as problem:
        raise ImportFormatError(f"{problem}. {problem.remedy}", path=name) from None


class _Problem(Exception):
    """What is wrong with the document; the file's name is put before it, the remedy behind it."""

    def __init__(self, message: str, *, remedy: str = _REMEDY) -> None:
        super().__init__(message)
        self.remedy = remedy


def _checked(value: dict[str, object]) -> Conversation:
    version = value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise _Problem(
            f"was written by a newer convoscope_jupyter: format version {str(version)[:10]}, and this one reads "
            f"version {VERSION}",
            remedy="Update convoscope_jupyter.",
        )
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise _Problem("is damaged: version does not hold what it should")
    _refuse_unknown(value, {"format", "version", "conversation"}, "")
    if "conversation" not in value:
        raise _Problem("is damaged: conversation is missing")
    read: Conversation = _read(Conversation, value["conversation"], "conversation")
    for problem in _problems(read):
        raise _Problem(f"is damaged: {problem}")
    return read


def _read(kind: type, value: object, place: str) -> Any:  # noqa: ANN401 - a value of `kind`
    """Read one value and, before it, each within it.

    From the inside out, so that the first mistake is the last that is looked at: pydantic would
    gather them all, which for a file of three megabytes of mistakes are three gigabytes of errors.
    """
    if kind is _AnyPart:
        kind = _kind_of_part(value, place)
    if isinstance(value, dict):
        given = cast("dict[str, object]", value)
        _refuse_unknown(given, {field.name for field in fields(kind)}, f"{place}.")
        within = _WITHIN.get(kind, {})
        value = {
            key: _read_within(within[key], item, f"{place}.{key}", is_list=key in _LISTS) if key in within else item
            for key, item in given.items()
        }
    try:
        return _mended(_ADAPTERS[kind].validate_python(value))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = f".{first['loc'][0]}" if first["loc"] else ""
        what = "is missing" if first["type"] == "missing" else "does not hold what it should"
        raise _Problem(f"is damaged: {place}{field} {what}") from None
    except OverflowError:
        raise _Problem(f"is damaged: {place} holds a time before the year 1 or after 9999") from None


def _read_within(kind: type, value: object, place: str, *, is_list: bool) -> object:
    if not is_list:
        return _read(kind, value, place)
    if not isinstance(value, list):
        raise _Problem(f"is damaged: {place} does not hold what it should")
    items = cast("list[object]", value)
    return [_read(kind, item, f"{place}[{number}]") for number, item in enumerate(items)]


def _kind_of_part(value: object, place: str) -> type:
    name = cast("dict[str, object]", value).get("type") if isinstance(value, dict) else None
    if isinstance(name, str) and name in _PARTS:
        return _PARTS[name]
    raise _Problem(f"is damaged: {place} is not a part of a message")


def _refuse_unknown(given: dict[str, object], known: set[str], place: str) -> None:
    for name in given:
        if name not in known:
            told = (
                f"{place}{redact(name)}"
                if _FIELD.fullmatch(name)
                else f"a field of {place.rstrip('.') or 'the document'}"
            )
            raise _Problem(
                f"cannot be read without loss: {told} is not known to this version",
                remedy="Update convoscope_jupyter, or remove the field.",
            )


def _mended(value: object) -> object:
    match value:
        case Conversation():
            return replace(value, created_at=utc(value.created_at), updated_at=utc(value.updated_at))
        case Turn():
            chosen = value.chosen if 0 <= value.chosen < len(value.responses) else 0
            return replace(value, created_at=utc(value.created_at), chosen=chosen)
        case Attempt():
            return replace(value, started_at=utc(value.started_at))
        case _:
            return value


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; one without a zone is taken to be in it."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _problems(read: Conversation) -> Iterable[str]:
    if not _ID.fullmatch(read.id):
        yield "conversation.id is not an id"
    known: set[str] = set()
    for number, turn in enumerate(read.turns):
        place = f"conversation.turns[{number}]"
        for field, own_id in (("id", turn.id), ("parent_id", turn.parent_id), ("continues", turn.continues)):
            if own_id is not None and not _ID.fullmatch(own_id):
                yield f"{place}.{field} is not an id"
        if turn.id in known:
            yield f"{place}.id is the id of an earlier turn as well"
        known.add(turn.id)
        yield from (f"{place}{problem}" for problem in _problems_of_messages(turn))
    if _has_a_circle(read.turns):
        yield "conversation.turns holds a turn that is its own ancestor"


def _problems_of_messages(turn: Turn) -> Iterable[str]:
    if turn.prompt.role != "user":
        yield ".prompt.role is not that of a user"
    if any(response.message.role != "assistant" for response in turn.responses):
        yield ".responses holds a message whose role is not that of an assistant"
    messages: list[Message] = [turn.prompt, *(response.message for response in turn.responses)]
    images = (part for message in messages for part in message.parts if isinstance(part, ImagePart))
    if any(not _BASE64.fullmatch(image.data_base64) for image in images):
        yield " holds an image that is not base64"


def _has_a_circle(turns: Sequence[Turn]) -> bool:
    parents = {turn.id: turn.parent_id for turn in turns}
    seen: set[str] = set()
    for turn in turns:
        path: set[str] = set()
        at: str | None = turn.id
        while at is not None and at in parents and at not in seen:
            path.add(at)
            seen.add(at)
            at = parents[at]
        if at in path:
            return True
    return False
