"""The three providers behind the chat, each over its own SDK, with a scripted server instead of the internet."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

import convoscope_jupyter as cv
from tests.support.anthropic_wire import ANTHROPIC
from tests.support.gemini_wire import GOOGLE
from tests.support.lab_page import LabPage
from tests.support.loopback import Loopback, Reply, Request, json_reply
from tests.support.loopback_thread import loopback
from tests.support.openai_wire import OPENAI_CHAT
from tests.support.wires import KEY, MODELS, Answer

pytestmark = pytest.mark.browser

ROUTE = "openai:gpt-5-mini, anthropic:claude-sonnet-5-5, google:model"
CELL = """\
import convoscope_jupyter as cv

chat = cv.Chat(
    {route!r},
    providers={{
        "openai": cv.OpenAI(api_key={key!r}, base_url="{url}/v1"),
        "anthropic": cv.Anthropic(api_key={key!r}, base_url={url!r}),
        "google": cv.Google(api_key={key!r}, base_url={url!r}),
    }},
)
chat"""


def open_chat(lab: LabPage, name: str, server: Loopback, *more_cells: str) -> None:
    cell = CELL.format(route=ROUTE, key=KEY, url=server.url)
    lab.open(lab.server.write_notebook(name, cell, *more_cells))
    lab.run_cell(0)
    expect(lab.chat().box).to_be_enabled()


def two_down_one_up(request: Request) -> Reply:
    if request.path == OPENAI_CHAT.path:
        limited = OPENAI_CHAT.refusals["rate_limited"]
        return Reply(steps=limited.steps, status=429, content_type=limited.content_type, headers={"retry-after": "40"})
    if request.path == ANTHROPIC.path:
        return ANTHROPIC.refusals["overloaded"]
    return GOOGLE.stream(Answer(texts=("Gemini ", "answers.")))


def test_a_question_falls_back_from_openai_over_anthropic_to_google_and_the_receipt_says_so(lab: LabPage) -> None:
    with loopback(two_down_one_up) as server:
        open_chat(lab, "chain.ipynb", server)
        chat = lab.chat()
        chat.ask("Who answers?")
        expect(chat.log.locator(".answer .markdown")).to_have_text("Gemini answers.", timeout=60_000)
        chat.log.locator(".receipt-line").click()
        attempts = chat.log.locator(".attempts li")

        expect(attempts).to_have_count(3)
        expect(attempts.nth(0)).to_contain_text("openai:gpt-5-mini")
        expect(attempts.nth(0)).to_contain_text("rate limit")
        expect(attempts.nth(1)).to_contain_text("anthropic:claude-sonnet-5-5")
        expect(attempts.nth(1)).to_contain_text("overloaded")
        expect(attempts.nth(2)).to_contain_text("google:model")
        assert [OPENAI_CHAT.path, ANTHROPIC.path, GOOGLE.path] == [request.path for request in server.requests]
        asked = [json.dumps(request.json) for request in server.requests]
        assert ["Who answers?" in body for body in asked] == [True] * 3, "one request each, with the question"
        assert [] == lab.refused


def test_how_the_providers_fare_shows_in_the_picker(lab: LabPage) -> None:
    with loopback(two_down_one_up) as server:
        open_chat(lab, "fare.ipynb", server)
        chat = lab.chat()
        chat.ask("Who answers?")
        expect(chat.log.locator(".receipt")).to_be_visible(timeout=60_000)
        chat.root.locator(".route").click()
        picker = chat.root.get_by_role("dialog")

        expect(picker).to_contain_text("key from your code")
        expect(picker).to_contain_text(urlsplit(server.url).netloc)
        expect(picker.locator(".provider", has_text="openai")).to_contain_text("left alone for")
        expect(picker.locator(".provider", has_text="anthropic")).to_contain_text("asked after the others for")
        expect(picker.locator(".provider", has_text="google")).to_contain_text("answered last time")
        assert KEY not in picker.inner_text()


def test_all_models_are_listed_on_request_only(lab: LabPage) -> None:
    def models(request: Request) -> Reply:
        return OPENAI_CHAT.models_reply if request.path == OPENAI_CHAT.models_path else json_reply({}, status=404)

    with loopback(models) as server:
        open_chat(lab, "models.ipynb", server)
        lab.chat().root.locator(".route").click()
        picker = lab.chat().root.get_by_role("dialog")
        expect(picker).to_be_visible()
        assert [] == server.requests
        picker.locator(".provider", has_text="openai").get_by_role("button", name="List all models").click()

        for model in MODELS:
            expect(picker).to_contain_text(model)
        assert [OPENAI_CHAT.models_path] == [request.path for request in server.requests]


@pytest.mark.parametrize("item, name", [("Save as notebook (.ipynb)", "hi.ipynb"), ("Save as JSON", "hi.json")])
def test_the_menu_saves_the_conversation_beside_the_notebook(lab: LabPage, item: str, name: str) -> None:
    notebook = lab.server.write_notebook(f"save-{name}.ipynb", "import convoscope_jupyter as cv\ncv.Chat('demo:echo')")
    lab.open(notebook)
    lab.run_cell(0)
    chat = lab.chat()
    chat.ask("Hi")
    expect(chat.log.locator(".receipt")).to_be_visible()
    chat.root.get_by_role("button", name="Menu").click()
    chat.root.get_by_role("menuitem", name=item).click()

    expect(chat.root).to_contain_text(f"Saved as {name}, beside the notebook.")
    saved = cv.Session.load(lab.server.notebooks / name, store=":memory:").conversation
    assert [("Hi", "Hi")] == [(turn.prompt.text, turn.text) for turn in saved.turns]
