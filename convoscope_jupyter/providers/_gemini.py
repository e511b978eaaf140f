"""Gemini's format: what is sent, and what comes back.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Self

from convoscope_jupyter.errors import ProtocolError, ProviderError, ServerError
from convoscope_jupyter.messages import FinishReason, ImagePart, Message, TextPart, Usage
from convoscope_jupyter.providers._base import ChatRequest, Chunk
from convoscope_jupyter.providers._decoder import AnswerDecoder
from convoscope_jupyter.providers._decoding import (
    JsonObject,
    as_count,
    as_list,
    as_object,
    as_text,
    not_an_answer,
    parse_json,
)
from convoscope_jupyter.providers._errors import Kind, Peer, ReportedError, read_error, read_error_event
from convoscope_jupyter.providers._sse import ServerSentEvent

VERSION = "v1beta"
"""What gateways and the former SDK speak, where the address does not say. google-genai's own default is `v1`."""

MODELS_PER_PAGE = 1000
"""The most that is given at once, and more than there are."""

_VERSIONED = re.compile(r"(?P<root>.*?)(?:/(?P<version>v\d+(?:(?:alpha|beta)\d*)?))?")

_FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}

# The former SDK asks for numbers instead of words.
_FINISH_NUMBERS = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
)
_BLOCK_NUMBERS = (
    "BLOCK_REASON_UNSPECIFIED",
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "IMAGE_SAFETY",
)

_PARTS_OF_AN_ANSWER = ("candidates", "promptFeedback", "usageMetadata")

_ROLES = {"user": "user", "assistant": "model"}


