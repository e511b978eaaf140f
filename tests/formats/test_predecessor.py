"""Conversations of the earlier app of this name."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from convoscope_jupyter import formats
from tests.formats.building import refused


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
