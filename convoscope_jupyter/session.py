"""The user's object: ask, stream, stop, go on, export.

Public calls run on the caller's thread, and so do `on_delta` and iteration; the work runs on the
loop thread (`_loop`). There is one implementation; the plain forms wait for the async one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from convoscope_jupyter import _files, _loop, _waiting, config
from convoscope_jupyter._budget import Money, Spending, checked_max_cost_usd, checked_max_tokens_total
from convoscope_jupyter._conductor import Conductor, RouteLike
from convoscope_jupyter._keeper import Keeper
from convoscope_jupyter._methods import Methods, installed_versions, methods
from convoscope_jupyter._session_values import (
    checked_max_output_tokens,
    checked_system,
    checked_temperature,
    continuation_of,
    default_route,
    is_uuid,
    new_conversation,
    next_turn,
    retry_of,
)
from convoscope_jupyter._text import clean
from convoscope_jupyter.errors import ConversationNotFound
from convoscope_jupyter.messages import Conversation, SessionEvent, TextDelta, Turn, TurnFinished
from convoscope_jupyter.providers import Anthropic, Google, OpenAI, OpenAICompatible, default_providers
from convoscope_jupyter.providers._base import Provider
from convoscope_jupyter.routing import Route
from convoscope_jupyter.store import Store, open_store


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
        max_cost_usd: What this session may cost, in US dollars. A question that would go over it is refused before
            anything is sent; an answer that crosses it is finished and kept. Counted from here on, over all attempts
            whose price is known. `None`: no limit.
        max_tokens_total: The same in tokens, input and output together, estimated where a provider counts none.

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
        max_cost_usd: Money | None = None,
        max_tokens_total: int | None = None,
    ) -> None:
        settings = config.load_settings()
        self._conductor = conductor = Conductor(
            providers={**default_providers(), **(providers or {})},
            keeper=Keeper(open_store(store) if store is None or isinstance(store, (str, os.PathLike)) else store),
            strict=strict,
        )
        conductor.route = conductor.parse(default_route(settings, conductor.providers) if route is None else route)
        conductor.temperature = checked_temperature(settings.temperature if temperature is None else temperature)
        conductor.max_output_tokens = checked_max_output_tokens(max_output_tokens)
        conductor.max_history_turns = settings.max_history_turns
        conductor.budget.max_cost_usd = checked_max_cost_usd(max_cost_usd)
        conductor.budget.max_tokens_total = checked_max_tokens_total(max_tokens_total)
        conductor.go_on_with(self._open(conversation, system))

    # --- what it is set to -----------------------------------------------------------------------

    @property
    def conversation(self) -> Conversation:
        """The conversation as it is now: a frozen value."""
        return self._conductor.conversation

    @property
    def conductor(self) -> Conductor:
        """What runs the turns, for hosts."""
        return self._conductor

    @property
    def keeper(self) -> Keeper:
        """Where the conversation is kept, and whether that works."""
        return self._conductor.keeper

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers by name."""
        return self._conductor.providers

    @property
    def route(self) -> Route:
        """Models to ask, in order. Set it to text, a list or a `Route`."""
        return self._conductor.route

    @route.setter
    def route(self, route: RouteLike) -> None:
        self._conductor.route = self._conductor.parse(route)
        self._conductor.tell_settings()

    @property
    def system(self) -> str | None:
        """Instructions that go with every request of this conversation."""
        return self.conversation.system

    @system.setter
    def system(self, system: str | None) -> None:
        self._conductor.change(system=checked_system(system), title=self.title)

    @property
    def title(self) -> str:
        """The conversation's title; the first words of the first question until someone gives it another."""
        return self.conversation.title

    @title.setter
    def title(self, title: str) -> None:
        self._conductor.change(title=clean(" ".join(title.split()))[:200], system=self.system)

    @property
    def temperature(self) -> float | None:
        """Sampling temperature from 0 to 2; `None` leaves it to the provider."""
        return self._conductor.temperature

    @temperature.setter
    def temperature(self, temperature: float | None) -> None:
        self._conductor.temperature = checked_temperature(temperature)
        self._conductor.tell_settings()

    @property
    def max_output_tokens(self) -> int | None:
        """Bound on each answer; `None` leaves it to the provider."""
        return self._conductor.max_output_tokens

    @max_output_tokens.setter
    def max_output_tokens(self, max_output_tokens: int | None) -> None:
        self._conductor.max_output_tokens = checked_max_output_tokens(max_output_tokens)
        self._conductor.tell_settings()

    @property
    def max_cost_usd(self) -> Decimal | None:
        """What this session may cost, in US dollars; `None` for no limit. Set it to a number or to text."""
        return self._conductor.budget.max_cost_usd

    @max_cost_usd.setter
    def max_cost_usd(self, max_cost_usd: Money | None) -> None:
        self._conductor.budget.max_cost_usd = checked_max_cost_usd(max_cost_usd)

    @property
    def max_tokens_total(self) -> int | None:
        """How many tokens this session may use, input and output together; `None` for no limit."""
        return self._conductor.budget.max_tokens_total

    @max_tokens_total.setter
    def max_tokens_total(self, max_tokens_total: int | None) -> None:
        self._conductor.budget.max_tokens_total = checked_max_tokens_total(max_tokens_total)

    @property
    def spent(self) -> Spending:
        """What this session has spent since it was made, in all its conversations. A restart begins at nothing."""
        return self._conductor.budget.spent

    # --- asking ----------------------------------------------------------------------------------

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[object] = (),
        route: RouteLike | None = None,
        on_delta: Callable[[str], object] | None = None,
    ) -> Turn:
        """Ask, and wait for the answer. Works inside a running cell.

        Args:
            prompt: What to ask; not empty.
            images: Pictures that go with it: paths, bytes, or Pillow images.
            route: Models for this question only.
            on_delta: Called with each piece of visible text, on this thread.

        Returns:
            The stored turn. Its response's status is "complete", or "cancelled" after `cancel()`.

        Raises:
            InvalidPrompt: Nothing to ask, or an image that is none.
            ConversationBusy: An answer is still being written.
            BudgetExceeded: The session may not spend more; nothing was sent and nothing stored.
            RouteExhausted: No model answered; `.exceptions` says why, `.turn` is the stored turn.
            AnswerInterrupted: A model broke off; `.turn` holds what came, already stored.
            StoreError: The words could not be saved; nothing was sent.

        Example:
            >>> Session("demo:fail-429, demo:echo", store=":memory:").ask("Hello").responses[0].attempts[0].outcome
            'rate_limited'
        """
        return self._wait(next_turn(self.conversation, prompt, images=images), route, on_delta)

    def stream(
        self, prompt: str, *, images: Sequence[object] = (), route: RouteLike | None = None
    ) -> Iterator[SessionEvent]:
        """Ask, and iterate over what happens. Leaving the loop early stops the answer.

        Args:
            prompt: What to ask; not empty.
            images: As `ask`.
            route: Models for this question only.

        Yields:
            `AttemptStarted`, `TextDelta`, `ReasoningDelta`, `AttemptFailed`, `RetryScheduled` as they happen; last,
            `TurnFinished`.

        Raises:
            ConvoError: As `ask`; an interrupted or failed answer raises after its `TurnFinished`.
        """
        yield from self._events(next_turn(self.conversation, prompt, images=images), route)

    async def ask_async(
        self,
        prompt: str,
        *,
        images: Sequence[object] = (),
        route: RouteLike | None = None,
        on_delta: Callable[[str], object] | None = None,
    ) -> Turn:
        """`ask`, for async code. Cancelling the awaiting task stops the answer.

        Args:
            prompt: What to ask; not empty.
            images: As `ask`.
            route: Models for this question only.
            on_delta: Called with each piece of visible text, on the awaiting loop.

        Returns:
            The stored turn.

        Raises:
            ConvoError: As `ask`.
        """
        turn: Turn | None = None
        asked = next_turn(self.conversation, prompt, images=images)
        async with contextlib.aclosing(self._events_async(asked, route)) as events:
            async for event in events:
                if isinstance(event, TextDelta) and on_delta is not None:
                    on_delta(event.text)
                if isinstance(event, TurnFinished):
                    turn = event.turn
        assert turn is not None  # noqa: S101 - every run of events that does not raise ends with TurnFinished
        return turn

    async def stream_async(
        self, prompt: str, *, images: Sequence[object] = (), route: RouteLike | None = None
    ) -> AsyncGenerator[SessionEvent]:
        """`stream`, for async code.

        Args:
            prompt: What to ask; not empty.
            images: As `ask`.
            route: Models for this question only.

        Yields:
            As `stream`.

        Raises:
            ConvoError: As `stream`.
        """
        asked = next_turn(self.conversation, prompt, images=images)
        async with contextlib.aclosing(self._events_async(asked, route)) as events:
            async for event in events:
                yield event

    def cancel(self) -> None:
        """Stop the running answer. What came is kept; whoever waits for it gets a turn with status "cancelled"."""
        self._conductor.cancel()

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
        return self._wait(replace(next_turn(self.conversation, text), parent_id=turn.parent_id), None, None)

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

    def list_models(self, provider: str, *, refresh: bool = False) -> tuple[str, ...]:
        """Ask a provider which models it has. The list is kept for the session.

        Args:
            provider: Its name, such as `openai`.
            refresh: Ask again.

        Returns:
            Model ids in alphabetical order. Not all of them chat.

        Raises:
            UnknownProvider: The session has no such provider.
            ProviderError: It gave no list.

        Example:
            >>> "tour" in Session("demo:tour", store=":memory:").list_models("demo")
            True
        """
        return _loop.run(self._conductor.board.list_models(provider, refresh=refresh))

    def try_now(self, provider: str | None = None) -> None:
        """Let the next question go to a provider that is left alone after failures, without waiting.

        Args:
            provider: Its name, such as `openai`; `None`: every provider of the route.

        Raises:
            UnknownProvider: The session has no such provider.

        Example:
            >>> session = Session("demo:fail-429, demo:echo", store=":memory:")
            >>> turn = session.ask("Hello")
            >>> session.try_now("demo")
            >>> session.ask("Again").response.attempts[0].held_back
            False
        """
        names = {candidate.provider for candidate in self.route.candidates} if provider is None else {provider}
        self._conductor.try_now(names)

    def methods(self) -> Methods:
        """What the methods section of a paper says of this conversation: a paragraph and a table, from the receipts.

        Returns:
            All turns, siblings too; also of a conversation that comes from a store or a file.

        Example:
            >>> session = Session("demo:echo", store=":memory:")
            >>> answer = session.ask("Hello")
            >>> [(row.model, row.answers) for row in session.methods().rows]
            [('demo:echo', 1)]
        """
        turns = self.conversation.turns
        asked = dict.fromkeys(
            attempt.model.provider for turn in turns for response in turn.responses for attempt in response.attempts
        )
        sdks = [sdk for name in asked if name in self.providers for sdk in _sdks_of(self.providers[name])]
        return methods(self.conversation, versions=installed_versions(dict.fromkeys(["convoscope-jupyter", *sdks])))

    # --- files -----------------------------------------------------------------------------------

    def export(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the conversation into a file of your own.

        Args:
            path: Its suffix says how: `.ipynb` for a notebook (questions and prose as Markdown cells, Python as code
                cells, nothing run), `.json` for everything as data. Both hold the whole conversation.
            overwrite: Replace a file that is there.

        Returns:
            The file's path.

        Raises:
            UnknownFormat: There is no format of this suffix.
            FileAlreadyExists: The file is there already; it was left as it is.
            FileProblem: It cannot be written.

        Example:
            >>> import tempfile
            >>> session = Session("demo:echo", store=":memory:")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     session.export(f"{folder}/chat.json").name
            'chat.json'
        """
        target = Path(path)
        _files.write(self.conversation, target, overwrite=overwrite)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str], route: RouteLike | None = None, **session_options: Any) -> Self:  # noqa: ANN401 - they are the constructor's, which checks them
        """Go on with a conversation from a file. Nothing in the file is run, fetched or opened.

        Args:
            path: A file that `export` has written, or one of Convoscope's own `.json` files.
            route: Models to ask from now on; the file does not choose them.
            session_options: Anything else `Session` takes, but for `conversation`.

        Returns:
            A session with the same conversation, which is kept in its store as well. Where the store has other words
            under the same id, the conversation gets a new one, and nothing in the store changes.

        Raises:
            UnknownFormat: There is no format of this suffix.
            ImportFormatError: The file holds no conversation.
            FileProblem: It cannot be read.
            StoreError: The conversation cannot be kept.

        Example:
            >>> import tempfile
            >>> session = Session("demo:echo", store=":memory:")
            >>> answer = session.ask("Hello")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Session.load(session.export(f"{folder}/chat.ipynb"), store=":memory:").conversation.turns[0].text
            'Hello'
        """
        if "conversation" in session_options:
            raise TypeError("load takes its conversation from the file; leave `conversation` out.")
        conversation = _files.read(Path(path))
        system = session_options.pop("system", None)
        session = cls(route, **session_options)
        found = session.keeper.adopt(conversation)
        session.conductor.go_on_with(found if system is None else replace(found, system=checked_system(system)))
        return session

    # --- inside ----------------------------------------------------------------------------------

    def _wait(self, turn: Turn, route: RouteLike | None, on_delta: Callable[[str], object] | None) -> Turn:
        for event in self._events(turn, route):
            if isinstance(event, TextDelta) and on_delta is not None:
                on_delta(event.text)
            if isinstance(event, TurnFinished):
                turn = event.turn
        return turn

    def _events(self, turn: Turn, route: RouteLike | None) -> Iterator[SessionEvent]:
        return _waiting.events(lambda emit: self._conductor.launch(turn, route, emit=emit), self.cancel)

    def _events_async(self, turn: Turn, route: RouteLike | None) -> AsyncGenerator[SessionEvent]:
        return _waiting.events_async(lambda emit: self._conductor.launch(turn, route, emit=emit), self.cancel)

    def _open(self, reference: str | None, system: str | None) -> Conversation:
        if reference is None:
            return new_conversation(system=checked_system(system))
        if is_uuid(reference):
            found = self.keeper.get(reference)
            if found is None:
                raise ConversationNotFound(reference)
        else:
            found = self.keeper.find_by_name(reference) or new_conversation(system=None, name=reference)
        return found if system is None else replace(found, system=checked_system(system))


def _sdks_of(provider: Provider) -> tuple[str, ...]:
    match provider:
        case OpenAI() | OpenAICompatible():
            return ("openai",)
        case Anthropic():
            return ("anthropic",)
        case Google():
            return ("google-genai", "google-generativeai")  # the second is an extra, and named only if it is there
        case _:
            return ()
