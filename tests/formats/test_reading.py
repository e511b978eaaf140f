"""Files that are not what they should be: each is refused in a sentence that says what to do."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convoscope_jupyter import formats
from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.formats import _reading
from convoscope_jupyter.messages import Conversation
from tests.formats.building import NOON, answered, attempt, chat
from tests.support.conversations import conversations

BOTH = pytest.mark.parametrize("name", ["chat.json", "chat.ipynb"])
SOUND = chat(
    answered("canary", "canary", attempts=(attempt(),)), answered("b", turn_id="turn-0002", parent_id="turn-0001")
)


def refused(text: str | bytes, name: str = "chat.json") -> ImportFormatError:
    with pytest.raises(ImportFormatError) as caught:
        formats.load(text, name=name)
    assert name == caught.value.path
    return caught.value


def changed(change: Callable[[dict[str, Any]], object], name: str = "chat.json") -> str:
    """A sound file after a change to its conversation."""
    if name.endswith(".json"):
        document = whole = json.loads(formats.dump(SOUND, ".json"))
    else:
        whole = json.loads(formats.dump(SOUND, ".ipynb"))
        document = whole["metadata"]["convoscope"]
    change(document["conversation"])
    return json.dumps(whole)


# --- not JSON --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("text", ["", " \n\t", b"", b"\xef\xbb\xbf", "\ufeff"], ids=repr)
def test_an_empty_file_is_told_as_empty(text: str | bytes, name: str) -> None:
    assert f"{name!r} is empty. Export the conversation again." == str(refused(text, name))


@BOTH
def test_a_file_cut_short_anywhere_breaks_off_at_its_last_line(name: str) -> None:
    text = formats.dump(SOUND, Path(name).suffix).rstrip()

    for length in range(1, len(text), 7):
        error = refused(text[:length], name)

        assert "breaks off" in str(error) or "is not JSON" in str(error)  # cut within a word such as "null"
        assert error.line in {text[:length].count("\n") + 1, text[:length].rstrip().count("\n") + 1}


@BOTH
def test_what_is_not_json_is_told_with_its_line(name: str) -> None:
    error = refused('{\n "format": "convoscope",\n canary\n}', name)

    assert 3 == error.line
    assert f"{name!r}, line 3, is not JSON. Export the conversation again, or take an undamaged copy." == str(error)


@BOTH
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_told(name: str, encoding: str) -> None:
    text = formats.dump(SOUND, Path(name).suffix)
    marked = ("\ufeff" if encoding[-2:] in {"le", "be"} else "") + text

    assert f"{name!r} is not UTF-8 text but UTF-16 or UTF-32. Save it as UTF-8." == str(
        refused(marked.encode(encoding), name)
    )


def test_bytes_that_are_no_utf8_are_told_with_their_line() -> None:
    error = refused(b'{\n "title": "\xe9t\xe9"\n}')

    assert (2, "'chat.json', line 2, is not UTF-8 text. Save it as UTF-8.") == (error.line, str(error))


@BOTH
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_byte_order_mark_is_no_damage(name: str, kind: type) -> None:
    text = "\ufeff" + formats.dump(SOUND, Path(name).suffix)

    assert SOUND == formats.load(text if kind is str else text.encode(), name=name)


@BOTH
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_file_that_is_too_large_is_not_even_parsed(name: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reading, "MAX_BYTES", 1_000_000)
    text = "[" * 1_500_000

    error = refused(text if kind is str else text.encode(), name)

    assert (
        f"{name!r} has more than 1 MB, which is as much as is read. "
        "Remove large images, or export a shorter conversation." == str(error)
    )


@BOTH
@pytest.mark.parametrize("depth", [900, 5_000, 1_000_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'], ids=["lists", "objects"])
def test_json_nested_deeply_is_refused(name: str, depth: int, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]

    refused(opening * depth + "1" + closing * depth, name)
    refused(
        changed(lambda c: c["turns"].append("@"), name).replace('"@"', opening * depth + "1" + closing * depth), name
    )
    refused(opening * depth, name)


@BOTH
def test_a_number_without_end_is_refused(name: str) -> None:
    text = changed(lambda c: c["turns"][0].update(chosen="@"), name).replace('"@"', "9" * 5_000)

    assert "holds a number that is too long" in str(refused(text, name))


# --- JSON, but not ours ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["{}", "3", "null", '"x"', '[{"role": "user"}]', "[1]", '{"format": "other"}', '{"cells": []}']
)
def test_other_json_is_told_from_a_conversation(text: str) -> None:
    expected = """'chat.json' is JSON, but not a conversation of Convoscope (no "format": "convoscope"). """
    assert str(refused(text)).startswith(expected)
    assert "'chat.ipynb' is JSON, but not a notebook." in str(refused(text, "chat.ipynb"))


@pytest.mark.parametrize(
    "metadata", [{}, None, [], 3, {"convoscope": None}, {"convoscope": {"conversation_id": "x"}}], ids=repr
)
def test_a_notebook_of_somebody_else_is_told(metadata: object) -> None:
    notebook = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []})

    assert (
        "'chat.ipynb' is a notebook, but not one exported by Convoscope, or its metadata was removed since. "
        "Choose a file that session.export() wrote."
    ) == str(refused(notebook, "chat.ipynb"))


@pytest.mark.parametrize("major", [3, 2, 0, -1, "4", None, 4.5, []], ids=repr)
def test_a_notebook_of_an_old_format_is_told(major: object) -> None:
    assert "is a notebook of a format before 4" in str(refused(json.dumps({"nbformat": major}), "chat.ipynb"))


@BOTH
@pytest.mark.parametrize("version", [2, 10**30])
def test_a_newer_version_is_told_with_its_number(name: str, version: int) -> None:
    text = formats.dump(SOUND, Path(name).suffix).replace('"version": 1', f'"version": {version}')

    assert (
        f"{name!r} was written by a newer convoscope_jupyter: format version {str(version)[:10]}, and this one reads "
        "version 1. Update convoscope_jupyter."
    ) == str(refused(text, name))


@pytest.mark.parametrize("version", ["0", "-1", '"1.0"', "null", "[]", "1.5"])
def test_a_version_that_is_none_is_damage(version: str) -> None:
    text = formats.dump(SOUND, ".json").replace('"version": 1', f'"version": {version}')

    assert "'chat.json' is damaged: version does not hold what it should." in str(refused(text))


# --- ours, but damaged -------------------------------------------------------------------------------

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
    text = formats.dump(SOUND, ".json").replace('"version": 1', '"version": 1, "mood": 1')

    assert "mood is not known to this version" in str(refused(text))


def test_a_document_without_its_conversation_is_told() -> None:
    text = '{"format": "convoscope", "version": 1}'

    assert "'chat.json' is damaged: conversation is missing." in str(refused(text))


@pytest.mark.timeout(20)  # half a second; gathering every mistake would take a minute and three gigabytes
@pytest.mark.parametrize("mistake", ["{}", "0", '{"id": []}', '{"' + '": 0, "'.join(map(str, range(100))) + '": 0}'])
def test_a_file_of_nothing_but_mistakes_is_refused_at_the_first(mistake: str) -> None:
    text = changed(lambda c: c.update(turns="@")).replace('"@"', f"[{', '.join([mistake] * 100_000)}]")

    assert "conversation.turns[0]" in str(refused(text))


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
    read_or_refuse(text, name)


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


# --- from the earlier app ----------------------------------------------------------------------------


def test_a_conversation_of_the_earlier_app_is_read() -> None:
    text = json.dumps([{"user": "Hi", "ai": "Hello", "model": "m"}, {"user": "Bye", "ai": ""}])

    loaded = formats.load(text, name="somewhere/dogs.json")

    assert "dogs" == loaded.title
    assert [("Hi", "Hello"), ("Bye", "")] == [(turn.prompt.text, turn.text) for turn in loaded.path()]
    assert ["complete", "failed"] == [turn.responses[0].status for turn in loaded.turns]
    assert [(), ()] == [turn.responses[0].attempts for turn in loaded.turns]
    assert loaded == formats.load(formats.dump(loaded, ".ipynb"), name="dogs.ipynb")


def test_the_same_words_are_the_same_conversation_and_others_another() -> None:
    first, again, other = (
        formats.load(json.dumps([{"user": user, "ai": "A"}, {"user": user, "ai": "A"}]), name=f"{user}.json")
        for user in ("x", "x", "y")
    )

    assert first == again
    ids = [read.id for read in (first, other)] + [turn.id for read in (first, other) for turn in read.turns]
    assert 6 == len(set(map(uuid.UUID, ids)))


def test_times_are_kept_where_the_earlier_app_wrote_them() -> None:
    times = ["yesterday", "2025-03-01T10:00:00+02:00", 7, "2025-03-01T09:00:00", "0001-01-01T00:00:00+05:00"]
    text = json.dumps([{"user": "?", "ai": "!", "timestamp": time} for time in times])

    loaded = formats.load(text, name="chat.json")

    hours = [datetime(1970, 1, 1, tzinfo=UTC), *(datetime(2025, 3, 1, hour, tzinfo=UTC) for hour in (8, 8, 9, 9))]
    assert hours == [turn.created_at for turn in loaded.turns]
    assert (hours[0], hours[-1]) == (loaded.created_at, loaded.updated_at)


def test_an_empty_list_is_a_conversation_that_nobody_has_begun() -> None:
    assert () == formats.load("[]", name="chat.json").turns


@pytest.mark.parametrize(
    "entry,told",
    [({"user": "x"}, "ai"), ({"ai": "x"}, "user"), ({"user": "x", "ai": None}, "ai"), ({"user": 3, "ai": ""}, "user")],
)
def test_an_entry_without_its_text_is_told(entry: dict[str, object], told: str) -> None:
    text = json.dumps([{"user": "a", "ai": "b"}, entry])

    assert (
        f"'chat.json' is a list of questions and answers, but entry 2 has no text {told!r}. "
        "Add it, or remove the entry."
    ) == str(refused(text))


# --- what reading costs ------------------------------------------------------------------------------


def test_the_package_loads_nothing_heavy_before_it_is_used() -> None:
    code = "import sys, convoscope_jupyter.formats\nprint(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert set() == {"nbformat", "markdown_it", "pydantic", "jsonschema", "convoscope_jupyter.formats._document"} & {
        *loaded
    }


def test_reading_json_loads_no_notebook_code_and_reading_runs_and_opens_nothing() -> None:
    hostile = formats.dump(
        chat(answered("%run evil.py", "```python\nimport os; os.system('touch evil')\n```")), ".ipynb"
    )
    code = (
        "import sys\n"
        "from convoscope_jupyter import formats\n"
        "json_text, notebook = sys.stdin.read().split('\\x1e')\n"
        "formats.load(json_text, name='chat.json')\n"
        "assert 'nbformat' not in sys.modules and 'markdown_it' not in sys.modules\n"
        "formats.load(notebook, name='chat.ipynb')\n"  # what is imported is imported now
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event))\n"
        "formats.load(notebook, name='chat.ipynb')\n"
        "formats.load(json_text, name='chat.json')\n"
        "harm = {'open', 'exec', 'compile', 'import', 'os', 'socket', 'subprocess'}\n"
        "print({event for event in seen if event.split('.')[0] in harm})"
    )
    both = f"{formats.dump(SOUND, '.json')}\x1e{hostile}"
    done = subprocess.run([sys.executable, "-c", code], input=both, capture_output=True, text=True, check=True)

    assert "set()\n" == done.stdout


@pytest.mark.timeout(20)  # about one second; what is quadratic takes minutes
def test_a_long_chain_into_a_circle_is_found_quickly() -> None:
    turn = json.loads(formats.dump(chat(answered("x")), ".json"))["conversation"]["turns"][0]
    names = [f"turn-{number:06}" for number in range(20_000)]
    turns = [
        turn | {"id": name, "parent_id": parent} for name, parent in zip(names, names[1:] + names[-2:-1], strict=True)
    ]

    assert "its own ancestor" in str(refused(changed(lambda c: c.update(turns=turns))))
