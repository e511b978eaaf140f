"""The session: what a user asks, sees, stops and finds again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, Iterator
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
from convoscope_jupyter.providers._base import ChatRequest, Chunk
from convoscope_jupyter.session import Session
from tests.support.scripted import OK, STOP, Scripted, Step


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite3")


def session_of(*scripts: list[Step], store: str = ":memory:", **options: object) -> tuple[Session, Scripted]:
    provider = Scripted(m=scripts or [OK])
    return Session("p:m", providers={"p": provider}, store=store, **options), provider  # type: ignore[arg-type]  # options of a test


class Gate:
    """Holds a script until the test lets it go on, from any thread."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def open(self) -> None:
        _loop.call_soon(self.event.set)


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


# --- stopping ----------------------------------------------------------------------------------------


def test_cancel_keeps_what_came_and_ask_returns_it() -> None:
    gate = Gate()
    session, provider = session_of([TextDelta(text="Half"), gate.event, STOP])
    turn = session.ask("Hi", on_delta=lambda _: session.cancel())

    assert ("cancelled", "Half") == (turn.responses[0].status, turn.text)
    assert ["cancelled"] == [attempt.outcome for attempt in turn.responses[0].attempts]
    assert ["m"] == provider.closed


def test_the_session_is_usable_again_after_a_stop() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP], list(OK))
    session.ask("Hi", on_delta=lambda _: session.cancel())

    assert "Hello" == session.ask("Again").text


def test_leaving_the_stream_stops_the_answer() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP])
    events = session.stream("Hi")
    assert isinstance(events, Iterator)
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()  # type: ignore[attr-defined]  # it is a generator

    assert "cancelled" == session.conversation.turns[0].responses[0].status


async def test_cancelling_the_awaiting_task_stops_the_answer() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP])
    finished = asyncio.Event()
    here = asyncio.get_running_loop()

    def observe(notice: Notice) -> None:
        if isinstance(notice, TurnProgress) and isinstance(notice.event, TurnFinished):
            here.call_soon_threadsafe(finished.set)

    session.conductor.observe(observe)
    begun = asyncio.Event()
    task = asyncio.create_task(session.ask_async("Hi", on_delta=lambda _: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await finished.wait()

    assert "cancelled" == session.conversation.turns[0].responses[0].status


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process started in the background of a shell ignores interrupts; a kernel does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_kernel_interrupt_keeps_the_partial_and_is_raised_again() -> None:
    gate = Gate()
    session, _ = session_of([TextDelta(text="Half"), gate.event, STOP])
    with pytest.raises(KeyboardInterrupt):
        session.ask("Hi", on_delta=lambda _: os.kill(os.getpid(), signal.SIGINT))

    assert ("cancelled", "Half") == (
        session.conversation.turns[0].responses[0].status,
        session.conversation.turns[0].text,
    )


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "   \n\t"], ids=["empty", "white space"])
def test_an_empty_prompt_is_refused_and_nothing_happens(prompt: str) -> None:
    session, provider = session_of()
    with pytest.raises(errors.InvalidPrompt, match="Write a question first"):
        session.ask(prompt)

    assert ([], ()) == (provider.requests, session.conversation.turns)


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


# --- keeping -----------------------------------------------------------------------------------------


def test_a_conversation_reopens_by_its_id(store_path: str) -> None:
    first, _ = session_of(store=store_path)
    first.ask("Hi")
    second, provider = session_of(store=store_path, conversation=first.conversation.id)
    second.ask("Again")

    assert ["Hi", "Hello", "Again"] == [message.text for message in provider.requests[0].messages]


def test_a_named_conversation_starts_once_and_reopens_by_its_name(store_path: str) -> None:
    first, _ = session_of(store=store_path, conversation="thesis")
    first.ask("Hi")
    second, _ = session_of(store=store_path, conversation="thesis")

    assert first.conversation.id == second.conversation.id
    assert "Hello" == second.conversation.turns[0].text


def test_an_unknown_id_is_refused(store_path: str) -> None:
    with pytest.raises(errors.ConversationNotFound, match="open_store"):
        session_of(store=store_path, conversation="0b8d6c4e-8f5e-4f0a-9f4e-2d1f7f1f0a11")


def test_the_words_are_on_disk_before_anything_is_sent(store_path: str) -> None:
    seen: list[int] = []

    class Looking(Scripted):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
            stored = cv.open_store(store_path).get(session.conversation.id)
            seen.append(len(stored.turns) if stored else 0)
            async for chunk in super().stream(request):
                yield chunk

    session = Session("p:m", providers={"p": Looking(m=[OK])}, store=store_path)
    session.ask("Hi")

    assert [1] == seen


def test_a_title_is_the_first_words_until_someone_gives_another(store_path: str) -> None:
    session, _ = session_of(store=store_path)
    session.ask("Why does curve_fit return an infinite covariance when the Jacobian is singular?")
    assert "Why does curve_fit return an infinite covariance when the…" == session.title

    session.title = "Curve  fitting"
    assert "Curve fitting" == session.title


