"""F51: the store fails while the answer streams. It is shown all the same, and saved once the store is back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import convoscope_jupyter as cv
from convoscope_jupyter import _loop
from convoscope_jupyter.messages import Turn
from convoscope_jupyter.store._sqlite import SqliteStore
from tests.faults.checks import assert_nothing_lost_or_leaked
from tests.faults.rows import each
from tests.faults.table import STORE, Fault
from tests.faults.world import NEXT, World
from tests.support.wires import Wire


def break_store(how: str, store: SqliteStore, world: World, until: contextlib.ExitStack) -> None:
    """What other programs and full disks do."""
    match how:
        case "store locked":
            other = until.enter_context(contextlib.closing(sqlite3.connect(world.store_path, isolation_level=None)))
            other.execute("BEGIN IMMEDIATE")
        case _:
            assert store._connection is not None
            # The file cannot grow until the store has opened it anew.
            store._connection.execute("PRAGMA max_page_count = 1")


@each(STORE)
def test_the_answer_is_shown_told_to_be_unsaved_and_saved_when_the_store_is_back(
    world: World, fault: Fault, wire: Wire
) -> None:
    store = SqliteStore(str(world.store_path), busy_timeout_s=0.05)
    world.open(fault, wire, store=store)
    with contextlib.ExitStack() as trouble:
        outcome = world.ask(when_seen=lambda: break_store(fault.happens, store, world, trouble))
        (stored,) = stored_turns(world)
        told = world.chat.wait_for("status_changed", since=last_end(world))["store"]

    assert (fault.status, fault.text) == (outcome.response.status, outcome.turn.text)
    assert fault.text == world.chat.text_of(outcome.turn.id)
    assert () == stored.responses
    assert not told["saved"]
    assert "1 answer(s) are kept in this kernel until then." in told["problem"]

    world.session.ask("And now?", route=NEXT)
    told = world.chat.wait_for("status_changed", since=last_end(world))["store"]
    assert (True, None) == (told["saved"], told["problem"])
    assert_nothing_lost_or_leaked(world, outcome, text=fault.text)


@each(STORE, lambda fault: fault.happens == "store locked")
def test_the_end_of_an_answer_does_not_wait_for_another_program_to_unlock_the_default_store(
    world: World, fault: Fault, wire: Wire
) -> None:
    store = SqliteStore(str(world.store_path))
    world.open(fault, wire, store=store)
    with contextlib.ExitStack() as trouble:
        outcome = world.ask(when_seen=lambda: break_store(fault.happens, store, world, trouble))
        ended = last_end(world)
        told = world.chat.wait_for("status_changed", since=ended)["store"]
        (stored,) = stored_turns(world)
        _loop.run(asyncio.sleep(0))  # what was to be told by then has been told
        since = len(world.chat.messages)
    saved = world.chat.wait_for("status_changed", since=since)["store"]

    assert (fault.status, fault.text, ()) == (outcome.response.status, outcome.turn.text, stored.responses)
    assert not told["saved"]
    assert "is busy; it is kept in this kernel until it is saved." in told["problem"]
    assert (True, None) == (saved["saved"], saved["problem"])
    assert (outcome.turn,) == stored_turns(world)
    assert_nothing_lost_or_leaked(world, outcome, text=fault.text)


def stored_turns(world: World) -> tuple[Turn, ...]:
    store = cv.open_store(world.store_path)
    conversation = store.get(world.session.conversation.id)
    store.close()
    assert conversation is not None
    return conversation.turns


def last_end(world: World) -> int:
    return [number for number, message in enumerate(world.chat.messages) if message["type"] == "turn_ended"][-1]
