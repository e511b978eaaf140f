"""A place that cannot hold a store is told in a sentence, with what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from convoscope_jupyter.errors import StoreUnavailable
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import (
    SHARED,
    new_turn,
    posix,
    prompts,
)

REMEDY = 'Set CONVOSCOPE_STORE to a file you can write, or use store=":memory:".'
NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory of a user to whom permissions apply, who runs the test."""
    directory = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        os.seteuid(os.getuid())
        directory.chmod(0o700)
        shutil.rmtree(directory)


def a_directory(path: Path) -> str:
    path.mkdir()
    return str(path)


def below_a_file(path: Path) -> str:
    path.write_text("a file")
    return str(path / "store.sqlite3")


def not_a_database(path: Path) -> str:
    path.write_text("Dear diary, " * 1000)
    return str(path)


def not_even_a_page(path: Path) -> str:
    path.write_text("Dear diary")
    return str(path)


def another_programs(path: Path) -> str:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (name)")
    connection.close()
    return str(path)


def cut_in_half(path: Path) -> str:
    store = SqliteStore(str(path))
    store.list()
    store.close()
    os.truncate(path, path.stat().st_size // 2)
    return str(path)


def a_loop_of_links(path: Path) -> str:
    path.symlink_to(path)
    return str(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(a_directory, "it is a directory", id="directory"),
        pytest.param(lambda _: os.devnull, "it is no regular file", id="device", marks=posix),
        pytest.param(below_a_file, "Not a directory", id="below a file"),
        pytest.param(lambda _: "/proc/nowhere/store.sqlite3", "(/proc/nowhere)", id="cannot be made", marks=posix),
        pytest.param(lambda path: f"{path}/{'n' * 300}", "name too long", id="name too long"),
        pytest.param(a_loop_of_links, "symbolic links", id="loop of links"),
        pytest.param(lambda _: "nul\0.sqlite3", "cannot be the name of a store", id="NUL in its name"),
        pytest.param(not_a_database, "it is not an SQLite database", id="text"),
        pytest.param(not_even_a_page, "it is not an SQLite database", id="short text"),
        pytest.param(another_programs, "is a database of another program", id="another program's database"),
        pytest.param(cut_in_half, "is damaged", id="cut in half"),
        pytest.param(lambda _: "postgresql://me:hunter2@host/db", "only files can so far", id="URL"),
    ],
)
def test_a_place_that_cannot_be_a_store_is_told_with_the_remedy(path: Path, make: object, words: str) -> None:
    assert callable(make)
    store = SqliteStore(make(path))

    for _ in range(2):  # the second time, too
        with pytest.raises(StoreUnavailable) as caught:
            store.list()
        message = str(caught.value)
        assert words in message
        assert "Set CONVOSCOPE_STORE to a file" in message
        assert repr(store.place).strip("'") in message
        assert "hunter2" not in message
        assert store.place == caught.value.path


def test_another_programs_database_is_not_touched(path: Path) -> None:
    another_programs(path)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable):
        SqliteStore(str(path)).begin_turn(SHARED, new_turn())

    assert before == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@posix
def test_an_unreadable_file_is_told_and_used_once_it_is_readable(unprivileged: Path) -> None:
    path = unprivileged / "store.sqlite3"
    path.touch(mode=0o000)
    store = SqliteStore(str(path))
    with pytest.raises(StoreUnavailable, match="cannot be opened") as caught:
        store.list()
    assert REMEDY in str(caught.value)

    path.chmod(0o600)
    assert () == store.list()
    store.close()


@posix
def test_a_read_only_file_can_be_read_and_says_so_when_written(unprivileged: Path) -> None:
    path = unprivileged / "store.sqlite3"
    store = SqliteStore(str(path))
    store.begin_turn(SHARED, new_turn("Before"))
    store.close()
    path.chmod(0o400)

    store = SqliteStore(str(path))
    assert ["Before"] == prompts(store)
    with pytest.raises(StoreUnavailable, match="can be read but not written") as caught:
        store.begin_turn(SHARED, new_turn("Denied"))
    assert REMEDY in str(caught.value)

    path.chmod(0o600)
    store.begin_turn(SHARED, new_turn("After"))
    assert ["Before", "After"] == prompts(store)
    store.close()


@posix
def test_a_read_only_directory_is_told_and_used_once_it_can_be_written(unprivileged: Path) -> None:
    unprivileged.chmod(0o500)
    store = SqliteStore(str(unprivileged / "store.sqlite3"))
    with pytest.raises(StoreUnavailable, match="Permission denied") as caught:
        store.begin_turn(SHARED, new_turn())
    assert REMEDY in str(caught.value)

    unprivileged.chmod(0o700)
    store.begin_turn(SHARED, new_turn())
    assert 1 == len(store.list())
    store.close()
