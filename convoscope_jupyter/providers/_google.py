"""Google: Gemini, over either of Google's two SDKs.

google-genai writes the request and sends it through the client it is given, which is ours; the stream is read by our
own decoder. That costs a fraction of the SDK's typed stream per chunk, and sees what it hides: an answer cut short, a
comment, a byte order mark, an odd error. The former SDK is in `_google_generativeai.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import warnings
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, cast, get_args

from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.providers._base import ChatRequest, Chunk
from convoscope_jupyter.providers._decoding import parse_json
from convoscope_jupyter.providers._errors import Peer
from convoscope_jupyter.providers._gemini import VERSION, Endpoint, GeminiDecoder, model_ids
from convoscope_jupyter.providers._http import shared_client
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
    from convoscope_jupyter.providers._relay import RawAnswer, Relay

GoogleSdk = Literal["google-genai", "google-generativeai"]
"""Which of Google's SDKs to use: today's, or the former one, which is no longer maintained."""

_VENDOR = Vendor(
    name="google",
    label="Google",
    url="https://generativelanguage.googleapis.com",
    key_variable="GEMINI_API_KEY",
    class_name="Google",
)

_ADAPTERS: dict[GoogleSdk, str] = {"google-genai": "_google_genai", "google-generativeai": "_google_generativeai"}
"""Our modules about them."""


class _Sdk(Protocol):
    """What our module about an SDK does. Neither returns the answer: the relay keeps it."""

    async def ask(self, request: ChatRequest, to: Destination, relay: Relay) -> None: ...

    async def ask_models(self, to: Destination, relay: Relay) -> None: ...


class Google(RemoteProvider):
    """Google's Gemini models.

    Args:
        api_key: The key. `None` looks it up at each request: environment, `.env`, `cv.set_key`, keyring.
        base_url: Another address of the same API, such as a company's gateway. It may end in a version; without one,
            it is `v1beta`. `None` takes `GOOGLE_GEMINI_BASE_URL`, else Google's own.
        allow_http: Accept a `base_url` without TLS on another machine.
        sdk: `google-genai`; or `google-generativeai`, Google's former SDK, for environments that are bound to it. Its
            support ended on 2025-11-30, it speaks `v1beta` only, and it has to be installed:
            `pip install "convoscope-jupyter[google-generativeai]"`.

    Raises:
        InvalidSetting: The address cannot be used, or the SDK is unknown or not installed.

    Source:
        https://ai.google.dev/api/generate-content

    Example:
        >>> Google(base_url="http://127.0.0.1:4000").is_local
        True
    """

    def __init__(
        self,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        *,
        allow_http: bool = False,
        sdk: GoogleSdk = "google-genai",
    ) -> None:
        super().__init__(api_key=api_key)
        if sdk not in get_args(GoogleSdk):
            message = f"sdk is {sdk!r}; it must be 'google-genai' or 'google-generativeai'."
            raise InvalidSetting(message)
        self._sdk: GoogleSdk = sdk
        self._allow_http = allow_http
        self._address = vendor_address(_VENDOR, base_url, allow_http=allow_http) if base_url else None
        if sdk == "google-generativeai":
            _check_former_sdk()
            # Python shows it once for each line that chooses the SDK.
            warnings.warn(
                "Google ended all support of google-generativeai on 2025-11-30. Leave out sdk= to use google-genai.",
                FutureWarning,
                stacklevel=2,
            )

    def load(self) -> None:
        """Import the SDK. Slow the first time; called in a worker thread."""
        self._adapter()

    def _adapter(self) -> _Sdk:
        importlib.import_module(f"{__package__}._relay")
        return cast("_Sdk", importlib.import_module(f"{__package__}.{_ADAPTERS[self._sdk]}"))

    def _destination(self, name: str) -> Destination:
        del name
        to = self._at_vendor(_VENDOR, self._address, allow_http=self._allow_http)
        version = Endpoint.of(to.address.url).version
        if self._sdk == "google-generativeai" and version != VERSION:
            message = f"google-generativeai speaks {VERSION}, not {version}. Change base_url, or leave out sdk=."
            raise InvalidSetting(message)
        return to

    async def _chunks(self, request: ChatRequest, to: Destination, peer: Peer) -> AsyncGenerator[Chunk]:
        limits = {"connect_timeout_s": request.connect_timeout_s, "read_timeout_s": request.read_timeout_s}
        async with (
            self._answer(to, request, **limits) as answer,
            contextlib.aclosing(read_response(answer, GeminiDecoder, peer)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def _model_ids(self, to: Destination) -> Sequence[str]:
        limits = {"connect_timeout_s": CONNECT_TIMEOUT_S, "read_timeout_s": LIST_TIMEOUT_S}
        async with self._answer(to, None, **limits) as answer:
            return model_ids(parse_json((await answer.read()).decode("utf-8", "replace")))

    @contextlib.asynccontextmanager
    async def _answer(
        self, to: Destination, request: ChatRequest | None, *, connect_timeout_s: float, read_timeout_s: float
    ) -> AsyncGenerator[RawAnswer]:
        """Ask the question, or without one, which models there are."""
        await self._load_once(self._sdk)
        sdk = self._adapter()
        from convoscope_jupyter.providers._relay import Relay  # noqa: PLC0415 - comes with the SDK, and as late

        client = await shared_client(direct=to.address.is_loopback)
        relay = Relay(client, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s)
        try:
            await (sdk.ask(request, to, relay) if request else sdk.ask_models(to, relay))
            yield relay.answers[0]
        finally:
            for answer in relay.answers:
                await answer.aclose()


def _check_former_sdk() -> None:
    try:
        found = importlib.util.find_spec("google.generativeai")
    except ModuleNotFoundError:  # nothing of Google's is installed
        found = None
    if found is None:
        raise InvalidSetting(
            'google-generativeai is not installed. pip install "convoscope-jupyter[google-generativeai]", or leave out '
            "sdk= to use google-genai."
        )
