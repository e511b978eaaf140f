"""Anthropic's Messages format: what is sent, and what comes back.

Source: https://docs.claude.com/en/api/messages, https://docs.claude.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Sequence

from convoscope_jupyter.errors import ProtocolError
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
from convoscope_jupyter.providers._errors import Peer, read_error, read_error_event
from convoscope_jupyter.providers._sse import ServerSentEvent

_FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_call",
    "pause_turn": "tool_call",  # a tool of Anthropic's own takes long; the answer is not over
}

_MAX_TOKENS = (
    ("claude-3-5", 8_192),
    ("claude-3-7", 32_000),
    ("claude-3", 4_096),
    ("claude-2", 4_096),
    ("claude-instant", 4_096),
    ("claude", 32_000),
)
"""Bounds on an answer by what a model's name holds; the first that fits counts.

More than a model can give is refused: 4,096 are the limit of Claude 3, 8,192 of 3.5, 32,000 of Opus 4; the others
have larger ones (https://docs.claude.com/en/docs/about-claude/models/overview).
"""
_MAX_TOKENS_ELSEWHERE = 8_192
"""For the models of other servers that speak this format. Too little cuts an answer, which shows and can be mended
with `max_output_tokens`; too much is an answer refused."""


def messages_body(request: ChatRequest) -> dict[str, object]:
    """The JSON of a request.

    Args:
        request: What to ask.
    """
    bound = request.max_output_tokens
    body: dict[str, object] = {
        "model": request.model,
        "max_tokens": _default_max_tokens(request.model) if bound is None else bound,
        "messages": [{"role": m.role, "content": content} for m in request.messages if (content := _content(m))],
        "stream": True,
    }
    if request.system and not request.system.isspace():
        body["system"] = request.system
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


def _default_max_tokens(model: str) -> int:
    """The API wants a bound, and has no word for the largest one."""
    return next((bound for name, bound in _MAX_TOKENS if name in model), _MAX_TOKENS_ELSEWHERE)


def _content(message: Message) -> str | list[dict[str, object]]:
    """Plain text where there is only text, which must not be blank. Reasoning is not sent back."""
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return "" if message.text.isspace() else message.text
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, TextPart) and part.text.strip():
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            source = {"type": "base64", "media_type": part.media_type, "data": part.data_base64}
            content.append({"type": "image", "source": source})
    return content


class MessagesDecoder(AnswerDecoder):
    """Reads one answer in the Messages format; see `Decoder`.

    Args:
        peer: Whom was asked, for errors.
        request_id: Of the HTTP answer.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self, peer: Peer, *, request_id: str | None = None) -> None:
        super().__init__(peer, request_id=request_id)
        self._usage: dict[str, object] = {}

    def decode(self, event: ServerSentEvent) -> Sequence[Chunk]:
        """Read one event.

        Args:
            event: Any; unknown ones give nothing.

        Raises:
            ProviderError: It reports an error, or is not JSON, before the answer ended.
        """
        if self.done or (self.ended and event.name != "message_stop"):
            return ()
        if event.name == "error":
            raise self._failure(read_error_event(event.data))
        payload = as_object(parse_json(event.data))
        chunks: Sequence[Chunk] = ()
        match payload.get("type"):
            case "content_block_delta":
                chunks = self._say(as_object(payload.get("delta")))
            case "content_block_start":
                chunks = self._say(as_object(payload.get("content_block")))
            case "message_start":
                chunks = self._start(as_object(payload.get("message")))
            case "message_delta":
                self._note_usage(payload)
                self._raw_finish_reason = as_text(as_object(payload.get("delta")).get("stop_reason"))
            case "message_stop":
                chunks = self.close()
            case "error":
                raise self._failure(read_error_event(event.data))
            case _:  # `ping` among them
                pass
        return chunks

    def decode_whole(self, payload: JsonObject) -> Sequence[Chunk]:
        """Read an answer that came as one JSON object.

        Args:
            payload: The object.

        Raises:
            ProviderError: It is an error, or no answer.
        """
        if payload.get("type") != "message":
            reported = read_error(payload)
            if reported is None:
                raise not_an_answer()
            raise self._failure(reported, default=ProtocolError)
        chunks = self._start(payload)
        for block in as_list(payload.get("content")):
            chunks += self._say(as_object(block))
        self._raw_finish_reason = as_text(payload.get("stop_reason"))
        return [*chunks, *self.close()]

    def _usage_so_far(self) -> Usage:
        return _usage(self._usage)

    def _start(self, message: JsonObject) -> list[Chunk]:
        self._note_usage(message)
        self.recognised = True
        return self._begin_with(message)

    def _say(self, block: JsonObject) -> list[Chunk]:
        """Text and thinking of a block or a delta. Tool calls, signatures and citations are not shown."""
        match block.get("type"):
            case "text_delta" | "text":
                said = self._speech.say(as_text(block.get("text")))
            case "thinking_delta" | "thinking":
                said = self._speech.think(as_text(block.get("thinking")))
            case _:
                said = []
        return said if self._started else self._start({}) + said

    def _note_usage(self, payload: JsonObject) -> None:
        """Counts are cumulative; a later event repeats some of them and corrects others."""
        usage = as_object(payload.get("usage"))
        self._usage.update({name: value for name, value in usage.items() if value is not None})


def _usage(usage: JsonObject) -> Usage:
    new = as_count(usage.get("input_tokens"))
    cached = as_count(usage.get("cache_read_input_tokens"))
    written = as_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=None if new is None else new + (cached or 0) + (written or 0),
        output_tokens=as_count(usage.get("output_tokens")),
        cached_input_tokens=cached,
        reasoning_tokens=as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens")),
    )
