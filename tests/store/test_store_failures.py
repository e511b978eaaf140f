"""When the disk, another program or another thread gets in the way, nothing that was saved is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from convoscope_jupyter.errors import StoreBusy, StoreError, StoreUnavailable
from convoscope_jupyter.store import _opening
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import (
    CONVERSATION,
    SHARED,
    answered,
    new_turn,
    posix,
    prompts,
    turns,
)


def test_a_full_disk_is_told_without_the_users_words_and_nothing_before_is_lost(store: SqliteStore) -> None:
    store.begin_turn(SHARED, new_turn("Before"))
    assert store._connection is not None
    store._connection.execute("PRAGMA max_page_count = 1")  # it stays at what the file has
    with pytest.raises(StoreUnavailable, match="the disk is full") as caught:
        store.begin_turn(SHARED, new_turn("canary " * 100_000))

    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__
    store.begin_turn(SHARED, new_turn("After"))
    assert ["Before", "After"] == prompts(store)


def test_a_full_memory_keeps_what_it_had() -> None:
    store = SqliteStore(":memory:")
    store.begin_turn(SHARED, new_turn("Before"))
    assert store._connection is not None
    store._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnavailable, match="full"):
        store.begin_turn(SHARED, new_turn("x" * 100_000))

    assert ["Before"] == prompts(store)
    store.close()


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_locked_store_says_so_and_is_used_once_it_is_free(
    impatient_store: SqliteStore, path: Path, lock: str
) -> None:
    impatient_store.begin_turn(SHARED, new_turn("Before"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"BEGIN {lock}")
    with pytest.raises(StoreBusy, match="is locked by another program") as caught:
        impatient_store.begin_turn(SHARED, new_turn("Meanwhile"))
    assert 'use store=":memory:"' in str(caught.value)

    other.execute("ROLLBACK")
    other.close()
    impatient_store.begin_turn(SHARED, new_turn("After"))
    assert ["Before", "After"] == prompts(impatient_store)


@pytest.mark.parametrize("method", ["begin", "finish", "save", "recover"])
def test_a_store_that_is_locked_for_a_moment_is_waited_for(store: SqliteStore, path: Path, method: str) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    store.open_partial(CONVERSATION, turn.id).close(folded=False)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, other.close)
    release.start()
    if method == "begin":
        store.begin_turn(SHARED, new_turn())
    elif method == "finish":
        store.finish_turn(CONVERSATION, turn)
    elif method == "save":
        store.save_conversation(SHARED)
    else:
        assert (turn.id,) == store.recover()
    release.join()


def test_another_kernel_that_is_making_the_file_is_waited_for(store: SqliteStore, path: Path) -> None:
    path.touch()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, other.close)
    release.start()

    assert () == store.list()
    release.join()


def test_a_store_that_is_locked_while_it_is_opened_says_so(impatient_store: SqliteStore, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy):
        impatient_store.list()

    other.close()
    assert () == impatient_store.list()


@posix
def test_a_file_that_is_moved_away_is_told_and_made_anew(store: SqliteStore, path: Path) -> None:
    store.begin_turn(SHARED, new_turn("Before"))
    path.rename(path.with_name("moved.sqlite3"))
    with pytest.raises(StoreUnavailable, match="was moved or deleted while it was open"):
        store.begin_turn(SHARED, new_turn("Meanwhile"))

    store.begin_turn(SHARED, new_turn("After"))
    assert ["After"] == prompts(store)


def test_an_answer_is_kept_when_the_file_was_replaced_while_it_came(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    store._disconnect()
    path.unlink()
    store.finish_turn(CONVERSATION, answered(turn))

    assert ["Because."] == [turn.text for turn in turns(store).values()]


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        pytest.param(sqlite3.SQLITE_LOCKED, StoreBusy, "is locked", id="locked"),
        pytest.param(sqlite3.SQLITE_IOERR_READ, StoreUnavailable, "reported an error", id="I/O error"),
        pytest.param(sqlite3.SQLITE_PERM, StoreUnavailable, "access is denied", id="permission"),
        pytest.param(sqlite3.SQLITE_CORRUPT_INDEX, StoreUnavailable, "is damaged", id="damaged index"),
        pytest.param(sqlite3.SQLITE_TOOBIG, StoreUnavailable, "SQLite reported SQLITE_TOOBIG.", id="any other"),
        pytest.param(None, StoreUnavailable, "SQLite reported OperationalError.", id="the module's own"),
    ],
)
def test_every_error_of_sqlite_becomes_ours_without_its_words(
    code: int | None, expected: type[StoreError], words: str
) -> None:
    error = sqlite3.OperationalError("canary")
    if code is not None:
        error.sqlite_errorcode = code
        error.sqlite_errorname = "SQLITE_TOOBIG"

    with pytest.raises(expected) as caught, _opening.plain_errors("/a/store"):
        raise error
    assert words in str(caught.value)
    assert "/a/store" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_interrupted_transaction_leaves_nothing_behind(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    turn = new_turn()
    with monkeypatch.context() as patch:
        patch.setattr(store, "_touch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.begin_turn(SHARED, turn)

    assert store.get(CONVERSATION) is None
    assert () == store.recover()
    store.begin_turn(SHARED, turn)
    assert ["Why?"] == prompts(store)


def test_a_closed_store_says_so(store: SqliteStore) -> None:
    store.list()
    store.close()
    store.close()

    with pytest.raises(StoreUnavailable, match=r"was closed\. Open it again: cv\.open_store\(\)"):
        store.list()


def test_threads_share_a_store(path: Path) -> None:
    store = SqliteStore(str(path))
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(5):
                turn = new_turn(f"{name} {n}")
                store.begin_turn(SHARED, turn)
                store.finish_turn(CONVERSATION, answered(turn))
                store.list()
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert sorted(f"{name} {n}" for name in "abcd" for n in range(5)) == sorted(prompts(store))
    assert store._connection is not None
    seqs = [row["seq"] for row in store._connection.execute("SELECT seq FROM turn ORDER BY number")]
    assert list(range(20)) == seqs
    store.close()


def test_a_reader_waits_for_the_transaction_of_another_thread(store: SqliteStore) -> None:
    order: list[str] = []
    inside, asked = threading.Event(), threading.Event()

    def transaction() -> None:
        with store._transaction("BEGIN IMMEDIATE"):
            inside.set()
            asked.wait()
            time.sleep(0.05)
            order.append("committed")

    thread = threading.Thread(target=transaction)
    thread.start()
    inside.wait()
    asked.set()
    store.list()
    order.append("read")
    thread.join()

    assert ["committed", "read"] == order
