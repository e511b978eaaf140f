"""Markdown made harmless for whoever renders it: lines, fences and quotes."""

from __future__ import annotations

import re
from itertools import chain

from convoscope_jupyter._host_markdown._prose import prose

_FENCE = re.compile(
    r"(?P<before>[ \t]*(?P<item>(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?P<marks>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)"
)
_QUOTE = re.compile(r" {0,3}> ?(.*)")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
_ITEM_WITH_CODE = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?: {5}| *\t)")
_LANGUAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+#.-]{0,29}")

_TAB = 4
_MAX_QUOTES = 8
_MAX_INDENT = 60

# Signs that one renderer takes for white space or a line's end and the next does not.
_NORMAL = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in b"\t\n"} | dict.fromkeys(
    map(ord, "\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029"), " "
)


def host_markdown(text: str) -> str:
    """Markdown that a notebook's front end, or anyone's renderer, can be given without harm.

    Rendering what a model or a stranger wrote, a front end would fetch remote images (which carries
    data away), draw raw HTML, and follow odd links. Here images become links, HTML is shown as text,
    and only http, https and mailto are linked; code is left exactly as it is, and formulas mean what
    they meant. Mermaid diagrams are shown as their source: JupyterLab draws them in the page, where
    they can load images, and nbconvert puts their source into the page unescaped.

    Args:
        text: Markdown from anywhere.

    Returns:
        Markdown that shows the same. It can stand before and after other Markdown, a blank line between.

    Example:
        >>> host_markdown("![a plot](https://example.org/p.png) <b>bold</b>")
        '[a plot](https://example.org/p.png) &lt;b>bold&lt;/b>'
    """
    # A lone surrogate cannot be sent anywhere as UTF-8.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_NORMAL)
    return "\n".join(_Blocks(text.split("\n"), quotes=0).safe())


class _Blocks:
    """One pass over lines. Fences and quotes are written anew so that no renderer can see others than these.

    A blank line before and after, every line with the same indent, a fence longer than any in the
    code: whichever list, paragraph or quote a renderer believes itself in, the lines are a fence
    or indented code in it, from the first to the last.
    """

    def __init__(self, lines: list[str], *, quotes: int) -> None:
        self._lines = lines
        self._quotes = quotes
        self._next = 0
        self._out: list[str] = []
        self._run: list[str] = []
        self._gap = False
        """The last thing written was a block: what follows needs a blank line before it."""
        self._in_list = False
        self._in_formula = False

    def safe(self) -> list[str]:
        while self._next < len(self._lines):
            line = self._lines[self._next]
            if not line.strip(" \t"):
                self._end_run()
                self._out.append("")
                self._gap = False
                self._next += 1
            elif fence := _FENCE.fullmatch(line):
                self._fence(fence)
            elif _QUOTE.fullmatch(line) and self._quotes < _MAX_QUOTES and not self._in_formula:
                self._quote()
            elif not self._run and not self._in_list and _indent(line) >= _TAB:
                self._indented()
            else:
                self._text(line)
        self._end_run()
        return self._out

    def _text(self, line: str) -> None:
        if _ITEM.match(line):
            self._in_list = True
        elif not self._run and not _indent(line):
            self._in_list = False
        if line.count("$$") % 2:
            self._in_formula = not self._in_formula
        self._run.append(line)
        self._next += 1

    def _end_run(self) -> None:
        if self._run:
            shown = prose("\n".join(self._run))
            if self._quotes:
                # A quote of lines that begin with "!" is a spoiler to some, who read on as if they began behind it.
                shown = re.sub(r"^( *)!", r"\1&#33;", shown, flags=re.MULTILINE)
            self._write(shown.split("\n"))
        self._run = []
        self._in_formula = False

    def _write(self, lines: list[str]) -> None:
        if self._gap:
            self._out.append("")
        self._out += lines
        self._gap = False

    def _write_block(self, lines: list[str]) -> None:
        self._end_run()
        if self._out and self._out[-1]:
            self._gap = True
        self._write(lines)
        self._gap = True

    def _fence(self, fence: re.Match[str]) -> None:
        if fence["item"]:
            # "- ```": the item gets a line of its own, so that the fence can have one.
            self._in_list = True
            self._run.append(f"{fence['before']}&nbsp;")
        indent = self._fence_indent(min(_indent(fence["before"], marker=True), _MAX_INDENT))
        marks = fence["marks"]
        closing = re.compile(rf"[ \t]*{re.escape(marks[0])}{{{len(marks)},}}[ \t]*")
        code: list[str] = []
        self._next += 1
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if closing.fullmatch(line) and _indent(line) < indent + _TAB:
                break
            code.append(_without_indent(line, indent or _indent(fence["before"])))
        least = len(marks) if marks[0] == "`" else 3
        self._code(code, indent=indent, language=_language(fence["info"]), least=least)

    def _fence_indent(self, columns: int) -> int:
        if not self._in_list:
            return 0
        above = next((line for line in chain(reversed(self._run), reversed(self._out)) if line.strip(" \t")), "")
        # mistune before 3.2 swallows the indent of what follows indented code.
        follows_code = _indent(above) >= max(_TAB, columns + 1) or _ITEM_WITH_CODE.match(above)
        return 0 if follows_code else columns

    def _indented(self) -> None:
        code: list[str] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            if line.strip(" \t") and _indent(line) < _TAB:
                break
            code.append(line)
            self._next += 1
        while not code[-1].strip(" \t"):
            code.pop()
            self._next -= 1
        self._code([_without_indent(line, _TAB) for line in code], indent=0, language="", least=3)

    def _code(self, code: list[str], *, indent: int, language: str, least: int) -> None:
        longest = max((len(ticks) for line in code for ticks in re.findall("`+", line)), default=0)
        fence = "`" * max(least, longest + 1 if longest >= least else 0)
        margin = " " * indent
        self._write_block(
            [
                f"{margin}{fence}{language}",
                *(f"{margin}{line}".rstrip(" ") if not line.strip() else f"{margin}{line}" for line in code),
                f"{margin}{fence}",
            ]
        )

    def _quote(self) -> None:
        quoted: list[str] = []
        while self._next < len(self._lines) and (found := _QUOTE.fullmatch(self._lines[self._next])):
            quoted.append(found[1])
            self._next += 1
        inner = _Blocks(quoted, quotes=self._quotes + 1).safe()
        self._write_block([f"> {line}" if line else ">" for line in inner])
        self._in_list = False


def _language(info: str) -> str:
    # One plain word: MyST takes ```{image} for a command, and nbconvert and JupyterLab draw what begins with "mermaid".
    words = info.strip("{}. \t").split(maxsplit=1)
    if not words or not _LANGUAGE.fullmatch(words[0]):
        return ""
    return "text" if "mermaid" in words[0].lower() else words[0]


def _indent(line: str, *, marker: bool = False) -> int:
    """Columns of white space before a line's text; with `marker`, of everything before a fence."""
    expanded = line.expandtabs(_TAB)
    return len(expanded) if marker else len(expanded) - len(expanded.lstrip(" "))


def _without_indent(line: str, columns: int) -> str:
    position = column = 0
    while position < len(line) and column < columns and line[position] in " \t":
        column += _TAB - column % _TAB if line[position] == "\t" else 1
        position += 1
    return " " * (column - columns) + line[position:]
