"""The session: what a user asks, gets back and is told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter import _loop, errors
from convoscope_jupyter._notices import Notice, TurnProgress
from convoscope_jupyter._session_values import CONTINUE_PROMPT
from convoscope_jupyter.messages import (
    AttemptFailed,
    AttemptStarted,
    ImagePart,
    Message,
    ReasoningDelta,
    SessionEvent,
    TextDelta,
    TurnFinished,
)
from convoscope_jupyter.session import Session
from tests.support.scripted import OK, STOP
from tests.support.sessions import Gate, session_of


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite3")


# --- asking ------------------------------------------------------------------------------------------


def test_ask_returns_the_whole_turn() -> None:
    session, _ = session_of()
    turn = session.ask("Hi")

    assert "Hello" == turn.text
    assert "complete" == turn.responses[0].status
    assert "stop" == turn.responses[0].finish_reason
    assert "p:m" == str(turn.responses[0].answered_by)
    assert 2 == turn.responses[0].usage.output_tokens
    assert turn == session.conversation.turns[0]


def test_on_delta_gets_the_text_on_the_callers_thread() -> None:
    session, _ = session_of()
    calls: list[tuple[str, int]] = []
    session.ask("Hi", on_delta=lambda text: calls.append((text, threading.get_ident())))

    assert [("Hel", threading.get_ident()), ("lo", threading.get_ident())] == calls


def test_stream_yields_what_happens_in_order_and_ends_with_the_turn() -> None:
    session, _ = session_of([ReasoningDelta(text="hm"), *OK])
    kinds = [type(event) for event in session.stream("Hi")]

    assert [AttemptStarted, ReasoningDelta, TextDelta, TextDelta, TurnFinished] == kinds


async def test_ask_async_runs_inside_another_loop() -> None:
    session, _ = session_of()
    calls: list[str] = []
    turn = await session.ask_async("Hi", on_delta=calls.append)

    assert ("Hello", ["Hel", "lo"]) == (turn.text, calls)


async def test_stream_async_yields_the_same_as_stream() -> None:
    session, _ = session_of()
    kinds = [type(event) async for event in session.stream_async("Hi")]

    assert [AttemptStarted, TextDelta, TextDelta, TurnFinished] == kinds


def test_asking_from_the_loop_thread_is_refused_instead_of_hanging() -> None:
    session, _ = session_of()

    async def ask() -> None:
        session.ask("Hi")

    with pytest.raises(RuntimeError, match="ask_async"):
        _loop.run(ask())


def test_the_whole_conversation_is_sent_and_reasoning_is_not() -> None:
    session, provider = session_of([ReasoningDelta(text="hm"), *OK], system="Be brief.")
    session.ask("One")
    session.ask("Two")

    request = provider.requests[1]
    assert (Message.user("One"), Message.assistant("Hello"), Message.user("Two")) == request.messages
    assert "Be brief." == request.system


def test_history_sent_is_bounded_by_the_setting_and_nothing_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CONVERSATION_HISTORY", "1")
    session, provider = session_of()
    for text in ("One", "Two", "Three"):
        session.ask(text)

    assert ["Two", "Hello", "Three"] == [message.text for message in provider.requests[2].messages]
    assert 3 == len(session.conversation.turns)


def test_temperature_and_bounds_reach_the_provider() -> None:
    session, provider = session_of(temperature=0.5, max_output_tokens=7)
    session.ask("Hi")

    assert (0.5, 7) == (provider.requests[0].temperature, provider.requests[0].max_output_tokens)


def test_a_question_may_have_a_route_of_its_own() -> None:
    session, provider = session_of()
    turn = session.ask("Hi", route="demo:echo")

    assert "demo:echo" == str(turn.responses[0].answered_by)
    assert [] == provider.requests


# --- fallback ----------------------------------------------------------------------------------------


def test_fallback_is_recorded_and_told_in_one_sentence() -> None:
    session = Session("demo:fail-429, demo:echo", store=":memory:")
    response = session.ask("Hi").responses[0]

    assert ["rate_limited", "ok"] == [attempt.outcome for attempt in response.attempts]
    assert response.receipt.endswith("after demo:fail-429 was rate limited.")


def test_fallback_is_an_event() -> None:
    session = Session("demo:fail-429, demo:echo", store=":memory:")
    failed = [event for event in session.stream("Hi") if isinstance(event, AttemptFailed)]

    assert ["rate_limited"] == [event.attempt.outcome for event in failed]


def test_no_answer_at_all_raises_with_every_error_and_the_stored_turn() -> None:
    session = Session("demo:fail-401, demo:fail-filter", store=":memory:")
    with pytest.raises(errors.RouteExhausted) as caught:
        session.ask("Hi")

    assert ["authentication", "content_filtered"] == [error.kind for error in caught.value.exceptions]
    assert caught.value.turn == session.conversation.turns[0]
    assert "failed" == session.conversation.turns[0].responses[0].status


def test_a_broken_off_answer_is_never_returned_as_a_whole_one(store_path: str) -> None:
    session, _ = session_of([TextDelta(text="Half an ans"), errors.ConnectionFailed("dropped")], store=store_path)
    with pytest.raises(errors.AnswerInterrupted) as caught:
        session.ask("Hi")

    assert "Half an ans" == caught.value.turn.text
    stored = cv.open_store(store_path).get(session.conversation.id)
    assert stored is not None
    assert ("interrupted", "Half an ans") == (stored.turns[0].responses[0].status, stored.turns[0].text)


def test_continue_asks_in_a_turn_of_its_own_with_the_partial_before_it() -> None:
    session, provider = session_of([TextDelta(text="Half"), errors.ConnectionFailed("dropped")], list(OK))
    with pytest.raises(errors.AnswerInterrupted) as caught:
        session.ask("Hi")
    turn = session.continue_(caught.value.turn)

    assert ["Hi", "Half", CONTINUE_PROMPT] == [message.text for message in provider.requests[1].messages]
    assert (caught.value.turn.id, caught.value.turn.id) == (turn.parent_id, turn.continues)
    assert "Half" == session.conversation.turns[0].text


def test_regenerate_adds_a_sibling_and_destroys_nothing() -> None:
    session, _ = session_of()
    first = session.ask("Hi")
    second = session.regenerate(first, route="demo:echo")

    assert (first.parent_id, "Hi") == (second.parent_id, second.prompt.text)
    assert ("Hello", "Hi") == tuple(turn.text for turn in session.conversation.turns)
    assert (second,) == session.conversation.path()


def test_edit_adds_a_sibling_with_other_words() -> None:
    session, provider = session_of()
    session.ask("One")
    second = session.ask("Two")
    edited = session.edit(second, "Zwei")

    assert ["One", "Hello", "Zwei"] == [message.text for message in provider.requests[2].messages]
    assert second.parent_id == edited.parent_id


def test_a_question_that_nobody_answered_is_not_sent_again() -> None:
    session, provider = session_of([errors.InvalidRequest("no")], list(OK))
    with pytest.raises(errors.RouteExhausted):
        session.ask("One")
    session.ask("Two")

    assert ["Two"] == [message.text for message in provider.requests[1].messages]


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "   \n\t"], ids=["empty", "white space"])
def test_an_empty_prompt_is_refused_and_nothing_happens(prompt: str) -> None:
    session, provider = session_of()
    with pytest.raises(errors.InvalidPrompt, match="Write a question first"):
        session.ask(prompt)

    assert ([], ()) == (provider.requests, session.conversation.turns)


def test_half_a_character_is_replaced_before_it_is_sent_or_kept(store_path: str) -> None:
    session, provider = session_of(store=store_path, system="Be brief \ud83d")
    turn = session.ask("What is \ude00?")
    session.title = "Half \ud83d"

    sent = provider.requests[0]
    assert ("Be brief \ufffd", "What is \ufffd?") == (sent.system, sent.messages[-1].text)
    assert turn == cv.open_store(store_path).get(session.conversation.id).turns[0]  # type: ignore[union-attr]  # it is there
    assert "Half \ufffd" == session.title


def test_a_prompt_that_is_not_text_is_refused() -> None:
    session, _ = session_of()
    with pytest.raises(errors.InvalidPrompt, match="not int"):
        session.ask(3)  # type: ignore[arg-type]  # what a user may pass


def test_a_second_question_while_one_runs_is_refused_and_the_first_goes_on() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Hel"), gate.event, TextDelta(text="lo"), STOP])

    def ask_again(_: str) -> None:
        if not gate.event.is_set():
            with pytest.raises(errors.ConversationBusy, match="stop it first"):
                session.ask("And?")
            gate.open()

    assert "Hello" == session.ask("Hi", on_delta=ask_again).text
    assert "Hello" == "".join(turn.text for turn in session.conversation.turns)


def test_a_missing_key_names_the_remedy_and_nothing_is_sent() -> None:
    session = Session("openai:gpt-5-mini", store=":memory:")
    with pytest.raises(errors.RouteExhausted, match="No model answered: openai:gpt-5-mini had no key") as caught:
        session.ask("Hi")

    assert "OPENAI_API_KEY" in str(caught.value)
    assert ["missing_credentials"] == [error.kind for error in caught.value.exceptions]


@pytest.mark.parametrize(("option", "value"), [("temperature", 3), ("max_output_tokens", 0)])
def test_a_number_out_of_range_is_refused(option: str, value: float) -> None:
    with pytest.raises(errors.InvalidSetting, match=option):
        session_of(**{option: value})  # type: ignore[arg-type]  # wrong on purpose


def test_an_unreadable_store_sends_nothing_and_works_once_it_is_mended(tmp_path: Path) -> None:
    in_the_way = tmp_path / "folder"
    in_the_way.write_text("a file where a folder is wanted")
    session, provider = session_of(store=str(in_the_way / "store.sqlite3"))
    with pytest.raises(errors.StoreError, match="CONVOSCOPE_STORE"):
        session.ask("Hi")
    assert ([], ()) == (provider.requests, session.conversation.turns)

    in_the_way.unlink()
    assert "Hello" == session.ask("Hi").text


# --- observers ---------------------------------------------------------------------------------------


def test_an_observer_that_fails_does_not_end_the_answer() -> None:
    session, _ = session_of()

    def fail(_: Notice) -> None:
        raise ValueError

    session.conductor.observe(fail)

    assert "Hello" == session.ask("Hi").text


def test_an_observer_hears_nothing_after_it_has_left() -> None:
    session, _ = session_of()
    heard: list[Notice] = []
    session.conductor.observe(heard.append)()
    session.ask("Hi")

    assert [] == heard


def test_every_event_of_a_turn_reaches_observers_and_the_asker_alike() -> None:
    session, _ = session_of()
    heard: list[SessionEvent] = []
    session.conductor.observe(lambda notice: heard.append(notice.event) if isinstance(notice, TurnProgress) else None)

    assert list(session.stream("Hi")) == heard


# --- the route it takes by itself -----------------------------------------------------------------------


def test_without_any_key_the_offline_demo_answers() -> None:
    assert "demo:tour" == str(Session(store=":memory:").route)


def test_with_a_key_its_provider_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0000000000000000")

    assert "openai" == Session(store=":memory:").route.candidates[0].provider


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CONVOSCOPE_ROUTE", "demo:slow, demo:echo", "demo:slow, demo:echo"),
        ("DEFAULT_LLM_PROVIDER", "demo", "demo:tour"),
    ],
)
def test_the_environment_names_the_route(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    monkeypatch.setenv(name, value)

    assert expected == str(Session(store=":memory:").route)


def test_an_unknown_default_provider_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_LLM_PROVIDER", "hal")
    with pytest.raises(errors.UnknownProvider, match="'hal'"):
        Session(store=":memory:")


# --- pictures, and the models there are ----------------------------------------------------------------


def test_a_picture_goes_with_its_question_and_stays_in_the_conversation(tmp_path: Path, store_path: str) -> None:
    session, provider = session_of(store=store_path)
    (tmp_path / "figure.gif").write_bytes(b"GIF89a")
    turn = session.ask("What is this?", images=[tmp_path / "figure.gif"])

    sent = provider.requests[0].messages[-1]
    assert (ImagePart(media_type="image/gif", data_base64="R0lGODlh"), "What is this?") == (sent.parts[0], sent.text)
    assert turn == cv.open_store(store_path).get(session.conversation.id).turns[0]  # type: ignore[union-attr]  # it is there


@pytest.mark.parametrize("images", ["figure.png", b"GIF89a"])
def test_one_picture_is_a_list_of_one(images: object) -> None:
    session, provider = session_of()
    with pytest.raises(errors.InvalidPrompt, match="images is a list"):
        session.ask("What is this?", images=images)  # type: ignore[arg-type]  # what a user may write

    assert [] == provider.requests


def test_models_are_listed_by_provider() -> None:
    session, _ = session_of()

    assert ("m",) == session.list_models("p")
    with pytest.raises(errors.UnknownProvider, match="no provider 'q'"):
        session.list_models("q")
