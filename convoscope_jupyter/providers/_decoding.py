"""What the decoders of all wire formats share: reading JSON from strangers, and the shape of a decoder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import pydantic_core

from convoscope_jupyter._text import clean
from convoscope_jupyter.errors import ProtocolError
from convoscope_jupyter.messages import ReasoningDelta, TextDelta
from convoscope_jupyter.providers._base import Chunk
from convoscope_jupyter.providers._sse import ServerSentEvent

JsonObject = Mapping[str, object]

_NOTHING: JsonObject = {}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_HALVES = range(0xD800, 0xDC00)


class Decoder(Protocol):
    """Turns one answer of one wire format into chunks. Pure: no I/O, no clock. Make one per answer."""

    @property
    def ended(self) -> bool:
        """The model said that it is done; at most its usage may follow. Nothing that follows can undo the end."""
        ...

    @property
    def done(self) -> bool:
        """Nothing more is worth reading."""
        ...

    @property
    def recognised(self) -> bool:
        """Something of this wire format has come."""
        ...

    def decode(self, event: ServerSentEvent) -> Sequence[Chunk]:
        """Read one event. Unknown ones are ignored: a server may only make us show text, never do things.

        Raises:
            ProviderError: The event reports an error, or is not readable.
        """
        ...

    def decode_whole(self, payload: JsonObject) -> Sequence[Chunk]:
        """Read an answer that came as one JSON object: some servers ignore `stream`.

        Raises:
            ProviderError: It is an error, or no answer at all.
        """
        ...

    def close(self) -> Sequence[Chunk]:
        """The stream is over: what is left to say, with `Finished` if the model had said that it was done."""
        ...


def parse_json(text: str) -> object:
    """Read JSON.

    Raises:
        ProtocolError: It is not JSON.
    """
    try:
        return cast("object", pydantic_core.from_json(text))
    except ValueError:
        pass
    try:  # Slower and more lenient: half an emoji, escaped, is no error here.
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):  # RecursionError: brackets, a hundred thousand deep
        raise ProtocolError("The server sent garbled text (broken JSON). Retry, or choose another model.") from None


def not_an_answer() -> ProtocolError:
    """What came is neither an answer of the expected wire format nor an error."""
    return ProtocolError("The server sent no answer in the format that was asked for. Is base_url that of a chat API?")


def as_object(value: object) -> JsonObject:
    """The value, if it is a JSON object; else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else _NOTHING


def as_list(value: object) -> Sequence[object]:
    """The value, if it is a JSON array; else an empty one."""
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def as_text(value: object) -> str:
    """The value, if it is a string; else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """The value, if it is a number of tokens; else unknown."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class Speech:
    """Text and reasoning of one answer on their way to chunks."""

    __slots__ = ("_said", "_thought")

    def __init__(self) -> None:
        self._said = _Mender()
        self._thought = _Mender()

    @property
    def has_text(self) -> bool:
        """Visible text has come."""
        return self._said.used

    @property
    def has_reasoning(self) -> bool:
        """Reasoning has come."""
        return self._thought.used

    def say(self, text: str) -> list[Chunk]:
        """Chunks for more visible text: none or one."""
        text = self._said.mend(text)
        return [TextDelta(text=text)] if text else []

    def think(self, text: str) -> list[Chunk]:
        """Chunks for more reasoning: none or one."""
        text = self._thought.mend(text)
        return [ReasoningDelta(text=text)] if text else []

    def rest(self) -> list[Chunk]:
        """Chunks for what is left when no more comes."""
        thought, said = self._thought.rest(), self._said.rest()
        return [*([ReasoningDelta(text=thought)] if thought else []), *([TextDelta(text=said)] if said else [])]


class _Mender:
    r"""Joins characters that JSON escapes cut in two, and replaces what can never be one.

    A token may hold half an emoji, so a server that escapes what is not ASCII can send its first half (`\ud83d`) in
    one chunk and its second in the next. Alone, neither can be stored or sent on: they are not valid Unicode.
    """

    __slots__ = ("_half", "used")

    def __init__(self) -> None:
        self.used = False
        self._half = ""

    def mend(self, text: str) -> str:
        if not text:
            return text
        self.used = True
        if not self._half and (text.isascii() or not _LONE_SURROGATE.search(text)):
            return text
        text = self._half + text
        self._half = ""
        if ord(text[-1]) in _FIRST_HALVES:
            text, self._half = text[:-1], text[-1]
        return clean(text)

    def rest(self) -> str:
        half, self._half = self._half, ""
        return "\ufffd" if half else ""
