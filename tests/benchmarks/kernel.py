"""A real kernel, and a subscriber that counts what it publishes, frame by frame."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq
from jupyter_client.manager import KernelManager

from tests.benchmarks.environments import ROOT
from tests.benchmarks.fleet import LOG, clean_environment

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Published:
    """One message on iopub."""

    at_s: float
    """When it arrived here, by `time.perf_counter`."""
    frames: tuple[bytes, ...]

    @property
    def size_bytes(self) -> int:
        return sum(len(frame) for frame in self.frames)

    @property
    def kind(self) -> str:
        return str(self._json(0)["msg_type"])

    @property
    def content(self) -> dict[str, Any]:
        return self._json(3)

    @property
    def event(self) -> dict[str, Any]:
        """The event inside, when it is one of the chat's."""
        data = self.content.get("data", {})
        return dict(data["content"]) if data.get("method") == "custom" else {}

    def _json(self, part: int) -> dict[str, Any]:
        # Frames: topic, delimiter, signature, header, parent header, metadata, content, buffers.
        start = self.frames.index(b"<IDS|MSG>") + 2
        return dict(json.loads(self.frames[start + part]))


class Kernel:
    """A kernel of this interpreter's ipykernel, with its iopub socket listened to.

    Args:
        home: Its home folder, where its errors go as well.
        environment: Variables for it besides the benchmark's own.
    """

    def __init__(self, home: Path, **environment: str) -> None:
        self._log = home / LOG
        self._environment = {**clean_environment(home), "PYTHONPATH": str(ROOT), **environment}

    def __enter__(self) -> Self:
        self._manager = KernelManager()
        with self._log.open("ab") as log:
            self._manager.start_kernel(env=self._environment, cwd=str(ROOT), stdout=log, stderr=log)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE_S)
        self._client.iopub_channel.stop()
        self.published: list[Published] = []
        self._listening = True
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, 0)  # keep all, however many come
        self._socket.set(zmq.SUBSCRIBE, b"")
        self._socket.connect(self._manager._make_url("iopub"))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.run("pass")
        time.sleep(0.2)  # a subscription takes effect when it does; nothing tells when
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening = False
        self._thread.join()
        self._socket.close()
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def _listen(self) -> None:
        while self._listening:
            if self._socket.poll(100):
                frames = tuple(self._socket.recv_multipart())
                self.published.append(Published(time.perf_counter(), frames))

    def start(self, code: str, **expressions: str) -> str:
        """Send a cell; returns the request's id."""
        return str(self._client.execute(code, store_history=False, user_expressions=expressions))

    def finish(self, request: str) -> dict[str, Any]:
        """Wait for a cell's end; the values of its expressions, as JSON has them."""
        while True:
            reply = self._client.get_shell_msg(timeout=PATIENCE_S)
            if reply["parent_header"].get("msg_id") == request:
                break
        content = reply["content"]
        if content["status"] != "ok":
            raise RuntimeError(f"a cell failed: {content.get('ename')}: {content.get('evalue')}")
        return {
            name: json.loads(value["data"]["text/plain"].strip("'"))
            for name, value in content["user_expressions"].items()
        }

    def run(self, code: str, **expressions: str) -> dict[str, Any]:
        """Run a cell and wait for it."""
        return self.finish(self.start(code, **expressions))

    def send(self, comm_id: str, command: dict[str, Any]) -> None:
        """What a view does: a custom message to its widget."""
        content = {"comm_id": comm_id, "data": {"method": "custom", "content": command}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", content))

    def opened_chat(self, *, since: int) -> str:
        """The comm of the chat that was shown after so many messages."""
        opened = self.wait_for(
            lambda message: (
                message.kind == "comm_open" and "protocol_version" in message.content.get("data", {}).get("state", {})
            ),
            since=since,
        )
        return str(opened.content["comm_id"])

    def event(self, name: str, *, since: int) -> Published:
        """The first event of this name after so many messages."""
        return self.wait_for(
            lambda message: message.kind == "comm_msg" and message.event.get("type") == name, since=since
        )

    def wait_for(self, wanted: Any, *, since: int) -> Published:  # noqa: ANN401 - a predicate of one message
        """The first message after so many that is wanted."""
        deadline_s = time.perf_counter() + PATIENCE_S
        seen = since
        while time.perf_counter() < deadline_s:
            while seen < len(self.published):
                if wanted(self.published[seen]):
                    return self.published[seen]
                seen += 1
            time.sleep(0.0005)
        raise RuntimeError(f"the kernel did not publish it within {PATIENCE_S:g} s")
