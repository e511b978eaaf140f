"""A person chats in a notebook that Voila serves as an app: a real browser, a real kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.chat_page import Chat, HostPage
from tests.support.voila_server import VoilaServer

pytestmark = pytest.mark.browser

CHAT = "import convoscope_jupyter as cv\n\nchat = cv.Chat({route!r})\nchat"

# Voila's own page template asks for these two style sheets of icons, with or without a chat.
OF_VOILA = "https://cdn.jsdelivr.net/npm/@fortawesome/fontawesome-free@"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoilaServer]:
    server = VoilaServer(tmp_path_factory.mktemp("voila"))
    yield server
    server.stop()


class VoilaPage(HostPage):
    """A served notebook in the browser."""

    def __init__(self, page: Page, server: VoilaServer) -> None:
        super().__init__(page)
        self.server = server

    def open_chat(self, name: str, route: str, query: str = "") -> Chat:
        self.page.goto(self.server.publish(name, CHAT.format(route=route)) + query)
        return self.chat().when_ready()


@pytest.fixture
def voila(page: Page, server: VoilaServer) -> Iterator[VoilaPage]:
    voila = VoilaPage(page, server)
    yield voila
    assert [] == [url for url in voila.refused if not url.startswith(OF_VOILA)]


def test_an_answer_streams_in_and_its_receipt_names_the_model_that_failed(voila: VoilaPage) -> None:
    chat = voila.open_chat("answer", "demo:fail-429, demo:tour")
    shown = chat.ask_and_watch("What can you do?")

    assert len(shown) > 3, "it came in pieces"
    assert len(shown[0]) < len(shown[-1])
    expect(chat.log.locator(".receipt-line")).to_contain_text("demo:tour")
    expect(chat.log.locator(".receipt-line")).to_contain_text("after demo:fail-429")


def test_enter_sends_and_shift_enter_breaks_the_line_and_escape_stops_the_answer(voila: VoilaPage) -> None:
    chat = voila.open_chat("keys", "demo:slow")
    chat.box.click()
    chat.box.press_sequentially("dd")
    chat.box.press("Shift+Enter")
    chat.box.press_sequentially("bb")
    chat.box.press("Enter")
    expect(chat.log.locator(".bubble")).to_have_text("dd\nbb")
    expect(chat.answer).not_to_be_empty()
    chat.box.press("Escape")

    expect(chat.log.locator(".problem.cancelled")).to_be_visible()


def test_stop_keeps_what_came(voila: VoilaPage) -> None:
    chat = voila.open_chat("stop", "demo:slow")
    chat.ask("Tell me a long story")
    first = chat.wait_until_it_grows()
    chat.stop.click()

    expect(chat.send).to_be_visible()
    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
    assert chat.answer.inner_text().startswith(first)


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
