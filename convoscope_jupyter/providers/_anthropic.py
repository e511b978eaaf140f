"""Anthropic's models.

The SDK opens the connection, sends the request and names the errors; the stream is read by our own decoder, as
OpenAI's is, and for the same reasons.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from convoscope_jupyter.providers._anthropic_messages import MessagesDecoder, messages_body
from convoscope_jupyter.providers._base import ChatRequest, Chunk
from convoscope_jupyter.providers._errors import Peer
from convoscope_jupyter.providers._http import environment, sdk_client, shared_client
from convoscope_jupyter.providers._remote import (
    CONNECT_TIMEOUT_S,
    LIST_TIMEOUT_S,
    Destination,
    RemoteProvider,
    Vendor,
    read_response,
    vendor_address,
)
from convoscope_jupyter.redaction import Secret

if TYPE_CHECKING:
    import anthropic

_VENDOR = Vendor(
    name="anthropic",
    label="Anthropic",
    url="https://api.anthropic.com",
    key_variable="ANTHROPIC_API_KEY",
    class_name="Anthropic",
)

_MODELS_PER_PAGE = 1000
_MAX_PAGES = 5
"""Of the list of models. One has room for all there are; a server may say for ever that there are more."""


class Anthropic(RemoteProvider):
    """Anthropic's models.

    Args:
        api_key: The key. `None` looks it up at each request: environment, `.env`, `cv.set_key`, keyring.
        base_url: Another address of the same API, such as a company's gateway. `None` takes
            `ANTHROPIC_BASE_URL`, else Anthropic's own.
        allow_http: Accept a `base_url` without TLS on another machine.

    Raises:
        InvalidSetting: The address cannot be used.

    Source:
        https://docs.claude.com/en/api/messages

    Example:
        >>> Anthropic(base_url="http://127.0.0.1:4000").is_local
        True
    """

    def __init__(
        self, api_key: str | Secret | None = None, base_url: str | None = None, *, allow_http: bool = False
    ) -> None:
        super().__init__(api_key=api_key)
        self._allow_http = allow_http
        self._address = vendor_address(_VENDOR, base_url, allow_http=allow_http) if base_url else None

    def load(self) -> None:
        """Import the SDK. Slow the first time; called in a worker thread."""
        importlib.import_module("anthropic")  # all of it: it has no part that comes without the rest

    def _destination(self, name: str) -> Destination:
        del name
        to = self._at_vendor(_VENDOR, self._address, allow_http=self._allow_http)
        # The SDK adds it, OpenAI's does not, so people write it or do not.
        return replace(to, address=replace(to.address, url=to.address.url.removesuffix("/v1")))

    async def _chunks(self, request: ChatRequest, to: Destination, peer: Peer) -> AsyncGenerator[Chunk]:
        client = await self._client(to)
        sending = client.messages.with_streaming_response.create(
            # The body goes past the SDK's parameters. Given the model there, it would warn of old ones on stderr.
            model="",
            messages=[],
            max_tokens=0,
            stream=True,
            extra_body=messages_body(request),
            extra_headers=self._headers(to),
            timeout=_timeout(connect_s=request.connect_timeout_s, read_s=request.read_timeout_s),
        )
        async with sending as response, contextlib.aclosing(read_response(response, MessagesDecoder, peer)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _model_ids(self, to: Destination) -> Sequence[str]:
        client = await self._client(to)
        page = await client.models.list(
            limit=_MODELS_PER_PAGE,
            extra_headers=self._headers(to),
            timeout=_timeout(connect_s=CONNECT_TIMEOUT_S, read_s=LIST_TIMEOUT_S),
        )
        models = page.data
        for _ in range(_MAX_PAGES - 1):
            if not page.has_next_page():
                break
            page = await page.get_next_page()
            models += page.data
        # Servers other than Anthropic's need not know of life cycles.
        return [model.id for model in models if getattr(model, "lifecycle", None) != "retired"]

    async def _client(self, to: Destination) -> anthropic.AsyncAnthropic:
        await self._load_once("anthropic")
        import anthropic  # noqa: PLC0415 - takes seconds, so it was done above, off the loop

        http_client = await shared_client(direct=to.address.is_loopback)
        return sdk_client(
            "anthropic",
            (to.address.url, to.credential.key, http_client, environment("ANTHROPIC_CUSTOM_HEADERS")),
            lambda: anthropic.AsyncAnthropic(
                # Never without one: the SDK would look for ANTHROPIC_AUTH_TOKEN, and for a profile in the home
                # directory.
                api_key=to.revealed_key,
                base_url=to.address.url,
                max_retries=0,  # routing decides about retries, in one place
                http_client=http_client,
                # By itself the SDK tells the program's tracer of each request, and the server of the program's traces.
                open_telemetry=False,
            ),
        )

    def _headers(self, to: Destination) -> dict[str, str | anthropic.Omit]:
        """What is sent, and what is not, whatever ANTHROPIC_CUSTOM_HEADERS says.

        Those headers are for Anthropic and for the address that ANTHROPIC_BASE_URL names, not for one that the program
        passes. The key that we were told to use counts everywhere.
        """
        import anthropic  # noqa: PLC0415 - `_client` has imported it

        headers: dict[str, str | anthropic.Omit] = {}
        if self._address is not None and not to.address.is_official:
            headers = dict.fromkeys(_headers_from_environment(), anthropic.Omit())
        # The way the SDK itself sends a key since 2.x, instead of `x-api-key`.
        headers["authorization"] = f"Bearer {to.revealed_key}"
        return headers


def _headers_from_environment() -> list[str]:
    """Names of the headers that the SDK adds from the environment, whatever the server."""
    lines = os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
    return [name.strip().lower() for name, colon, _ in (line.partition(":") for line in lines) if colon]


def _timeout(*, connect_s: float, read_s: float) -> anthropic.Timeout:
    import anthropic  # noqa: PLC0415 - `_client` has imported it

    return anthropic.Timeout(read_s, connect=connect_s)
