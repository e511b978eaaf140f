"""What is said in a session is found again: in the store, and in files."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter import errors
from convoscope_jupyter.messages import (
    TextDelta,
)
from convoscope_jupyter.providers._base import ChatRequest, Chunk
from convoscope_jupyter.session import Session
from tests.support.scripted import OK, Scripted
from tests.support.sessions import session_of


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite3")


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
