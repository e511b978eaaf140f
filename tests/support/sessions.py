"""Sessions over a provider that plays scripts."""

from __future__ import annotations

import asyncio

from convoscope_jupyter import _loop
from convoscope_jupyter.session import Session
from tests.support.scripted import OK, Scripted, Step


def session_of(*scripts: list[Step], store: str = ":memory:", **options: object) -> tuple[Session, Scripted]:
    provider = Scripted(m=scripts or [OK])
    return Session("p:m", providers={"p": provider}, store=store, **options), provider  # type: ignore[arg-type]  # options of a test


class Gate:
    """Holds a script until the test lets it go on, from any thread."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def open(self) -> None:
        _loop.call_soon(self.event.set)
