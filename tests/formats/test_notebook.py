"""A notebook of a conversation: cells for people, harmless and never executed."""

from __future__ import annotations

import html
import json
import os
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings, strategies as st

from convoscope_jupyter import formats
from convoscope_jupyter.formats import _fences
from convoscope_jupyter.messages import Conversation, ImagePart, Message, Response, TextPart, Turn, Usage
from tests.formats.building import NOON, answered, attempt, chat
from tests.support.conversations import MARKDOWN, conversations
from tests.support.hostile_markdown import KNOWN
from tests.support.renderers import RENDERERS, harm

GOLDEN = Path(__file__).parent.parent / "fixtures" / "formats" / "fallback.ipynb"


def notebook(conversation: Conversation) -> Any:  # noqa: ANN401 - what nbformat reads is untyped
    return nbformat.reads(formats.dump(conversation, ".ipynb"), as_version=4)


def cells(conversation: Conversation) -> list[tuple[str, str, str]]:
    """Role, type and source of each cell."""
    return [(cell.metadata.convoscope.role, cell.cell_type, cell.source) for cell in notebook(conversation).cells]


def answer_cells(answer: str) -> list[tuple[str, str]]:
    return [(kind, source) for role, kind, source in cells(chat(answered("?", answer))) if role == "answer"]


def provenance(turn: Turn) -> str:
    return html.unescape(next(source for role, _, source in cells(chat(turn)) if role == "provenance"))


def harm_done_by(sources: list[str]) -> list[tuple[str, str]]:
    return [(name, found) for name, render in RENDERERS.items() for source in sources for found in harm(render(source))]


# --- laws ----------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(conversation=conversations())
def test_every_export_is_a_valid_notebook_whose_code_was_never_run(conversation: Conversation) -> None:
    exported = notebook(conversation)

    nbformat.validate(exported)
    assert (4, 5) == (exported.nbformat, exported.nbformat_minor)
    assert [] == [c for c in exported.cells if c.cell_type == "code" and (c.outputs or c.execution_count is not None)]
    assert len(exported.cells) == len({cell.id for cell in exported.cells})


@settings(max_examples=150, deadline=None)
@given(title=MARKDOWN, prompt=MARKDOWN, answer=MARKDOWN, model=MARKDOWN)
def test_no_markdown_cell_does_harm_in_any_renderer(title: str, prompt: str, answer: str, model: str) -> None:
    tried = (attempt(response_model=model, price_source=model, cost_usd=Decimal(1)),)
    conversation = chat(answered(prompt, answer, attempts=tried), title=title)
    sources = [source for _, kind, source in cells(conversation) if kind == "markdown"]

    assert [] == harm_done_by(sources)


@pytest.mark.parametrize("trick", KNOWN.values(), ids=KNOWN)
def test_no_known_trick_does_harm_from_a_cell(trick: str) -> None:
    answer = f"{trick}\n\n```python\nx = 1\n```\n\n{trick}"
    sources = [s for _, kind, s in cells(chat(answered(trick, answer), title=trick)) if kind == "markdown"]

    assert [] == harm_done_by(sources)


# Code may hold anything but a line that closes its fence, which is as long as it has to be.
CODE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=60) | MARKDOWN.map(
    lambda text: text.encode(errors="replace").decode().replace("\r", "")
)
PROSE = st.sampled_from(
    ["So:", "# Title", "- a\n- b", "> quoted", "| a |\n|---|", "a\n    b", "`x`", "[1]: https://x.example"]
)


