"""Reads answers in tests: what a decoder or a provider makes of them, in one value that can be compared."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from convoscope_jupyter.errors import ProviderError
from convoscope_jupyter.messages import FinishReason, ReasoningDelta, TextDelta, Usage
from convoscope_jupyter.providers._base import Chunk, Finished, Started
from convoscope_jupyter.providers._errors import Peer

PEER = Peer(
    provider="server",
    model="model",
    label="The demo server",
    host="server.example",
    key=None,
    key_remedy="Set its key, and retry.",
    known_models=("model-large", "model-small"),
)
"""Whom the decoders' tests pretend to have asked."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """An answer as it was understood."""

    text: str = ""
    reasoning: str = ""
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    response_id: str | None = None
    response_model: str | None = None
    request_id: str | None = None
    error: ProviderError | None = None

    @property
    def error_kind(self) -> str | None:
        return self.error.kind if self.error else None


async def read(chunks: AsyncIterable[Chunk]) -> Read:
    """Collect chunks, and check that they come in an order that the contract allows."""
    seen: list[Chunk] = []
    error: ProviderError | None = None
    try:
        async for chunk in chunks:
            seen.append(chunk)  # noqa: PERF401 - what came before an error counts
    except ProviderError as raised:
        error = raised
    started = [chunk for chunk in seen if isinstance(chunk, Started)]
    finished = [chunk for chunk in seen if isinstance(chunk, Finished)]
    assert started == [chunk for chunk in seen[:1] if isinstance(chunk, Started)]
    assert finished == [chunk for chunk in seen[-1:] if isinstance(chunk, Finished)]
    assert all(chunk.text for chunk in seen if isinstance(chunk, TextDelta | ReasoningDelta))
    begin = started[0] if started else Started()
    end = finished[0] if finished else None
    return Read(
        text="".join(chunk.text for chunk in seen if isinstance(chunk, TextDelta)),
        reasoning="".join(chunk.text for chunk in seen if isinstance(chunk, ReasoningDelta)),
        finish_reason=end.finish_reason if end else None,
        raw_finish_reason=end.raw_finish_reason if end else None,
        usage=end.usage if end else Usage(),
        response_id=begin.response_id,
        response_model=begin.response_model,
        request_id=begin.request_id,
        error=error,
    )


async def texts_of(chunks: AsyncIterable[Chunk]) -> AsyncGenerator[TextDelta]:
    """The pieces of visible text only. Leaving off in the middle leaves the rest to be read."""
    async for chunk in chunks:
        if isinstance(chunk, TextDelta):
            yield chunk


def random_pieces(body: bytes, rng: random.Random, *, largest: int) -> Iterator[bytes]:
    """A body cut at random places."""
    at = 0
    while at < len(body):
        size = rng.randint(1, largest)
        yield body[at : at + size]
        at += size


async def as_stream(pieces: Sequence[bytes] | Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces as they would come over a network."""
    for piece in pieces:
        yield piece
