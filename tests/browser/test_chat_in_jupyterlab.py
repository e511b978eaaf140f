"""A person chats in JupyterLab: every step in a real browser, with a real kernel."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import CHAT_CELL
from tests.support.jupyter_server import JupyterServer
from tests.support.lab_page import LabPage
from tests.tools.kernels import KERNELS

pytestmark = pytest.mark.browser

BUSY_CELL = "import time\nfor _ in range(200):\n    time.sleep(0.1)"


def test_a_question_is_answered_and_the_receipt_says_by_whom(lab: LabPage) -> None:
    lab.open_chat("answer", "demo:tour")
    chat = lab.chat()
    chat.ask("What can you do?")

    expect(chat.log).to_contain_text("What can you do?")
    expect(chat.log.get_by_role("heading", level=2).first).to_be_visible()
    expect(chat.log.locator(".receipt")).to_contain_text("demo:tour")
    assert [] == lab.refused


def test_a_fallback_is_shown_on_the_answer_and_opens(lab: LabPage) -> None:
    lab.open_chat("fallback", "demo:fail-429, demo:tour")
    chat = lab.chat()
    chat.ask("Hello?")
    receipt = chat.log.locator(".receipt-line")
    expect(receipt).to_contain_text("demo:tour")
    expect(receipt).to_contain_text("after demo:fail-429")
    receipt.click()

    attempts = chat.log.locator(".attempts li")
    expect(attempts).to_have_count(2)
    expect(attempts.first).to_contain_text("rate limit")


def test_a_failure_names_its_remedy_and_retry_with_another_model_answers(lab: LabPage) -> None:
    lab.open_chat("failure", "openai:gpt-5-mini")
    chat = lab.chat()
    chat.ask("Hello?")
    expect(chat.log.locator(".problem")).to_contain_text("OPENAI_API_KEY")
    chat.log.get_by_role("button", name="Retry with another model").click()
    chat.root.get_by_role("dialog", name="Retry with").get_by_role(
        "button", name=re.compile("^demo:echo|^echo")
    ).first.click()

    expect(chat.log.locator(".answer .markdown")).to_have_text("Hello?")


def test_a_broken_off_answer_can_be_continued(lab: LabPage) -> None:
    lab.open_chat("midway", "demo:drop-midway")
    chat = lab.chat()
    chat.ask("Hello?")
    expect(chat.log.locator(".problem.interrupted")).to_contain_text("Broke off")
    chat.log.get_by_role("button", name="Continue").click()

    expect(chat.log).to_contain_text("Continues the answer above")
    expect(chat.log.locator(".turn")).to_have_count(2)


def test_enter_sends_and_shift_enter_breaks_the_line_and_no_key_reaches_the_notebook(lab: LabPage) -> None:
    lab.open_chat("keys", "demo:echo")
    chat = lab.chat()
    cells = lab.page.locator(".jp-Notebook .jp-Cell").count()
    chat.box.click()
    chat.box.press_sequentially("dd")
    chat.box.press("Shift+Enter")
    chat.box.press_sequentially("bb aa")
    expect(chat.box).to_have_value("dd\nbb aa")
    chat.box.press("Control+Enter")
    chat.box.press("Enter")

    expect(chat.log.locator(".bubble").first).to_have_text("dd\nbb aa")
    assert cells == lab.page.locator(".jp-Notebook .jp-Cell").count()


def test_a_reload_keeps_the_conversation_and_the_draft(lab: LabPage) -> None:
    lab.open_chat("reload", "demo:echo")
    chat = lab.chat()
    chat.ask("Before the reload")
    expect(chat.log.locator(".answer .markdown")).to_have_text("Before the reload")
    chat.box.fill("a draft")
    lab.command("docmanager:save")
    expect(lab.page.locator(".jp-mod-dirty")).to_have_count(0)
    lab.page.reload()
    lab.wait_for_kernel()

    chat = lab.chat()
    expect(chat.log.locator(".answer .markdown")).to_have_text("Before the reload")
    expect(chat.box).to_have_value("a draft")
    chat.ask("After the reload")
    expect(chat.log.locator(".answer .markdown").last).to_have_text("After the reload")


def test_an_answer_under_way_goes_on_over_a_reload(lab: LabPage) -> None:
    lab.open_chat("underway", "demo:slow")
    chat = lab.chat()
    chat.ask("A long story")
    expect(chat.log.locator(".answer .markdown")).not_to_be_empty()
    lab.command("docmanager:save")
    expect(lab.page.locator(".jp-mod-dirty")).to_have_count(0)
    before = chat.log.locator(".answer .markdown").inner_text()
    lab.page.reload()
    lab.wait_for_kernel()
    chat = lab.chat()

    expect(chat.log.locator(".answer .markdown")).to_contain_text(before[:80])
    expect(chat.stop).to_be_visible()
    chat.stop.click()
    expect(chat.send).to_be_visible()


def test_after_a_kernel_restart_continue_brings_the_conversation_back(lab: LabPage) -> None:
    lab.open_chat("restart", "demo:echo")
    lab.chat().ask("Remember the word hibiscus")
    expect(lab.chat().log.locator(".answer .markdown")).to_have_text("Remember the word hibiscus")
    lab.restart_kernel()
    expect(lab.chat().root).to_contain_text("kernel that ran this chat is gone")
    lab.run_cell(0)
    chat = lab.chat()
    expect(chat.box).to_be_enabled()
    chat.root.get_by_role("button", name=re.compile("Continue.*hibiscus")).click()

    expect(chat.log.locator(".answer .markdown")).to_have_text("Remember the word hibiscus")
    chat.ask("And go on")
    expect(chat.log.locator(".answer .markdown").last).to_have_text("And go on")


def test_two_views_of_one_chat_stay_in_step_and_keep_their_draft(lab: LabPage) -> None:
    lab.open_chat("views", "demo:echo", "chat")
    lab.run_cell(1)
    first, second = lab.chat(0), lab.chat(1)
    expect(second.box).to_be_enabled()
    first.box.fill("half a thought")
    expect(second.box).to_have_value("half a thought")
    second.ask("Hello from below")

    expect(first.log.locator(".answer .markdown")).to_have_text("Hello from below")


def test_what_python_asks_appears_in_the_chat(lab: LabPage) -> None:
    lab.open_chat("python", "demo:echo", "turn = chat.session.ask('From a cell')")
    lab.run_cell(1)

    expect(lab.chat().log.locator(".bubble")).to_have_text("From a cell")
    expect(lab.chat().log.locator(".answer .markdown")).to_have_text("From a cell")


def test_the_chat_answers_and_stops_while_a_cell_runs(
    lab: LabPage, record_property: Callable[[str, object], None]
) -> None:
    lab.open_chat("busy", "demo:slow", BUSY_CELL)
    chat = lab.chat()
    lab.run_cell(1)
    expect(lab.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-InputPrompt")).to_have_text("[*]:")
    asked_s = time.monotonic()
    chat.ask("Are you there?")
    expect(chat.log.locator(".answer .markdown")).not_to_be_empty()
    first_text_s = time.monotonic() - asked_s
    chat.stop.click()
    stopping_s = time.monotonic()
    expect(chat.send).to_be_visible()
    stopped_s = time.monotonic() - stopping_s

    assert lab.cell_is_running(1)
    record_property("first_text_s", first_text_s)
    record_property("stopped_s", stopped_s)
    print(f"while a cell runs: first text {first_text_s:.3f} s, stopped {stopped_s:.3f} s")  # noqa: T201 - for the note
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")


@pytest.mark.skipif(not KERNELS.is_dir(), reason="the older kernels are not installed; `make kernels` does it")
def test_without_subshells_the_chat_says_that_it_waits_for_the_cell(lab: LabPage) -> None:
    cell = "import time\nfor _ in range(80):\n    time.sleep(0.1)"
    lab.open(
        lab.server.write_notebook("old.ipynb", CHAT_CELL.format(route="demo:echo"), cell, kernel="ipykernel-6.31.0")
    )
    lab.run_cell(0)
    chat = lab.chat()
    expect(chat.box).to_be_enabled()
    lab.run_cell(1)
    chat.ask("Are you there?")

    expect(chat.root).to_contain_text("Waiting for the kernel. If a cell is running, the chat goes on when it ends")
    assert lab.cell_is_running(1)
    expect(chat.log.locator(".answer .markdown")).to_have_text("Are you there?")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_chat_follows_the_theme(lab: LabPage, theme: str) -> None:
    lab.open_chat(f"{theme.rsplit(maxsplit=1)[-1].lower()}", "demo:tour")
    lab.theme(theme)
    background = "el => getComputedStyle(el.shadowRoot.querySelector('.chat')).backgroundColor"
    scheme = "el => getComputedStyle(el).colorScheme"

    assert theme.rsplit(maxsplit=1)[-1].lower() == lab.chat().root.evaluate(scheme)
    assert lab.chat().root.evaluate(background)


def test_hostile_answers_run_nothing_and_fetch_nothing(lab: LabPage) -> None:
    lab.open_chat("hostile", "demo:hostile")
    lab.page.evaluate("() => { window.pwned = 0; window.alert = () => { window.pwned += 1 } }")
    lab.chat().ask("Be hostile")
    lab.chat().wait_until_answered()
    expect(lab.chat().log.locator(".receipt")).to_be_visible()

    assert 0 == lab.page.evaluate("() => window.pwned")
    assert [] == lab.refused
    assert 0 == lab.chat().log.locator("script, iframe, .markdown img, .markdown svg").count()


def test_a_command_inserts_a_chat_into_the_active_notebook(lab: LabPage, server: JupyterServer) -> None:
    lab.open(server.write_notebook("command.ipynb", "1 + 1"))
    lab.command("convoscope:insert-chat")

    expect(lab.page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)
    expect(lab.chat().box).to_be_enabled()


def test_a_saved_notebook_holds_no_word_and_no_key(lab: LabPage, server: JupyterServer) -> None:
    canary = "sk-canary-0123456789abcdef"
    cell = f"import convoscope_jupyter as cv\ncv.set_key('openai', {canary!r})\nchat = cv.Chat('demo:echo')\nchat"
    lab.open(server.write_notebook("saved.ipynb", cell))
    lab.run_cell(0)
    expect(lab.chat().box).to_be_enabled()
    lab.chat().ask("a word like heliotrope")
    expect(lab.chat().log.locator(".answer .markdown")).to_have_text("a word like heliotrope")
    lab.command("docmanager:save")
    expect(lab.page.locator(".jp-mod-dirty")).to_have_count(0)
    saved = (server.notebooks / "saved.ipynb").read_text(encoding="utf-8")

    assert 1 == saved.count(canary), "only in the cell that the person wrote"
    assert "heliotrope" not in saved
    assert canary.encode() not in server.store.read_bytes()


def test_instructions_and_temperature_set_in_the_chat_reach_the_session(lab: LabPage) -> None:
    shown = "(chat.session.system, chat.session.temperature)"
    lab.open_chat("settings", "demo:echo", shown)
    root = lab.chat().root
    root.get_by_role("button", name="Menu").click()
    root.get_by_text("Settings…").click()
    root.get_by_label("Instructions, sent with every question").fill("Be brief.")
    root.get_by_label("Temperature, 0 to 2").fill("0.5")
    root.get_by_role("button", name="Save").click()
    expect(root.get_by_role("dialog")).to_have_count(0)
    lab.run_cell(1)

    expect(lab.page.locator(".jp-OutputArea-executeResult").last).to_contain_text("('Be brief.', 0.5)")


def test_escape_stops_the_answer(lab: LabPage) -> None:
    lab.open_chat("escape", "demo:slow")
    chat = lab.chat()
    chat.ask("A long story")
    expect(chat.log.locator(".answer .markdown")).not_to_be_empty()
    chat.box.press("Escape")

    expect(chat.log.locator(".problem.cancelled")).to_be_visible()
