"""What a killed kernel leaves is found, and what this one is doing is left alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from convoscope_jupyter.errors import StoreBusy, StoreError
from convoscope_jupyter.messages import Message, Response
from convoscope_jupyter.store import _partial
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import (
    CONVERSATION,
    SHARED,
    answered,
    killed_while_answering,
    new_conversation,
    new_turn,
    posix,
    response,
    side_files,
    turns,
)

# --- this kernel's own answers -------------------------------------------------------------------


@pytest.mark.parametrize("order", ["side file first", "turn first"])
def test_a_finished_turn_leaves_no_side_file(store: SqliteStore, path: Path, order: str) -> None:
    turn = new_turn()
    if order == "turn first":
        store.begin_turn(SHARED, turn)
    partial = store.open_partial(CONVERSATION, turn.id)
    if order == "side file first":
        store.begin_turn(SHARED, turn)
    partial.append(0, text="Because")
    during = side_files(path)
    store.finish_turn(
        CONVERSATION, replace(turn, responses=(Response(message=Message(role="assistant"), status="complete"),))
    )
    partial.close(folded=True)
    partial.append(0, text=" of nothing")

    assert [turn.id] == during
    assert [] == side_files(path)
    assert () == store.recover()


def test_recovery_leaves_the_own_running_turn_alone(store: SqliteStore) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)

    assert () == store.recover()
    assert () == turns(store)[turn.id].responses


def test_a_turn_that_is_begun_twice_keeps_its_one_side_file(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    partial = store.open_partial(CONVERSATION, turn.id)
    store.begin_turn(SHARED, turn)

    assert partial is store.open_partial(CONVERSATION, turn.id)
    assert [turn.id] == side_files(path)


def test_beginning_a_finished_turn_leaves_no_side_file(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    store.finish_turn(CONVERSATION, turn)
    store.begin_turn(SHARED, turn)

    assert [] == side_files(path)


def test_a_turn_that_could_not_be_begun_leaves_no_side_file(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    store.finish_turn(CONVERSATION, turn)
    with pytest.raises(StoreError, match="belongs to another conversation"):
        store.begin_turn(new_conversation(), turn)

    assert [] == side_files(path)


def test_a_side_file_opened_first_outlives_a_failure_to_begin(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = new_turn()
    partial = store.open_partial(CONVERSATION, turn.id)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_touch", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.begin_turn(SHARED, turn)
    partial.append(0, text="Half")
    left = side_files(path)
    partial.close(folded=True)

    assert [turn.id] == left
    assert [] == side_files(path)
    store.begin_turn(SHARED, turn)
    assert [turn.id] == side_files(path)


def test_an_answer_that_could_not_be_saved_is_found_later(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    partial = store.open_partial(CONVERSATION, turn.id)
    partial.append(0, text="Half")
    partial.close(folded=False)
    partial.close(folded=False)

    assert (turn.id,) == store.recover()
    assert "Half" == turns(store)[turn.id].text
    assert [] == side_files(path)


def test_the_answer_itself_still_replaces_what_was_recovered(store: SqliteStore, path: Path) -> None:
    turn = killed_while_answering(path, "Half")
    store.recover()
    store.finish_turn(CONVERSATION, answered(turn, "Half whole."))

    assert (response("Half whole."),) == turns(store)[turn.id].responses


@pytest.mark.parametrize("turn_id", ["../../etc/passwd", "CON", "", "a" * 65, "12345678/90", "nul\0nul\0nul", "é" * 20])
def test_an_id_that_could_name_any_file_is_refused(store: SqliteStore, path: Path, turn_id: str) -> None:
    with pytest.raises(StoreError, match="cannot be the id of a turn"):
        store.begin_turn(SHARED, replace(new_turn(), id=turn_id))
    with pytest.raises(StoreError, match="cannot be the id of a turn"):
        store.open_partial(CONVERSATION, turn_id)
    assert [] == list(path.parent.glob("*.partial"))


@posix
@pytest.mark.parametrize("more", [["taken "], []], ids=["at the next append", "at the close"])
def test_appending_never_raises_and_writes_what_a_full_disk_refused_once_there_is_room(
    store: SqliteStore, caplog: pytest.LogCaptureFixture, more: list[str]
) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    partial = store.open_partial(CONVERSATION, turn.id)
    assert isinstance(partial, _partial.SideFile)
    descriptor = partial._file.fileno()
    working, full = os.dup(descriptor), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)
    partial.append(0, text="canary ")
    partial.append(0, text="refused ")
    os.dup2(working, descriptor)
    os.close(working)
    os.close(full)
    for text in more:
        partial.append(0, text=text)
    partial.close(folded=False)

    assert (turn.id,) == store.recover()
    assert "".join(["canary ", "refused ", *more]) == turns(store)[turn.id].text
    assert [f"store: side file of turn {turn.id} not written (No space left on device)"] == caplog.messages


# --- kernels that are gone -----------------------------------------------------------------------


def test_a_killed_answer_is_interrupted_with_its_text(store: SqliteStore, path: Path) -> None:
    turn = killed_while_answering(path, "Be", "cause")

    assert (turn.id,) == store.recover()
    (response,) = turns(store)[turn.id].responses
    assert Response(message=Message.assistant("Because"), status="interrupted") == response
    assert [] == side_files(path)
    assert () == store.recover()


def test_a_comparison_comes_back_with_all_its_lanes_and_thoughts(store: SqliteStore, path: Path) -> None:
    turn = killed_while_answering(path)
    file = path.with_name("store.sqlite3.partial") / f"{turn.id}.jsonl"
    with file.open("a") as stream:
        stream.write('{"lane": 2, "text": "C", "reasoning": "Hm"}\n{"lane": 0, "text": "A", "reasoning": ""}\n')
    store.recover()

    assert [("A", ""), ("", ""), ("C", "Hm")] == [
        (response.text, response.message.reasoning) for response in turns(store)[turn.id].responses
    ]


@pytest.mark.parametrize(
    "torn",
    [
        pytest.param(b'{"lane": 0, "text": "to', id="cut text"),
        pytest.param(b'{"lane": 0, "text": "\xf0\x9f', id="cut character"),
        pytest.param(b"\0\0\0\0", id="zeros"),
        pytest.param(b'{"lane": -1, "text": "?", "reasoning": ""}', id="no such lane"),
        pytest.param(b'{"lane": 1000000000, "text": "?", "reasoning": ""}', id="absurd lane"),
        pytest.param(b'["lane"]', id="another shape"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_a_torn_line_is_left_out(store: SqliteStore, path: Path, torn: bytes) -> None:
    turn = killed_while_answering(path, "Half ", "whole")
    with (path.with_name("store.sqlite3.partial") / f"{turn.id}.jsonl").open("ab") as stream:
        stream.write(torn)

    assert (turn.id,) == store.recover()
    assert ["Half whole"] == [response.text for response in turns(store)[turn.id].responses]


def test_text_split_within_a_character_comes_back_whole(store: SqliteStore, path: Path) -> None:
    turn = killed_while_answering(path, "\ud83d", "\ude00")
    store.recover()

    assert "\U0001f600" == turns(store)[turn.id].text


def test_a_turn_killed_before_its_first_word_is_interrupted_and_empty(store: SqliteStore, path: Path) -> None:
    turn = killed_while_answering(path)

    assert (turn.id,) == store.recover()
    (response,) = turns(store)[turn.id].responses
    assert ("interrupted", "") == (response.status, response.text)


def test_a_turn_whose_side_file_did_not_survive_a_power_cut_is_interrupted_and_empty(
    store: SqliteStore, path: Path
) -> None:
    turn = killed_while_answering(path, "Half")
    (path.with_name("store.sqlite3.partial") / f"{turn.id}.jsonl").unlink()

    assert (turn.id,) == store.recover()
    assert "interrupted" == turns(store)[turn.id].responses[0].status


def test_a_turn_with_an_id_that_names_no_file_is_interrupted_and_empty(store: SqliteStore, path: Path) -> None:
    killed_while_answering(path)
    store.list()
    assert store._connection is not None
    store._connection.execute("UPDATE turn SET id = '../../x'")

    assert ("../../x",) == store.recover()


def test_turns_are_recovered_in_their_order(store: SqliteStore, path: Path) -> None:
    killed = [killed_while_answering(path, str(n)).id for n in range(3)]

    assert tuple(killed) == store.recover()


def test_a_turn_asked_again_after_a_kill_keeps_the_words_of_both_kernels(store: SqliteStore, path: Path) -> None:
    turn = killed_while_answering(path, "First. ")
    with (path.with_name("store.sqlite3.partial") / f"{turn.id}.jsonl").open("ab") as stream:
        stream.write(b'{"lane": 0, "te')
    with pytest.raises(StoreError, match="another conversation"):
        store.begin_turn(new_conversation(), turn)
    store.begin_turn(SHARED, turn)
    store.open_partial(CONVERSATION, turn.id).append(0, text="Second.")
    store.close()
    store = SqliteStore(str(path))
    store.recover()

    assert "First. Second." == turns(store)[turn.id].text
    store.close()


def test_the_side_file_of_a_turn_that_was_never_begun_is_left_and_told(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = SqliteStore(str(path))
    kernel.open_partial(CONVERSATION, "never-begun").append(0, text="canary")
    kernel.close()

    assert () == store.recover()
    assert ["never-begun"] == side_files(path)
    assert ["store: side file of turn never-begun left as it is: the store does not know the turn"] == caplog.messages


def test_the_empty_side_file_of_a_turn_that_was_never_begun_is_deleted(store: SqliteStore, path: Path) -> None:
    kernel = SqliteStore(str(path))
    kernel.open_partial(CONVERSATION, "never-begun")
    kernel.close()

    assert () == store.recover()
    assert [] == side_files(path)


def test_the_side_file_of_a_turn_that_was_finished_is_deleted(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    store.finish_turn(CONVERSATION, turn)
    (path.with_name("store.sqlite3.partial") / f"{turn.id}.jsonl").write_text('{"lane":0,"text":"x","reasoning":""}\n')

    assert () == store.recover()
    assert [] == side_files(path)
    assert () == turns(store)[turn.id].responses


def test_files_of_others_among_the_side_files_are_left_alone(store: SqliteStore, path: Path) -> None:
    killed_while_answering(path)
    for name in ("notes.txt", "..jsonl", "my notes.jsonl"):
        (path.with_name("store.sqlite3.partial") / name).write_text("notes")
    store.recover()

    assert [".", "my notes", "notes"] == side_files(path)


def test_recovery_keeps_the_side_file_when_the_store_fails(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = killed_while_answering(path, "Half")

    def locked(*_: object) -> None:
        raise StoreBusy("locked", path=str(path))

    with monkeypatch.context() as patch:
        patch.setattr(store, "_put_responses", locked)
        with pytest.raises(StoreBusy):
            store.recover()

    assert [turn.id] == side_files(path)
    assert (turn.id,) == store.recover()
    assert "Half" == turns(store)[turn.id].text
