"""The store in one SQLite file. How it is opened: `_opening`; running answers: `_partial`; forks: `_forks`."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final, Literal

from convoscope_jupyter._text import clean
from convoscope_jupyter.errors import AlreadyStored, StoreBusy, StoreError, StoreUnavailable
from convoscope_jupyter.messages import Conversation, Response, Turn, utc_now
from convoscope_jupyter.store import ConversationSummary, Partial, _forks, _migrations, _opening, _partial, _rows

_log = logging.getLogger(__name__)

_INSERT_CONVERSATION: Final = """
    INSERT INTO conversation (id, title, name, system, created_at, updated_at)
    VALUES (:id, :title, :name, :system, :created_at, :updated_at)
    ON CONFLICT (id) DO NOTHING
"""
_UPSERT_CONVERSATION: Final = """
    INSERT INTO conversation (id, title, name, system, created_at, updated_at)
    VALUES (:id, :title, :name, :system, :created_at, :updated_at)
    ON CONFLICT (id) DO UPDATE SET
        title = excluded.title, name = excluded.name, system = excluded.system,
        created_at = excluded.created_at, updated_at = excluded.updated_at
"""
_UPSERT_TURN: Final = """
    INSERT INTO turn (id, conversation_id, seq, parent_id, prompt, created_at, chosen, continues, finished_at)
    VALUES (
        :id, :conversation_id,
        (SELECT coalesce(max(seq) + 1, 0) FROM turn WHERE conversation_id = :conversation_id),
        :parent_id, :prompt, :created_at, :chosen, :continues, :finished_at
    )
    ON CONFLICT (id) DO UPDATE SET
        parent_id = excluded.parent_id, prompt = excluded.prompt, created_at = excluded.created_at,
        chosen = excluded.chosen, continues = excluded.continues, finished_at = excluded.finished_at
"""
_INSERT_RESPONSE: Final = """
    INSERT INTO response (turn_id, lane, status, finish_reason, parts)
    VALUES (:turn_id, :lane, :status, :finish_reason, :parts)
"""
_INSERT_ATTEMPT: Final = """
    INSERT INTO attempt (
        turn_id, lane, position, provider, model, started_at, duration_s, error_kind, error_message, status_code,
        retry_after_s, time_to_first_chunk_s, response_model, response_id, request_id, raw_finish_reason,
        input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, cost_usd, price_source,
        temperature, max_output_tokens, held_back
    )
    VALUES (
        :turn_id, :lane, :position, :provider, :model, :started_at, :duration_s, :error_kind, :error_message,
        :status_code, :retry_after_s, :time_to_first_chunk_s, :response_model, :response_id, :request_id,
        :raw_finish_reason, :input_tokens, :output_tokens, :cached_input_tokens, :reasoning_tokens, :cost_usd,
        :price_source, :temperature, :max_output_tokens, :held_back
    )
"""
_SELECT_TURNS: Final = """
    SELECT id, parent_id, prompt, created_at, chosen, continues
    FROM turn WHERE conversation_id = :id ORDER BY seq
"""
_SELECT_RESPONSES: Final = """
    SELECT response.turn_id, response.lane, response.status, response.finish_reason, response.parts
    FROM turn JOIN response ON response.turn_id = turn.id
    WHERE turn.conversation_id = :id ORDER BY turn.seq, response.lane
"""
_SELECT_ATTEMPTS: Final = """
    SELECT attempt.* FROM turn JOIN attempt ON attempt.turn_id = turn.id
    WHERE turn.conversation_id = :id ORDER BY turn.seq, attempt.lane, attempt.position
"""
_SELECT_SUMMARIES: Final = """
    SELECT id, title, name, updated_at,
        (SELECT count(*) FROM turn WHERE turn.conversation_id = conversation.id) AS turn_count
    FROM conversation
    WHERE EXISTS (SELECT 1 FROM turn WHERE turn.conversation_id = conversation.id)
    ORDER BY updated_at DESC, number DESC LIMIT :limit
