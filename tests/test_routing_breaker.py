"""What one question learned spares the next: routing with the kernel's circuit breaker."""

from __future__ import annotations

import pytest

from convoscope_jupyter import errors, routing
from convoscope_jupyter._breaker import Breakers
from convoscope_jupyter.messages import Attempt, AttemptFailed, AttemptStarted, Message, TextDelta
from convoscope_jupyter.providers._base import ChatRequest
from convoscope_jupyter.routing import Route, RouteEnded
from tests.support.scripted import OK, Scripted

DOWN = [
    errors.AuthenticationFailed("x"),
    errors.InsufficientQuota("x"),
    errors.RateLimited("x", retry_after_s=30),
    errors.Overloaded("x"),
    errors.ServerError("x"),
    errors.ConnectionFailed("x"),
    errors.TimedOut("x"),
    errors.ModelNotFound("x"),
    errors.ProtocolError("x"),
]


class Kernel:
    """Two providers, `p` which fails and `q` which answers, and one breaker for all questions."""

    def __init__(self, *failures: Exception, then_ok: bool = False) -> None:
        self.now_s = 0.0
        self.breakers = Breakers(lambda: self.now_s)
        self.first = Scripted(m=[*[[failure] for failure in failures], *([OK] if then_ok else [])])
        self.second = Scripted(m=[OK])

    async def ask(self, route: str = "p:m, q:m", *, strict: bool = False) -> tuple[list[Attempt], RouteEnded]:
        receipt: list[Attempt] = []
        self.events: list[routing.RouteEvent] = [
            event
            async for event in routing.stream(
                Route.parse(route, strict=strict),
                ChatRequest(provider="", model="", messages=(Message.user("hi"),)),
                {"p": self.first, "q": self.second},
                receipt,
                breakers=self.breakers,
                sleep=self._wait,
                rng=lambda: 0.0,
            )
        ]
        assert isinstance(self.events[-1], RouteEnded)
        return receipt, self.events[-1]

    async def _wait(self, delay_s: float) -> None:
        self.now_s += delay_s


@pytest.mark.parametrize("failure", DOWN, ids=lambda error: error.kind)
async def test_the_next_question_does_not_pay_for_the_failure_again(failure: errors.ProviderError) -> None:
    kernel = Kernel(failure)
    await kernel.ask()

    receipt, end = await kernel.ask()

    assert (["m"], ["m", "m"]) == (kernel.first.asked, kernel.second.asked)
    assert [(True, failure.kind), (False, None)] == [(line.held_back, line.error_kind) for line in receipt]
    assert RouteEnded(status="complete", finish_reason="stop", errors=end.errors) == end


async def test_who_was_not_asked_is_told_before_anyone_is() -> None:
    kernel = Kernel(errors.RateLimited("x", retry_after_s=30))
    await kernel.ask()
    receipt, _ = await kernel.ask()

    assert [AttemptFailed, AttemptStarted, TextDelta] == [type(event) for event in kernel.events][:3]
    assert AttemptFailed(attempt=receipt[0], index=0) == kernel.events[0]
    assert isinstance(kernel.events[1], AttemptStarted)
    assert 1 == kernel.events[1].index


async def test_a_candidate_that_was_moved_behind_is_asked_when_the_others_fail() -> None:
    kernel = Kernel(errors.TimedOut("x"), then_ok=True)
    await kernel.ask()
    kernel.second.scripts["m"] = [[errors.InsufficientQuota("x")]]

    receipt, end = await kernel.ask()

    assert [("p", True), ("q", False), ("p", False)] == [(line.model.provider, line.held_back) for line in receipt]
    assert ("complete", 1) == (end.status, len(end.errors))


async def test_after_its_cooldown_the_first_is_asked_first_again() -> None:
    kernel = Kernel(errors.RateLimited("x", retry_after_s=30), then_ok=True)
    await kernel.ask()
    kernel.now_s += 30.0

    receipt, _ = await kernel.ask()

    assert [("p", None)] == [(line.model.provider, line.error_kind) for line in receipt]


async def test_all_held_back_nothing_is_sent_and_the_time_is_told() -> None:
    kernel = Kernel(errors.RateLimited("x", retry_after_s=30))
    kernel.second.scripts["m"] = [[errors.RateLimited("y", retry_after_s=45)]]
    await kernel.ask()
    kernel.now_s += 5.0

    receipt, end = await kernel.ask()

    assert (["m"], ["m"]) == (kernel.first.asked, kernel.second.asked)
    assert ("failed", [25.0, 40.0]) == (end.status, [error.retry_after_s for error in end.errors])
    assert [True, True] == [line.held_back for line in receipt]


async def test_strict_asks_its_one_model_whatever_happened_before() -> None:
    kernel = Kernel(errors.AuthenticationFailed("x"))
    await kernel.ask()
    await kernel.ask(strict=True)

    assert ["m", "m"] == kernel.first.asked


async def test_a_question_that_finds_another_one_probing_goes_to_the_next_model() -> None:
    kernel = Kernel(errors.RateLimited("x"), then_ok=True)
    await kernel.ask()
    kernel.now_s += 20.0
    prober = routing.stream(
        Route.parse("p:m, q:m"),
        ChatRequest(provider="", model="", messages=(Message.user("hi"),)),
        {"p": kernel.first, "q": kernel.second},
        [],
        breakers=kernel.breakers,
    )
    await anext(prober)  # it has just been sent
    late, _ = await kernel.ask()
    await prober.aclose()

    assert [("p", True), ("q", False)] == [(line.model.provider, line.held_back) for line in late]


async def test_two_that_planned_alike_and_only_one_may_probe() -> None:
    kernel = Kernel(errors.RateLimited("x"), then_ok=True)
    await kernel.ask()
    kernel.now_s += 20.0
    kernel.second.scripts["m"] = [[errors.ServerError("x")]]
    plans = [
        routing.stream(
            Route.parse("q:m, p:m"),
            ChatRequest(provider="", model="", messages=(Message.user("hi"),)),
            {"p": kernel.first, "q": kernel.second},
            [],
            breakers=kernel.breakers,
        )
        for _ in range(2)
    ]
    heads = [await anext(one) for one in plans]  # both have planned, and are asking q
    first_ends = [await anext(plans[0]), await anext(plans[0])]
    second_ends = [await anext(plans[1]), await anext(plans[1])]
    second_rest = [event async for event in plans[1]]
    await plans[0].aclose()

    assert [AttemptStarted] * 2 == [type(event) for event in heads]
    assert [AttemptFailed, AttemptStarted] == [type(event) for event in first_ends]
    assert [AttemptFailed, AttemptFailed] == [type(event) for event in second_ends]
    assert isinstance(second_ends[1], AttemptFailed)
    assert second_ends[1].attempt.held_back
    assert [("failed", 2)] == [(end.status, len(end.errors)) for end in second_rest if isinstance(end, RouteEnded)]


def test_the_models_after_one_are_the_route_of_a_restart() -> None:
    route = Route.parse("p:a, p:b, p:c")
    a, b, c = route.candidates

    assert (b, c) == (route.after(a) or route).candidates
    assert None is route.after(c)
    assert None is Route.parse("p:a, p:b", strict=True).after(a)
    assert None is Route.parse("p:b").after(a)
