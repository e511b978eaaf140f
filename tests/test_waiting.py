"""Waiting for a turn, on a plain thread and in async code."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from convoscope_jupyter import _loop
from convoscope_jupyter.messages import TextDelta, TurnFinished
from tests.support.scripted import STOP
from tests.support.sessions import session_of

if TYPE_CHECKING:
    import pytest


def test_who_waits_is_woken_by_the_end_and_not_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop, "POLL_S", 60.0)
    session, _ = session_of()
    asked_s = time.monotonic()
    turn = session.ask("hi")

    assert turn.text
    assert time.monotonic() - asked_s < 30


async def test_async_code_sees_every_event_in_order_though_not_each_wakes_its_loop() -> None:
    numbers = [f"{number} " for number in range(500)]
    session, _ = session_of([*(TextDelta(text=number) for number in numbers), STOP])
    texts: list[str] = []
    ended = False
    async for event in session.stream_async("count"):
        if isinstance(event, TextDelta):
            texts.append(event.text)
            if len(texts) % 50 == 0:
                await asyncio.sleep(0)
        ended = isinstance(event, TurnFinished)

    assert ended
    assert numbers == texts
