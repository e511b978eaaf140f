"""Server-sent events out of bytes that may be cut anywhere.

All providers but one stream this format, and the SDKs' own readers lose what is not perfect: a byte order mark, a last
event without its blank line, an odd byte. Ours follows the standard (https://html.spec.whatwg.org/multipage/server-sent-events.html)
and keeps what it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from convoscope_jupyter.errors import ProtocolError

MAX_EVENT_BYTES = 1_000_000
"""Largest event that is read. An answer's text is bounded by the same figure, and one event is a small part of it."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event: its name, `message` when it has none, and its data."""

    name: str
    data: str


class SseDecoder:
    r"""Reads one stream of server-sent events. Make one per stream.

    Lines may end in CR, LF or CRLF, characters and line ends may be split between pieces, and a byte order mark or
    comments may stand anywhere the standard allows. Bytes that are not UTF-8 become U+FFFD.

    Args:
        max_event_bytes: Bound on one event.

    Example:
        >>> decoder = SseDecoder()
        >>> [*decoder.feed(b"data: Hel"), *decoder.feed(b"lo\n\n")]
        [ServerSentEvent(name='message', data='Hello')]
    """

    __slots__ = ("_after_cr", "_at_start", "_data", "_limit", "_name", "_size", "_tail", "_tail_size")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._at_start = True
        self._after_cr = False
        self._tail: list[bytes] = []  # of the line that has no end yet; joined once, so that tiny pieces stay cheap
        self._tail_size = 0
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """Take the next piece of the stream. Exhaust the iterator before the next call.

        Args:
            piece: Bytes as they came.

        Yields:
            The events that the piece completed.

        Raises:
            ProtocolError: One event is larger than the bound.
        """
        # Lines are cut from bytes, not from text: no byte of a longer UTF-8 sequence looks like CR, LF or a colon, so
        # the outcome is the same and a character split between pieces needs no care.
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in piece:
            self._hold(piece)
            return
        if self._tail:
            piece = b"".join((*self._tail, piece))
        lines = piece.split(b"\n")
        last = lines.pop()
        self._tail.clear()
        self._tail_size = 0
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        for line in lines:
            if line.startswith(b"data: "):  # most lines; the rest of the grammar is in _take
                self._data.append(line[6:])
                self._size += len(line)
            elif line:
                self._take(line)
            elif self._data:
                yield self._event()
            else:
                self._name = b""
        self._hold(last)

    def close(self) -> Iterator[ServerSentEvent]:
        """End the stream: what came of a last event without its blank line still counts.

        The standard drops it; a server that forgets the last line end would cost the end of an answer.

        Yields:
            At most one event. It may be cut short.
        """
        last = b"".join(self._tail)
        self._tail.clear()
        self._tail_size = 0
        if last:
            self._take(last.removeprefix(_BYTE_ORDER_MARK) if self._at_start else last)
        if self._data:
            yield self._event()

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
        self._check_size()

    def _check_size(self) -> None:
        if self._size + self._tail_size > self._limit:
            message = f"The server sent a single event of more than {self._limit:,} bytes. Retry, or ask for less."
            raise ProtocolError(message)

    def _take(self, line: bytes) -> None:
        if line.startswith(b"event: "):  # most of these
            self._name = line[7:]
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(line)
        elif name == b"event":
            self._name = value
        # Left out: comments (they start with a colon), `id` and `retry` (for clients that reconnect), unknown fields.

    def _event(self) -> ServerSentEvent:
        self._check_size()
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        name = self._name.decode("utf-8", "replace") if self._name else "message"
        self._name = b""
        self._data.clear()
        self._size = 0
        return ServerSentEvent(name, data.decode("utf-8", "replace"))
