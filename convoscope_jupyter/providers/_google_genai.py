"""google-genai, Google's SDK of today. Imports it, so this module is itself imported late."""

from __future__ import annotations

import asyncio

import httpx2
from google import genai
from google.genai import types
from google.genai.client import DebugConfig

from convoscope_jupyter.providers._base import ChatRequest
from convoscope_jupyter.providers._gemini import MODELS_PER_PAGE, Endpoint, gemini_body
from convoscope_jupyter.providers._relay import Relay
from convoscope_jupyter.providers._remote import Destination


async def ask(request: ChatRequest, to: Destination, relay: Relay) -> None:
    """Send a question.

    Args:
        request: What to ask.
        to: Where.
        relay: It keeps the answer.
    """
    client = await _client(to, relay)
    config = types.GenerateContentConfig(
        # The body goes past the SDK's types: walking 200 messages through them holds up the loop for 30 ms.
        http_options=types.HttpOptions(extra_body=gemini_body(request)),
        # One request: whether there is to be another, routing and the user decide.
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    stream = await client.aio.models.generate_content_stream(  # pyright: ignore[reportUnknownMemberType]  # images of Pillow, which has no types here
        model=request.model,
        contents="-",  # replaced by the body's, and not allowed to be empty
        config=config,
    )
    await anext(aiter(stream), None)  # sends the request; the relay keeps what comes


async def ask_models(to: Destination, relay: Relay) -> None:
    """Ask which models there are.

    Args:
        to: Whom.
        relay: It keeps the answer.
    """
    client = await _client(to, relay)
    await client.aio.models.list(config=types.ListModelsConfig(page_size=MODELS_PER_PAGE))


async def _client(to: Destination, relay: Relay) -> genai.Client:
    return await asyncio.to_thread(_make_client, to, relay)  # makes TLS contexts it does not need: 20 ms


def _make_client(to: Destination, relay: Relay) -> genai.Client:
    endpoint = Endpoint.of(to.address.url)
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
            httpx_async_client=relay.client(),
            # Not used. The SDK would make one, and read the certificates for it.
            httpx_client=httpx2.Client(transport=httpx2.BaseTransport(), trust_env=False),
        ),
    )
