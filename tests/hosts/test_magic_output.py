"""How an answer is shown in a cell's output."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.hosts._cell_output import DrawnOutput, PrintedOutput, should_redraw
from convoscope_jupyter.messages import Attempt, ErrorKind, Message, ModelRef, Response, ResponseStatus, Turn

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "![x](https://evil.example/?q=1) <img src=https://evil.example/p> \x1b]52;c;ZXZpbA==\x07 \u202eabc"


def turn_of(text: str, status: ResponseStatus = "complete", error_kind: ErrorKind | None = None) -> Turn:
    attempt = Attempt(
        model=ModelRef(provider="p", name="m"),
        started_at=NOW,
        duration_s=1.0,
        error_kind=error_kind,
        error_message=None,
    )
    response = Response(message=Message.assistant(text), status=status, attempts=(attempt,))
    return Turn(id="1", parent_id=None, prompt=Message.user("Hi"), created_at=NOW, responses=(response,))


@dataclass(frozen=True)
class Drawing:
    data: dict[str, object]
    metadata: dict[str, object]
    display_id: str
    update: bool


class Screen:
    """A front end that writes down what it is sent, and a clock that goes when it is told to."""

    def __init__(self) -> None:
        self.drawings: list[Drawing] = []
        self.now_s = 100.0
        self.output = DrawnOutput(lambda *drawing: self.drawings.append(Drawing(*drawing)), clock_s=lambda: self.now_s)

    def markdown(self) -> list[object]:
        return [drawing.data["text/markdown"] for drawing in self.drawings]


@pytest.mark.parametrize(
    ("drawn", "now", "since_s", "expected"),
    [
        (0, 0, 60.0, False),
        (0, 1, 0.0, True),
        (100, 109, 60.0, False),
        (100, 110, 0.19, False),
        (100, 110, 0.2, True),
        (1, 2, 0.2, True),
        (100, 100, 60.0, False),
    ],
)
def test_an_answer_is_redrawn_when_it_grew_by_a_tenth_and_a_fifth_of_a_second_passed(
    drawn: int, now: int, since_s: float, *, expected: bool
) -> None:
    assert expected == should_redraw(drawn, now, since_s)


@given(st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=400))
def test_all_drawings_together_are_at_most_eleven_times_the_answer(sizes: list[int]) -> None:
    drawn, characters, sent = 0, 0, 0
    for size in sizes:
        characters += size
        if should_redraw(drawn, characters, 60.0):
            drawn, sent = characters, sent + characters

    assert sent <= 11 * characters


def test_the_first_text_is_drawn_at_once_and_the_last_drawing_is_exact() -> None:
    screen = Screen()
    for text in ("**Hel", "lo**", " world"):
        screen.output.add(text)
    screen.output.finish(turn_of("**Hello** world"))

    assert ["**Hel", "**Hello** world\n\n*p:m answered in 1.0 s.*"] == screen.markdown()
    assert "**Hello** world\n\np:m answered in 1.0 s." == screen.drawings[-1].data["text/plain"]
    assert {"convoscope": {"text": "**Hello** world"}} == screen.drawings[-1].metadata


def test_one_display_is_made_and_then_updated() -> None:
    screen = Screen()
    for _ in range(3):
        screen.output.add("some words ")
        screen.now_s += 1.0
    screen.output.finish(turn_of("some words some words some words "))

    assert [False, True, True, True] == [drawing.update for drawing in screen.drawings]
    assert 1 == len({drawing.display_id for drawing in screen.drawings})


@pytest.mark.parametrize("was_sent", [True, False])
def test_an_interrupt_while_the_display_is_made_leaves_one_answer_to_be_seen(*, was_sent: bool) -> None:
    seen: dict[str, object] = {}
    interrupts = [KeyboardInterrupt()]

    def publish(data: dict[str, object], _metadata: object, display_id: str, update: bool) -> None:  # noqa: FBT001 - as it is called
        if (was_sent or not interrupts) and (not update or display_id in seen):
            seen[display_id] = data["text/plain"]
        if interrupts:
            raise interrupts.pop()

    output = DrawnOutput(publish)
    with pytest.raises(KeyboardInterrupt):
        output.add("Hel")
    output.finish(turn_of("Hel", "cancelled", "cancelled"))

    assert ["Hel\n\np:m was stopped after 1.0 s."] == [text for text in seen.values() if text]


def test_where_nobody_watches_there_is_one_drawing() -> None:
    drawings: list[object] = []
    output = DrawnOutput(lambda *drawing: drawings.append(drawing[0]["text/plain"]), is_watched=False)
    for text in ("Hel", "lo"):
        output.add(text)
    output.finish(turn_of("Hello"))

    assert ["Hello\n\np:m answered in 1.0 s."] == drawings


def test_hostile_text_is_made_harmless_in_every_drawing() -> None:
    screen = Screen()
    screen.output.add(HOSTILE)
    screen.output.finish(turn_of(HOSTILE))

    assert len(screen.drawings) == 2
    for drawing in screen.drawings:
        markdown, plain = str(drawing.data["text/markdown"]), str(drawing.data["text/plain"])
        assert "![" not in markdown
        assert "<img" not in markdown
        assert {"\n"} >= {sign for sign in plain if not sign.isprintable()}


@pytest.mark.parametrize("text", ["```py\nx = 1", "- a\n  ~~~\n  x", "> ```\n> x", "$$\nx", "<!-- x", "`x"])
def test_an_answer_that_breaks_off_inside_something_does_not_swallow_its_receipt(text: str) -> None:
    screen = Screen()
    screen.output.finish(turn_of(text, "interrupted", "interrupted"))

    assert str(screen.markdown()[-1]).endswith("\n\n*p:m broke off after 1.0 s.*")


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (turn_of("", "failed", "rate_limited"), []),
        (turn_of("", "cancelled", "cancelled"), ["*No model answered: p:m was stopped.*"]),
        (Turn(id="1", parent_id=None, prompt=Message.user("Hi"), created_at=NOW), []),
    ],
    ids=["nobody answered", "stopped before the first word", "not answered yet"],
)
def test_without_any_text_only_a_stopped_answer_is_shown(turn: Turn, expected: list[str]) -> None:
    screen = Screen()
    screen.output.finish(turn)

    assert expected == screen.markdown()


def test_printed_text_comes_piece_by_piece_and_the_receipt_below(capsys: pytest.CaptureFixture[str]) -> None:
    output = PrintedOutput()
    output.add("Hel")
    first = capsys.readouterr().out
    output.add("lo")
    output.finish(turn_of("Hello"))

    assert ("Hel", "lo\n\np:m answered in 1.0 s.\n") == (first, capsys.readouterr().out)


def test_a_line_end_cut_in_two_is_one_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    output = PrintedOutput()
    for text in ("a\r", "\nb\r", "c\n"):
        output.add(text)
    output.finish(turn_of("a\r\nb\rc\n"))

    assert "a\nb␍c\n\np:m answered in 1.0 s.\n" == capsys.readouterr().out


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_no_control_character_reaches_the_terminal(capsys: pytest.CaptureFixture[str], size: int) -> None:
    hostile = "".join(chr(code) for code in range(0xA0)) + HOSTILE
    output = PrintedOutput()
    for start in range(0, len(hostile), size):
        output.add(hostile[start : start + size])
    output.finish(turn_of(hostile))

    assert {"\n", "\t"} == {sign for sign in capsys.readouterr().out if not sign.isprintable()}


def test_a_terminal_that_cannot_show_a_sign_gets_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    output = PrintedOutput()
    output.add("Grüße 😀")
    output.finish(turn_of("Grüße 😀"))

    assert b"Gr??e ?\n\np:m answered in 1.0 s.\n" == shown.getvalue().replace(b"\r\n", b"\n")
