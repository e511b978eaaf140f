"""A kernel that receives an answer over each wire format until it is killed: `python -m tests.faults.kernel`.

It is told on stdin whom to ask, and says on stdout what it receives and when, by a clock that all processes share.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable

import convoscope_jupyter as cv
from convoscope_jupyter._notices import Notice, TurnProgress
from convoscope_jupyter._session_values import next_turn
from convoscope_jupyter.messages import ModelRef, TextDelta
from convoscope_jupyter.routing import Route
from tests.faults.table import PATIENT, WIRES
from tests.faults.world import AT_ONCE, FIRST


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def teller(wire: str) -> Callable[[Notice], None]:
    def tell(notice: Notice) -> None:
        if isinstance(notice, TurnProgress) and isinstance(notice.event, TextDelta):
            say(wire=wire, text=notice.event.text, at_s=time.monotonic())

    return tell


def main() -> None:
    told = json.loads(sys.stdin.readline())
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    model = ModelRef.parse(FIRST)
    assert model is not None
    for wire in WIRES:
        provider = wire.provider(told["urls"][wire.name], told["key"])
        provider.load()
        route = Route(candidates=(model,), retry=AT_ONCE, limits=PATIENT)
        session = cv.Session(route, providers={"server": provider}, store=told["store"])
        session.conductor.observe(teller(wire.name))
        turn = next_turn(session.conversation, "Hi")
        say(wire=wire.name, conversation=session.conversation.id)
        session.conductor.launch(turn)
    threading.Event().wait()


if __name__ == "__main__":
    main()
