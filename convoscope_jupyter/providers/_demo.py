"""The demo provider: no model, no network. Its model names script what it does.

It lets people try the chat without a key, and lets the documentation and the tests show streaming, Stop, fallback and
interruption as they really run.
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import AsyncGenerator, Callable

from convoscope_jupyter.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ContentFiltered,
    ModelNotFound,
    ProviderError,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from convoscope_jupyter.messages import FinishReason, ImagePart, ReasoningDelta, TextDelta
from convoscope_jupyter.providers._base import ChatRequest, Chunk, Finished, ProviderStatus, Started
from convoscope_jupyter.providers._demo_texts import HOSTILE, PARAGRAPH, REASONING, SUM, TOUR

_WORDS = re.compile(r"\s*\S+\s*")
_SLOW_WORDS = 200
_SLOWNESS = 100 / 12
"""At the default pace a `slow` word takes 0.1 s, all of them 20 s."""

_RETRY_AFTER_S = 20.0

_FAILURES: dict[str, tuple[type[ProviderError], int | None, str]] = {
    "fail-401": (AuthenticationFailed, 401, "rejects every key. Nothing is wrong with yours"),
    "fail-429": (RateLimited, 429, "has always had too many requests. The next model of the route goes on"),
    "fail-500": (ServerError, 500, "always has trouble. The next model of the route goes on"),
    "fail-connect": (ConnectionFailed, None, "is never reached. The next model of the route goes on"),
    "fail-filter": (ContentFiltered, 400, "refuses every question. A refusal is not passed on to another model"),
}


class Demo:
    """A provider without a model, offline and labelled as such.

    Model names script what it does: `tour` shows the chat around, `echo` says what you said, `slow` takes 20 s, `long`
    writes much, `reasoning` thinks first, `hostile` tries to break out of the page; `fail-401`, `fail-429`,
    `fail-500`, `fail-connect`, `fail-filter` fail before any text, `hang` says nothing for ever, `empty` ends without
    text, `drop-midway` breaks off, `no-finish` stops without saying that it is done, `length` is cut at a limit.

    Args:
        pace_s: Time between two words, in seconds. Tests set 0.

    Example:
        >>> Demo().status("demo").offline
        True
    """

    def __init__(self, *, pace_s: float = 0.012) -> None:
        self._pace_s = pace_s

    @property
    def is_local(self) -> bool:
        """False: there is no server that would have to load a model first."""
        return False

    def status(self, name: str) -> ProviderStatus:
        """Always ready.

        Args:
            name: Name under which the session knows the provider.
        """
        return ProviderStatus(name=name, ready=True, key_source=None, host=None, remedy=None, offline=True)

    def endpoint(self, name: str, model: str) -> str:
        """Each model plays a server of its own.

        Args:
            name: Name under which the session knows the provider.
            model: The script.
        """
        return f"{name} {model}"

    def load(self) -> None:
        """Nothing to import."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """Play the script that the model's name asks for.

        Args:
            request: What to ask.

        Yields:
            Chunks as a real provider does. Usage is unknown: nothing was counted, and nothing cost anything.

        Raises:
            ProviderError: The script says so, or there is no such script.
        """
        model = request.model
        if model not in _MODELS:
            raise _unknown_model(request)
        if model in _FAILURES:
            raise _failure(request)
        yield Started(response_id=None, response_model=f"{model} (demo, not a model)", request_id=None)
        if model == "hang":
            await asyncio.Event().wait()
        if model == "reasoning":
            async for words in self._paced(REASONING):
                yield ReasoningDelta(text=words)
        text = _TEXTS[model](request) if model in _TEXTS else ""
        async for words in self._paced(text, slowness=_SLOWNESS if model == "slow" else 1.0):
            yield TextDelta(text=words)
        if model == "drop-midway":
            message = "The demo breaks off here, as this model always does. Continue it, or retry with demo:tour."
            raise StreamInterrupted(message, provider=request.provider, model=model)
        if model != "no-finish":
            reason: FinishReason = "length" if model == "length" else "stop"
            yield Finished(finish_reason=reason, raw_finish_reason=reason)

    async def list_models(self, name: str) -> tuple[str, ...]:
        """The scripts' names. Sends nothing.

        Args:
            name: Name under which the session knows the provider.
        """
        del name
        return tuple(sorted(_MODELS))

    async def _paced(self, text: str, *, slowness: float = 1.0) -> AsyncGenerator[str]:
        for words in _WORDS.findall(text) or [text] * bool(text):
            # Also at pace 0: Stop has to find a place to stop at.
            await asyncio.sleep(self._pace_s * slowness)
            yield words


def _echo(request: ChatRequest) -> str:
    last = request.messages[-1]
    images = sum(isinstance(part, ImagePart) for part in last.parts)
    return last.text or f"({images} image{'s' * (images != 1)} and no text)"


def _slow(request: ChatRequest) -> str:
    del request
    words = (PARAGRAPH * _SLOW_WORDS).split()[:_SLOW_WORDS]
    return " ".join(words)


def _long(request: ChatRequest) -> str:
    del request
    return "\n\n".join(f"## Part {n}\n\n{PARAGRAPH}" for n in range(1, 61))


def _constant(text: str) -> Callable[[ChatRequest], str]:
    return lambda _request: text


_TEXTS: dict[str, Callable[[ChatRequest], str]] = {
    "tour": _constant(TOUR),
    "echo": _echo,
    "slow": _slow,
    "long": _long,
    "reasoning": _constant(SUM),
    "drop-midway": _constant(PARAGRAPH[: len(PARAGRAPH) // 2]),
    "no-finish": _constant(PARAGRAPH),
    "length": _constant(PARAGRAPH[: len(PARAGRAPH) // 2]),
    "hostile": _constant(HOSTILE),
}

_MODELS = (*_TEXTS, *_FAILURES, "hang", "empty")


def _failure(request: ChatRequest) -> ProviderError:
    kind, status, what = _FAILURES[request.model]
    error = kind(f"This demo model {what}.", provider=request.provider, model=request.model, status_code=status)
    if kind is RateLimited:
        error.retry_after_s = _RETRY_AFTER_S
    return error


def _unknown_model(request: ChatRequest) -> ModelNotFound:
    near = difflib.get_close_matches(request.model, _MODELS, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(_MODELS)}."
    return ModelNotFound(
        f"The demo has no {request.model[:60]!r}. {hint}",
        provider=request.provider,
        model=request.model,
        status_code=404,
    )
