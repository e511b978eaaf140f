"""Conversations in files of the user's."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from convoscope_jupyter import _files
from convoscope_jupyter._session_values import new_conversation
from convoscope_jupyter.errors import FileAlreadyExists, FileProblem, ImportFormatError, UnknownFormat

CONVERSATION = new_conversation(system="Be brief.")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    _files.write(CONVERSATION, path, overwrite=False)

    assert CONVERSATION == _files.read(path)


def test_an_existing_file_is_never_overwritten_silently(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text("mine")

    with pytest.raises(FileAlreadyExists, match="left as it is"):
        _files.write(CONVERSATION, path, overwrite=False)

    assert ("mine", [path]) == (path.read_text(), list(tmp_path.iterdir()))


def test_a_file_is_replaced_when_that_is_asked_for_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text("mine")
    path.chmod(0o640)

    _files.write(CONVERSATION, path, overwrite=True)

    assert (CONVERSATION, 0o640) == (_files.read(path), stat.S_IMODE(path.stat().st_mode))


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"\.ipynb and \.json, not '\.docx'"):
        _files.write(CONVERSATION, tmp_path / "chat.docx", overwrite=False)

    assert [] == list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="could not be written"):
        _files.write(CONVERSATION, tmp_path / "no-such-folder" / "chat.json", overwrite=False)


@pytest.mark.skipif(os.name != "posix", reason="only there can the size of a process's files be limited")
def test_an_export_that_fails_midway_leaves_nothing_behind_and_what_was_there_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    kept = tmp_path / "kept.json"
    kept.write_text("mine")

    with files_of_at_most(100):
        with pytest.raises(FileProblem, match="could not be written"):
            _files.write(CONVERSATION, path, overwrite=False)
        with pytest.raises(FileProblem, match="could not be written"):
            _files.write(CONVERSATION, kept, overwrite=True)

    assert ([kept], "mine") == (list(tmp_path.iterdir()), kept.read_text())


@contextlib.contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """As a disk that is full: writing more raises an OSError."""
    import resource  # noqa: PLC0415 - POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="could not be read"):
        _files.read(tmp_path / "chat.json")


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text('{"format": "convoscope", "ver')

    with pytest.raises(ImportFormatError, match=r"chat\.json"):
        _files.read(path)


@pytest.mark.parametrize(
    "title, name",
    [
        ("Fitting the decay curve", "fitting-the-decay-curve.ipynb"),
        ("", "chat.ipynb"),
        ("../../etc/passwd", "etc-passwd.ipynb"),
        ("Größe: 5 µm?", "größe-5-µm.ipynb"),
        ("…", "chat.ipynb"),
        (".hidden", "hidden.ipynb"),
        ("a" * 200, "a" * 60 + ".ipynb"),
        ("nul\0and\nline", "nul-and-line.ipynb"),
    ],
)
def test_a_file_is_named_after_the_title(title: str, name: str, tmp_path: Path) -> None:
    assert tmp_path / name == _files.free_path(tmp_path, title, ".ipynb")


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    for taken in ("chat.json", "chat-2.json"):
        (tmp_path / taken).touch()

    assert tmp_path / "chat-3.json" == _files.free_path(tmp_path, "Chat", ".json")
