"""google-generativeai, Google's former SDK. Imports it, so this module is itself imported late.

Its support ended on 2025-11-30. What it would read wrongly, it does not read: it writes the requests, and they are sent
and read as those of google-genai are. By itself it gives thoughts as text (its messages have no field for the flag),
takes an error in the middle of a stream for an empty piece of text, repeats requests that fail, follows redirects, and
cannot be stopped while it waits. Nothing of its process-wide `configure()` is used.

The package will not change any more, so private names that are used here will not either.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import warnings
from http import HTTPStatus
from typing import Any

import httpx2

from convoscope_jupyter.providers._base import ChatRequest
from convoscope_jupyter.providers._gemini import MODELS_PER_PAGE, Endpoint, gemini_contents
from convoscope_jupyter.providers._relay import Relay
from convoscope_jupyter.providers._remote import Destination

# It says so itself at its import, wherever that happens to be; `Google` says it where it is chosen. What one of its
# parts says about the future of this Python is nothing that a user of ours can act on.
warnings.filterwarnings("ignore", r"\s*All support for the `google\.generativeai` package has ended", FutureWarning)
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.api_core\._python_version_support")

_sdk: Any = importlib.import_module("google.generativeai")
_clients: Any = importlib.import_module("google.ai.generativelanguage")
_requests: Any = importlib.import_module("requests")


async def ask(request: ChatRequest, to: Destination, relay: Relay) -> None:
    """Send a question.

    Args:
        request: What to ask.
        to: Where.
        relay: It keeps the answer.
    """
    await relay.handle_async_request(await asyncio.to_thread(_question, request, to))


async def ask_models(to: Destination, relay: Relay) -> None:
    """Ask which models there are.

    Args:
        to: Whom.
        relay: It keeps the answer.
    """
    await relay.handle_async_request(await asyncio.to_thread(_models, to))


def _question(request: ChatRequest, to: Destination) -> httpx2.Request:
    desk = _Desk(b"[{}]")
    settings = {"temperature": request.temperature, "max_output_tokens": request.max_output_tokens}
    model = _sdk.GenerativeModel(
        request.model,
        system_instruction=request.system or None,
        generation_config={name: value for name, value in settings.items() if value is not None},
    )
    model._client = desk.client(_clients.GenerativeServiceClient, to)  # noqa: SLF001 - else it takes the process's one, and its key
    contents = [_sdk.protos.Content.from_json(json.dumps(each)) for each in gemini_contents(request)]
    model.generate_content(contents, stream=True, request_options={"retry": None})
    return desk.written()


def _models(to: Destination) -> httpx2.Request:
    desk = _Desk(b"{}")
    client = desk.client(_clients.ModelServiceClient, to)
    list(_sdk.list_models(page_size=MODELS_PER_PAGE, client=client, request_options={"retry": None}))
    return desk.written()


class _Desk:
    """Takes what the SDK has written, and sends nothing: an adapter of the library `requests`.

    Args:
        reply: An answer without content, as the SDK expects it.
    """

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._taken: Any = None

    def client(self, make: Any, to: Destination) -> Any:  # noqa: ANN401 - a class of the SDK, and an object of it
        """A client of the SDK that writes to this desk."""
        client = make(
            transport="rest",
            # All of this is said, so that the environment does not say it.
            client_options={
                "api_endpoint": Endpoint.of(to.address.url).root,
                "api_key": to.revealed_key,
                "universe_domain": "googleapis.com",
            },
        )
        for scheme in ("https://", "http://"):
            client.transport._session.mount(scheme, self)  # noqa: SLF001 - there is no other way to its connections
        return client

    def send(self, request: Any, **_options: object) -> Any:  # noqa: ANN401 - the library's own request and response
        """Called by the library."""
        self._taken = request
        response = _requests.Response()
        response.status_code = HTTPStatus.OK.value
        response.encoding = "utf-8"
        response.raw = io.BytesIO(self._reply)
        response.request = request
        response.url = request.url
        return response

    def close(self) -> None:
        """Called by the library."""

    def written(self) -> httpx2.Request:
        """The request."""
        taken = self._taken
        return httpx2.Request(taken.method, taken.url, headers=dict(taken.headers), content=taken.body)
