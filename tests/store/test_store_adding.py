"""A whole conversation is put in at once, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from convoscope_jupyter.errors import AlreadyStored, StoreError
from convoscope_jupyter.messages import Conversation
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import answered, new_conversation, new_turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "store.sqlite3"))
    yield store
    store.close()


def whole(*, name: str | None = None) -> Conversation:
    first = answered(new_turn("Why?"), "Because.", "Why not?")
    second = replace(answered(new_turn("And then?")), parent_id=first.id)
    return replace(new_conversation(title="Whys", name=name), turns=(first, second, new_turn("Unanswered")))


def test_what_is_put_in_comes_out_as_it_was(store: SqliteStore) -> None:
    conversation = whole(name="whys")
    store.add(conversation)

    assert conversation == store.get(conversation.id) == store.find_by_name("whys")


def test_nothing_of_it_awaits_an_answer(store: SqliteStore) -> None:
    conversation = whole()
    store.add(conversation)

    assert () == store.recover()
    assert conversation == store.get(conversation.id)


def test_a_conversation_that_is_there_stays_as_it_is(store: SqliteStore) -> None:
    conversation = whole()
    store.add(conversation)

    with pytest.raises(AlreadyStored, match="Open that one by its id"):
        store.add(replace(conversation, title="Other", turns=()))

    assert conversation == store.get(conversation.id)


def test_another_conversations_turn_is_not_taken_over_and_nothing_is_left_behind(store: SqliteStore) -> None:
    conversation = whole()
    store.add(conversation)
    thief = replace(whole(), turns=(new_turn("Mine"), conversation.turns[1]))

    with pytest.raises(AlreadyStored, match="Give this one a new id"):
        store.add(thief)

    assert (conversation, None) == (store.get(conversation.id), store.get(thief.id))


def test_a_name_that_is_taken_is_refused(store: SqliteStore) -> None:
    store.add(whole(name="whys"))

    with pytest.raises(StoreError, match="another conversation named 'whys'"):
        store.add(whole(name="whys"))
