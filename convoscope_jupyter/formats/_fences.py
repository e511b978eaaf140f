"""An answer in pieces: prose, and the Python code between it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

_PYTHON = frozenset({"python", "py", "python3", "ipython"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of lines of an answer."""

    text: str
    """Markdown, or the code between the fences, without the newline at its end."""
    is_code: bool


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    # Blocks only: what is in a line is not looked at, and a NUL stays what it is.
    parser.core.ruler.enableOnly(["block"])
    return parser


_PARSER: Final = _parser()


def pieces(answer: str) -> list[Piece]:
    r"""Cut an answer at its fenced code blocks of Python.

    Args:
        answer: Markdown. It may end within a fence: so does an answer that broke off.

    Returns:
        The pieces in order. Fences of other languages, and all in lists and quotes, stay in the
        prose; pieces of white space are left out.

    Example:
        >>> [piece.text for piece in pieces("Try:\n```py\n1 + 1\n```")]
        ['Try:', '1 + 1']
    """
    text = re.sub(r"\r\n?", "\n", answer)
    lines = text.split("\n")
    found: list[Piece] = []
    end = 0
    for token in _PARSER.parse(text):
        words = token.info.split(maxsplit=1)
        if token.type != "fence" or token.level or not token.map or not words or words[0].lower() not in _PYTHON:
            continue
        found += _prose(lines[end : token.map[0]])
        found.append(Piece(text=token.content.removesuffix("\n"), is_code=True))
        end = token.map[1]
    return found + _prose(lines[end:])


def _prose(lines: list[str]) -> list[Piece]:
    text = re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(lines)).rstrip()
    return [Piece(text=text, is_code=False)] if text else []
