"""What the browser and the kernel say to each other, and nothing else.

`Command` goes from the browser to the kernel, `Event` comes back. Both are closed unions. The
TypeScript in `js/src/core/protocol.ts` is generated from here: `python -m convoscope_jupyter.protocol`
prints the JSON Schema. No field may carry a key (a test walks the schema).

Text is measured in UTF-16 code units, which is what JavaScript calls `length`; a checksum is the
CRC-32 of the text's UTF-8 bytes.
"""

from __future__ import annotations

import json
import zlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema

from convoscope_jupyter._text import clean
from convoscope_jupyter.errors import MalformedCommand
from convoscope_jupyter.messages import Attempt, Health, ModelRef, Turn

PROTOCOL_VERSION: Literal[1] = 1
MAX_PROMPT_CHARACTERS = 1_000_000
TURNS_PER_PAGE = 50

_Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
_Route = Annotated[str, Field(min_length=1, max_length=2_000)]
_Prompt = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# --- browser -> kernel ---------------------------------------------------------------------------


class Hello(_Wire):
    """A view is there, or has lost its place. Answered by one `Snapshot`."""

    type: Literal["hello"] = "hello"
    protocol_version: int
    last_seq: int | None = None


class Submit(_Wire):
    """Ask. A `turn_id` that is known already changes nothing."""

    type: Literal["submit"] = "submit"
    turn_id: _Id
    text: _Prompt


class Retry(_Wire):
    """Ask an earlier turn's prompt again, as its sibling."""

    type: Literal["retry"] = "retry"
    turn_id: _Id
    """Of the new turn."""
    source_turn_id: _Id
    route: _Route | None = None


class Continue(_Wire):
    """Go on with an answer that broke off, in a turn of its own."""

    type: Literal["continue"] = "continue"
    turn_id: _Id
    """Of the new turn."""
    source_turn_id: _Id
    route: _Route | None = None


class Cancel(_Wire):
    """Stop the running answer. What came of it is kept."""

    type: Literal["cancel"] = "cancel"


