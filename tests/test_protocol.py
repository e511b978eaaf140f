"""The wire: what goes through it, what does not, and what it may never carry."""

from __future__ import annotations

import json
import re
import runpy
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import example, given, strategies as st

from convoscope_jupyter import protocol
from convoscope_jupyter.errors import MalformedCommand
from convoscope_jupyter.messages import (
    Attempt,
    ImagePart,
    Message,
    ModelRef,
    ReasoningPart,
    Response,
    TextPart,
    Turn,
    Usage,
)
from convoscope_jupyter.protocol import Command, Event, dump_event, json_schema, parse_command, text_crc32, text_length

REF = ModelRef(provider="openai", name="gpt-5-mini")
ATTEMPT = Attempt(
    model=REF,
    started_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    duration_s=1.5,
    error_kind="rate_limited",
    error_message="Too many.",
    usage=Usage(input_tokens=3, cached_input_tokens=1),
    cost_usd=Decimal("0.00012"),
    price_source="genai-prices 0.2.3",
)
TURN = Turn(
    id="t1",
    parent_id=None,
    prompt=Message(role="user", parts=(TextPart(text="Hi"), ImagePart(media_type="image/png", data_base64="aGk="))),
    created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    responses=(
        Response(
            message=Message(role="assistant", parts=(ReasoningPart(text="hm"), TextPart(text="Hello 👋"))),
            status="complete",
            attempts=(ATTEMPT,),
            finish_reason="stop",
        ),
    ),
)
CONVERSATION = protocol.ConversationInfo(id="c", title="Hi", updated_at="2026-01-01T12:00:00Z", turn_count=1)
SETTINGS = protocol.SettingsInfo(route="openai:gpt-5-mini", system=None, temperature=0.5, max_output_tokens=None)
PROVIDER = protocol.ProviderInfo(
    name="openai",
    ready=True,
    key_source="./.env",
    host=None,
    remedy=None,
    offline=False,
    models=("gpt-5-mini",),
    health="cooling",
    health_note="OpenAI had too many requests with this key (429).",
    retry_in_s=4.5,
    held=(protocol.HeldModel(model="large", health="cooling", note="Wait.", retry_in_s=None),),
)
STORE = protocol.StoreInfo(saved=True, place="/x.sqlite3", problem=None)

COMMANDS: list[Command] = [
    protocol.Hello(protocol_version=1, last_seq=7),
    protocol.Submit(turn_id="t-1", text="Hi"),
    protocol.Retry(turn_id="t-2", source_turn_id="t-1", route="demo:tour"),
    protocol.Continue(turn_id="t-2", source_turn_id="t-1"),
    protocol.Cancel(),
    protocol.Configure(route="demo:tour", system="Be brief.", temperature=2.0, max_output_tokens=1),
    protocol.LoadEarlier(before_turn_id="t-1"),
    protocol.OpenConversation(conversation_id="c-1"),
    protocol.NewConversation(),
    protocol.Rename(title="Sorting"),
    protocol.Export(suffix=".ipynb"),
    protocol.ListModels(provider="openai"),
    protocol.TryNow(provider="openai"),
]
EVENTS: list[Event] = [
    protocol.Snapshot(
        seq=3,
        protocol_version=1,
        conversation=CONVERSATION,
        turns=(TURN,),
        has_earlier=False,
        running=protocol.RunningTurn(
            turn_id="t2", model=REF, attempts=(ATTEMPT,), text="He", reasoning="hm", elapsed_s=0.5, retry_in_s=None
        ),
        settings=SETTINGS,
        providers=(PROVIDER,),
        store=STORE,
        resumable=CONVERSATION,
    ),
    protocol.TurnStarted(seq=4, turn=TURN),
    protocol.AttemptBegun(seq=5, turn_id="t1", index=0, model=REF),
    protocol.AttemptOver(seq=6, turn_id="t1", index=0, attempt=ATTEMPT),
    protocol.RetryScheduled(seq=14, turn_id="t1", model=REF, delay_s=7.5),
    protocol.Delta(seq=7, turn_id="t1", text_offset=0, text="Hel", reasoning_offset=2, reasoning=""),
    protocol.TurnEnded(seq=8, turn=TURN, text_length=8, text_crc32=1, reasoning_length=2),
    protocol.EarlierTurns(seq=9, turns=(TURN,), has_earlier=True),
    protocol.StatusChanged(seq=10, conversation=CONVERSATION, settings=SETTINGS, providers=(PROVIDER,), store=STORE),
    protocol.Exported(seq=12, path="sorting.ipynb"),
    protocol.ModelsListed(seq=13, provider="openai", models=("gpt-5-mini",), problem=None),
    protocol.Rejected(seq=11, command="submit", turn_id=None, message="The prompt is empty. Write a question first."),
]


