"""Between a session and its store: blocking calls moved off the loop, and what to do when one fails.

An answer is shown whether or not it can be saved. What could not be saved is remembered, told as
`problem`, and saved before the next thing is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from convoscope_jupyter import _loop
from convoscope_jupyter._session_values import with_new_ids
from convoscope_jupyter.errors import AlreadyStored, StoreError
from convoscope_jupyter.messages import Conversation, Turn
from convoscope_jupyter.store import ConversationSummary, Partial, Store

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

_IN_MEMORY = ":memory:"


class Keeper:
    """One session's way to its store.

    Args:
        store: Where conversations are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unsaved: dict[str, tuple[str, Turn]] = {}
        self._recovered = False
        self.problem: str | None = None
        """What is wrong and what to do, while something is not saved."""

    @property
    def place(self) -> str:
        """The store's file, or `:memory:`."""
        return self._store.place

    async def begin(self, conversation: Conversation, turn: Turn) -> Partial:
        """Put the user's words on disk, before anything is sent.

        Args:
            conversation: The conversation; its row is written too.
            turn: The turn without responses.

        Returns:
            The side file for the answer.

        Raises:
            StoreError: They could not be saved.
        """
        return await self._in_thread(self._begin, conversation, turn)

    def _begin(self, conversation: Conversation, turn: Turn) -> Partial:
        self._recover_once()
        self._save_the_unsaved()
        partial = self._store.open_partial(conversation.id, turn.id)
        try:
            self._store.begin_turn(conversation, turn)
        except StoreError:
            partial.close(folded=True)
            raise
        return partial

    async def finish(self, conversation_id: str, turn: Turn, partial: Partial) -> None:
        """Save a whole turn; when that fails keep it here, and its side file where it is.

        Args:
            conversation_id: Its conversation.
            turn: The turn with its responses.
            partial: Its side file, closed here.
        """
        self._unsaved[turn.id] = (conversation_id, turn)
        try:
            await self._in_thread(self._save_the_unsaved)
        except StoreError:
            await self._in_thread(lambda: partial.close(folded=False))
        else:
            await self._in_thread(lambda: partial.close(folded=True))

    def _save_the_unsaved(self) -> None:
        try:
            for turn_id, (conversation_id, turn) in list(self._unsaved.items()):
                self._store.finish_turn(conversation_id, turn)
                del self._unsaved[turn_id]
        except StoreError as error:
            self.problem = f"{error} {len(self._unsaved)} answer(s) are kept in this kernel until then."
            _log.warning("store: %d turns not saved (%s)", len(self._unsaved), type(error).__name__)
            raise
        self.problem = None

    async def save_conversation(self, conversation: Conversation) -> None:
        """Save title, name and instructions.

        Args:
            conversation: A conversation that holds a turn already; another is saved with its first.

        Raises:
            StoreError: It could not be saved.
        """
        await self._in_thread(self._store.save_conversation, conversation)

    def get(self, conversation_id: str) -> Conversation | None:
        """A stored conversation. Blocks.

        Args:
            conversation_id: Its id.

        Returns:
            The conversation with its turns, or `None`.

        Raises:
            StoreError: The store cannot be read.
        """
        self._recover_once()
        return self._store.get(conversation_id)

    def find_by_name(self, name: str) -> Conversation | None:
        """A stored conversation by the name it was opened under. Blocks.

        Args:
            name: The name.

        Returns:
            The conversation with its turns, or `None`.

        Raises:
            StoreError: The store cannot be read.
        """
        self._recover_once()
        return self._store.find_by_name(name)

    def adopt(self, conversation: Conversation) -> Conversation:
        """Keep a conversation that comes from elsewhere. Blocks.

        Args:
            conversation: With its turns.

        Returns:
            The same one; a copy with ids of its own where this store has other words under them, so that a file can
            never change what is stored.

        Raises:
            StoreError: The store cannot be read or written.
        """
        self._recover_once()
        if not conversation.turns:
            return conversation
        stored = self._store.get(conversation.id)
        if stored is not None and stored.turns == conversation.turns:
            return conversation
        if conversation.name is not None and self._store.find_by_name(conversation.name) is not None:
            conversation = replace(conversation, name=None)
        if stored is None:
            with contextlib.suppress(AlreadyStored):
                self._store.add(conversation)
                return conversation
        conversation = with_new_ids(conversation)
        self._store.add(conversation)
        return conversation

    async def get_in_thread(self, conversation_id: str) -> Conversation | None:
        """`get`, without blocking the loop.

        Args:
            conversation_id: Its id.

        Returns:
            The conversation with its turns, or `None`.

        Raises:
            StoreError: The store cannot be read.
        """
        return await self._in_thread(self.get, conversation_id)

    async def newest(self) -> ConversationSummary | None:
        """The conversation that was used last.

        Returns:
            Its summary, or `None` when there is none.

        Raises:
            StoreError: The store cannot be read.
        """
        return await self._in_thread(self._newest)

    def _newest(self) -> ConversationSummary | None:
        self._recover_once()
        return next(iter(self._store.list(limit=1)), None)

    def _recover_once(self) -> None:
        if not self._recovered:
            recovered = self._store.recover()
            self._recovered = True
            if recovered:
                _log.info("store: %d interrupted turns recovered", len(recovered))

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # What is in memory makes nobody wait; a thread would cost more. At exit the executor takes no more work, and
        # nobody is left whom blocking could disturb.
        if self._store.place == _IN_MEMORY or _loop.is_closing():
            return function(*args, **kwargs)
        return await asyncio.to_thread(function, *args, **kwargs)
