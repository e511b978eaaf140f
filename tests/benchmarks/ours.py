"""How this package is asked: a session, as its documentation has it. Kept apart, for here types are known."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never

import convoscope_jupyter as cv
from convoscope_jupyter.providers._base import Provider
from tests.benchmarks.peers import BEST_TIMEOUT_S, KEY, QUESTION, Asker, Open, Sink, Target

_number = itertools.count()


def provider_at(target: Target, url: str) -> Provider:
    """The provider that speaks the target's format, at an address of the server."""
    match target.wire:
        case "chat":
            return cv.OpenAICompatible(base_url=f"{url}/v1", api_key=KEY, wire="chat")
        case "responses":
            return cv.OpenAICompatible(base_url=f"{url}/v1", api_key=KEY, wire="responses")
        case "anthropic":
            return cv.Anthropic(api_key=KEY, base_url=url)
        case "gemini":
            return cv.Google(api_key=KEY, base_url=url)
        case _ as never:
            assert_never(never)


class _Sessions:
    """New sessions for one target: what is asked has no history, as with the peers."""

    def __init__(self, target: Target, store: str | cv.Store) -> None:
        self._store = store
        self._providers: Mapping[str, Provider] = {
            f"peer{n}": provider_at(target, url) for n, url in enumerate(target.urls)
        }
        route = cv.Route.parse([f"{name}:{target.model}" for name in self._providers])
        limits = cv.TimeLimits(first_text_s=BEST_TIMEOUT_S, idle_s=BEST_TIMEOUT_S)
        self._route = replace(route, limits=limits) if target.tuned else route
        self._next = self._new()

    def _new(self) -> cv.Session:
        return cv.Session(self._route, providers=self._providers, store=self._store)

    def take(self) -> cv.Session:
        """One that was made before the clock started."""
        return self._next

    def prepare(self) -> None:
        """The next one, after the clock has stopped."""
        self._next = self._new()


def _asked(target: Target, store: str = ":memory:") -> Asker:
    sessions = _Sessions(target, store)

    async def ask(sink: Sink) -> None:
        # It blocks the worker's own loop, which has nothing else to do; ours runs on its own thread.
        session = sessions.take()
        try:
            turn = session.ask(QUESTION, on_delta=sink if target.watched else None)
        except cv.AnswerInterrupted as error:
            sink.parts[:] = [error.turn.text]
            raise
        assert turn.text
        sink.parts[:] = [turn.text]

    return Asker(ask, prepare=sessions.prepare)


def _streamed(target: Target) -> Asker:
    sessions = _Sessions(target, ":memory:")

    async def ask(sink: Sink) -> None:
        for event in sessions.take().stream(QUESTION):
            if isinstance(event, cv.TextDelta):
                sink(event.text)

    return Asker(ask, prepare=sessions.prepare)


def _together(target: Target) -> Asker:
    """For many at once: each call a session of its own, awaited; one store for all of them."""
    sessions = _Sessions(target, cv.open_store(":memory:"))
    ready: list[cv.Session] = []

    def prepare() -> None:
        sessions.prepare()
        ready.append(sessions.take())

    async def ask(sink: Sink) -> None:
        turn = await (ready.pop() if ready else sessions.take()).ask_async(QUESTION)
        sink(turn.text)

    return Asker(ask, prepare=prepare)


def _on_disk(target: Target) -> Asker:
    folder = Path(os.environ["HOME"])
    return _asked(target, str(folder / f"store-{os.getpid()}-{next(_number)}.sqlite3"))


OPEN: dict[str, Open] = {
    "us": _asked,
    "us:stream": _streamed,
    "us:async": _together,
    "us:disk": _on_disk,
}
