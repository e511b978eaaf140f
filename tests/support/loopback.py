"""A small HTTP server on this machine that plays scripts, byte by byte: for what real servers do only on bad days.

In a test:

    async with Loopback(chat_stream("Hel", "lo")) as server:
        provider = OpenAICompatible(base_url=server.base_url)
        ...
        assert "hi" == server.requests[0].json["messages"][-1]["content"]

Every request gets the next reply; the last one is repeated. A reply is a head and steps: bytes to write as they are,
or `Pause`, `Until`, `HANG`, `DROP`, `RESET`. A function of the request may stand for a reply.

As a process, for tests that need another one (the first line it prints is its base URL):

    python -m tests.support.loopback --port 0 --pace 0.05
    python -m tests.support.loopback --script replies.json

Without a script it streams the last user message back, word by word. A script is a list of objects like
`{"text": "Hello", "pace_s": 0.05, "end": "finish"}`, where `end` is `finish`, `drop`, `hang` or `reset`, or
`{"status": 429, "headers": {"retry-after": "20"}, "error": {"code": "rate_limit_exceeded", "message": "slow down"}}`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Pause:
    """Wait. For pace only: a test that has to wait for something uses `Until`."""

    seconds: float


@dataclass(frozen=True)
class Until:
    """Wait for an event of the test's."""

    event: asyncio.Event


Ending = Literal["hang", "drop", "reset"]
HANG: Ending = "hang"
"""Say nothing more until the client leaves."""
DROP: Ending = "drop"
"""Close the connection as if all had been said, without the end of the body."""
RESET: Ending = "reset"
"""Break the connection off."""

Step = bytes | Pause | Until | Ending


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one request gets.

    Args:
        steps: The body.
        status: Of the head.
        content_type: Of the head.
        headers: More of the head.
        before: Steps before the head.
        framing: How the body's end is told.
    """

    steps: Sequence[Step] = ()
    status: int = 200
    content_type: str = SSE
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[Step] = ()
    framing: Literal["chunked", "length", "close"] = "chunked"

    def cut(self, sizes: Iterable[int]) -> Reply:
        """The same reply, its bytes cut into pieces of these sizes; what is left over comes last."""
        body = b"".join(step for step in self.steps if isinstance(step, bytes))
        pieces: list[bytes] = []
        for size in sizes:
            if not body:
                break
            pieces.append(body[:size])
            body = body[size:]
        return Reply(
            steps=[*pieces, *([body] if body else [])],
            status=self.status,
            content_type=self.content_type,
            headers=self.headers,
            framing=self.framing,
        )


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case names; of one that came several times, all values."""
    body: bytes
    connection: int
    """Number of the connection it came over, from 0."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """The whole reply was written."""
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)
    """The client left before it was."""

    @property
    def json(self) -> Any:  # noqa: ANN401 - what a test sent, it knows
        return json.loads(self.body)


Script = Reply | Callable[[Request], Reply]


class _Left(Exception):
    """The client is gone, or the connection was ended on purpose."""


class Loopback:
    """The server.

    Args:
        script: Replies, in order.
        port: 0 takes a free one.
    """

    def __init__(self, *script: Script, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        """A request has come."""
        self.connections = 0
        self._script = list(script)
        self._port = port
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    def then(self, *script: Script) -> None:
        """Replace what is still to be played."""
        self._script = list(script)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._server.wait_closed()

    async def serve_forever(self) -> None:
        assert self._server is not None
        await self._server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        number, self.connections = self.connections, self.connections + 1
        try:
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := await _read_request(reader, number)) is not None:
                self.requests.append(request)
                self.asked.set()
                script = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                reply = script(request) if callable(script) else script
                await _Answer(reader, writer, request, reply).play()
        except (_Left, OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the server closes; what asyncio calls back with it, it reports as an error of ours (until 3.12)
        finally:
            self._running.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        headers[name.lower()] = ", ".join(filter(None, [headers.get(name.lower()), value.strip()]))
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method=method, path=path, headers=headers, body=body, connection=connection)


class _Answer:
    """One reply on its way."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, reply: Reply
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request
        self._reply = reply

    async def play(self) -> None:
        reply = self._reply
        try:
            for step in reply.before:
                await self._take(step)
            await self._write(self._head())
            for step in reply.steps:
                await self._take(step)
            if reply.framing == "chunked":
                await self._write(b"0\r\n\r\n")
            self._request.answered.set()
            if reply.framing == "close":
                raise _Left
        finally:
            if not self._request.answered.is_set():
                self._request.abandoned.set()

    def _head(self) -> bytes:
        reply = self._reply
        length = sum(len(step) for step in reply.steps if isinstance(step, bytes))
        framing = {
            "chunked": {"Transfer-Encoding": "chunked"},
            "length": {"Content-Length": str(length)},
            "close": {"Connection": "close"},
        }[reply.framing]
        headers = {"Content-Type": reply.content_type, **reply.headers, **framing}
        lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _take(self, step: Step) -> None:
        match step:
            case bytes():
                await self._write(b"%x\r\n%b\r\n" % (len(step), step) if self._reply.framing == "chunked" else step)
            case Pause():
                await self._wait(asyncio.sleep(step.seconds))
            case Until():
                await self._wait(step.event.wait())
            case "hang":
                await self._wait(asyncio.Event().wait())
            case "drop":
                raise _Left
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._writer.transport.abort()
                raise _Left

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        self._writer.write(data)
        await self._writer.drain()

    async def _wait(self, awaited: Coroutine[Any, Any, object]) -> None:
        """Wait for something, or for the client to leave."""
        waiting = asyncio.ensure_future(awaited)
        leaving = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                raise _Left
        finally:
            for task in (waiting, leaving):
                task.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)


