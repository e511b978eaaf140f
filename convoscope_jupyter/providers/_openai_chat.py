"""OpenAI's Chat Completions format: what is sent, and what comes back.

The common tongue of compatible servers (Ollama, vLLM, LM Studio, llama.cpp, gateways), with their accents.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Sequence

from convoscope_jupyter.errors import ProtocolError, ProviderError
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

# A server may name its events or not. One under any other name is not part of this format and is not looked at.
_EVENT_NAMES = frozenset({"message", "chat.completion.chunk", "error"})

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
}


def chat_body(request: ChatRequest, *, official: bool) -> dict[str, object]:
    """The JSON of a request.

    Args:
        request: What to ask.
        official: Goes to OpenAI itself, whose newer models refuse `max_tokens`; other servers know only that.
    """
    messages: list[object] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    messages += [{"role": m.role, "content": content} for m in request.messages if (content := _content(m))]
    body: dict[str, object] = {
        "model": request.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body["max_completion_tokens" if official else "max_tokens"] = request.max_output_tokens
    return body


def _content(message: Message) -> str | list[dict[str, object]]:
    """Plain text where there is only text: some servers know nothing else. Reasoning is not sent back."""
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return message.text
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "image_url", "image_url": {"url": data_url(part)}})
    return content


def data_url(image: ImagePart) -> str:
    """The image as a URL that holds it."""
    return f"data:{image.media_type};base64,{image.data_base64}"


class ChatDecoder(AnswerDecoder):
    """Reads one answer in the Chat Completions format; see `Decoder`.

    Only choice 0 is read. The first finish reason ends the answer; after it only the usage counts, which comes in a
    chunk of its own. So `Finished` is given at `[DONE]`, or at the end of the stream.

    Args:
        peer: Whom was asked, for errors.
        request_id: Of the HTTP answer.
    """

    finish_reasons = _FINISH_REASONS

    def __init__(self, peer: Peer, *, request_id: str | None = None) -> None:
        super().__init__(peer, request_id=request_id)
        self._refused = False
        self._usage = Usage()

    def decode(self, event: ServerSentEvent) -> Sequence[Chunk]:
        """Read one event.

        Args:
            event: Any; unknown ones give nothing.

        Raises:
            ProviderError: It reports an error, or is not JSON, before the answer ended.
        """
        if self.done or event.name not in _EVENT_NAMES:
            return ()
        if event.data.strip() == "[DONE]":
            return self.close()
        try:
            return self._decode(event)
        except ProviderError:
            if self.ended:
                return ()
            raise

    def _decode(self, event: ServerSentEvent) -> Sequence[Chunk]:
        if event.name == "error":
            raise self._failure(read_error_event(event.data))
        payload = as_object(parse_json(event.data))
        if payload.get("usage"):
            self._usage = _usage(payload)
        if ("error" in payload or payload.get("object") == "error") and (reported := read_error(payload)):
            raise self._failure(reported)
        if self.ended:
            return ()
        choice = _first_choice(payload)
        chunks = self._start(payload, choice)
        if choice is not None:
            self.recognised = True
            # Where both are sent, `message` repeats the whole answer so far.
            chunks += self._say(as_object(choice["delta"] if "delta" in choice else choice.get("message")))
            self._raw_finish_reason = as_text(choice.get("finish_reason"))
        return chunks

    def decode_whole(self, payload: JsonObject) -> Sequence[Chunk]:
        """Read an answer that came as one JSON object.

        Args:
            payload: The object.

        Raises:
            ProviderError: It is an error, or no answer.
        """
        choice = _first_choice(payload)
        if choice is None:
            reported = read_error(payload)
            if reported is None:
                raise not_an_answer()
            raise self._failure(reported, default=ProtocolError)
        self.recognised = True
        if payload.get("usage"):
            self._usage = _usage(payload)
        chunks = self._start(payload, choice) + self._say(as_object(choice.get("message")))
        self._raw_finish_reason = as_text(choice.get("finish_reason"))
        return [*chunks, *self.close()]

    def _finish_reason(self) -> FinishReason:
        return "content_filter" if self._refused else super()._finish_reason()

    def _usage_so_far(self) -> Usage:
        return self._usage

    def _start(self, payload: JsonObject, choice: JsonObject | None) -> list[Chunk]:
        if self._started:
            return []
        if choice is None and not (as_text(payload.get("id")) or as_text(payload.get("model"))):
            return []  # Azure's first chunk, about the prompt's content filter
        return self._begin_with(payload)

    def _say(self, delta: JsonObject) -> list[Chunk]:
        content = delta.get("content")
        # DeepSeek, llama.cpp: `reasoning_content`; OpenRouter, Groq, Ollama, vLLM: `reasoning`; Mistral: content parts
        thought = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        refusal = as_text(delta.get("refusal"))
        if isinstance(content, str) and not (thought or refusal):  # most of them
            return self._speech.say(content)
        text = content if isinstance(content, str) else _parts_text(content, "text")
        self._refused = self._refused or bool(refusal)
        return self._speech.think(thought or _parts_text(content, "thinking")) + self._speech.say(text + refusal)


def _first_choice(payload: JsonObject) -> JsonObject | None:
    for choice in map(as_object, as_list(payload.get("choices"))):
        if choice.get("index", 0) == 0:
            return choice
    return None


def _parts_text(content: object, kind: str) -> str:
    """Text of the content's parts of one kind; a thinking part of Mistral's holds parts in turn."""
    found: list[str] = []
    for part in map(as_object, as_list(content)):
        if part.get("type") == kind:
            value = part.get(kind)
            found.append(value if isinstance(value, str) else _parts_text(value, "text"))
    return "".join(found)


def _usage(payload: JsonObject) -> Usage:
    usage = as_object(payload["usage"])
    cached = as_count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens"))
    return Usage(
        input_tokens=as_count(usage.get("prompt_tokens")),
        output_tokens=as_count(usage.get("completion_tokens")),
        cached_input_tokens=as_count(usage.get("prompt_cache_hit_tokens")) if cached is None else cached,  # DeepSeek
        reasoning_tokens=as_count(as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )
