"""The side file of a running answer: what a killed kernel leaves behind of it.

One file per running turn, `<store>.partial/<turn id>.jsonl`: a header line, then a line for every
`append`. Nothing waits for the disk: what `write` has taken survives the process, and only a power
cut can lose it.

A kernel that lives is told from one that is gone by an operating system's lock on the file, held as
long as the file is open, and let go by the system however the process ends. Process ids are not
asked: they are reused, and mean nothing across containers that share a home directory.

Order, so that no moment is ambiguous: the file is made and locked *before* the turn is committed,
and deleted after the turn is finished. So a turn without an answer whose file is not locked, or is
not there, belongs to a kernel that is gone.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from convoscope_jupyter.messages import Message
from convoscope_jupyter.store._opening import make_private_directory

if sys.platform == "win32":  # pragma: no cover - the tests are measured on POSIX
    import msvcrt

    _BEYOND_THE_END = 2**30  # Windows' locks keep readers out too, so a byte is locked that is never there

    def _take_lock(descriptor: int) -> None:
        os.lseek(descriptor, _BEYOND_THE_END, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from None
else:
    import fcntl

    def _take_lock(descriptor: int) -> None:
        # flock, not lockf: its lock belongs to this opening of the file, so that two stores of one
        # process exclude each other too, and closing another descriptor of the file does not let it go.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_log = logging.getLogger(__name__)

_SAFE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")  # UUIDs; no separators, no dots, no device of Windows
_LANES = 64
_TRIES = 25
_PAUSE_S = 0.02


class MemoryPartial:
    """The `Partial` of a store that keeps nothing."""

    def append(self, lane: int, *, text: str = "", reasoning: str = "") -> None:
        """Nothing to do: the kernel's memory is all there is."""

    def close(self, *, folded: bool) -> None:
        """Nothing to do."""


