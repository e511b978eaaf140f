"""The circuit breaker: every step of its states, and what holds however they follow one another."""

from __future__ import annotations

import gc
import math
from dataclasses import dataclass, replace
from typing import get_args

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from convoscope_jupyter._breaker import (
    DEMOTED_S,
    FAILURES_TO_OPEN,
    MAX_COOLDOWN_S,
    QUOTA_COOLDOWN_S,
    WINDOW_S,
    Breakers,
    Circuit,
    Standing,
)
from convoscope_jupyter.messages import Attempt, ErrorKind, ModelRef, utc_now

HERE = Circuit("here", "large")
WHOLE = Circuit("here")
OK = Attempt(model=ModelRef(provider="p", name="large"), started_at=utc_now(), duration_s=1.0)

COUNTED: tuple[ErrorKind, ...] = ("overloaded", "server_error", "connection_failed", "timed_out", "protocol_error")
OPENING: tuple[ErrorKind, ...] = ("authentication", "insufficient_quota", "rate_limited")
NOT_ITS_FAULT = {
    "missing_credentials",
    "permission_denied",
    "model_not_found",
    "context_too_long",
    "content_filtered",
    "invalid_request",
    "cancelled",
}


def ended(kind: ErrorKind | None, *, retry_after_s: float | None = None) -> Attempt:
    return replace(OK, error_kind=kind, retry_after_s=retry_after_s, error_message=f"It {kind}." if kind else None)


