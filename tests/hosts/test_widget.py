"""The widget without a browser: what it syncs, what it shows where no widget can be shown."""

from __future__ import annotations

import base64
import json

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter import protocol
from convoscope_jupyter.hosts.widget import transcript_markdown
from convoscope_jupyter.messages import TextDelta
from tests.support.scripted import OK, STOP, Scripted, Step

CANARY = "sk-canary-0123456789abcdefghij"


def chat_of(*script: Step) -> cv.Chat:
    return cv.Chat("p:m", providers={"p": Scripted(m=[script or OK])}, store=":memory:")


def test_a_chat_is_a_view_of_its_session() -> None:
    chat = chat_of()

    assert isinstance(chat.session, cv.Session)
    assert chat.session is cv.Chat(chat.session).session


def test_a_session_and_options_for_a_new_one_are_refused_together() -> None:
    with pytest.raises(TypeError, match="not both"):
        cv.Chat(chat_of().session, system="Be brief.")


def test_nothing_is_synced_but_the_bundle_the_conversation_and_the_protocol_version() -> None:
    assert {"conversation_id", "protocol_version"} == {
        name
        for name in chat_of().get_state()
        if not name.startswith("_") and name not in {"layout", "tabbable", "tooltip"}
    }


def test_no_word_and_no_key_is_in_the_widgets_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    chat = chat_of(TextDelta(text="heliotrope"), STOP)
    chat.session.ask("hibiscus")
    state = json.dumps({name: value for name, value in chat.get_state().items() if name != "_esm"}, default=str)

    for word in (CANARY, base64.b64encode(CANARY.encode()).decode(), "heliotrope", "hibiscus"):
        assert word not in state


def test_the_synced_id_follows_the_session_to_another_conversation() -> None:
    chat = chat_of()
    chat.session.ask("Hi")
    first = chat.conversation_id
    chat.session.conductor.start_new()

    assert chat.session.conversation.id == chat.conversation_id != first


def test_a_front_end_without_widgets_is_told_so_in_one_line() -> None:
    bundle = chat_of()._repr_mimebundle_()
    assert bundle is not None
    data, _ = bundle

    assert "application/vnd.jupyter.widget-view+json" in data
    assert "shows no Jupyter widgets" in data["text/plain"]
    assert "\n" not in data["text/plain"]


def test_the_static_transcript_holds_what_was_said_made_harmless() -> None:
    chat = chat_of(TextDelta(text="![x](https://evil.example/?q=1) <script>alert(1)</script> **bold**"), STOP)
    chat.session.ask("<img src=https://evil.example/pixel>")
    text = transcript_markdown(chat.session.conversation)

    assert "**bold**" in text
    assert "p:m answered in" in text
    assert "![" not in text
    assert "<script" not in text
    assert "<img" not in text


def test_closing_a_chat_leaves_its_session_to_others() -> None:
    chat = chat_of()
    chat.close()

    assert "Hello" == chat.session.ask("Hi").text


def test_the_bundle_speaks_the_same_protocol() -> None:
    assert protocol.PROTOCOL_VERSION == chat_of().protocol_version
