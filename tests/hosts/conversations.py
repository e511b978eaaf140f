"""Conversations between a browser and the kernel, played for real and written down.

Each is a file `tests/fixtures/protocol/<name>.jsonl`: what the browser sent, what the kernel sent,
and last what a view must show. pytest plays them on a real session; vitest feeds the kernel's
lines to the reducer. `CONVOSCOPE_WRITE_TRANSCRIPTS=1 pytest tests/hosts` writes them anew.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from convoscope_jupyter import _loop, errors
from convoscope_jupyter.hosts._dispatch import Dispatcher
from convoscope_jupyter.messages import ReasoningDelta, TextDelta
from convoscope_jupyter.protocol import PROTOCOL_VERSION
from convoscope_jupyter.session import Session
from tests.support.scripted import OK, STOP, Scripted, Step

HELLO = {"type": "hello", "protocol_version": PROTOCOL_VERSION, "last_seq": None}


def submit(text: str, turn_id: str) -> dict[str, Any]:
    return {"type": "submit", "turn_id": turn_id, "text": text}


@dataclass
class Wire:
    """A session with a dispatcher, and everything that went over the wire."""

    scripts: dict[str, list[list[Step]]]
    route: str = "p:m"
    store: str = ":memory:"
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.provider = Scripted(**self.scripts)
        self.session = Session(self.route, providers={"p": self.provider}, store=self.store)
        self._arrived = threading.Condition()
        self.dispatcher = Dispatcher(self.session, self._receive)

    def _receive(self, event: dict[str, Any]) -> None:
        with self._arrived:
            self.lines.append({"kernel": event})
            self._arrived.notify_all()

    def send(self, command: object, *, until: str, count: int = 1) -> None:
        """Send a command and wait for the n-th event of a type since."""
        with self._arrived:
            self.lines.append({"browser": command})
        self.do(lambda: self.dispatcher.handle(command), until=until, count=count)

    def do(self, action: Callable[[], object], *, until: str, count: int = 1) -> None:
        """Do something and wait for the n-th event of a type since."""
        with self._arrived:
            start = len(self.lines)
        action()
        with self._arrived:
            came = self._arrived.wait_for(lambda: self._count(until, start) >= count, timeout=30)
        assert came, f"no {until}: {self.lines[start:]}"

    def _count(self, kind: str, start: int) -> int:
        return sum(line.get("kernel", {}).get("type") == kind for line in self.lines[start:])

    def transcript(self) -> list[dict[str, Any]]:
        """What was said, without what differs from run to run, and what a view must show at the end."""
        path = self.session.conversation.path()
        shown = [
            {
                "prompt": turn.prompt.text,
                "text": turn.text,
                "status": turn.responses[0].status if turn.responses else None,
            }
            for turn in path
        ]
        return [*(_steady(line) for line in self.lines), {"shown": shown}]


_LEFT = re.compile(r"again in \d+ s")
_TIMES = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)$")


def _steady(value: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        if key == "kernel" and "providers" in value:
            value = {**value, "providers": [one for one in value["providers"] if one["name"] == "p"]}
        if key in {"conversation", "resumable"}:
            value = {**value, "id": "conversation"}
        return {name: _steady(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_steady(one) for one in value]
    if isinstance(value, str) and _TIMES.match(value):
        return "2026-01-01T00:00:00Z"
    if isinstance(value, str):
        return _LEFT.sub("again in 60 s", value)
    return 0.0 if key.endswith("_s") and isinstance(value, float) else value


def answer() -> Wire:
    wire = Wire({"m": [list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    wire.send(submit("Hi", "turn-1"), until="status_changed")  # known already: nothing is asked
    wire.send(submit("Again", "turn-2"), until="status_changed")
    return wire


def reasoning_and_unicode() -> Wire:
    wire = Wire({"m": [[ReasoningDelta(text="hm 🤔"), TextDelta(text="Grüße 👩🏽‍🔬 "), TextDelta(text="日本"), STOP]]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    return wire


def fallback() -> Wire:
    limited = errors.RateLimited(
        "p is rate limited. Wait 9 s.", provider="p", model="bad", status_code=429, retry_after_s=9
    )
    wire = Wire({"bad": [[ReasoningDelta(text="never shown"), limited]], "good": [list(OK)]}, route="p:bad, p:good")
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    return wire


def left_alone_and_tried_now() -> Wire:
    limited = errors.RateLimited(
        "p is rate limited. Wait 60 s.", provider="p", model="bad", status_code=429, retry_after_s=60
    )
    wire = Wire({"bad": [[limited], list(OK)]}, route="p:bad, demo:echo")
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    wire.send(submit("Skipped", "turn-2"), until="status_changed")
    wire.send({"type": "try_now", "provider": "p"}, until="status_changed")
    wire.send(submit("Back", "turn-3"), until="status_changed")
    return wire


def asked_again_after_a_wait() -> Wire:
    wire = Wire({"m": [[errors.RateLimited("Wait 9 s.", provider="p", model="m", retry_after_s=9)]]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="retry_scheduled")
    wire.send(HELLO, until="snapshot")  # a second view joins while the first one waits
    wire.send({"type": "cancel"}, until="status_changed")
    return wire


def nobody_answers() -> Wire:
    wire = Wire({"m": [[errors.AuthenticationFailed("p rejected the key. Set P_KEY and retry.")], list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    wire.send({"type": "retry", "turn_id": "turn-2", "source_turn_id": "turn-1", "route": None}, until="status_changed")
    return wire


def broken_off_and_continued() -> Wire:
    wire = Wire({"m": [[TextDelta(text="Half"), errors.ConnectionFailed("dropped")], list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    go_on = {"type": "continue", "turn_id": "turn-2", "source_turn_id": "turn-1", "route": None}
    wire.send(go_on, until="status_changed")
    return wire


def stopped() -> Wire:
    wire = Wire({"m": [[TextDelta(text="Half"), asyncio.Event(), STOP]]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="delta")
    wire.send(HELLO, until="snapshot")  # a second view joins in the middle
    wire.send({"type": "cancel"}, until="status_changed")
    wire.send({"type": "cancel"}, until="status_changed")  # nothing runs any more
    return wire


def refused() -> Wire:
    gate = asyncio.Event()
    wire = Wire({"m": [[TextDelta(text="Hel"), gate, TextDelta(text="lo"), STOP]]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("   ", "turn-0"), until="rejected")
    wire.send({"type": "submit", "turn_id": "turn-0"}, until="rejected")
    wire.send({"type": "configure", "route": "hal:9000"}, until="rejected")
    wire.send({"type": "retry", "turn_id": "turn-9", "source_turn_id": "nowhere", "route": None}, until="rejected")
    wire.send({**HELLO, "protocol_version": 0}, until="rejected")
    wire.send(submit("Hi", "turn-1"), until="delta")
    wire.send(submit("And?", "turn-2"), until="rejected")
    wire.do(lambda: _loop.call_soon(gate.set), until="status_changed")
    return wire


def settings_and_new_conversation() -> Wire:
    wire = Wire({"m": [list(OK)], "other": [list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send({"type": "configure", "route": "p:other, p:m"}, until="status_changed")
    wire.send({"type": "configure", "system": "Be brief.", "temperature": 0.5}, until="status_changed", count=2)
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    wire.send({"type": "rename", "title": "A better title"}, until="status_changed")
    wire.send({"type": "new_conversation"}, until="snapshot")
    wire.send(HELLO, until="snapshot")
    return wire


def saved_and_listed() -> Wire:
    wire = Wire({"m": [list(OK)], "other": [list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("What is it?", "turn-00000001"), until="status_changed")
    wire.send({"type": "export", "suffix": ".ipynb"}, until="exported")
    wire.send({"type": "export", "suffix": ".ipynb"}, until="exported")  # beside the first, which stays as it is
    wire.send({"type": "list_models", "provider": "p"}, until="status_changed")
    return wire


ALL: dict[str, Callable[[], Wire]] = {
    play.__name__: play
    for play in (
        answer,
        reasoning_and_unicode,
        fallback,
        left_alone_and_tried_now,
        asked_again_after_a_wait,
        nobody_answers,
        broken_off_and_continued,
        stopped,
        refused,
        settings_and_new_conversation,
        saved_and_listed,
    )
}


def kernel_lines(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Only what the kernel sent."""
    return itertools.chain.from_iterable([line["kernel"]] for line in lines if "kernel" in line)
