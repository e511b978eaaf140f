"""Gemini's other stream: one JSON array, its objects sent as they come.

Google's former SDK asks for it, and servers that do not know `alt=sse` send it whatever was asked for.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

_BLANK = b"\xef\xbb\xbf \t\r\n"
_MAX_BLANK = 1000
"""Bytes; as much as is looked at for the beginning."""

_SIGNS = re.compile(rb'[{}"\\]')
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


async def as_events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Turn an array of objects into server-sent events, one each, as they come. Everything else passes unchanged.

    Args:
        pieces: The body, cut anywhere.

    Yields:
        The body, cut anywhere. An array that breaks off ends in the middle of an event.
    """
    start: bytes | None = b""
    array: _Array | None = None
    async for piece in pieces:
        if start is None:
            yield array.feed(piece) if array else piece
            continue
        start += piece
        begun = start.lstrip(_BLANK)
        if begun or len(start) > _MAX_BLANK:
            array = _Array() if begun.startswith(b"[") else None
            yield array.feed(begun) if array else start
            start = None
    if start:
        yield start


class _Array:
    """Finds the outermost objects of an array."""

    __slots__ = ("_depth", "_escaped", "_in_string")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: bytes) -> bytes:
        """The events in the next piece of the body."""
        # A string holds no line ends, so those there are, are white space.
        piece = piece.translate(_LINE_ENDS)
        out: list[bytes] = []
        begin = 0
        for sign, start in self._structure(piece):
            if sign == b"{":
                if self._depth == 0:
                    begin = start
                    out.append(b"data: ")
                self._depth += 1
            elif self._depth:
                self._depth -= 1
                if self._depth == 0:
                    out += [piece[begin : start + 1], b"\n\n"]
        if self._depth:
            out.append(piece[begin:])
        return b"".join(out)

    def _structure(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """The braces outside strings, and where they are."""
        at = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        while found := _SIGNS.search(piece, at):
            sign, at = found[0], found.end()
            if sign == b"\\":
                self._escaped = self._in_string and at == len(piece)
                at += self._in_string
            elif sign == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                yield sign, found.start()