# --- replies --------------------------------------------------------------------------------------------------------


def event(payload: object, *, name: str | None = None) -> bytes:
    """One server-sent event with JSON in it."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(payload)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def chat_event(delta: Mapping[str, object] | None = None, **choice: object) -> bytes:
    """One chunk of a Chat Completions stream."""
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": "model-2026-01-01",
            "choices": [{"index": 0, "delta": delta or {}, "finish_reason": None, **choice}],
        }
    )


def chat_events(*texts: str, finish: str | None = "stop", usage: Mapping[str, object] | None = None) -> list[bytes]:
    """The events of a Chat Completions stream that says these texts; `finish=None` leaves out its end."""
    events = [chat_event({"role": "assistant", "content": ""}), *(chat_event({"content": text}) for text in texts)]
    if finish is not None:
        events.append(chat_event(finish_reason=finish))
        events.append(event({"id": "chatcmpl-1", "choices": [], "usage": usage or {}}))
        events.append(DONE)
    return events


def chat_stream(*texts: str, finish: str | None = "stop", usage: Mapping[str, object] | None = None) -> Reply:
    """A Chat Completions stream that says these texts, one chunk each."""
    return Reply(steps=chat_events(*texts, finish=finish, usage=usage))


def response_object(text: str, **more: object) -> dict[str, object]:
    """A completed response with one message."""
    content = [{"type": "output_text", "text": text}]
    return {
        "id": "resp_1",
        "object": "response",
        "model": "model-2026-01-01",
        "status": "completed",
        "error": None,
        "output": [{"type": "message", "role": "assistant", "content": content}],
        "usage": None,
        **more,
    }


def responses_events(*texts: str, **end: object) -> list[bytes]:
    """The events of a Responses stream that says these texts."""
    created = {"id": "resp_1", "object": "response", "model": "model-2026-01-01", "status": "in_progress"}
    return [
        _typed("response.created", response=created),
        *(_typed("response.output_text.delta", delta=text) for text in texts),
        _typed("response.completed", response=response_object("".join(texts), **end)),
    ]


def _typed(name: str, **payload: object) -> bytes:
    return event({"type": name, **payload}, name=name)


def responses_stream(*texts: str, **end: object) -> Reply:
    """A Responses stream that says these texts, one event each."""
    return Reply(steps=responses_events(*texts, **end))


def json_reply(payload: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """One JSON object."""
    body = json.dumps(payload).encode()
    return Reply(steps=[body], status=status, content_type=JSON, headers=headers or {}, framing="length")


def error_reply(
    status: int,
    *,
    code: object = None,
    kind: str | None = None,
    message: str = "no",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An error as OpenAI shapes them."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json_reply({"error": error}, status=status, headers=headers)


def page_reply(html: str = "<html><body>Please log in</body></html>", *, status: int = 200) -> Reply:
    """A web page."""
    return Reply(steps=[html.encode()], status=status, content_type=HTML, framing="length")


# --- as a process ---------------------------------------------------------------------------------------------------


def echo(*, pace_s: float) -> Callable[[Request], Reply]:
    """Streams the last user message back, word by word."""

    def answer(request: Request) -> Reply:
        content = request.json["messages"][-1]["content"]
        return _paced(content if isinstance(content, str) else "an image", pace_s, end="finish")

    return answer


def _paced(text: str, pace_s: float, *, end: Literal["finish"] | Ending) -> Reply:
    events = chat_events(*re.findall(r"\s*\S+\s*", text), finish="stop" if end == "finish" else None)
    steps: list[Step] = [step for part in events for step in (Pause(pace_s), part)]
    return Reply(steps=steps if end == "finish" else [*steps, end])


def reply_from_json(item: Mapping[str, Any]) -> Reply:
    """A reply out of a script file; see the module."""
    if "status" in item:
        return json_reply({"error": item.get("error", {})}, status=item["status"], headers=item.get("headers"))
    return _paced(item["text"], item.get("pace_s", 0.0), end=item.get("end", "finish"))


async def _main() -> None:
    arguments = argparse.ArgumentParser(description="A scripted OpenAI-compatible server on this machine.")
    arguments.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments.add_argument("--pace", type=float, default=0.02, help="seconds between two words, without a script")
    arguments.add_argument("--script", type=Path, help="a JSON file with a list of replies")
    options = arguments.parse_args()
    script: list[Script] = [echo(pace_s=options.pace)]
    if options.script:
        script = [reply_from_json(item) for item in json.loads(options.script.read_text(encoding="utf-8"))]
    async with Loopback(*script, port=options.port) as server:
        print(server.base_url, flush=True)  # noqa: T201 - for the process that started this one
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
