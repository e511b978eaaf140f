"""What is marimo's own about a chat in an app; the rest is in `test_every_front_end.py`."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.marimo_page import ASSISTANT, NUMBER, ROUTES, MarimoPage

pytestmark = pytest.mark.browser


def test_while_another_cell_runs_the_answer_goes_on_and_stop_waits(marimo: MarimoPage) -> None:
    chat = marimo.open_chat("slow", ROUTES["slow"])
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
    chat = marimo.open_chat("kept", ROUTES["kept"])
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
    chat = marimo.open_chat(theme, ROUTES[theme])

    assert theme == chat.scheme()
    assert chat.contrast() > 4.5
