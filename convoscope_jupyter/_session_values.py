"""What a session starts from, the turns it can start, and checks of what it is given."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from convoscope_jupyter import config
from convoscope_jupyter._text import clean
from convoscope_jupyter.context import image_part
from convoscope_jupyter.errors import InvalidPrompt, InvalidSetting, UnknownProvider
from convoscope_jupyter.messages import Conversation, Message, Turn, new_id, utc_now
from convoscope_jupyter.providers import default_model
from convoscope_jupyter.providers._base import Provider

MAX_TITLE_CHARACTERS = 60
CONTINUE_PROMPT = "Your last answer broke off. Go on exactly where it stopped, without repeating any of it."


def new_conversation(*, system: str | None, name: str | None = None) -> Conversation:
    """A conversation without turns."""
    now = utc_now()
    return Conversation(id=new_id(), created_at=now, updated_at=now, system=system, name=name, title=name or "")


def next_turn(
    conversation: Conversation, prompt: str, *, images: Sequence[object] = (), turn_id: str | None = None
) -> Turn:
    """A turn at the end of a conversation, not yet part of it. Raises `InvalidPrompt`."""
    path = conversation.path()
    message = Message.user(checked_prompt(prompt))
    return Turn(
        id=turn_id or new_id(),
        parent_id=path[-1].id if path else None,
        prompt=replace(message, parts=(*map(image_part, checked_images(images)), *message.parts)),
        created_at=utc_now(),
    )


def retry_of(turn: Turn, *, turn_id: str | None = None) -> Turn:
    """A turn that asks an earlier prompt again, as its sibling."""
    return replace(turn, id=turn_id or new_id(), created_at=utc_now(), responses=(), chosen=0)


def continuation_of(turn: Turn, *, turn_id: str | None = None) -> Turn:
    """A turn that goes on with an answer that broke off."""
    return Turn(
        id=turn_id or new_id(),
        parent_id=turn.id,
        prompt=Message.user(CONTINUE_PROMPT),
        created_at=utc_now(),
        continues=turn.id,
    )


def with_new_ids(conversation: Conversation) -> Conversation:
    """A copy of a conversation that can be kept beside it."""
    new = {turn.id: new_id() for turn in conversation.turns}
    turns = tuple(
        replace(
            turn,
            id=new[turn.id],
            parent_id=new.get(turn.parent_id, turn.parent_id) if turn.parent_id else None,
            continues=new.get(turn.continues, turn.continues) if turn.continues else None,
        )
        for turn in conversation.turns
    )
    return replace(conversation, id=new_id(), turns=turns)


def default_route(settings: config.Settings, providers: Mapping[str, Provider]) -> str:
    """The route when none is given: the settings', or the first provider that is ready, or the offline demo."""
    if settings.route is not None:
        return settings.route
    if settings.default_provider is not None:
        if settings.default_provider not in providers:
            raise UnknownProvider(settings.default_provider, tuple(providers))
        return f"{settings.default_provider}:{default_model(settings.default_provider)}"
    ready = (name for name, provider in providers.items() if provider.status(name).ready)
    name = next((name for name in ready if default_model(name) is not None and name != "demo"), "demo")
    return f"{name}:{default_model(name)}"


def checked_prompt(prompt: object) -> str:
    """The prompt, if there is something to ask. Half a character in it, which nobody can send or store, is replaced."""
    if not isinstance(prompt, str):
        message = f"a prompt is text, not {type(prompt).__name__}. Pass a str."
        raise InvalidPrompt(message)
    if not prompt.strip():
        message = "there is nothing to ask: the prompt is empty. Write a question first."
        raise InvalidPrompt(message)
    return clean(prompt)


def checked_system(system: str | None) -> str | None:
    """The instructions, fit to be sent and stored; `None` when there are none."""
    return clean(system) if system else None


def checked_images(images: Sequence[object]) -> Sequence[object]:
    """The images, if it is a list of them and not one."""
    if isinstance(images, (str, bytes, os.PathLike)):
        raise InvalidPrompt("images is a list: pass images=[…], also for a single one.")
    return images


def checked_temperature(temperature: float | None) -> float | None:
    """The temperature, if it is in the range all providers share."""
    if temperature is not None and not 0 <= temperature <= 2:  # noqa: PLR2004 - the range all providers share
        message = f"temperature is {temperature}; it must be a number from 0 to 2, or None for the provider's own."
        raise InvalidSetting(message)
    return temperature


def checked_max_output_tokens(max_output_tokens: int | None) -> int | None:
    """The bound, if it is one."""
    if max_output_tokens is not None and max_output_tokens < 1:
        message = f"max_output_tokens is {max_output_tokens}; it must be at least 1, or None for the provider's own."
        raise InvalidSetting(message)
    return max_output_tokens


def first_words(text: str) -> str:
    """A title from a first question."""
    line = " ".join(text.split())
    if len(line) <= MAX_TITLE_CHARACTERS:
        return line
    return line[:MAX_TITLE_CHARACTERS].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def is_uuid(text: str) -> bool:
    """Whether a reference to a conversation is an id rather than a name."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
