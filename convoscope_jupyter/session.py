"""The user's object: ask, stream, stop, go on. Joins route and store and tells observers what happens.

Public calls run on the caller's thread, and so do `on_delta` and iteration; the work runs on the
loop thread (`_loop`). There is one implementation; the plain forms wait for the async one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from convoscope_jupyter import _loop, _waiting, config, models
from convoscope_jupyter._keeper import Keeper
from convoscope_jupyter._running_turn import RunningTurn, TurnBegun
from convoscope_jupyter._session_values import (
    checked_max_output_tokens,
    checked_temperature,
    continuation_of,
    default_route,
    first_words,
    is_uuid,
    new_conversation,
    next_turn,
    retry_of,
)
from convoscope_jupyter.errors import ConversationBusy, ConversationNotFound
from convoscope_jupyter.messages import (
    Conversation,
    Message,
    SessionEvent,
    TextDelta,
    Turn,
    TurnFinished,
    utc_now,
)
from convoscope_jupyter.providers import default_providers
from convoscope_jupyter.providers._base import ChatRequest, Provider
from convoscope_jupyter.routing import Route
from convoscope_jupyter.store import Store, open_store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnProgress:
    """Something happened in the running turn."""

    turn_id: str
    event: SessionEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged:
    """Route, instructions, temperature or title are not what they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOpened:
    """The session went on to another conversation."""


Notice = TurnBegun | TurnProgress | SettingsChanged | ConversationOpened
"""What observers are told, on the loop thread, in order."""

RouteLike = str | Sequence[str] | Route


