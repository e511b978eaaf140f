"""OpenAI's two formats, as a scripted server speaks them. Their events are in `loopback.py`.

Source: https://platform.openai.com/docs/api-reference, https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping

from convoscope_jupyter.messages import FinishReason, Usage
from convoscope_jupyter.providers import OpenAICompatible
from tests.support.loopback import DONE, Reply, chat_event, error_reply, event, json_reply, response_object
from tests.support.wires import KEY, MODELS, PIXEL, Answer, Refusal, Wire

_CHAT_FINISH: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_call": "tool_calls",
}

_DATA_URL = f"data:image/png;base64,{PIXEL}"

_REFUSALS: Mapping[Refusal, Reply] = {
    "authentication": error_reply(
        401, code="invalid_api_key", kind="invalid_request_error", message=f"Incorrect API key provided: {KEY}."
    ),
    "permission_denied": error_reply(
        403,
        code="unsupported_country_region_territory",
        kind="request_forbidden",
        message="Country, region, or territory not supported",
    ),
    "insufficient_quota": error_reply(
        429,
        code="insufficient_quota",
        kind="insufficient_quota",
        message="You exceeded your current quota, please check your plan and billing details.",
    ),
    "rate_limited": error_reply(
        429, code="rate_limit_exceeded", kind="tokens", message="Rate limit reached for model on tokens per min."
    ),
    "model_not_found": error_reply(
        404,
        code="model_not_found",
        kind="invalid_request_error",
        message="The model `model` does not exist or you do not have access to it.",
    ),
    "context_too_long": error_reply(
        400,
        code="context_length_exceeded",
        kind="invalid_request_error",
        message="Your input exceeds the context window of this model.",
    ),
    "content_filtered": error_reply(
        400,
        code="content_policy_violation",
        kind="invalid_request_error",
        message="Your request was rejected as a result of our safety system.",
    ),
    "invalid_request": error_reply(
        400,
        code="unsupported_value",
        kind="invalid_request_error",
        message="Unsupported value: 'temperature' does not support 0.5 with this model. Only 1 is supported.",
    ),
    "server_error": error_reply(500, kind="server_error", message="The server had an error."),
    "overloaded": error_reply(503, kind="server_error", message="The engine is currently overloaded."),
}

_MODELS_REPLY = json_reply(
    {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in reversed(MODELS)],
    }
)


def _chat_events(answer: Answer) -> list[bytes]:
    events = [
        chat_event({"role": "assistant", "content": ""}),
        *(chat_event({"reasoning_content": text}) for text in answer.reasoning),
        *(chat_event({"content": text}) for text in answer.texts),
    ]
    if answer.finish:
        events.append(chat_event(finish_reason=_CHAT_FINISH[answer.finish]))
        if answer.usage:
            end = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": []}
            events.append(event({**end, "usage": _chat_usage(answer.usage)}))
        events.append(DONE)
    return events


def _chat_usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


OPENAI_CHAT = Wire(
    name="openai-chat",
    provider=lambda url, key: OpenAICompatible(base_url=f"{url}/v1", api_key=key, wire="chat"),
    events=_chat_events,
    path="/v1/chat/completions",
    key_header=("authorization", f"Bearer {KEY}"),
    full_body={
        "model": "model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?"},
            {"role": "assistant", "content": "A word."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And this?"},
                    {"type": "image_url", "image_url": {"url": _DATA_URL}},
                ],
            },
        ],
        "temperature": 0.5,
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    raw_finish=_CHAT_FINISH,
    refusals=_REFUSALS,
    error_events={
        "server_error": event({"error": {"message": "The server had an error.", "type": "server_error", "code": None}}),
        "overloaded": event({"error": {"message": "Overloaded.", "type": "server_error", "code": "overloaded"}}),
    },
    models_path="/v1/models",
    models_reply=_MODELS_REPLY,
    response_id="chatcmpl-1",
)


def _typed(name: str, **payload: object) -> bytes:
    return event({"type": name, **payload}, name=name)


_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _responses_events(answer: Answer) -> list[bytes]:
    created = {"id": "resp_1", "object": "response", "model": "model-2026-01-01", "status": "in_progress"}
    events = [
        _typed("response.created", response=created),
        *(_typed("response.reasoning_summary_text.delta", delta=text) for text in answer.reasoning),
        *(_typed("response.output_text.delta", delta=text) for text in answer.texts),
    ]
    if answer.finish:
        events.append(_responses_end(answer, answer.finish))
    return events


def _responses_end(answer: Answer, finish: FinishReason) -> bytes:
    usage = _responses_usage(answer.usage) if answer.usage else None
    text = "".join(answer.texts)
    if finish in _INCOMPLETE:
        details = {"reason": _INCOMPLETE[finish]}
        incomplete = response_object(text, usage=usage, status="incomplete", incomplete_details=details)
        return _typed("response.incomplete", response=incomplete)
    whole = response_object(text, usage=usage)
    if finish == "tool_call":
        whole["output"] = [{"type": "function_call", "name": "look", "arguments": "{}", "call_id": "call_1"}]
    return _typed("response.completed", response=whole)


def _responses_usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


OPENAI_RESPONSES = Wire(
    name="openai-responses",
    provider=lambda url, key: OpenAICompatible(base_url=f"{url}/v1", api_key=key, wire="responses"),
    events=_responses_events,
    path="/v1/responses",
    key_header=("authorization", f"Bearer {KEY}"),
    full_body={
        "model": "model",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "What is this?"},
            {"role": "assistant", "content": "A word."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "And this?"},
                    {"type": "input_image", "image_url": _DATA_URL},
                ],
            },
        ],
        "temperature": 0.5,
        "max_output_tokens": 9,
        "stream": True,
        "store": False,
    },
    raw_finish={
        "stop": "completed",
        "length": "max_output_tokens",
        "content_filter": "content_filter",
        "tool_call": "completed",
    },
    refusals=_REFUSALS,
    error_events={
        "server_error": _typed("error", code="server_error", message="The server had an error.", param=None),
        "overloaded": _typed("error", code="server_overloaded", message="Overloaded.", param=None),
    },
    models_path="/v1/models",
    models_reply=_MODELS_REPLY,
    response_id="resp_1",
)
