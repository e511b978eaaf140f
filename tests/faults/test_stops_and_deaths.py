"""F48, F49: whoever asked stops the answer, or the kernel dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter.messages import Turn
from tests.faults import plays
from tests.faults.canary import Canary
from tests.faults.checks import assert_nothing_lost_or_leaked
from tests.faults.plays import TEXT
from tests.faults.rows import each
from tests.faults.table import STOPS_AND_DEATHS, WIRES, Fault
from tests.faults.world import NEXT, Outcome, World
from tests.support.every_wire import over
from tests.support.loopback_thread import LoopbackThread
from tests.support.wires import Wire

_STREAMED_S = 1.5
"""So long an answer runs before its kernel is killed."""
_LOST_AT_MOST_S = 0.5
_TIMERS_MAY_BE_LATE_S = 0.5
"""On machines that do much else."""


def stop_soon(world: World, stop: Callable[[], object]) -> threading.Thread:
    """Stop once the server was asked."""

    def wait_and_stop() -> None:
        world.servers.run(world.server.asked.wait())
        stop()

    thread = threading.Thread(target=wait_and_stop)
    thread.start()
    return thread


def check_stopped(world: World, turn: Turn, fault: Fault) -> None:
    world.wait_until_left()
    outcome = Outcome(turn=turn, error=None)
    assert ("cancelled", [fault.kind], fault.text) == (outcome.response.status, outcome.kinds, turn.text)
    assert (1, 0) == (len(world.server.requests), world.spare.asked)
    assert_nothing_lost_or_leaked(world, outcome, text=fault.text)


@each(STOPS_AND_DEATHS, lambda fault: fault.id == "F48")
def test_stop_in_the_chat_ends_the_request_and_keeps_what_came(world: World, fault: Fault, wire: Wire) -> None:
    world.open(fault, wire, route=f"server:model, {NEXT}")
    turn_id = world.submit("Hi")
    world.servers.run(world.server.asked.wait())
    if fault.text:
        world.chat.wait_for("delta")
        while world.chat.text_of(turn_id) != fault.text:
            time.sleep(0.005)
    world.chat.send({"type": "cancel"})
    world.chat.wait_for("turn_ended")

    (turn,) = world.session.conversation.turns
    check_stopped(world, turn, fault)


@each(STOPS_AND_DEATHS, lambda fault: fault.id == "F48")
def test_cancel_in_code_ends_the_request_and_keeps_what_came(world: World, fault: Fault, wire: Wire) -> None:
    world.open(fault, wire, route=f"server:model, {NEXT}")
    if fault.text:
        outcome = world.ask(when_seen=world.session.cancel)
    else:
        thread = stop_soon(world, world.session.cancel)
        outcome = world.ask()
        thread.join()

    check_stopped(world, outcome.turn, fault)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process started in the background of a shell ignores interrupts; a kernel does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="a kernel is interrupted there in another way")
@pytest.mark.usefixtures("interruptible")
@each(STOPS_AND_DEATHS, lambda fault: fault.id == "F48")
def test_a_kernel_interrupt_ends_the_request_and_keeps_what_came(world: World, fault: Fault, wire: Wire) -> None:
    # In a real kernel, over a real comm: tests/hosts/test_magic_kernel.py.
    world.open(fault, wire, route=f"server:model, {NEXT}")
    thread = None if fault.text else stop_soon(world, interrupt)
    with pytest.raises(KeyboardInterrupt):
        world.ask(when_seen=interrupt)
    if thread is not None:
        thread.join()

    (turn,) = world.session.conversation.turns
    check_stopped(world, turn, fault)


@over(*WIRES)
def test_f13_the_wait_before_another_try_can_be_stopped(world: World, wire: Wire) -> None:
    fault = Fault(id="F13", happens="429", phase="status codes", play=plays.refusal("rate_limited", Retry_After="15"))
    world.open(fault, wire)
    world.submit("Hi")
    world.chat.wait_for("attempt_over")
    world.chat.send({"type": "cancel"})
    world.chat.wait_for("turn_ended", timeout_s=5.0)

    (turn,) = world.session.conversation.turns
    assert turn.response is not None
    assert ("cancelled", 1) == (turn.response.status, len(world.server.requests))
    assert ["rate_limited"] == [attempt.error_kind for attempt in turn.response.attempts]
    assert_nothing_lost_or_leaked(world, Outcome(turn=turn, error=None), text="")


# --- F49 --------------------------------------------------------------------------------------------------------------


@dataclass
class Received:
    """What a kernel says that it has received of one answer."""

    conversation_id: str = ""
    pieces: list[tuple[float, str]] = field(default_factory=list)

    def until(self, at_s: float) -> str:
        return "".join(text for came_s, text in self.pieces if came_s <= at_s)

    def lasts_s(self) -> float:
        return self.pieces[-1][0] - self.pieces[0][0] if self.pieces else 0.0


class Kernel:
    """A kernel in a process of its own, killed while it receives an answer over each wire format."""

    def __init__(self, store_path: Path, canary: Canary, urls: Mapping[str, str]) -> None:
        self.store_path, self.canary = store_path, canary
        self.received = {wire.name: Received() for wire in WIRES}
        self._told = {"store": str(store_path), "key": canary.key, "urls": urls}

    def live_and_die(self, errors: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        command = [sys.executable, "-m", "tests.faults.kernel"]
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(self._told) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                self._note(line)
                if all(received.lasts_s() > _STREAMED_S for received in self.received.values()):
                    break
            self.killed_s = time.monotonic()
            process.kill()
            for line in process.stdout:
                self._note(line)
        self.printed = errors.read_text()

    def _note(self, line: str) -> None:
        said = json.loads(line)
        received = self.received[said["wire"]]
        if "conversation" in said:
            received.conversation_id = said["conversation"]
        else:
            received.pieces.append((said["at_s"], said["text"]))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, servers: LoopbackThread) -> Kernel:
    (fault,) = (one for one in STOPS_AND_DEATHS if one.id == "F49")
    assert fault.play is not None
    folder = tmp_path_factory.mktemp("killed")
    canary, seen = Canary(), asyncio.Event()
    seen.set()
    with contextlib.ExitStack() as stack:
        urls: dict[str, str] = {}
        for wire in WIRES:
            reply = plays.echoing(fault.play(plays.Stage(wire=wire, canary=canary, seen=seen)), canary)
            urls[wire.name] = stack.enter_context(servers.serve(reply)).url
        kernel = Kernel(folder / "store" / "store.sqlite3", canary, urls)
        kernel.live_and_die(folder / "stderr.txt")
    return kernel


@each(STOPS_AND_DEATHS, lambda fault: fault.id == "F49")
@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed there in another way")
def test_of_a_killed_kernels_answer_half_a_second_is_lost_at_most(killed: Kernel, fault: Fault, wire: Wire) -> None:
    received = killed.received[wire.name]
    surely_kept = received.until(killed.killed_s - _LOST_AT_MOST_S - _TIMERS_MAY_BE_LATE_S)
    session = cv.Session("demo:echo", conversation=received.conversation_id, store=killed.store_path)
    (turn,) = session.conversation.turns

    assert turn.response is not None
    assert ("interrupted", 1) == (turn.response.status, len(turn.responses))
    assert len(TEXT) < len(surely_kept)
    assert turn.text.startswith(surely_kept)
    assert (TEXT + fault.repeats * len(turn.text)).startswith(turn.text)
    assert "Still there?" == session.ask("Still there?").text
    files = {file.name: file.read_bytes() for file in killed.store_path.parent.rglob("*") if file.is_file()}
    assert "DEBUG" in killed.printed
    assert [] == killed.canary.seen_in({**files, "what it printed": killed.printed})
