"""Conversations in files of the user's: written whole or not at all, never over another file unasked."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Generator
from itertools import count
from pathlib import Path

from convoscope_jupyter import formats
from convoscope_jupyter.errors import FileAlreadyExists, FileProblem
from convoscope_jupyter.messages import Conversation

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MAX_NAME_CHARACTERS = 60


def write(conversation: Conversation, path: Path, *, overwrite: bool) -> None:
    """Write a conversation into a file.

    Args:
        conversation: What to write.
        path: Where; its suffix says how.
        overwrite: Replace a file that is there.

    Raises:
        UnknownFormat: There is no format of this suffix.
        FileAlreadyExists: It is there, and may not be replaced.
        FileProblem: It cannot be written.
    """
    text = formats.dump(conversation, path.suffix)
    try:
        with _taken(path, overwrite=overwrite), _beside(path) as whole:
            whole.write_text(text, encoding="utf-8", newline="\n")
            if path.exists():
                whole.chmod(stat.S_IMODE(path.stat().st_mode))
            whole.replace(path)
    except FileExistsError:
        raise FileAlreadyExists(str(path)) from None
    except OSError as error:
        raise FileProblem(f"{path} could not be written ({error.strerror}). Choose another place.", str(path)) from None


def read(path: Path) -> Conversation:
    """Read a conversation from a file.

    Args:
        path: The file; its suffix says how it is written.

    Raises:
        UnknownFormat: There is no format of this suffix.
        ImportFormatError: It holds no conversation.
        FileProblem: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(formats.MAX_BYTES + 1)  # more is refused, and need not be in memory for that
    except OSError as error:
        raise FileProblem(f"{path} could not be read ({error.strerror}). Check the name.", str(path)) from None
    return formats.load(content, name=str(path))


def free_path(folder: Path, title: str, suffix: str) -> Path:
    """A name for a new file, made from a title.

    Args:
        folder: Where it will be.
        title: Any text.
        suffix: With its dot.

    Returns:
        A path at which there is nothing yet.
    """
    stem = _NOT_IN_NAMES.sub("-", title).strip("-._").lower()[:_MAX_NAME_CHARACTERS].rstrip("-._") or "chat"
    names = (f"{stem}{'' if n == 1 else f'-{n}'}{suffix}" for n in count(1))
    return next(path for name in names if not (path := folder / name).exists())


@contextlib.contextmanager
def _taken(path: Path, *, overwrite: bool) -> Generator[None]:
    """Take a name, so that nobody else's file of that name is replaced; given back when nothing was written."""
    if overwrite:
        yield
        return
    path.touch(exist_ok=False)
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _beside(path: Path) -> Generator[Path]:
    """A temporary name in the same folder, hence on the same file system."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".convoscope-", suffix=path.suffix)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
