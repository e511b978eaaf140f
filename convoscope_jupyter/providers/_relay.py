"""Lets Google's SDKs send over the loop's own connections, and keeps the answer for our own reader.

Imports httpx2, so this module is itself imported only with an SDK.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx2

from convoscope_jupyter.providers._json_array import as_events


class RawAnswer:
    """An answer that has begun well, its body not yet read.

    Args:
        response: Opened as a stream.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    @property
    def headers(self) -> httpx2.Headers:
        """Of the answer."""
        return self._response.headers

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body: server-sent events, or one JSON object."""
        return as_events(self._response.aiter_bytes())

    async def read(self) -> bytes:
        """The whole body."""
        return await self._response.aread()

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        await self._response.aclose()


class Relay:
    """Sends one request of an SDK over the loop's own client. To the SDK, the answer is empty.

    Args:
        client: The loop's own. Nothing of it is changed, and it is not closed with the SDK's.
        connect_timeout_s: Time to open a connection.
        read_timeout_s: Longest silence on the socket.
    """

    def __init__(self, client: httpx2.AsyncClient, *, connect_timeout_s: float, read_timeout_s: float) -> None:
        self.answers: list[RawAnswer] = []
        """What came: one, once the request was sent. Whoever reads it closes it."""
        self.body: bytes | None = None
        """What is sent instead of the body that the SDK has written."""
        self._client = client
        self._timeout = httpx2.Timeout(read_timeout_s, connect=connect_timeout_s)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and keep the answer.

        Args:
            request: What an SDK has written.

        Returns:
            An answer without content.

        Raises:
            HTTPStatusError: The answer is an error, or a redirect.
            RuntimeError: One request was sent already: whether there is to be another, routing and the user decide.
            Exception: What the network raises.
        """
        if self.answers:
            raise RuntimeError("the SDK sent a second request; one was asked for")
        if self.body is not None:
            del request.headers["Content-Length"]
            request = httpx2.Request(request.method, request.url, headers=request.headers, content=self.body)
        request.headers["Accept-Encoding"] = "identity"
        request.extensions = {**request.extensions, "timeout": self._timeout.as_dict()}
        response = await self._client.send(request, stream=True)
        self.answers.append(RawAnswer(response))
        if not response.is_success:
            await response.aread()
            response.raise_for_status()
        return httpx2.Response(HTTPStatus.OK, request=request)
