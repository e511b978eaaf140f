"""OpenAI, and every server that speaks its formats.

The SDK opens the connection, sends the request and names the errors; the stream is read by our own decoders. They cost
a fraction of the SDK's typed stream per chunk, and see what it hides: an answer cut short, an odd error, a byte order
mark.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.providers._address import Address
from convoscope_jupyter.providers._base import ChatRequest, Chunk, Wire
from convoscope_jupyter.providers._errors import Peer
from convoscope_jupyter.providers._http import environment, sdk_client, shared_client
from convoscope_jupyter.providers._openai_chat import ChatDecoder, chat_body
from convoscope_jupyter.providers._openai_responses import ResponsesDecoder, responses_body
from convoscope_jupyter.providers._remote import (
    CONNECT_TIMEOUT_S,
    LIST_TIMEOUT_S,
    Destination,
    RemoteProvider,
    Vendor,
    read_response,
    vendor_address,
)
from convoscope_jupyter.providers._sse import MAX_EVENT_BYTES
from convoscope_jupyter.redaction import Secret

if TYPE_CHECKING:
    import openai

_VENDOR = Vendor(
    name="openai",
    label="OpenAI",
    url="https://api.openai.com/v1",
    key_variable="OPENAI_API_KEY",
    class_name="OpenAI",
)

_OTHERS = frozenset({"openai", "anthropic", "google"})
"""Providers whose own keys a server of one's own never gets, even if it is known under their name."""

_READ_BY_THE_SDK = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS")
"""Environment variables that go into its requests."""

_LONGEST_ESCAPE = 6
"""Bytes that one character of ASCII JSON may take (`\\u0041`), for each of the bytes it has in UTF-8."""


class _OpenAIFormats(RemoteProvider):
    """What the two providers share."""

    _is_openai: ClassVar[bool]
    """What the environment says about OpenAI (organisation, headers) is meant for this server."""

    def __init__(self, *, api_key: str | Secret | None, wire: Wire) -> None:
        if wire not in {"auto", "chat", "responses"}:
            message = f"wire is {wire!r}; it must be 'auto', 'chat' or 'responses'."
            raise InvalidSetting(message)
        self._wire: Wire = wire
        super().__init__(api_key=api_key)

    def load(self) -> None:
        """Import the SDK. Slow the first time; called in a worker thread."""
        for module in ("openai.resources.chat.completions", "openai.resources.responses"):
            importlib.import_module(module)

    async def _chunks(self, request: ChatRequest, to: Destination, peer: Peer) -> AsyncGenerator[Chunk]:
        async with self._send(request, to) as response:
            decoder = ResponsesDecoder if self._speaks_responses(to) else ChatDecoder
            chunks = read_response(response, decoder, peer, max_event_bytes=_max_event_bytes(request))
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    async def _model_ids(self, to: Destination) -> Sequence[str]:
        client = await self._client(to)
        timeout = _timeout(connect_s=CONNECT_TIMEOUT_S, read_s=LIST_TIMEOUT_S)
        page = await client.models.list(extra_headers=self._headers(), timeout=timeout)
        return [model.id for model in page.data]

    def _speaks_responses(self, to: Destination) -> bool:
        return self._wire == "responses" or (self._wire == "auto" and to.address.is_official)

    async def _client(self, to: Destination) -> openai.AsyncOpenAI:
        await self._load_once("openai")
        import openai  # noqa: PLC0415 - takes a second, so it was done above, off the loop

        http_client = await shared_client(direct=to.address.is_loopback)
        return sdk_client(
            "openai",
            (to.address.url, to.credential.key, self._is_openai, http_client, *map(environment, _READ_BY_THE_SDK)),
            lambda: openai.AsyncOpenAI(
                api_key=to.revealed_key,
                base_url=to.address.url,
                # Given here as well, it is not replaced by one of the environment's.
                default_headers=None if self._is_openai else {"Authorization": f"Bearer {to.revealed_key}"},
                max_retries=0,  # routing decides about retries, in one place
                http_client=http_client,
            ),
        )

    def _headers(self) -> dict[str, openai.Omit]:
        """What of the environment's headers is not to be sent."""
        import openai  # noqa: PLC0415 - `_client` has imported it

        return {} if self._is_openai else dict.fromkeys(_headers_from_environment(), openai.Omit())

    @contextlib.asynccontextmanager
    async def _send(self, request: ChatRequest, to: Destination) -> AsyncGenerator[openai.AsyncAPIResponse[Any]]:
        client = await self._client(to)
        timeout = _timeout(connect_s=request.connect_timeout_s, read_s=request.read_timeout_s)
        # The body goes past the SDK's parameter types: walking 200 messages through them holds up the loop for 35 ms.
        sending: contextlib.AbstractAsyncContextManager[openai.AsyncAPIResponse[Any]]
        if self._speaks_responses(to):
            sending = client.responses.with_streaming_response.create(
                stream=True, extra_body=responses_body(request), extra_headers=self._headers(), timeout=timeout
            )
        else:
            body = chat_body(request, official=to.address.is_official)
            sending = client.chat.completions.with_streaming_response.create(
                model=request.model,
                messages=[],
                stream=True,
                extra_body=body,
                extra_headers=self._headers(),
                timeout=timeout,
            )
        async with sending as response:
            yield response


