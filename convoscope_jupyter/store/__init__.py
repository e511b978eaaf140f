"""Where conversations are kept. The only module that persists anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from convoscope_jupyter.messages import Conversation, Turn

__all__ = ["ConversationSummary", "Partial", "Store", "default_store_path", "open_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSummary:
    """One line of the history."""

    id: str
    title: str
    name: str | None
    updated_at: datetime
    turn_count: int


class Partial(Protocol):
    """The growing side file of one answer, so that a killed kernel loses at most half a second of it."""

    def append(self, lane: int, *, text: str = "", reasoning: str = "") -> None:
        """Add what came since the last call. Never waits for the disk, and never raises."""
        ...

    def close(self, *, folded: bool) -> None:
        """The answer is over. A second call is harmless.

        Args:
            folded: True when the whole turn is in the store, so the side file can go. False leaves it
                for `Store.recover`.
        """
        ...


class Store(Protocol):
    """Conversations on disk. Methods block; every one may raise `StoreError`. Safe to call from any thread."""

    @property
    def place(self) -> str:
        """The file's path, or `:memory:`."""
        ...

    def list(self, *, limit: int = 50) -> tuple[ConversationSummary, ...]:
        """The newest conversations that hold at least one turn, newest first."""
        ...

    def get(self, conversation_id: str) -> Conversation | None:
        """A conversation with all its turns in order of creation, or `None`."""
        ...

    def find_by_name(self, name: str) -> Conversation | None:
        """The conversation opened under this name, or `None`."""
        ...

    def save_conversation(self, conversation: Conversation) -> None:
        """Insert or update everything but the turns. Another conversation's name is refused with a `StoreError`."""
        ...

    def begin_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Transaction 1: the conversation's row and the user's words are on disk when this returns.

        Idempotent by ids: a turn that is known stays as it is. So does a conversation that is known,
        but for `updated_at`: its title may have been changed elsewhere; `save_conversation` changes it.
        """
        ...

    def open_partial(self, conversation_id: str, turn_id: str) -> Partial:
        """Start the side file of a turn, just before or after `begin_turn`.

        Raises:
            StoreBusy: Another kernel is answering this turn.
            StoreError: The side file cannot be made.
        """
        ...

    def finish_turn(self, conversation_id: str, turn: Turn) -> None:
        """Transaction 2: the whole turn with its responses and attempts. Idempotent; the last call wins.

        Nothing is refused for want of a row: a turn or conversation that is not there is put there.
        """
        ...

    def add(self, conversation: Conversation) -> None:
        """Put a whole conversation in, in one transaction. It is finished: nothing of it awaits an answer.

        Raises:
            AlreadyStored: Its id, or the id of one of its turns, is there already. Nothing was put in.
            StoreError: So is its name, or it cannot be written.
        """
        ...

    def recover(self) -> Sequence[str]:
        """Mark the turns of kernels that are gone as `interrupted`, with the text from their side files.

        Turns of kernels that live are left alone, this one's too.

        Returns:
            The ids of those turns.
        """
        ...

    def close(self) -> None:
        """Close the file. The store cannot be used again."""
        ...


def default_store_path() -> str:
    """`CONVOSCOPE_STORE`, or `convoscope.sqlite3` in the platform's data directory."""
    chosen = os.environ.get("CONVOSCOPE_STORE", "").strip()
    if chosen:
        return chosen
    from platformdirs import user_data_path  # noqa: PLC0415 - loaded on use: importing the package stays cheap

    return str(user_data_path("convoscope", appauthor=False) / "convoscope.sqlite3")


def open_store(place: str | os.PathLike[str] | None = None) -> Store:
    """Open a store, making its file if there is none.

    Args:
        place: A file's path; `":memory:"` for one that keeps nothing; `None` for the default one. No URLs so far.

    Returns:
        The store. Nothing is opened before its first use.

    Raises:
        StoreError: At first use: the file cannot be opened, or is of a newer version.

    Example:
        >>> open_store(":memory:").list()
        ()
    """
    from convoscope_jupyter.store._sqlite import SqliteStore  # noqa: PLC0415 - sqlite3 is loaded on use

    return SqliteStore(os.fspath(place) if place is not None else default_store_path())
