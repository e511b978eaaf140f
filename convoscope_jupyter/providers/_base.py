"""What a provider is: one method that turns a request into chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from convoscope_jupyter.messages import FinishReason, Message, ReasoningDelta, TextDelta, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request to one model, the same for every provider.

    Args:
        provider: Name under which the session knows the provider; it goes into errors.
        model: The model's id in the provider's spelling.
        messages: The conversation, oldest first; the last one is the user's.
        system: Instructions for the model.
        temperature: Sampling temperature; `None` leaves it to the provider.
        max_output_tokens: Bound on the answer; `None` leaves it to the provider.
        connect_timeout_s: Time to open a connection.
        read_timeout_s: Longest silence on the socket. A backstop: routing's own clocks are shorter.
    """

    provider: str
    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The provider has begun to answer; what it says about that, so far as it says it."""

    response_id: str | None = None
    response_model: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The model said that it is done. Without this chunk an answer is an interrupted one."""

    finish_reason: FinishReason
    raw_finish_reason: str
    usage: Usage = field(default_factory=Usage)


Chunk = Started | TextDelta | ReasoningDelta | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """Whether a provider can be asked now, for people to read. Never holds a key."""

    name: str
    ready: bool
    key_source: str | None
    """Where its key comes from, such as `OPENAI_API_KEY` or `./.env`; `None` when it has or needs none."""
    host: str | None
    """Host and port when it is not the provider's official one."""
    remedy: str | None
    """The one line that makes it ready."""
    offline: bool = False
    """True when nothing leaves the machine and no model answers."""


class Provider(Protocol):
    """A source of answers. Holds no state between calls: one instance serves every session.

    To add one, see CONTRIBUTING.
    """

    @property
    def is_local(self) -> bool:
        """True when the server is on this machine; such servers load models before they answer."""
        ...

    def status(self, name: str) -> ProviderStatus:
        """What a person should know before asking. Reads settings only, sends nothing.

        Args:
            name: Name under which the session knows the provider.
        """
        ...

    def endpoint(self, name: str, model: str) -> str:
        """What stands or falls together: the address and the key that a request would go out with.

        Args:
            name: Name under which the session knows the provider.
            model: The model's id; only the demo, whose every model plays a server of its own, looks at it.

        Returns:
            An opaque text, the same for the same address and key within one process. No key can be told from it.
        """
        ...

    def load(self) -> None:
        """Import what the provider needs. Slow the first time; called in a worker thread."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """Send one HTTP request and yield what comes back. No retries.

        Args:
            request: What to ask.

        Yields:
            `Started` at most once and first, deltas in order, and one `Finished` at the end of a whole answer.
            Deltas of one kind that came together may be one delta; each is given as soon as it has come.
            An answer that ends without `Finished` is an interrupted one: the caller says so.

        Raises:
            ProviderError: One typed error, its text redacted; any other exception is a bug.
        """
        ...

    async def list_models(self, name: str) -> tuple[str, ...]:
        """Ask which models there are. One request, on a person's wish only.

        Args:
            name: Name under which the session knows the provider.

        Returns:
            Model ids in alphabetical order.

        Raises:
            ProviderError: One typed error, its text redacted.
        """
        ...


Wire = Literal["auto", "chat", "responses"]
"""Which of OpenAI's two formats to speak: `auto` takes Responses at the official address, else Chat Completions."""