class Configure(_Wire):
    """Change what the next question is sent with. An absent field stays as it is; `None` is a value."""

    type: Literal["configure"] = "configure"
    route: _Route | None = None
    """`None` here leaves the route as it is: a session always has one."""
    system: Annotated[str, Field(max_length=100_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None


class LoadEarlier(_Wire):
    """Page in the turns before the oldest one shown. Answered by `EarlierTurns`."""

    type: Literal["load_earlier"] = "load_earlier"
    before_turn_id: _Id


class OpenConversation(_Wire):
    """Go on with a stored conversation. Answered by a `Snapshot`."""

    type: Literal["open_conversation"] = "open_conversation"
    conversation_id: _Id


class NewConversation(_Wire):
    """Start afresh. Answered by a `Snapshot`."""

    type: Literal["new_conversation"] = "new_conversation"


class Rename(_Wire):
    """Give the conversation a title."""

    type: Literal["rename"] = "rename"
    title: Annotated[str, Field(min_length=1, max_length=200)]


class Export(_Wire):
    """Write the conversation into a new file beside the notebook. Answered by `Exported`."""

    type: Literal["export"] = "export"
    suffix: Literal[".ipynb", ".json"]


class ListModels(_Wire):
    """Ask a provider which models it has. Answered by `ModelsListed`."""

    type: Literal["list_models"] = "list_models"
    provider: Annotated[str, Field(min_length=1, max_length=64)]


class TryNow(_Wire):
    """Let the next question go to a provider that is held back. Answered by `StatusChanged`."""

    type: Literal["try_now"] = "try_now"
    provider: Annotated[str, Field(min_length=1, max_length=64)]


Command = Annotated[
    Hello
    | Submit
    | Retry
    | Continue
    | Cancel
    | Configure
    | LoadEarlier
    | OpenConversation
    | NewConversation
    | Rename
    | Export
    | ListModels
    | TryNow,
    Field(discriminator="type"),
]


# --- kernel -> browser ---------------------------------------------------------------------------


class HeldModel(_Wire):
    """A model of the route that is not asked first, while its provider may be."""

    model: str
    health: Literal["demoted", "cooling"]
    note: str | None
    retry_in_s: float | None


class ProviderInfo(_Wire):
    """One line of the model picker's status list."""

    name: str
    ready: bool
    key_source: str | None
    host: str | None
    remedy: str | None
    offline: bool
    models: tuple[str, ...]
    """Model ids worth offering: all of them once they were listed, a few before. Any other can be typed."""
    health: Health
    health_note: str | None
    """What went wrong last, when it is `demoted`, `cooling` or `failing`."""
    retry_in_s: float | None
    """How long it is still `demoted` or `cooling`; `None` while only another key, or "Try now", ends it."""
    held: tuple[HeldModel, ...]
    """Models of the route that stand worse than the provider."""


class SettingsInfo(_Wire):
    """What the next question is sent with."""

    route: str
    system: str | None
    temperature: float | None
    max_output_tokens: int | None


class ConversationInfo(_Wire):
    """A conversation without its turns."""

    id: str
    title: str
    updated_at: str
    """UTC, ISO 8601."""
    turn_count: int


class StoreInfo(_Wire):
    """Whether what is said is being kept."""

    saved: bool
    place: str
    """The file, or a few words when there is none."""
    problem: str | None
    """What is wrong and what to do, when something is."""


class RunningTurn(_Wire):
    """The answer being written, as far as it has come."""

    turn_id: str
    model: ModelRef | None
    attempts: tuple[Attempt, ...]
    """Those that have failed already."""
    text: str
    reasoning: str
    elapsed_s: float
    retry_in_s: float | None
    """How long until `model` is asked again; `None` while it is being asked."""


class _Numbered(_Wire):
    seq: int
    """Counts every event to a view by one. A gap means one was lost: say hello again."""


class Snapshot(_Numbered):
    """Everything a view needs, at once. `seq` is that of the last event it already holds."""

    type: Literal["snapshot"] = "snapshot"
    protocol_version: int
    conversation: ConversationInfo
    turns: tuple[Turn, ...]
    """The newest ones of the path, oldest first."""
    has_earlier: bool
    running: RunningTurn | None
    settings: SettingsInfo
    providers: tuple[ProviderInfo, ...]
    store: StoreInfo
    resumable: ConversationInfo | None
    """The conversation that "Continue …" offers to bring back in a fresh chat."""


class TurnStarted(_Numbered):
    """The prompt is on disk and is being asked."""

    type: Literal["turn_started"] = "turn_started"
    turn: Turn


class AttemptBegun(_Numbered):
    """A model is being asked. What an earlier attempt reasoned is dropped: reasoning offsets start at 0 again."""

    type: Literal["attempt_begun"] = "attempt_begun"
    turn_id: str
    index: int
    model: ModelRef


class AttemptOver(_Numbered):
    """A model failed; another may follow."""

    type: Literal["attempt_over"] = "attempt_over"
    turn_id: str
    index: int
    attempt: Attempt


class RetryScheduled(_Numbered):
    """Every model has failed; one of them is asked again in a while, unless the person stops it."""

    type: Literal["retry_scheduled"] = "retry_scheduled"
    turn_id: str
    model: ModelRef
    delay_s: float


class Delta(_Numbered):
    """More of the answer. A wrong offset means something was lost: say hello again."""

    type: Literal["delta"] = "delta"
    turn_id: str
    text_offset: int
    text: str
    reasoning_offset: int
    reasoning: str


class TurnEnded(_Numbered):
    """The turn is stored. Its text was sent already; length and checksum tell whether all of it arrived."""

    type: Literal["turn_ended"] = "turn_ended"
    turn: Turn
    """Its responses without their messages' parts."""
    text_length: int
    text_crc32: int
    reasoning_length: int


class EarlierTurns(_Numbered):
    """A page of older turns."""

    type: Literal["earlier_turns"] = "earlier_turns"
    turns: tuple[Turn, ...]
    has_earlier: bool


class StatusChanged(_Numbered):
    """Settings, providers, title or store are not what they were."""

    type: Literal["status_changed"] = "status_changed"
    conversation: ConversationInfo
    settings: SettingsInfo
    providers: tuple[ProviderInfo, ...]
    store: StoreInfo


class Exported(_Numbered):
    """The conversation is in a file."""

    type: Literal["exported"] = "exported"
    path: str
    """Relative to the kernel's working directory, which is the notebook's folder."""


class ModelsListed(_Numbered):
    """What a provider says it has. The ids also come with every `ProviderInfo` from now on."""

    type: Literal["models_listed"] = "models_listed"
    provider: str
    models: tuple[str, ...]
    problem: str | None
    """Why there is no list, with the remedy."""


class Rejected(_Numbered):
    """A command was not carried out. Nothing was sent and nothing is lost."""

    type: Literal["rejected"] = "rejected"
    command: str
    turn_id: str | None
    message: str
    """One sentence that ends with the remedy."""


Event = Annotated[
    Snapshot
    | TurnStarted
    | AttemptBegun
    | AttemptOver
    | RetryScheduled
    | Delta
    | TurnEnded
    | EarlierTurns
    | StatusChanged
    | Exported
    | ModelsListed
    | Rejected,
    Field(discriminator="type"),
]

_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_REMEDY = "Reload the page; if it stays, restart the kernel."
# Where pydantic's own words would repeat what was sent.
_WITHOUT_NAMES = {
    "extra_forbidden": "a field that is not one of the command's",
    "union_tag_invalid": "no known type",
    "union_tag_not_found": "no known type",
}


def parse_command(content: object) -> Command:
    """Read what the front end sent.

    Args:
        content: The message's content, decoded from JSON.

    Returns:
        The command.

    Raises:
        MalformedCommand: It is none; the message says which field is wrong, never its value.
    """
    try:
        # Through JSON: the wire has lists where strict validation of Python objects wants tuples.
        return _COMMAND.validate_json(_json(content))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "message"
        what = _WITHOUT_NAMES.get(first["type"]) or f"{place}: {first['msg']}"
        text = f"the chat sent a message the kernel cannot read ({what}). {_REMEDY}"
        raise MalformedCommand(text) from None
    except (TypeError, ValueError, RecursionError):
        text = f"the chat sent a message that is not JSON. {_REMEDY}"
        raise MalformedCommand(text) from None


def _json(content: object) -> bytes:
    # JavaScript can hold half an emoji: it becomes the replacement character, as in its own TextEncoder.
    return clean(json.dumps(content, ensure_ascii=False, allow_nan=False)).encode()


def dump_event(event: Event) -> dict[str, object]:
    """An event as JSON-ready data.

    Args:
        event: Any event.

    Returns:
        Plain dicts, lists, strings and numbers.
    """
    dumped: dict[str, object] = _EVENT.dump_python(event, mode="json")
    return dumped


def text_length(text: str) -> int:
    """Length in UTF-16 code units, as JavaScript counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def text_crc32(text: str) -> int:
    """CRC-32 of the UTF-8 bytes; a lone surrogate counts as U+FFFD, as in JavaScript's TextEncoder."""
    return zlib.crc32(clean(text).encode())


def json_schema() -> dict[str, object]:
    """The JSON Schema of both unions, as properties `command` and `event`.

    Returns:
        A JSON Schema (draft 2020-12) with every message under `$defs`.
    """

    class Protocol(BaseModel):
        """The wire protocol between the browser and the kernel."""

        command: Command
        event: Event

    _, schema = models_json_schema([(Protocol, "serialization")])
    definitions = schema["$defs"]
    top = definitions.pop("Protocol")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": definitions}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, sort_keys=True))  # noqa: T201 - printing is what it is for