"""

_inherited: list[sqlite3.Connection] = []  # from a parent process: never used here, and never closed

_TurnState = Literal["unknown", "running", "finished"]


class SqliteStore:
    """Conversations in one SQLite file. See `Store`, whose methods these are.

    Args:
        path: The file, made at first use if there is none; `:memory:` keeps nothing.
        busy_timeout_s: How long to wait for another process's lock.
    """

    def __init__(self, path: str, *, busy_timeout_s: float = 30.0) -> None:
        self._place = _opening.resolve(path)
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._side_files: dict[str, _partial.SideFile] = {}
        self._closed = False
        if self._place == _opening.MEMORY:
            self._open()  # waits for no disk, and the first question does not wait for it
        _forks.watch(self)

    @property
    def place(self) -> str:
        """The file's path, or `:memory:`."""
        return self._place

    # --- reading ---------------------------------------------------------------------------------

    def list(self, *, limit: int = 50) -> tuple[ConversationSummary, ...]:
        """See `Store.list`."""
        with self._transaction("BEGIN") as connection:
            rows = connection.execute(_SELECT_SUMMARIES, {"limit": max(limit, 0)}).fetchall()
        with self._reading():
            return tuple(_rows.summary(dict(row)) for row in rows)

    def get(self, conversation_id: str) -> Conversation | None:
        """See `Store.get`."""
        return self._find("SELECT * FROM conversation WHERE id = ?", conversation_id)

    def find_by_name(self, name: str) -> Conversation | None:
        """See `Store.find_by_name`."""
        return self._find("SELECT * FROM conversation WHERE name = ?", name)

    def _find(self, query: str, value: str) -> Conversation | None:
        with self._transaction("BEGIN") as connection:
            row = connection.execute(query, (clean(value),)).fetchone()
            if row is None:
                return None
            key = {"id": row["id"]}
            turns, responses, attempts = (
                [dict(found) for found in connection.execute(select, key).fetchall()]
                for select in (_SELECT_TURNS, _SELECT_RESPONSES, _SELECT_ATTEMPTS)
            )
        with self._reading():
            return _rows.conversation(dict(row), turns=turns, responses=responses, attempts=attempts)

    # --- writing ---------------------------------------------------------------------------------

    def save_conversation(self, conversation: Conversation) -> None:
        """See `Store.save_conversation`."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            self._put_conversation(connection, _UPSERT_CONVERSATION, conversation)

    def begin_turn(self, conversation: Conversation, turn: Turn) -> None:
        """See `Store.begin_turn`."""
        with self._lock:
            on_disk = self._place != _opening.MEMORY
            claimed = self._claim(conversation.id, turn.id) if on_disk and self._held(turn.id) is None else None
            try:
                with self._transaction("BEGIN IMMEDIATE") as connection:
                    state = self._state(connection, turn.id, conversation.id)
                    if state == "unknown":
                        self._put_conversation(connection, _INSERT_CONVERSATION, conversation)
                        self._touch(connection, conversation.id)
                        connection.execute(_UPSERT_TURN, _rows.turn_row(conversation.id, turn, finished_at=None))
            except BaseException:
                if claimed is not None:
                    self._drop_side_file(turn.id, folded=claimed.was_empty)
                raise
            if state == "finished" and claimed is not None:
                self._drop_side_file(turn.id, folded=True)

    def finish_turn(self, conversation_id: str, turn: Turn) -> None:
        """See `Store.finish_turn`."""
        with self._lock:
            with self._transaction("BEGIN IMMEDIATE") as connection:
                self._state(connection, turn.id, conversation_id)
                # Its row is missing only when the file was replaced under a running kernel. The answer is kept even so.
                unknown = Conversation(id=conversation_id, created_at=turn.created_at, updated_at=turn.created_at)
                self._put_conversation(connection, _INSERT_CONVERSATION, unknown)
                now = self._touch(connection, conversation_id)
                connection.execute(_UPSERT_TURN, _rows.turn_row(conversation_id, turn, finished_at=now))
                self._put_responses(connection, turn.id, turn.responses)
            self._drop_side_file(turn.id, folded=True)

    def add(self, conversation: Conversation) -> None:
        """See `Store.add`."""
        finished_at = utc_now()
        with self._transaction("BEGIN IMMEDIATE") as connection:
            known = connection.execute("SELECT 1 FROM conversation WHERE id = ?", (clean(conversation.id),))
            if known.fetchone() is not None:
                raise AlreadyStored(
                    f"the store {self._place} has a conversation {conversation.id} already. Open that one by its id.",
                    path=self._place,
                )
            self._put_conversation(connection, _INSERT_CONVERSATION, conversation)
            for turn in conversation.turns:
                known = connection.execute("SELECT 1 FROM turn WHERE id = ?", (clean(turn.id),))
                if known.fetchone() is not None:
                    raise AlreadyStored(
                        f"the store {self._place} has a turn {turn.id} already. Give this one a new id.",
                        path=self._place,
                    )
                connection.execute(_UPSERT_TURN, _rows.turn_row(conversation.id, turn, finished_at=finished_at))
                self._put_responses(connection, turn.id, turn.responses)

    # --- running answers -------------------------------------------------------------------------

    def open_partial(self, conversation_id: str, turn_id: str) -> Partial:
        """See `Store.open_partial`."""
        if self._place == _opening.MEMORY:
            return _partial.MemoryPartial()
        with self._lock:
            side_file = self._held(turn_id) or self._claim(conversation_id, turn_id)
        if side_file is None:
            raise StoreBusy(
                f"turn {turn_id} is being answered by another kernel that uses the store {self._place}. "
                "Wait until it is done there, then open the conversation again.",
                path=self._place,
            )
        return side_file

    def recover(self) -> Sequence[str]:
        """See `Store.recover`."""
        if self._place == _opening.MEMORY:
            return ()
        with self._lock, _opening.plain_errors(self._place):
            with self._transaction("BEGIN") as connection:
                rows = connection.execute("SELECT id FROM turn WHERE finished_at IS NULL ORDER BY number").fetchall()
            unfinished = [str(row["id"]) for row in rows]
            others = [turn_id for turn_id in _partial.turn_ids(self._place) if turn_id not in unfinished]
            return tuple(turn_id for turn_id in (*unfinished, *others) if self._fold(turn_id))

    def _fold(self, turn_id: str) -> bool:
        """Settle one turn whose kernel may be gone. True when it was interrupted, and now says so."""
        try:
            side_file = _partial.SideFile.adopt(self._place, turn_id)
        except BlockingIOError:
            return False  # its kernel lives
        except FileNotFoundError:
            side_file = None
        settled = False
        try:
            answers = side_file.read() if side_file is not None else ()
            with self._transaction("BEGIN IMMEDIATE") as connection:
                state = self._state(connection, turn_id)
                if state == "running":
                    self._put_responses(connection, turn_id, _rows.interrupted(answers))
                    finished_at = _rows.time_text(utc_now())
                    connection.execute("UPDATE turn SET finished_at = ? WHERE id = ?", (finished_at, turn_id))
            settled = state != "unknown" or not answers
            if not settled:
                _log.warning("store: side file of turn %s left as it is: the store does not know the turn", turn_id)
            return state == "running"
        finally:
            if side_file is not None:
                side_file.close(folded=settled)

    def _claim(self, conversation_id: str, turn_id: str) -> _partial.SideFile | None:
        """Take a turn's side file; `None` when another kernel has it. See `_partial` for when."""
        if not _partial.is_safe_id(turn_id):
            raise StoreError(f"{turn_id!r} cannot be the id of a turn. Use messages.new_id().", path=self._place)
        self._open()
        with _opening.plain_errors(self._place):
            try:
                side_file = _partial.SideFile.claim(self._place, turn_id, conversation_id=conversation_id)
            except BlockingIOError:
                return None
        self._side_files[turn_id] = side_file
        return side_file

    def _held(self, turn_id: str) -> _partial.SideFile | None:
        side_file = self._side_files.get(turn_id)
        return side_file if side_file is not None and side_file.is_open else None

    def _drop_side_file(self, turn_id: str, *, folded: bool) -> None:
        side_file = self._side_files.pop(turn_id, None)
        if side_file is not None:
            side_file.close(folded=folded)

    # --- inside a transaction --------------------------------------------------------------------

    def _state(self, connection: sqlite3.Connection, turn_id: str, conversation_id: str | None = None) -> _TurnState:
        query = "SELECT conversation_id, finished_at FROM turn WHERE id = ?"
        row = connection.execute(query, (clean(turn_id),)).fetchone()
        if row is None:
            return "unknown"
        if conversation_id is not None and row["conversation_id"] != clean(conversation_id):
            raise StoreError(
                f"turn {turn_id} belongs to another conversation of the store {self._place}. Give it a new id.",
                path=self._place,
            )
        return "running" if row["finished_at"] is None else "finished"

    def _put_conversation(self, connection: sqlite3.Connection, statement: str, conversation: Conversation) -> None:
        try:
            connection.execute(statement, _rows.conversation_row(conversation))
        except sqlite3.IntegrityError:
            raise StoreError(
                f"the store {self._place} has another conversation named {conversation.name!r}. "
                "Open that one by its name, or choose another name.",
                path=self._place,
            ) from None

    def _touch(self, connection: sqlite3.Connection, conversation_id: str) -> datetime:
        now = utc_now()
        values = (_rows.time_text(now), clean(conversation_id))
        connection.execute("UPDATE conversation SET updated_at = ? WHERE id = ?", values)
        return now

    def _put_responses(self, connection: sqlite3.Connection, turn_id: str, responses: Sequence[Response]) -> None:
        connection.execute("DELETE FROM response WHERE turn_id = ?", (clean(turn_id),))  # attempts go with them
        for lane, response in enumerate(responses):
            connection.execute(_INSERT_RESPONSE, _rows.response_row(turn_id, lane, response))
            attempts = [_rows.attempt_row(turn_id, lane, n, attempt) for n, attempt in enumerate(response.attempts)]
            connection.executemany(_INSERT_ATTEMPT, attempts)

    # --- the connection --------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, begin: Literal["BEGIN", "BEGIN IMMEDIATE"]) -> Generator[sqlite3.Connection]:
        """Run one transaction. After an error of SQLite the next one starts on a fresh connection."""
        with self._lock, _opening.plain_errors(self._place):
            connection = self._open()
            try:
                # Writers say so at once: a reader that turns writer gets "locked" without any waiting
                # (https://sqlite.org/lang_transaction.html).
                connection.execute(begin)
                _migrations.require_access(connection, self._place)
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    connection.rollback()
                if isinstance(error, sqlite3.Error) and self._place != _opening.MEMORY:
                    self._disconnect()
                raise

    @contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except (ValueError, TypeError, RecursionError):
            # `from None`: the validator's words hold what the row holds.
            raise StoreUnavailable(
                f"the store {self._place} holds a conversation that cannot be read: it is damaged, or was changed by "
                "another program. The others are not affected.",
                path=self._place,
            ) from None

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable(
                f"the store {self._place} was closed. Open it again: cv.open_store()", path=self._place
            )
        if self._connection is None:
            self._connection = _opening.connect(self._place, busy_timeout_s=self._busy_timeout_s)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            self._closed = True
            for turn_id in tuple(self._side_files):
                self._drop_side_file(turn_id, folded=False)
            self._disconnect()

    # --- forks, see `_forks` ---------------------------------------------------------------------

    def before_fork(self) -> None:
        """Wait until no transaction is running."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Leave the parent its connection and its side files; what is in memory is this process's own copy."""
        self._lock = threading.RLock()
        for side_file in self._side_files.values():
            side_file.abandon()
        self._side_files.clear()
        if self._connection is not None and self._place != _opening.MEMORY:
            _inherited.append(self._connection)
            self._connection = None
