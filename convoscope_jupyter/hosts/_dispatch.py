"""Commands in, events out: what every surface that speaks the protocol shares.

A command is parsed on the caller's thread and carried out on the loop thread, so that a comm
handler returns at once. Events are sent from the loop thread, numbered, deltas at most twenty a
second: bursts on a comm lose messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import assert_never

from convoscope_jupyter import _loop, protocol
from convoscope_jupyter._notices import ConversationOpened, Notice, SettingsChanged, TurnBegun, TurnProgress
from convoscope_jupyter._running_turn import RunningTurn
from convoscope_jupyter._session_values import continuation_of, next_turn, retry_of
from convoscope_jupyter.errors import ConversationNotFound, ConvoError, MalformedCommand, StoreError
from convoscope_jupyter.hosts import _wire
from convoscope_jupyter.messages import (
    AttemptFailed,
    AttemptStarted,
    ReasoningDelta,
    RetryScheduled,
    SessionEvent,
    TextDelta,
    Turn,
    TurnFinished,
)
from convoscope_jupyter.redaction import place_of
from convoscope_jupyter.session import Session

DELTAS_EVERY_S = 0.05
"""At most twenty delta messages a second."""
_STORE_PATIENCE_S = 1.0

_log = logging.getLogger(__name__)


class Dispatcher:
    """One surface's side of a session.

    Args:
        session: What commands act on.
        send: Takes one event as JSON-ready data; called on the loop thread.
    """

    def __init__(self, session: Session, send: Callable[[dict[str, object]], object]) -> None:
        self._session = session
        self._send = send
        self._closed = False
        self._seq = 0
        self._outbox = _Outbox()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._resumable: protocol.ConversationInfo | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop_observing = session.conductor.observe(self._on_notice)

    def close(self) -> None:
        """Send nothing more."""
        self._stop_observing()
        self._closed = True

    def handle(self, content: object) -> None:
        """Take a message of the front end. Returns at once; safe on any thread.

        Args:
            content: Decoded JSON.
        """
        try:
            command = protocol.parse_command(content)
        except MalformedCommand as error:
            _loop.call_soon(self._reject, "unknown", None, str(error))
            return
        _loop.call_soon(self._start, command)

    # --- commands, on the loop thread --------------------------------------------------------------

    def _start(self, command: protocol.Command) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, command: protocol.Command) -> None:
        turn_id = getattr(command, "turn_id", None)
        try:
            await self._apply(command)
        except ConvoError as error:
            self._reject(command.type, turn_id, str(error))
        except Exception as error:  # noqa: BLE001 - whatever happens, the view is told: a command may not vanish
            # Not its words, which may quote the conversation.
            _log.error("command %s failed (%s)", command.type, place_of(error))
            self._reject(
                command.type, turn_id, "this could not be done, by a fault of ours. The kernel's log says more."
            )

    async def _apply(self, command: protocol.Command) -> None:  # noqa: C901, PLR0912 - one arm for each command
        session = self._session
        match command:
            case protocol.Hello():
                await self._greet(command)
            case protocol.Submit(turn_id=turn_id, text=text):
                await self._launch(turn_id, lambda: next_turn(session.conversation, text, turn_id=turn_id), None)
            case protocol.Retry(turn_id=turn_id, source_turn_id=source, route=route):
                await self._launch(turn_id, lambda: retry_of(self._turn(source), turn_id=turn_id), route)
            case protocol.Continue(turn_id=turn_id, source_turn_id=source, route=route):
                await self._launch(turn_id, lambda: continuation_of(self._turn(source), turn_id=turn_id), route)
            case protocol.Cancel():
                if session.conductor.running is None:
                    self._emit_status()  # every command is answered, so that no view waits for nothing
                session.cancel()
            case protocol.Configure():
                self._configure(command)
            case protocol.LoadEarlier(before_turn_id=before):
                self._page(before)
            case protocol.OpenConversation(conversation_id=conversation_id):
                await session.conductor.open(conversation_id)
            case protocol.NewConversation():
                session.conductor.start_new()
            case protocol.Rename(title=title):
                session.title = title
            case protocol.Export(suffix=suffix):
                await self._export(suffix)
            case protocol.ListModels(provider=provider):
                await self._list_models(provider)
            case protocol.TryNow(provider=provider):
                session.try_now(provider)
            case _ as never:
                assert_never(never)

    async def _greet(self, hello: protocol.Hello) -> None:
        if hello.protocol_version != protocol.PROTOCOL_VERSION:
            text = (
                "the chat in this page and the package in this kernel are of different versions. "
                "Reload the page; if that does not help, install the same version for both and restart the kernel."
            )
            self._reject("hello", None, text)
            return
        await self._look_for_resumable()
        self._send_snapshot()

    async def _look_for_resumable(self) -> None:
        self._resumable = None
        if self._session.conversation.turns:
            return
        try:
            newest = await asyncio.wait_for(self._session.keeper.newest(), _STORE_PATIENCE_S)
        except (StoreError, TimeoutError):
            return  # a slow or broken store must not keep the chat from opening; the first question tells
        if newest is not None and newest.id != self._session.conversation.id:
            self._resumable = _wire.summary_info(newest)

    async def _launch(self, turn_id: str, make: Callable[[], Turn], route: str | None) -> None:
        if self._knows(turn_id):
            self._emit_status()
        else:
            await asyncio.wrap_future(self._session.conductor.launch(make(), route))

    def _knows(self, turn_id: str) -> bool:
        running = self._session.conductor.running
        return (running is not None and running.turn.id == turn_id) or any(
            turn.id == turn_id for turn in self._session.conversation.turns
        )

    def _turn(self, turn_id: str) -> Turn:
        for turn in self._session.conversation.turns:
            if turn.id == turn_id:
                return turn
        raise ConversationNotFound(turn_id)

    def _configure(self, command: protocol.Configure) -> None:
        session, given = self._session, command.model_fields_set
        if "route" in given and command.route is not None:
            session.route = command.route
        if "system" in given:
            session.system = command.system
        if "temperature" in given:
            session.temperature = command.temperature
        if "max_output_tokens" in given:
            session.max_output_tokens = command.max_output_tokens

    async def _export(self, suffix: str) -> None:
        path = await asyncio.to_thread(self._session.conductor.export_beside, suffix)
        self._emit(protocol.Exported(seq=self._next_seq(), path=path.name))

    async def _list_models(self, provider: str) -> None:
        models: tuple[str, ...] = ()
        problem: str | None = None
        try:
            models = await self._session.conductor.board.list_models(provider, refresh=True)
        except ConvoError as error:
            problem = str(error)
        self._emit(protocol.ModelsListed(seq=self._next_seq(), provider=provider, models=models, problem=problem))
        self._emit_status()

    def _page(self, before_turn_id: str) -> None:
        path = self._session.conversation.path()
        end = next((n for n, turn in enumerate(path) if turn.id == before_turn_id), None)
        if end is None:
            raise ConversationNotFound(before_turn_id)
        start = max(0, end - protocol.TURNS_PER_PAGE)
        self._emit(protocol.EarlierTurns(seq=self._next_seq(), turns=path[start:end], has_earlier=start > 0))

    # --- events, on the loop thread ------------------------------------------------------------------

    def _on_notice(self, notice: Notice) -> None:
        match notice:
            case TurnBegun(turn=turn):
                self._outbox.begin(turn.id)
                self._emit(protocol.TurnStarted(seq=self._next_seq(), turn=turn))
            case TurnProgress(turn_id=turn_id, event=event):
                self._on_progress(turn_id, event)
            case SettingsChanged():
                self._emit_status()
            case ConversationOpened():
                self._resumable = None
                self._send_snapshot()
            case _ as never:
                assert_never(never)

    def _on_progress(self, turn_id: str, event: SessionEvent) -> None:
        match event:
            case TextDelta(text=text):
                self._outbox.add(text=text)
                self._flush_soon()
            case ReasoningDelta(text=text):
                self._outbox.add(reasoning=text)
                self._flush_soon()
            case AttemptStarted(index=index, model=model):
                self._flush()
                self._outbox.forget_reasoning()
                self._emit(protocol.AttemptBegun(seq=self._next_seq(), turn_id=turn_id, index=index, model=model))
            case AttemptFailed(index=index, attempt=attempt):
                self._flush()
                self._emit(protocol.AttemptOver(seq=self._next_seq(), turn_id=turn_id, index=index, attempt=attempt))
            case RetryScheduled(model=model, delay_s=delay_s):
                self._emit(protocol.RetryScheduled(seq=self._next_seq(), turn_id=turn_id, model=model, delay_s=delay_s))
            case TurnFinished(turn=turn):
                self._flush()
                self._emit(_wire.turn_ended(self._next_seq(), turn))
                self._emit_status()
            case _ as never:
                assert_never(never)

    def _send_snapshot(self) -> None:
        self._flush()
        running = self._session.conductor.running
        started = running is not None and any(t.id == running.turn.id for t in self._session.conversation.turns)
        if running is not None and started:
            self._outbox.resume(running)
        self._emit(_wire.snapshot(self._seq, self._session, running if started else None, self._resumable))

    def _emit_status(self) -> None:
        self._emit(_wire.status_changed(self._next_seq(), self._session))

    def _reject(self, command: str, turn_id: str | None, message: str) -> None:
        self._emit(protocol.Rejected(seq=self._next_seq(), command=command, turn_id=turn_id, message=message))

    def _flush_soon(self) -> None:
        if self._flush_timer is None:
            # The first delta goes at once, so that nobody waits for the clock; the following ones are gathered.
            if self._outbox.nothing_sent_yet:
                self._flush()
            else:
                self._flush_timer = asyncio.get_running_loop().call_later(DELTAS_EVERY_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        delta = self._outbox.take()
        if delta is not None:
            self._emit(protocol.Delta(seq=self._next_seq(), **delta))

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _emit(self, event: protocol.Event) -> None:
        if not self._closed:
            self._send(protocol.dump_event(event))


class _Outbox:
    """Deltas of the running turn that are not sent yet, and how much was."""

    def __init__(self) -> None:
        self.begin("")

    def begin(self, turn_id: str) -> None:
        self._turn_id = turn_id
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._text_sent = 0
        self._reasoning_sent = 0

    def resume(self, running: RunningTurn) -> None:
        """A snapshot has just carried everything there is."""
        self.begin(running.turn.id)
        self._text_sent = protocol.text_length(running.text)
        self._reasoning_sent = protocol.text_length(running.reasoning)

    @property
    def nothing_sent_yet(self) -> bool:
        return self._text_sent == 0 and self._reasoning_sent == 0

    def add(self, *, text: str = "", reasoning: str = "") -> None:
        self._text.append(text)
        self._reasoning.append(reasoning)

    def forget_reasoning(self) -> None:
        self._reasoning.clear()
        self._reasoning_sent = 0

    def take(self) -> _wire.DeltaFields | None:
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        if not text and not reasoning:
            return None
        fields: _wire.DeltaFields = {
            "turn_id": self._turn_id,
            "text_offset": self._text_sent,
            "text": text,
            "reasoning_offset": self._reasoning_sent,
            "reasoning": reasoning,
        }
        self._text_sent += protocol.text_length(text)
        self._reasoning_sent += protocol.text_length(reasoning)
        self._text.clear()
        self._reasoning.clear()
        return fields
