"""The circuit breaker: what the last minutes say about a model, and whether to ask it first, last, or not yet.

A circuit is one address with one key; a model that the address does not know has a circuit of its own. The state of a
circuit is a value and every step a pure function of it, of what happened, and of the time:

    ready ── one failure before any text ──► demoted, for 20 s: asked after the others
    ready, demoted ── three failures in 60 s, or one that will not pass by itself ──► open: not asked
    open ── cooldown over, or someone says "try now" ──► half open: one request is let through
    half open ── it is answered ──► ready;  it fails ──► open again, for twice as long

All sessions of a kernel share one `Breakers`, so that what one has learned costs no other.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from convoscope_jupyter.messages import Attempt, ErrorKind

DEMOTED_S = 20.0
"""How long a candidate stands behind the others after one failure."""
FAILURES_TO_OPEN = 3
WINDOW_S = 60.0
"""Within this time so many failures open a circuit."""
FIRST_COOLDOWN_S = 20.0
"""Doubled each time that the circuit opens again without an answer between."""
MAX_COOLDOWN_S = 300.0
QUOTA_COOLDOWN_S = 900.0

_COUNTED: frozenset[ErrorKind] = frozenset(
    {"overloaded", "server_error", "connection_failed", "timed_out", "protocol_error", "interrupted"}
)
"""Failures that may pass by themselves."""
_OPENING: frozenset[ErrorKind] = frozenset({"authentication", "insufficient_quota", "rate_limited"})
"""Failures that the next request would meet as well."""
_ANSWERED: frozenset[ErrorKind] = frozenset(
    {"permission_denied", "model_not_found", "content_filtered", "invalid_request"}
)
"""Refusals of this one request, by a server that works."""


class Circuit(NamedTuple):
    """What a state is kept for."""

    endpoint: str
    """Address and key, as an opaque text."""
    model: str | None = None
    """`None`: every model there."""


Phase = Literal["ready", "demoted", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a candidate stands at this moment."""

    phase: Phase = "ready"
    left_s: float | None = None
    """How long it is still demoted or open, 0 while its probe is under way; `None`: until the key is another one."""
    cause: ErrorKind | None = None
    """Why."""
    note: str | None = None
    """What went wrong last, in the words of that attempt."""
    answered: bool = False
    """The last request was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is remembered of one circuit. Times are seconds of one monotonic clock."""

    failed_at_s: tuple[float, ...] = ()
    """Of the counted failures within the window, oldest first."""
    demoted_until_s: float = -math.inf
    opened_at_s: float | None = None
    """`None` while the circuit is closed."""
    open_until_s: float = -math.inf
    """Infinite: until the key changes, which makes another circuit of it."""
    openings: int = 0
    """How often it opened since the last answer."""
    probing_since_s: float | None = None
    """When the one request was let through that a half-open circuit allows."""
    cause: ErrorKind | None = None
    note: str | None = None
    answered: bool = False


def standing_of(state: State, now_s: float) -> Standing:
    """Where a circuit stands.

    Args:
        state: What is remembered.
        now_s: The clock.

    Example:
        >>> standing_of(State(), 0.0).phase
        'ready'
    """
    if state.opened_at_s is not None:
        left_s = state.open_until_s - now_s
        if left_s > 0 or state.probing_since_s is not None:
            shown_s = None if left_s == math.inf else max(0.0, left_s)
            return Standing(phase="open", left_s=shown_s, cause=state.cause, note=state.note)
        return Standing(phase="half_open", cause=state.cause, note=state.note)
    if now_s < state.demoted_until_s:
        return Standing(phase="demoted", left_s=state.demoted_until_s - now_s, cause=state.cause, note=state.note)
    # A failure that has lapsed is told for as long as nothing better is known, and holds nobody back.
    return Standing(answered=state.answered, cause=state.cause, note=state.note)


def is_being_probed(state: State, now_s: float) -> bool:
    """Whether the one request that a half-open circuit lets through is under way.

    Args:
        state: What is remembered.
        now_s: The clock.
    """
    return state.opened_at_s is not None and now_s >= state.open_until_s and state.probing_since_s is not None


