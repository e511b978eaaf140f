"""How each peer is asked, the way its documentation has it, through its asynchronous API.

Each adapter runs in the peer's own environment, so everything is imported by name and late: a worker loads one peer.
`open` makes what a program makes once (clients); what it returns asks once.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.wires import MODELS, Wire

KEY = "sk-benchmark-0123456789"
QUESTION = "What does a bench measure?"
BEST_TIMEOUT_S = 1.0
"""What a peer is given where it is tuned, and our deadline there."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to ask.

    Args:
        wire: The format.
        url: Address without the path that the format adds.
        backup: Address of the next one to ask if that fails; `None`: there is none.
        tuned: Set against faults as well as the peer can be: no retries, a timeout of one second.
        watched: Whoever asks wants to know when the first text comes.
    """

    wire: Wire
    url: str
    backup: str | None = None
    tuned: bool = False
    watched: bool = False

    @property
    def model(self) -> str:
        return MODELS[self.wire]

    @property
    def urls(self) -> list[str]:
        return [self.url, *([self.backup] if self.backup else [])]


class Sink:
    """Takes the pieces of an answer as they come."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.first_at_s: float | None = None

    def __call__(self, piece: str | None) -> None:
        if piece:
            if self.first_at_s is None:
                self.first_at_s = time.perf_counter()
            self.parts.append(piece)


@dataclass(frozen=True)
class Asker:
    """Asks a target, as often as it is told."""

    ask: Callable[[Sink], Awaitable[None]]
    """Asks once. Raises what the peer raises."""
    prepare: Callable[[], None] = lambda: None
    """Makes what the next question needs, after the clock has stopped."""


Open = Callable[[Target], Asker]


def _asking(pieces: Callable[[], AsyncIterator[str | None]]) -> Asker:
    async def ask(sink: Sink) -> None:
        async for piece in pieces():
            sink(piece)

    return Asker(ask)


def _module(name: str) -> Any:  # noqa: ANN401 - not installed where types are checked
    return importlib.import_module(name)


def _by_hand(target: Target, pieces: Callable[[str], AsyncIterator[str | None]]) -> Asker:
    """Fallback as everybody writes it who has only an SDK."""

    async def ask(sink: Sink) -> None:
        for url in target.urls[:-1]:
            try:
                async for piece in pieces(url):
                    sink(piece)
            except Exception:
                if sink.parts:
                    raise
            else:
                return
        async for piece in pieces(target.urls[-1]):
            sink(piece)

    return Asker(ask)


# --- the floor: an HTTP client, lines split by hand, json.loads ----------------------------------------------------


def _floor(client_module: str) -> Open:
    def open_floor(target: Target) -> Asker:
        path, headers, body = _request(target)
        http = _module(client_module)
        # As the SDKs set it; no time limits, the server is ours.
        client = http.AsyncClient(timeout=None, limits=http.Limits(max_connections=1000, max_keepalive_connections=100))
        text_of = _TEXT[target.wire]

        async def pieces() -> AsyncIterator[str | None]:
            rest = b""
            async with client.stream("POST", target.url + path, json=body, headers=headers) as response:
                async for data in response.aiter_raw():
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                            yield text_of(json.loads(line[6:]))

        return _asking(pieces)

    return open_floor


def _request(target: Target) -> tuple[str, dict[str, str], dict[str, Any]]:
    messages = [{"role": "user", "content": QUESTION}]
    bearer = {"authorization": f"Bearer {KEY}"}
    match target.wire:
        case "chat":
            return "/v1/chat/completions", bearer, {"model": target.model, "messages": messages, "stream": True}
        case "responses":
            return "/v1/responses", bearer, {"model": target.model, "input": messages, "stream": True}
        case "anthropic":
            body = {"model": target.model, "messages": messages, "max_tokens": 4096, "stream": True}
            return "/v1/messages", {"x-api-key": KEY, "anthropic-version": "2023-06-01"}, body
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": QUESTION}]}]
            path = f"/v1beta/models/{target.model}:streamGenerateContent?alt=sse"
            return path, {"x-goog-api-key": KEY}, {"contents": contents}


