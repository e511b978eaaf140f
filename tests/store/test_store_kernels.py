"""Several kernels share one store, are killed, and fork. Real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from convoscope_jupyter.errors import StoreBusy
from convoscope_jupyter.store import _forks, _partial
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.store.building import (
    CONVERSATION,
    SHARED,
    killed_while_answering,
    new_turn,
    posix,
    side_files,
    turns,
)

Start = Callable[[Literal["commit", "be_born_and_killed", "hold", "fork", "fork_and_die"]], "subprocess.Popen[str]"]


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Start a kernel of `kernel.py` on the store's file."""
    # Killed kernels can report no coverage, and all start sooner without measuring it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    started: list[subprocess.Popen[str]] = []

    def start(verb: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.store.kernel", verb, str(path), CONVERSATION],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def told(child: subprocess.Popen[str], word: str) -> str:
    """The rest of the next line that begins with a word."""
    assert child.stdout is not None
    for line in child.stdout:
        first, _, rest = line.strip().partition(" ")
        if first == word:
            return rest
    pytest.fail(f"the child ended before it said {word!r}")


def go_on(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


# --- several kernels -----------------------------------------------------------------------------


def test_recovery_waits_for_the_kernel_that_is_answering(store: SqliteStore, path: Path, start: Start) -> None:
    child = start("hold")
    turn_id = told(child, "begun")

    assert () == store.recover()
    assert [turn_id] == side_files(path)
    assert () == turns(store)[turn_id].responses

    go_on(child)
    assert turn_id == told(child, "finished")
    assert ("complete", "Half whole.") == (turns(store)[turn_id].responses[0].status, turns(store)[turn_id].text)
    assert () == store.recover()
    assert [] == side_files(path)


def test_a_turn_that_another_kernel_answers_is_not_answered_twice(
    store: SqliteStore, path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_partial, "_TRIES", 2)
    child = start("hold")
    turn = replace(new_turn(), id=told(child, "begun"))
    store.begin_turn(SHARED, turn)

    with pytest.raises(StoreBusy, match="is being answered by another kernel"):
        store.open_partial(CONVERSATION, turn.id)
    assert [turn.id] == side_files(path)


def test_a_new_side_file_that_another_kernel_looks_at_is_made_again(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.list()
    turn = new_turn()
    directory = path.with_name("store.sqlite3.partial")
    directory.mkdir()
    (directory / f"{turn.id}.jsonl").touch()
    looker = _partial.SideFile.adopt(str(path), turn.id)
    monkeypatch.setattr("convoscope_jupyter.store._partial.time.sleep", lambda _: looker.close(folded=True))
    store.begin_turn(SHARED, turn)

    assert [turn.id] == side_files(path)
    assert () == store.recover()


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_side_file_that_is_gone_when_its_lock_is_had_does_not_count(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, replaced: bool
) -> None:
    turn = killed_while_answering(path)
    file = path.with_name("store.sqlite3.partial") / f"{turn.id}.jsonl"
    take_lock = _partial._take_lock

    def take_too_late(descriptor: int) -> None:
        take_lock(descriptor)
        file.unlink()
        if replaced:
            file.touch()

    monkeypatch.setattr(_partial, "_take_lock", take_too_late)
    with pytest.raises(BlockingIOError):
        _partial.SideFile.adopt(str(path), turn.id)


def test_two_processes_commit_to_one_conversation_and_nothing_is_lost(store: SqliteStore, start: Start) -> None:
    outputs = [child.communicate()[0] for child in [start("commit"), start("commit")]]
    acknowledged = [line.split()[1] for output in outputs for line in output.splitlines()]

    assert 50 == len(acknowledged)
    assert sorted(acknowledged) == sorted(turns(store))
    assert {"Because."} == {turn.text for turn in turns(store).values()}
    assert store._connection is not None
    seqs = [row["seq"] for row in store._connection.execute("SELECT seq FROM turn ORDER BY number")]
    assert list(range(50)) == seqs


@posix
def test_no_acknowledged_word_is_lost_in_15_kills(path: Path, start: Start) -> None:
    moments = random.Random(2026)  # noqa: S311 - after which line to kill
    whole = "".join(f"{n} " for n in range(20))
    begun: set[str] = set()
    finished: set[str] = set()
    pieces: Counter[str] = Counter()
    nursery = start("be_born_and_killed")
    assert nursery.stdout is not None
    for _ in range(15):
        go_on(nursery)
        kernel = int(told(nursery, "born"))
        lines = [nursery.stdout.readline() for _ in range(moments.randint(1, 60))]
        os.kill(kernel, signal.SIGKILL)
        lines += iter(nursery.stdout.readline, "dead\n")
        for said, turn_id in (line.split()[:2] for line in lines):
            begun.update([turn_id] if said == "begun" else [])
            pieces.update([turn_id] if said == "appended" else [])
            finished.update([turn_id] if said == "finished" else [])
        store = SqliteStore(str(path))
        store.recover()
        found = turns(store)
        store.close()

        assert begun <= set(found)
        for turn_id in begun:
            (response,) = found[turn_id].responses
            if turn_id in finished:
                assert ("complete", whole) == (response.status, response.text)
            else:
                assert "complete" == response.status or len(response.text.split()) >= pieces[turn_id]
                assert whole.startswith(response.text)


# --- forks ---------------------------------------------------------------------------------------


@posix
def test_both_sides_of_a_fork_go_on(store: SqliteStore, path: Path, start: Start) -> None:
    kernel = start("fork")

    assert "0" == told(kernel, "child")
    assert "" == told(kernel, "recovered")
    turn_id = told(kernel, "begun")
    assert () == store.recover()
    assert [turn_id] == side_files(path)

    go_on(kernel)
    told(kernel, "finished")
    assert [("Why?", "Half whole."), ("From the child", "Because.")] == [
        (turn.prompt.text, turn.text) for turn in turns(store).values()
    ]


@posix
def test_a_child_that_outlives_its_kernel_does_not_keep_the_turn_alive(
    store: SqliteStore, path: Path, start: Start
) -> None:
    kernel = start("fork_and_die")
    turn_id = told(kernel, "begun")  # by the child
    kernel.kill()
    kernel.wait()

    assert (turn_id,) == store.recover()
    assert "Half " == turns(store)[turn_id].text
    assert [] == side_files(path)


def test_after_a_fork_the_child_has_its_own_connection_and_no_side_files(store: SqliteStore, path: Path) -> None:
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    partial = store.open_partial(CONVERSATION, turn.id)
    parents = store._connection
    store.before_fork()
    store.after_fork_in_child()  # here without a fork, to see inside
    partial.append(0, text="not mine")
    partial.close(folded=True)

    assert {turn.id} == set(turns(store))
    assert parents is not store._connection
    assert [turn.id] == side_files(path)


def test_after_a_fork_the_child_has_a_copy_of_what_is_in_memory() -> None:
    store = SqliteStore(":memory:")
    turn = new_turn()
    store.begin_turn(SHARED, turn)
    store.before_fork()
    store.after_fork_in_child()

    assert {turn.id} == set(turns(store))
    store.close()


@posix
def test_a_fork_waits_for_the_transaction_of_another_thread(store: SqliteStore) -> None:
    order: list[str] = []
    inside, fork_asked = threading.Event(), threading.Event()

    def transaction() -> None:
        with store._transaction("BEGIN IMMEDIATE"):
            inside.set()
            fork_asked.wait()
            order.append("committed")

    thread = threading.Thread(target=transaction)
    thread.start()
    inside.wait()
    fork_asked.set()
    _forks._before()
    order.append("forked")
    _forks._in_parent()
    thread.join()

    assert ["committed", "forked"] == order
