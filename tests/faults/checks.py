"""What holds whatever happens: nothing that was said is lost, no key shows, and the next question is answered."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import traceback
from datetime import timedelta
from types import TracebackType

from IPython.core.ultratb import FormattedTB

import convoscope_jupyter as cv
from convoscope_jupyter.messages import ModelRef, Turn
from convoscope_jupyter.redaction import MAX_ERROR_CHARACTERS
from tests.faults.plays import TEXT
from tests.faults.table import Fault
from tests.faults.world import FIRST, NEXT, PROMPT, Outcome, World
from tests.support.wires import Wire

USABLE_WITHIN_S = 1.0
"""In which the next question is asked, answered and kept. It takes a twentieth of that."""


def check_told(world: World, outcome: Outcome, fault: Fault) -> None:
    """Every failed try says what happened, to whom and what to do: in the receipt, in the error, and in the chat."""
    failed = [attempt for attempt in outcome.response.attempts if attempt.error_kind == fault.kind]
    over = [
        m["attempt"] for m in world.chat.messages if m["type"] == "attempt_over" and m["turn_id"] == outcome.turn.id
    ]
    assert failed
    assert [kind for kind in outcome.kinds if kind] == [attempt["error_kind"] for attempt in over]
    for attempt in failed:
        message = attempt.error_message or ""
        assert 0 < len(message) <= MAX_ERROR_CHARACTERS
        assert "<" not in message
        assert world.host in message or "server" in f"{attempt.model}: {message}"
        for words in fault.says:
            assert words in message
        assert message in [told["error_message"] for told in over]
        if outcome.error is not None:
            assert message in str(outcome.error)
        if world.status_code is not None:
            assert world.status_code == attempt.status_code
        if fault.retry_after_s is not None:
            assert fault.retry_after_s == attempt.retry_after_s


def check_answered_by_the_next(world: World, outcome: Outcome, fault: Fault) -> None:
    """The next model gave the whole answer, and the receipt has both."""
    assert [fault.kind, None] == outcome.kinds
    assert "complete" == outcome.response.status
    assert (PROMPT, ModelRef.parse(NEXT)) == (outcome.turn.text, outcome.response.answered_by)
    assert f", after {FIRST} " in outcome.response.receipt
    assert 1 == world.spare.asked


def assert_nothing_lost_or_leaked(world: World, outcome: Outcome, *, text: str | None) -> None:
    """What every fault has in common. `text` is the answer as it must be kept; `None`: as it was shown."""
    assert_kept(world, outcome.turn, text)
    assert_usable_again(world)
    assert_kept(world, outcome.turn, text)
    assert_no_key(world, outcome)


def assert_kept(world: World, turn: Turn, text: str | None) -> None:
    """The store holds the turn once, with the text that was sent, which is also the one that was shown."""
    shown = world.chat.text_of(turn.id)
    store = cv.open_store(world.store_path)
    conversation = store.get(world.session.conversation.id)
    store.close()
    assert conversation is not None
    (stored,) = (one for one in conversation.turns if one.id == turn.id)
    assert turn == stored
    assert 1 == len(stored.responses)
    assert (text if text is not None else shown) == stored.text
    assert shown == stored.text
    with contextlib.closing(sqlite3.connect(world.store_path)) as connection:
        rows = connection.execute("SELECT count(*) FROM response WHERE turn_id = ?", (turn.id,)).fetchone()
    assert (1,) == rows
    messages = [message for message in world.chat.messages if message.get("turn", {}).get("id") == turn.id]
    assert ["turn_started", "turn_ended"] == [message["type"] for message in messages]


def assert_usable_again(world: World) -> None:
    """The chat takes the next question, and it is answered at once."""
    world.chat.send({"type": "configure", "route": NEXT})
    since = len(world.chat.messages)
    question = f"{PROMPT} And now?"
    asked_s = time.monotonic()
    turn_id = world.submit(question)
    ended = world.chat.wait_for("turn_ended", since=since, timeout_s=USABLE_WITHIN_S)
    took_s = time.monotonic() - asked_s
    assert took_s <= USABLE_WITHIN_S
    assert (turn_id, "complete") == (ended["turn"]["id"], ended["turn"]["responses"][0]["status"])
    assert question == world.chat.text_of(turn_id)


def assert_no_key(world: World, outcome: Outcome) -> None:
    """No form of the planted key shows, not even to someone who debugs."""
    places = world.in_the_open()
    if outcome.error is not None:
        places |= shown_by_tracebacks(outcome.error)
    assert [] == world.canary.seen_in(places)


def shown_by_tracebacks(error: BaseException) -> dict[str, str]:
    """What an exception shows: printed, in IPython's `%xmode Verbose`, and all variables of our frames."""
    errors = [error, *(error.exceptions if isinstance(error, BaseExceptionGroup) else ())]
    ours = _from_our_frames(error.__traceback__)
    frames = [frame for frame, _ in traceback.walk_tb(ours)]
    assert frames
    xmode = FormattedTB(mode="Verbose", theme_name="nocolor")  # type: ignore[no-untyped-call]  # IPython's own
    verbose = xmode.text(type(error), error, ours)
    assert "convoscope_jupyter" in verbose
    return {
        "str": "\n".join(map(str, errors)),
        "repr": "\n".join(map(repr, errors)),
        "attributes": "\n".join(repr(vars(one)) for one in errors),
        "traceback": "".join(traceback.format_exception(type(error), error, ours)),
        "%xmode Verbose": verbose,
        "variables": "\n".join(repr(dict(frame.f_locals)) for frame in frames),
    }


