"""What is Notebook 7's own about a chat; the rest is in `test_every_front_end.py`."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.notebook_page import NotebookPage

pytestmark = pytest.mark.browser


def test_no_key_reaches_the_notebook_and_escape_stops_the_answer(notebook: NotebookPage) -> None:
    chat = notebook.open_chat("keys", "demo:slow")
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
    chat = notebook.open_chat("reload", "demo:echo")
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
    chat = notebook.open_chat("dark", "demo:echo")
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