def _chat_text(event: Any) -> str | None:  # noqa: ANN401 - JSON
    return event["choices"][0]["delta"].get("content") if event.get("choices") else None


def _responses_text(event: Any) -> str | None:  # noqa: ANN401 - JSON
    return event["delta"] if event["type"] == "response.output_text.delta" else None


def _anthropic_text(event: Any) -> str | None:  # noqa: ANN401 - JSON
    return event["delta"]["text"] if event["type"] == "content_block_delta" else None


def _gemini_text(event: Any) -> str | None:  # noqa: ANN401 - JSON
    return "".join(part["text"] for part in event["candidates"][0]["content"]["parts"])


_TEXT: dict[Wire, Callable[[Any], str | None]] = {
    "chat": _chat_text,
    "responses": _responses_text,
    "anthropic": _anthropic_text,
    "gemini": _gemini_text,
}


# --- the official SDKs ---------------------------------------------------------------------------------------------


def _openai_client(target: Target, url: str) -> Any:  # noqa: ANN401 - the SDK's
    best = {"max_retries": 0, "timeout": BEST_TIMEOUT_S} if target.tuned else {}
    return _module("openai").AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", **best)


def _openai(target: Target) -> Asker:
    clients = {url: _openai_client(target, url) for url in target.urls}

    async def chat(url: str) -> AsyncIterator[str | None]:
        stream = await clients[url].chat.completions.create(
            model=target.model, messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        async for chunk in stream:
            yield chunk.choices[0].delta.content if chunk.choices else None

    async def responses(url: str) -> AsyncIterator[str | None]:
        stream = await clients[url].responses.create(model=target.model, input=QUESTION, stream=True)
        async for event in stream:
            yield event.delta if event.type == "response.output_text.delta" else None

    return _by_hand(target, chat if target.wire == "chat" else responses)


def _anthropic(target: Target) -> Asker:
    best = {"max_retries": 0, "timeout": BEST_TIMEOUT_S} if target.tuned else {}
    client = _module("anthropic").AsyncAnthropic(api_key=KEY, base_url=target.url, **best)

    async def pieces() -> AsyncIterator[str | None]:
        stream = await client.messages.create(
            model=target.model, max_tokens=4096, messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        async for event in stream:
            yield event.delta.text if event.type == "content_block_delta" else None

    return _asking(pieces)


def _google(target: Target) -> Asker:
    best = {"timeout": int(BEST_TIMEOUT_S * 1000)} if target.tuned else {}
    client = _module("google.genai").Client(api_key=KEY, http_options={"base_url": target.url, **best})

    async def pieces() -> AsyncIterator[str | None]:
        async for chunk in await client.aio.models.generate_content_stream(model=target.model, contents=QUESTION):
            yield chunk.text

    return _asking(pieces)


# --- libraries above them ------------------------------------------------------------------------------------------


def _litellm(target: Target) -> Asker:
    litellm = _module("litellm")
    prefix = {"chat": "openai/", "anthropic": "anthropic/"}[target.wire]
    url = f"{target.url}/v1" if target.wire == "chat" else target.url
    best = {"max_retries": 0, "timeout": BEST_TIMEOUT_S} if target.tuned else {}

    async def pieces() -> AsyncIterator[str | None]:
        stream = await litellm.acompletion(
            model=prefix + target.model,
            api_base=url,
            api_key=KEY,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            **best,
        )
        async for chunk in stream:
            yield chunk.choices[0].delta.content

    return _asking(pieces)


def _litellm_router(*, groups: bool) -> Open:
    """litellm's Router: a fallback from one group of deployments to another, or two deployments in one group."""

    def open_router(target: Target) -> Asker:
        deployments = [
            {
                "model_name": f"group-{order if groups else 1}",
                "litellm_params": {
                    "model": f"openai/{target.model}",
                    "api_base": f"{url}/v1",
                    "api_key": KEY,
                    **({} if groups else {"order": order}),
                    **({"max_retries": 0, "timeout": BEST_TIMEOUT_S} if target.tuned else {}),
                },
            }
            for order, url in enumerate(target.urls, 1)
        ]
        options: dict[str, Any] = {"fallbacks": [{"group-1": ["group-2"]}]} if groups and target.backup else {}
        if target.tuned:
            options |= {"num_retries": 0, "timeout": BEST_TIMEOUT_S, "allowed_fails": 0, "cooldown_time": 30}
        router = _module("litellm").Router(model_list=deployments, **options)

        async def pieces() -> AsyncIterator[str | None]:
            messages = [{"role": "user", "content": QUESTION}]
            async for chunk in await router.acompletion(model="group-1", messages=messages, stream=True):
                yield chunk.choices[0].delta.content

        return _asking(pieces)

    return open_router


def _pydantic_ai(target: Target) -> Asker:
    def model(url: str) -> Any:  # noqa: ANN401 - pydantic-ai's
        if target.wire == "anthropic":
            anthropic, providers = _module("pydantic_ai.models.anthropic"), _module("pydantic_ai.providers.anthropic")
            provider = providers.AnthropicProvider(api_key=KEY, base_url=url)
            return anthropic.AnthropicModel(target.model, provider=provider)
        openai, providers = _module("pydantic_ai.models.openai"), _module("pydantic_ai.providers.openai")
        kind = openai.OpenAIChatModel if target.wire == "chat" else openai.OpenAIResponsesModel
        return kind(target.model, provider=providers.OpenAIProvider(openai_client=_openai_client(target, url)))

    models = [model(url) for url in target.urls]
    agent = _module("pydantic_ai").Agent(
        _module("pydantic_ai.models.fallback").FallbackModel(*models) if target.backup else models[0]
    )

    async def pieces() -> AsyncIterator[str | None]:
        async with agent.run_stream(QUESTION) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                yield piece

    return _asking(pieces)


def _chatlas(target: Target) -> Asker:
    chatlas = _module("chatlas")
    kind = {"chat": "ChatOpenAICompletions", "responses": "ChatOpenAI", "anthropic": "ChatAnthropic"}[target.wire]

    def chat(url: str) -> Any:  # noqa: ANN401 - chatlas's
        more: dict[str, Any] = {"kwargs": {"max_retries": 0, "timeout": BEST_TIMEOUT_S}} if target.tuned else {}
        if target.wire == "anthropic":
            more = {"kwargs": {**more.get("kwargs", {}), "base_url": url}}
        else:
            more["base_url"] = f"{url}/v1"
        return getattr(chatlas, kind)(model=target.model, api_key=KEY, **more)

    chats = {url: chat(url) for url in target.urls}

    async def pieces(url: str) -> AsyncIterator[str | None]:
        chats[url].set_turns([])
        async for piece in await chats[url].stream_async(QUESTION, echo="none"):
            yield piece

    return _by_hand(target, pieces)


def _langchain(target: Target) -> Asker:
    best = {"max_retries": 0, "timeout": BEST_TIMEOUT_S} if target.tuned else {}

    def model(url: str) -> Any:  # noqa: ANN401 - LangChain's
        if target.wire == "anthropic":
            chat = _module("langchain_anthropic").ChatAnthropic
            return chat(model=target.model, api_key=KEY, base_url=url, max_tokens=4096, **best)
        chat = _module("langchain_openai").ChatOpenAI
        responses = target.wire == "responses"
        return chat(model=target.model, api_key=KEY, base_url=f"{url}/v1", use_responses_api=responses, **best)

    first, *others = [model(url) for url in target.urls]
    asked = first.with_fallbacks(others) if others else first

    async def pieces() -> AsyncIterator[str | None]:
        async for chunk in asked.astream(QUESTION):
            content = chunk.content
            yield content if isinstance(content, str) else "".join(block.get("text", "") for block in content)

    return _asking(pieces)


OPEN: dict[str, Open] = {
    "floor": _floor("httpx"),
    "floor:httpx2": _floor("httpx2"),
    "openai": _openai,
    "anthropic": _anthropic,
    "google-genai": _google,
    "litellm": _litellm,
    "litellm:router": _litellm_router(groups=True),
    "litellm:group": _litellm_router(groups=False),
    "pydantic-ai": _pydantic_ai,
    "chatlas": _chatlas,
    "langchain": _langchain,
}
"""By the name the tables have."""