class Session:
    """A conversation with the models of a route.

    Args:
        route: Models to ask, in order: `"openai:gpt-5-mini, demo:tour"`, a list, or a `Route`. `None` takes
            `CONVOSCOPE_ROUTE`, then `DEFAULT_LLM_PROVIDER`, then the first provider with a key, then the offline demo.
        conversation: `None` starts a new one; a name opens the one of that name or starts it; an id opens that one.
        providers: More providers by name, such as `{"ollama": OpenAICompatible(base_url="http://127.0.0.1:11434/v1")}`.
        system: Instructions for the model.
        store: `None` for the default store, a path, `":memory:"` to keep nothing, or an open store.
        temperature: Sampling temperature from 0 to 2; `None` takes `DEFAULT_TEMPERATURE`, else the provider's own.
        max_output_tokens: Bound on each answer; `None` leaves it to the provider.
        strict: True forbids fallback: only the route's first model is ever asked.

    Raises:
        InvalidRoute: The route cannot be read, or names a provider there is none of.
        InvalidSetting: A number is out of its range.
        ConversationNotFound: No conversation has this id.
        StoreError: A named conversation cannot be looked up.

    Example:
        >>> session = Session("demo:echo", store=":memory:")
        >>> session.ask("Hello").text
        'Hello'
    """

    def __init__(
        self,
        route: RouteLike | None = None,
        *,
        conversation: str | None = None,
        providers: Mapping[str, Provider] | None = None,
        system: str | None = None,
        store: str | os.PathLike[str] | Store | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        strict: bool = False,
    ) -> None:
        settings = config.load_settings()
        self._providers: dict[str, Provider] = {**default_providers(), **(providers or {})}
        self._strict = strict
        self._route = self._parse(route if route is not None else default_route(settings, self._providers))
        self._temperature = checked_temperature(settings.temperature if temperature is None else temperature)
        self._max_output_tokens = checked_max_output_tokens(max_output_tokens)
        self._max_history_turns = settings.max_history_turns
        self._keeper = Keeper(open_store(store) if store is None or isinstance(store, (str, os.PathLike)) else store)
        self._observers: list[Callable[[Notice], None]] = []
        self._lock = threading.Lock()
        self._running: RunningTurn | None = None
        self._conversation = self._open(conversation, system)
        self._load_sdks()

    # --- what it is set to -----------------------------------------------------------------------

    @property
    def conversation(self) -> Conversation:
        """The conversation as it is now: a frozen value."""
        return self._conversation

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers by name."""
        return self._providers

    @property
    def running(self) -> RunningTurn | None:
        """The turn being answered, if one is."""
        return self._running

    @property
    def keeper(self) -> Keeper:
        """Where the conversation is kept, and whether that works."""
        return self._keeper

    @property
    def route(self) -> Route:
        """Models to ask, in order. Set it to text, a list or a `Route`."""
        return self._route

    @route.setter
    def route(self, route: RouteLike) -> None:
        self._route = self._parse(route)
        self._load_sdks()
        self._tell_soon(SettingsChanged())

    @property
    def system(self) -> str | None:
        """Instructions that go with every request of this conversation."""
        return self._conversation.system

    @system.setter
    def system(self, system: str | None) -> None:
        self._change_conversation(system=system or None, title=self.title)

    @property
    def title(self) -> str:
        """The conversation's title; the first words of the first question until someone gives it another."""
        return self._conversation.title

    @title.setter
    def title(self, title: str) -> None:
        self._change_conversation(title=" ".join(title.split())[:200], system=self.system)

    @property
    def temperature(self) -> float | None:
        """Sampling temperature from 0 to 2; `None` leaves it to the provider."""
        return self._temperature

    @temperature.setter
    def temperature(self, temperature: float | None) -> None:
        self._temperature = checked_temperature(temperature)
        self._tell_soon(SettingsChanged())

    @property
    def max_output_tokens(self) -> int | None:
        """Bound on each answer; `None` leaves it to the provider."""
        return self._max_output_tokens

    @max_output_tokens.setter
    def max_output_tokens(self, max_output_tokens: int | None) -> None:
        self._max_output_tokens = checked_max_output_tokens(max_output_tokens)
        self._tell_soon(SettingsChanged())

    # --- asking ----------------------------------------------------------------------------------

    def ask(
        self, prompt: str, *, route: RouteLike | None = None, on_delta: Callable[[str], object] | None = None
    ) -> Turn:
        """Ask, and wait for the answer. Works inside a running cell.

        Args:
            prompt: What to ask; not empty.
            route: Models for this question only.
            on_delta: Called with each piece of visible text, on this thread.

        Returns:
            The stored turn. Its response's status is "complete", or "cancelled" after `cancel()`.

        Raises:
            InvalidPrompt: Nothing to ask.
            ConversationBusy: An answer is still being written.
            RouteExhausted: No model answered; `.exceptions` says why, `.turn` is the stored turn.
            AnswerInterrupted: A model broke off; `.turn` holds what came, already stored.
            StoreError: The words could not be saved; nothing was sent.

        Example:
            >>> Session("demo:fail-429, demo:echo", store=":memory:").ask("Hello").responses[0].attempts[0].outcome
            'rate_limited'
        """
        return self._wait(next_turn(self._conversation, prompt), route, on_delta)

    def stream(self, prompt: str, *, route: RouteLike | None = None) -> Iterator[SessionEvent]:
        """Ask, and iterate over what happens. Leaving the loop early stops the answer.

        Args:
            prompt: What to ask; not empty.
            route: Models for this question only.

        Yields:
            `AttemptStarted`, `TextDelta`, `ReasoningDelta`, `AttemptFailed` as they happen; last, `TurnFinished`.

        Raises:
            ConvoError: As `ask`; an interrupted or failed answer raises after its `TurnFinished`.
        """
        yield from self._events(next_turn(self._conversation, prompt), route)

    async def ask_async(
        self, prompt: str, *, route: RouteLike | None = None, on_delta: Callable[[str], object] | None = None
    ) -> Turn:
        """`ask`, for async code. Cancelling the awaiting task stops the answer.

        Args:
            prompt: What to ask; not empty.
            route: Models for this question only.
            on_delta: Called with each piece of visible text, on the awaiting loop.

        Returns:
            The stored turn.

        Raises:
            ConvoError: As `ask`.
        """
        turn: Turn | None = None
        async with contextlib.aclosing(self._events_async(next_turn(self._conversation, prompt), route)) as events:
            async for event in events:
                if isinstance(event, TextDelta) and on_delta is not None:
                    on_delta(event.text)
                if isinstance(event, TurnFinished):
                    turn = event.turn
        assert turn is not None  # noqa: S101 - every run of events that does not raise ends with TurnFinished
        return turn

    async def stream_async(self, prompt: str, *, route: RouteLike | None = None) -> AsyncGenerator[SessionEvent]:
        """`stream`, for async code.

        Args:
            prompt: What to ask; not empty.
            route: Models for this question only.

        Yields:
            As `stream`.

        Raises:
            ConvoError: As `stream`.
        """
        async with contextlib.aclosing(self._events_async(next_turn(self._conversation, prompt), route)) as events:
            async for event in events:
                yield event

    def cancel(self) -> None:
        """Stop the running answer. What came is kept; whoever waits for it gets a turn with status "cancelled"."""
        running = self._running
        if running is not None:
            _loop.call_soon(running.stop)

    def edit(self, turn: Turn, text: str) -> Turn:
        """Ask something else in an earlier turn's place. The earlier turn stays, as a sibling.

        Args:
            turn: A turn of this conversation.
            text: The new prompt.

        Returns:
            The new turn.

        Raises:
            ConvoError: As `ask`.
        """
        return self._wait(replace(next_turn(self._conversation, text), parent_id=turn.parent_id), None, None)

    def regenerate(self, turn: Turn, route: RouteLike | None = None) -> Turn:
        """Ask an earlier turn's prompt again. The earlier turn stays, as a sibling.

        Args:
            turn: A turn of this conversation.
            route: Models for this question only.

        Returns:
            The new turn.

        Raises:
            ConvoError: As `ask`.
        """
        return self._wait(retry_of(turn), route, None)

    def continue_(self, turn: Turn, route: RouteLike | None = None) -> Turn:
        """Go on with an answer that broke off, in a turn of its own: nothing is spliced.

        Args:
            turn: A turn of this conversation.
            route: Models for this question only.

        Returns:
            The new turn; `continues` names the one before.

        Raises:
            ConvoError: As `ask`.
        """
        return self._wait(continuation_of(turn), route, None)

    # --- for hosts -------------------------------------------------------------------------------

    def launch(
        self,
        turn: Turn,
        route: RouteLike | None = None,
        *,
        emit: Callable[[SessionEvent], None] | None = None,
    ) -> concurrent.futures.Future[RunningTurn]:
        """Start answering a turn, without waiting.

        Args:
            turn: From `next_turn`, `retry_of` or `continuation_of`.
            route: Models for this question only.
            emit: Called with each event, on the loop thread.

        Returns:
            A future of the turn when it has run; it raises `StoreError` when the words could not be saved.

        Raises:
            ConversationBusy: An answer is still being written.
            InvalidRoute: The route cannot be read.
        """
        chosen = self._route if route is None else self._parse(route)
        with self._lock:
            if self._running is not None:
                raise ConversationBusy(self._running.turn.id)
            conversation = self._conversation
            if not conversation.title:
                conversation = replace(conversation, title=first_words(turn.prompt.text))
            running = RunningTurn(
                turn=turn,
                conversation=conversation,
                route=chosen,
                request=self._request(conversation, turn),
                providers=self._providers,
                keeper=self._keeper,
            )
            self._running = running
        return _loop.submit(self._conduct(running, emit))

    def observe(self, observer: Callable[[Notice], None]) -> Callable[[], None]:
        """Be told what happens, whoever caused it.

        Args:
            observer: Called on the loop thread; it must not block.

        Returns:
            A function that ends it.
        """
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    async def open(self, conversation_id: str) -> None:
        """Go on with a stored conversation in this session. Called on the loop thread.

        Args:
            conversation_id: Its id.

        Raises:
            ConversationBusy: An answer is still being written.
            ConversationNotFound: There is none.
            StoreError: The store cannot be read.
        """
        found = await self._keeper.get_in_thread(conversation_id)
        if found is None:
            raise ConversationNotFound(conversation_id)
        self._go_on_with(found)

    def start_new(self) -> None:
        """Start a new conversation in this session, with the same instructions. Called on the loop thread.

        Raises:
            ConversationBusy: An answer is still being written.
        """
        self._go_on_with(new_conversation(system=self.system))

    # --- inside ----------------------------------------------------------------------------------

    def _wait(self, turn: Turn, route: RouteLike | None, on_delta: Callable[[str], object] | None) -> Turn:
        for event in self._events(turn, route):
            if isinstance(event, TextDelta) and on_delta is not None:
                on_delta(event.text)
            if isinstance(event, TurnFinished):
                turn = event.turn
        return turn

    def _events(self, turn: Turn, route: RouteLike | None) -> Iterator[SessionEvent]:
        return _waiting.events(lambda emit: self.launch(turn, route, emit=emit), self.cancel)

    def _events_async(self, turn: Turn, route: RouteLike | None) -> AsyncGenerator[SessionEvent]:
        return _waiting.events_async(lambda emit: self.launch(turn, route, emit=emit), self.cancel)

    async def _conduct(self, running: RunningTurn, emit: Callable[[SessionEvent], None] | None) -> RunningTurn:
        try:
            async with contextlib.aclosing(running.events()) as events:
                async for event in events:
                    if isinstance(event, TurnBegun):
                        self._put_turn(event.turn, title=running.conversation.title)
                        self._tell(event)
                        continue
                    if isinstance(event, TurnFinished):
                        self._put_turn(event.turn)
                        self._running = None  # first, so that whoever hears of the end can ask again at once
                    self._tell(TurnProgress(turn_id=running.turn.id, event=event))
                    if emit is not None:
                        emit(event)
        finally:
            if self._running is running:
                self._running = None
        return running

    def _put_turn(self, turn: Turn, *, title: str | None = None) -> None:
        with self._lock:
            conversation = self._conversation
            others = tuple(other for other in conversation.turns if other.id != turn.id)
            self._conversation = replace(
                conversation, turns=(*others, turn), updated_at=utc_now(), title=conversation.title or title or ""
            )

    def _request(self, conversation: Conversation, turn: Turn) -> ChatRequest:
        path = conversation.path(turn.parent_id) if turn.parent_id is not None else ()
        if self._max_history_turns is not None:
            path = path[-self._max_history_turns :]
        # A turn that nobody answered is left out: two questions in a row confuse models more than one gone.
        messages = [message for past in path if past.text for message in (past.prompt, Message.assistant(past.text))]
        return ChatRequest(
            provider="",
            model="",
            messages=(*messages, turn.prompt),
            system=conversation.system,
            temperature=self._temperature,
            max_output_tokens=self._max_output_tokens,
        )

    def _parse(self, route: RouteLike) -> Route:
        return Route.parse(route, known=tuple(self._providers), strict=self._strict)

    def _load_sdks(self) -> None:
        _loop.submit(asyncio.to_thread(models.load))
        for name in {candidate.provider for candidate in self._route.candidates}:
            _loop.submit(asyncio.to_thread(self._providers[name].load))

    def _open(self, reference: str | None, system: str | None) -> Conversation:
        if reference is None:
            return new_conversation(system=system)
        if is_uuid(reference):
            found = self._keeper.get(reference)
            if found is None:
                raise ConversationNotFound(reference)
        else:
            found = self._keeper.find_by_name(reference) or new_conversation(system=system, name=reference)
        return found if system is None else replace(found, system=system)

    def _go_on_with(self, conversation: Conversation) -> None:
        with self._lock:
            if self._running is not None:
                raise ConversationBusy(self._running.turn.id)
            self._conversation = conversation
        self._tell(ConversationOpened())

    def _change_conversation(self, *, title: str, system: str | None) -> None:
        with self._lock:
            self._conversation = replace(self._conversation, title=title, system=system)
            changed = self._conversation
        if changed.turns:
            _loop.submit(self._keeper.save_conversation(changed))
        self._tell_soon(SettingsChanged())

    def _tell(self, notice: Notice) -> None:
        for observer in tuple(self._observers):
            try:
                observer(notice)
            except Exception:  # noqa: BLE001 - a view that fails must not end the answer
                _log.exception("an observer of session %s failed", self._conversation.id)

    def _tell_soon(self, notice: Notice) -> None:
        if self._observers:
            _loop.call_soon(self._tell, notice)
