"""Stopping an answer: what came is kept, whoever stops it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from convoscope_jupyter._notices import Notice, TurnProgress
from convoscope_jupyter.messages import (
    TextDelta,
    TurnFinished,
)
from tests.support.scripted import OK, STOP
from tests.support.sessions import Gate, session_of

# --- stopping ----------------------------------------------------------------------------------------


def test_cancel_keeps_what_came_and_ask_returns_it() -> None:
    gate = Gate()
    session, provider = session_of([TextDelta(text="Half"), gate.event, STOP])
    turn = session.ask("Hi", on_delta=lambda _: session.cancel())

    assert ("cancelled", "Half") == (turn.responses[0].status, turn.text)
    assert ["cancelled"] == [attempt.outcome for attempt in turn.responses[0].attempts]
    assert ["m"] == provider.closed


def test_the_session_is_usable_again_after_a_stop() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP], list(OK))
    session.ask("Hi", on_delta=lambda _: session.cancel())

    assert "Hello" == session.ask("Again").text


def test_leaving_the_stream_stops_the_answer() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP])
    events = session.stream("Hi")
    assert isinstance(events, Iterator)
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()  # type: ignore[attr-defined]  # it is a generator

    assert "cancelled" == session.conversation.turns[0].responses[0].status


async def test_cancelling_the_awaiting_task_stops_the_answer() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP])
    finished = asyncio.Event()
    here = asyncio.get_running_loop()

    def observe(notice: Notice) -> None:
        if isinstance(notice, TurnProgress) and isinstance(notice.event, TurnFinished):
            here.call_soon_threadsafe(finished.set)

    session.conductor.observe(observe)
    begun = asyncio.Event()
    task = asyncio.create_task(session.ask_async("Hi", on_delta=lambda _: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await finished.wait()

    assert "cancelled" == session.conversation.turns[0].responses[0].status


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process started in the background of a shell ignores interrupts; a kernel does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_kernel_interrupt_keeps_the_partial_and_is_raised_again() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP])
    with pytest.raises(KeyboardInterrupt):
        session.ask("Hi", on_delta=lambda _: os.kill(os.getpid(), signal.SIGINT))

    assert ("cancelled", "Half") == (
        session.conversation.turns[0].responses[0].status,
        session.conversation.turns[0].text,
    )
