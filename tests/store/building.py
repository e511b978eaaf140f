"""Values that the store's tests begin with."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from convoscope_jupyter.messages import Conversation, Message, Response, Turn, new_id
from convoscope_jupyter.store._sqlite import SqliteStore

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and forks are POSIX's")

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONVERSATION = "5ab1ed00-0000-4000-8000-000000000000"
SHARED = Conversation(id=CONVERSATION, created_at=NOON, updated_at=NOON)
"""The conversation of the tests that need only one."""


def new_conversation(*, title: str = "", name: str | None = None, system: str | None = None) -> Conversation:
    return Conversation(id=new_id(), title=title, name=name, system=system, created_at=NOON, updated_at=NOON)


def new_turn(prompt: str = "Why?", *, created_at: datetime = NOON) -> Turn:
    return Turn(id=new_id(), parent_id=None, prompt=Message.user(prompt), created_at=created_at)


def response(text: str = "Because.") -> Response:
    return Response(message=Message.assistant(text), status="complete", finish_reason="stop")


def answered(turn: Turn, *texts: str) -> Turn:
    return replace(turn, responses=tuple(response(text) for text in texts or ["Because."]))


def turns(store: SqliteStore) -> dict[str, Turn]:
    """The turns of `SHARED` that the store holds."""
    loaded = store.get(CONVERSATION)
    return {turn.id: turn for turn in loaded.turns} if loaded else {}


def prompts(store: SqliteStore) -> list[str]:
    return [turn.prompt.text for turn in turns(store).values()]


def side_files(path: Path) -> list[str]:
    return sorted(file.stem for file in path.with_name(f"{path.name}.partial").glob("*"))


def killed_while_answering(path: Path, *appended: str) -> Turn:
    """A turn of a kernel that is gone."""
    kernel = SqliteStore(str(path))
    turn = new_turn()
    partial = kernel.open_partial(CONVERSATION, turn.id)
    kernel.begin_turn(SHARED, turn)
    for text in appended:
        partial.append(0, text=text)
    kernel.close()
    return turn
