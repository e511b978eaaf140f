"""The loopback server: one process, nothing but the standard library, bytes encoded before they are asked for.

The first part of a request's path says what happens to it, the second is a tag under which it is counted, so that every
scenario has an address of its own:

    /burst-2000/any/v1/chat/completions     2,000 chunks, no pause
    /paced-1000/any/v1/chat/completions     1,000 chunks, 1 ms apart
    /status-429/any/…                       refused, with Retry-After
    /hang/any/…                             nothing at all
    /headers/any/…                          the head of an answer, then nothing
    /comments/any/…                         the head, then an SSE comment every 50 ms, for ever
    /cut-20/any/…                           20 chunks, then the body's proper end without a finish marker
    /reset-20, /close-20, /error-20, /silence-20

`GET /hits` tells how many requests each mode and tag have had. The first line printed is the port.

    python -m tests.benchmarks.server
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import gc
import json
import re
import socket
import struct
import sys

from tests.benchmarks import wires

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_0123456789abcdef\r\ntransfer-encoding: chunked\r\n\r\n"
)
_COMMENTS_EVERY_S = 0.05
_PACE_S = 0.001


@functools.cache
def _body(wire: wires.Wire, chunks: int, *, whole: bool) -> bytes:
    answer = wires.answer(wire, chunks)
    text = answer.head + b"".join(answer.texts)
    return text + answer.end + wires.LAST_CHUNK if whole else text


class Server:
    """Plays what a request's path says."""

    def __init__(self) -> None:
        self.hits: collections.Counter[str] = collections.Counter()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                if length:
                    await reader.readexactly(int(length[1]))
                path = head.split(b" ", 2)[1].decode()
                if not await self._play(path, reader, writer):
                    break
        writer.close()

    async def _play(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. True: the connection can be used again."""
        if path == "/hits":
            body = json.dumps(self.hits).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            return True
        _, mode, tag, rest = path.split("/", 3)
        self.hits[f"{mode}/{tag}"] += 1
        kind, _, argument = mode.partition("-")
        wire = wires.wire_of(rest.partition("?")[0])
        match kind:
            case "burst":
                writer.write(_HEAD + _body(wire, int(argument), whole=True))
                await writer.drain()
                return True
            case "paced":
                await _pace(writer, wire, int(argument))
                return True
            case "status":
                _refuse(writer, int(argument))
                return True
            case "cut":
                writer.write(_HEAD + _body(wire, int(argument), whole=False) + wires.LAST_CHUNK)
                await writer.drain()
                return True
            case _:
                await _fail(kind, argument, wire, reader, writer)
                return False


async def _pace(writer: asyncio.StreamWriter, wire: wires.Wire, chunks: int) -> None:
    answer = wires.answer(wire, chunks)
    loop = asyncio.get_running_loop()
    writer.write(_HEAD + answer.head)
    start_s = loop.time()
    for n, text in enumerate(answer.texts, 1):
        writer.write(text)
        await asyncio.sleep(max(0.0, start_s + n * _PACE_S - loop.time()))
    writer.write(answer.end + wires.LAST_CHUNK)
    await writer.drain()


def _refuse(writer: asyncio.StreamWriter, status: int) -> None:
    body = wires.REFUSALS[status]
    reason = {429: b"Too Many Requests", 500: b"Internal Server Error"}[status]
    retry = b"retry-after: 1\r\n" if status == 429 else b""
    head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
    writer.write(head % (status, reason, retry, len(body)) + body)


async def _fail(
    kind: str, argument: str, wire: wires.Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """The faults after which a connection is of no use."""
    if kind != "hang":
        writer.write(_HEAD)
    if argument:
        writer.write(_body(wire, int(argument), whole=False))
        await writer.drain()
    if kind == "comments":
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(wires.frame(b": ping\n\n"))
                await writer.drain()
                await asyncio.sleep(_COMMENTS_EVERY_S)
        return
    if kind in {"hang", "headers", "silence"}:
        await reader.read()  # until the client leaves
        return
    # What was written has to arrive before the end does.
    await asyncio.sleep(0.05)
    if kind == "error":
        writer.write(wires.answer(wire, 0).error + wires.LAST_CHUNK)
        await writer.drain()
    elif kind == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()


async def _serve() -> None:
    server = await asyncio.start_server(Server().accept, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    gc.freeze()  # its pauses are not to be seen in others' latencies
    async with server:
        # It ends when whoever started it closes its input: no orphans.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
