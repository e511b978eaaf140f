"""What stands behind `%%convo` on its line."""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given, strategies as st
from IPython.core.error import UsageError

from convoscope_jupyter.hosts._cell_line import CellLine, read_cell_line

UNDERSTOOD = {
    "": CellLine(),
    "demo:tour": CellLine(route="demo:tour"),
    "openai:gpt-5-mini, demo:tour": CellLine(route="openai:gpt-5-mini, demo:tour"),
    "a:b ,c:d , e:f": CellLine(route="a:b ,c:d , e:f"),
    "'ollama:my model', demo:tour": CellLine(route="ollama:my model, demo:tour"),
    'a:b, c:d --system "Be brief"': CellLine(route="a:b, c:d", system="Be brief"),
    "--system=Short": CellLine(system="Short"),
    '--system "Say \\"no\\" to --out"': CellLine(system='Say "no" to --out'),
    '--system "Don\'t"': CellLine(system="Don't"),
    '--system "{name} {{x}} $y"': CellLine(system="{name} {{x}} $y"),
    '--system ""': CellLine(system=""),
    '--system "-- a list"': CellLine(system="-- a list"),
    "--out turn --session review": CellLine(out="turn", session="review"),
    "--max-cost 0.50": CellLine(max_cost="0.50"),
    '--session " two words "': CellLine(session="two words"),
}

REFUSED = {
    "--systm x": "there is no option '--systm'. Did you mean --system?",
    "--ouput x": "there is no option '--ouput'. Did you mean --out?",
    "-z": "there is no option '-z'. The options are --max-cost, --out, --session, --system.",
    "--max-cost": "--max-cost needs a value. Write --max-cost 0.50.",
    "--out": "--out needs a value. Write --out turn.",
    "--out --session x": "--out needs a value. Write --out turn.",
    "--out a --out b": "--out is given twice. Leave one of them out.",
    "--out 2nd": "--out '2nd' cannot be a variable's name. Write a name such as --out turn.",
    "--out class": "--out 'class' cannot be a variable's name. Write a name such as --out turn.",
    "--out a.b": "--out 'a.b' cannot be a variable's name. Write a name such as --out turn.",
    '--session ""': "--session needs a name. Write one such as --session review, or leave the option out.",
    "--system Be brief": (
        "'brief' belongs to no option. Write the route before the options, and text with blanks in quotation marks: "
        '--system "Be brief".'
    ),
    "demo:tour What is it?": (
        "'What' is neither an option nor a part of the route. Put commas between models, and the question on the lines "
        "below."
    ),
    "--system Don't": (
        'a quotation mark on the %%convo line is not closed. Put text with blanks in "…", and \\" for one inside.'
    ),
}


@pytest.mark.parametrize(("line", "expected"), UNDERSTOOD.items(), ids=[*UNDERSTOOD])
def test_a_line_is_a_route_and_then_options(line: str, expected: CellLine) -> None:
    assert expected == read_cell_line(line)


@pytest.mark.parametrize(("line", "sentence"), REFUSED.items(), ids=[*REFUSED])
def test_what_is_wrong_is_said_in_one_sentence_with_the_remedy(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_cell_line(line)

    assert sentence == str(refused.value)


@given(st.text())
def test_any_line_is_understood_or_refused_in_one_printable_line(line: str) -> None:
    with contextlib.suppress(UsageError):
        read_cell_line(line)
        return
    with pytest.raises(UsageError) as refused:
        read_cell_line(line)

    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


@given(st.text())
def test_quoted_instructions_arrive_as_they_were_written(system: str) -> None:
    assert system == read_cell_line(f"demo:tour {shlex.quote(f'--system={system}')}").system
