"""One turn from the user's words on disk to the whole turn on disk."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace

from convoscope_jupyter import _loop, routing, telemetry
from convoscope_jupyter._breaker import Breakers
from convoscope_jupyter._keeper import Keeper
from convoscope_jupyter.errors import ProviderError
from convoscope_jupyter.messages import (
    Attempt,
    AttemptFailed,
    AttemptStarted,
    Conversation,
    FinishReason,
    Message,
    ModelRef,
    ReasoningDelta,
    Response,
    ResponseStatus,
    RetryScheduled,
    SessionEvent,
    TextDelta,
    Turn,
    TurnFinished,
)
from convoscope_jupyter.providers._base import ChatRequest, Provider
from convoscope_jupyter.routing import Route, RouteEnded
from convoscope_jupyter.store import Partial

PARTIAL_EVERY_S = 0.5
PARTIAL_EVERY_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBegun:
    """The user's words are on disk; the first model is about to be asked."""

    turn: Turn


class RunningTurn:
    """A turn being answered, and what has come of it so far. Changed on the loop's thread only.

    Args:
        turn: The turn without responses.
        conversation: Its conversation without it.
        route: Whom to ask.
        request: What to ask.
        providers: The session's providers by name.
        keeper: Where it is kept.
        breakers: What the kernel's sessions have learned of the providers.
    """

    def __init__(
        self,
        *,
        turn: Turn,
        conversation: Conversation,
        route: Route,
        request: ChatRequest,
        providers: Mapping[str, Provider],
        keeper: Keeper,
        breakers: Breakers,
    ) -> None:
        self.turn = turn
        self.conversation = conversation
        self.attempts: list[Attempt] = []
        self.model: ModelRef | None = None
        """The model being asked."""
        self.errors: tuple[ProviderError, ...] = ()
        self.route = route
        self._request = request
        self._providers = providers
        self._keeper = keeper
        self._breakers = breakers
        self._started_s = time.monotonic()
        self._asked_again_s: float | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._stopped = False
        self._asking: asyncio.Task[object] | None = None
        self._recorded = 0

    @property
    def text(self) -> str:
        """The visible answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """What the model has thought aloud so far."""
        return "".join(self._reasoning)

    @property
    def elapsed_s(self) -> float:
        """Time since the user asked."""
        return time.monotonic() - self._started_s

    @property
    def retry_in_s(self) -> float | None:
        """How long until `model` is asked again; `None` while nobody waits for that."""
        return None if self._asked_again_s is None else max(0.0, self._asked_again_s - time.monotonic())

    def stop(self) -> None:
        """End the answer; what came is kept. Called on the loop's thread; a second call changes nothing."""
        if not self._stopped:
            self._stopped = True
            if self._asking is not None:
                self._asking.cancel()

    async def events(self) -> AsyncGenerator[TurnBegun | SessionEvent]:
        """Run the turn.

        Yields:
            `TurnBegun` once the words are on disk, what routing does, and one `TurnFinished` once the turn is.

        Raises:
            StoreError: The words could not be saved; nothing was sent.
        """
        partial = await self._keeper.begin(self.conversation, self.turn)
        side_file = _SideFile(partial)
        yield TurnBegun(turn=self.turn)
        status: ResponseStatus = "cancelled"
        finish_reason: FinishReason | None = None
        self._asking = asyncio.current_task()
        try:
            if not self._stopped:
                route = routing.stream(
                    self.route, self._request, self._providers, self.attempts, breakers=self._breakers
                )
                async with contextlib.aclosing(route) as events:
                    async for event in events:
                        if isinstance(event, RouteEnded):
                            status, finish_reason = event.status, event.finish_reason
                            self.errors = event.errors
                        else:
                            self._take(event, side_file)
                            yield event
        except asyncio.CancelledError:
            # A kernel that goes away did not ask to stop: its answer can be continued later.
            status = "interrupted" if _loop.is_closing() and not self._stopped else "cancelled"
            if self._asking is not None:
                self._asking.uncancel()
        finally:
            self._asking = None
            side_file.flush()
            self._record(finish_reason)
        response = Response(
            message=Message.assistant(self.text, reasoning=self.reasoning),
            status=status,
            attempts=tuple(self.attempts),
            finish_reason=finish_reason,
        )
        self.turn = replace(self.turn, responses=(response,))
        await self._keeper.finish(self.conversation.id, self.turn, partial)
        yield TurnFinished(turn=self.turn)

    def _take(self, event: SessionEvent, side_file: _SideFile) -> None:
        match event:
            case TextDelta(text=text):
                self._text.append(text)
                side_file.add(text=text)
            case ReasoningDelta(text=text):
                self._reasoning.append(text)
                side_file.add(reasoning=text)
            case AttemptStarted(model=model):
                self.model, self._asked_again_s = model, None
                self._reasoning.clear()  # a failed model's thoughts are not the next one's
            case AttemptFailed():
                self._record()
            case RetryScheduled(model=model, delay_s=delay_s):
                self.model, self._asked_again_s = model, time.monotonic() + delay_s
            case TurnFinished():
                pass

    def _record(self, finish_reason: FinishReason | None = None) -> None:
        """Log and trace the attempts that have ended since the last time."""
        for index in range(self._recorded, len(self.attempts)):
            attempt = self.attempts[index]
            telemetry.record_attempt(
                attempt,
                index=index,
                turn_id=self.turn.id,
                conversation_id=self.conversation.id,
                finish_reason=finish_reason,
                host=self._providers[attempt.model.provider].status(attempt.model.provider).host,
            )
        self._recorded = len(self.attempts)


class _SideFile:
    """Appends to the partial every half second or 400 characters, whichever comes first."""

    def __init__(self, partial: Partial) -> None:
        self._partial = partial
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._characters = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, *, text: str = "", reasoning: str = "") -> None:
        self._text.append(text)
        self._reasoning.append(reasoning)
        self._characters += len(text) + len(reasoning)
        if self._characters >= PARTIAL_EVERY_CHARACTERS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PARTIAL_EVERY_S, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._characters:
            self._partial.append(0, text="".join(self._text), reasoning="".join(self._reasoning))
            self._text.clear()
            self._reasoning.clear()
            self._characters = 0
