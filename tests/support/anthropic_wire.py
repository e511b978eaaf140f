"""Anthropic's Messages API, as a scripted server speaks it.

Source: https://docs.claude.com/en/api/messages-streaming, https://docs.claude.com/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping

from convoscope_jupyter.messages import FinishReason, Usage
from convoscope_jupyter.providers import Anthropic
from tests.support.loopback import Reply, event, json_reply
from tests.support.wires import KEY, MODELS, PIXEL, Answer, Wire

_RAW_FINISH: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_call": "tool_use",
}


def typed(kind: str, **more: object) -> bytes:
    """One event."""
    return event({"type": kind, **more}, name=kind)


def delta(**of: object) -> bytes:
    """More of a content block."""
    return typed("content_block_delta", index=0, delta=of)


def error_object(kind: str, message: str = "no") -> dict[str, object]:
    """An error, in an event and in a body."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def error_reply(status: int, kind: str, message: str = "no", *, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer with an error status."""
    return json_reply(error_object(kind, message), status=status, headers=headers)


def messages_events(answer: Answer) -> list[bytes]:
    """The events of an answer."""
    usage = answer.usage
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "model-2026-01-01", "content": []}
    events = [
        typed("message_start", message={**message, "usage": _input_usage(usage)} if usage else message),
        typed("ping"),
    ]
    if answer.reasoning:
        events += [
            typed("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
            *(delta(type="thinking_delta", thinking=text) for text in answer.reasoning),
            delta(type="signature_delta", signature="c2ln"),
            typed("content_block_stop", index=0),
        ]
    events += [
        typed("content_block_start", index=1, content_block={"type": "text", "text": ""}),
        *(delta(type="text_delta", text=text) for text in answer.texts),
    ]
    if answer.finish:
        end = {"stop_reason": _RAW_FINISH[answer.finish], "stop_sequence": None}
        events += [
            typed("content_block_stop", index=1),
            typed("message_delta", delta=end, usage=_output_usage(usage))
            if usage
            else typed("message_delta", delta=end),
            typed("message_stop"),
        ]
    return events


def _input_usage(usage: Usage) -> dict[str, object]:
    cached = usage.cached_input_tokens
    counts: dict[str, object] = {"output_tokens": 1}
    if usage.input_tokens is not None:
        counts["input_tokens"] = usage.input_tokens - (cached or 0)
    if cached is not None:
        counts["cache_read_input_tokens"] = cached
    return counts


def _output_usage(usage: Usage) -> dict[str, object]:
    counts: dict[str, object] = {"output_tokens": usage.output_tokens}
    if usage.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


ANTHROPIC = Wire(
    name="anthropic",
    provider=lambda url, key: Anthropic(base_url=url, api_key=key),
    events=messages_events,
    path="/v1/messages",
    key_header=("authorization", f"Bearer {KEY}"),
    full_body={
        "model": "model",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "What is this?"},
            {"role": "assistant", "content": "A word."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                ],
            },
        ],
        "temperature": 0.5,
        "max_tokens": 9,
        "stream": True,
    },
    raw_finish=_RAW_FINISH,
    refusals={
        "authentication": error_reply(401, "authentication_error", "invalid x-api-key"),
        "permission_denied": error_reply(
            403, "permission_error", "Your API key does not have permission to use the specified resource."
        ),
        "insufficient_quota": error_reply(
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits.",
        ),
        "rate_limited": error_reply(
            429,
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 50 requests per minute.",
        ),
        "model_not_found": error_reply(404, "not_found_error", "model: model"),
        "context_too_long": error_reply(
            400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
        ),
        "content_filtered": error_reply(400, "invalid_request_error", "Output blocked by content filtering policy"),
        "invalid_request": error_reply(
            400, "invalid_request_error", "temperature: Input should be less than or equal to 1"
        ),
        "server_error": error_reply(500, "api_error", "Internal server error"),
        "overloaded": error_reply(529, "overloaded_error", "Overloaded"),
    },
    error_events={
        "server_error": event(error_object("api_error", "Internal server error"), name="error"),
        "overloaded": event(error_object("overloaded_error", "Overloaded"), name="error"),
    },
    models_path="/v1/models",
    models_reply=json_reply(
        {
            "data": [
                {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
                for name in reversed(MODELS)
            ],
            "has_more": False,
            "first_id": MODELS[-1],
            "last_id": MODELS[0],
        }
    ),
    response_id="msg_1",
    request_id_header="request-id",
)
