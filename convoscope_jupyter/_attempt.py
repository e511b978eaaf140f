"""One try of one model: its clocks, what it gave, how it ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict, assert_never

from convoscope_jupyter import models
from convoscope_jupyter.errors import ContextTooLong, ProtocolError, ProviderError, StreamInterrupted, TimedOut
from convoscope_jupyter.messages import (
    Attempt,
    ErrorKind,
    FinishReason,
    ModelRef,
    ReasoningDelta,
    TextDelta,
    Usage,
    utc_now,
)
from convoscope_jupyter.providers._base import ChatRequest, Chunk, Finished, Provider, Started
from convoscope_jupyter.redaction import safe_error_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Clocks of one attempt, ours around the SDK's. Only text and reasoning move the second and third."""

    connect_s: float = 5.0
    first_text_s: float | None = None
    """`None`: 30 s; 120 s for a reasoning model; 300 s for a server on this machine, which may load the model first."""
    idle_s: float = 30.0
    total_s: float = 600.0
    max_characters: int = 1_000_000
    """Of text and reasoning together; what comes after is not read."""


def _timed(request: ChatRequest, candidate: ModelRef, limits: TimeLimits, *, first_text_s: float) -> ChatRequest:
    return replace(
        request,
        provider=candidate.provider,
        model=candidate.name,
        connect_timeout_s=limits.connect_s,
        # A backstop a little above our own clocks, which are the ones that count.
        read_timeout_s=max(first_text_s, limits.idle_s) + 10.0,
    )


def _first_text_s(candidate: ModelRef, provider: Provider, limits: TimeLimits) -> float:
    if limits.first_text_s is not None:
        return limits.first_text_s
    if provider.is_local:
        return 300.0
    return 120.0 if models.is_reasoning(candidate) else 30.0


def _retold(error: ProviderError, kind: type[StreamInterrupted | ProtocolError]) -> ProviderError:
    """The same words as what they amount to: after the first text any failure is an interruption, before it none is."""
    if (kind is StreamInterrupted) == isinstance(error, StreamInterrupted):
        return error
    return kind(
        error.message,
        provider=error.provider,
        model=error.model,
        status_code=error.status_code,
        request_id=error.request_id,
        retry_after_s=error.retry_after_s,
    )


class _Who(TypedDict):
    provider: str
    model: str
    request_id: str | None


