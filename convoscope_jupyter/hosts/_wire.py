"""A session's state as messages of the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypedDict

from convoscope_jupyter import protocol
from convoscope_jupyter._provider_board import ProviderHealth
from convoscope_jupyter._running_turn import RunningTurn
from convoscope_jupyter.messages import Conversation, Turn
from convoscope_jupyter.session import Session
from convoscope_jupyter.store import ConversationSummary


class DeltaFields(TypedDict):
    """The fields of a `Delta` without its number."""

    turn_id: str
    text_offset: int
    text: str
    reasoning_offset: int
    reasoning: str


def snapshot(
    seq: int, session: Session, running: RunningTurn | None, resumable: protocol.ConversationInfo | None
) -> protocol.Snapshot:
    """Everything a view needs.

    Args:
        seq: Number of the last event that the state holds.
        session: The state.
        running: The turn being answered, once its words are on disk.
        resumable: The conversation to offer.

    Returns:
        The event.
    """
    path = session.conversation.path()
    return protocol.Snapshot(
        seq=seq,
        protocol_version=protocol.PROTOCOL_VERSION,
        conversation=conversation_info(session.conversation),
        turns=path[-protocol.TURNS_PER_PAGE :],
        has_earlier=len(path) > protocol.TURNS_PER_PAGE,
        running=None if running is None else _running_turn(running),
        settings=_settings(session),
        providers=_providers(session),
        store=_store(session),
        resumable=resumable,
    )


def status_changed(seq: int, session: Session) -> protocol.StatusChanged:
    """What stands around the turns.

    Args:
        seq: The event's number.
        session: The state.

    Returns:
        The event.
    """
    return protocol.StatusChanged(
        seq=seq,
        conversation=conversation_info(session.conversation),
        settings=_settings(session),
        providers=_providers(session),
        store=_store(session),
    )


def turn_ended(seq: int, turn: Turn) -> protocol.TurnEnded:
    """A finished turn without its text, and what tells whether all of it arrived.

    Args:
        seq: The event's number.
        turn: The stored turn.

    Returns:
        The event.
    """
    response = turn.response
    text = response.text if response else ""
    reasoning = response.message.reasoning if response else ""
    bare = tuple(replace(one, message=replace(one.message, parts=())) for one in turn.responses)
    return protocol.TurnEnded(
        seq=seq,
        turn=replace(turn, responses=bare),
        text_length=protocol.text_length(text),
        text_crc32=protocol.text_crc32(text),
        reasoning_length=protocol.text_length(reasoning),
    )


def conversation_info(conversation: Conversation) -> protocol.ConversationInfo:
    """A conversation without its turns.

    Args:
        conversation: Any.

    Returns:
        Its line.
    """
    return protocol.ConversationInfo(
        id=conversation.id,
        title=conversation.title,
        updated_at=conversation.updated_at.isoformat(),
        turn_count=len(conversation.turns),
    )


def summary_info(summary: ConversationSummary) -> protocol.ConversationInfo:
    """A line of the history.

    Args:
        summary: From the store.

    Returns:
        The same for the wire.
    """
    return protocol.ConversationInfo(
        id=summary.id, title=summary.title, updated_at=summary.updated_at.isoformat(), turn_count=summary.turn_count
    )


def _running_turn(running: RunningTurn) -> protocol.RunningTurn:
    return protocol.RunningTurn(
        turn_id=running.turn.id,
        model=running.model,
        attempts=tuple(running.attempts),
        text=running.text,
        reasoning=running.reasoning,
        elapsed_s=running.elapsed_s,
        retry_in_s=running.retry_in_s,
    )


def _settings(session: Session) -> protocol.SettingsInfo:
    return protocol.SettingsInfo(
        route=str(session.route),
        system=session.system,
        temperature=session.temperature,
        max_output_tokens=session.max_output_tokens,
    )


def _providers(session: Session) -> tuple[protocol.ProviderInfo, ...]:
    board, models = session.conductor.board, session.conductor.models_in_use
    statuses = [(provider.status(name), board.health(name, models)) for name, provider in session.providers.items()]
    return tuple(
        protocol.ProviderInfo(
            name=status.name,
            ready=status.ready,
            key_source=status.key_source,
            host=status.host,
            remedy=status.remedy,
            offline=status.offline,
            models=board.known_models(status.name),
            health=health.state,
            health_note=health.note,
            retry_in_s=health.retry_in_s,
            held=tuple(_held(board.held_models(status.name, models))),
        )
        for status, health in statuses
    )


def _held(models: Mapping[str, ProviderHealth]) -> Iterator[protocol.HeldModel]:
    for model, health in models.items():
        if health.state == "demoted" or health.state == "cooling":  # noqa: PLR1714 - narrows the type
            yield protocol.HeldModel(model=model, health=health.state, note=health.note, retry_in_s=health.retry_in_s)


def _store(session: Session) -> protocol.StoreInfo:
    keeper = session.keeper
    return protocol.StoreInfo(saved=keeper.problem is None, place=keeper.place, problem=keeper.problem)
