"""A person chats in a marimo app: a real browser, a real `marimo run`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.chat_page import HostPage
from tests.support.marimo_server import MarimoServer

pytestmark = pytest.mark.browser

DARK = '# /// script\n# [tool.marimo.display]\n# theme = "dark"\n# ///\n\n'

# Two sliders: with one, a cell runs again that has nothing to do with the chat, and runs until there is a file named
# "gate"; with the other, the cell that makes the chat runs again.
APP = """{head}import marimo

app = marimo.App()


@app.cell
def _():
    import time
    from pathlib import Path

    import marimo as mo

    import convoscope_jupyter as cv

    return Path, cv, mo, time


@app.cell
def _(mo):
    number = mo.ui.slider(0, 10, label="Number")
    assistant = mo.ui.slider(0, 10, label="Assistant")
    mo.vstack([number, assistant])
    return assistant, number


@app.cell
def _(Path, mo, number, time):
    if number.value:
        mo.output.replace(mo.md("The cell runs."))
        while not Path({gate!r}).exists():
            time.sleep(0.02)
    mo.output.replace(mo.md(f"The number is {{number.value}}."))


@app.cell
def _(assistant, cv, mo):
    chat = mo.ui.anywidget(cv.Chat({route!r}, system=f"You are assistant {{assistant.value}}.", store={store!r}))
    chat
    return (chat,)


if __name__ == "__main__":
    app.run()
"""


class MarimoPage(HostPage):
    """An app in the browser, and what its cells wait for."""

    def __init__(self, page: Page, server: MarimoServer, gate: Path) -> None:
        super().__init__(page)
        self.server, self.gate = server, gate

    def open(self, app: str) -> None:
        self.page.goto(self.server.url_of(app))

    def move(self, slider: int) -> None:
        self.page.get_by_role("slider").nth(slider).press("ArrowRight")


NUMBER, ASSISTANT = 0, 1


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marimo-gate") / "open"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, gate: Path) -> Iterator[MarimoServer]:
    folder = tmp_path_factory.mktemp("marimo")

    def app(route: str, *, head: str = "", store: str = ":memory:") -> str:
        return APP.format(head=head, route=route, store=store, gate=str(gate))

    apps = {
        "fallback": app("demo:fail-429, demo:tour"),
        "slow": app("demo:slow"),
        "kept": app("demo:echo", store=str(folder / "kept.sqlite3")),
        "light": app("demo:echo"),
        "dark": app("demo:echo", head=DARK),
    }
    server = MarimoServer(folder, apps)
    yield server
    server.stop()


@pytest.fixture
def marimo(page: Page, server: MarimoServer, gate: Path) -> Iterator[MarimoPage]:
    gate.unlink(missing_ok=True)
    marimo = MarimoPage(page, server, gate)
    yield marimo
    gate.touch()
    assert [] == marimo.refused, "neither the chat nor marimo asks another host for anything"


def test_an_answer_streams_in_and_its_receipt_names_the_model_that_failed(marimo: MarimoPage) -> None:
    marimo.open("fallback")
    chat = marimo.chat().when_ready()
    shown = chat.ask_and_watch("What can you do?")

    assert len(shown) > 3, "it came in pieces"
    assert len(shown[0]) < len(shown[-1])
    expect(chat.log.locator(".receipt-line")).to_contain_text("demo:tour")
    expect(chat.log.locator(".receipt-line")).to_contain_text("after demo:fail-429")
    assert [] == marimo.console_errors


def test_enter_sends_and_shift_enter_breaks_the_line_and_escape_stops_the_answer(marimo: MarimoPage) -> None:
    marimo.open("slow")
    chat = marimo.chat().when_ready()
    chat.box.click()
    chat.box.press_sequentially("dd")
    chat.box.press("Shift+Enter")
    chat.box.press_sequentially("bb")
    chat.box.press("Enter")
    expect(chat.log.locator(".bubble")).to_have_text("dd\nbb")
    expect(chat.answer).not_to_be_empty()
    chat.box.press("Escape")

    expect(chat.log.locator(".problem.cancelled")).to_be_visible()


def test_stop_keeps_what_came(marimo: MarimoPage) -> None:
    marimo.open("slow")
    chat = marimo.chat().when_ready()
    chat.ask("Tell me a long story")
    first = chat.wait_until_it_grows()
    chat.stop.click()

    expect(chat.send).to_be_visible()
    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
    assert chat.answer.inner_text().startswith(first)


def test_while_another_cell_runs_the_answer_goes_on_and_stop_waits(marimo: MarimoPage) -> None:
    marimo.open("slow")
    chat = marimo.chat().when_ready()
    chat.ask("Tell me a long story")
    expect(chat.answer).not_to_be_empty()
    marimo.move(NUMBER)
    expect(marimo.page.get_by_text("The cell runs.")).to_be_visible()
    chat.box.fill("half a thought")
    chat.wait_until_it_grows()
    chat.stop.click()
    expect(chat.stop).to_be_disabled()
    marimo.gate.touch()

    expect(marimo.page.get_by_text("The number is 1.")).to_be_visible()
    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
    expect(chat.box).to_have_value("half a thought")


def test_when_its_own_cell_runs_again_there_is_a_new_chat_that_offers_to_continue(marimo: MarimoPage) -> None:
    marimo.open("kept")
    chat = marimo.chat().when_ready()
    chat.ask("Remember the word hibiscus")
    expect(chat.answer).to_have_text("Remember the word hibiscus")
    marimo.move(ASSISTANT)
    chat.root.get_by_role("button", name=re.compile("Continue.*hibiscus")).click()

    expect(chat.answer).to_have_text("Remember the word hibiscus")
    chat.ask("And go on")
    expect(chat.answer.last).to_have_text("And go on")


@pytest.mark.parametrize(("theme", "system"), [("light", "dark"), ("dark", "light")])
def test_the_chat_is_as_light_or_dark_as_the_app_whatever_the_system_is(
    marimo: MarimoPage, theme: str, system: str
) -> None:
    marimo.page.emulate_media(color_scheme="dark" if system == "dark" else "light")
    marimo.open(theme)
    chat = marimo.chat().when_ready()

    assert theme == chat.scheme()
    assert chat.contrast() > 4.5
