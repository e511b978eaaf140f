"""The dispatcher: commands in, numbered events out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convoscope_jupyter import errors, protocol
from convoscope_jupyter.messages import ReasoningDelta, TextDelta
from convoscope_jupyter.session import Session
from tests.hosts import conversations
from tests.hosts.conversations import HELLO, Wire, kernel_lines, submit
from tests.support.scripted import OK, STOP, Scripted

FIXTURES = Path(__file__).parents[1] / "fixtures" / "protocol"


@pytest.mark.parametrize("play", conversations.ALL.values(), ids=conversations.ALL.keys())
def test_the_conversation_goes_as_it_is_written_down(play: Callable[[], Wire]) -> None:
    file = FIXTURES / f"{play.__name__}.jsonl"
    transcript = play().transcript()
    if os.environ.get("CONVOSCOPE_WRITE_TRANSCRIPTS"):
        file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in transcript), encoding="utf-8")

    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == transcript


@pytest.mark.parametrize("play", conversations.ALL.values(), ids=conversations.ALL.keys())
def test_events_are_numbered_without_a_gap(play: Callable[[], Wire]) -> None:
    last = 0
    for event in kernel_lines(play().lines):
        expected = last if event["type"] == "snapshot" else last + 1
        assert expected == event["seq"]
        last = event["seq"]


def test_a_thousand_chunks_arrive_whole_in_few_messages() -> None:
    wire = Wire({"m": [[*(TextDelta(text=f"{n} ") for n in range(1000)), STOP]]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    deltas = [event for event in kernel_lines(wire.lines) if event["type"] == "delta"]

    assert "".join(f"{n} " for n in range(1000)) == "".join(delta["text"] for delta in deltas)
    # A bound on the number of messages by the time it took, not on the time: one at once, then one each 50 ms.
    took_s = wire.session.conversation.turns[0].responses[0].attempts[0].duration_s
    assert len(deltas) <= 3 + took_s / 0.05


def test_offsets_count_as_javascript_does() -> None:
    wire = Wire({"m": [[ReasoningDelta(text="🤔"), TextDelta(text="👩🏽‍🔬"), TextDelta(text="x"), STOP]]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-1"), until="status_changed")
    text, reasoning = "", ""
    for event in kernel_lines(wire.lines):
        if event["type"] == "delta":
            assert (protocol.text_length(text), protocol.text_length(reasoning)) == (
                event["text_offset"],
                event["reasoning_offset"],
            )
            text, reasoning = text + event["text"], reasoning + event["reasoning"]

    assert ("👩🏽‍🔬x", "🤔") == (text, reasoning)


def test_a_long_conversation_comes_in_pages() -> None:
    wire = Wire({"m": [list(OK)]})
    for n in range(55):
        wire.session.ask(f"Question {n}")
    wire.send(HELLO, until="snapshot")
    snapshot = wire.lines[-1]["kernel"]
    oldest = snapshot["turns"][0]["id"]
    wire.send({"type": "load_earlier", "before_turn_id": oldest}, until="earlier_turns")
    page = wire.lines[-1]["kernel"]

    assert (50, True) == (len(snapshot["turns"]), snapshot["has_earlier"])
    assert (5, False) == (len(page["turns"]), page["has_earlier"])
    assert wire.session.conversation.turns[4].id == page["turns"][-1]["id"]


def test_a_stored_conversation_is_offered_in_a_fresh_chat_and_opens(tmp_path: Path) -> None:
    store = str(tmp_path / "store.sqlite3")
    earlier = Session("p:m", providers={"p": Scripted(m=[list(OK)])}, store=store)
    earlier.ask("Hi")
    wire = Wire({"m": [list(OK)]}, store=store)
    wire.send(HELLO, until="snapshot")
    offered = wire.lines[-1]["kernel"]["resumable"]
    wire.send({"type": "open_conversation", "conversation_id": offered["id"]}, until="snapshot")

    assert ("Hi", 1) == (offered["title"], offered["turn_count"])
    assert "Hello" == wire.lines[-1]["kernel"]["turns"][0]["responses"][0]["message"]["parts"][0]["text"]


def test_a_store_that_cannot_be_written_refuses_the_question_and_takes_it_once_it_can(tmp_path: Path) -> None:
    in_the_way = tmp_path / "folder"
    in_the_way.write_text("a file where a folder is wanted")
    wire = Wire({"m": [list(OK)]}, store=str(in_the_way / "store.sqlite3"))
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-0001"), until="rejected")
    refusal = wire.lines[-1]["kernel"]
    in_the_way.unlink()
    wire.send(submit("Hi", "turn-0001"), until="turn_ended")

    assert ("submit", "turn-0001") == (refusal["command"], refusal["turn_id"])
    assert "CONVOSCOPE_STORE" in refusal["message"]
    assert ["Hello"] == [turn.text for turn in wire.session.conversation.turns]


def last_of(wire: Wire, kind: str) -> dict[str, Any]:
    return [event for event in kernel_lines(wire.lines) if event["type"] == kind][-1]


def test_a_provider_that_gives_no_list_says_why() -> None:
    wire = Wire({"m": [list(OK)]})
    wire.provider.list_error = errors.AuthenticationFailed("p rejected the key. Set P_KEY, and retry.", provider="p")
    wire.send(HELLO, until="snapshot")
    wire.send({"type": "list_models", "provider": "p"}, until="status_changed")
    listed = last_of(wire, "models_listed")

    assert ([], "p: p rejected the key. Set P_KEY, and retry.") == (listed["models"], listed["problem"])


def test_a_provider_that_is_not_there_says_so() -> None:
    wire = Wire({"m": [list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send({"type": "list_models", "provider": "q"}, until="status_changed")

    assert last_of(wire, "models_listed")["problem"].startswith("there is no provider 'q'.")


def test_an_export_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire({"m": [list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.send(submit("Hi", "turn-0001"), until="status_changed")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    wire.send({"type": "export", "suffix": ".json"}, until="rejected")

    rejected = last_of(wire, "rejected")
    assert ("export", True) == (rejected["command"], "could not be written" in rejected["message"])
    assert 1 == len(wire.session.conversation.turns)


def test_closing_ends_the_events_and_not_the_answer() -> None:
    wire = Wire({"m": [list(OK)]})
    wire.send(HELLO, until="snapshot")
    wire.dispatcher.close()
    before = len(wire.lines)

    assert "Hello" == wire.session.ask("Hi").text
    assert before == len(wire.lines)
