"""What holds wherever the chat is shown: JupyterLab, Notebook 7, marimo, Voila. Real browser, real servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat

pytestmark = pytest.mark.browser

OpenChat = Callable[[str, str], Chat]
"""Opens a chat under a name, with a route."""


@pytest.fixture(params=["lab", "notebook", "marimo", "voila"])
def open_chat(request: pytest.FixtureRequest) -> OpenChat:
    opening: OpenChat = request.getfixturevalue(request.param).open_chat
    return opening


def test_an_answer_streams_in_and_its_receipt_names_the_model_that_failed(open_chat: OpenChat) -> None:
    chat = open_chat("fallback", "demo:fail-429, demo:tour")
    shown = chat.ask_and_watch("What can you do?")

    assert len(shown) > 3, "it came in pieces"
    assert len(shown[0]) < len(shown[-1])
    expect(chat.log.locator(".receipt-line")).to_contain_text("demo:tour")
    expect(chat.log.locator(".receipt-line")).to_contain_text("after demo:fail-429")


def test_stop_keeps_what_came(open_chat: OpenChat) -> None:
    chat = open_chat("slow", "demo:slow")
    chat.ask("Tell me a long story")
    expect(chat.stop).to_be_visible()
    first = chat.wait_until_it_grows()
    chat.stop.click()

    expect(chat.send).to_be_visible()
    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
    assert chat.answer.inner_text().startswith(first)


def test_enter_sends_and_shift_enter_breaks_the_line_and_escape_stops_the_answer(open_chat: OpenChat) -> None:
    chat = open_chat("slow", "demo:slow")
    chat.box.click()
    chat.box.press_sequentially("dd")
    chat.box.press("Shift+Enter")
    chat.box.press_sequentially("bb")
    chat.box.press("Enter")
    expect(chat.log.locator(".bubble")).to_have_text("dd\nbb")
    expect(chat.answer).not_to_be_empty()
    chat.box.press("Escape")

    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