def after_start(state: State, now_s: float) -> State:
    """A request goes out: what a half-open circuit lets through is its probe.

    Args:
        state: What is remembered.
        now_s: The clock.
    """
    return state if state.opened_at_s is None else replace(state, probing_since_s=now_s)


def after_end(
    state: State,
    kind: ErrorKind | None,
    *,
    started_s: float,
    now_s: float,
    retry_after_s: float | None,
    note: str | None,
) -> State:
    """A request ended.

    Args:
        state: What is remembered.
        kind: How; `None`: it was answered.
        started_s: When it went out. One from before the circuit opened tells nothing new.
        now_s: The clock.
        retry_after_s: How long the provider asked to wait.
        note: The error's sentence.
    """
    state, is_news, is_probe = _probe_over(state, started_s)
    if kind is None or (kind in _ANSWERED and state.opened_at_s is not None):
        return _after_answer(state) if is_news else state
    if kind in _OPENING:
        return _opened(state, kind, now_s=now_s, retry_after_s=retry_after_s, note=note, again=is_probe)
    if kind in _COUNTED:
        return _after_failure(state, kind, now_s=now_s, retry_after_s=retry_after_s, note=note, again=is_probe)
    return state


def model_after_end(
    state: State,
    kind: ErrorKind | None,
    *,
    started_s: float,
    now_s: float,
    retry_after_s: float | None,
    note: str | None,
) -> State:
    """`after_end`, for the circuit of one model: only whether it is known there counts.

    Args:
        state: What is remembered.
        kind: How the request ended; `None`: it was answered.
        started_s: When it went out.
        now_s: The clock.
        retry_after_s: How long the provider asked to wait.
        note: The error's sentence.
    """
    state, is_news, is_probe = _probe_over(state, started_s)
    if kind == "model_not_found":
        return _opened(state, kind, now_s=now_s, retry_after_s=retry_after_s, note=note, again=is_probe)
    return State() if kind is None and is_news else state


def tried_now(state: State, now_s: float) -> State:
    """Someone wants it asked all the same: the next request is let through.

    Args:
        state: What is remembered.
        now_s: The clock.
    """
    if state.opened_at_s is not None:
        return replace(state, open_until_s=now_s, probing_since_s=None)
    return replace(state, demoted_until_s=-math.inf)


def _probe_over(state: State, started_s: float) -> tuple[State, bool, bool]:
    """The state without the probe that has ended; whether its outcome is news; whether it was a probe."""
    opened_at_s = state.opened_at_s
    if opened_at_s is None:
        return state, True, False
    if state.probing_since_s is not None and started_s >= state.probing_since_s:
        state = replace(state, probing_since_s=None)
    # One that was let through while the circuit was open, for want of any other candidate, does not lengthen the
    # cooldown as a failed probe does.
    return state, started_s >= opened_at_s, started_s >= state.open_until_s


def _after_answer(state: State) -> State:
    # The failures stay in the window: one that answers every other request is still one that fails.
    return State(failed_at_s=state.failed_at_s if state.opened_at_s is None else (), answered=True)


def _after_failure(
    state: State, kind: ErrorKind, *, now_s: float, retry_after_s: float | None, note: str | None, again: bool
) -> State:
    failed_at_s = (*(at_s for at_s in state.failed_at_s if now_s - at_s < WINDOW_S), now_s)
    state = replace(state, failed_at_s=failed_at_s)
    if again or len(failed_at_s) >= FAILURES_TO_OPEN:
        return _opened(state, kind, now_s=now_s, retry_after_s=retry_after_s, note=note, again=again)
    if state.opened_at_s is not None:
        return state
    # After its first text a model was there: it is counted, and keeps its place.
    until_s = state.demoted_until_s if kind == "interrupted" else now_s + DEMOTED_S
    return replace(state, demoted_until_s=until_s, cause=kind, note=note, answered=False)


