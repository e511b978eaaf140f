"""What every provider behind a network shares: its address and key, and errors of one tree.

A provider's own file says how a request is sent and read; here is the rest: nothing is sent without a checked address
and key, and whatever an SDK or the network raises leaves as one typed error that holds neither the key nor the frames
in which it was.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
from convoscope_jupyter.providers._base import ChatRequest, Chunk, ProviderStatus
from convoscope_jupyter.providers._catalogue import suggested_models
from convoscope_jupyter.providers._decoding import Decoder
from convoscope_jupyter.providers._errors import Peer, from_response
from convoscope_jupyter.providers._headers import request_id_of
from convoscope_jupyter.providers._joining import joined
from convoscope_jupyter.providers._logging import keep_out_of_logs
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import MAX_EVENT_BYTES
from convoscope_jupyter.providers._transport import from_exception
from convoscope_jupyter.redaction import Secret, mask

_FROM_PROGRAM = "your code"
"""Source of a key that the program passes."""

_NO_KEY = "none"
"""Sent where no key is wanted. Given none at all, an SDK would take the one of the environment."""

_NO_CREDENTIAL = config.Credential(key=None, source=None)

CONNECT_TIMEOUT_S = 5.0
"""For requests that are no questions."""
LIST_TIMEOUT_S = 20.0

_loaded: set[str] = set()
"""SDKs whose import is over. `sys.modules` also holds those that another thread is just importing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A company with one official address and one key for it."""

    name: str
    """Of the provider in routes and settings."""
    label: str
    """What people call it."""
    url: str
    """Official base URL."""
    key_variable: str
    """Environment variable that holds its key."""
    class_name: str
    """Of the provider, in remedies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the next request goes, read from the settings at that moment, so that a new key needs no restart."""

    address: Address
    credential: config.Credential
    key_problem: str | None
    """Why the key that is set cannot be one."""
    key_remedy: str
    label: str
    known_models: tuple[str, ...] = ()

    @property
    def lacks_key(self) -> bool:
        """A vendor wants a key at its own address; most servers of one's own want none."""
        return self.credential.key is None and self.address.is_official

    @property
    def revealed_key(self) -> str:
        """The key as it is sent. Never put it into a name that outlives the call."""
        key = self.credential.key
        return key.reveal() if key else _NO_KEY

    def peer(self, provider: str, model: str = "") -> Peer:
        """Whom errors speak of."""
        return Peer(
            provider=provider,
            model=model,
            label=self.label,
            host=self.address.host,
            key=self.credential.key,
            key_remedy=self.key_remedy,
            known_models=self.known_models,
        )


