"""Files of ours that are not what they should be: mended where nothing is lost by it, else refused with the place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convoscope_jupyter import formats
from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.messages import Conversation
from tests.formats.building import BOTH, NOON, SOUND, answered, changed, chat, refused
from tests.support.conversations import conversations

# --- refused -----------------------------------------------------------------------------------------


A = "turns", 0
DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no id": (lambda c: c.pop("id"), "conversation.id is missing"),
    "id that climbs": (lambda c: c.update(id="../../canary"), "conversation.id is not an id"),
    "id with a newline": (lambda c: c.update(id="chat-0001\n"), "conversation.id is not an id"),
    "id that is short": (lambda c: c.update(id="c"), "conversation.id is not an id"),
    "id that is long": (lambda c: c.update(id="c" * 65), "conversation.id is not an id"),
    "id that is an option": (lambda c: c.update(id="-rf-canary"), "conversation.id is not an id"),
    "id of a device": (lambda c: c.update(id="CON"), "conversation.id is not an id"),
    "id in other digits": (lambda c: c.update(id="\u0661" * 8), "conversation.id is not an id"),
    "id that is a number": (lambda c: c.update(id=12345678), "conversation.id does not hold what it should"),
    "turn's id": (lambda c: c["turns"][0].update(id="a/canary"), "conversation.turns[0].id is not an id"),
    "parent's id": (lambda c: c["turns"][1].update(parent_id=""), "conversation.turns[1].parent_id is not an id"),
    "continued id": (lambda c: c["turns"][1].update(continues=".."), "conversation.turns[1].continues is not an id"),
    "turn twice": (
        lambda c: c["turns"][1].update(id="turn-0001", parent_id=None),
        "conversation.turns[1].id is the id of an earlier turn as well",
    ),
    "its own parent": (
        lambda c: c["turns"][0].update(parent_id="turn-0001"),
        "conversation.turns holds a turn that is its own ancestor",
    ),
    "circle": (
        lambda c: c["turns"][0].update(parent_id="turn-0002"),
        "conversation.turns holds a turn that is its own ancestor",
    ),
    "role of the prompt": (
        lambda c: c["turns"][0]["prompt"].update(role="assistant"),
        "conversation.turns[0].prompt.role is not that of a user",
    ),
    "role of the answer": (
        lambda c: c["turns"][0]["responses"][0]["message"].update(role="user"),
        "conversation.turns[0].responses holds a message whose role is not that of an assistant",
    ),
    "unknown role": (
        lambda c: c["turns"][0]["prompt"].update(role="canary"),
        "conversation.turns[0].prompt.role does not hold what it should",
    ),
    "unknown part": (
        lambda c: c["turns"][0]["prompt"].update(parts=[{"type": "canary"}]),
        "conversation.turns[0].prompt.parts[0] is not a part of a message",
    ),
    "image of another kind": (
        lambda c: c["turns"][0]["prompt"].update(
            parts=[{"type": "image", "media_type": "image/svg+xml", "data_base64": ""}]
        ),
        "conversation.turns[0].prompt.parts[0].media_type does not hold what it should",
    ),
    "part that is none": (
        lambda c: c["turns"][0]["prompt"].update(parts=["canary"]),
        "conversation.turns[0].prompt.parts[0] is not a part of a message",
    ),
    "image that is markup": (
        lambda c: c["turns"][0]["prompt"].update(
            parts=[{"type": "image", "media_type": "image/png", "data_base64": '"><b>'}]
        ),
        "conversation.turns[0] holds an image that is not base64",
    ),
    "turns that are none": (lambda c: c.update(turns={}), "conversation.turns does not hold what it should"),
    "turn that is none": (lambda c: c["turns"].append(None), "conversation.turns[2] does not hold what it should"),
    "time": (lambda c: c.update(created_at="canary"), "conversation.created_at does not hold what it should"),
    "status": (
        lambda c: c["turns"][0]["responses"][0].update(status="canary"),
        "conversation.turns[0].responses[0].status does not hold what it should",
    ),
    "price": (
        lambda c: c["turns"][0]["responses"][0]["attempts"][0].update(cost_usd="canary"),
        "conversation.turns[0].responses[0].attempts[0].cost_usd does not hold what it should",
    ),
}


@BOTH
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_with_its_place_and_without_the_words_of_the_file(damage: str, name: str) -> None:
    change, expected = DAMAGES[damage]

    error = refused(changed(change, name), name)

    assert f"{name!r} is damaged: {expected}. Export the conversation again, or take an undamaged copy." == str(error)
    assert error.__cause__ is None
    assert "canary" not in str(error)


def test_a_time_beyond_the_calendar_is_told() -> None:
    text = changed(lambda c: c.update(created_at="0001-01-01T00:00:00+05:00"))

    assert "conversation holds a time before the year 1 or after 9999" in str(refused(text))


@pytest.mark.parametrize(
    "field,told",
    [
        pytest.param("mood", "conversation.turns[0].mood", id="name"),
        pytest.param("a b", "a field of conversation.turns[0]", id="no name"),
        pytest.param("x" * 500, "a field of conversation.turns[0]", id="long"),
        pytest.param("gsk_" + "a1B2" * 8, "conversation.turns[0].gsk_…", id="key"),
    ],
)
def test_a_field_that_would_be_lost_is_refused_by_its_name(field: str, told: str) -> None:
    error = refused(changed(lambda c: c["turns"][0].update({field: "canary"})))

    assert (
        f"'chat.json' cannot be read without loss: {told} is not known to this version. "
        "Update convoscope_jupyter, or remove the field."
    ) == str(error)


def test_a_field_beside_the_conversation_is_refused_too() -> None:
    text = formats.dump(SOUND, ".json").replace('"version": 2', '"version": 2, "mood": 1')

    assert "mood is not known to this version" in str(refused(text))


def test_a_document_without_its_conversation_is_told() -> None:
    text = '{"format": "convoscope", "version": 1}'

    assert "'chat.json' is damaged: conversation is missing." in str(refused(text))


@pytest.mark.timeout(20)  # half a second; gathering every mistake would take a minute and three gigabytes
@pytest.mark.parametrize("mistake", ["{}", "0", '{"id": []}', '{"' + '": 0, "'.join(map(str, range(100))) + '": 0}'])
def test_a_file_of_nothing_but_mistakes_is_refused_at_the_first(mistake: str) -> None:
    text = changed(lambda c: c.update(turns="@")).replace('"@"', f"[{', '.join([mistake] * 100_000)}]")

    assert "conversation.turns[0]" in str(refused(text))


@pytest.mark.timeout(20)  # about one second; what is quadratic takes minutes
def test_a_long_chain_into_a_circle_is_found_quickly() -> None:
    turn = json.loads(formats.dump(chat(answered("x")), ".json"))["conversation"]["turns"][0]
    names = [f"turn-{number:06}" for number in range(20_000)]
    turns = [
        turn | {"id": name, "parent_id": parent} for name, parent in zip(names, names[1:] + names[-2:-1], strict=True)
    ]

    assert "its own ancestor" in str(refused(changed(lambda c: c.update(turns=turns))))


# --- mended ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [1, -1, 10**30])
def test_a_chosen_answer_that_is_not_there_becomes_the_first(chosen: int) -> None:
    assert SOUND == formats.load(changed(lambda c: c["turns"][0].update(chosen=chosen)), name="chat.json")


def test_a_time_without_a_zone_is_read_as_utc() -> None:
    loaded = formats.load(changed(lambda c: c.update(created_at="2026-11-22T12:00:00")), name="chat.json")

    assert (NOON, UTC) == (loaded.created_at, loaded.created_at.tzinfo)


def test_half_a_surrogate_pair_becomes_the_replacement_sign() -> None:
    text = changed(lambda c: c.update(title="\ud83d \ud83d\ude00", system="\\ud83d"))

    loaded = formats.load(text, name="chat.json")

    assert ("� \U0001f600", "\\ud83d") == (loaded.title, loaded.system)


def test_a_parent_that_is_not_in_the_file_begins_a_path() -> None:
    loaded = formats.load(changed(lambda c: c["turns"][0].update(parent_id="turn-9999")), name="chat.json")

    assert ["turn-0001", "turn-0002"] == [turn.id for turn in loaded.path()]


def test_turns_may_stand_in_any_order() -> None:
    loaded = formats.load(changed(lambda c: c["turns"].reverse()), name="chat.json")

    assert ["turn-0002", "turn-0001"] == [turn.id for turn in loaded.turns]


# --- anything at all ---------------------------------------------------------------------------------


def read_or_refuse(text: str | bytes, name: str) -> Conversation | None:
    try:
        return formats.load(text, name=name)
    except ImportFormatError as error:
        assert str(error).endswith(".")  # noqa: PT017 - whether it is raised is open
        return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@BOTH
@settings(max_examples=150, deadline=None)
@given(text=st.binary() | st.text() | JSON.map(json.dumps))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str | bytes, name: str) -> None:
    loaded = read_or_refuse(text, name)

    assert loaded is None or () == loaded.turns  # an empty list is an empty conversation of the earlier app


def places(value: object) -> list[tuple[Any, Any]]:
    """Every place in a JSON value at which something stands: container and key."""
    items: list[tuple[Any, Any]] = []
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        items += [(value, key), *places(value[key])]  # type: ignore[index]  # one of the two
    return items


@BOTH
@settings(max_examples=150, deadline=None)
@given(conversation=conversations(max_turns=2), junk=JSON, data=st.data())
def test_whatever_stands_in_a_field_it_is_read_or_refused(
    conversation: Conversation, junk: object, data: st.DataObject, name: str
) -> None:
    value = json.loads(formats.dump(conversation, Path(name).suffix))
    container, key = data.draw(st.sampled_from(places(value)))
    container[key] = copy.deepcopy(junk)

    loaded = read_or_refuse(json.dumps(value), name)

    if loaded is not None:
        text = formats.dump(loaded, ".json")
        assert text == formats.dump(formats.load(text, name="again.json"), ".json")