def members(union: object) -> set[type]:
    return set(get_args(get_args(union)[0]))


def type_of(message: object) -> str:
    return type(message).__name__


def test_the_examples_are_one_of_every_message() -> None:
    assert members(Command) == {type(command) for command in COMMANDS}
    assert members(Event) == {type(event) for event in EVENTS}


@pytest.mark.parametrize("command", COMMANDS, ids=type_of)
def test_every_command_arrives_as_it_was_sent(command: Command) -> None:
    assert command == parse_command(json.loads(command.model_dump_json()))


@pytest.mark.parametrize("event", EVENTS, ids=type_of)
def test_every_event_arrives_as_it_was_sent(event: Event) -> None:
    assert event == protocol._EVENT.validate_json(json.dumps(dump_event(event)))


def test_an_event_is_plain_data_with_exact_sums() -> None:
    dumped = dump_event(protocol.AttemptOver(seq=6, turn_id="t1", index=0, attempt=ATTEMPT))

    assert "attempt_over" == dumped["type"]
    assert '"cost_usd": "0.00012"' in json.dumps(dumped)
    assert '"started_at": "2026-01-01T12:00:00Z"' in json.dumps(dumped)


@given(text=st.text(max_size=200))
def test_any_text_can_be_asked(text: str) -> None:
    assert protocol.Submit(turn_id="t", text=text) == parse_command({"type": "submit", "turn_id": "t", "text": text})


def test_half_an_emoji_is_asked_as_a_replacement_character() -> None:
    command = parse_command({"type": "submit", "turn_id": "t", "text": "a\ud83d b \U0001f44b"})

    assert protocol.Submit(turn_id="t", text="a\ufffd b 👋") == command


def test_a_field_that_is_left_out_of_configure_is_told_from_one_that_is_none() -> None:
    command = parse_command({"type": "configure", "temperature": None})

    assert {"type", "temperature"} == command.model_fields_set


def nested(depth: int) -> list[object]:
    found: list[object] = []
    for _ in range(depth):
        found = [found]
    return found


CANARY = "sk-canary-1234567890"
MALFORMED = {
    "nothing": None,
    "text": CANARY,
    "list": [CANARY],
    "no type": {"text": CANARY},
    "unknown type": {"type": CANARY},
    "type of another kind": {"type": [CANARY]},
    "unknown field": {"type": "cancel", CANARY: CANARY},
    "missing field": {"type": "submit", "text": CANARY},
    "number for text": {"type": "submit", "turn_id": "t", "text": 7},
    "text for a number": {"type": "hello", "protocol_version": CANARY},
    "boolean for a number": {"type": "hello", "protocol_version": True},
    "id with other signs": {"type": "submit", "turn_id": f"../{CANARY}", "text": "x"},
    "id too long": {"type": "submit", "turn_id": CANARY * 9, "text": "x"},
    "empty id": {"type": "load_earlier", "before_turn_id": ""},
    "prompt too long": {"type": "submit", "turn_id": "t", "text": CANARY * 60_000},
    "too warm": {"type": "configure", "temperature": 2.1},
    "infinitely warm": {"type": "configure", "temperature": float("inf")},
    "no number": {"type": "configure", "temperature": float("nan")},
    "no room for an answer": {"type": "configure", "max_output_tokens": 0},
    "empty route": {"type": "configure", "route": ""},
    "empty title": {"type": "rename", "title": ""},
    "bytes": {"type": "submit", "turn_id": "t", "text": CANARY.encode()},
    "a set": {CANARY},
    "too deep": nested(100_000),
    "a huge number": {"type": "hello", "protocol_version": 10**5000},
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_command_is_refused_in_a_sentence_that_does_not_repeat_it(content: object) -> None:
    with pytest.raises(MalformedCommand) as refused:
        parse_command(content)

    sentence = str(refused.value)
    assert re.fullmatch(r"the chat sent a message .+\. Reload the page; if it stays, restart the kernel\.", sentence)
    assert "canary" not in sentence
    assert len(sentence) < 300
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "content,expected",
    [
        pytest.param({"type": "submit", "turn_id": "t"}, "(submit.text: Field required)", id="missing"),
        pytest.param({"type": "exec"}, "(no known type)", id="unknown type"),
        pytest.param({"type": "cancel", "x": 1}, "(a field that is not one of the command's)", id="unknown field"),
        pytest.param({1, 2}, "that is not JSON", id="not JSON"),
    ],
)
def test_the_sentence_says_what_is_wrong(content: object, expected: str) -> None:
    with pytest.raises(MalformedCommand, match=re.escape(expected)):
        parse_command(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    content=json_values
    | st.fixed_dictionaries({"type": st.sampled_from(["submit", "hello", "configure"]), "text": json_values})
)
@example(content={"type": "\ud800"})
@example(content={"\ud800": 1})
def test_whatever_is_sent_is_a_command_or_is_refused(content: object) -> None:
    try:
        command = parse_command(content)
    except MalformedCommand:
        return
    assert type(command) in members(Command)