def test_a_kernel_that_exits_in_the_middle_leaves_an_answer_to_continue(store_path: str) -> None:
    script = textwrap.dedent(
        f"""
        import threading
        from convoscope_jupyter._session_values import next_turn
        from convoscope_jupyter.messages import TextDelta
        from convoscope_jupyter._notices import TurnProgress
        from convoscope_jupyter.session import Session
        session = Session("demo:slow", store={store_path!r})
        enough = threading.Event()
        is_text = lambda notice: isinstance(notice, TurnProgress) and isinstance(notice.event, TextDelta)
        session.conductor.observe(lambda notice: is_text(notice) and enough.set())
        session.conductor.launch(next_turn(session.conversation, "Hi"))
        enough.wait()
        print(session.conversation.id, flush=True)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    stored = cv.open_store(store_path).get(done.stdout.strip())

    assert stored is not None
    assert "interrupted" == stored.turns[0].responses[0].status
    assert stored.turns[0].text
    assert "" == done.stderr


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


# --- files and pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".ipynb"])
def test_a_conversation_comes_back_whole_from_a_file(suffix: str, tmp_path: Path) -> None:
    session, _ = session_of(
        list(OK), [TextDelta(text="Half"), errors.ConnectionFailed("dropped")], list(OK), system="Be brief."
    )
    session.ask("Hi")
    with pytest.raises(cv.AnswerInterrupted) as broken_off:
        session.ask("More")
    session.regenerate(broken_off.value.turn)
    path = session.export(tmp_path / f"chat{suffix}")

    again = Session.load(path, "demo:echo", store=":memory:")

    assert session.conversation == again.conversation
    assert "And now?" == again.ask("And now?").text


def test_a_loaded_conversation_is_in_the_store(tmp_path: Path, store_path: str) -> None:
    session, _ = session_of()
    session.ask("Hi")
    Session.load(session.export(tmp_path / "chat.json"), "demo:echo", store=store_path)

    assert session.conversation == cv.open_store(store_path).get(session.conversation.id)


def test_loading_what_the_store_has_already_changes_nothing(tmp_path: Path, store_path: str) -> None:
    session, _ = session_of(store=store_path)
    session.ask("Hi")
    again = Session.load(session.export(tmp_path / "chat.json"), "demo:echo", store=store_path)

    assert session.conversation == again.conversation
    assert 1 == len(cv.open_store(store_path).list())


def test_a_file_never_changes_what_is_stored_under_its_ids(tmp_path: Path, store_path: str) -> None:
    session, _ = session_of(store=store_path, conversation="decay")
    session.ask("Hi")
    path = session.export(tmp_path / "chat.json")
    session.ask("More")
    stored = cv.open_store(store_path).get(session.conversation.id)

    copy = Session.load(path, "demo:echo", store=store_path).conversation

    assert stored == cv.open_store(store_path).get(session.conversation.id)
    assert (["Hi"], None) == ([turn.prompt.text for turn in copy.turns], copy.name)
    assert not {copy.id, *(turn.id for turn in copy.turns)} & {session.conversation.id, stored.turns[0].id}  # type: ignore[union-attr]  # it is there
    assert copy == cv.open_store(store_path).get(copy.id)


def test_a_turn_of_another_conversation_is_never_taken_over(tmp_path: Path, store_path: str) -> None:
    session, _ = session_of(store=store_path)
    session.ask("Hi")
    path = session.export(tmp_path / "chat.json")
    path.write_text(path.read_text().replace(session.conversation.id, "00000000-0000-4000-8000-000000000000"))

    copy = Session.load(path, "demo:echo", store=store_path).conversation

    assert copy.turns[0].id != session.conversation.turns[0].id
    assert ["Hi", "Hi"] == [turn.prompt.text for turn in (*session.conversation.turns, *copy.turns)]


def test_a_file_does_not_choose_whom_to_ask(tmp_path: Path) -> None:
    session, provider = session_of()
    session.ask("Hi")
    again = Session.load(session.export(tmp_path / "chat.json"), store=":memory:", system="Be long.")

    assert ("demo:tour", "Be long.", 1) == (str(again.route), again.system, len(provider.requests))


def test_a_file_and_a_conversation_of_the_store_cannot_both_be_opened(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="leave `conversation` out"):
        Session.load(tmp_path / "chat.json", conversation="decay")


def test_exporting_again_asks_before_it_overwrites(tmp_path: Path) -> None:
    session, _ = session_of()
    session.export(tmp_path / "chat.json")

    with pytest.raises(errors.FileAlreadyExists, match="overwrite=True"):
        session.export(tmp_path / "chat.json")

    assert tmp_path / "chat.json" == session.export(tmp_path / "chat.json", overwrite=True)


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