class Endpoint(NamedTuple):
    """A base URL as Google's SDKs want it: the version apart."""

    root: str
    version: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Split a base URL, which people write with or without a version.

        Args:
            url: Without a slash at its end.

        Example:
            >>> Endpoint.of("https://gateway.example/gemini/v1")
            Endpoint(root='https://gateway.example/gemini', version='v1')
        """
        found = _VERSIONED.fullmatch(url)
        return cls(found["root"], found["version"] or VERSION) if found else cls(url, VERSION)


def model_ids(payload: object) -> list[str]:
    """Models that chat, in a list of models.

    Args:
        payload: The JSON that came.

    Raises:
        ProtocolError: It is no such list.
    """
    body = as_object(payload)
    if "models" not in body:
        raise not_an_answer()
    return [
        as_text(model.get("name")).removeprefix("models/")
        for model in map(as_object, as_list(body["models"]))
        if as_text(model.get("name")) and "generateContent" in as_list(model.get("supportedGenerationMethods"))
    ]


def gemini_body(request: ChatRequest) -> dict[str, object]:
    """The JSON of a request.

    Args:
        request: What to ask. The model's name is not in the body but in the address.
    """
    body: dict[str, object] = {"contents": gemini_contents(request)}
    if request.system and not request.system.isspace():
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    settings: dict[str, object] = {}
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        settings["maxOutputTokens"] = request.max_output_tokens
    if settings:
        body["generationConfig"] = settings
    return body


def gemini_contents(request: ChatRequest) -> list[dict[str, object]]:
    """The messages of a request.

    Args:
        request: What to ask.
    """
    return [{"role": _ROLES[m.role], "parts": parts} for m in request.messages if (parts := _parts(m))]


def _parts(message: Message) -> list[dict[str, object]]:
    """Text and images. Reasoning is not sent back."""
    parts: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, TextPart) and part.text:
            parts.append({"text": part.text})
        elif isinstance(part, ImagePart):
            parts.append({"inlineData": {"mimeType": part.media_type, "data": part.data_base64}})
    return parts


class GeminiDecoder(AnswerDecoder):
    """Reads one answer in Gemini's format; see `Decoder`.

    Every event is a response of its own with the next parts of the text, and with the token counts so far. The format
    has no end marker besides the finish reason, so `Finished` is given at the end of the stream. Only candidate 0 is
    read. A thought is a part like any other but for its flag.

    Args:
        peer: Whom was asked, for errors.
        request_id: Of the HTTP answer.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self, peer: Peer, *, request_id: str | None = None) -> None:
        super().__init__(peer, request_id=request_id)
        self._response_id = ""
        self._response_model = ""
        self._called = False
        self._usage: dict[str, object] = {}

    def decode(self, event: ServerSentEvent) -> Sequence[Chunk]:
        """Read one event.

        Args:
            event: Any; unknown ones give nothing.

        Raises:
            ProviderError: It reports an error or a blocked prompt, or is not JSON, before the answer ended.
        """
        if self.done:
            return ()
        try:
            if event.name == "error":
                raise self._failure(read_error_event(event.data))
            return self._read(as_object(parse_json(event.data)))
        except ProviderError:
            if self.ended:
                return ()
            raise

    def decode_whole(self, payload: JsonObject) -> Sequence[Chunk]:
        """Read an answer that came as one JSON object.

        Args:
            payload: The object.

        Raises:
            ProviderError: It is an error, or no answer.
        """
        chunks = self._read(payload, default=ProtocolError)
        if not self.recognised:
            raise not_an_answer()
        return [*chunks, *self.close()]

    def close(self) -> Sequence[Chunk]:
        """The rest, with `Finished` if a finish reason has come."""
        return self._with_start(super().close())

    def _finish_reason(self) -> FinishReason:
        reason = super()._finish_reason()
        # There is no word of its own for the end of an answer with calls.
        return "tool_call" if self._called and reason == "stop" else reason

    def _usage_so_far(self) -> Usage:
        return _usage(self._usage)

    def _read(self, payload: JsonObject, *, default: Kind = ServerError) -> list[Chunk]:
        if "error" in payload and (reported := read_error(payload)):
            raise self._failure(reported, default=default)
        if payload.keys().isdisjoint(_PARTS_OF_AN_ANSWER):
            return []
        self.recognised = True
        self._response_id = self._response_id or as_text(payload.get("responseId"))
        self._response_model = self._response_model or as_text(payload.get("modelVersion"))
        usage = as_object(payload.get("usageMetadata"))
        self._usage.update({name: value for name, value in usage.items() if value is not None})
        self._check_prompt(as_object(payload.get("promptFeedback")))
        chunks: list[Chunk] = []
        for candidate in map(as_object, as_list(payload.get("candidates"))):
            if candidate.get("index", 0) == 0:
                chunks += self._say(as_object(candidate.get("content")))
                self._raw_finish_reason = _word(candidate.get("finishReason"), _FINISH_NUMBERS) or (
                    self._raw_finish_reason
                )
        return self._with_start(chunks)

    def _say(self, content: JsonObject) -> list[Chunk]:
        """Text and thoughts. Calls are noted; code that was run, and what it gave, is not shown."""
        chunks: list[Chunk] = []
        for part in map(as_object, as_list(content.get("parts"))):
            text = as_text(part.get("text"))
            chunks += self._speech.think(text) if part.get("thought") else self._speech.say(text)
            self._called = self._called or "functionCall" in part
        return chunks

    def _with_start(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks, with `Started` before the first of the answer: as late as that, so that the ids may come late."""
        if chunks or (self._response_id and self._response_model):
            return [*self._begin(self._response_id, self._response_model), *chunks]
        return []

    def _check_prompt(self, feedback: JsonObject) -> None:
        reason = _word(feedback.get("blockReason"), _BLOCK_NUMBERS)
        if reason:
            said = as_text(feedback.get("blockReasonMessage"))
            message = f"the prompt was blocked ({reason}). {said}".rstrip()
            raise self._failure(ReportedError(message=message, code="content_filter"))


def _word(value: object, numbers: Sequence[str]) -> str:
    """A value of an enumeration, which may be told as a number; empty when it says nothing."""
    word = as_text(value)
    if isinstance(value, int):
        word = numbers[value] if 0 <= value < len(numbers) else str(value)
    return "" if word.endswith("_UNSPECIFIED") else word


def _usage(usage: JsonObject) -> Usage:
    """Four counts add up to Gemini's total: the prompt, what tools gave the model to read, its thoughts, its answer."""
    prompt = as_count(usage.get("promptTokenCount"))
    from_tools = as_count(usage.get("toolUsePromptTokenCount"))
    answer = as_count(usage.get("candidatesTokenCount"))
    thoughts = as_count(usage.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=None if prompt is None else prompt + (from_tools or 0),
        output_tokens=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        cached_input_tokens=as_count(usage.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )
