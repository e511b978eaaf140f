"""Providers that are left alone after failures: what the chat says of them, and how a person asks them all the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.support.anthropic_wire import ANTHROPIC
from tests.support.chat_page import Chat
from tests.support.lab_page import LabPage
from tests.support.loopback import Loopback, Reply, Request
from tests.support.loopback_thread import loopback
from tests.support.openai_wire import OPENAI_CHAT
from tests.support.wires import KEY, Answer

pytestmark = pytest.mark.browser

FIRST, SECOND = OPENAI_CHAT.path, ANTHROPIC.path
PAUSE_S = "90"
"""What a provider asks for that is left alone: longer than any of the tests takes on a machine under load."""
ROUTE = "openai:gpt-5-mini, anthropic:claude-sonnet-5-5"
CELL = """\
import convoscope_jupyter as cv


def a_chat():
    return cv.Chat(
        {route!r},
        providers={{
            "openai": cv.OpenAI(api_key={key!r}, base_url="{url}/v1"),
            "anthropic": cv.Anthropic(api_key={key!r}, base_url={url!r}),
        }},
    )


chat = a_chat()
chat"""
RECEIPT_CELL = "print(chat.session.conversation.turns[-1].response.receipt)"


def limited(reply: Reply) -> Reply:
    return Reply(steps=reply.steps, status=429, content_type=reply.content_type, headers={"retry-after": PAUSE_S})


def first_limited_once(*, second_too: bool = False) -> Callable[[Request], Reply]:
    """Each provider answers, but for the first request, which is refused."""
    refused: set[str] = set()

    def script(request: Request) -> Reply:
        wire = OPENAI_CHAT if request.path == FIRST else ANTHROPIC
        if request.path not in refused and (wire is OPENAI_CHAT or second_too):
            refused.add(request.path)
            return limited(wire.refusals["rate_limited"])
        return wire.stream(Answer(texts=("It ", "answers.")))

    return script


def open_chats(lab: LabPage, name: str, server: Loopback, *more_cells: str) -> Chat:
    lab.open(lab.server.write_notebook(name, CELL.format(route=ROUTE, key=KEY, url=server.url), *more_cells))
    lab.run_cell(0)
    return lab.chat().when_ready()


def ask(chat: Chat, text: str) -> Locator:
    """Ask; returns the answer's whole turn, with its receipt."""
    before = chat.log.locator(".turn").count()
    chat.ask(text)
    turn = chat.log.locator(".turn").nth(before)
    expect(turn.locator(".receipt-line, .problem")).to_be_visible(timeout=60_000)
    chat.wait_until_answered()
    return turn


def pick(chat: Chat) -> Locator:
    """Open the picker; returns the first provider's entry."""
    chat.root.locator(".route").click()
    return chat.root.get_by_role("dialog").locator(".provider").filter(has_text="openai")


def left_s(words: str) -> int:
    return int(words.split()[-2])


def paths(server: Loopback) -> list[str]:
    return [request.path for request in server.requests]


def test_a_provider_that_is_left_alone_is_skipped_until_someone_tries_it(lab: LabPage) -> None:
    with loopback(first_limited_once()) as server:
        chat = open_chats(lab, "left-alone.ipynb", server, RECEIPT_CELL)
        ask(chat, "One?")
        assert [FIRST, SECOND] == paths(server)

        second = ask(chat, "Two?")
        chip = second.locator(".receipt-line")
        expect(chip).to_contain_text("anthropic:claude-sonnet-5-5 · after openai:gpt-5-mini was skipped")
        assert [FIRST, SECOND, SECOND] == paths(server), "nothing was sent to the first one again"
        chip.click()
        expect(second.locator(".attempts li.skipped")).to_contain_text("not asked: it was rate limited shortly before")
        lab.run_cell(1)
        told = lab.page.locator(".jp-OutputArea-output pre").last
        expect(told).to_contain_text("was skipped because it was rate limited shortly before.")
        assert f"{told.inner_text().strip()} Click for every attempt." == chip.get_attribute("title")

        openai = pick(chat)
        expect(openai).to_contain_text("left alone for")
        openai.get_by_role("button", name="Try now").press("Enter")
        expect(openai).to_contain_text("failed last time")
        expect(openai.get_by_role("button", name="List all models")).to_be_focused()
        assert [FIRST, SECOND, SECOND] == paths(server), "trying it now sends nothing by itself"
        chat.page.keyboard.press("Escape")

        third = ask(chat, "Three?")
        expect(third.locator(".receipt-line")).to_contain_text("openai:gpt-5-mini")
        assert [FIRST, SECOND, SECOND, FIRST] == paths(server)
        expect(pick(chat)).to_contain_text("answered last time")
        assert [] == lab.refused


def test_the_pause_is_counted_down_where_it_is_shown(lab: LabPage) -> None:
    with loopback(first_limited_once()) as server:
        chat = open_chats(lab, "countdown.ipynb", server)
        ask(chat, "One?")
        line = pick(chat).locator(".hold > span")
        expect(line).to_have_text(re.compile(r"^left alone for \d+\ss$"))
        expect(chat.root.locator(".route-state")).to_contain_text(re.compile(r"left alone \d+\ss"))
        shown = line.inner_text()
        expect(line).not_to_have_text(shown)
        assert left_s(line.inner_text()) < left_s(shown) <= int(PAUSE_S)


def test_what_one_chat_learns_is_shown_in_the_open_picker_of_another(lab: LabPage) -> None:
    with loopback(first_limited_once()) as server:
        one = open_chats(lab, "two-chats.ipynb", server, "other = a_chat()\nother")
        lab.run_cell(1)
        other = lab.chat(1).when_ready()
        other.box.fill("half a thought")
        openai = pick(other)
        expect(openai).to_contain_text("ready")
        field = other.root.get_by_role("dialog").get_by_role("textbox")
        field.fill("openai:gp")
        # With the keyboard's focus elsewhere the picker closes: the first chat is asked from its cell's kernel.
        lab.page.evaluate(
            """() => {
                const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
                session.kernel.requestExecute({ code: "chat.session.ask('One?')" });
            }"""
        )

        expect(one.log.locator(".receipt-line")).to_contain_text("after openai:gpt-5-mini was rate limited")
        expect(openai).to_contain_text("left alone for")
        expect(field).to_have_value("openai:gp")
        expect(other.box).to_have_value("half a thought")
        assert [FIRST, SECOND] == paths(server)

        field.press("Escape")
        turn = ask(other, "Two?")
        expect(turn.locator(".receipt-line")).to_contain_text("after openai:gpt-5-mini was skipped")
        assert [FIRST, SECOND, SECOND] == paths(server)


def test_where_all_are_left_alone_one_click_asks_all_the_same(lab: LabPage) -> None:
    with loopback(first_limited_once(second_too=True)) as server:
        chat = open_chats(lab, "all-left-alone.ipynb", server)
        expect(ask(chat, "One?").locator(".problem")).to_contain_text("No model answered.")
        card = ask(chat, "Two?").locator(".problem")
        expect(card).to_contain_text("No model was asked: each of them failed shortly before.")
        lines = card.locator("li")
        expect(lines).to_have_count(2)
        for line in (lines.nth(0), lines.nth(1)):
            expect(line).to_contain_text(re.compile(r"was rate limited\. It is asked again in \d+\ss\."))
        assert [FIRST, SECOND] == paths(server)

        card.get_by_role("button", name="Try now").click()
        expect(chat.answer).to_have_text("It answers.", timeout=60_000)
        expect(chat.log.locator(".receipt-line")).to_contain_text("openai:gpt-5-mini")
        assert [FIRST, SECOND, FIRST] == paths(server)
