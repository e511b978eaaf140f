"""What a session does while another program holds the lock of its store's file: nobody waits for it who need not."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter import _loop, errors
from convoscope_jupyter._notices import Notice, SettingsChanged
from convoscope_jupyter.hosts._dispatch import Dispatcher
from convoscope_jupyter.messages import Conversation, TextDelta, Turn, new_id
from convoscope_jupyter.session import Session
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.support.scripted import OK, Scripted, Step
from tests.support.sessions import session_of

_GENEROUS_S = 20.0


class OtherProgram:
    """Another connection to the store's file, which locks it."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.has_locked = asyncio.Event()
        """A step of a script: the answer goes on from here once the store is locked."""

    def lock(self, *_: object) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        _loop.call_soon(self.has_locked.set)

    def let_go(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


class Told:
    """What whoever watches a session reads in its `problem` each time a change is told."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._problems: list[str | None] = []
        self._arrived = threading.Condition()
        session.conductor.observe(self._take)

    def _take(self, notice: Notice) -> None:
        if isinstance(notice, SettingsChanged):
            with self._arrived:
                self._problems.append(self._session.keeper.problem)
                self._arrived.notify_all()

    def wait_for(self, wanted: Callable[[str], bool]) -> str:
        """The latest problem, once it is as wanted; `""` is none."""
        with self._arrived:
            came = self._arrived.wait_for(
                lambda: (
                    bool(self._problems)
                    and self._problems[-1] == self._session.keeper.problem
                    and wanted(self._problems[-1] or "")
                ),
                timeout=_GENEROUS_S,
            )
        assert came, self._problems
        return self._problems[-1] or ""


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite3")


@pytest.fixture
def other(store_path: str) -> Generator[OtherProgram]:
    SqliteStore(store_path).list()  # makes the file
    with contextlib.closing(OtherProgram(store_path)) as program:
        yield program


def stored(store_path: str, session: Session) -> Conversation:
    store = cv.open_store(store_path)
    conversation = store.get(session.conversation.id)
    store.close()
    assert conversation is not None
    return conversation


def side_files(store_path: str) -> list[Path]:
    return list(Path(f"{store_path}.partial").glob("*"))


def rows(store_path: str) -> tuple[int, int]:
    """How many turns and responses the file has."""
    with contextlib.closing(sqlite3.connect(store_path)) as connection:
        query = "SELECT (SELECT count(*) FROM turn), (SELECT count(*) FROM response)"
        turns, responses = connection.execute(query).fetchone()
        return turns, responses


def is_none(problem: str) -> bool:
    return not problem


# --- the end of an answer ----------------------------------------------------------------------------


def ask(session: Session, on_delta: Callable[[str], object]) -> Turn:
    return session.ask("Hi", on_delta=on_delta)


def ask_async(session: Session, on_delta: Callable[[str], object]) -> Turn:
    return asyncio.run(session.ask_async("Hi", on_delta=on_delta))


@pytest.mark.parametrize("asked", [ask, ask_async])
def test_an_answer_ends_while_the_store_is_locked_and_is_saved_when_it_is_not(
    asked: Callable[[Session, Callable[[str], object]], Turn], store_path: str, other: OtherProgram
) -> None:
    session, _ = session_of([TextDelta(text="Hello"), other.has_locked, OK[-1]], store=store_path)
    told = Told(session)

    turn = asked(session, other.lock)
    problem = session.keeper.problem
    unsaved, kept_beside = stored(store_path, session), side_files(store_path)
    other.let_go()
    told.wait_for(is_none)

    assert ("complete", "Hello") == (turn.response and turn.response.status, turn.text)
    assert problem == (
        f"the last answer is not saved yet, because the store {session.keeper.place} is busy; "
        "it is kept in this kernel until it is saved."
    )
    assert (((),), 1) == (tuple(one.responses for one in unsaved.turns), len(kept_beside))
    assert session.conversation.turns == stored(store_path, session).turns == (turn,)
    assert ((1, 1), []) == (rows(store_path), side_files(store_path))


def test_an_answer_that_broke_off_ends_while_the_store_is_locked(store_path: str, other: OtherProgram) -> None:
    dropped = errors.ConnectionFailed("dropped")
    session, _ = session_of([TextDelta(text="Half"), other.has_locked, dropped], store=store_path)
    told = Told(session)

    with pytest.raises(cv.AnswerInterrupted) as broken_off:
        session.ask("Hi", on_delta=other.lock)
    problem = session.keeper.problem
    other.let_go()
    told.wait_for(is_none)

    assert "not saved yet" in (problem or "")
    assert (broken_off.value.turn,) == stored(store_path, session).turns


def test_an_answer_that_was_stopped_ends_while_the_store_is_locked(store_path: str, other: OtherProgram) -> None:
    session, _ = session_of([TextDelta(text="Half"), asyncio.Event()], store=store_path)
    told = Told(session)

    def lock_and_stop(_: str) -> None:
        other.lock()
        session.cancel()

    turn = session.ask("Hi", on_delta=lock_and_stop)
    problem = session.keeper.problem
    other.let_go()
    told.wait_for(is_none)

    assert "not saved yet" in (problem or "")
    assert turn.response is not None
    assert ("cancelled", "Half") == (turn.response.status, turn.text)
    assert (turn,) == stored(store_path, session).turns


def test_two_sessions_on_one_file_both_end_and_are_both_saved(store_path: str, other: OtherProgram) -> None:
    first, _ = session_of([TextDelta(text="One"), other.has_locked, OK[-1]], store=store_path)
    second, _ = session_of([TextDelta(text="Two"), other.has_locked, OK[-1]], store=store_path)
    told = [Told(first), Told(second)]
    waiting = threading.Event()
    turns: list[Turn] = []
    asking = threading.Thread(target=lambda: turns.append(first.ask("Hi", on_delta=lambda _: waiting.set())))
    asking.start()
    waiting.wait(_GENEROUS_S)

    turns.append(second.ask("Hi", on_delta=other.lock))
    asking.join(_GENEROUS_S)
    problems = [first.keeper.problem, second.keeper.problem]
    other.let_go()
    for one in told:
        one.wait_for(is_none)

    assert all(problems)
    assert {"One", "Two"} == {turn.text for turn in turns}
    assert ["One", "Two"] == [stored(store_path, one).turns[0].text for one in (first, second)]
    assert ((2, 2), []) == (rows(store_path), side_files(store_path))


# --- the next question -------------------------------------------------------------------------------


def test_the_next_question_says_that_it_waits_and_is_sent_once_it_is_saved(
    store_path: str, other: OtherProgram
) -> None:
    session, provider = session_of([TextDelta(text="Hello"), other.has_locked, OK[-1]], list(OK), store=store_path)
    told = Told(session)
    session.ask("Hi", on_delta=other.lock)

    asking = threading.Thread(target=session.ask, args=("And now?",))
    asking.start()
    problem = told.wait_for(lambda problem: "Your question waits" in problem)
    sent_meanwhile = len(provider.requests)
    other.let_go()
    asking.join(_GENEROUS_S)
    told.wait_for(is_none)

    assert problem.startswith("the last answer is not saved yet")
    assert 1 == sent_meanwhile
    assert ["Hello", "Hello"] == [turn.text for turn in session.conversation.turns]
    assert session.conversation.turns == stored(store_path, session).turns
    assert ((2, 2), []) == (rows(store_path), side_files(store_path))


def test_a_store_locked_for_too_long_refuses_the_next_question_and_loses_nothing(
    store_path: str, other: OtherProgram
) -> None:
    provider = Scripted(m=[[TextDelta(text="Hello"), other.has_locked, OK[-1]]])
    store = SqliteStore(store_path, busy_timeout_s=0.8)
    session = Session("p:m", providers={"p": provider}, store=store)
    told = Told(session)
    turn = session.ask("Hi", on_delta=other.lock)
    refused = threading.Event()
    events: list[dict[str, object]] = []

    def receive(event: dict[str, object]) -> None:
        events.append(event)
        if event["type"] == "rejected":
            refused.set()

    with contextlib.closing(Dispatcher(session, receive)) as dispatcher:
        asked = new_id()
        dispatcher.handle({"type": "submit", "turn_id": asked, "text": "And now?"})
        assert refused.wait(_GENEROUS_S)
    problem = told.wait_for(lambda problem: "1 answer(s) are kept" in problem)
    conversation = session.conversation
    _loop.run(session.conductor.open(conversation.id))
    reopened = session.conversation
    other.let_go()
    session.ask("And now?")

    (rejected,) = [event for event in events if event["type"] == "rejected"]
    assert ("submit", asked) == (rejected["command"], rejected["turn_id"])
    assert "Try again when it is done" in str(rejected["message"])
    assert "is locked by another program" in problem
    assert (turn,) == conversation.turns == reopened.turns
    assert session.keeper.problem is None
    assert session.conversation.turns == stored(store_path, session).turns
    assert (["Hi", "And now?"], (2, 2)) == ([one.prompt.text for one in session.conversation.turns], rows(store_path))
    assert [] == side_files(store_path)


# --- a store of somebody else's ----------------------------------------------------------------------


def test_an_answer_is_shown_whatever_a_store_raises_and_saved_with_the_next_one(
    store_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(SqliteStore):
        is_well = False

        def finish_turn(self, conversation_id: str, turn: Turn) -> None:
            if not self.is_well:
                raise ZeroDivisionError(turn.text)
            super().finish_turn(conversation_id, turn)

    store = Odd(store_path)
    steps: list[Step] = list(OK)
    session = Session("p:m", providers={"p": Scripted(m=[steps])}, store=store)
    turn = session.ask("Hi")
    problem = session.keeper.problem or ""
    store.is_well = True
    session.ask("And now?")

    assert ("Hello", f"the store {store.place} failed; ") == (turn.text, problem[: len(store.place) + 19])
    assert "ZeroDivisionError" in caplog.text
    assert "Hello" not in caplog.text
    assert session.keeper.problem is None
    assert session.conversation.turns == stored(store_path, session).turns


# --- kernels that go away meanwhile ------------------------------------------------------------------

_KERNEL = """
    import sys
    from convoscope_jupyter.messages import TextDelta
    from tests.support.scripted import STOP
    from tests.support.sessions import Gate, session_of
    gate = Gate()
    session, _ = session_of([TextDelta(text="Hello"), gate.event, STOP], store={store_path!r})
    def wait(_):
        print(session.conversation.id, flush=True)
        sys.stdin.readline()
        gate.open()
    session.ask("Hi", on_delta=wait)
    print(session.keeper.problem, flush=True)
    {end}
"""


def kernel(store_path: str, end: str) -> subprocess.Popen[str]:
    script = textwrap.dedent(_KERNEL).format(store_path=store_path, end=end)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def asked_while_locked(process: subprocess.Popen[str], other: OtherProgram) -> tuple[str, str]:
    """The conversation's id, and its problem once the answer has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    conversation_id = process.stdout.readline().strip()
    other.lock()
    process.stdin.write("\n")
    process.stdin.flush()
    return conversation_id, process.stdout.readline()


def test_a_kernel_that_exits_meanwhile_saves_first(store_path: str, other: OtherProgram) -> None:
    with kernel(store_path, "") as process:
        conversation_id, problem = asked_while_locked(process, other)
        other.let_go()
        _, told = process.communicate(timeout=_GENEROUS_S)
    conversation = cv.open_store(store_path).get(conversation_id)

    assert "not saved yet" in problem
    assert (0, "") == (process.returncode, told)
    assert conversation is not None
    assert conversation.turns[0].response is not None
    assert ("complete", "Hello") == (conversation.turns[0].response.status, conversation.turns[0].text)
    assert [] == side_files(store_path)


def test_a_kernel_that_is_killed_meanwhile_leaves_the_answer_to_recover(store_path: str, other: OtherProgram) -> None:
    with kernel(store_path, "sys.stdin.readline()") as process:
        conversation_id, problem = asked_while_locked(process, other)
        left = side_files(store_path)
        process.kill()
        process.wait(_GENEROUS_S)
    other.let_go()
    again, _ = session_of(store=store_path, conversation=conversation_id)

    assert "not saved yet" in problem
    assert 1 == len(left)
    (turn,) = again.conversation.turns
    assert turn.response is not None
    assert ("interrupted", "Hello") == (turn.response.status, turn.text)
    assert ((1, 1), []) == (rows(store_path), side_files(store_path))
