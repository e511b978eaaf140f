"""What the program around us is told of each attempt: one log line, and one span where it traces.

Both hold ids, names, counts and times, and never what was asked, answered or instructed, nor a key. Every `gen_ai.*`
name is in this file. OpenTelemetry is not needed, and never imported here first: a program that traces has done so.

Source: OpenTelemetry's semantic conventions for generative AI, v0.1.0 (span `gen_ai.client.inference`),
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md. Until v1.41.0
they were part of the general conventions.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from convoscope_jupyter.messages import Attempt, FinishReason

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

_log = logging.getLogger(__name__)

_OPERATION = "chat"
_PROVIDERS = {"google": "gcp.gemini"}
"""Names of the conventions where ours are others."""
_NS_PER_US = 1_000
_NS_PER_S = 1_000_000_000


def record_attempt(
    attempt: Attempt,
    *,
    index: int,
    turn_id: str,
    conversation_id: str,
    finish_reason: FinishReason | None = None,
    host: str | None = None,
) -> None:
    """Log an attempt that has ended, and trace it if the program traces. Never fails.

    The span is a child of the span that was current where the user asked: `call_soon_threadsafe` runs its callback in
    a copy of the caller's context, and the task that it starts keeps that.

    Args:
        attempt: It has ended.
        index: Its place in the receipt.
        turn_id: Of the question.
        conversation_id: Of the conversation.
        finish_reason: Why the model stopped, if it said so.
        host: The server, with its port where one was given, when it is not the provider's official one.
    """
    _write_line(attempt, index, turn_id)
    if attempt.held_back or "opentelemetry.trace" not in sys.modules:
        return  # nothing was sent; or nobody can have said where spans are to go
    try:
        _make_span(attempt, attributes_of(attempt, conversation_id, finish_reason, host))
    except Exception as error:  # noqa: BLE001 - an exporter of the program's may raise anything, and the answer is not to suffer
        _log.warning("attempt %d of turn %s: not traced (%s)", index, turn_id, type(error).__name__)


def _write_line(attempt: Attempt, index: int, turn_id: str) -> None:
    if attempt.held_back:
        _log.debug("attempt %d of turn %s: %s held back (%s)", index, turn_id, attempt.model, attempt.outcome)
        return
    level = logging.INFO if attempt.error_kind in {None, "cancelled"} else logging.WARNING
    _log.log(
        level,
        "attempt %d of turn %s: %s %s in %.3f s, status %s, request %s, tokens %s in, %s out",
        index,
        turn_id,
        attempt.model,
        attempt.outcome,
        attempt.duration_s,
        attempt.status_code,
        attempt.request_id,
        attempt.usage.input_tokens,
        attempt.usage.output_tokens,
    )


def attributes_of(
    attempt: Attempt, conversation_id: str, finish_reason: FinishReason | None, host: str | None
) -> Mapping[str, AttributeValue]:
    """The attributes of an attempt's span; what is unknown is left out. Pure.

    Args:
        attempt: It has ended.
        conversation_id: Of the conversation.
        finish_reason: Why the model stopped, if it said so.
        host: The server, when it is not the provider's official one.
    """
    address, port = _address_and_port(host)
    usage = attempt.usage
    known: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": _OPERATION,
        "gen_ai.provider.name": _PROVIDERS.get(attempt.model.provider, attempt.model.provider),
        "gen_ai.conversation.id": conversation_id,
        "gen_ai.request.model": attempt.model.name,
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": attempt.temperature,
        "gen_ai.request.max_tokens": attempt.max_output_tokens,
        "gen_ai.response.model": attempt.response_model,
        "gen_ai.response.id": attempt.response_id,
        # The conventions want `error` where a reason was expected and none came.
        "gen_ai.response.finish_reasons": (finish_reason or "error",),
        "gen_ai.response.time_to_first_chunk": attempt.time_to_first_chunk_s,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "server.address": address,
        "server.port": port,
        "error.type": attempt.error_kind,
    }
    return {name: value for name, value in known.items() if value is not None}


def _address_and_port(host: str | None) -> tuple[str | None, int | None]:
    if host is None:
        return None, None
    address, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():  # no port, or an IPv6 address without one
        return host.strip("[]"), None
    return address.strip("[]"), int(port)


def _make_span(attempt: Attempt, attributes: Mapping[str, AttributeValue]) -> None:
    from opentelemetry import trace  # noqa: PLC0415 - the program has imported it, so it costs nothing

    # Afterwards, with the times it really had: nothing stands between a model's words and the screen.
    start_ns = round(attempt.started_at.timestamp() * 1_000_000) * _NS_PER_US
    span = trace.get_tracer("convoscope_jupyter").start_span(
        f"{_OPERATION} {attempt.model.name}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        start_time=start_ns,
    )
    if attempt.error_kind is not None and attempt.error_kind != "cancelled":  # whom a person stops has not failed
        # Without the error's words: a provider may quote the question in them.
        span.set_status(trace.StatusCode.ERROR)
    span.end(start_ns + round(attempt.duration_s * _NS_PER_S))
