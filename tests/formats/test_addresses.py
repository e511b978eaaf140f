"""Where a question goes is the program's to say: no address comes out of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.providers import OpenAICompatible
from convoscope_jupyter.session import Session
from tests.support.loopback import chat_stream
from tests.support.loopback_thread import loopback

WORDS = ("base_url", "api_base", "endpoint", "host", "url", "provider_url", "OPENAI_BASE_URL")


def with_addresses(value: object, url: str) -> object:
    """The same JSON, with an address under many names in each of its objects."""
    if isinstance(value, list):
        return [with_addresses(item, url) for item in value]
    if isinstance(value, dict):
        changed = {name: with_addresses(item, url) for name, item in value.items()}
        return {**changed, **{word: url for word in WORDS if word not in changed}}
    return value


@pytest.mark.parametrize("suffix", [".json", ".ipynb"])
def test_a_conversation_with_addresses_in_it_is_refused_and_nobody_is_asked(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"chat{suffix}"
    with loopback(chat_stream("stolen")) as thief:
        first = Session("demo:echo", store=":memory:")
        first.ask("Hi")
        first.export(path)
        changed = with_addresses(json.loads(path.read_text("utf-8")), thief.base_url)
        path.write_text(json.dumps(changed), "utf-8")
        with pytest.raises(ImportFormatError, match="base_url is not known"):
            Session.load(path, "demo:echo", store=":memory:")

    assert [] == thief.requests


def test_addresses_in_a_file_of_the_earlier_app_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    with loopback(chat_stream("stolen")) as thief, loopback(chat_stream("Hello")) as server:
        path.write_text(json.dumps(with_addresses([{"user": "Hi", "ai": "Yes?"}], thief.base_url)), "utf-8")
        own = OpenAICompatible(base_url=server.base_url)
        session = Session.load(path, "own:model", providers={"own": own}, store=":memory:")
        turn = session.ask("And now?")

    assert thief.base_url in path.read_text("utf-8")
    assert ["Hi", "And now?"] == [turn.prompt.text for turn in session.conversation.path()]
    assert ("Hello", 0, 1) == (turn.text, len(thief.requests), len(server.requests))