def _opened(
    state: State, kind: ErrorKind, *, now_s: float, retry_after_s: float | None, note: str | None, again: bool
) -> State:
    already = state.opened_at_s is not None
    openings = state.openings if already and not again else state.openings + 1
    until_s = now_s + _cooldown_s(kind, openings=openings, retry_after_s=retry_after_s)
    if already and until_s <= state.open_until_s:  # never shortened by a later event
        return replace(state, openings=openings)
    return replace(
        state,
        opened_at_s=state.opened_at_s if already and not again else now_s,
        open_until_s=until_s,
        openings=openings,
        cause=kind,
        note=note,
        answered=False,
    )


def _cooldown_s(kind: ErrorKind, *, openings: int, retry_after_s: float | None) -> float:
    if kind == "authentication":
        return math.inf
    if kind == "insufficient_quota":
        return QUOTA_COOLDOWN_S
    own_s = FIRST_COOLDOWN_S * 2.0 ** min(openings - 1, 10)
    return min(max(retry_after_s or 0.0, own_s), MAX_COOLDOWN_S)


class Breakers:
    """The circuits of a kernel. Safe on any thread.

    Args:
        clock: Monotonic seconds.

    Example:
        >>> Breakers().standing(Circuit("https://api.example.org")).phase
        'ready'
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[Circuit, State] = {}
        self._lock = threading.Lock()
        self._observers: list[weakref.WeakMethod[Callable[[], None]]] = []

    def standing(self, circuit: Circuit) -> Standing:
        """Where a circuit stands.

        Args:
            circuit: Of an address, or of a model there.
        """
        with self._lock:
            return standing_of(self._states.get(circuit, State()), self._clock())

    def start(self, circuit: Circuit, *, always: bool) -> float | None:
        """A request is about to go out.

        Args:
            circuit: With its model.
            always: Also while another probe is under way: there is nobody else to ask.

        Returns:
            The time, for `end`; `None` when another request has just become the probe of a half-open circuit.
        """
        with self._lock:
            now_s = self._clock()
            known = [each for each in (Circuit(circuit.endpoint), circuit) if each in self._states]
            if not always and any(is_being_probed(self._states[each], now_s) for each in known):
                return None
            for each in known:
                self._states[each] = after_start(self._states[each], now_s)
        return now_s

    def end(self, circuit: Circuit, attempt: Attempt, *, started_s: float) -> None:
        """A request ended.

        Args:
            circuit: With its model.
            attempt: How.
            started_s: What `start` returned.
        """
        with self._lock:
            now_s = self._clock()
            before = (self._phase(Circuit(circuit.endpoint), now_s), self._phase(circuit, now_s))
            for each, step in ((Circuit(circuit.endpoint), after_end), (circuit, model_after_end)):
                self._states[each] = step(
                    self._states.get(each, State()),
                    attempt.error_kind,
                    started_s=started_s,
                    now_s=now_s,
                    retry_after_s=attempt.retry_after_s,
                    note=attempt.error_message,
                )
            changed = before != (self._phase(Circuit(circuit.endpoint), now_s), self._phase(circuit, now_s))
        if changed:
            self._tell()

    def try_now(self, endpoints: Sequence[str]) -> None:
        """Let the next request through, whatever happened before.

        Args:
            endpoints: Which addresses; the models there are meant as well.
        """
        with self._lock:
            now_s = self._clock()
            for circuit, state in self._states.items():
                if circuit.endpoint in endpoints:
                    self._states[circuit] = tried_now(state, now_s)
        self._tell()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._states.clear()
        self._tell()

    def observe(self, observer: Callable[[], None]) -> None:
        """Be told when a circuit stands elsewhere than before, for as long as the observer lives.

        Args:
            observer: A method; called on any thread, it must not block.
        """
        self._observers = [one for one in self._observers if one() is not None]
        self._observers.append(weakref.WeakMethod(observer))

    def _phase(self, circuit: Circuit, now_s: float) -> Phase:
        return standing_of(self._states.get(circuit, State()), now_s).phase

    def _tell(self) -> None:
        for reference in tuple(self._observers):
            observer = reference()
            if observer is not None:
                observer()


shared = Breakers()
"""The one of this kernel's sessions."""
