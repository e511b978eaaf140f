"""The store's file: made private and durable, wherever it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from convoscope_jupyter.errors import StoreUnavailable
from convoscope_jupyter.store import _opening, default_store_path, open_store
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import (
    CONVERSATION,
    SHARED,
    new_turn,
    posix,
)


def test_nothing_is_opened_before_first_use(store: SqliteStore, path: Path) -> None:
    assert str(path) == store.place
    assert not path.exists()
    store.list()
    assert path.exists()


def test_importing_the_store_loads_no_sqlite() -> None:
    code = "import sys, convoscope_jupyter.store; print('sqlite3' in sys.modules, 'pydantic' in sys.modules)"
    root = str(Path(_opening.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=True
    )

    assert "False False\n" == done.stdout


def test_settings_read_back_as_they_were_set(store: SqliteStore) -> None:
    store.list()
    connection = store._connection
    assert connection is not None
    read = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in (
            "journal_mode",
            "synchronous",
            "busy_timeout",
            "foreign_keys",
            "trusted_schema",
            "secure_delete",
            "cell_size_check",
            "mmap_size",
            "application_id",
            "user_version",
        )
    }

    assert {
        "journal_mode": "truncate",
        "synchronous": 2,
        "busy_timeout": 30_000,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "secure_delete": 1,
        "cell_size_check": 1,
        "mmap_size": 0,
        "application_id": 0x63767363,
        "user_version": 2,
    } == read


def test_a_setting_that_does_not_hold_is_refused(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_opening._SETTINGS, "synchronous", 7)

    with pytest.raises(StoreUnavailable, match=r"cannot be kept safely: SQLite .* does not accept synchronous = 7"):
        store.list()


def test_a_file_that_was_left_in_wal_mode_is_brought_back(store: SqliteStore, path: Path) -> None:
    store.list()
    store._disconnect()
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode = WAL")
    other.close()
    store.list()

    assert store._connection is not None
    assert "truncate" == store._connection.execute("PRAGMA journal_mode").fetchone()[0]


@posix
@pytest.mark.parametrize("umask", [0o000, 0o777], ids=["open umask", "closed umask"])
def test_all_files_are_the_users_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    store = SqliteStore(str(tmp_path / "a" / "b" / "store.sqlite3"))
    turn = new_turn()
    before = os.umask(umask)
    try:
        store.begin_turn(SHARED, turn)
        store.open_partial(CONVERSATION, turn.id).append(0, text="Half")
    finally:
        os.umask(before)
    modes = {str(file.relative_to(tmp_path)): oct(file.stat().st_mode & 0o777) for file in sorted(tmp_path.rglob("*"))}
    store.close()

    assert {
        "a": "0o700",
        "a/b": "0o700",
        "a/b/store.sqlite3": "0o600",
        "a/b/store.sqlite3-journal": "0o600",
        "a/b/store.sqlite3.partial": "0o700",
        f"a/b/store.sqlite3.partial/{turn.id}.jsonl": "0o600",
    } == modes


@posix
def test_a_directory_that_was_there_keeps_its_permissions(store: SqliteStore, path: Path) -> None:
    path.parent.chmod(0o755)
    store.list()

    assert "0o755" == oct(path.parent.stat().st_mode & 0o777)


def test_a_file_that_another_process_has_just_made_is_taken(store: SqliteStore, path: Path) -> None:
    path.touch()
    _opening._make_new_file(path)
    store.list()

    assert path.stat().st_size > 0


def test_the_place_stays_whatever_the_directory_becomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("store.sqlite3")
    monkeypatch.chdir("/")

    assert str(tmp_path.resolve() / "store.sqlite3") == store.place


def test_links_lead_to_one_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store.sqlite3")

    assert str(tmp_path.resolve() / "store.sqlite3") == SqliteStore(str(tmp_path / "link")).place


def test_a_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    assert str(tmp_path.resolve() / "chats.sqlite3") == SqliteStore("~/chats.sqlite3").place


def test_the_default_place_is_convoscope_store_or_the_platforms_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOSCOPE_STORE", f" {tmp_path / 'mine.sqlite3'} ")
    chosen = open_store().place
    monkeypatch.setenv("CONVOSCOPE_STORE", " ")

    assert str(tmp_path.resolve() / "mine.sqlite3") == chosen
    assert "convoscope.sqlite3" == Path(default_store_path()).name
    assert str(tmp_path.resolve() / "other.sqlite3") == open_store(tmp_path / "other.sqlite3").place
