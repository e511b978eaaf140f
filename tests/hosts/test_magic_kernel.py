"""`%%convo` in a real kernel, message by message, as a front end sees it."""

from __future__ import annotations

import asyncio
import queue
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

from tests.support.loopback import HANG, Loopback, Reply, chat_events
from tests.support.settings import KEY

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

PROMPT_S = 2.0
"""Far more than the 200 ms that stopping may take, for machines that do much else."""


class FrontEnd:
    """Runs cells and keeps what comes of them."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client

    def start(self, code: str, *, allow_stdin: bool = False) -> str:
        return str(self.client.execute(code, allow_stdin=allow_stdin))

    def messages(self, execution: str) -> Iterator[dict[str, Any]]:
        """What the cell puts out, until it is over."""
        while True:
            try:
                message = dict(self.client.get_iopub_msg(timeout=60))
            except queue.Empty:
                pytest.fail("the kernel said nothing for a minute")
            if message["parent_header"].get("msg_id") != execution:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            if message["msg_type"] not in {"status", "execute_input"}:
                yield message

    def run(self, code: str, *, watched: bool = True) -> list[dict[str, Any]]:
        return list(self.messages(self.start(code, allow_stdin=watched)))

    def value(self, expression: str) -> str:
        """The text of a value in the kernel."""
        return str(
            next(m for m in self.run(expression) if m["msg_type"] == "execute_result")["content"]["data"]["text/plain"]
        )


@pytest.fixture
def make_front_end() -> Iterator[Callable[[], FrontEnd]]:
    running: list[FrontEnd] = []

    def make() -> FrontEnd:
        front_end = FrontEnd(*start_new_kernel(kernel_name="python3", startup_timeout=120))
        running.append(front_end)
        assert [] == front_end.run("%load_ext convoscope_jupyter")
        return front_end

    yield make
    for front_end in running:
        front_end.client.stop_channels()
        front_end.manager.shutdown_kernel(now=True)


@pytest.fixture
def front_end(make_front_end: Callable[[], FrontEnd]) -> FrontEnd:
    return make_front_end()


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["msg_type"] for message in messages]


def test_the_answer_streams_into_one_display_and_ends_with_its_receipt(front_end: FrontEnd) -> None:
    messages = front_end.run("%%convo demo:tour --out turn\nHi")
    drawings = [message["content"] for message in messages]

    assert "display_data" == kinds(messages)[0]
    assert {"update_display_data"} == set(kinds(messages)[1:])
    assert len(messages) > 2
    assert 1 == len({drawing["transient"]["display_id"] for drawing in drawings})
    lengths = [len(drawing["data"]["text/plain"]) for drawing in drawings]
    assert sorted(lengths) == lengths
    assert "*demo:tour answered in " in drawings[-1]["data"]["text/markdown"].splitlines()[-1]
    assert front_end.value("turn.text") == repr(drawings[-1]["metadata"]["convoscope"]["text"])


def test_where_a_cell_can_ask_nobody_the_answer_comes_in_one_piece(front_end: FrontEnd) -> None:
    messages = front_end.run("%%convo demo:tour\nHi", watched=False)

    assert ["display_data"] == kinds(messages)


def test_nothing_goes_into_out_and_the_kernels_own_loop_goes_on(front_end: FrontEnd) -> None:
    front_end.run("%%convo demo:echo\nHi")

    assert "{}" == front_end.value("dict(Out)")
    assert "True" == front_end.value("import asyncio; asyncio.get_running_loop().is_running()")


def test_asking_inside_a_coroutine_shows_the_answer_in_its_cell(front_end: FrontEnd) -> None:
    code = "async def ask():\n    get_ipython().run_cell_magic('convo', 'demo:echo', 'Hello')\nawait ask()"
    messages = front_end.run(code)

    assert messages[-1]["content"]["data"]["text/plain"].startswith("Hello\n\ndemo:echo answered in ")


def test_capture_takes_the_answer_like_any_output(front_end: FrontEnd) -> None:
    messages = front_end.run("%%capture caught\n%%convo demo:tour\nHello")

    assert [] == messages
    assert "[True]" == front_end.value("['demo:tour answered in' in out.data['text/plain'] for out in caught.outputs]")


def test_when_nobody_answers_the_reasons_are_the_cells_error(front_end: FrontEnd) -> None:
    (error,) = front_end.run("%%convo demo:fail-401\nheliotrope")

    assert "error" == error["msg_type"]
    assert "RouteExhausted" == error["content"]["ename"]
    (shown,) = error["content"]["traceback"]
    assert shown.startswith("RouteExhausted: No model answered: demo:fail-401 rejected the key.")
    assert "heliotrope" not in shown


def test_a_key_is_asked_for_without_echo_and_shown_nowhere(front_end: FrontEnd) -> None:
    execution = front_end.start("%convo key openai", allow_stdin=True)
    request = front_end.client.get_stdin_msg(timeout=60)
    front_end.client.input(KEY)
    messages = list(front_end.messages(execution))
    status = front_end.run("%convo")

    assert request["content"]["password"] is True
    assert messages[0]["content"]["text"].startswith("The key for openai counts in this kernel.")
    assert "key from cv.set_key" in status[0]["content"]["text"]
    for place in (messages, status, front_end.value("In")):
        assert KEY not in str(place)


@pytest.mark.skipif(sys.platform == "win32", reason="a kernel is interrupted there in another way")
def test_an_interrupt_stops_the_answer_keeps_what_came_and_frees_the_session(front_end: FrontEnd) -> None:
    execution = front_end.start("%%convo demo:slow --out turn\nHi", allow_stdin=True)
    messages: list[dict[str, Any]] = []
    stopped_s = 0.0
    for message in front_end.messages(execution):
        messages.append(message)
        if len(messages) == 2:
            stopped_s = time.monotonic()
            front_end.manager.interrupt_kernel()
    took_s = time.monotonic() - stopped_s
    print(f"interrupt to idle: {took_s * 1000:.0f} ms")  # noqa: T201 - shown by pytest -s

    assert took_s < PROMPT_S
    error = messages[-1]
    assert "KeyboardInterrupt" == error["content"]["ename"]
    assert ["KeyboardInterrupt: the answer was stopped. What came of it is kept."] == error["content"]["traceback"]
    shown = messages[-2]["content"]["data"]["text/plain"]
    assert "demo:slow was stopped after " in shown.splitlines()[-1]
    assert "'cancelled'" == front_end.value("turn.response.status")
    assert shown.startswith(front_end.value("turn.text")[1:-1])
    assert ["display_data", "update_display_data"] == kinds(front_end.run("%%convo demo:echo\nGo on, please"))


@pytest.mark.skipif(sys.platform == "win32", reason="a kernel is interrupted there in another way")
async def test_an_interrupt_closes_the_stream(
    make_front_end: Callable[[], FrontEnd], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Loopback(Reply(steps=[*chat_events("Hel", "lo", finish=None), HANG])) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        front_end = await asyncio.to_thread(make_front_end)

        def ask_and_interrupt() -> tuple[list[dict[str, Any]], float]:
            messages, stopped_s = [], 0.0
            for message in front_end.messages(front_end.start("%%convo openai:model --out turn\nHi", allow_stdin=True)):
                messages.append(message)
                if message["msg_type"] == "display_data" and not stopped_s:
                    stopped_s = time.monotonic()
                    front_end.manager.interrupt_kernel()
            return messages, stopped_s

        asking = asyncio.create_task(asyncio.to_thread(ask_and_interrupt))
        await server.asked.wait()
        await server.requests[0].abandoned.wait()
        closed_s = time.monotonic()
        messages, stopped_s = await asking
        print(f"interrupt to closed socket: {(closed_s - stopped_s) * 1000:.0f} ms")  # noqa: T201 - shown by pytest -s

        assert closed_s - stopped_s < PROMPT_S
        assert 1 == len(server.requests)
        assert "Hello\n\nopenai:model was stopped after" in messages[-2]["content"]["data"]["text/plain"]
        assert KEY not in str(messages)
