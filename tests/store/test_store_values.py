"""What goes into a store comes out of it, and only once."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from convoscope_jupyter.errors import StoreError, StoreUnavailable
from convoscope_jupyter.messages import (
    Attempt,
    Conversation,
    ImagePart,
    Message,
    ModelRef,
    ReasoningPart,
    Response,
    TextPart,
    Turn,
    Usage,
)
from convoscope_jupyter.store import ConversationSummary
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import NOON, answered, new_conversation, new_turn, response
from tests.support.conversations import ATTEMPTS, every


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


# --- every field ---------------------------------------------------------------------------------

PARTS = st.lists(every(TextPart) | every(ReasoningPart) | every(ImagePart), max_size=3).map(tuple)
RESPONSES = every(
    Response,
    message=every(Message, role=st.just("assistant"), parts=PARTS),
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    ids = draw(st.lists(st.uuids().map(str), max_size=3, unique=True))
    turns = [
        draw(
            every(
                Turn,
                id=st.just(turn_id),
                parent_id=st.sampled_from([None, *ids[:n]]),
                prompt=every(Message, role=st.just("user"), parts=PARTS),
                responses=st.lists(RESPONSES, max_size=2).map(tuple),
                chosen=st.integers(0, 1),
                continues=st.sampled_from([None, *ids[:n]]),
            )
        )
        for n, turn_id in enumerate(ids)
    ]
    conversation: Conversation = draw(every(Conversation, id=st.uuids().map(str), turns=st.just(tuple(turns))))
    return conversation


def write(store: SqliteStore, conversation: Conversation) -> None:
    for turn in conversation.turns:
        store.begin_turn(conversation, replace(turn, responses=()))
        store.finish_turn(conversation.id, turn)
    store.save_conversation(conversation)


@settings(max_examples=40, deadline=None)
@given(conversation=conversations())
def test_any_conversation_comes_back_as_it_was(conversation: Conversation) -> None:
    store = SqliteStore(":memory:")
    write(store, conversation)

    assert conversation == store.get(conversation.id)
    store.close()


@settings(max_examples=8, deadline=None)
@given(conversation=conversations())
def test_any_conversation_comes_back_from_a_file_that_was_closed(conversation: Conversation) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(f"{directory}/store.sqlite3")
        write(store, conversation)
        store.close()

        store = SqliteStore(f"{directory}/store.sqlite3")
        assert conversation == store.get(conversation.id)
        store.close()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        pytest.param("nul \0 nul", "nul \0 nul", id="NUL"),
        pytest.param("\ud83d\ude00", "\U0001f600", id="split pair"),
        pytest.param("high \ud83d.", "high �.", id="lone high surrogate"),
        pytest.param("\udc00 low", "� low", id="lone low surrogate"),
        pytest.param("﻿bom \U0001f600 é", "﻿bom \U0001f600 é", id="any other"),
    ],
)
def test_text_is_kept_as_far_as_utf8_can_hold_it(store: SqliteStore, written: str, kept: str) -> None:
    conversation = new_conversation(title=written, name=written, system=written)
    turn = answered(new_turn(written), written)
    store.begin_turn(conversation, turn)
    store.finish_turn(conversation.id, turn)

    loaded = store.find_by_name(written)

    assert loaded is not None
    assert (kept, kept, kept) == (loaded.title, loaded.name, loaded.system)
    assert (kept, kept) == (loaded.turns[0].prompt.text, loaded.turns[0].text)


def test_times_of_other_zones_are_kept_as_utc(store: SqliteStore) -> None:
    turn = new_turn(created_at=NOON.astimezone(timezone(timedelta(hours=-5))))
    conversation = new_conversation()
    store.begin_turn(conversation, turn)

    loaded = store.get(conversation.id)

    assert loaded is not None
    assert (NOON, UTC) == (loaded.turns[0].created_at, loaded.turns[0].created_at.tzinfo)


def test_numbers_that_no_column_holds_become_unknown_and_the_answer_is_kept(store: SqliteStore) -> None:
    attempt = Attempt(
        model=ModelRef(provider="p", name="m"),
        started_at=NOON,
        duration_s=float("nan"),
        retry_after_s=float("nan"),
        usage=Usage(input_tokens=2**63, output_tokens=-(2**70), reasoning_tokens=7),
        cost_usd=Decimal("NaN"),
    )
    turn = replace(new_turn(), responses=(replace(response(), attempts=(attempt,)),))
    store.finish_turn("c", turn)

    loaded = store.get("c")

    assert loaded is not None
    (kept,) = loaded.turns[0].responses[0].attempts
    assert Usage(reasoning_tokens=7) == kept.usage
    assert (None, None) == (kept.retry_after_s, kept.cost_usd)
    assert math.isnan(kept.duration_s)


# --- once ----------------------------------------------------------------------------------------


def test_beginning_a_turn_again_changes_nothing(store: SqliteStore) -> None:
    conversation = new_conversation(title="First")
    turn = new_turn()
    store.begin_turn(conversation, turn)
    once = store.get(conversation.id)
    store.begin_turn(replace(conversation, title="Second"), replace(turn, prompt=Message.user("Other words")))

    assert once == store.get(conversation.id)


def test_beginning_a_finished_turn_again_keeps_its_answer(store: SqliteStore) -> None:
    conversation = new_conversation()
    turn = new_turn()
    store.begin_turn(conversation, turn)
    store.finish_turn(conversation.id, answered(turn, "Yes"))
    store.begin_turn(conversation, turn)

    loaded = store.get(conversation.id)

    assert loaded is not None
    assert ["Yes"] == [turn.text for turn in loaded.turns]


def test_finishing_again_replaces_responses_and_attempts(store: SqliteStore) -> None:
    conversation = new_conversation()
    attempt = Attempt(model=ModelRef(provider="p", name="m"), started_at=NOON, duration_s=1.0)
    turn = replace(new_turn(), responses=(replace(response("A"), attempts=(attempt, attempt)), response("B")))
    store.begin_turn(conversation, turn)
    store.finish_turn(conversation.id, turn)
    last = replace(turn, responses=(replace(response("C"), attempts=(attempt,)),))
    store.finish_turn(conversation.id, last)

    loaded = store.get(conversation.id)

    assert loaded is not None
    assert (last,) == loaded.turns


def test_a_turn_that_was_never_begun_can_be_finished(store: SqliteStore) -> None:
    turn = answered(new_turn())
    store.finish_turn("never-begun", turn)

    loaded = store.get("never-begun")

    assert loaded is not None
    assert (turn,) == loaded.turns


@pytest.mark.parametrize("method", ["begin", "finish"])
def test_a_turn_cannot_move_to_another_conversation(store: SqliteStore, method: str) -> None:
    turn = new_turn()
    store.begin_turn(new_conversation(), turn)
    other = new_conversation()

    with pytest.raises(StoreError, match="belongs to another conversation"):
        store.begin_turn(other, turn) if method == "begin" else store.finish_turn(other.id, turn)
    assert store.get(other.id) is None


# --- conversations -------------------------------------------------------------------------------


def test_what_is_not_there_is_none(store: SqliteStore) -> None:
    assert (None, None, ()) == (store.get("nobody"), store.find_by_name("nobody"), store.list())


def test_turns_come_in_order_of_creation_whatever_their_clock_says(store: SqliteStore) -> None:
    conversation = new_conversation()
    turns = [new_turn(str(n), created_at=NOON - timedelta(hours=n)) for n in range(5)]
    for turn in turns:
        store.begin_turn(conversation, turn)

    loaded = store.get(conversation.id)

    assert loaded is not None
    assert ["0", "1", "2", "3", "4"] == [turn.prompt.text for turn in loaded.turns]


def test_history_lists_the_conversation_used_last_first(store: SqliteStore) -> None:
    first, second, empty = (new_conversation(title=title) for title in ("First", "Second", "Empty"))
    turn = new_turn()
    store.begin_turn(first, turn)
    store.begin_turn(second, new_turn())
    store.save_conversation(empty)
    before = [summary.title for summary in store.list()]
    store.finish_turn(first.id, turn)
    store.begin_turn(first, new_turn())

    assert ["Second", "First"] == before
    assert ["First", "Second"] == [summary.title for summary in store.list()]
    assert ["First"] == [summary.title for summary in store.list(limit=1)]
    assert () == store.list(limit=-1)
    assert [2, 1] == [summary.turn_count for summary in store.list()]


def test_a_summary_is_whole(store: SqliteStore) -> None:
    conversation = new_conversation(title="Title", name="name")
    store.begin_turn(conversation, new_turn())
    store.save_conversation(conversation)

    assert (
        ConversationSummary(id=conversation.id, title="Title", name="name", updated_at=NOON, turn_count=1),
    ) == store.list()


def test_saving_a_conversation_changes_all_but_its_turns(store: SqliteStore) -> None:
    conversation = new_conversation(title="Old", name="old", system="Old")
    turn = new_turn()
    store.begin_turn(conversation, turn)
    changed = replace(conversation, title="New", name=None, system=None, updated_at=NOON + timedelta(days=1))
    store.save_conversation(changed)

    assert replace(changed, turns=(turn,)) == store.get(conversation.id)
    assert store.find_by_name("old") is None


@pytest.mark.parametrize("method", ["begin", "save"])
def test_a_name_belongs_to_one_conversation(store: SqliteStore, method: str) -> None:
    store.begin_turn(new_conversation(name="thesis"), new_turn())
    other = new_conversation(name="thesis")

    with pytest.raises(StoreError, match=r"another conversation named 'thesis'\. Open that one by its name"):
        store.begin_turn(other, new_turn()) if method == "begin" else store.save_conversation(other)
    assert store.get(other.id) is None


# --- what others wrote into the file -------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE turn SET prompt = 'no JSON'", id="no JSON"),
        pytest.param('UPDATE turn SET prompt = \'[{"type": "spell"}]\'', id="unknown part"),
        pytest.param("UPDATE response SET status = 'dreaming'", id="unknown status"),
        pytest.param("UPDATE conversation SET created_at = 'yesterday'", id="no time"),
        pytest.param("UPDATE conversation SET created_at = x'00'", id="no text"),
        pytest.param("UPDATE turn SET prompt = '" + "[" * 100_000 + "'", id="too deep"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_without_its_words(store: SqliteStore, change: str) -> None:
    turn = answered(new_turn("canary"), "canary")
    store.finish_turn("damaged", turn)
    store.finish_turn("sound", new_turn("Hello"))
    assert store._connection is not None
    store._connection.execute(change + " WHERE rowid = 1")

    with pytest.raises(StoreUnavailable, match="cannot be read: it is damaged") as caught:
        store.get("damaged")
    assert "canary" not in str(caught.value)
    assert store.get("sound") is not None


def test_a_summary_that_cannot_be_read_is_told(store: SqliteStore) -> None:
    store.begin_turn(new_conversation(), new_turn())
    assert store._connection is not None
    store._connection.execute("UPDATE conversation SET updated_at = 'yesterday'")

    with pytest.raises(StoreUnavailable, match="cannot be read"):
        store.list()


def test_a_store_in_memory_makes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(":memory:")
    conversation = new_conversation()
    turn = new_turn()
    partial = store.open_partial(conversation.id, turn.id)
    store.begin_turn(conversation, turn)
    partial.append(0, text="Half")
    partial.close(folded=False)

    assert () == store.recover()
    assert ":memory:" == store.place
    store.close()
    assert [] == list(tmp_path.iterdir())