# --- measures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,length,utf8",
    [
        pytest.param("", 0, b"", id="empty"),
        pytest.param("Hello", 5, b"Hello", id="ascii"),
        pytest.param("é", 1, b"\xc3\xa9", id="two bytes"),
        pytest.param("👋", 2, b"\xf0\x9f\x91\x8b", id="two code units"),
        pytest.param("\ud83d", 1, b"\xef\xbf\xbd", id="half an emoji"),
    ],
)
def test_text_is_measured_as_javascript_does(text: str, length: int, utf8: bytes) -> None:
    assert (length, zlib.crc32(utf8)) == (text_length(text), text_crc32(text))


def test_the_checksum_is_the_usual_crc_32() -> None:
    assert 0xCBF43926 == text_crc32("123456789")


@given(text=st.text(alphabet=st.characters()))
def test_half_an_emoji_counts_as_the_replacement_character(text: str) -> None:
    shown = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    assert text_crc32(shown) == text_crc32(text)
    assert len(text.encode("utf-16-le", "surrogatepass")) == 2 * text_length(text)


# --- the schema --------------------------------------------------------------------------------------


def properties(schema: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for name, value in schema.items():
        if isinstance(value, dict):
            if name == "properties":
                yield from value.items()
            yield from properties(value)
        elif isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict):
                    yield from properties(entry)


SCHEMA = json_schema()
CREDENTIAL = re.compile(r"key|secret|credential|password|passwd|authori[sz]ation|bearer|token(?!s\b)", re.IGNORECASE)


def test_the_walk_through_the_schema_sees_every_field_of_every_message() -> None:
    seen = {name for name, _ in properties(SCHEMA)}

    for message in (*COMMANDS, *EVENTS):
        assert set(type(message).model_fields) <= seen
    assert {"error_message", "cached_input_tokens", "data_base64", "text_crc32"} <= seen


def test_no_field_of_the_protocol_carries_a_key() -> None:
    # `key_source` is words for people, such as "./.env"; the next test holds it to that.
    suspects = {name for name, _ in properties(SCHEMA) if CREDENTIAL.search(name)} - {"key_source"}
    described = {
        name
        for name, value in properties(SCHEMA)
        if CREDENTIAL.search(str(value.get("description", "")).replace(" tokens", ""))
    }

    assert (set(), set()) == (suspects, described)


def test_where_a_key_comes_from_is_a_few_words_and_no_key() -> None:
    from convoscope_jupyter import config  # noqa: PLC0415 - only this test

    config.set_key("openai", CANARY)
    source = config.credential("openai").source

    assert "cv.set_key" == source


def test_the_schema_is_closed_no_message_takes_other_fields() -> None:
    definitions = SCHEMA["$defs"]
    assert isinstance(definitions, dict)

    for message in (*COMMANDS, *EVENTS):
        assert definitions[type(message).__name__]["additionalProperties"] is False


def test_run_as_a_program_it_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(protocol.__file__, run_name="__main__")

    assert SCHEMA == json.loads(capsys.readouterr().out)
