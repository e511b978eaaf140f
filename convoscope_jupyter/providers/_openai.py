"""OpenAI, and every server that speaks its formats.

The SDK opens the connection, sends the request and names the errors; the stream is read by our own decoders. They cost
a fraction of the SDK's typed stream per chunk, and see what it hides: an answer cut short, an odd error, a byte order
mark.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import importlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convoscope_jupyter import config
from convoscope_jupyter.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidSetting,
    MissingCredentials,
    ProviderError,
)
from convoscope_jupyter.messages import TextDelta
from convoscope_jupyter.providers._address import Address
from convoscope_jupyter.providers._base import ChatRequest, Chunk, ProviderStatus, Wire
from convoscope_jupyter.providers._catalogue import suggested_models
from convoscope_jupyter.providers._errors import Peer, from_response, request_id_of
from convoscope_jupyter.providers._http import shared_client
from convoscope_jupyter.providers._openai_chat import ChatDecoder, chat_body
from convoscope_jupyter.providers._openai_responses import ResponsesDecoder, responses_body
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import MAX_EVENT_BYTES
from convoscope_jupyter.providers._transport import from_exception
from convoscope_jupyter.redaction import Secret

if TYPE_CHECKING:
    import openai

_OFFICIAL_URL = "https://api.openai.com/v1"
_NO_KEY = "none"
"""Sent where no key is wanted. Given none at all, the SDK would take the one of the environment."""

_FROM_PROGRAM = "api_key="
"""Source of a key that the program passes."""

_NO_CREDENTIAL = config.Credential(key=None, source=None)
_OTHERS = frozenset({"openai", "anthropic", "google"})
"""Providers whose own keys a server of one's own never gets, even if it is known under their name."""

_LONGEST_ESCAPE = 6
"""Bytes that one character of ASCII JSON may take (`\\u0041`), for each of the bytes it has in UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Destination:
    """Where the next request goes, read from the settings at that moment, so that a new key needs no restart."""

    address: Address
    credential: config.Credential
    key_problem: str | None
    """Why the key that is set cannot be one."""
    key_remedy: str
    label: str
    known_models: tuple[str, ...] = ()
    is_openai: bool
    """What the environment says about OpenAI (organisation, headers) is meant for this server."""

    @property
    def lacks_key(self) -> bool:
        """OpenAI itself wants a key; most servers of one's own want none."""
        return self.credential.key is None and self.address.is_official

    @property
    def revealed_key(self) -> str:
        key = self.credential.key
        return key.reveal() if key else _NO_KEY

    def peer(self, request: ChatRequest) -> Peer:
        return Peer(
            provider=request.provider,
            model=request.model,
            label=self.label,
            host=self.address.host,
            key=self.credential.key,
            key_remedy=self.key_remedy,
            known_models=self.known_models,
        )


