"""The values everything else speaks of: messages, turns, answers, attempts.

Frozen and pure: no storage, no network, no clock. A conversation is a tree of turns by
`parent_id`, so editing and regenerating add siblings and never destroy. A chat turn has one
response, a comparison has several; there is no second data model for it.

Vocabulary: OpenTelemetry GenAI semantic conventions
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), then OpenAI's and Anthropic's own words.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from convoscope_jupyter._host_markdown import host_markdown
from convoscope_jupyter._text import dollars

Role = Literal["user", "assistant"]

FinishReason = Literal["stop", "length", "content_filter", "tool_call", "error"]
"""Why a model stopped, normalised as OpenTelemetry's `gen_ai.response.finish_reasons`."""

Health = Literal["unknown", "ok", "demoted", "cooling", "failing"]
"""How a provider fared when the kernel last asked it: `demoted` while others are asked before it, `cooling` while it is
not asked."""

ResponseStatus = Literal["complete", "interrupted", "cancelled", "failed"]

ErrorKind = Literal[
    "missing_credentials",
    "authentication",
    "permission_denied",
    "insufficient_quota",
    "rate_limited",
    "overloaded",
    "server_error",
    "connection_failed",
    "timed_out",
    "model_not_found",
    "context_too_long",
    "content_filtered",
    "invalid_request",
    "protocol_error",
    "interrupted",
    "cancelled",
]
"""Every way an attempt can end without a whole answer. The routing policy has one row for each."""

_FIRST_HTTP_ERROR = 400
_REFUSALS: frozenset[ErrorKind] = frozenset(
    {
        "missing_credentials",
        "authentication",
        "permission_denied",
        "insufficient_quota",
        "rate_limited",
        "overloaded",
        "connection_failed",
        "model_not_found",
        "context_too_long",
        "invalid_request",
    }
)
_ABSURD_USD = 10**9
"""What no answer costs: a figure out of a damaged file."""
_SHORTEST_SHOWN_S = 0.05