def _from_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """Without the test's own, which know the key."""
    while trace is not None and not trace.tb_frame.f_globals["__name__"].startswith("convoscope_jupyter"):
        trace = trace.tb_next
    return trace


def assert_prefix(text: str, fault: Fault) -> None:
    """Of what is said without an end, the beginning is kept, and no more than the bound."""
    if fault.text is None:
        assert len(TEXT) <= len(text) <= fault.limits.max_characters
        assert (TEXT + fault.repeats * (1 + len(text) // len(fault.repeats))).startswith(text)


# --- the table's columns ----------------------------------------------------------------------------------------------


def check_alone(world: World, fault: Fault, wire: Wire) -> None:
    """With nobody else to ask: retried as often as the table says, then told."""
    outcome = world.meet(fault, wire)

    assert [fault.kind] * (1 + fault.retries) == outcome.kinds
    assert (fault.status, fault.finish) == (outcome.response.status, outcome.response.finish_reason)
    if fault.kind is not None:
        check_told(world, outcome, fault)
        assert_prefix(outcome.turn.text, fault)
    if fault.place is None and fault.kind != "timed_out":
        assert len(outcome.kinds) == len(world.server.requests)
    assert_nothing_lost_or_leaked(world, outcome, text=fault.text)


def check_with_a_next_one(world: World, fault: Fault, wire: Wire) -> None:
    """With a healthy one behind: asked once, and then the next one, or nobody."""
    outcome = world.meet(fault, wire, route=f"server:model, {NEXT}")

    if fault.next_asked:
        check_answered_by_the_next(world, outcome, fault)
        assert_nothing_lost_or_leaked(world, outcome, text=PROMPT)
    else:
        assert [fault.kind] == outcome.kinds
        assert (fault.status, fault.finish) == (outcome.response.status, outcome.response.finish_reason)
        assert 0 == world.spare.asked
        assert_nothing_lost_or_leaked(world, outcome, text=fault.text)
    if fault.kind is not None:
        check_told(world, outcome, fault)


def check_passing(world: World, fault: Fault, wire: Wire) -> None:
    """When the fault passes, the same model answers, and the receipt has both tries."""
    outcome = world.meet(fault, wire, then=wire.stream())

    assert ([fault.kind, None], "complete") == (outcome.kinds, outcome.response.status)
    assert (TEXT, ModelRef.parse(FIRST)) == (outcome.turn.text, outcome.response.answered_by)
    check_told(world, outcome, fault)
    first, second = outcome.response.attempts
    assert second.started_at - first.started_at >= timedelta(seconds=first.retry_after_s or 0.0)
    assert_nothing_lost_or_leaked(world, outcome, text=TEXT)
