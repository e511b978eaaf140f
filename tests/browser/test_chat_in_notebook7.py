"""A person chats in Notebook 7: a real browser, a real kernel, one notebook to a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.chat_page import Chat
from tests.support.jupyter_server import JupyterServer
from tests.support.notebook_page import NotebookPage

pytestmark = pytest.mark.browser

CHAT = "import convoscope_jupyter as cv\n\nchat = cv.Chat({route!r})\nchat"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("notebook7"), application="notebook")
    yield server
    server.stop()


@pytest.fixture
def notebook(page: Page, server: JupyterServer) -> Iterator[NotebookPage]:
    notebook = NotebookPage(page, server)
    yield notebook
    assert [] == notebook.refused, "neither the chat nor Notebook 7 asks another host for anything"


def open_chat(notebook: NotebookPage, name: str, route: str) -> Chat:
    notebook.open(notebook.server.write_notebook(name, CHAT.format(route=route)))
    notebook.run_cell(0)
    return notebook.chat().when_ready()


def test_an_answer_streams_in_and_its_receipt_names_the_model_that_failed(notebook: NotebookPage) -> None:
    chat = open_chat(notebook, "answer.ipynb", "demo:fail-429, demo:tour")
    shown = chat.ask_and_watch("What can you do?")

    assert len(shown) > 3, "it came in pieces"
    assert len(shown[0]) < len(shown[-1])
    expect(chat.log.locator(".receipt-line")).to_contain_text("demo:tour")
    expect(chat.log.locator(".receipt-line")).to_contain_text("after demo:fail-429")


def test_stop_keeps_what_came(notebook: NotebookPage) -> None:
    chat = open_chat(notebook, "stop.ipynb", "demo:slow")
    chat.ask("Tell me a long story")
    first = chat.wait_until_it_grows()
    chat.stop.click()

    expect(chat.send).to_be_visible()
    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
    assert chat.answer.inner_text().startswith(first)


def test_no_key_reaches_the_notebook_and_escape_stops_the_answer(notebook: NotebookPage) -> None:
    chat = open_chat(notebook, "keys.ipynb", "demo:slow")
    cells = notebook.page.locator(".jp-Notebook .jp-Cell")
    chat.box.click()
    chat.box.press("Escape")  # in a cell, what enters command mode, where letters are shortcuts
    chat.box.press_sequentially("dd")
    chat.box.press("Shift+Enter")
    chat.box.press_sequentially("bb aa")
    expect(chat.box).to_have_value("dd\nbb aa")
    chat.box.press("Enter")
    expect(chat.log.locator(".bubble")).to_have_text("dd\nbb aa")
    expect(chat.answer).not_to_be_empty()
    chat.box.press("Escape")

    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
    expect(cells).to_have_count(1)
    expect(cells.first.locator(".jp-InputPrompt")).to_have_text("[1]:")


def test_a_reload_keeps_the_conversation_and_the_draft(notebook: NotebookPage) -> None:
    chat = open_chat(notebook, "reload.ipynb", "demo:echo")
    chat.ask("Before the reload")
    expect(chat.answer).to_have_text("Before the reload")
    chat.box.fill("a draft")
    notebook.save()
    notebook.page.reload()
    notebook.wait_for_kernel()

    chat = notebook.chat().when_ready()
    expect(chat.answer).to_have_text("Before the reload")
    expect(chat.box).to_have_value("a draft")
    chat.ask("After the reload")
    expect(chat.answer.last).to_have_text("After the reload")


def test_the_chat_takes_over_the_colours_of_the_dark_theme(notebook: NotebookPage) -> None:
    chat = open_chat(notebook, "dark.ipynb", "demo:echo")
    notebook.theme("JupyterLab Dark")
    surface = "getComputedStyle(root.shadowRoot.querySelector('.chat')).backgroundColor"
    painted = "(probe => (probe.style.background = 'var(--jp-layout-color0)', document.body.append(probe), probe))"
    page_colour = f"getComputedStyle({painted}(document.createElement('i'))).backgroundColor"

    assert "dark" == chat.scheme()
    assert chat.root.evaluate(f"root => {page_colour}") == chat.root.evaluate(f"root => {surface}")
    assert chat.contrast() > 4.5


def test_a_command_inserts_a_chat_into_the_notebook(notebook: NotebookPage) -> None:
    notebook.open(notebook.server.write_notebook("command.ipynb", "1 + 1"))
    notebook.command("convoscope:insert-chat")

    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)
    notebook.chat().when_ready()