class _OpenAIFormats(abc.ABC):
    """What the two providers share. Holds settings only, nothing of a request or an answer."""

    def __init__(self, *, api_key: str | Secret | None, wire: Wire) -> None:
        if wire not in {"auto", "chat", "responses"}:
            message = f"wire is {wire!r}; it must be 'auto', 'chat' or 'responses'."
            raise InvalidSetting(message)
        self._wire: Wire = wire
        key = Secret(api_key) if isinstance(api_key, str) else api_key
        if key and not _can_be_sent(key):
            raise InvalidSetting("api_key holds white space or signs that are in no key. Copy it again, in one line.")
        self._passed_key = key or None

    @abc.abstractmethod
    def _destination(self, name: str) -> _Destination:
        """Where a request goes now.

        Args:
            name: Name of the provider in the route.

        Raises:
            InvalidSetting: The base URL cannot be used.
        """

    @property
    def is_local(self) -> bool:
        """True when the server is on this machine."""
        try:
            return self._destination("").address.is_loopback
        except InvalidSetting:
            return False

    def status(self, name: str) -> ProviderStatus:
        """What a person should know before asking. Sends nothing.

        Args:
            name: Name under which the session knows the provider.
        """
        try:
            to = self._destination(name)
        except InvalidSetting as error:
            return ProviderStatus(name=name, ready=False, key_source=None, host=None, remedy=str(error))
        ready = not to.lacks_key and not to.key_problem
        return ProviderStatus(
            name=name,
            ready=ready,
            key_source=to.credential.source,
            host=None if to.address.is_official else to.address.host,
            remedy=None if ready else to.key_problem or to.key_remedy,
        )

    def load(self) -> None:
        """Import the SDK. Slow the first time; called in a worker thread."""
        for module in ("openai.resources.chat.completions", "openai.resources.responses"):
            importlib.import_module(module)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """Send one request and yield what comes back. No retries.

        Args:
            request: What to ask.

        Yields:
            `Started` at most once and first, deltas in order, and one `Finished` at the end of a whole answer.

        Raises:
            ProviderError: One typed error, its text redacted.
        """
        to = self._checked_destination(request)
        peer = to.peer(request)
        mid_answer = False
        request_id: str | None = None
        failure: ProviderError
        try:
            async with self._send(request, to) as response:
                request_id = request_id_of(response.headers)
                decoder = (ResponsesDecoder if self._speaks_responses(to) else ChatDecoder)(peer, request_id=request_id)
                chunks = read_answer(response.iter_bytes(), decoder, max_event_bytes=_max_event_bytes(request))
                async with contextlib.aclosing(chunks):
                    async for chunk in chunks:
                        mid_answer = mid_answer or (isinstance(chunk, TextDelta) and not chunk.text.isspace())
                        yield chunk
        except ProviderError as error:
            failure = peer.named(error, request_id=request_id)
        except Exception as error:  # noqa: BLE001 - the SDK lets exceptions of many libraries through; ours is one tree
            failure = _failure(peer, error, request, mid_answer=mid_answer)
        else:
            return
        # Raised here, where no exception is being handled, and without the way it came: the SDK's exception holds the
        # request's headers, the frames of a decoder hold what a provider may have quoted, and IPython prints both.
        raise failure.with_traceback(None)

    def _checked_destination(self, request: ChatRequest) -> _Destination:
        try:
            to = self._destination(request.provider)
        except InvalidSetting as error:
            problem = str(error)
        else:
            if to.key_problem:
                raise to.peer(request).error(AuthenticationFailed, to.key_problem)
            if to.lacks_key:
                raise to.peer(request).error(MissingCredentials, f"No key for {to.label}. {to.key_remedy}")
            return to
        raise ConnectionFailed(problem, provider=request.provider, model=request.model, retryable=False)

    def _credential(self, name: str | None) -> tuple[config.Credential, str | None]:
        """The key to send and its source, or why there is none although one is set.

        Args:
            name: Whose key to look up when none was passed; `None`: nobody's.
        """
        if self._passed_key:
            return config.Credential(key=self._passed_key, source=_FROM_PROGRAM), None
        try:
            return (config.credential(name) if name else _NO_CREDENTIAL), None
        except InvalidSetting as error:
            return _NO_CREDENTIAL, str(error)

    def _speaks_responses(self, to: _Destination) -> bool:
        return self._wire == "responses" or (self._wire == "auto" and to.address.is_official)

    @contextlib.asynccontextmanager
    async def _send(self, request: ChatRequest, to: _Destination) -> AsyncGenerator[openai.AsyncAPIResponse[Any]]:
        await asyncio.to_thread(self.load)
        import openai  # noqa: PLC0415 - takes a second, so it was done above, off the loop

        client = openai.AsyncOpenAI(
            api_key=to.revealed_key,
            base_url=to.address.url,
            # Given here as well, it is not replaced by one of the environment's.
            default_headers=None if to.is_openai else {"Authorization": f"Bearer {to.revealed_key}"},
            max_retries=0,  # routing decides about retries, in one place
            http_client=await shared_client(direct=to.address.is_loopback),
        )
        timeout = openai.Timeout(request.read_timeout_s, connect=request.connect_timeout_s)
        headers = {} if to.is_openai else dict.fromkeys(_headers_from_environment(), openai.Omit())
        # The body goes past the SDK's parameter types: walking 200 messages through them holds up the loop for 35 ms.
        sending: contextlib.AbstractAsyncContextManager[openai.AsyncAPIResponse[Any]]
        if self._speaks_responses(to):
            sending = client.responses.with_streaming_response.create(
                stream=True, extra_body=responses_body(request), extra_headers=headers, timeout=timeout
            )
        else:
            body = chat_body(request, official=to.address.is_official)
            sending = client.chat.completions.with_streaming_response.create(
                model=request.model, messages=[], stream=True, extra_body=body, extra_headers=headers, timeout=timeout
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
        self._address = Address.parse(base_url, allow_http=allow_http) if base_url else None

    def _destination(self, name: str) -> _Destination:
        del name
        url = config.base_url("openai") or _OFFICIAL_URL
        address = self._address or Address.parse(url, allow_http=self._allow_http)
        credential, problem = self._credential("openai")
        return _Destination(
            address=address,
            credential=credential,
            key_problem=problem,
            key_remedy="Pass a valid api_key to cv.OpenAI(), and retry."
            if self._passed_key
            else 'Set OPENAI_API_KEY, or cv.set_key("openai"), and retry.',
            label="OpenAI" if address.is_official else address.host,
            known_models=suggested_models("openai"),
            is_openai=True,
        )


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

    def __init__(
        self, base_url: str, api_key: str | Secret | None = None, wire: Wire = "auto", *, allow_http: bool = False
    ) -> None:
        super().__init__(api_key=api_key, wire=wire)
        self._address = Address.parse(base_url, allow_http=allow_http)

    def _destination(self, name: str) -> _Destination:
        credential, problem = self._credential(None if name in _OTHERS else name)
        return _Destination(
            address=self._address,
            credential=credential,
            key_problem=problem,
            key_remedy=f'Pass its api_key to cv.OpenAICompatible(), or cv.set_key("{name}"), and retry.',
            label=name or self._address.host,
            is_openai=False,
        )


def _can_be_sent(key: Secret) -> bool:
    text = key.reveal()
    return text.isascii() and text.isprintable() and " " not in text


def _max_event_bytes(request: ChatRequest) -> int:
    # Three events of a response repeat its instructions.
    return MAX_EVENT_BYTES + _LONGEST_ESCAPE * len((request.system or "").encode())


def _headers_from_environment() -> list[str]:
    """Names of the headers that the SDK adds from the environment, whatever the server."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    named = [name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon]
    return [name for name in ("OpenAI-Organization", "OpenAI-Project", *named) if name.lower() != "authorization"]


def _failure(peer: Peer, error: Exception, request: ChatRequest, *, mid_answer: bool) -> ProviderError:
    answer: Any = getattr(error, "response", None)  # of the SDK's APIStatusError; its body has been read
    if answer is not None:
        return from_response(peer, status=answer.status_code, headers=answer.headers, body=answer.content)
    return from_exception(
        peer,
        error,
        connect_timeout_s=request.connect_timeout_s,
        read_timeout_s=request.read_timeout_s,
        mid_answer=mid_answer,
    )
