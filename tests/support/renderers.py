"""Renderers of Markdown, and what of their HTML does harm. They decide what `host_markdown` is worth."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import cast

import mistune
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

_ELEMENTS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "s", "mark", "ins", "sub", "sup"),
    *("code", "pre", "span", "div", "a", "ul", "ol", "li", "input", "blockquote", "dl", "dt", "dd"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "align": r"left|right|center",
    "checked": r"",
    "class": r"[\w+#. -]*",
    "disabled": r"",
    "href": r"(?i:https?://|mailto:)[^\s\"<>]*",
    "id": r"[^\s\"<>]*",  # of a heading
    "start": r"\d+",
    "style": r"text-align: ?(left|right|center);?",
    "type": r"checkbox",
}


class _Harm(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text = ""
        self.code: list[str] = []
        self._in_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ELEMENTS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if (
                name not in _ATTRIBUTES
                or not re.fullmatch(_ATTRIBUTES[name], value or "")
                or "mermaid" in (value or "")
            ):
                self.found.append(f'<{tag} {name}="{value}">')
        if tag == "code":
            self._in_code = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "code":
            self._in_code = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_code:
            self.code[-1] += data

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        self.found.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"<?{data}>")


def read(html: str) -> _Harm:
    parser = _Harm()
    parser.feed(html)
    parser.close()
    return parser


def harm(html: str) -> list[str]:
    """Everything in the HTML that is not plain text with emphasis, lists, tables, code and safe links."""
    return read(html).found


def code(html: str) -> list[str]:
    """The text of every code element."""
    return read(html).code


def text(html: str) -> str:
    """What is shown."""
    return read(html).text


def _nbconvert(markdown: str) -> str:
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(markdown)


def _mistune(*plugins: str) -> Callable[[str], str]:
    renderer = mistune.HTMLRenderer(escape=False, allow_harmful_protocols=True)
    return cast("Callable[[str], str]", mistune.create_markdown(renderer=renderer, plugins=plugins))


def _markdown_it(*rules: str) -> Callable[[str], str]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(list(rules))
    setattr(parser, "validateLink", lambda _: True)  # noqa: B010 - its own caution is not what is tested
    return parser.render


RENDERERS: dict[str, Callable[[str], str]] = {
    "nbconvert": _nbconvert,
    "mistune": _mistune(
        "strikethrough", "table", "url", "task_lists", "def_list", "math", "mark", "insert", "spoiler", "abbr"
    ),
    "mistune without plugins": _mistune(),
    "CommonMark": _markdown_it(),
    "CommonMark with tables": _markdown_it("table", "strikethrough"),
}
