"""One real session over real sockets, with a chat watching it, a file store, all logs kept, and a planted key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import convoscope_jupyter as cv
from convoscope_jupyter.errors import ConvoError
from convoscope_jupyter.hosts._dispatch import Dispatcher
from convoscope_jupyter.messages import ErrorKind, ModelRef, Response, Turn, new_id
from convoscope_jupyter.protocol import PROTOCOL_VERSION
from convoscope_jupyter.providers import ChatRequest, Chunk, Demo, Provider
from convoscope_jupyter.routing import RetryPolicy, Route, TimeLimits
from convoscope_jupyter.store import Store
from tests.faults import places, plays
from tests.faults.canary import Canary
from tests.faults.plays import Stage
from tests.faults.table import PATIENT, Fault
from tests.support.loopback import Loopback, Reply
from tests.support.loopback_thread import LoopbackThread
from tests.support.wires import Wire

PROMPT = "What is the answer?"
FIRST = "server:model"
"""The model that has the fault."""
NEXT = "spare:echo"
"""A model that is well, and gives the question back."""
AT_ONCE = RetryPolicy(min_delay_s=0.01, max_delay_s=0.02)

_GENEROUS_S = 30.0


class Spare(Demo):
    """A healthy model, which knows how often it was asked."""

    def __init__(self) -> None:
        super().__init__(pace_s=0.0)
        self.asked = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        self.asked += 1
        async with contextlib.aclosing(super().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk


class Chat:
    """The kernel's side of one chat: what it sends to the page is kept."""

    def __init__(self, session: cv.Session) -> None:
        self.messages: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        self._dispatcher = Dispatcher(session, self._receive)

    def _receive(self, message: dict[str, object]) -> None:
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def send(self, command: Mapping[str, object]) -> None:
        """A command of the page's."""
        self._dispatcher.handle(dict(command))

    def wait_for(self, kind: str, *, since: int = 0, timeout_s: float = _GENEROUS_S) -> dict[str, Any]:
        """The next message of a kind."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [message for message in self.messages[since:] if message["type"] == kind]
            return bool(found)

        with self._arrived:
            came = self._arrived.wait_for(look, timeout=timeout_s)
        assert came, f"no {kind} in {timeout_s} s, but {[message['type'] for message in self.messages[since:]]}"
        return found[0]

    def text_of(self, turn_id: str) -> str:
        """The answer as the page has put it together."""
        deltas = (one for one in self.messages if one["type"] == "delta" and one["turn_id"] == turn_id)
        return "".join(delta["text"] for delta in deltas)

    def close(self) -> None:
        self._dispatcher.close()


class Logs(logging.Handler):
    """All that anybody logs, with its arguments."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {self.format(record)} {record.args!r}")

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._before = root.level, root.handlers
        root.handlers = [self]  # alone: pytest's handlers would write every line two more times
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        level, root.handlers = self._before
        root.setLevel(level)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a question."""

    turn: Turn
    error: ConvoError | None
    """What whoever asked was told."""

    @property
    def response(self) -> Response:
        assert self.turn.response is not None
        return self.turn.response

    @property
    def kinds(self) -> list[ErrorKind | None]:
        """How each try ended."""
        return [attempt.error_kind for attempt in self.response.attempts]


class World:
    """See the module. Made by the fixture `world`."""

    def __init__(self, folder: Path, servers: LoopbackThread) -> None:
        self.canary = Canary()
        self.folder = folder
        self.store_path = folder / "store" / "store.sqlite3"
        self.servers = servers
        self.spare = Spare()
        self.seen = asyncio.Event()
        self.host = ""
        self.status_code: int | None = None
        """Of the fault's reply, where it is that of an error."""
        self._closing = contextlib.ExitStack()
        self.logs = self._closing.enter_context(Logs())

    def close(self) -> None:
        self._closing.close()

    def meet(self, fault: Fault, wire: Wire, *, route: str = FIRST, then: Reply | None = None) -> Outcome:
        """Ask, and meet with a fault: for ever, or once and `then` something else."""
        self.open(fault, wire, route=route, then=then)
        return self.ask()

    def open(
        self, fault: Fault, wire: Wire, *, route: str = FIRST, then: Reply | None = None, store: Store | None = None
    ) -> None:
        """Start the fault's server and a session that asks it."""
        self.begin({"server": self.provider(fault, wire, then=then)}, route, fault.limits, store=store)

    def provider(self, fault: Fault, wire: Wire, *, then: Reply | None = None) -> Provider:
        """The provider of a server that has the fault."""
        if fault.place is not None:
            url = self._closing.enter_context(places.at(fault.place, self.servers, self.folder))
            self.host, self.status_code = url.partition("://")[2], None
        else:
            assert fault.play is not None
            reply = fault.play(Stage(wire=wire, canary=self.canary, seen=self.seen))
            self.status_code = reply.status if reply.status >= 400 else None
            script = [plays.echoing(reply, self.canary), *([] if then is None else [then])]
            self.server = self.serve(*script)
            url, self.host = self.server.url, self.server.url.removeprefix("http://")
        return wire.provider(url, self.canary.key)

    def serve(self, *script: Reply) -> Loopback:
        """A server, until the test is over."""
        return self._closing.enter_context(self.servers.serve(*script))

    def begin(
        self,
        providers: Mapping[str, Provider],
        route: str,
        limits: TimeLimits = PATIENT,
        *,
        store: Store | None = None,
    ) -> None:
        """Start a session, and a chat that watches it."""
        candidates = tuple(ref for part in route.split(",") if (ref := ModelRef.parse(part.strip())))
        self.session = cv.Session(
            Route(candidates=candidates, retry=AT_ONCE, limits=limits),
            providers={**providers, "spare": self.spare},
            store=self.store_path if store is None else store,
        )
        self.chat = Chat(self.session)
        self._closing.callback(self.chat.close)
        self.chat.send({"type": "hello", "protocol_version": PROTOCOL_VERSION, "last_seq": None})
        self.chat.wait_for("snapshot")

    def ask(self, *, when_seen: Callable[[], object] = lambda: None) -> Outcome:
        """Ask as a cell does. `when_seen` is called once the user has seen `TEXT`."""
        so_far: list[str] = []

        def take(text: str) -> None:
            so_far.append(text)
            if plays.TEXT == "".join(so_far):
                when_seen()
                self.servers.soon(self.seen.set)

        told: cv.AnswerInterrupted | cv.RouteExhausted
        try:
            return Outcome(turn=self.session.ask(PROMPT, on_delta=take), error=None)
        except (cv.AnswerInterrupted, cv.RouteExhausted) as error:
            told = error
        assert told.turn is not None
        return Outcome(turn=told.turn, error=told)

    def submit(self, text: str) -> str:
        """Ask as the chat's input box does; returns the turn's id."""
        turn_id = new_id()
        self.chat.send({"type": "submit", "turn_id": turn_id, "text": text})
        return turn_id

    def wait_until_left(self) -> None:
        """Wait until the server has seen that nobody listens any more."""
        self.servers.run(asyncio.wait_for(self.server.requests[-1].abandoned.wait(), _GENEROUS_S))

    def in_the_open(self) -> dict[str, str | bytes]:
        """All that others may see: what went to the page, what is on disk, what was logged."""
        files = [path for path in self.store_path.parent.rglob("*") if path.is_file()]
        return {
            "the page": json.dumps(self.chat.messages, ensure_ascii=False),
            **{f"the file {path.name}": path.read_bytes() for path in files},
            **{f"the log: {line[:300]}": line for line in self.logs.lines},
        }