class RemoteProvider(abc.ABC):
    """A provider behind a network. Holds settings only, nothing of a request or an answer.

    Args:
        api_key: The key that the program passes, if any.

    Raises:
        InvalidSetting: The key cannot be one.
    """

    def __init__(self, *, api_key: str | Secret | None) -> None:
        key = Secret(api_key) if isinstance(api_key, str) else api_key
        if key and not _can_be_sent(key):
            raise InvalidSetting("api_key holds white space or signs that are in no key. Copy it again, in one line.")
        self._passed_key = key or None

    @abc.abstractmethod
    def _destination(self, name: str) -> Destination:
        """Where a request goes now.

        Args:
            name: Name of the provider in the route.

        Raises:
            InvalidSetting: The base URL cannot be used.
        """

    @abc.abstractmethod
    def _chunks(self, request: ChatRequest, to: Destination, peer: Peer) -> AsyncGenerator[Chunk]:
        """Send one request and yield what comes back. May raise whatever the SDK and the network raise."""

    @abc.abstractmethod
    async def _model_ids(self, to: Destination) -> Sequence[str]:
        """Ask which models there are. May raise whatever the SDK and the network raise."""

    @abc.abstractmethod
    def load(self) -> None:
        """Import the SDK. Slow the first time; called in a worker thread."""

    async def _load_once(self, sdk: str) -> None:
        """Import the SDK, off the loop, unless that was done before.

        Args:
            sdk: Its name.
        """
        if sdk not in _loaded:
            await asyncio.to_thread(self.load)
            _loaded.add(sdk)

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

    def endpoint(self, name: str, model: str) -> str:
        """What stands or falls together: the address and the key that a request would go out with.

        Args:
            name: Name under which the session knows the provider.
            model: The model's id, which makes no difference.

        Returns:
            An opaque text, the same for the same address and key within one process.
        """
        del model
        try:
            to = self._destination(name)
        except InvalidSetting:
            return name
        key = to.credential.key
        return f"{name} {to.address.url} {key.fingerprint if key else ''}"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """Send one request and yield what comes back. No retries.

        Args:
            request: What to ask.

        Yields:
            `Started` at most once and first, deltas in order, and one `Finished` at the end of a whole answer.

        Raises:
            ProviderError: One typed error, its text redacted.
        """
        to = self._checked_destination(request.provider, request.model)
        peer = to.peer(request.provider, request.model)
        mid_answer = False
        failure: ProviderError
        try:
            async with contextlib.aclosing(self._chunks(request, to, peer)) as chunks:
                async for chunk in chunks:
                    mid_answer = mid_answer or (isinstance(chunk, TextDelta) and not chunk.text.isspace())
                    yield chunk
        except ProviderError as error:
            failure = peer.named(error, request_id=None)
        except Exception as error:  # noqa: BLE001 - the SDK lets exceptions of many libraries through; ours is one tree
            failure = self._failure(
                peer,
                error,
                connect_timeout_s=request.connect_timeout_s,
                read_timeout_s=request.read_timeout_s,
                mid_answer=mid_answer,
            )
        else:
            return
        # Raised here, where no exception is being handled, and without the way it came: the SDK's exception holds the
        # request's headers, the frames of a decoder hold what a provider may have quoted, and IPython prints both.
        raise failure.with_traceback(None)

    async def list_models(self, name: str) -> tuple[str, ...]:
        """Ask the provider which models there are. One request, on a person's wish only.

        Args:
            name: Name under which the session knows the provider.

        Returns:
            Model ids in alphabetical order. What they can do is not told; not all of them chat.

        Raises:
            ProviderError: One typed error, its text redacted.
        """
        to = self._checked_destination(name)
        peer = to.peer(name)
        failure: ProviderError
        try:
            return tuple(sorted({mask(model, peer.key) for model in await self._model_ids(to)}))
        except ProviderError as error:
            failure = peer.named(error, request_id=None)
        except Exception as error:  # noqa: BLE001 - as in `stream`
            failure = self._failure(
                peer, error, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=LIST_TIMEOUT_S, mid_answer=False
            )
        raise failure.with_traceback(None)

    def _failure(
        self, peer: Peer, error: Exception, *, connect_timeout_s: float, read_timeout_s: float, mid_answer: bool
    ) -> ProviderError:
        """The typed error that whatever was raised amounts to."""
        answer: Any = getattr(error, "response", None)  # of the SDK's APIStatusError; its body has been read
        if answer is not None:
            return from_response(peer, status=answer.status_code, headers=answer.headers, body=answer.content)
        return from_exception(
            peer,
            error,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            mid_answer=mid_answer,
        )

    def _checked_destination(self, name: str, model: str = "") -> Destination:
        try:
            to = self._destination(name)
        except InvalidSetting as error:
            problem = str(error)
        else:
            if to.key_problem:
                raise to.peer(name, model).error(AuthenticationFailed, to.key_problem)
            if to.lacks_key:
                raise to.peer(name, model).error(MissingCredentials, f"No key for {to.label}. {to.key_remedy}")
            keep_out_of_logs(to.credential.key)
            return to
        raise ConnectionFailed(problem, provider=name, model=model, retryable=False)

    def _at_vendor(self, vendor: Vendor, address: Address | None, *, allow_http: bool) -> Destination:
        """The vendor's own address, or the one that the program or the environment gives instead.

        Args:
            vendor: Whose API.
            address: What the program passes.
            allow_http: Accept an address of the environment's without TLS on another machine.
        """
        url = config.base_url(vendor.name) or vendor.url
        address = address or vendor_address(vendor, url, allow_http=allow_http)
        credential, problem = self._credential(vendor.name)
        return Destination(
            address=address,
            credential=credential,
            key_problem=problem,
            key_remedy=f"Pass a valid api_key to cv.{vendor.class_name}(), and retry."
            if self._passed_key
            else f'Set {vendor.key_variable}, or cv.set_key("{vendor.name}"), and retry.',
            label=vendor.label if address.is_official else address.host,
            known_models=suggested_models(vendor.name),
        )

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


def vendor_address(vendor: Vendor, url: str, *, allow_http: bool) -> Address:
    """Check a base URL of a vendor's API.

    Args:
        vendor: Whose API.
        url: Its own, or that of a gateway.
        allow_http: Accept another machine without TLS.

    Raises:
        InvalidSetting: It cannot be used.
    """
    return Address.parse(url, official_url=vendor.url, allow_http=allow_http)


async def read_response(
    response: Any,  # noqa: ANN401 - both SDKs have an AsyncAPIResponse of their own
    make_decoder: Callable[..., Decoder],
    peer: Peer,
    *,
    max_event_bytes: int = MAX_EVENT_BYTES,
) -> AsyncGenerator[Chunk]:
    """Read an answer that an SDK gives as raw bytes.

    Args:
        response: Of the SDK, with `headers` and `iter_bytes()`.
        make_decoder: Class of the wire format's decoder.
        peer: Whom was asked.
        max_event_bytes: Bound on one event.

    Yields:
        What the decoder makes of it.

    Raises:
        ProviderError: An error that the answer reports, or `ProtocolError` when it is no answer.
        Exception: What the network raises.
    """
    request_id = request_id_of(response.headers, peer.key)
    decoder = make_decoder(peer, request_id=request_id)
    try:
        async with (
            contextlib.aclosing(joined(response.iter_bytes())) as pieces,
            contextlib.aclosing(read_answer(pieces, decoder, max_event_bytes=max_event_bytes)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk
    except ProviderError as error:
        failure = peer.named(error, request_id=request_id)
    else:
        return
    raise failure  # here, so that it does not carry the reader's error along


def _can_be_sent(key: Secret) -> bool:
    text = key.reveal()
    return text.isascii() and text.isprintable() and " " not in text
