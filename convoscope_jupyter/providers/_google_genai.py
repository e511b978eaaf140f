"""google-genai, Google's SDK of today. Imports it, so this module is itself imported late."""

from __future__ import annotations

import functools
import json
import ssl
from contextvars import ContextVar

import httpx2
from google import genai
from google.genai import types
from google.genai.client import DebugConfig

from convoscope_jupyter.providers._base import ChatRequest
from convoscope_jupyter.providers._gemini import MODELS_PER_PAGE, Endpoint, gemini_body
from convoscope_jupyter.providers._http import sdk_client
from convoscope_jupyter.providers._relay import Relay
from convoscope_jupyter.providers._remote import Destination

_relay: ContextVar[Relay] = ContextVar("relay")
"""Of the question that is being sent."""

_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody."""


async def ask(request: ChatRequest, to: Destination, relay: Relay) -> None:
    """Send a question.

    Args:
        request: What to ask.
        to: Where.
        relay: It keeps the answer.
    """
    # The body goes past the SDK's types: walking 200 messages through them holds up the loop for 30 ms, and a config
    # costs as much as all the rest of a request.
    relay.body = json.dumps(gemini_body(request)).encode()
    _relay.set(relay)
    stream = await _client(to).aio.models.generate_content_stream(  # pyright: ignore[reportUnknownMemberType]  # images of Pillow, which has no types here
        model=request.model,
        contents="-",  # not sent, and not allowed to be empty
    )
    await anext(aiter(stream), None)  # sends the request; the relay keeps what comes


async def ask_models(to: Destination, relay: Relay) -> None:
    """Ask which models there are.

    Args:
        to: Whom.
        relay: It keeps the answer.
    """
    _relay.set(relay)
    await _client(to).aio.models.list(config=types.ListModelsConfig(page_size=MODELS_PER_PAGE))


class _ToRelay(httpx2.AsyncBaseTransport):
    """Passes what the SDK sends to the relay of the task that asks. The SDK's client is shared, relays are not."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await _relay.get().handle_async_request(request)


def _client(to: Destination) -> genai.Client:
    return sdk_client("google-genai", (to.address.url, to.credential.key), functools.partial(_make_client, to))


def _make_client(to: Destination) -> genai.Client:
    endpoint = Endpoint.of(to.address.url)
    unused = {"verify": _NO_CERTIFICATES, "ssl": _NO_CERTIFICATES}
    return genai.Client(
        # All of this is said, so that the environment does not say it.
        vertexai=False,
        api_key=to.revealed_key,
        debug_config=DebugConfig(client_mode="", replays_directory="", replay_id=""),
        http_options=types.HttpOptions(
            base_url=endpoint.root,
            api_version=endpoint.version,
            # With one of its own, the SDK takes aiohttp where that is installed, with other errors, another clock and
            # a hidden retry.
            httpx_async_client=httpx2.AsyncClient(transport=_ToRelay(), trust_env=False, follow_redirects=False),
            httpx_client=httpx2.Client(transport=httpx2.BaseTransport(), trust_env=False),
            # For connections that it does not open. It would read the certificates twice: 20 ms.
            client_args=unused,
            async_client_args=unused,
        ),
    )
