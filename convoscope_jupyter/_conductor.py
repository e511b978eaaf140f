"""What runs a conversation: starts turns, keeps their outcome, tells whoever watches. Hosts speak to it directly."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from convoscope_jupyter import _breaker, _files, _loop, models
from convoscope_jupyter._breaker import Breakers
from convoscope_jupyter._budget import Budget
from convoscope_jupyter._keeper import Keeper
from convoscope_jupyter._notices import ConversationOpened, Notice, SettingsChanged, TurnBegun, TurnProgress
from convoscope_jupyter._provider_board import ProviderBoard
from convoscope_jupyter._running_turn import RunningTurn
from convoscope_jupyter._session_values import first_words, new_conversation, retry_of
from convoscope_jupyter.errors import BudgetExceeded, ConversationBusy, ConversationNotFound, UnknownProvider
from convoscope_jupyter.messages import Conversation, Message, ModelRef, SessionEvent, Turn, TurnFinished, utc_now
from convoscope_jupyter.providers._base import ChatRequest, Provider
from convoscope_jupyter.redaction import place_of
from convoscope_jupyter.routing import Route

_log = logging.getLogger(__name__)

RouteLike = str | Sequence[str] | Route


_loading: set[type[Provider]] = set()


def _load_soon(providers: Iterable[Provider]) -> None:
    """Import what the first question needs, while the person writes it; once in a kernel."""
    if not _loading:
        _loop.submit(asyncio.to_thread(models.load))
    for provider in providers:
        if type(provider) not in _loading:
            _loading.add(type(provider))
            _loop.submit(asyncio.to_thread(provider.load))


class Conductor:
    """Runs the turns of one session, one at a time.

    Args:
        providers: The session's providers by name.
        keeper: Where conversations are kept.
        strict: True forbids fallback.
        breakers: What is known of the providers; by default what all sessions of the kernel share.
    """

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        keeper: Keeper,
        strict: bool,
        breakers: Breakers = _breaker.shared,
    ) -> None:
        self.providers = providers
        self.keeper = keeper
        keeper.observe(self.tell_settings)
        self.board = ProviderBoard(providers, breakers)
        self.budget = Budget()
        self._breakers = breakers
        breakers.observe(self._on_breakers)
        self.temperature: float | None = None
        self.max_output_tokens: int | None = None
        self.max_history_turns: int | None = None
        self._strict = strict
        self._route: Route | None = None
        self._conversation = new_conversation(system=None)
        self._running: RunningTurn | None = None
        self._observers: list[Callable[[Notice], None]] = []
        self._lock = threading.Lock()

    @property
    def conversation(self) -> Conversation:
        """The conversation as it is now."""
        return self._conversation

    @property
    def running(self) -> RunningTurn | None:
        """The turn being answered, if one is."""
        return self._running

    # --- what it is set to -----------------------------------------------------------------------

    def parse(self, route: RouteLike) -> Route:
        """Read a route as a user writes it. Raises `InvalidRoute`."""
        return Route.parse(route, known=tuple(self.providers), strict=self._strict)

    @property
    def route(self) -> Route:
        """Models to ask, in order."""
        assert self._route is not None  # noqa: S101 - the session sets it before anyone can ask
        return self._route

    @route.setter
    def route(self, route: Route) -> None:
        self._route = route
        _load_soon({self.providers[candidate.provider] for candidate in route.candidates})

    @property
    def models_in_use(self) -> tuple[ModelRef, ...]:
        """The route's models, and those of the last question."""
        turns = self._conversation.turns
        asked = [attempt.model for response in turns[-1].responses for attempt in response.attempts] if turns else []
        return tuple(dict.fromkeys((*self.route.candidates, *asked)))

    def change(self, *, title: str, system: str | None) -> None:
        """Give the conversation another title or other instructions."""
        with self._lock:
            self._conversation = replace(self._conversation, title=title, system=system)
            changed = self._conversation
        if changed.turns:
            _loop.submit(self.keeper.save_conversation(changed))
        self.tell_settings()

    # --- turns -----------------------------------------------------------------------------------

    def launch(
        self, turn: Turn, route: RouteLike | None = None, *, emit: Callable[[SessionEvent], None] | None = None
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
            BudgetExceeded: The session may not spend more.
        """
        chosen = self.route if route is None else self.parse(route)
        with self._lock:
            if self._running is not None:
                raise ConversationBusy(self._running.turn.id)
            conversation = self._conversation
            if not conversation.title:
                conversation = replace(conversation, title=first_words(turn.prompt.text))
            running = self._running_turn(turn, conversation, chosen)
            self._running = running
        return _loop.submit(self._conduct(running, emit))

    def _running_turn(self, turn: Turn, conversation: Conversation, route: Route) -> RunningTurn:
        request, first = self._request(conversation, turn), route.candidates[0]
        self.budget.check(request, first, self.providers[first.provider])
        return RunningTurn(
            turn=turn,
            conversation=conversation,
            route=route,
            request=request,
            providers=self.providers,
            keeper=self.keeper,
            breakers=self._breakers,
        )

    def cancel(self) -> None:
        """Stop the running answer. Safe on any thread."""
        running = self._running
        if running is not None:
            _loop.call_soon(running.stop)

    async def _conduct(self, running: RunningTurn, emit: Callable[[SessionEvent], None] | None) -> RunningTurn:
        following: RunningTurn | None = running
        while following is not None:
            running = following
            following = await self._conduct_one(running, emit)
        return running

    async def _conduct_one(
        self, running: RunningTurn, emit: Callable[[SessionEvent], None] | None
    ) -> RunningTurn | None:
        """Run one turn; the one to go on with when it broke off and the route says so."""
        following: RunningTurn | None = None
        try:
            async with contextlib.aclosing(running.events()) as events:
                async for event in events:
                    if isinstance(event, TurnBegun):
                        self._put_turn(event.turn, title=running.conversation.title)
                        self._tell(event)
                        continue
                    if isinstance(event, TurnFinished):
                        self._put_turn(event.turn)
                        self.budget.note(event.turn, self._request(running.conversation, running.turn))
                        following = self._restart_of(running)
                        self._running = following  # first, so that whoever hears of the end can ask again at once
                    self._tell(TurnProgress(turn_id=running.turn.id, event=event))
                    if emit is not None:
                        emit(event)
        finally:
            if self._running is running:
                self._running = None
        return following

    def _restart_of(self, running: RunningTurn) -> RunningTurn | None:
        """The question anew, to the models after the one that broke off, where the route says so."""
        response = running.turn.response
        if running.route.after_first_text == "keep" or response is None or response.status != "interrupted":
            return None
        rest = running.route.after(running.model) if running.model and not _loop.is_closing() else None
        try:
            return None if rest is None else self._running_turn(retry_of(running.turn), running.conversation, rest)
        except BudgetExceeded:
            return None  # what came is kept; who asks again is told why not

    def try_now(self, names: Collection[str]) -> None:
        """Let the next question go to providers that are held back.

        Args:
            names: Of the providers.

        Raises:
            UnknownProvider: There is none of this name.
        """
        for name in names:
            if name not in self.providers:
                raise UnknownProvider(name, tuple(self.providers))
        models = (*self.models_in_use, *(ModelRef(provider=name, name="") for name in names))
        wanted = [model for model in models if model.provider in names]
        self._breakers.try_now([self.providers[one.provider].endpoint(one.provider, one.name) for one in wanted])

    def _put_turn(self, turn: Turn, *, title: str | None = None) -> None:
        with self._lock:
            conversation = self._conversation
            others = tuple(other for other in conversation.turns if other.id != turn.id)
            self._conversation = replace(
                conversation, turns=(*others, turn), updated_at=utc_now(), title=conversation.title or title or ""
            )

    def _request(self, conversation: Conversation, turn: Turn) -> ChatRequest:
        path = conversation.path(turn.parent_id) if turn.parent_id is not None else ()
        if self.max_history_turns is not None:
            path = path[-self.max_history_turns :]
        # A turn that nobody answered is left out: two questions in a row confuse models more than one gone.
        messages = [message for past in path if past.text for message in (past.prompt, Message.assistant(past.text))]
        return ChatRequest(
            provider="",
            model="",
            messages=(*messages, turn.prompt),
            system=conversation.system,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
        )

    # --- conversations ---------------------------------------------------------------------------

    def go_on_with(self, conversation: Conversation) -> None:
        """Take up another conversation. Called on the loop thread, or before anyone watches.

        Args:
            conversation: With its turns.

        Raises:
            ConversationBusy: An answer is still being written.
        """
        with self._lock:
            if self._running is not None:
                raise ConversationBusy(self._running.turn.id)
            self._conversation = conversation
        self._tell(ConversationOpened())

    async def open(self, conversation_id: str) -> None:
        """Go on with a stored conversation.

        Args:
            conversation_id: Its id.

        Raises:
            ConversationBusy: An answer is still being written.
            ConversationNotFound: There is none.
            StoreError: The store cannot be read.
        """
        found = await self.keeper.get_in_thread(conversation_id)
        if found is None:
            raise ConversationNotFound(conversation_id)
        self.go_on_with(found)

    def start_new(self) -> None:
        """Start a new conversation with the same instructions.

        Raises:
            ConversationBusy: An answer is still being written.
        """
        self.go_on_with(new_conversation(system=self._conversation.system))

    def export_beside(self, suffix: str) -> Path:
        """Write the conversation into a new file in the working directory, which is the notebook's folder.

        Args:
            suffix: Of the format, with its dot.

        Returns:
            The file's path; its name is made from the title.

        Raises:
            FileProblem: It cannot be written.
        """
        conversation = self._conversation
        path = _files.free_path(Path(), conversation.title, suffix)
        _files.write(conversation, path, overwrite=False)
        return path

    # --- observers -------------------------------------------------------------------------------

    def observe(self, observer: Callable[[Notice], None]) -> Callable[[], None]:
        """Be told what happens, whoever caused it.

        Args:
            observer: Called on the loop thread; it must not block.

        Returns:
            A function that ends it.
        """
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None

    def tell_settings(self) -> None:
        """Say that route, instructions, temperature or title are not what they were."""
        if self._observers:
            _loop.call_soon(self._tell, SettingsChanged())

    def _on_breakers(self) -> None:
        if self._running is None:  # the end of a turn tells how the providers stand anyway
            self.tell_settings()

    def _tell(self, notice: Notice) -> None:
        for observer in tuple(self._observers):
            try:
                observer(notice)
            except Exception as error:  # noqa: BLE001 - a view that fails must not end the answer
                # Not its words, which may quote the conversation.
                _log.error("an observer of conversation %s failed (%s)", self._conversation.id, place_of(error))