class SideFile:
    """The `Partial` of a store on disk. Made by `claim` and `adopt`. Safe to use from any thread.

    Args:
        path: Where it is.
        file: The file, open and locked.
    """

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self._path = path
        self._file = file
        self._mine = True
        self._lock = threading.Lock()
        self._unwritten = bytearray()
        self._failed = False
        self.was_empty = file.seek(0, io.SEEK_END) == 0
        """False when another kernel has left something in the file."""

    @classmethod
    def claim(cls, place: str, turn_id: str, *, conversation_id: str) -> SideFile:
        """Take the side file for a turn that this kernel is about to run, making it if there is none.

        Args:
            place: The store's file.
            turn_id: The turn; a `is_safe_id`.
            conversation_id: Its conversation, for people who read the file.

        Returns:
            The side file, locked.

        Raises:
            BlockingIOError: Another kernel holds it.
            OSError: It cannot be made.
        """
        path = _path(place, turn_id)
        make_private_directory(path.parent)
        tries_left = _TRIES
        while True:
            try:
                side_file = cls._open(path, os.O_CREAT)
            except BlockingIOError:
                # `recover` in another kernel may hold it, just for the moment in which it looks whose it is.
                tries_left -= 1
                if tries_left == 0:
                    raise
                time.sleep(_PAUSE_S)
            else:
                side_file.begin(conversation_id, turn_id)
                return side_file

    @classmethod
    def adopt(cls, place: str, turn_id: str) -> SideFile:
        """Take the side file of a kernel that is gone.

        Args:
            place: The store's file.
            turn_id: The turn.

        Returns:
            The side file, locked.

        Raises:
            BlockingIOError: Its kernel lives.
            FileNotFoundError: There is none.
            OSError: It cannot be opened.
        """
        if not is_safe_id(turn_id):
            raise FileNotFoundError(turn_id)
        return cls._open(_path(place, turn_id), 0)

    @classmethod
    def _open(cls, path: Path, flags: int) -> SideFile:
        file = io.FileIO(os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600), "r+")
        try:
            _take_lock(file.fileno())
            _require_at(path, file.fileno())
            return cls(path, file)
        except BaseException:
            file.close()
            raise

    def begin(self, conversation_id: str, turn_id: str) -> None:
        """Write the header.

        Args:
            conversation_id: The turn's conversation.
            turn_id: The turn.
        """
        self._path.chmod(0o600)  # whatever the umask
        with self._lock:  # in a file that was not empty, this also ends a last line that may be torn
            self._write({"conversation_id": conversation_id, "turn_id": turn_id, "pid": os.getpid()})

    @property
    def is_open(self) -> bool:
        """Whether it can be appended to."""
        return not self._file.closed

    def append(self, lane: int, *, text: str = "", reasoning: str = "") -> None:
        """Add what came since the last call. Never waits for the disk, and never raises.

        Args:
            lane: The answer it belongs to, from 0.
            text: More visible text.
            reasoning: More reasoning.
        """
        with self._lock:
            if not self._file.closed:
                self._write({"lane": lane, "text": text, "reasoning": reasoning})

    def _write(self, line: dict[str, object]) -> None:
        self._unwritten += json.dumps(line).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        # What a full disk does not take now is written first next time, so no line is ever torn but the last.
        try:
            del self._unwritten[: self._file.write(self._unwritten)]
        except OSError as error:
            if not self._failed:
                _log.warning("store: side file of turn %s not written (%s)", self._path.stem, error.strerror)
            self._failed = True

    def read(self) -> tuple[Message, ...]:
        """What the file holds: one message per lane. A line that cannot be read, as a torn last one, is left out."""
        self._file.seek(0)
        texts: dict[int, list[str]] = {}
        thoughts: dict[int, list[str]] = {}
        for line in self._file.readall().split(b"\n"):
            match _parsed(line):
                case {"lane": int(lane), "text": str(text), "reasoning": str(reasoning)} if 0 <= lane < _LANES:
                    texts.setdefault(lane, []).append(text)
                    thoughts.setdefault(lane, []).append(reasoning)
                case _:
                    continue
        return tuple(
            Message.assistant("".join(texts.get(lane, ())), reasoning="".join(thoughts.get(lane, ())))
            for lane in range(max(texts, default=-1) + 1)
        )

    def close(self, *, folded: bool) -> None:
        """Let the file go.

        Args:
            folded: True when what it holds is in the store, or worth nothing: it is deleted.
        """
        with self._lock:
            if not folded and not self._file.closed:
                self._flush()
            if self._mine and folded and sys.platform != "win32":
                self._delete()  # while it is locked, so that nobody else can have taken it
            self._file.close()
            if self._mine and folded and sys.platform == "win32":  # pragma: no cover - cannot delete an open file
                self._delete()

    def _delete(self) -> None:
        # A file that stays is deleted by a later `recover`: its turn is finished.
        with suppress(OSError):
            self._path.unlink()

    def abandon(self) -> None:
        """In the child of a fork: the file is the parent's. Its lock lasts until both have closed it."""
        self._lock = threading.Lock()
        self._mine = False
        self._file.close()


def is_safe_id(turn_id: str) -> bool:
    """Whether an id can be the name of a file: a UUID, or much like one.

    Args:
        turn_id: What came from outside.
    """
    return _SAFE_ID.fullmatch(turn_id) is not None


def turn_ids(place: str) -> tuple[str, ...]:
    """The turns that have a side file.

    Args:
        place: The store's file.
    """
    return tuple(sorted(path.stem for path in Path(f"{place}.partial").glob("*.jsonl")))


def _path(place: str, turn_id: str) -> Path:
    return Path(f"{place}.partial", f"{turn_id}.jsonl")


def _require_at(path: Path, descriptor: int) -> None:
    """Whoever had the lock before may have deleted the file meanwhile: then it is not the one at its path."""
    try:
        at_path = path.stat()
    except FileNotFoundError as error:
        raise BlockingIOError(*error.args) from None
    if not os.path.samestat(os.fstat(descriptor), at_path):
        raise BlockingIOError


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
