"""Keeps error bodies small. Imports httpx2, so this module is itself imported only with an SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx2

MAX_ERROR_BYTES = 64_000
"""As much of an error's body as is read."""


async def bound_error(response: httpx2.Response) -> None:
    """Cut the body of an error short, before the SDK reads it to its end, which a hostile server may never send.

    Args:
        response: Of any request, its body not yet read.
    """
    if response.status_code >= HTTPStatus.MULTIPLE_CHOICES and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            yield piece
            size += len(piece)
            if size >= MAX_ERROR_BYTES:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()
