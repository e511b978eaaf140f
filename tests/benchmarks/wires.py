"""Answers in the four wire formats, encoded once: the server only copies bytes.

Every event is an HTTP chunk of its own, as the providers send them. The fields are those of real answers, so that
parsing costs what it costs there.

Source: https://platform.openai.com/docs/api-reference/chat/streaming,
https://platform.openai.com/docs/api-reference/responses-streaming,
https://docs.claude.com/en/docs/build-with-claude/streaming, https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, assert_never

Wire = Literal["chat", "responses", "anthropic", "gemini"]
WIRES: tuple[Wire, ...] = ("chat", "responses", "anthropic", "gemini")

CHARACTERS = 4
"""Of every chunk."""

MODELS: dict[Wire, str] = {
    "chat": "gpt-4o-mini",
    "responses": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
}
"""Models with known names, so that who looks up prices and abilities finds them."""

LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body."""


@dataclass(frozen=True)
class Answer:
    """The parts of an answer, as HTTP chunks."""

    head: bytes
    texts: Sequence[bytes]
    """One event for each word."""
    end: bytes
    """Finish marker, usage, and whatever the format ends with; not the end of the body."""
    error: bytes
    """An error in the middle of the stream."""


def wire_of(path: str) -> Wire:
    """The format a request asks for, by its path."""
    if path.endswith("/chat/completions"):
        return "chat"
    if path.endswith("/responses"):
        return "responses"
    if path.endswith("/messages"):
        return "anthropic"
    return "gemini"


def words(chunks: int) -> list[str]:
    """What the chunks say: no word twice in a row, for litellm takes one that comes again and again for a fault."""
    letters = "etaoinshrdlu"
    return [
        "".join(letters[n // len(letters) ** place % len(letters)] for place in range(3)) + " " for n in range(chunks)
    ]


def frame(event: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(event), event)


def _data(payload: dict[str, Any], *, name: str | None = None, newline: str = "\n") -> bytes:
    text = f"event: {name}{newline}" if name else ""
    return frame(f"{text}data: {json.dumps(payload, separators=(',', ':'))}{newline}{newline}".encode())


def _typed(name: str, **payload: Any) -> bytes:  # noqa: ANN401 - JSON
    return _data({"type": name, **payload}, name=name)


@functools.cache
def answer(wire: Wire, chunks: int) -> Answer:
    """An answer whose final events speak of so many chunks.

    Args:
        wire: The format.
        chunks: How many there are; usage and the repeated whole text need it.
    """
    match wire:
        case "chat":
            return _chat(chunks)
        case "responses":
            return _responses(chunks)
        case "anthropic":
            return _anthropic(chunks)
        case "gemini":
            return _gemini(chunks)
        case _ as never:
            assert_never(never)


def _chat(chunks: int) -> Answer:
    def event(*choices: dict[str, Any], **more: Any) -> bytes:  # noqa: ANN401 - JSON
        common = {
            "id": "chatcmpl-CbqWJ4n0hKm3fXyTtY2vPzLdQe8Rs",
            "object": "chat.completion.chunk",
            "created": 1763900000,
            "model": "gpt-4o-mini-2024-07-18",
            "service_tier": "default",
            "system_fingerprint": "fp_560af6e559",
        }
        return _data({**common, "choices": list(choices), **more})

    def choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}

    usage = {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": 9 + chunks}
    return Answer(
        head=event(choice({"role": "assistant", "content": "", "refusal": None})),
        texts=[event(choice({"content": word})) for word in words(chunks)],
        end=event(choice({}, "stop")) + event(usage=usage) + frame(b"data: [DONE]\n\n"),
        error=_data({"error": {"message": "The server had an error.", "type": "server_error", "code": None}}),
    )


def _responses(chunks: int) -> Answer:
    item = {"item_id": "msg_68f1a2b3c4d5e6f7", "output_index": 0}
    part = {**item, "content_index": 0}

    def response(status: str, output: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": "resp_68f1a2b3c4d5e6f7a8b9",
            "object": "response",
            "created_at": 1763900000,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": None,
            "model": "gpt-4o-mini-2024-07-18",
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "user": None,
            "metadata": {},
        }

    def message(status: str, text: str | None) -> dict[str, Any]:
        content = [] if text is None else [output_text(text)]
        return {"id": item["item_id"], "type": "message", "status": status, "content": content, "role": "assistant"}

    def output_text(text: str) -> dict[str, Any]:
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    whole = "".join(words(chunks))
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": chunks,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9 + chunks,
    }
    started = response("in_progress", [], None)
    done = message("completed", whole)
    return Answer(
        head=_typed("response.created", sequence_number=0, response=started)
        + _typed("response.in_progress", sequence_number=1, response=started)
        + _typed("response.output_item.added", sequence_number=2, output_index=0, item=message("in_progress", None))
        + _typed("response.content_part.added", sequence_number=3, **part, part=output_text("")),
        texts=[
            _typed(
                "response.output_text.delta", sequence_number=n, **part, delta=word, logprobs=[], obfuscation="Kd03x"
            )
            for n, word in enumerate(words(chunks), 4)
        ],
        end=_typed("response.output_text.done", sequence_number=chunks + 4, **part, text=whole, logprobs=[])
        + _typed("response.content_part.done", sequence_number=chunks + 5, **part, part=output_text(whole))
        + _typed("response.output_item.done", sequence_number=chunks + 6, output_index=0, item=done)
        + _typed("response.completed", sequence_number=chunks + 7, response=response("completed", [done], usage)),
        error=_typed(
            "error", sequence_number=chunks + 4, code="server_error", message="The server had an error.", param=None
        ),
    )


def _anthropic(chunks: int) -> Answer:
    usage = {
        "input_tokens": 9,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
        "service_tier": "standard",
    }
    message: dict[str, Any] = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return Answer(
        head=_typed("message_start", message=message)
        + _typed("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + _typed("ping"),
        texts=[
            _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words(chunks)
        ],
        end=_typed("content_block_stop", index=0)
        + _typed(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": chunks},
        )
        + _typed("message_stop"),
        error=_typed("error", error={"type": "api_error", "message": "Internal server error"}),
    )


def _gemini(chunks: int) -> Answer:
    def event(parts: list[dict[str, Any]], finish: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        usage = {
            "promptTokenCount": 9,
            "candidatesTokenCount": chunks,
            "totalTokenCount": 9 + chunks,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        }
        payload = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini-2.5-flash",
            "responseId": "kQwjaYqNCr6lz7IPm9yE0Ac",
        }
        return _data(payload, newline="\r\n")

    # Google's first event has text, its last one the finish marker: here they carry none, so that counts agree.
    error = {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}
    texts = [event([{"text": word}]) for word in words(chunks)]
    return Answer(head=b"", texts=texts, end=event([{"text": ""}], "STOP"), error=_data(error))


REFUSALS: dict[int, bytes] = {
    status: json.dumps({"error": {"message": message, "type": kind, "code": code}}).encode()
    for status, message, kind, code in (
        (429, "Rate limit reached for requests per min.", "requests", "rate_limit_exceeded"),
        (500, "The server had an error while processing your request.", "server_error", None),
    )
}
"""Bodies of the refusals, in OpenAI's form: faults are measured in that format."""
