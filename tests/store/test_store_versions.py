"""Several versions of the schema, and of this package, share one file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from convoscope_jupyter.errors import SchemaTooNew, StoreUnavailable
from convoscope_jupyter.store import _migrations
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import (
    SHARED,
    new_turn,
    turns,
)


def make_newer(path: Path, *, min_reader: int, min_writer: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET min_reader = ?, min_writer = ?", (min_reader, min_writer))
    connection.execute(f"PRAGMA user_version = {_migrations.LATEST + 1}")
    connection.commit()
    connection.close()


def test_each_step_is_recorded(store: SqliteStore) -> None:
    store.list()
    assert store._connection is not None
    rows = store._connection.execute("SELECT number, name FROM migration").fetchall()

    assert [(1, "conversations_turns_and_answers"), (2, "what_was_asked_for_and_what_was_held_back")] == [
        tuple(row) for row in rows
    ]


def test_a_newer_file_that_this_version_may_write_is_used(store: SqliteStore, path: Path) -> None:
    store.list()
    store._disconnect()
    make_newer(path, min_reader=1, min_writer=2)
    store.begin_turn(SHARED, new_turn())

    assert 1 == len(store.list())


@pytest.mark.parametrize("when", ["before it is opened", "while it is open"])
@pytest.mark.parametrize(
    ("min_reader", "words"),
    [pytest.param(1, "cannot change it", id="readable"), pytest.param(3, "cannot read it", id="unreadable")],
)
def test_a_file_that_is_too_new_is_refused(path: Path, min_reader: int, words: str, when: str) -> None:
    store = SqliteStore(str(path))
    store.list()
    if when == "before it is opened":
        store._disconnect()
    make_newer(path, min_reader=min_reader, min_writer=3)

    with pytest.raises(SchemaTooNew, match=words) as caught:
        store.begin_turn(SHARED, new_turn())
    assert "pip install --upgrade convoscope-jupyter" in str(caught.value)
    store.close()


def test_a_step_that_fails_leaves_the_file_at_the_step_before(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half_done (x)")
        connection.execute("CREATE TABLE turn (x)")

    with monkeypatch.context() as patch:
        patch.setattr(_migrations, "STEPS", (*_migrations.STEPS, broken))
        with pytest.raises(StoreUnavailable):
            store.list()

    assert () == store.list()
    assert store._connection is not None
    assert _migrations.LATEST == _migrations.user_version(store._connection)
    tables = store._connection.execute("SELECT name FROM sqlite_master WHERE name = 'half_done'").fetchall()
    assert [] == tables


def test_a_step_that_another_process_has_just_applied_is_not_applied_again(store: SqliteStore) -> None:
    store.list()
    assert store._connection is not None
    _migrations._apply(store._connection, 1, _migrations.STEPS[0])

    assert _migrations.LATEST == store._connection.execute("SELECT count(*) FROM migration").fetchone()[0]


def test_a_file_of_the_first_version_keeps_its_words(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_migrations, "STEPS", _migrations.STEPS[:1])
        patch.setattr(_migrations, "LATEST", 1)
        older = SqliteStore(str(path))
        older.list()
        older.close()
    connection = sqlite3.connect(path)
    then = "2026-11-22T12:00:00.000000+00:00"
    connection.execute(
        "INSERT INTO conversation (id, title, created_at, updated_at) VALUES (?, '', ?, ?)", (SHARED.id, then, then)
    )
    connection.execute(
        "INSERT INTO turn (id, conversation_id, seq, prompt, created_at, chosen, finished_at) "
        "VALUES ('turn-of-old', ?, 0, ?, ?, 0, ?)",
        (SHARED.id, '[{"type": "text", "text": "Why?"}]', then, then),
    )
    connection.execute(
        "INSERT INTO response (turn_id, lane, status, finish_reason, parts) "
        "VALUES ('turn-of-old', 0, 'complete', 'stop', ?)",
        ('[{"type": "text", "text": "Because."}]',),
    )
    connection.execute(
        "INSERT INTO attempt (turn_id, lane, position, provider, model, started_at, duration_s) "
        "VALUES ('turn-of-old', 0, 0, 'demo', 'echo', ?, 1.5)",
        (then,),
    )
    connection.commit()
    connection.close()

    store = SqliteStore(str(path))
    turn = turns(store)["turn-of-old"]

    assert ("Why?", "Because.") == (turn.prompt.text, turn.text)
    attempt = turn.responses[0].attempts[0]
    assert (1.5, None, None, False) == (
        attempt.duration_s,
        attempt.temperature,
        attempt.max_output_tokens,
        attempt.held_back,
    )
    store.close()
