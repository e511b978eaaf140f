"""Between a session and its store: blocking calls moved off the loop, and what to do when one fails.

An answer is shown whether or not it can be saved, and its end waits for the store only a moment.
What is not saved is remembered, told as `problem`, and saved before the next thing is.

One save runs at a time: the next question joins it. Its outcome is noted on the loop's thread only,
so that "saved" and "not saved yet" cannot overtake each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from convoscope_jupyter import _loop
from convoscope_jupyter._session_values import with_new_ids
from convoscope_jupyter.errors import AlreadyStored, StoreError
from convoscope_jupyter.messages import Conversation, Turn
from convoscope_jupyter.redaction import place_of
from convoscope_jupyter.store import ConversationSummary, Partial, Store

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

_IN_MEMORY = ":memory:"

ANSWER_PATIENCE_S = 0.5
"""How long the end of an answer waits for the store. After that the save goes on behind it."""
QUESTION_PATIENCE_S = 1.0
"""How long a question waits for the store before whoever watches is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unsaved:
    conversation_id: str
    turn: Turn
    partial: Partial


class Keeper:
    """One session's way to its store.

    Args:
        store: Where conversations are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unsaved: dict[str, _Unsaved] = {}
        self._saving: asyncio.Future[Exception | None] | None = None
        self._recovered = False
        self._answer_problem: str | None = None
        self._question_problem: str | None = None
        self._observer: weakref.WeakMethod[Callable[[], object]] | None = None

    def observe(self, observer: Callable[[], object]) -> None:
        """Be told when `problem` is not what it was, for as long as the observer lives.

        Args:
            observer: A method; called on the loop's thread, it must not block.
        """
        self._observer = weakref.WeakMethod(observer)

    @property
    def problem(self) -> str | None:
        """What is wrong and what to do, while something is not saved."""
        return " ".join(filter(None, (self._answer_problem, self._question_problem))) or None

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
        told = asyncio.get_running_loop().call_later(QUESTION_PATIENCE_S, self._note_waiting_question)
        try:
            await self._save_first()
            return await self._in_thread(self._begin, conversation, turn)
        finally:
            told.cancel()
            self._note_question(None)

    def _begin(self, conversation: Conversation, turn: Turn) -> Partial:
        self._recover_once()
        partial = self._store.open_partial(conversation.id, turn.id)
        try:
            self._store.begin_turn(conversation, turn)
        except StoreError:
            partial.close(folded=True)
            raise
        return partial

    async def _save_first(self) -> None:
        """Raises what kept an earlier answer from being saved. A save under way is joined, not tried twice."""
        saving = self._saving_here()
        if saving is None:
            if not self._unsaved:
                return
            saving = self._start_saving()
        if not saving.done():
            await asyncio.wait({saving})
        self._note_saved(saving)
        if error := saving.result():
            raise error

    async def finish(self, conversation_id: str, turn: Turn, partial: Partial) -> None:
        """Save a whole turn. What takes longer goes on in the background; what fails is kept here and in the side file.

        Args:
            conversation_id: Its conversation.
            turn: The turn with its responses.
            partial: Its side file, closed here or by the save that goes on.
        """
        self._unsaved[turn.id] = _Unsaved(conversation_id=conversation_id, turn=turn, partial=partial)
        saving = self._start_saving()
        if not saving.done():
            await asyncio.wait({saving}, timeout=ANSWER_PATIENCE_S)
        if saving.done():
            self._note_saved(saving)
        else:
            self._note_answer(
                f"the last answer is not saved yet, because the store {self.place} is busy; it is kept in this kernel "
                "until it is saved."
            )

    # --- the one save that runs ------------------------------------------------------------------

    def _start_saving(self) -> asyncio.Future[Exception | None]:
        saving = self._in_executor(self._save_the_unsaved)
        if saving is None:
            saving = asyncio.get_running_loop().create_future()
            saving.set_result(self._save_the_unsaved())
        self._saving = saving
        saving.add_done_callback(self._note_saved)
        return saving

    def _saving_here(self) -> asyncio.Future[Exception | None] | None:
        """The save under way. One of a parent process never ends in the child of a fork."""
        saving = self._saving
        return saving if saving is not None and saving.get_loop() is asyncio.get_running_loop() else None

    def _save_the_unsaved(self) -> Exception | None:
        """Returns what kept an answer from being saved."""
        try:
            for turn_id, one in list(self._unsaved.items()):
                self._store.finish_turn(one.conversation_id, one.turn)
                del self._unsaved[turn_id]
                one.partial.close(folded=True)
        except Exception as error:  # noqa: BLE001 - whatever the store does, the answer is shown and the trouble told
            for one in list(self._unsaved.values()):
                one.partial.close(folded=False)
            return error
        return None

    def _note_saved(self, saving: asyncio.Future[Exception | None]) -> None:
        """Tell what came of a save, once: as its callback, or earlier by whoever waits for it."""
        if self._saving is not saving:
            return
        self._saving = None
        error = saving.result()
        if error is None:
            self._note_answer(None)
            return
        _log.warning("store: %d turns not saved (%s)", len(self._unsaved), place_of(error))
        words = (
            str(error)
            if isinstance(error, StoreError)
            else f"the store {self.place} failed; it is tried again with your next question."
        )
        self._note_answer(f"{words} {len(self._unsaved)} answer(s) are kept in this kernel until then.")

    def _note_answer(self, problem: str | None) -> None:
        before, self._answer_problem = self.problem, problem
        self._tell_unless_still(before)

    def _note_question(self, problem: str | None) -> None:
        before, self._question_problem = self.problem, problem
        self._tell_unless_still(before)

    def _tell_unless_still(self, before: str | None) -> None:
        observer = self._observer() if self._observer is not None else None
        if observer is not None and self.problem != before:
            observer()

    def _note_waiting_question(self) -> None:
        self._note_question(
            f"Your question waits for the store {self.place}, which is busy; it is sent once it is saved."
        )

    # --- conversations ---------------------------------------------------------------------------

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
        unsaved = dict(self._unsaved)  # first: what is saved meanwhile is in the store then
        return _with_answers(self._store.get(conversation_id), unsaved)

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
        unsaved = dict(self._unsaved)
        return _with_answers(self._store.find_by_name(name), unsaved)

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
        call = functools.partial(function, *args, **kwargs)
        running = self._in_executor(call)
        return call() if running is None else await running

    def _in_executor(self, call: Callable[[], T]) -> asyncio.Future[T] | None:
        """Start a call that blocks; `None` when it is to be made right here.

        What is in memory makes nobody wait; a thread would cost more. At exit the executor takes no more work, and
        nobody is left whom blocking could disturb. What it has taken before, the interpreter waits for.
        """
        if self._store.place != _IN_MEMORY and not _loop.is_closing():
            with contextlib.suppress(RuntimeError):  # refused: the interpreter is going away
                return asyncio.get_running_loop().run_in_executor(None, call)
        return None


def _with_answers(found: Conversation | None, unsaved: dict[str, _Unsaved]) -> Conversation | None:
    """What the store has of a conversation, with the answers that it has not."""
    if found is None or not unsaved:
        return found
    turns = tuple(unsaved[turn.id].turn if turn.id in unsaved else turn for turn in found.turns)
    return replace(found, turns=turns)
