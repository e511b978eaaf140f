"""What the contract's tests need to know of a provider's API to play its server; one `Wire` per adapter and format.

The tests are in `tests/providers/test_contract.py` and `test_contract_failures.py`. A wire tells them, in the API's own
terms, how an answer is streamed, how each refusal looks, and what the fullest request looks like; what is expected of
the adapter is the same for all. A new adapter joins with a file like `anthropic_wire.py` and a row in `every_wire.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from convoscope_jupyter.messages import ErrorKind, FinishReason, ImagePart, Message, TextPart, Usage
from convoscope_jupyter.providers import ChatRequest, Provider
from tests.support.loopback import SSE, Reply, Step

KEY = "canary-that-looks-like-no-key"
"""Passed to every provider, echoed by hostile servers, and never to be seen again."""

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""

REQUEST = ChatRequest(provider="server", model="model", messages=(Message.user("hi"),))
"""The least that can be asked."""

FULL_REQUEST = ChatRequest(
    provider="server",
    model="model",
    system="Be brief.",
    messages=(
        Message.user("What is this?"),
        Message.assistant("A word.", reasoning="Hm."),
        Message(
            role="user",
            parts=(TextPart(text="And this?"), ImagePart(media_type="image/png", data_base64=PIXEL)),
        ),
    ),
    temperature=0.5,
    max_output_tokens=9,
)
"""All that can be asked. The reasoning is not to be sent."""

MODELS = ("model-a", "model-b")
"""What `models_reply` lists, in another order."""

Refusal = Literal[
    "authentication",
    "permission_denied",
    "insufficient_quota",
    "rate_limited",
    "model_not_found",
    "context_too_long",
    "content_filtered",
    "invalid_request",
    "server_error",
    "overloaded",
]
"""Kinds of error that an API tells by status and body. Where it has no way to tell one, its wire leaves it out."""

Quirk = Literal["byte order mark", "comments", "crlf", "cut event"]
"""What servers and proxies do to a stream: `cut event` ends it in the middle of one."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server says, in our terms; a wire puts it into its API's."""

    texts: Sequence[str] = ("Hel", "lo")
    """One event each."""
    reasoning: Sequence[str] = ()
    """One event each, before the texts."""
    finish: FinishReason | None = "stop"
    """`None`: the stream ends without saying that the answer does."""
    usage: Usage | None = None
    """In our counting: cached tokens are in `input_tokens`, reasoning in `output_tokens`. `None`: nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One adapter over one wire format."""

    name: str
    """In the names of the tests."""
    provider: Callable[[str, str | None], Provider]
    """Makes the provider for a server's root (`http://127.0.0.1:4050`) and a key."""
    events: Callable[[Answer], list[bytes]]
    """The body that streams an answer, event by event."""
    path: str
    """What the question is posted to."""
    key_header: tuple[str, str]
    """Lower-case name of the header with the key, and its value for `KEY`."""
    full_body: Mapping[str, object]
    """The JSON that `FULL_REQUEST` is sent as."""
    raw_finish: Mapping[FinishReason, str]
    """The API's own words, as `raw_finish_reason` holds them."""
    refusals: Mapping[Refusal, Reply]
    """Answers with an error status, as the API shapes them, `rate_limited` without a time to wait."""
    error_events: Mapping[Literal["server_error", "overloaded"], bytes]
    """Errors in the middle of a stream."""
    models_path: str
    """Where the models are listed, without a query."""
    models_reply: Reply
    """Lists `MODELS`, and the API's other fields."""
    response_id: str | None
    """In the events, as is the model `model-2026-01-01`."""
    request_id_header: str | None = "x-request-id"
    content_type: str = SSE
    error_event_statuses: Mapping[str, int] = field(default_factory=dict)
    """The HTTP statuses that `error_events` hold, where they do."""
    quirks: Mapping[Quirk, ErrorKind] = field(default_factory=dict)
    """Where the SDK's own reader cannot cope: the error that comes of it. All others are read as if nothing was."""
    needs: str | None = None
    """A module that is not always installed, without which the tests are skipped."""

    def stream(self, answer: Answer | None = None, *more: Step) -> Reply:
        """The answer, and what comes after it."""
        return Reply(steps=[*self.events(answer or Answer()), *more], content_type=self.content_type)

    def unfinished(self, *more: Step, texts: Sequence[str] = ("Hel", "lo")) -> Reply:
        """The answer without its end, and what comes instead."""
        return self.stream(Answer(texts=texts, finish=None), *more)
