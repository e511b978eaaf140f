"""Files that are not ours: each is refused in a sentence that says what to do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convoscope_jupyter import formats
from convoscope_jupyter.formats import _reading
from tests.formats.building import BOTH, SOUND, answered, changed, chat, refused

# --- not JSON ----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("text", ["", " \n\t", b"", b"\xef\xbb\xbf", "\ufeff"], ids=repr)
def test_an_empty_file_is_told_as_empty(text: str | bytes, name: str) -> None:
    assert f"{name!r} is empty. Export the conversation again." == str(refused(text, name))


@BOTH
def test_a_file_cut_short_anywhere_breaks_off_at_its_last_line(name: str) -> None:
    text = formats.dump(SOUND, Path(name).suffix).rstrip()

    for length in range(1, len(text), 7):
        error = refused(text[:length], name)

        assert "breaks off" in str(error) or "is not JSON" in str(error)  # cut within a word such as "null"
        assert error.line in {text[:length].count("\n") + 1, text[:length].rstrip().count("\n") + 1}


@BOTH
def test_what_is_not_json_is_told_with_its_line(name: str) -> None:
    error = refused('{\n "format": "convoscope",\n canary\n}', name)

    assert 3 == error.line
    assert f"{name!r}, line 3, is not JSON. Export the conversation again, or take an undamaged copy." == str(error)


@BOTH
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_told(name: str, encoding: str) -> None:
    text = formats.dump(SOUND, Path(name).suffix)
    marked = ("\ufeff" if encoding[-2:] in {"le", "be"} else "") + text

    assert f"{name!r} is not UTF-8 text but UTF-16 or UTF-32. Save it as UTF-8." == str(
        refused(marked.encode(encoding), name)
    )


def test_bytes_that_are_no_utf8_are_told_with_their_line() -> None:
    error = refused(b'{\n "title": "\xe9t\xe9"\n}')

    assert (2, "'chat.json', line 2, is not UTF-8 text. Save it as UTF-8.") == (error.line, str(error))


@BOTH
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_byte_order_mark_is_no_damage(name: str, kind: type) -> None:
    text = "\ufeff" + formats.dump(SOUND, Path(name).suffix)

    assert SOUND == formats.load(text if kind is str else text.encode(), name=name)


@BOTH
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_file_that_is_too_large_is_not_even_parsed(name: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reading, "MAX_BYTES", 1_000_000)
    text = "[" * 1_500_000

    error = refused(text if kind is str else text.encode(), name)

    assert (
        f"{name!r} has more than 1 MB, which is as much as is read. "
        "Remove large images, or export a shorter conversation." == str(error)
    )


@BOTH
@pytest.mark.parametrize("depth", [900, 5_000, 1_000_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'], ids=["lists", "objects"])
def test_json_nested_deeply_is_refused(name: str, depth: int, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    nested = opening * depth + "1" + closing * depth
    in_a_turn = changed(lambda c: c["turns"].append("@"), name).replace('"@"', nested)

    told = [str(refused(text, name)) for text in (nested, in_a_turn, opening * depth)]

    reasons = re.compile(
        "nested too deeply|is JSON, but not|is damaged|cannot be read without loss|breaks off|is not JSON"
    )
    assert [True] * 3 == [reasons.search(sentence) is not None for sentence in told]


@BOTH
def test_a_number_without_end_is_refused(name: str) -> None:
    text = changed(lambda c: c["turns"][0].update(chosen="@"), name).replace('"@"', "9" * 5_000)

    assert "holds a number that is too long" in str(refused(text, name))


# --- JSON, but not ours ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["{}", "3", "null", '"x"', '[{"role": "user"}]', "[1]", '{"format": "other"}', '{"cells": []}']
)
def test_other_json_is_told_from_a_conversation(text: str) -> None:
    expected = """'chat.json' is JSON, but not a conversation of Convoscope (no "format": "convoscope"). """
    assert str(refused(text)).startswith(expected)
    assert "'chat.ipynb' is JSON, but not a notebook." in str(refused(text, "chat.ipynb"))


@pytest.mark.parametrize(
    "metadata", [{}, None, [], 3, {"convoscope": None}, {"convoscope": {"conversation_id": "x"}}], ids=repr
)
def test_a_notebook_of_somebody_else_is_told(metadata: object) -> None:
    notebook = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []})

    assert (
        "'chat.ipynb' is a notebook, but not one exported by Convoscope, or its metadata was removed since. "
        "Choose a file that session.export() wrote."
    ) == str(refused(notebook, "chat.ipynb"))


@pytest.mark.parametrize("major", [3, 2, 0, -1, "4", None, 4.5, []], ids=repr)
def test_a_notebook_of_an_old_format_is_told(major: object) -> None:
    assert "is a notebook of a format before 4" in str(refused(json.dumps({"nbformat": major}), "chat.ipynb"))


@BOTH
@pytest.mark.parametrize("version", [3, 10**30])
def test_a_newer_version_is_told_with_its_number(name: str, version: int) -> None:
    text = formats.dump(SOUND, Path(name).suffix).replace('"version": 2', f'"version": {version}')

    assert (
        f"{name!r} was written by a newer convoscope_jupyter: format version {str(version)[:10]}, and this one reads "
        "version 2. Update convoscope_jupyter."
    ) == str(refused(text, name))


@pytest.mark.parametrize("version", ["0", "-1", '"1.0"', "null", "[]", "1.5"])
def test_a_version_that_is_none_is_damage(version: str) -> None:
    text = formats.dump(SOUND, ".json").replace('"version": 2', f'"version": {version}')

    assert "'chat.json' is damaged: version does not hold what it should." in str(refused(text))


@BOTH
def test_a_file_of_the_first_version_is_read(name: str) -> None:
    added = {"temperature", "max_output_tokens", "held_back"}

    def older(value: object) -> object:
        match value:
            case dict():
                return {key: older(item) for key, item in value.items() if key not in added}
            case list():
                return [older(item) for item in value]
            case _:
                return value

    text = json.dumps(older(json.loads(formats.dump(SOUND, Path(name).suffix)))).replace('"version": 2', '"version": 1')

    assert SOUND == formats.load(text, name=name)


# --- what reading costs ------------------------------------------------------------------------------


def test_the_package_loads_nothing_heavy_before_it_is_used() -> None:
    code = "import sys, convoscope_jupyter.formats\nprint(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert set() == {"nbformat", "markdown_it", "pydantic", "jsonschema", "convoscope_jupyter.formats._document"} & {
        *loaded
    }


def test_reading_json_loads_no_notebook_code_and_reading_runs_and_opens_nothing() -> None:
    hostile = formats.dump(
        chat(answered("%run evil.py", "```python\nimport os; os.system('touch evil')\n```")), ".ipynb"
    )
    code = (
        "import sys\n"
        "from convoscope_jupyter import formats\n"
        "json_text, notebook = sys.stdin.read().split('\\x1e')\n"
        "formats.load(json_text, name='chat.json')\n"
        "assert 'nbformat' not in sys.modules and 'markdown_it' not in sys.modules\n"
        "formats.load(notebook, name='chat.ipynb')\n"  # what is imported is imported now
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event))\n"
        "formats.load(notebook, name='chat.ipynb')\n"
        "formats.load(json_text, name='chat.json')\n"
        "harm = {'open', 'exec', 'compile', 'import', 'os', 'socket', 'subprocess'}\n"
        "print({event for event in seen if event.split('.')[0] in harm})"
    )
    both = f"{formats.dump(SOUND, '.json')}\x1e{hostile}"
    done = subprocess.run([sys.executable, "-c", code], input=both, capture_output=True, text=True, check=True)

    assert "set()\n" == done.stdout
