"""What a session tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass

from convoscope_jupyter._running_turn import TurnBegun
from convoscope_jupyter.messages import SessionEvent

__all__ = ["ConversationOpened", "Notice", "SettingsChanged", "TurnBegun", "TurnProgress"]


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