@settings(max_examples=200, deadline=None)
@given(
    blocks=st.lists(
        st.tuples(PROSE, CODE, st.sampled_from(["python", "py", "Python3", "ipython  title=x"])), max_size=4
    ),
    mark=st.sampled_from(["````````````````", "~~~~~~~~~~~~~~~~"]),
    closed=st.booleans(),
)
def test_the_code_cells_are_the_python_fences_in_order(
    blocks: list[tuple[str, str, str]],
    mark: str,
    closed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    answer = "".join(f"{prose}\n\n{mark}{language}\n{code}\n{mark}\n\n" for prose, code, language in blocks)
    if blocks and not closed:
        answer = answer.removesuffix(f"\n{mark}\n\n")

    pieces = _fences.pieces(answer)

    codes = [code for _, code, _ in blocks]
    if codes and not closed:
        pieces[-1] = replace(pieces[-1], text=pieces[-1].text.rstrip())  # nothing tells white space at the end
        codes[-1] = codes[-1].rstrip()  # from the end itself
    assert codes == [piece.text for piece in pieces if piece.is_code]
    assert [prose for prose, _, _ in blocks] == [piece.text for piece in pieces if not piece.is_code]


@settings(max_examples=200, deadline=None)
@given(answer=MARKDOWN | st.text())
def test_any_answer_can_be_cut_into_pieces_that_hold_all_its_words(answer: str) -> None:
    pieces = _fences.pieces(answer)

    if not any(piece.is_code for piece in pieces):
        assert answer.replace("\r\n", "\n").replace("\r", "\n").split() == " ".join(p.text for p in pieces).split()


# --- cells ---------------------------------------------------------------------------------------


def test_a_turn_is_a_prompt_prose_code_and_where_the_answer_comes_from() -> None:
    turn = answered("Sum?", "Use:\n\n```python\nsum([1, 2])\n```\n\nDone.", attempts=(attempt(),))

    expected = [
        ("title", "markdown", "# Adding up"),
        ("prompt", "markdown", "**You**\n\nSum?"),
        ("answer", "markdown", "Use:"),
        ("answer", "code", "sum([1, 2])"),
        ("answer", "markdown", "Done."),
        ("provenance", "markdown", "*demo:echo answered in 1.5 s.*"),
    ]
    assert expected == cells(chat(turn, title="Adding\n up "))


def test_a_conversation_without_title_and_turns_has_no_cells() -> None:
    assert [] == cells(chat(title=" \n"))


@pytest.mark.parametrize(
    "answer,expected",
    [
        pytest.param("```js\n1\n```", [("markdown", "```js\n1\n```")], id="another language"),
        pytest.param("```\n1\n```", [("markdown", "```\n1\n```")], id="no language"),
        pytest.param("```pythonic\n1\n```", [("markdown", "```pythonic\n1\n```")], id="a language that begins so"),
        pytest.param(
            "- a\n\n  ```python\n  1\n  ```", [("markdown", "- a\n\n  ```python\n  1\n  ```")], id="in a list"
        ),
        pytest.param("> ```python\n> 1\n> ```", [("markdown", "> ```python\n> 1\n> ```")], id="in a quote"),
        pytest.param("~~~Py\n1\n~~~", [("code", "1")], id="tildes"),
        pytest.param("````python\n```\n1\n```\n````", [("code", "```\n1\n```")], id="a fence in a fence"),
        pytest.param("  ```python\n  if a:\n      b\n  ```", [("code", "if a:\n    b")], id="indented fence"),
        pytest.param(
            "a\n```python\nb\n```\nc", [("markdown", "a"), ("code", "b"), ("markdown", "c")], id="no blank lines"
        ),
        pytest.param("```python\na\n```\n```python\nb\n```", [("code", "a"), ("code", "b")], id="one after another"),
        pytest.param("```python\nfor x in", [("code", "for x in")], id="not closed"),
        pytest.param("a\r\n```python\r\nb\r\n\r\nc\r\n```", [("markdown", "a"), ("code", "b\n\nc")], id="CRLF"),
        pytest.param("```python\n\n\n  a \n\n```", [("code", "\n\n  a \n")], id="white space in code"),
        pytest.param(
            "```python\n'\0\u2028\x85\t<img src=x>'\n```", [("code", "'\0\u2028\x85\t<img src=x>'")], id="any sign"
        ),
        pytest.param("", [], id="empty"),
        pytest.param(" \n\n", [], id="blank"),
    ],
)
def test_python_at_the_top_level_becomes_code_and_the_rest_stays_prose(
    answer: str, expected: list[tuple[str, str]]
) -> None:
    assert expected == answer_cells(answer)


def test_only_the_newest_path_is_shown_and_all_of_it_is_kept() -> None:
    root = answered("root")
    first = answered("first try", turn_id="turn-0002", parent_id=root.id)
    second = answered("second try", turn_id="turn-0003", parent_id=root.id)
    conversation = chat(root, first, second)

    prompts = [source for role, _, source in cells(conversation) if role == "prompt"]

    assert ["**You**\n\nroot", "**You**\n\nsecond try"] == prompts
    assert conversation == formats.load(formats.dump(conversation, ".ipynb"), name="chat.ipynb")


def test_a_cell_says_which_turn_it_is_of_and_keeps_its_id() -> None:
    turn = answered("a", "b")
    first, second = notebook(chat(turn)), notebook(chat(turn, answered("c", turn_id="turn-0002", parent_id=turn.id)))

    assert {"turn_id": turn.id, "role": "prompt"} == first.cells[0].metadata.convoscope
    assert [cell.id for cell in first.cells] == [cell.id for cell in second.cells][:3]


def test_the_metadata_holds_the_document_of_the_json_format() -> None:
    conversation = chat(answered("a", "b"))

    exported = json.loads(formats.dump(conversation, ".ipynb"))

    assert json.loads(formats.dump(conversation, ".json")) == exported["metadata"]["convoscope"]
    assert "python3" == exported["metadata"]["kernelspec"]["name"]
    assert {"name": "python"} == exported["metadata"]["language_info"]


def test_images_are_counted_and_not_shown() -> None:
    picture = ImagePart(media_type="image/png", data_base64="A" * 30_000)
    photo = ImagePart(media_type="image/jpeg", data_base64="AAAA")
    one = replace(answered(""), prompt=Message(role="user", parts=(picture,)))
    two = replace(one, prompt=Message(role="user", parts=(TextPart(text="Look:"), picture, photo)))

    assert "**You**\n\n*1 image (image/png, 22 kB) was sent with this message.*" == cells(chat(one))[0][2]
    assert (
        "**You**\n\nLook:\n\n*2 images (image/png, 22 kB; image/jpeg, 1 kB) were sent with this message.*"
        == cells(chat(two))[0][2]
    )


def test_what_was_asked_to_go_on_with_an_answer_says_so() -> None:
    turn = replace(answered("Continue."), continues="turn-0000")

    assert "**You**, to go on with the answer above\n\nContinue." == cells(chat(turn))[0][2]


# --- where an answer comes from --------------------------------------------------------------------


def test_who_answered_after_whom_with_tokens_and_price_is_told() -> None:
    tried = (
        attempt("openai:gpt-5-mini", error_kind="rate_limited"),
        attempt(
            "google:gemini",
            response_model="gemini-001",
            usage=Usage(input_tokens=1234, output_tokens=1),
            cost_usd=Decimal("0.00123"),
            price_source="genai-prices 0.2.3",
        ),
    )

    assert (
        "*google:gemini answered in 1.5 s, after openai:gpt-5-mini was rate limited. The provider calls it gemini-001. "
        "1,234 tokens read, 1 token written. $0.0012 by genai-prices 0.2.3.*"
    ) == provenance(answered("?", "!", attempts=tried))


def test_the_cost_of_every_try_is_in_the_price_and_what_is_not_known_is_said() -> None:
    tried = (
        attempt("openai:gpt-5-mini", error_kind="timed_out", cost_usd=Decimal("0.25"), price_source="A 1"),
        attempt("openai:gpt-5-mini", error_kind="timed_out"),
        attempt("google:gemini", cost_usd=Decimal("0.25"), price_source="B 2"),
    )

    assert "$0.500 by A 1 and B 2, without 1 attempt of unknown cost.*" in provenance(
        answered("?", "!", attempts=tried)
    )


def test_a_providers_words_cannot_leave_their_line() -> None:
    turn = answered("?", "!", attempts=(attempt(response_model="m\n\n# Fake"),))

    assert "*demo:echo answered in 1.5 s. The provider calls it m # Fake.*" == provenance(turn)


@pytest.mark.parametrize(
    "cost,expected",
    [
        pytest.param("0", "", id="nothing"),
        pytest.param("NaN", "", id="no number"),
        pytest.param("1E-9", " Under $0.0001.", id="tiny"),
        pytest.param("0.0034", " $0.0034.", id="small"),
        pytest.param("0.12345", " $0.123.", id="cents"),
        pytest.param("1.2", " $1.20.", id="dollars"),
        pytest.param("1E+999999", "", id="absurd"),
    ],
)
def test_a_price_is_told_in_figures_that_matter(cost: str, expected: str) -> None:
    turn = answered("?", "!", attempts=(attempt(cost_usd=Decimal(cost)),))

    assert f"*demo:echo answered in 1.5 s.{expected}*" == provenance(turn)


@pytest.mark.parametrize(
    "turn,expected",
    [
        pytest.param(replace(answered("?"), responses=()), "Not answered yet.", id="not answered"),
        pytest.param(answered("?", "!"), "Which model answered is not recorded.", id="imported"),
        pytest.param(
            answered("?", attempts=(attempt(error_kind="overloaded"),)),
            "No model answered: demo:echo was overloaded.",
            id="failed",
        ),
        pytest.param(
            replace(
                answered("?", "!", attempts=(attempt(),)),
                responses=answered("?", "!", attempts=(attempt(),)).responses * 3,
            ),
            "demo:echo answered in 1.5 s. Chosen among 3 answers.",
            id="comparison",
        ),
    ],
)
def test_an_answer_that_is_not_there_or_not_the_only_one_is_told(turn: Turn, expected: str) -> None:
    assert f"*{expected}*" == provenance(turn)


# --- what others do to the file --------------------------------------------------------------------


def test_whatever_is_done_to_the_cells_the_conversation_comes_back() -> None:
    conversation = chat(answered("a", "```python\n1\n```"), title="Title")
    exported = json.loads(formats.dump(conversation, ".ipynb"))
    exported["cells"] = [{"cell_type": "spell"}, 3]
    exported["nbformat_minor"] = 2

    assert conversation == formats.load(json.dumps(exported), name="chat.ipynb")


def test_what_a_browser_saved_comes_back() -> None:
    conversation = chat(answered("a", attempts=(attempt(duration_s=2.0, time_to_first_chunk_s=1e-07),)))
    exported = json.loads(
        formats.dump(conversation, ".ipynb"), parse_float=lambda text: int(float(text)) or float(text)
    )

    assert conversation == formats.load(json.dumps(exported), name="chat.ipynb")


# --- one to look at --------------------------------------------------------------------------------


def example() -> Conversation:
    failed = attempt(
        "openai:gpt-5-mini",
        duration_s=0.2,
        error_kind="rate_limited",
        error_message="Too many requests. Wait a moment, or let another model answer.",
        status_code=429,
        retry_after_s=20.0,
    )
    answer = (
        "Read it with **pandas**:\n\n"
        '```python\nimport pandas as pd\n\npenguins = pd.read_csv("penguins.csv")\npenguins.describe()\n```\n\n'
        "In a shell, for the first lines:\n\n```bash\nhead penguins.csv\n```\n"
    )
    first = answered(
        "How do I read `penguins.csv`?",
        answer,
        turn_id="11111111-0000-4000-8000-000000000001",
        attempts=(
            failed,
            attempt(
                "anthropic:claude-haiku-4-5",
                started_at=NOON + timedelta(seconds=0.2),
                duration_s=2.1,
                time_to_first_chunk_s=0.4,
                response_model="claude-haiku-4-5-20251001",
                usage=Usage(input_tokens=34, output_tokens=71),
                cost_usd=Decimal("0.000389"),
                price_source="genai-prices 0.2.3",
            ),
        ),
    )
    second = Turn(
        id="11111111-0000-4000-8000-000000000002",
        parent_id=first.id,
        prompt=Message.user("And plot it? ![x](https://example.org/x.png)"),
        created_at=NOON + timedelta(minutes=1, microseconds=5),
        responses=(
            Response(
                message=Message.assistant("Like this:\n\n```python\npenguins.plot.sc"),
                status="interrupted",
                attempts=(attempt("anthropic:claude-haiku-4-5", error_kind="interrupted"),),
            ),
        ),
    )
    return Conversation(
        id="5ab1ed00-0000-4000-8000-000000000000",
        created_at=NOON,
        updated_at=NOON + timedelta(minutes=2),
        title="Reading penguins",
        turns=(first, second),
    )


def test_an_export_is_to_the_byte_the_notebook_kept_for_people_to_look_at() -> None:
    text = formats.dump(example(), ".ipynb")
    if os.environ.get("CONVOSCOPE_WRITE_FIXTURES"):
        GOLDEN.write_bytes(text.encode())

    assert GOLDEN.read_bytes() == text.encode(), (
        "CONVOSCOPE_WRITE_FIXTURES=1 writes it anew; a new field needs a new version"
    )


def test_the_notebook_kept_can_be_read() -> None:
    assert example() == formats.load(GOLDEN.read_bytes(), name=GOLDEN.name)
