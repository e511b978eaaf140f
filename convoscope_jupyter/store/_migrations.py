"""The schema, as numbered steps. Append only: a released step is never edited.

Each step runs in one transaction together with its record, so a file is always at a whole number.
`PRAGMA user_version` holds that number, `application_id` says that the file is ours, and the table
`meta` says which older versions may still read or write it: two kernels with two versions of this
package may share one file.

No `STRICT` tables: they need SQLite 3.37 (2021-11-27, https://sqlite.org/stricttables.html), and
Python 3.11 runs on older ones (Red Hat Enterprise Linux 9 has 3.34); a file must open on every
machine that shares a home directory. For the same reason neither `RETURNING` (3.35) nor the JSON
functions (built in since 3.38). Types are checked where rows become values, in `_rows`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Literal

from convoscope_jupyter.errors import SchemaTooNew, StoreUnavailable
from convoscope_jupyter.messages import utc_now

APPLICATION_ID = 0x63767363
"""`cvsc`; see https://sqlite.org/pragma.html#pragma_application_id."""

Access = Literal["write", "read", "none"]


def conversations_turns_and_answers(connection: sqlite3.Connection) -> None:
    """Version 1: conversations, turns, responses and attempts, with the nouns as columns."""
    for statement in (
        """
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            min_reader INTEGER NOT NULL, -- the oldest schema number whose code can read this file
            min_writer INTEGER NOT NULL  -- ... and write it
        )
        """,
        "INSERT INTO meta (id, min_reader, min_writer) VALUES (1, 1, 1)",
        """
        CREATE TABLE migration (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            applied_at TEXT NOT NULL
        )
        """,
        # Times are UTC in ISO 8601 with microseconds: of one width, so that text order is time order.
        # `number` is a rowid that VACUUM keeps, and the order of insertion.
        """
        CREATE TABLE conversation (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            title TEXT NOT NULL,
            name TEXT UNIQUE,
            system TEXT,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL
        )
        """,
        "CREATE INDEX conversation_updated_at ON conversation (updated_at)",
        # parent_id and continues are no foreign keys: when the turn before could not be saved, this one still can.
        """
        CREATE TABLE turn (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            parent_id TEXT,
            prompt TEXT NOT NULL, -- parts, JSON
            created_at TEXT NOT NULL,
            chosen INTEGER NOT NULL,
            continues TEXT,
            finished_at TEXT,     -- NULL while its answer is awaited
            UNIQUE (conversation_id, seq)
        )
        """,
        "CREATE INDEX turn_unfinished ON turn (number) WHERE finished_at IS NULL",
        """
        CREATE TABLE response (
            turn_id TEXT NOT NULL REFERENCES turn (id) ON DELETE CASCADE,
            lane INTEGER NOT NULL,
            status TEXT NOT NULL,
            finish_reason TEXT,
            parts TEXT NOT NULL, -- JSON
            PRIMARY KEY (turn_id, lane)
        )
        """,
        """
        CREATE TABLE attempt (
            turn_id TEXT NOT NULL,
            lane INTEGER NOT NULL,
            position INTEGER NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            started_at TEXT NOT NULL,
            duration_s REAL,
            error_kind TEXT,
            error_message TEXT,
            status_code INTEGER,
            retry_after_s REAL,
            time_to_first_chunk_s REAL,
            response_model TEXT,
            response_id TEXT,
            request_id TEXT,
            raw_finish_reason TEXT,
            input_tokens INTEGER,
            output_tokens INTEGER,
            cached_input_tokens INTEGER,
            reasoning_tokens INTEGER,
            cost_usd TEXT, -- decimal
            price_source TEXT,
            PRIMARY KEY (turn_id, lane, position),
            FOREIGN KEY (turn_id, lane) REFERENCES response (turn_id, lane) ON DELETE CASCADE
        )
        """,
    ):
        connection.execute(statement)


def what_was_asked_for_and_what_was_held_back(connection: sqlite3.Connection) -> None:
    """Version 2: an attempt's parameters, and models that were not asked. Version 1 would drop them; it may read."""
    for statement in (
        "ALTER TABLE attempt ADD COLUMN temperature REAL",
        "ALTER TABLE attempt ADD COLUMN max_output_tokens INTEGER",
        "ALTER TABLE attempt ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0",
        "UPDATE meta SET min_writer = 2",
    ):
        connection.execute(statement)


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    conversations_turns_and_answers,
    what_was_asked_for_and_what_was_held_back,
)
LATEST = len(STEPS)


def user_version(connection: sqlite3.Connection) -> int:
    """The number of the last step that was applied to the file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def access(connection: sqlite3.Connection) -> Access:
    """What this version may do with the file.

    Returns:
        `write`: everything. `read`: a newer version allows reading. `none`: neither.
    """
    if user_version(connection) <= LATEST:
        return "write"
    min_reader, min_writer = connection.execute("SELECT min_reader, min_writer FROM meta").fetchone()
    if min_writer <= LATEST:
        return "write"
    return "read" if min_reader <= LATEST else "none"


def require_access(connection: sqlite3.Connection, place: str) -> None:
    """Refuse a file of a newer version. Another kernel may migrate it at any time, so every transaction asks.

    Raises:
        SchemaTooNew: This version may not write the file, or not even read it.
    """
    allowed = access(connection)
    if allowed != "write":
        cannot = "change" if allowed == "read" else "read"
        raise SchemaTooNew(
            f"the store {place} is from a newer convoscope-jupyter; this version cannot {cannot} it. "
            "Run: pip install --upgrade convoscope-jupyter. Or set CONVOSCOPE_STORE to another file.",
            path=place,
        )


def require_own_file(connection: sqlite3.Connection, place: str) -> None:
    """Refuse another program's database, before anything in it is changed.

    Raises:
        StoreUnavailable: The file is an SQLite database, but not a store.
    """
    connection.execute("BEGIN")  # both reads see the same state, while another process may be making the schema
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    connection.execute("COMMIT")
    if application_id != APPLICATION_ID and not is_empty:
        raise StoreUnavailable(
            f"{place} is a database of another program, not a conversation store. "
            "Set CONVOSCOPE_STORE to a file of its own.",
            path=place,
        )


def migrate(connection: sqlite3.Connection, place: str) -> None:
    """Apply the steps that the file lacks. Safe while other processes do the same.

    Raises:
        SchemaTooNew: The file is of a newer version that this one may not write.
    """
    for number, step in enumerate(STEPS, start=1):
        if user_version(connection) < number:
            _apply(connection, number, step)
    require_access(connection, place)


def _apply(connection: sqlite3.Connection, number: int, step: Callable[[sqlite3.Connection], None]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if user_version(connection) < number:  # else another process came first
            step(connection)
            connection.execute(
                "INSERT INTO migration (number, name, applied_at) VALUES (?, ?, ?)",
                (number, step.__name__, utc_now().isoformat()),
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
