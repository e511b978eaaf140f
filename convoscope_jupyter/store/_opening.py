"""Opens the store's file, privately and safely, and says in plain words when that cannot be done.

Settings and their reasons, measured with kills and simulated power cuts:

- `journal_mode = TRUNCATE` with `synchronous = FULL` lost nothing in 1,000 power cuts, works on
  network file systems, and is not exposed to the WAL-reset bug of SQLite before 3.51.3
  (https://sqlite.org/wal.html#walresetbug).
- `busy_timeout` covers the opening too: eight kernels may start at once.
- `trusted_schema = OFF`, `cell_size_check = ON`, `mmap_size = 0`: the file may be damaged or hostile
  (https://sqlite.org/security.html).
- `secure_delete = ON`: deleted means deleted.

Never open the file other than through SQLite: closing such a descriptor drops every lock that this
process holds on it (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from convoscope_jupyter.errors import StoreBusy, StoreError, StoreUnavailable
from convoscope_jupyter.store import _migrations

MEMORY = ":memory:"
REMEDY = 'Set CONVOSCOPE_STORE to a file you can write, or use store=":memory:".'

_SETTINGS: dict[str, int | str] = {
    "foreign_keys": 1,
    "trusted_schema": 0,
    "secure_delete": 1,
    "cell_size_check": 1,
    "mmap_size": 0,
    "journal_mode": "truncate",
    "synchronous": 2,
}

_IN_WORDS = {
    sqlite3.SQLITE_PERM: "cannot be written: access is denied.",
    sqlite3.SQLITE_READONLY: "can be read but not written.",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. You must be allowed to read and write it and its directory.",
    sqlite3.SQLITE_NOTADB: "is not a conversation store: it is not an SQLite database.",
    sqlite3.SQLITE_CORRUPT: "is damaged.",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full.",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk or file system reported an error.",
}

_making = threading.Lock()


def resolve(path: str) -> str:
    """The file a path means, for good: absolute, `~` and links resolved, whatever the kernel's directory becomes."""
    if path == MEMORY:
        return path
    if "://" in path:
        return f"{path.partition('://')[0]}://…"  # the rest may hold a password
    try:
        return str(Path(path).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        return path  # no home, a loop of links, no file name at all: the opening says so


def connect(place: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the store's file, making it if there is none, and bring its schema up to date.

    Args:
        place: The file's path as `resolve` gives it, or `:memory:`.
        busy_timeout_s: How long to wait for other processes' locks, here and in every later statement.

    Raises:
        StoreError: The file cannot be used.
    """
    with plain_errors(place):
        if place != MEMORY:
            _make_file(place)
        connection = sqlite3.connect(place, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            _migrations.require_own_file(connection, place)
            _set_pragmas(connection, place)
            _migrations.migrate(connection, place)
        except BaseException:
            connection.close()
            raise
        return connection


def make_private_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, for the user alone, whatever the umask."""
    missing: list[Path] = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)


@contextmanager
def plain_errors(place: str) -> Generator[None]:
    """Turn errors of SQLite and the file system into `StoreError`s that hold no SQL and none of its values."""
    try:
        yield
    except sqlite3.Error as error:
        raise _from_sqlite(error, place) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename not in {None, place} else ""
        raise StoreUnavailable(
            f"the store {place} cannot be used: {error.strerror or type(error).__name__}{where}. {REMEDY}", path=place
        ) from None


def _from_sqlite(error: sqlite3.Error, place: str) -> StoreError:
    code: int | None = getattr(error, "sqlite_errorcode", None)  # absent when the sqlite3 module itself complains
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return StoreUnavailable(f"the store {place} was moved or deleted while it was open. Try again.", path=place)
    primary = code & 0xFF if code is not None else None
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(
            f"the store {place} is locked by another program. Try again when it is done, "
            'set CONVOSCOPE_STORE to another file, or use store=":memory:".',
            path=place,
        )
    words = _IN_WORDS.get(primary) if primary is not None else None
    if words is None:
        words = f"cannot be used: SQLite reported {getattr(error, 'sqlite_errorname', type(error).__name__)}."
    return StoreUnavailable(f"the store {place} {words} {REMEDY}", path=place)


def _make_file(place: str) -> None:
    if "://" in place:
        raise StoreUnavailable(f"the store {place} cannot be opened: only files can so far. {REMEDY}", path=place)
    try:
        # Held while a descriptor of the file is open, so that no other store of this process can hold a lock on it.
        with _making:
            try:
                mode = Path(place).stat().st_mode
            except FileNotFoundError:
                _make_new_file(Path(place))
                return
    except ValueError:  # a NUL, or a lone surrogate
        raise StoreUnavailable(f"{place!r} cannot be the name of a store. {REMEDY}", path=place) from None
    if not stat.S_ISREG(mode):
        what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise StoreUnavailable(f"the store {place} cannot be used: it is {what}. {REMEDY}", path=place)


def _make_new_file(path: Path) -> None:
    make_private_directory(path.parent)
    with suppress(FileExistsError):  # another process was quicker
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        path.chmod(0o600)  # SQLite gives its journal the same mode


def _set_pragmas(connection: sqlite3.Connection, place: str) -> None:
    for name, value in _SETTINGS.items():
        if place == MEMORY and name == "journal_mode":
            continue
        connection.execute(f"PRAGMA {name} = {value}")
        row = connection.execute(f"PRAGMA {name}").fetchone()
        if row is not None and row[0] != value:  # no row: this SQLite was built without the feature
            raise StoreUnavailable(
                f"the store {place} cannot be kept safely: SQLite {sqlite3.sqlite_version} "
                f"does not accept {name} = {value} for it. {REMEDY}",
                path=place,
            )