class Kernel:
    """A breaker, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.breakers = Breakers(lambda: self.now_s)

    def ask(self, kind: ErrorKind | None = None, *, retry_after_s: float | None = None, took_s: float = 0.0) -> None:
        started_s = self.breakers.start(HERE, always=True)
        assert started_s is not None
        self.now_s += took_s
        self.breakers.end(HERE, ended(kind, retry_after_s=retry_after_s), started_s=started_s)

    @property
    def standing(self) -> Standing:
        return self.breakers.standing(WHOLE)

    @property
    def phase(self) -> str:
        return self.standing.phase


# --- one failure ---------------------------------------------------------------------------------------


def test_nobody_is_held_back_before_anything_was_asked() -> None:
    assert Standing() == Kernel().standing


@pytest.mark.parametrize("kind", COUNTED)
def test_one_failure_before_text_demotes_for_20_s(kind: ErrorKind) -> None:
    kernel = Kernel()
    kernel.ask(kind)

    assert Standing(phase="demoted", left_s=20.0, cause=kind, note=f"It {kind}.") == kernel.standing
    kernel.now_s += 19.9
    assert "demoted" == kernel.phase
    kernel.now_s += 0.1
    assert Standing(cause=kind, note=f"It {kind}.") == kernel.standing


def test_an_answer_ends_the_demotion() -> None:
    kernel = Kernel()
    kernel.ask("timed_out")
    kernel.ask()

    assert Standing(answered=True) == kernel.standing


def test_an_interruption_is_counted_and_demotes_nobody() -> None:
    kernel = Kernel()
    kernel.ask("interrupted")
    kernel.ask("interrupted")
    assert "ready" == kernel.phase

    kernel.ask("interrupted")

    assert "open" == kernel.phase


@pytest.mark.parametrize("kind", sorted(NOT_ITS_FAULT))
def test_what_is_not_the_address_s_fault_changes_nothing(kind: ErrorKind) -> None:
    kernel = Kernel()
    for _ in range(5):
        kernel.ask(kind)

    assert Standing() == kernel.standing


def test_every_kind_of_error_is_one_of_these() -> None:
    assert {*COUNTED, *OPENING, *NOT_ITS_FAULT, "interrupted"} == set(get_args(ErrorKind))


# --- opening -------------------------------------------------------------------------------------------


def test_three_failures_within_a_minute_open_the_circuit() -> None:
    kernel = Kernel()
    kinds: tuple[ErrorKind, ...] = ("server_error", "timed_out", "overloaded")
    for kind in kinds:
        assert "open" != kernel.phase
        kernel.ask(kind)
        kernel.now_s += 1.0

    assert Standing(phase="open", left_s=19.0, cause="overloaded", note="It overloaded.") == kernel.standing


def test_three_failures_over_more_than_a_minute_do_not() -> None:
    kernel = Kernel()
    for _ in range(6):
        kernel.ask("server_error")
        kernel.now_s += WINDOW_S / 2

    assert "ready" == kernel.phase


def test_one_that_answers_every_other_request_is_still_one_that_fails() -> None:
    kernel = Kernel()
    kinds: tuple[ErrorKind | None, ...] = ("server_error", None, "server_error", None, "server_error")
    for kind in kinds:
        kernel.ask(kind)

    assert "open" == kernel.phase


@pytest.mark.parametrize(
    ("kind", "retry_after_s", "left_s"),
    [
        ("authentication", None, None),
        ("insufficient_quota", None, QUOTA_COOLDOWN_S),
        ("insufficient_quota", 86_400.0, QUOTA_COOLDOWN_S),
        ("rate_limited", None, 20.0),
        ("rate_limited", 5.0, 20.0),
        ("rate_limited", 45.0, 45.0),
        ("rate_limited", 86_400.0, MAX_COOLDOWN_S),
    ],
)
def test_what_will_not_pass_by_itself_opens_it_at_once(
    kind: ErrorKind, retry_after_s: float | None, left_s: float | None
) -> None:
    kernel = Kernel()
    kernel.ask(kind, retry_after_s=retry_after_s)

    assert ("open", left_s) == (kernel.phase, kernel.standing.left_s)


def test_a_rejected_key_stays_out_until_it_is_another_one() -> None:
    kernel = Kernel()
    kernel.ask("authentication")
    kernel.now_s += 1e9

    assert "open" == kernel.phase
    assert "ready" == kernel.breakers.standing(Circuit("the same address with another key")).phase


def test_a_cooldown_is_never_shortened_by_a_later_event() -> None:
    kernel = Kernel()
    kernel.ask("rate_limited", retry_after_s=100.0)
    kernel.now_s += 1.0
    kernel.ask("rate_limited", retry_after_s=3.0)

    assert 99.0 == kernel.standing.left_s


def test_a_later_event_may_lengthen_it() -> None:
    kernel = Kernel()
    kernel.ask("rate_limited", retry_after_s=30.0)
    kernel.ask("rate_limited", retry_after_s=100.0)

    assert 100.0 == kernel.standing.left_s


def test_an_answer_to_a_question_from_before_it_opened_does_not_close_it() -> None:
    kernel = Kernel()
    early_s = kernel.breakers.start(HERE, always=False)
    kernel.now_s += 1.0
    kernel.ask("rate_limited")
    assert early_s is not None
    kernel.breakers.end(HERE, ended(None), started_s=early_s)

    assert "open" == kernel.phase


# --- half open -----------------------------------------------------------------------------------------


def cooled() -> Kernel:
    kernel = Kernel()
    kernel.ask("rate_limited")
    kernel.now_s += 20.0
    return kernel


def test_after_its_cooldown_one_request_is_let_through() -> None:
    kernel = cooled()
    assert "half_open" == kernel.phase

    first, second = (kernel.breakers.start(HERE, always=False) for _ in range(2))

    assert (kernel.now_s, None) == (first, second)
    assert ("open", 0.0) == (kernel.phase, kernel.standing.left_s)


def test_one_that_nobody_can_replace_is_let_through_all_the_same() -> None:
    kernel = cooled()
    kernel.breakers.start(HERE, always=False)

    assert kernel.now_s == kernel.breakers.start(HERE, always=True)


def test_a_probe_that_is_answered_closes_the_circuit() -> None:
    kernel = cooled()
    kernel.ask()

    assert Standing(answered=True) == kernel.standing
    kernel.ask("server_error")
    assert "demoted" == kernel.phase  # nothing of before is held against it


@pytest.mark.parametrize("kind", ["permission_denied", "model_not_found", "content_filtered", "invalid_request"])
def test_a_probe_that_is_refused_is_answered_too(kind: ErrorKind) -> None:
    kernel = cooled()
    kernel.ask(kind)

    assert "ready" == kernel.phase


@pytest.mark.parametrize("kind", [*COUNTED, "interrupted", "rate_limited"])
def test_a_probe_that_fails_doubles_the_cooldown(kind: ErrorKind) -> None:
    kernel = cooled()
    lengths_s: list[float | None] = []
    for _ in range(6):
        kernel.ask(kind)
        lengths_s.append(kernel.standing.left_s)
        kernel.now_s += kernel.standing.left_s or 0.0

    assert [40.0, 80.0, 160.0, 300.0, 300.0, 300.0] == lengths_s


@pytest.mark.parametrize("kind", ["cancelled", "context_too_long", "missing_credentials"])
def test_a_probe_that_tells_nothing_leaves_room_for_the_next(kind: ErrorKind) -> None:
    kernel = cooled()
    kernel.ask(kind)

    assert "half_open" == kernel.phase


def test_a_question_for_want_of_any_other_model_does_not_lengthen_the_cooldown() -> None:
    kernel = Kernel()
    kernel.ask("rate_limited", retry_after_s=50.0)
    for _ in range(9):
        kernel.ask("server_error")

    assert ("open", 50.0) == (kernel.phase, kernel.standing.left_s)


def test_and_when_it_is_answered_the_circuit_closes() -> None:
    kernel = Kernel()
    kernel.ask("rate_limited", retry_after_s=50.0)
    kernel.ask()

    assert "ready" == kernel.phase


# --- try now -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPENING)
def test_try_now_lets_the_next_request_through(kind: ErrorKind) -> None:
    kernel = Kernel()
    kernel.ask(kind)
    kernel.breakers.try_now(["here"])

    assert "half_open" == kernel.phase


def test_try_now_ends_a_demotion() -> None:
    kernel = Kernel()
    kernel.ask("timed_out")
    kernel.breakers.try_now(["here"])

    assert "ready" == kernel.phase


def test_try_now_is_for_the_address_it_names() -> None:
    kernel = Kernel()
    kernel.ask("rate_limited")
    kernel.breakers.try_now(["elsewhere"])

    assert "open" == kernel.phase


# --- models --------------------------------------------------------------------------------------------


def test_a_model_that_is_not_found_is_out_alone() -> None:
    kernel = Kernel()
    kernel.ask("model_not_found")

    assert ("open", 20.0) == (kernel.breakers.standing(HERE).phase, kernel.breakers.standing(HERE).left_s)
    assert "ready" == kernel.breakers.standing(Circuit("here", "small")).phase
    assert "ready" == kernel.phase


def test_a_model_that_is_found_later_is_in_again() -> None:
    kernel = Kernel()
    kernel.ask("model_not_found")
    kernel.now_s += 20.0
    assert "half_open" == kernel.breakers.standing(HERE).phase

    kernel.ask()

    assert "ready" == kernel.breakers.standing(HERE).phase


def test_a_model_that_is_still_not_found_is_out_for_longer() -> None:
    kernel = Kernel()
    kernel.ask("model_not_found")
    kernel.now_s += 20.0
    kernel.ask("model_not_found")

    assert 40.0 == kernel.breakers.standing(HERE).left_s


def test_another_failure_says_nothing_about_the_model() -> None:
    kernel = Kernel()
    kernel.ask("model_not_found")
    kernel.ask("server_error")

    assert "model_not_found" == kernel.breakers.standing(HERE).cause


# --- observers -----------------------------------------------------------------------------------------


class Observer:
    def __init__(self) -> None:
        self.told = 0

    def on_change(self) -> None:
        self.told += 1


def test_who_watches_is_told_when_something_stands_elsewhere_and_only_then() -> None:
    kernel, observer = Kernel(), Observer()
    kernel.breakers.observe(observer.on_change)

    kernel.ask()
    assert 0 == observer.told
    kernel.ask("server_error")
    assert 1 == observer.told
    kernel.breakers.try_now(["here"])
    assert 2 == observer.told
    kernel.breakers.reset()
    assert 3 == observer.told


def test_an_observer_is_not_kept_alive() -> None:
    kernel = Kernel()
    kernel.breakers.observe(Observer().on_change)
    gc.collect()
    kernel.ask("server_error")
    kernel.breakers.observe(Observer().on_change)

    assert 1 == len(kernel.breakers._observers)


# --- laws ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    started_s: float


class BreakerMachine(RuleBasedStateMachine):
    """Requests that overlap, end in any way and order, while the clock goes on and people press "Try now"."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel()
        self.counted: list[float] = []
        self.until_s = -math.inf
        self.may_shorten = False

    @rule(seconds=st.floats(0.0, 400.0, allow_nan=False))
    def time_passes(self, seconds: float) -> None:
        self.kernel.now_s += seconds

    @rule(target=requests, always=st.booleans())
    def a_request_goes_out(self, *, always: bool) -> Asked:
        before = self.kernel.phase
        started_s = self.kernel.breakers.start(HERE, always=always)
        if started_s is None:
            # Only the second of two who both saw a half-open circuit is turned away.
            assert "open" in {before, self.kernel.breakers.standing(HERE).phase}
            assert not always
            return Asked(math.nan)
        if before == "half_open":
            assert "open" == self.kernel.phase  # one at a time
        return Asked(started_s)

    @rule(
        request=consumes(requests),
        kind=st.sampled_from([None, *get_args(ErrorKind)]),
        retry_after_s=st.none() | st.floats(0.0, 1e6, allow_nan=False),
    )
    def it_ends(self, request: Asked, kind: ErrorKind | None, retry_after_s: float | None) -> None:
        if math.isnan(request.started_s):
            return
        before = self.kernel.standing
        self.may_shorten = before.phase != "open" or kind is None or kind in NOT_ITS_FAULT
        self.kernel.breakers.end(HERE, ended(kind, retry_after_s=retry_after_s), started_s=request.started_s)
        after = self.kernel.standing
        now_s = self.kernel.now_s
        if kind in COUNTED or kind == "interrupted":
            self.counted = [at_s for at_s in self.counted if now_s - at_s < WINDOW_S] + [now_s]
        if before.phase in {"open", "half_open"} and after.phase == "ready":
            self.counted = []
        if kind in OPENING:
            assert "open" == after.phase
        if kind in COUNTED and before.phase in {"ready", "demoted"}:
            assert (len(self.counted) >= FAILURES_TO_OPEN) == (after.phase == "open")
            if after.phase != "open":
                assert "demoted" == after.phase
                assert DEMOTED_S == pytest.approx(after.left_s)

    @rule()
    def someone_says_try_now(self) -> None:
        self.may_shorten = True
        self.kernel.breakers.try_now(["here"])
        assert self.kernel.phase in {"ready", "half_open"}

    @invariant()
    def no_cooldown_is_shortened_or_longer_than_told(self) -> None:
        state = self.kernel.breakers._states.get(WHOLE)
        until_s = -math.inf if state is None or state.opened_at_s is None else state.open_until_s
        if not self.may_shorten:
            assert until_s >= self.until_s
        if state is not None and state.opened_at_s is not None and until_s != math.inf:
            longest_s = QUOTA_COOLDOWN_S if state.cause == "insufficient_quota" else MAX_COOLDOWN_S
            assert until_s - self.kernel.now_s <= max(longest_s, self.until_s - self.kernel.now_s) + 1e-6
        self.until_s = until_s
        self.may_shorten = False

    @invariant()
    def what_is_held_back_has_a_reason(self) -> None:
        standing = self.kernel.standing
        if standing.phase in {"open", "demoted", "half_open"}:
            assert standing.cause in {*COUNTED, *OPENING, "interrupted"}
            assert standing.note == f"It {standing.cause}."
        if standing.left_s is not None:
            assert standing.left_s > 0 or standing.phase == "open"

    @invariant()
    def the_model_itself_is_only_held_back_when_it_was_not_found(self) -> None:
        assert self.kernel.breakers.standing(HERE).cause in {None, "model_not_found"}


TestTheLaws = BreakerMachine.TestCase
TestTheLaws.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
