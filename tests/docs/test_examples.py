"""Every example of the documentation is run: pages, README and docstrings, offline and without a key.

A block of Python or of an IPython cell sees what the blocks above it on the page have made. A block of text with the
title "Output" is what the block before it printed. `<!-- skip: next "reason" -->` leaves a block out.
"""

from __future__ import annotations

import ast
import asyncio
import atexit
import contextlib
import io
import re
import unittest
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from sybil import Document, Example, Region
from sybil.document import PythonDocStringDocument
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from traitlets.config import Config

import convoscope_jupyter as cv
from convoscope_jupyter.hosts import magic

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
MODULES = sorted(
    module for module in (ROOT / "convoscope_jupyter").rglob("*.py") if ">>> " in module.read_text(encoding="utf-8")
)
SKIPPED_BLOCKS = 4
"""In all pages together. Each is a promise nobody checks, so one more is a decision."""

_OUTPUT = re.compile(r'text title="Output"$\n', re.MULTILINE)
_BLOCK = re.compile(r"^ *(?:```(?:python|ipython)|<!-- invisible-code-block: python)$", re.MULTILINE)
_SKIP = re.compile(r"<!-- skip:.*")
_SECONDS = re.compile(r"(?:\bunder )?\b\d+\.\d s\b")
_PLACE_ON_PAGES = "~/.local/share/convoscope/convoscope.sqlite3"


class Page:
    """Runs the blocks of one page, and compares what they print with what the page says they do."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._printed: str | None = None
        self.blocks_run = 0
        self.parsers = (
            CodeBlockParser("python", self.run_python),
            CodeBlockParser("ipython", self.run_cell),
            self._outputs,
            SkipParser(),
        )

    def run_python(self, example: Example) -> None:
        # `await` at the top level, as in a notebook.
        source = "\n" * (example.line + example.parsed.line_offset) + str(example.parsed)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, example.path, "exec", flags=flags, dont_inherit=True)
        with self._printing():
            awaiting = eval(code, example.namespace)  # noqa: S307 - the documentation's own examples
            if awaiting is not None:
                asyncio.run(awaiting)

    def run_cell(self, example: Example) -> None:
        with self._printing():
            result = self._shell.run_cell(str(example.parsed))  # type: ignore[no-untyped-call]  # IPython's annotations are partial
        result.raise_error()

    def compare(self, example: Example) -> None:
        printed, self._printed = self._printed, None
        assert _comparable(str(example.parsed)) == _comparable(printed or "")

    def nothing_left_unsaid(self) -> None:
        assert not (self._printed or "").strip(), "the last block prints something that the page does not show"

    @contextlib.contextmanager
    def _printing(self) -> Iterator[None]:
        self.nothing_left_unsaid()
        self.blocks_run += 1
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            yield
        self._printed = printed.getvalue()

    def _outputs(self, document: Document) -> Iterator[Region]:
        for region in RawFencedCodeBlockLexer(_OUTPUT)(document):
            region.parsed = region.lexemes["source"]
            region.evaluator = self.compare
            yield region


def _comparable(text: str) -> str:
    return _SECONDS.sub("0.1 s", text.replace(cv.open_store().place, _PLACE_ON_PAGES)).strip()


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    options = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    shell = InteractiveShell(config=options)  # type: ignore[no-untyped-call]  # IPython's annotations are partial
    yield shell
    magic._convos.pop(shell, None)  # type: ignore[call-overload]  # IPython's annotations are partial
    shell.atexit_operations()  # type: ignore[no-untyped-call]  # the same
    atexit.unregister(shell.atexit_operations)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_example_of_a_page_does_what_the_page_says(path: Path, shell: InteractiveShell) -> None:
    page = Page(shell)

    for example in Document.parse(str(path), *page.parsers).examples():
        with contextlib.suppress(unittest.SkipTest):
            example.evaluate()
    page.nothing_left_unsaid()

    text = path.read_text(encoding="utf-8")
    blocks, skipped = _BLOCK.findall(text), _SKIP.findall(text)
    assert len(blocks) - len(skipped) == page.blocks_run


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_example_of_a_docstring_does_what_it_says(path: Path) -> None:
    parser = DocTestStringParser(DocTestEvaluator())
    document = PythonDocStringDocument.parse(str(path), lambda document: parser(document.text, document.path))

    examples = list(document.examples())
    for example in examples:
        example.evaluate()  # raises where it gives something else

    assert path.read_text(encoding="utf-8").count(">>> ") == len(examples)


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    skipped = [line for page in PAGES for line in _SKIP.findall(page.read_text(encoding="utf-8"))]

    assert SKIPPED_BLOCKS == len(skipped)
    assert [] == [line for line in skipped if not re.fullmatch(r'<!-- skip: next "[^"]+" -->', line)]


def test_a_wrong_output_on_a_page_is_noticed(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        '```python\nprint("one")\n```\n\n```text title="Output"\ntwo\n```\n', encoding="utf-8"
    )
    page = Page(shell)

    block, output = Document.parse(str(tmp_path / "page.md"), *page.parsers).examples()
    block.evaluate()
    with pytest.raises(AssertionError):
        output.evaluate()
