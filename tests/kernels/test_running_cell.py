"""The chat while a cell runs, on every ipykernel there is: each version routes a comm's messages in its own way."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

from convoscope_jupyter.messages import new_id
from convoscope_jupyter.protocol import PROTOCOL_VERSION
from tests.tools.kernels import KERNELS, VERSIONS

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

WITH_SUBSHELLS = [version for version in VERSIONS if not version.startswith("6.")]
WITHOUT_SUBSHELLS = [version for version in VERSIONS if version.startswith("6.")]
RUNNING_CELL = "import time\nfor _ in range(60):\n    time.sleep(0.05)"

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(not KERNELS.is_dir(), reason="the kernels are not installed; `make kernels` does it"),
]


class Notebook:
    """What a front end does with a kernel, message by message."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client
        self.subshell_id: str | None = None
        self.comm_id = ""
        self.seen: list[str] = []

    def open_chat(self) -> None:
        code = "import convoscope_jupyter as cv\nchat = cv.Chat('demo:slow', store=':memory:')\nchat"
        execution = self.client.execute(code)
        for message in self._until_idle(execution):
            opened = message["content"].get("data", {}).get("state", {})
            if message["msg_type"] == "comm_open" and "protocol_version" in opened:
                self.comm_id = message["content"]["comm_id"]
        assert self.comm_id, "the chat opened no comm"

    def open_subshell(self) -> None:
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        while True:
            reply = self.client.get_control_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                self.subshell_id = reply["content"]["subshell_id"]
                return

    def send(self, command: dict[str, Any]) -> None:
        content = {"comm_id": self.comm_id, "data": {"method": "custom", "content": command}}
        message = self.client.session.msg("comm_msg", content)
        if self.subshell_id is not None:
            message["header"]["subshell_id"] = self.subshell_id
        self.client.shell_channel.send(message)

    def run_and_watch(self, code: str, react: dict[str, dict[str, Any]]) -> list[str]:
        """Run a cell; send `react[kind]` when that event first arrives. Returns what happened, in order."""
        execution = self.client.execute(code)
        order: list[str] = []
        waiting = dict(react)
        while "cell ended" not in order or "turn_ended" not in order:
            message = self._next()
            kind = self._kind(message, execution)
            if kind is None:
                continue
            order.append(kind)
            if kind in waiting:
                self.send(waiting.pop(kind))
        return list(dict.fromkeys(order))

    def _kind(self, message: dict[str, Any], execution: str) -> str | None:
        content = message["content"]
        mine = message["parent_header"].get("msg_id") == execution
        if message["msg_type"] == "status" and mine:
            return {"busy": "cell started", "idle": "cell ended"}[content["execution_state"]]
        if message["msg_type"] == "comm_msg" and content["comm_id"] == self.comm_id:
            event = content["data"].get("content", {})
            return str(event.get("type")) if event else None
        return None

    def _until_idle(self, execution: str) -> Iterator[dict[str, Any]]:
        while True:
            message = self._next()
            if message["msg_type"] == "error":
                pytest.fail(json.dumps(message["content"]["traceback"]))
            yield message
            if (
                message["msg_type"] == "status"
                and message["content"]["execution_state"] == "idle"
                and message["parent_header"].get("msg_id") == execution
            ):
                return

    def _next(self) -> dict[str, Any]:
        try:
            return dict(self.client.get_iopub_msg(timeout=60))
        except queue.Empty:
            pytest.fail("the kernel said nothing for a minute")


@pytest.fixture
def notebook(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    monkeypatch.setenv("JUPYTER_PATH", str(KERNELS))
    manager, client = start_new_kernel(kernel_name=f"ipykernel-{request.param}", startup_timeout=120)
    try:
        running = Notebook(manager, client)
        running.open_chat()
        yield running
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def commands() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return (
        {"type": "hello", "protocol_version": PROTOCOL_VERSION, "last_seq": None},
        {"type": "submit", "turn_id": new_id(), "text": "Hi"},
        {"type": "cancel"},
    )


@pytest.mark.parametrize("notebook", WITH_SUBSHELLS, indirect=True)
def test_the_chat_answers_and_stops_while_a_cell_runs(notebook: Notebook) -> None:
    hello, submit, cancel = commands()
    notebook.open_subshell()
    order = notebook.run_and_watch(RUNNING_CELL, {"cell started": hello, "snapshot": submit, "delta": cancel})

    assert order.index("delta") < order.index("cell ended")
    assert order.index("turn_ended") < order.index("cell ended")


@pytest.mark.parametrize("notebook", WITHOUT_SUBSHELLS, indirect=True)
def test_without_subshells_the_chat_waits_for_the_cell_and_then_answers(notebook: Notebook) -> None:
    hello, submit, cancel = commands()
    order = notebook.run_and_watch(RUNNING_CELL, {"cell started": hello, "snapshot": submit, "delta": cancel})

    assert order.index("cell ended") < order.index("snapshot")
    assert "turn_ended" in order