class RunningAttempt:
    """One try of one model: its clocks, what it gave, how it ended."""

    def __init__(
        self, model: ModelRef, provider: Provider, request: ChatRequest, limits: TimeLimits, clock: Callable[[], float]
    ) -> None:
        self.model = model
        self.committed = False
        self.finish_reason: FinishReason | None = None
        self.error: ProviderError | None = None
        self._provider = provider
        self._first_text_s = _first_text_s(model, provider, limits)
        self._request = _timed(request, model, limits, first_text_s=self._first_text_s)
        self._limits = limits
        self._clock = clock
        self._started_at: datetime = utc_now()
        self._started_s = clock()
        self._first_chunk_s: float | None = None
        self._last_progress_s: float | None = None
        self._ended_s: float | None = None
        self._answer = Started()
        self._end: Finished | None = None
        self._held = ""  # white space before the first visible text: it commits nothing
        self._characters = 0

    async def stream(self) -> AsyncGenerator[TextDelta | ReasoningDelta]:
        """The deltas. Afterwards `error` is `None` only for a whole answer."""
        try:
            self._refuse_what_cannot_fit()
            async with contextlib.aclosing(self._provider.stream(self._request)) as chunks:
                while self._end is None and (chunk := await self._next(chunks)) is not None:
                    delta = self._take(chunk)
                    if delta is not None and delta.text:
                        yield delta
                    self._check_length()
            self._check_end()
        except ProviderError as error:
            failure = _retold(error, StreamInterrupted if self.committed else ProtocolError)
            # Whoever shows the errors of a route shows a few lines, not the way each of them came.
            self.error = failure.with_traceback(None)
        finally:
            self._ended_s = self._clock()

    async def _next(self, chunks: AsyncGenerator[Chunk]) -> Chunk | None:
        deadline_s, why = self._deadline()
        try:
            async with asyncio.timeout(deadline_s - self._clock()):
                return await anext(chunks, None)
        except ProviderError:
            raise
        except TimeoutError:
            message = f"{self.model.provider} {why}. Retry, or choose another model."
            raise TimedOut(message, **self._who()) from None
        except Exception as error:  # noqa: BLE001 - an adapter's bug must end as a typed error, not as a lost answer
            message = f"the answer could not be read ({safe_error_text(f'{type(error).__name__}: {error}')})."
            raise ProtocolError(message, **self._who()) from None

    def _deadline(self) -> tuple[float, str]:
        """When this attempt is given up if nothing comes, and why."""
        total_s = self._started_s + self._limits.total_s
        if self._last_progress_s is None:
            soonest_s = self._started_s + self._first_text_s
            why = f"sent no text within {self._first_text_s:g} s"
        else:
            soonest_s = self._last_progress_s + self._limits.idle_s
            why = f"stopped sending text for {self._limits.idle_s:g} s"
        return (soonest_s, why) if soonest_s <= total_s else (total_s, f"took longer than {self._limits.total_s:g} s")

    def _take(self, chunk: Chunk) -> TextDelta | ReasoningDelta | None:
        match chunk:
            case Started():
                self._answer = chunk
                return None
            case Finished():
                self._end = chunk
                self.finish_reason = chunk.finish_reason
                return None
            case TextDelta(text=text):
                text = self._note_progress(text)
                if not self.committed:
                    self._held += text
                    if not self._held.strip():
                        return None
                    self.committed = True
                    text, self._held = self._held, ""
                return TextDelta(text=text)
            case ReasoningDelta(text=text):
                return ReasoningDelta(text=self._note_progress(text))
            case _ as never:
                assert_never(never)

    def _note_progress(self, text: str) -> str:
        """The text, as far as it is within the bound."""
        if not text:
            return text
        self._last_progress_s = self._clock()
        if self._first_chunk_s is None:
            self._first_chunk_s = self._last_progress_s
        room = self._limits.max_characters - self._characters
        self._characters += len(text)
        return text[:room]

    def _check_length(self) -> None:
        if self._characters > self._limits.max_characters:
            message = f"the answer was cut at {self._limits.max_characters:,} characters. Ask for less at a time."
            raise StreamInterrupted(message, **self._who())

    def _check_end(self) -> None:
        if self._end is None:
            if self.committed:
                raise StreamInterrupted(
                    "the answer ended without a finish marker. Continue it, or retry.", **self._who()
                )
            raise ProtocolError("the provider sent an empty answer. Retry, or choose another model.", **self._who())
        if not self.committed and self._end.finish_reason == "stop":
            raise ProtocolError("the model returned nothing. Retry, or choose another model.", **self._who())

    def _refuse_what_cannot_fit(self) -> None:
        window = models.context_window(self.model)
        if window is None:
            return
        texts = [self._request.system or "", *(message.text for message in self._request.messages)]
        tokens = sum(models.estimate_tokens(text) for text in texts)
        # The estimate may be off by a quarter: only what is surely too long is refused unsent.
        if tokens > window * 1.25:
            excess = tokens - window
            raise ContextTooLong(
                f"too long for the model by about {excess:,} tokens (window {window:,}). "
                "Nothing was sent. Shorten the prompt, start a new chat, or choose a model with a larger window.",
                **self._who(),
            )

    def _who(self) -> _Who:
        return {"provider": self.model.provider, "model": self.model.name, "request_id": self._answer.request_id}

    def result(self) -> Attempt:
        """The receipt's line. Without an end of its own the attempt was cancelled."""
        error = self.error
        kind: ErrorKind | None = error.kind if error else None if self._end else "cancelled"
        usage = self._end.usage if self._end else Usage()
        # A server that only speaks a provider's format does not ask that provider's price.
        official = self._provider.status(self.model.provider).host is None
        price = models.cost_usd(self.model, usage, response_model=self._answer.response_model) if official else None
        ended_s = self._ended_s if self._ended_s is not None else self._clock()
        return Attempt(
            model=self.model,
            started_at=self._started_at,
            duration_s=ended_s - self._started_s,
            error_kind=kind,
            error_message=error.message if error else None,
            status_code=error.status_code if error else None,
            retry_after_s=error.retry_after_s if error else None,
            time_to_first_chunk_s=None if self._first_chunk_s is None else self._first_chunk_s - self._started_s,
            response_model=self._answer.response_model,
            response_id=self._answer.response_id,
            request_id=(error.request_id if error else None) or self._answer.request_id,
            raw_finish_reason=self._end.raw_finish_reason if self._end else None,
            usage=usage,
            cost_usd=price.amount_usd if price else None,
            price_source=price.source if price else None,
            temperature=self._request.temperature,
            max_output_tokens=self._request.max_output_tokens,
        )
