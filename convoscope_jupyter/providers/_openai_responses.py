"""OpenAI's Responses format: what is sent, and what comes back.

Source: https://platform.openai.com/docs/api-reference/responses
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
from convoscope_jupyter.providers._errors import Peer, ReportedError, read_error, read_error_event
from convoscope_jupyter.providers._openai_chat import data_url
from convoscope_jupyter.providers._sse import ServerSentEvent

_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def responses_body(request: ChatRequest) -> dict[str, object]:
    """The JSON of a request.

    Nothing is kept at OpenAI (`store`), and the whole history goes along each time: so a conversation can move to
    another provider at any turn.

    Args:
        request: What to ask.
    """
    body: dict[str, object] = {
        "model": request.model,
        "input": [{"role": m.role, "content": content} for m in request.messages if (content := _content(m))],
        "stream": True,
        "store": False,
    }
    if request.system:
        body["instructions"] = request.system
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body["max_output_tokens"] = request.max_output_tokens
    return body


def _content(message: Message) -> str | list[dict[str, object]]:
    """Plain text where there is only text. Reasoning is not sent back."""
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return message.text
    content: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "input_image", "image_url": data_url(part)})
    return content


class ResponsesDecoder(AnswerDecoder):
    """Reads one answer in the Responses format; see `Decoder`.

    Args:
        peer: Whom was asked, for errors.
        request_id: Of the HTTP answer.
    """

    finish_reasons = _INCOMPLETE

    def __init__(self, peer: Peer, *, request_id: str | None = None) -> None:
        super().__init__(peer, request_id=request_id)
        self._refused = False
        self._reason: FinishReason = "error"
        self._usage = Usage()

    def decode(self, event: ServerSentEvent) -> Sequence[Chunk]:
        """Read one event.

        Args:
            event: Any; unknown ones give nothing.

        Raises:
            ProviderError: It reports an error, or is not JSON.
        """
        if self.done:
            return ()
        if event.name == "error":
            raise self._failure(read_error_event(event.data))
        if event.data.strip() == "[DONE]":
            return self.close()
        return self._decode(as_object(parse_json(event.data)))

    def _decode(self, payload: JsonObject) -> Sequence[Chunk]:
        chunks: Sequence[Chunk] = ()
        match payload.get("type"):
            case "response.output_text.delta":
                chunks = self._say(as_text(payload.get("delta")))
            case "response.refusal.delta":
                self._refused = True
                chunks = self._say(as_text(payload.get("delta")))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                chunks = self._think(as_text(payload.get("delta")))
            case "response.created" | "response.in_progress":
                chunks = self._start(as_object(payload.get("response")))
            case "response.completed" | "response.incomplete" | "response.failed" as name:
                chunks = self._end(as_object(payload.get("response")), status=str(name).removeprefix("response."))
            case "error" | None if reported := read_error(payload):  # without a type: a gateway's, in another shape
                raise self._failure(reported)
            case _:
                pass
        return chunks

    def decode_whole(self, payload: JsonObject) -> Sequence[Chunk]:
        """Read an answer that came as one JSON object.

        Args:
            payload: The object.

        Raises:
            ProviderError: It is an error, or no answer.
        """
        status = as_text(payload.get("status"))
        if payload.get("object") == "response" and status in {"completed", "incomplete", "failed"}:
            return self._end(payload, status=status)
        reported = read_error(payload)
        if reported is None:
            raise not_an_answer()
        raise self._failure(reported, default=ProtocolError)

    def _finish_reason(self) -> FinishReason:
        return self._reason

    def _usage_so_far(self) -> Usage:
        return self._usage

    def _start(self, response: JsonObject) -> list[Chunk]:
        self.recognised = True
        return self._begin_with(response)

    def _say(self, text: str) -> list[Chunk]:
        said = self._speech.say(text)
        return said if self._started else self._start({}) + said

    def _think(self, text: str) -> list[Chunk]:
        return self._start({}) + self._speech.think(text)

    def _end(self, response: JsonObject, *, status: str) -> Sequence[Chunk]:
        chunks = self._start(response)
        if status == "failed":
            raise self._failure(read_error(response) or ReportedError(message=""))
        output = [as_object(item) for item in as_list(response.get("output"))]
        if not self._speech.has_text:  # the answer came whole, or a server sends only the end
            chunks += self._whole_output(output)
        # The end carries everything, so nothing is awaited after it.
        self._reason, self._raw_finish_reason = self._reason_of(response, output, status)
        self._usage = _usage(response)
        return [*chunks, *self.close()]

    def _whole_output(self, output: Sequence[JsonObject]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for item in output:
            if item.get("type") == "reasoning" and not self._speech.has_reasoning:
                parts = (*as_list(item.get("summary")), *as_list(item.get("content")))
                chunks += self._think("".join(as_text(as_object(part).get("text")) for part in parts))
            elif item.get("type") == "message":
                for part in map(as_object, as_list(item.get("content"))):
                    refusal = as_text(part.get("refusal"))
                    self._refused = self._refused or bool(refusal)
                    chunks += self._say(as_text(part.get("text")) + refusal)
        return chunks

    def _reason_of(self, response: JsonObject, output: Sequence[JsonObject], status: str) -> tuple[FinishReason, str]:
        if status == "incomplete":
            raw = as_text(as_object(response.get("incomplete_details")).get("reason")) or status
            return self.finish_reasons.get(raw, "error"), raw
        if self._refused:
            return "content_filter", status
        called = any(as_text(item.get("type")).endswith("_call") for item in output)
        return "tool_call" if called and not self._speech.has_text else "stop", status


def _usage(response: JsonObject) -> Usage:
    usage = as_object(response.get("usage"))
    return Usage(
        input_tokens=as_count(usage.get("input_tokens")),
        output_tokens=as_count(usage.get("output_tokens")),
        cached_input_tokens=as_count(as_object(usage.get("input_tokens_details")).get("cached_tokens")),
        reasoning_tokens=as_count(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )
