"""What is Voila's own about a chat in an app; the rest is in `test_every_front_end.py`."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.voila_page import VoilaPage

pytestmark = pytest.mark.browser


def test_a_reload_is_a_new_kernel_whose_chat_offers_to_continue(voila: VoilaPage) -> None:
    chat = voila.open_chat("reload", "demo:echo")
    chat.ask("Remember the word hibiscus")
    expect(chat.answer).to_have_text("Remember the word hibiscus")
    voila.page.reload()
    chat.root.get_by_role("button", name=re.compile("Continue.*hibiscus")).click()

    expect(chat.answer).to_have_text("Remember the word hibiscus")


def test_in_the_dark_theme_the_chat_is_dark_and_our_extension_loads_without_a_notebook(voila: VoilaPage) -> None:
    chat = voila.open_chat("dark", "demo:echo", query="?theme=dark")

    assert "dark" == chat.scheme()
    assert chat.contrast() > 4.5
    assert [] == [message for message in voila.console_errors if "convoscope" in message]
