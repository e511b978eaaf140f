"""Ordered fallback: who is asked, when the next one is, and when an answer is committed.

The policy: candidates are tried in the user's order and nothing is sent to anyone else. On the
first visible text the answer is *committed*; from then on a failure interrupts it and never
splices another model's words in. Every try becomes an `Attempt`, and so does everyone who was not
asked because of how they fared shortly before (`_breaker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from convoscope_jupyter import _breaker, models
from convoscope_jupyter._attempt import RunningAttempt, TimeLimits
from convoscope_jupyter._breaker import Breakers
from convoscope_jupyter._plan import Candidates, held_back, line_of
from convoscope_jupyter.errors import (
    ConnectionFailed,
    InvalidRoute,
    ProviderError,
    RateLimited,
    UnknownModel,
    UnknownProvider,
)
from convoscope_jupyter.messages import (
    Attempt,
    AttemptFailed,
    AttemptStarted,
    ErrorKind,
    FinishReason,
    ModelRef,
    ReasoningDelta,
    RetryScheduled,
    TextDelta,
)
from convoscope_jupyter.providers._base import ChatRequest, Provider

__all__ = ["RetryPolicy", "Route", "RouteEnded", "RouteEvent", "TimeLimits", "next_delay", "stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When the same model is asked again: only while no other candidate is left to ask."""

    min_delay_s: float = 0.5
    max_delay_s: float = 2.0
    max_total_s: float = 20.0
    """All waiting of one question together; a longer Retry-After is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Models to ask, in order.

    Args:
        candidates: At least one model. Nothing is sent to any other.
        retry: When the same model is asked again.
        limits: The clocks of each attempt.
        strict: True forbids fallback: only the first candidate is asked.
        after_first_text: What follows an answer that breaks off. `keep`: the person decides. `restart`: the models
            after the one that broke off are asked anew, in a turn beside the broken one, which is kept.

    Example:
        >>> str(Route.parse("openai:gpt-5-mini, ollama:llama3:8b"))
        'openai:gpt-5-mini, ollama:llama3:8b'
    """

    candidates: tuple[ModelRef, ...]
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: TimeLimits = field(default_factory=TimeLimits)
    strict: bool = False
    after_first_text: Literal["keep", "restart"] = "keep"

    def __post_init__(self) -> None:
        if not self.candidates:
            message = 'a route needs at least one model, such as "openai:gpt-5-mini" or "demo:tour".'
            raise InvalidRoute(message)

    @classmethod
    def parse(
        cls, route: str | Sequence[str] | Route, *, known: Sequence[str] | None = None, strict: bool = False
    ) -> Route:
        """Read a route as a user writes it.

        Args:
            route: `"provider:model, provider:model"`, a list of such strings, or a `Route`.
            known: Names of the session's providers; `None` accepts any.
            strict: Forbid fallback.

        Returns:
            The route.

        Raises:
            UnknownModel: A model without its provider.
            UnknownProvider: A provider that is not in `known`.
            InvalidRoute: Empty, or not text.
        """
        if isinstance(route, Route):
            parsed = replace(route, strict=route.strict or strict)
        else:
            texts = [route] if isinstance(route, str) else list(route)
            if not all(isinstance(text, str) for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user may pass anything
                example = 'text such as "openai:gpt-5-mini, demo:tour"'
                message = f"a route is {example}, or a list of such texts, not {route!r:.80}."
                raise InvalidRoute(message)
            parts = [part.strip() for text in texts for part in text.split(",")]
            parsed = cls(candidates=tuple(_reference(part, known) for part in parts if part), strict=strict)
        if known is not None:
            for candidate in parsed.candidates:
                if candidate.provider not in known:
                    raise UnknownProvider(candidate.provider, known)
        return parsed

    def after(self, model: ModelRef) -> Route | None:
        """The route of the models behind one; `None` when there are none, or nobody else may be asked.

        Args:
            model: One of the candidates.
        """
        rest = self.candidates[self.candidates.index(model) + 1 :] if model in self.candidates else ()
        return replace(self, candidates=rest) if rest and not self.strict else None

    def __str__(self) -> str:
        return ", ".join(str(candidate) for candidate in self.candidates)


def _reference(text: str, known: Sequence[str] | None) -> ModelRef:
    reference = ModelRef.parse(text)
    if reference is None:
        raise UnknownModel(text, [f"{provider}:{text}" for provider in (known or ())[:2]])
    return reference


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEnded:
    """The last event of every route that was not cancelled."""

    status: Literal["complete", "interrupted", "failed"]
    finish_reason: FinishReason | None
    errors: tuple[ProviderError, ...]
    """One per failed attempt, in order."""


RouteEvent = AttemptStarted | AttemptFailed | TextDelta | ReasoningDelta | RetryScheduled | RouteEnded

_NEXT_CANDIDATE: frozenset[ErrorKind] = frozenset(
    {
        "missing_credentials",
        "authentication",
        "permission_denied",
        "insufficient_quota",
        "rate_limited",
        "overloaded",
        "server_error",
        "connection_failed",
        "timed_out",
        "model_not_found",
        "protocol_error",
    }
)
"""Kinds after which the next candidate is asked. Filters are never dodged, and a bad request is bad everywhere."""

_RETRIES: dict[ErrorKind, int] = {
    "rate_limited": 1,
    "overloaded": 2,
    "server_error": 2,
    "connection_failed": 2,
    "timed_out": 1,
    "protocol_error": 1,
}
"""How often the same model may be asked again, by kind."""


def next_delay(
    policy: RetryPolicy, error: ProviderError, *, retries: int, waited_s: float, rng: Callable[[], float]
) -> float | None:
    """How long to wait before the same model is asked again; pure.

    Args:
        policy: The bounds.
        error: How the last attempt ended.
        retries: How often this model was asked again already.
        waited_s: What this question has waited so far, over all models.
        rng: A number from 0 to 1.

    Returns:
        Seconds from now, or `None`: not again.
    """
    if retries >= _RETRIES.get(error.kind, 0):
        return None
    if isinstance(error, ConnectionFailed) and not error.retryable:
        return None
    delay_s = policy.min_delay_s + (policy.max_delay_s - policy.min_delay_s) * rng()
    if isinstance(error, RateLimited) and error.retry_after_s is None:
        return None  # a limit without a time is asked again by the user, not by us
    if error.retry_after_s is not None:
        delay_s = max(delay_s, error.retry_after_s)
    return delay_s if waited_s + delay_s <= policy.max_total_s else None


async def stream(
    route: Route,
    request: ChatRequest,
    providers: Mapping[str, Provider],
    receipt: list[Attempt],
    *,
    breakers: Breakers = _breaker.shared,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    rng: Callable[[], float] = random.random,
) -> AsyncGenerator[RouteEvent]:
    """Ask the models of a route in order until one answers.

    Args:
        route: Whom to ask.
        request: What to ask; `provider` and `model` are set for each candidate.
        providers: The session's providers by name; every candidate's is among them.
        receipt: Each attempt is appended when it ends, also when the caller cancels.
        breakers: What the kernel's sessions have learned of the candidates.
        clock: Monotonic seconds.
        sleep: Waits between attempts.
        rng: Jitter, from 0 to 1.

    Yields:
        `AttemptFailed` for each candidate that is held back; `AttemptStarted`, then deltas, then `AttemptFailed` if it
        failed, for each attempt; `RetryScheduled` before each wait; one `RouteEnded`.
    """
    errors: list[ProviderError] = []
    waited_s = 0.0
    retries: dict[ModelRef, int] = {}
    last_error: dict[ModelRef, ProviderError] = {}
    candidates = Candidates(route.candidates[:1] if route.strict else route.candidates, providers, breakers)
    planned = candidates.plan()
    queue = list(planned.ask)
    for candidate, standing in planned.set_aside:
        reason = held_back(candidate, standing)
        if candidate not in queue:
            errors.append(reason)
        receipt.append(line_of(candidate, reason))
        yield AttemptFailed(attempt=receipt[-1], index=len(receipt) - 1)
    while queue:
        candidate = queue.pop(0)
        started_s = candidates.start(candidate)
        if started_s is None:  # another question is just finding out whether it is back
            errors.append(held_back(candidate, candidates.standing(candidate)))
            receipt.append(line_of(candidate, errors[-1]))
            yield AttemptFailed(attempt=receipt[-1], index=len(receipt) - 1)
            continue
        attempt = RunningAttempt(candidate, providers[candidate.provider], request, route.limits, clock)
        index = len(receipt)
        yield AttemptStarted(model=candidate, index=index)
        try:
            async with contextlib.aclosing(attempt.stream()) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            receipt.append(attempt.result())
            candidates.end(candidate, receipt[-1], started_s)
        if attempt.error is None:
            yield RouteEnded(status="complete", finish_reason=attempt.finish_reason, errors=tuple(errors))
            return
        errors.append(attempt.error)
        yield AttemptFailed(attempt=receipt[-1], index=index)
        if attempt.committed:
            yield RouteEnded(status="interrupted", finish_reason=None, errors=tuple(errors))
            return
        last_error[candidate] = attempt.error
        queue = _still_worth_asking(attempt.error, candidate, queue)
        if not queue and attempt.error.kind in _NEXT_CANDIDATE:
            again = _soonest_retry(route, last_error, retries, waited_s, rng)
            if again is not None:
                candidate, delay_s = again
                retries[candidate] = retries.get(candidate, 0) + 1
                waited_s += delay_s
                yield RetryScheduled(model=candidate, delay_s=delay_s)
                await sleep(delay_s)
                queue = [candidate]
    yield RouteEnded(status="failed", finish_reason=None, errors=tuple(errors))


def _still_worth_asking(error: ProviderError, candidate: ModelRef, queue: list[ModelRef]) -> list[ModelRef]:
    if error.kind in _NEXT_CANDIDATE:
        return queue
    if error.kind == "context_too_long":
        window = models.context_window(candidate) or 0
        return [other for other in queue if (models.context_window(other) or 0) > window]
    return []


def _soonest_retry(
    route: Route,
    last_error: Mapping[ModelRef, ProviderError],
    retries: Mapping[ModelRef, int],
    waited_s: float,
    rng: Callable[[], float],
) -> tuple[ModelRef, float] | None:
    delays = [
        (delay_s, candidate)
        for candidate, error in last_error.items()
        if (delay_s := next_delay(route.retry, error, retries=retries.get(candidate, 0), waited_s=waited_s, rng=rng))
        is not None
    ]
    if not delays:
        return None
    delay_s, candidate = min(delays, key=lambda pair: pair[0])
    return candidate, delay_s
