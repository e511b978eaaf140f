"""What is logged: ids, counts and times. Never what was asked or answered, and no key, whoever logs."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from convoscope_jupyter import config
from convoscope_jupyter.errors import ConvoError, ProviderError
from convoscope_jupyter.messages import TextDelta
from convoscope_jupyter.providers import _logging
from convoscope_jupyter.providers._logging import keep_out_of_logs
from convoscope_jupyter.redaction import Secret
from convoscope_jupyter.session import Session
from tests.hosts.conversations import HELLO, Wire as Conversation, submit
from tests.support.every_wire import every_wire
from tests.support.loopback import RESET, Reply
from tests.support.loopback_thread import loopback
from tests.support.scripted import STOP
from tests.support.sessions import session_of
from tests.support.wires import KEY, Answer, Wire

QUESTION = "what-does-the-heliotrope-know"
ANSWER = "nothing-the-marigold-does-not"
RULE = "speak-as-a-botanist"
PLANTED = (QUESTION, ANSWER, RULE, KEY)


class Everything(logging.Handler):
    """Keeps what a log could show: the line, what it was made of, and the variables of a traceback's frames."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.names: set[str] = set()
        self.shown: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.partition(".")[0])
        shown = [record.name, record.getMessage(), repr(vars(record))]
        if record.exc_info and record.exc_info[1]:
            shown += traceback.TracebackException.from_exception(record.exc_info[1], capture_locals=True).format()
        self.shown.append("\n".join(shown))


@pytest.fixture
def log() -> Iterator[Everything]:
    """All that the program logs, at the most talkative level."""
    handler, root = Everything(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


def check_nothing_planted(log: Everything) -> None:
    assert [] == [shown for shown in log.shown for word in PLANTED if word in shown]


# --- the whole way, over servers that repeat the key ----------------------------------------------------------------


@every_wire
def test_an_answer_leaves_no_word_and_no_key_in_any_log(wire: Wire, log: Everything, tmp_path: Path) -> None:
    head = {wire.request_id_header or "x-request-id": f"req-{KEY}", "x-echo": f"Bearer {KEY}"}
    with loopback(replace(wire.stream(Answer(texts=(ANSWER[:9], ANSWER[9:]))), headers=head)) as server:
        session = Session("own:model", providers={"own": wire.provider(server.url, KEY)}, store=":memory:", system=RULE)
        turn = session.ask(QUESTION)
        session.ask(QUESTION)
        session.export(tmp_path / "chat.ipynb")

    assert ANSWER == turn.text
    assert {"convoscope_jupyter", "httpx2", "httpcore2"} <= log.names
    check_nothing_planted(log)


@every_wire
@pytest.mark.parametrize("fault", ["refused", "reset", "garbled"])
def test_a_failure_leaves_no_word_and_no_key_in_any_log(wire: Wire, fault: str, log: Everything) -> None:
    garbled = replace(wire.stream(), steps=[f'data: {{"{KEY} {QUESTION}": '.encode() + b"\xff\n\n"])
    replies = {"refused": wire.refusals["authentication"], "reset": Reply(before=[RESET]), "garbled": garbled}
    reply = replace(replies[fault], headers={"x-echo": KEY})
    with loopback(reply) as server:
        provider = wire.provider(server.url, KEY)
        session = Session("own:model", providers={"own": provider}, store=":memory:", system=RULE, strict=True)
        session.route = replace(session.route, retry=replace(session.route.retry, max_total_s=0.0))
        with pytest.raises(ConvoError):
            session.ask(QUESTION)
        with contextlib.suppress(ProviderError):
            session.list_models("own")

    assert server.requests
    check_nothing_planted(log)


def test_a_key_that_nobody_masks_would_be_found(log: Everything) -> None:
    logging.getLogger("some.other.library").debug(
        "receive_response_headers.complete return_value=%r", [(b"x-echo", KEY.encode())]
    )

    assert any(KEY in shown for shown in log.shown)


# --- the libraries' loggers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*_logging._MASKED, *_logging._CUT])
def test_a_key_in_use_is_masked_in_what_a_library_logs(name: str, log: Everything) -> None:
    for key in (Secret(KEY), Secret("another-key-in-use"), Secret(KEY), None):
        keep_out_of_logs(key)
    logging.getLogger(name).info('HTTP Request: %s "%d %s"', "POST", 200, f"OK {KEY} another-key-in-use")

    (shown,) = log.shown
    assert 'HTTP Request: POST "200 OK …-key …-use"' in shown
    assert 2 == len(_logging._keys)


def test_the_keys_used_last_are_the_ones_that_are_looked_for(log: Everything) -> None:
    keys = [Secret(f"a-key-of-a-program-{n:04}") for n in range(_logging.MAX_KEYS + 1)]
    for key in (*keys[:-1], keys[0], keys[-1]):  # the first is used again, the second is the one used longest ago
        keep_out_of_logs(key)
    logging.getLogger("httpx2").info("first %s second %s last %s", *(key.reveal() for key in (*keys[:2], keys[-1])))

    (shown,) = log.shown
    assert "first …0000 second a-key-of-a-program-0001 last …0032" in shown


def test_a_record_that_cannot_be_written_ends_no_request(log: Everything) -> None:
    keep_out_of_logs(None)
    logging.getLogger("httpx2").info("%s %s", "one")  # noqa: PLE1206 - what is tested

    assert [] == log.shown


# --- our own lines --------------------------------------------------------------------------------------------------


def test_an_observer_that_fails_is_told_by_its_place_not_by_its_words(log: Everything) -> None:
    session, _ = session_of([TextDelta(text=ANSWER), STOP])

    def failing(notice: object) -> None:
        raise ValueError(f"{notice!r} {QUESTION}")

    session.conductor.observe(failing)
    assert ANSWER == session.ask(QUESTION).text

    place = r"failed (ValueError > _conductor.py:"
    assert any(place in shown and " failing)" in shown for shown in log.shown)
    check_nothing_planted(log)


def test_a_command_that_fails_is_told_by_its_place_not_by_its_words(
    log: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ValueError(QUESTION)

    wire = Conversation({"m": [[TextDelta(text=ANSWER), STOP]]})
    wire.send(HELLO, until="snapshot")
    monkeypatch.setattr("convoscope_jupyter.hosts._dispatch.next_turn", failing)
    wire.send(submit(QUESTION, "turn-1"), until="rejected")

    assert any("command submit failed (ValueError > _dispatch.py:" in shown for shown in log.shown)
    check_nothing_planted(log)


def test_setting_a_key_is_logged_without_it(log: Everything) -> None:
    config.set_key("openai", KEY)
    session, _ = session_of()
    session.ask("Hi")

    assert log.shown
    check_nothing_planted(log)
