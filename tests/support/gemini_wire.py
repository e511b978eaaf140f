"""Gemini's API, as a scripted server speaks it: to google-genai, and to the former SDK, google-generativeai.

Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/troubleshooting
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from convoscope_jupyter.messages import FinishReason, Usage
from convoscope_jupyter.providers import Google, Provider
from tests.support.loopback import JSON, Reply, event, json_reply
from tests.support.wires import KEY, MODELS, PIXEL, Answer, Wire

_RAW_FINISH: Mapping[FinishReason, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "tool_call": "STOP",
}
_AS_NUMBERS = {"STOP": 1, "MAX_TOKENS": 2, "SAFETY": 3}
"""What the former SDK asks for."""

_DETAILS = "type.googleapis.com/google.rpc."


def response(*parts: Mapping[str, object], usage: Mapping[str, object] | None = None, **candidate: object) -> object:
    """One piece of an answer, which is a response of its own."""
    payload: dict[str, object] = {
        "candidates": [{"content": {"role": "model", "parts": [*parts]}, "index": 0, **candidate}],
        "modelVersion": "model-2026-01-01",
        "responseId": "resp_1",
    }
    return payload | ({"usageMetadata": usage} if usage else {})


def responses(answer: Answer) -> list[object]:
    """The pieces of an answer."""
    usage = _usage(answer.usage) if answer.usage else None
    pieces = [response({"text": text, "thought": True}) for text in answer.reasoning]
    pieces += [response({"text": text}) for text in answer.texts]
    if answer.finish:
        last = {"functionCall": {"name": "look", "args": {}}} if answer.finish == "tool_call" else {"text": ""}
        pieces.append(response(last, usage=usage, finishReason=_RAW_FINISH[answer.finish]))
    return pieces


def _usage(usage: Usage) -> dict[str, object]:
    counts = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cached_input_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
    }
    if usage.output_tokens is not None:
        counts["candidatesTokenCount"] = usage.output_tokens - (usage.reasoning_tokens or 0)
    return {name: count for name, count in counts.items() if count is not None}


def gemini_events(answer: Answer) -> list[bytes]:
    """The events of an answer."""
    return [event(piece) for piece in responses(answer)]


def gemini_array(answer: Answer) -> list[bytes]:
    """The array of an answer, piece by piece, with numbers for words."""
    pieces = [json.dumps(piece) for piece in responses(answer)]
    for word, number in _AS_NUMBERS.items():
        pieces = [piece.replace(f'"finishReason": "{word}"', f'"finishReason": {number}') for piece in pieces]
    array = [f"{',' if number else '['}\r\n{piece}\r\n".encode() for number, piece in enumerate(pieces)]
    return [*array, b"]"] if answer.finish else array


def error_object(
    status: int, word: str, message: str = "no", details: Sequence[Mapping[str, object]] = ()
) -> dict[str, object]:
    """An error, in an event and in a body."""
    error: dict[str, object] = {"code": status, "message": message, "status": word}
    return {"error": error | ({"details": [*details]} if details else {})}


def error_reply(status: int, word: str, message: str = "no", details: Sequence[Mapping[str, object]] = ()) -> Reply:
    """An answer with an error status."""
    return json_reply(error_object(status, word, message, details), status=status)


def error_info(reason: str) -> dict[str, object]:
    """The detail that says what is the matter."""
    return {"@type": f"{_DETAILS}ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def quota_failure(quota: str) -> dict[str, object]:
    """The detail that says which limit was reached."""
    return {"@type": f"{_DETAILS}QuotaFailure", "violations": [{"quotaMetric": "requests", "quotaId": quota}]}


def retry_info(delay: str) -> dict[str, object]:
    """The detail that says how long to wait."""
    return {"@type": f"{_DETAILS}RetryInfo", "retryDelay": delay}


def former(url: str, key: str | None) -> Provider:
    """The provider over the former SDK, without the warning that it is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return Google(base_url=url, api_key=key, sdk="google-generativeai")


_OVERLOADED = error_object(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
_BROKEN = error_object(500, "INTERNAL", "An internal error has occurred.")

GOOGLE = Wire(
    name="google",
    provider=lambda url, key: Google(base_url=url, api_key=key),
    events=gemini_events,
    path="/v1beta/models/model:streamGenerateContent?alt=sse",
    key_header=("x-goog-api-key", KEY),
    full_body={
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "What is this?"}]},
            {"role": "model", "parts": [{"text": "A word."}]},
            {
                "role": "user",
                "parts": [{"text": "And this?"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
            },
        ],
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9},
    },
    raw_finish=_RAW_FINISH,
    refusals={
        "authentication": error_reply(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            [error_info("API_KEY_INVALID")],
        ),
        "permission_denied": error_reply(403, "PERMISSION_DENIED", "The caller does not have permission"),
        "insufficient_quota": error_reply(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota.",
            [quota_failure("GenerateRequestsPerDayPerProjectPerModel-FreeTier")],
        ),
        "rate_limited": error_reply(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota.",
            [quota_failure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")],
        ),
        "model_not_found": error_reply(404, "NOT_FOUND", "models/model is not found for API version v1beta."),
        "context_too_long": error_reply(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1048999) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "invalid_request": error_reply(
            400,
            "INVALID_ARGUMENT",
            "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].",
        ),
        "server_error": json_reply(_BROKEN, status=500),
        "overloaded": json_reply(_OVERLOADED, status=503),
    },
    error_events={"server_error": event(_BROKEN), "overloaded": event(_OVERLOADED)},
    models_path="/v1beta/models",
    models_reply=json_reply(
        {
            "models": [
                *(
                    {
                        "name": f"models/{name}",
                        "version": "001",
                        "displayName": name,
                        "supportedGenerationMethods": ["generateContent", "countTokens"],
                    }
                    for name in reversed(MODELS)
                ),
                {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
            ]
        }
    ),
    response_id="resp_1",
    error_event_statuses={"server_error": 500, "overloaded": 503},
)

FORMER_GOOGLE = replace(
    GOOGLE,
    name="google over google-generativeai",
    provider=former,
    events=gemini_array,
    path="/v1beta/models/model:streamGenerateContent?%24alt=json%3Benum-encoding%3Dint",
    error_events={
        "server_error": json.dumps([_BROKEN]).encode(),
        "overloaded": json.dumps([_OVERLOADED]).encode(),
    },
    content_type=JSON,
    quirks={"comments": "protocol_error"},  # JSON has none
    needs="google.generativeai",
)