_REFERENCE = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*[:/]\s*(\S(?:.*\S)?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Text a person wrote or a model answered."""

    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningPart:
    """Text a model thought aloud before it answered. Never sent back to a model."""

    text: str
    type: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """A raster image given to a model."""

    media_type: Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
    data_base64: str
    """The image's bytes, base64 without line breaks."""
    type: Literal["image"] = "image"


Part = TextPart | ReasoningPart | ImagePart


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of one role, in parts. A pure value without identity."""

    role: Role
    parts: tuple[Part, ...] = ()

    @classmethod
    def user(cls, text: str) -> Message:
        """A user's message that is only text."""
        return cls(role="user", parts=(TextPart(text=text),))

    @classmethod
    def assistant(cls, text: str, *, reasoning: str = "") -> Message:
        """A model's message: what it thought, if anything, then what it said, if anything."""
        thought: tuple[Part, ...] = (ReasoningPart(text=reasoning),) if reasoning else ()
        said: tuple[Part, ...] = (TextPart(text=text),) if text else ()
        return cls(role="assistant", parts=thought + said)

    @property
    def text(self) -> str:
        """All visible text, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def reasoning(self) -> str:
        """All reasoning, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, ReasoningPart))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model at a provider, written `provider:name`.

    Args:
        provider: Name under which the session knows the provider, such as `openai` or `ollama`.
        name: The model's id exactly as that provider spells it. Any id is accepted: the provider
            decides, not a list of ours.

    Example:
        >>> str(ModelRef.parse("openai/gpt-5-mini"))
        'openai:gpt-5-mini'
    """

    provider: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ModelRef | None:
        """Read `provider:name` or `provider/name`; `None` when the text is neither.

        The first separator decides, so names may hold either sign: `ollama:llama3:8b`,
        `openrouter:meta/llama-4`.
        """
        found = _REFERENCE.fullmatch(text)
        return cls(provider=found[1].lower(), name=found[2]) if found else None

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one attempt, as the provider reported them. Unknown is `None`, never 0.

    Source: OpenAI `usage`, Anthropic `usage`, Gemini `usage_metadata`, normalised so that
    `input_tokens` *includes* cached tokens (OTel `gen_ai.usage.input_tokens`).
    """

    input_tokens: int | None = None
    """Prompt tokens, cached ones included."""
    output_tokens: int | None = None
    """Generated tokens, reasoning included."""
    cached_input_tokens: int | None = None
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: int | None = None
    """The part of `output_tokens` that was spent on reasoning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one model: who was asked, who answered, how it ended, what it cost.

    The list of attempts is the answer's receipt: nothing that was tried is left out.
    """

    model: ModelRef
    """The model that was asked."""
    started_at: datetime
    """UTC."""
    duration_s: float
    error_kind: ErrorKind | None = None
    """`None` when this attempt gave the whole answer."""
    error_message: str | None = None
    """What went wrong and what to do, redacted, at most 300 characters."""
    status_code: int | None = None
    """HTTP status, if there was an HTTP answer."""
    retry_after_s: float | None = None
    """How long the provider asked to wait."""
    time_to_first_chunk_s: float | None = None
    """From the request to the first visible text or reasoning."""
    response_model: str | None = None
    """The exact model version the provider says answered."""
    response_id: str | None = None
    request_id: str | None = None
    """The provider's id of the HTTP request, for its support."""
    raw_finish_reason: str | None = None
    """The finish reason in the provider's own word."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    """Price of `usage`; `None` when the price or the usage is unknown."""
    price_source: str | None = None
    """Where the price comes from, with its version, when `cost_usd` is known."""
    temperature: float | None = None
    """As it was asked for; `None` left it to the provider."""
    max_output_tokens: int | None = None
    """As it was asked for; `None` left it to the provider."""
    held_back: bool = False
    """True: nothing was sent, because `error_kind` had happened shortly before. Not a try, but the reason for none."""

    @property
    def outcome(self) -> Literal["ok"] | ErrorKind:
        """`ok`, or the kind of error."""
        return self.error_kind or "ok"

    @property
    def was_turned_away(self) -> bool:
        """True when no model began to work, so that nothing can have been used or charged.

        Nothing was sent, nobody was reached, or the provider refused before it began to answer.
        """
        if self.error_kind is None or self.response_model is not None or self.time_to_first_chunk_s is not None:
            return False
        refused = self.status_code is not None and self.status_code >= _FIRST_HTTP_ERROR
        return self.held_back or refused or self.error_kind in _REFUSALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What attempts cost together: the part that is known, and how many it leaves out.

    Example:
        >>> str(Cost(known_usd=Decimal("0.0031"), unpriced_attempts=1))
        '$0.0031, without 1 attempt of unknown cost'
    """

    known_usd: Decimal = Decimal(0)
    """Sum of the known prices, US dollars."""
    unpriced_attempts: int = 0
    """How many attempts are not in that sum because their price or their token counts are not known."""

    @property
    def total_usd(self) -> Decimal | None:
        """The whole sum; `None` while a part of it is unknown."""
        return None if self.unpriced_attempts else self.known_usd

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> Cost:
        """The sum over attempts, failed ones too.

        Args:
            attempts: Any. One that was turned away cost nothing.
        """
        known_usd, unpriced = Decimal(0), 0
        for attempt in attempts:
            cost_usd = attempt.cost_usd
            if cost_usd is not None and cost_usd.is_finite() and 0 <= cost_usd < _ABSURD_USD:
                known_usd += cost_usd
            elif not attempt.was_turned_away:
                unpriced += 1
        return cls(known_usd=known_usd, unpriced_attempts=unpriced)

    def __str__(self) -> str:
        if not self.unpriced_attempts:
            return dollars(self.known_usd)
        attempts = f"{self.unpriced_attempts:,} attempt{'' if self.unpriced_attempts == 1 else 's'}"
        return f"{dollars(self.known_usd)}, without {attempts} of unknown cost" if self.known_usd else "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One lane's answer to a prompt, whole or not, with every attempt that led to it."""

    message: Message
    status: ResponseStatus
    attempts: tuple[Attempt, ...] = ()
    finish_reason: FinishReason | None = None
    """`None` when no model said that it was done."""

    @property
    def text(self) -> str:
        """The visible answer."""
        return self.message.text

    @property
    def answering_attempt(self) -> Attempt | None:
        """The attempt whose text this is: the last one, if it gave any text or finished."""
        if not self.attempts:
            return None
        last = self.attempts[-1]
        return last if last.error_kind is None or self.text else None

    @property
    def answered_by(self) -> ModelRef | None:
        """The model whose text this is; `None` when there is none."""
        attempt = self.answering_attempt
        return attempt.model if attempt else None

    @property
    def usage(self) -> Usage:
        """Token counts of the answering attempt; each unknown one is `None`."""
        attempt = self.answering_attempt
        return attempt.usage if attempt else Usage()

    @property
    def cost(self) -> Cost:
        """What all attempts cost together, failed ones too."""
        return Cost.of(self.attempts)

    @property
    def receipt(self) -> str:
        """One plain sentence for people: who answered, after whom, in what time.

        Example:
            `google:gemini-2.5-flash answered in 2.1 s, after openai:gpt-5-mini was rate limited.`
        """
        return receipt_sentence(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A user's message and what was answered to it. A sibling shares the `parent_id`."""

    id: str
    """UUID, made by whoever made the turn, so that sending it twice is harmless."""
    parent_id: str | None
    """The turn before; `None` at the start of a conversation."""
    prompt: Message
    created_at: datetime
    """UTC."""
    responses: tuple[Response, ...] = ()
    """Empty while the first answer is awaited; one in a chat, several in a comparison."""
    chosen: int = 0
    """Index of the response that the conversation goes on from."""
    continues: str | None = None
    """Id of the interrupted turn whose answer this one goes on with."""

    @property
    def response(self) -> Response | None:
        """The chosen response."""
        return self.responses[self.chosen] if self.chosen < len(self.responses) else None

    @property
    def text(self) -> str:
        """Text of the chosen answer; empty when there is none."""
        response = self.response
        return response.text if response else ""

    @property
    def cost(self) -> Cost:
        """What all attempts of all responses cost together."""
        return Cost.of(attempt for response in self.responses for attempt in response.attempts)

    def _repr_markdown_(self) -> str:
        return _harmless(self.answer_paragraphs())

    def answer_paragraphs(self) -> list[str]:
        """The chosen answer and its receipt, in Markdown that nobody has made harmless yet."""
        response = self.response
        if response is None:
            return ["*Not answered yet.*"]
        return [response.text, f"*{response.receipt}*"] if response.text else [f"*{response.receipt}*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A tree of turns under a title. The path read by default ends at the newest turn."""

    id: str
    """UUID."""
    created_at: datetime
    updated_at: datetime
    title: str = ""
    name: str | None = None
    """The name a user opened it under; unique in a store."""
    system: str | None = None
    """Instructions that go with every request."""
    turns: tuple[Turn, ...] = ()
    """In order of creation."""

    def _repr_markdown_(self) -> str:
        paragraphs = [
            paragraph
            for turn in self.path()
            for paragraph in ("**You**", turn.prompt.text, "**Answer**", *turn.answer_paragraphs())
        ]
        return _harmless(paragraphs or ["*Nothing said yet.*"])

    def path(self, leaf_id: str | None = None) -> tuple[Turn, ...]:
        """The turns from the root to `leaf_id`, by default to the newest turn."""
        by_id = {turn.id: turn for turn in self.turns}
        turn = by_id.get(leaf_id) if leaf_id is not None else (self.turns[-1] if self.turns else None)
        path: list[Turn] = []
        while turn is not None and len(path) < len(by_id):
            path.append(turn)
            turn = by_id.get(turn.parent_id) if turn.parent_id is not None else None
        return tuple(reversed(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More visible text of an answer."""

    text: str
    lane: int = 0
    type: Literal["text_delta"] = "text_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """More of what a model thinks aloud."""

    text: str
    lane: int = 0
    type: Literal["reasoning_delta"] = "reasoning_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """A model is being asked."""

    model: ModelRef
    index: int
    """Place of the attempt in the receipt, from 0."""
    lane: int = 0
    type: Literal["attempt_started"] = "attempt_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """A model gave no answer, or broke off; the next candidate may follow."""

    attempt: Attempt
    index: int
    lane: int = 0
    type: Literal["attempt_failed"] = "attempt_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled:
    """Every model has failed, and one of them is asked again in a while. Cancelling ends the wait."""

    model: ModelRef
    delay_s: float
    """From now."""
    lane: int = 0
    type: Literal["retry_scheduled"] = "retry_scheduled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished:
    """The turn is over and stored. Exactly one ends every turn."""

    turn: Turn
    type: Literal["turn_finished"] = "turn_finished"


SessionEvent = TextDelta | ReasoningDelta | AttemptStarted | AttemptFailed | RetryScheduled | TurnFinished

_KIND_IN_WORDS: dict[ErrorKind, str] = {
    "missing_credentials": "had no key",
    "authentication": "rejected the key",
    "permission_denied": "refused access",
    "insufficient_quota": "was out of credit",
    "rate_limited": "was rate limited",
    "overloaded": "was overloaded",
    "server_error": "had a server error",
    "connection_failed": "could not be reached",
    "timed_out": "did not answer in time",
    "model_not_found": "does not know the model",
    "context_too_long": "had too small a window",
    "content_filtered": "stopped at its content filter",
    "invalid_request": "refused the request",
    "protocol_error": "sent something unreadable",
    "interrupted": "broke off",
    "cancelled": "was stopped",
}


_STATUS_IN_WORDS: dict[ResponseStatus, str] = {
    "complete": "answered in",
    "cancelled": "was stopped after",
    "interrupted": "broke off after",
    "failed": "failed after",
}


def receipt_sentence(response: Response) -> str:
    """See `Response.receipt`."""
    attempts = response.attempts
    last = response.answering_attempt
    before = attempts[:-1] if last is not None else attempts
    failures = ", ".join(f"{a.model} {_fate(a.error_kind, a)}" for a in before if a.error_kind)
    if last is None:
        if response.text:
            return "Which model answered is not recorded."
        return f"No model answered: {failures}." if failures else "No model was asked."
    head = f"{last.model} {_STATUS_IN_WORDS[response.status]} {_seconds(last.duration_s)}"
    return f"{head}, after {failures}." if failures else f"{head}."


def _seconds(duration_s: float) -> str:
    # In the chat's words: nothing takes no time.
    return "under 0.1 s" if duration_s < _SHORTEST_SHOWN_S else f"{duration_s:.1f} s"


def _fate(kind: ErrorKind, attempt: Attempt) -> str:
    words = _KIND_IN_WORDS[kind]
    return f"was skipped because it {words} shortly before" if attempt.held_back else words


def _harmless(paragraphs: list[str]) -> str:
    # Each on its own, which closes what it left open: a fence would swallow the receipt. Then as a whole: what stands
    # before a text decides how a renderer reads it.
    return host_markdown("\n\n".join(map(host_markdown, paragraphs)))


def new_id() -> str:
    """A new UUID, as text."""
    return str(uuid.uuid4())


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)
