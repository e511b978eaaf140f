"""Routing: who is asked, in what order, and what the receipt says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter import errors, routing
from convoscope_jupyter.messages import (
    Attempt,
    AttemptFailed,
    AttemptStarted,
    Message,
    ModelRef,
    ReasoningDelta,
    RetryScheduled,
    TextDelta,
    Usage,
)
from convoscope_jupyter.providers._base import ChatRequest, Finished, Started
from convoscope_jupyter.routing import RetryPolicy, Route, RouteEnded, TimeLimits
from tests.support.scripted import OK, STOP, Scripted, Step

FAST = TimeLimits(first_text_s=0.05, idle_s=0.05, total_s=5.0)


async def run(
    route: str, provider: Scripted, *, limits: TimeLimits = FAST, strict: bool = False
) -> tuple[list[routing.RouteEvent], list[Attempt], list[float]]:
    receipt: list[Attempt] = []
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    parsed = Route(candidates=Route.parse(route).candidates, limits=limits, strict=strict)
    request = ChatRequest(provider="", model="", messages=(Message.user("hi"),))
    events = [
        event async for event in routing.stream(parsed, request, {"p": provider}, receipt, sleep=sleep, rng=lambda: 0.5)
    ]
    return events, receipt, waits


def text_of(events: list[routing.RouteEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: list[routing.RouteEvent]) -> RouteEnded:
    assert isinstance(events[-1], RouteEnded)
    return events[-1]


# --- reading a route ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("openai:gpt-5-mini", ["openai:gpt-5-mini"]),
        (" openai/gpt-5-mini , demo:tour ", ["openai:gpt-5-mini", "demo:tour"]),
        (["ollama:llama3:8b", "demo:a, demo:b"], ["ollama:llama3:8b", "demo:a", "demo:b"]),
        ("openrouter:meta/llama-4", ["openrouter:meta/llama-4"]),
        ("openai:a,,demo:b,", ["openai:a", "demo:b"]),
    ],
    ids=["one", "two", "list", "slash in name", "empty parts"],
)
def test_a_route_reads_as_its_models_in_order(route: str | list[str], expected: list[str]) -> None:
    assert expected == [str(candidate) for candidate in Route.parse(route).candidates]
    assert ", ".join(expected) == str(Route.parse(route))


def test_a_model_without_its_provider_is_refused_with_a_suggestion() -> None:
    with pytest.raises(errors.UnknownModel, match=r"'gpt-5-mini' does not say which provider.*openai:gpt-5-mini"):
        Route.parse("gpt-5-mini", known=("openai",))


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(errors.UnknownProvider, match=r"'olama'\. Known: openai, demo"):
        Route.parse("olama:llama3", known=("openai", "demo"))


@pytest.mark.parametrize("route", ["", " , ", []], ids=["empty", "only commas", "empty list"])
def test_an_empty_route_is_refused(route: str | list[str]) -> None:
    with pytest.raises(errors.InvalidRoute, match="at least one model"):
        Route.parse(route)


def test_a_route_that_is_not_text_is_refused() -> None:
    with pytest.raises(errors.InvalidRoute, match="not \\[3\\]"):
        Route.parse([3])  # type: ignore[list-item]  # what a user may pass


def test_a_route_given_as_a_value_keeps_its_limits() -> None:
    route = Route(candidates=(ModelRef(provider="p", name="m"),), limits=FAST)

    assert FAST == Route.parse(route, known=("p",), strict=True).limits
    assert Route.parse(route, strict=True).strict


# --- fallback ------------------------------------------------------------------------------------------


async def test_a_healthy_first_model_is_asked_once_and_no_other() -> None:
    provider = Scripted(good=[OK], other=[OK])
    events, receipt, _ = await run("p:good, p:other", provider)

    assert ["good"] == provider.asked
    assert "Hello" == text_of(events)
    assert RouteEnded(status="complete", finish_reason="stop", errors=()) == events[-1]
    assert ["ok"] == [attempt.outcome for attempt in receipt]
    assert ("good-2026", "r1", "req1", "stop") == (
        receipt[0].response_model,
        receipt[0].response_id,
        receipt[0].request_id,
        receipt[0].raw_finish_reason,
    )
    assert Usage(input_tokens=3, output_tokens=2) == receipt[0].usage


PASSED_ON = [
    errors.MissingCredentials("x"),
    errors.AuthenticationFailed("x"),
    errors.PermissionDenied("x"),
    errors.InsufficientQuota("x"),
    errors.RateLimited("x"),
    errors.Overloaded("x"),
    errors.ServerError("x"),
    errors.ConnectionFailed("x"),
    errors.TimedOut("x"),
    errors.ModelNotFound("x"),
    errors.ProtocolError("x"),
]


@pytest.mark.parametrize("error", PASSED_ON, ids=lambda error: error.kind)
async def test_the_next_model_is_asked_at_once_after(error: errors.ProviderError) -> None:
    events, receipt, waits = await run("p:bad, p:good", Scripted(bad=[[error]], good=[OK]))

    assert [] == waits
    assert "Hello" == text_of(events)
    assert [error.kind, "ok"] == [attempt.outcome for attempt in receipt]
    assert (error,) == end_of(events).errors


@pytest.mark.parametrize(
    "error",
    [errors.ContentFiltered("x"), errors.InvalidRequest("x"), errors.ContextTooLong("x")],
    ids=lambda error: error.kind,
)
async def test_no_other_model_is_asked_after(error: errors.ProviderError) -> None:
    provider = Scripted(bad=[[error]], good=[OK])
    events, receipt, _ = await run("p:bad, p:good", provider)

    assert ["bad"] == provider.asked
    assert "failed" == end_of(events).status
    assert [error.kind] == [attempt.outcome for attempt in receipt]


async def test_strict_forbids_fallback() -> None:
    provider = Scripted(bad=[[errors.AuthenticationFailed("x")]], good=[OK])
    events, _, _ = await run("p:bad, p:good", provider, strict=True)

    assert ["bad"] == provider.asked
    assert "failed" == end_of(events).status


async def test_events_tell_each_attempt_as_it_begins_and_fails() -> None:
    events, receipt, _ = await run(
        "p:bad, p:good", Scripted(bad=[[errors.RateLimited("slow down", retry_after_s=9)]], good=[OK])
    )

    assert AttemptStarted(model=ModelRef(provider="p", name="bad"), index=0) == events[0]
    assert AttemptFailed(attempt=receipt[0], index=0) == events[1]
    assert AttemptStarted(model=ModelRef(provider="p", name="good"), index=1) == events[2]
    assert ("slow down", 9) == (receipt[0].error_message, receipt[0].retry_after_s)


# --- the same model again ------------------------------------------------------------------------------


async def test_a_single_overloaded_model_is_asked_twice_more() -> None:
    provider = Scripted(bad=[[errors.Overloaded("x")]])
    events, receipt, waits = await run("p:bad", provider)

    assert [1.25, 1.25] == waits
    assert ["overloaded"] * 3 == [attempt.outcome for attempt in receipt]
    assert 3 == len(end_of(events).errors)


async def test_a_retry_that_succeeds_answers() -> None:
    events, receipt, _ = await run("p:m", Scripted(m=[[errors.ServerError("x")], OK]))

    assert "complete" == end_of(events).status
    assert ["server_error", "ok"] == [attempt.outcome for attempt in receipt]


async def test_retry_after_is_kept_to_the_second_and_told_before_the_wait() -> None:
    events, _, waits = await run("p:m", Scripted(m=[[errors.RateLimited("x", retry_after_s=7.5)], OK]))

    assert [7.5] == waits
    assert RetryScheduled(model=ModelRef(provider="p", name="m"), delay_s=7.5) == events[2]


@pytest.mark.parametrize(
    "error",
    [
        errors.RateLimited("x", retry_after_s=86_400),
        errors.RateLimited("x"),
        errors.ConnectionFailed("x", retryable=False),
        errors.AuthenticationFailed("x"),
    ],
    ids=["far too long", "no time given", "DNS or TLS", "rejected key"],
)
async def test_a_single_model_is_not_asked_again_after(error: errors.ProviderError) -> None:
    _, receipt, waits = await run("p:m", Scripted(m=[[error]]))

    assert ([], 1) == (waits, len(receipt))


_ERRORS = st.sampled_from([*PASSED_ON, errors.RateLimited("x", retry_after_s=3.0), errors.ContentFiltered("x")])


@given(
    error=_ERRORS,
    retries=st.integers(0, 5),
    waited_s=st.floats(0, 60),
    jitter=st.floats(0, 1),
)
def test_a_delay_is_never_over_the_budget_and_never_short_of_retry_after(
    error: errors.ProviderError, retries: int, waited_s: float, jitter: float
) -> None:
    policy = RetryPolicy()
    delay_s = routing.next_delay(policy, error, retries=retries, waited_s=waited_s, rng=lambda: jitter)

    if delay_s is not None:
        assert policy.min_delay_s <= delay_s
        assert waited_s + delay_s <= policy.max_total_s
        assert (error.retry_after_s or 0) <= delay_s
        assert retries < 2


async def test_an_empty_delta_is_no_sign_of_life() -> None:
    events, receipt, _ = await run("p:m", Scripted(m=[[TextDelta(text=""), ReasoningDelta(text=""), 9.0]]))

    assert {("timed_out", None)} == {(attempt.outcome, attempt.time_to_first_chunk_s) for attempt in receipt}
    assert "sent no text within 0.05 s" in (receipt[0].error_message or "")
    assert "" == text_of(events)


async def test_one_that_thinks_past_the_bound_without_a_word_is_no_answer_and_the_next_is_asked() -> None:
    events, receipt, _ = await run(
        "p:m, p:good",
        Scripted(m=[[ReasoningDelta(text="hm " * 50), asyncio.Event()]], good=[OK]),
        limits=TimeLimits(max_characters=100),
    )

    assert ["protocol_error", "ok"] == [attempt.outcome for attempt in receipt]
    assert "cut at 100 characters" in (receipt[0].error_message or "")
    assert "Hello" == text_of(events)


# --- the commit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([TextDelta(text="Half"), errors.ConnectionFailed("dropped")], "dropped"),
        ([TextDelta(text="Half"), errors.Overloaded("busy", status_code=200)], "busy"),
        ([TextDelta(text="Half")], "without a finish marker"),
        ([TextDelta(text="Half"), 9.0], "stopped sending text"),
        ([TextDelta(text="Half"), ValueError("adapter bug")], "adapter bug"),
        ([TextDelta(text="Half"), errors.StreamInterrupted("cut")], "cut"),
    ],
    ids=["drop", "error event", "clean end without a marker", "stall", "unreadable", "interrupted"],
)
async def test_after_the_first_text_a_failure_interrupts_and_nobody_else_is_asked(
    steps: list[Step], message: str
) -> None:
    provider = Scripted(half=[steps], good=[OK])
    events, receipt, _ = await run("p:half, p:good", provider)

    assert ["half"] == provider.asked
    assert "Half" == text_of(events)
    assert "interrupted" == end_of(events).status
    assert ["interrupted"] == [attempt.outcome for attempt in receipt]
    assert message in (receipt[0].error_message or "")


async def test_reasoning_and_white_space_commit_nothing() -> None:
    steps: list[Step] = [
        ReasoningDelta(text="hmm"),
        TextDelta(text=" \n"),
        errors.ServerError("x"),
    ]
    events, receipt, _ = await run("p:bad, p:good", Scripted(bad=[steps], good=[OK]))

    assert "Hello" == text_of(events)
    assert ["server_error", "ok"] == [attempt.outcome for attempt in receipt]
    assert receipt[0].time_to_first_chunk_s is not None


async def test_white_space_before_the_first_word_is_kept() -> None:
    steps: list[Step] = [TextDelta(text="\n"), TextDelta(text="  x"), STOP]
    events, _, _ = await run("p:m", Scripted(m=[steps]))

    assert "\n  x" == text_of(events)


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_call"])
async def test_an_end_without_text_is_an_answer_when_the_model_says_why(reason: str) -> None:
    end = Finished(finish_reason=reason, raw_finish_reason=reason)  # type: ignore[arg-type]  # parametrised Literal
    events, _, _ = await run("p:m", Scripted(m=[[end]]))

    assert ("complete", reason) == (end_of(events).status, end_of(events).finish_reason)


@pytest.mark.parametrize("steps", [[], [STOP]], ids=["nothing at all", "stop without text"])
async def test_an_empty_answer_is_a_failure(steps: list[Step]) -> None:
    events, receipt, _ = await run("p:empty, p:good", Scripted(empty=[steps], good=[OK]))

    assert "Hello" == text_of(events)
    assert ["protocol_error", "ok"] == [attempt.outcome for attempt in receipt]


# --- clocks --------------------------------------------------------------------------------------------


async def test_a_model_that_sends_no_text_is_left_at_the_first_text_clock() -> None:
    events, receipt, _ = await run("p:hang, p:good", Scripted(hang=[[Started(), 9.0]], good=[OK]))

    assert "Hello" == text_of(events)
    assert ["timed_out", "ok"] == [attempt.outcome for attempt in receipt]


async def test_the_whole_answer_has_a_clock() -> None:
    steps: list[Step] = [chunk for _ in range(50) for chunk in (TextDelta(text="x"), 0.01)]
    events, receipt, _ = await run(
        "p:endless", Scripted(endless=[steps]), limits=TimeLimits(first_text_s=5, idle_s=5, total_s=0.1)
    )

    assert "interrupted" == end_of(events).status
    assert "took longer than 0.1 s" in (receipt[0].error_message or "")


async def test_an_endless_answer_is_cut_at_its_bound() -> None:
    steps: list[Step] = [TextDelta(text="x" * 60), TextDelta(text="y" * 60), STOP]
    events, receipt, _ = await run("p:m", Scripted(m=[steps]), limits=TimeLimits(max_characters=100))

    assert "x" * 60 + "y" * 40 == text_of(events)
    assert "cut at 100 characters" in (receipt[0].error_message or "")


# --- leaving early -------------------------------------------------------------------------------------


async def test_cancelling_closes_the_stream_and_writes_the_receipt() -> None:
    provider = Scripted(slow=[[TextDelta(text="Half"), 9.0]])
    receipt: list[Attempt] = []
    first_text = asyncio.Event()

    async def consume() -> None:
        route = Route(candidates=(ModelRef(provider="p", name="slow"),))
        request = ChatRequest(provider="", model="", messages=(Message.user("hi"),))
        async for event in routing.stream(route, request, {"p": provider}, receipt):
            if isinstance(event, TextDelta):
                first_text.set()

    task = asyncio.create_task(consume())
    await first_text.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ["slow"] == provider.closed
    assert ["cancelled"] == [attempt.outcome for attempt in receipt]
    assert Usage() == receipt[0].usage


async def test_only_a_known_larger_window_is_asked_after_too_long() -> None:
    scripts: dict[str, list[Sequence[Step]]] = {
        "gpt-4": [[errors.ContextTooLong("x")]],
        "unknown-model": [OK],
        "gpt-4.1": [OK],
    }
    provider = Scripted(**scripts)
    receipt: list[Attempt] = []
    route = Route.parse("openai:gpt-4, openai:unknown-model, openai:gpt-4.1")
    request = ChatRequest(provider="", model="", messages=(Message.user("hi"),))
    async for _ in routing.stream(route, request, {"openai": provider}, receipt):
        pass

    assert ["gpt-4", "gpt-4.1"] == provider.asked


async def test_what_surely_does_not_fit_is_refused_unsent() -> None:
    provider = Scripted(**{"gpt-4": [OK]})
    receipt: list[Attempt] = []
    request = ChatRequest(provider="", model="", messages=(Message.user("word " * 20_000),))
    async for _ in routing.stream(Route.parse("openai:gpt-4"), request, {"openai": provider}, receipt):
        pass

    assert [] == provider.asked
    assert ["context_too_long"] == [attempt.outcome for attempt in receipt]
    assert "too long for the model by about" in (receipt[0].error_message or "")


@pytest.mark.parametrize("host", [None, "127.0.0.1:8080"], ids=["the provider's own address", "another server"])
async def test_only_what_the_provider_itself_answers_has_its_price(host: str | None) -> None:
    scripts: dict[str, list[Sequence[Step]]] = {"gpt-4.1": [OK]}
    provider = Scripted(**scripts)
    provider.host = host
    receipt: list[Attempt] = []
    request = ChatRequest(provider="", model="", messages=(Message.user("hi"),))
    async for _ in routing.stream(Route.parse("openai:gpt-4.1"), request, {"openai": provider}, receipt):
        pass

    assert (host is None) == (receipt[0].cost_usd is not None)