class OpenAI(_OpenAIFormats):
    """OpenAI's models.

    Args:
        api_key: The key. `None` looks it up at each request: environment, `.env`, `cv.set_key`, keyring.
        base_url: Another address of the same API, such as a company's gateway. `None` takes `OPENAI_BASE_URL`, else
            OpenAI's own.
        wire: Format to speak. `auto`: the Responses API at OpenAI's own address, Chat Completions elsewhere.
        allow_http: Accept a `base_url` without TLS on another machine.

    Raises:
        InvalidSetting: The address or the format cannot be used.

    Source:
        https://platform.openai.com/docs/api-reference

    Example:
        >>> OpenAI(base_url="http://127.0.0.1:4000/v1").is_local
        True
    """

    _is_openai = True

    def __init__(
        self,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        wire: Wire = "auto",
        *,
        allow_http: bool = False,
    ) -> None:
        super().__init__(api_key=api_key, wire=wire)
        self._allow_http = allow_http
        self._address = vendor_address(_VENDOR, base_url, allow_http=allow_http) if base_url else None

    def _destination(self, name: str) -> Destination:
        del name
        return self._at_vendor(_VENDOR, self._address, allow_http=self._allow_http)


class OpenAICompatible(_OpenAIFormats):
    """A server that speaks OpenAI's formats: Ollama, vLLM, LM Studio, llama.cpp, a gateway.

    Neither OpenAI's key nor anything else that the environment says about OpenAI is sent to it.

    Args:
        base_url: Address of its API; most end in `/v1`.
        api_key: Its key, if it wants one. `None` looks up what `cv.set_key` holds under its name.
        wire: Format to speak. `auto` is Chat Completions, which all of them know.
        allow_http: Accept an address without TLS on another machine. The key and the conversation then travel readable.

    Raises:
        InvalidSetting: The address or the format cannot be used.

    Example:
        >>> ollama = OpenAICompatible(base_url="http://127.0.0.1:11434/v1")
        >>> ollama.status("ollama").host
        '127.0.0.1:11434'
    """

    _is_openai = False

    def __init__(
        self, base_url: str, api_key: str | Secret | None = None, wire: Wire = "auto", *, allow_http: bool = False
    ) -> None:
        super().__init__(api_key=api_key, wire=wire)
        self._address = Address.parse(base_url, allow_http=allow_http)

    def _destination(self, name: str) -> Destination:
        credential, problem = self._credential(None if name in _OTHERS else name)
        return Destination(
            address=self._address,
            credential=credential,
            key_problem=problem,
            key_remedy=f'Pass its api_key to cv.OpenAICompatible(), or cv.set_key("{name}"), and retry.',
            label=name or self._address.host,
        )


def _max_event_bytes(request: ChatRequest) -> int:
    # Three events of a response repeat its instructions.
    return MAX_EVENT_BYTES + _LONGEST_ESCAPE * len((request.system or "").encode())


def _headers_from_environment() -> list[str]:
    """Names of the headers that the SDK adds from the environment, whatever the server."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    named = [name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon]
    return [name for name in ("OpenAI-Organization", "OpenAI-Project", *named) if name.lower() != "authorization"]


def _timeout(*, connect_s: float, read_s: float) -> openai.Timeout:
    import openai  # noqa: PLC0415 - `_client` has imported it

    return openai.Timeout(read_s, connect=connect_s)
