"""From the bytes of an answer to its chunks, whatever the wire format and whatever the server makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from typing import cast

from convoscope_jupyter.errors import ProtocolError, ProviderError
from convoscope_jupyter.messages import ReasoningDelta, TextDelta
from convoscope_jupyter.providers._base import Chunk, Finished
from convoscope_jupyter.providers._decoding import Decoder, as_object, not_an_answer, parse_json
from convoscope_jupyter.providers._errors import looks_like_html
from convoscope_jupyter.providers._sse import MAX_EVENT_BYTES, ServerSentEvent, SseDecoder

MAX_WHOLE_BYTES = 8_000_000
"""Largest answer that is read as one JSON object: a text at its bound, every character of it escaped."""

_GRACE_S = 2.0
"""How long the usage may take that follows the end of an answer."""
_DRAIN_S = 0.05
"""How long the last bytes of the body may take. Once it is read to its end, the connection can be used again."""

_BLANK = b"\xef\xbb\xbf \t\r\n"


async def read_answer(
    pieces: AsyncIterator[bytes], decoder: Decoder, *, max_event_bytes: int = MAX_EVENT_BYTES
) -> AsyncGenerator[Chunk]:
    """Read one answer: a stream of events, or one JSON object where the server ignored that a stream was asked for.

    What it is shows in its first character. The content type does not tell: servers send streams under any.

    Args:
        pieces: The body as it comes.
        decoder: Of the wire format that was asked for.
        max_event_bytes: Bound on one event.

    Yields:
        What the decoder makes of it.

    Raises:
        ProviderError: An error that the answer reports, or `ProtocolError` when it is no answer.
        Exception: What the network raises, unless the model had said that it was done.
    """
    first = await _first(pieces)
    if first.lstrip(_BLANK)[:1] in b"{[":
        for chunk in _decode_whole(await _read_all(first, pieces), decoder):
            yield chunk
        return
    events = SseDecoder(max_event_bytes=max_event_bytes)
    grace_ends_s: float | None = None
    piece: bytes | None = first
    while piece is not None:
        chunks, failure = _decode_all(events.feed(piece), decoder)
        for chunk in merged(chunks):
            if isinstance(chunk, Finished):  # whoever reads this has no reason to read on
                await _drain(pieces)
            yield chunk
        if failure is not None:
            raise failure
        if decoder.done:
            return
        if decoder.ended:
            grace_ends_s = grace_ends_s or time.monotonic() + _GRACE_S
            piece = await _late(pieces, grace_ends_s - time.monotonic())
        else:
            piece = await anext(pieces, None)
    for chunk in merged(_decode_end(events, decoder)):
        yield chunk


async def _first(pieces: AsyncIterator[bytes]) -> bytes:
    """The beginning of the body, up to the first piece that is not blank."""
    start = b""
    while not start.lstrip(_BLANK):
        piece = await anext(pieces, None)
        if piece is None:
            raise ProtocolError("The server sent an empty answer. Retry, or choose another model.")
        start = (start + piece)[-MAX_EVENT_BYTES:]
    if looks_like_html(start[:100].decode("utf-8", "replace")):
        raise ProtocolError("A proxy or login page answered instead of the server. Check the network, or base_url.")
    return start


async def _late(pieces: AsyncIterator[bytes], grace_s: float) -> bytes | None:
    """The next piece after the answer's end; `None` when there is none, or it is not worth waiting for any longer."""
    if grace_s <= 0:
        return None
    try:
        async with asyncio.timeout(grace_s):
            return await anext(pieces, None)
    except Exception:  # noqa: BLE001 - of any kind: the answer is whole, only its usage may be missing
        return None


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in pieces:
                pass
    except Exception:  # noqa: BLE001, S110 - of any kind: the answer is whole, and the connection is closed instead of kept
        pass


async def _read_all(start: bytes, pieces: AsyncIterator[bytes]) -> bytes:
    body = bytearray(start)
    async for piece in pieces:
        body += piece
        if len(body) > MAX_WHOLE_BYTES:
            message = f"The server sent an answer of more than {MAX_WHOLE_BYTES:,} bytes. Retry, or ask for less."
            raise ProtocolError(message)
    return bytes(body)


def _decode_whole(body: bytes, decoder: Decoder) -> Sequence[Chunk]:
    value = parse_json(body.decode("utf-8-sig", "replace"))
    if isinstance(value, list):  # Google's compatible endpoint wraps its errors in one
        value = next(iter(cast("list[object]", value)), None)
    return decoder.decode_whole(as_object(value))


def _decode_all(events: Iterable[ServerSentEvent], decoder: Decoder) -> tuple[list[Chunk], ProviderError | None]:
    """What the events of one piece say, and the error that the one after them is. What came before it counts."""
    chunks: list[Chunk] = []
    try:
        for event in events:
            chunks += decoder.decode(event)
            if decoder.done:
                break
    except ProviderError as error:
        return chunks, None if decoder.ended else error
    return chunks, None


def merged(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same text and reasoning in the same order, in fewer deltas: what came together goes on together.

    Args:
        chunks: In their order.

    Yields:
        One delta for those of a kind that follow each other; everything else as it is.

    Example:
        >>> list(merged([TextDelta(text="Hel"), TextDelta(text="lo")]))
        [TextDelta(text='Hello', lane=0, type='text_delta')]
    """
    for kind, alike in itertools.groupby(chunks, type):
        if kind is TextDelta or kind is ReasoningDelta:
            deltas = cast("Iterator[TextDelta | ReasoningDelta]", alike)
            yield kind(text="".join([delta.text for delta in deltas]))
        else:
            yield from alike


def _decode_end(events: SseDecoder, decoder: Decoder) -> Iterator[Chunk]:
    """What a body that ended before its answer still gives."""
    # The last event may be cut short. Then it is not garbled: the answer broke off, and the missing end says so.
    with contextlib.suppress(ProtocolError):
        for event in events.close():
            yield from decoder.decode(event)
    yield from decoder.close()
    if not decoder.recognised:
        raise not_an_answer()
