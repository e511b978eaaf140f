r"""Markdown between two blank lines, made harmless for whoever renders it.

Renderers disagree at the edges, and what is code for one is raw HTML for the next. So nothing is left
for them to decide: every sign that could begin an image, a tag, a link to a strange place, a formula
or a code span is either a part of a form that all of them read alike, or an entity, which no renderer
takes for structure (https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import quote

# Commands with which MathJax links, loads and styles: \href{javascript:…}, \style{background: url(…)}.
# JupyterLab switches on MathJax's "safe" extension, nbconvert's pages do not. https://docs.mathjax.org/en/latest/safe.html
_MACROS = r"(?:href|url|require|style|class|cssId|data|includegraphics|mmlToken)(?![A-Za-z])"

_AT = r"(?:@|&\#0*64;|&\#x0*40;|&commat;)"
_URL = (
    r"(?:https?://|mailto:)[^\s<>()\[\]`\\\"']{1,2000}(?:\([^\s<>()\[\]`\\\"']{0,300}\)[^\s<>()\[\]`\\\"']{0,300}){0,9}"
)
_TITLE = r"""(?:[ \t]+(?:"[^"\n]{0,300}"|'[^'\n]{0,300}'|\([^()\n]{0,300}\)))?"""
_TARGET = rf"\([ \t]*(?:<(?P<angled>{_URL})>|(?P<bare>{_URL})){_TITLE}[ \t]*\)"

_TOKEN = re.compile(
    rf"""
      (?P<definition>^[ ]{{0,3}}\[(?P<label>(?!\^)[^\[\]\\`<>$!\n]{{1,200}})\]:
                     [ \t]+<?(?P<defined>{_URL})>?{_TITLE}[ \t]*$)
    # MyST's :::{{image}} https://…; definition lists, for which mistune cuts fences at lines that begin with a colon
    | (?P<colons>^[ \t]*:(?=::|[ \t]))
    | (?P<ticks>`+)
    | (?P<tildes>~{{3,}})                   # a fence, if it comes behind signs of lists
    | (?P<macro>\\(?={_MACROS}))
    | (?P<environment>\\begin\{{)
    | (?P<bracketed>\\\\(?=[\[(]))          # \\[ … \\] and \\( … \\): formulas in Jupyter
    | (?P<escape>\\[!-/:-@\[-`{{-~])
    | (?P<dollars>\$+)
    | (?P<angle><)
    | (?P<bang>!(?=\[))
    | (?P<close>\](?=[(:]))
    | (?P<at>{_AT}(?=\\?{_AT}))             # JupyterLab puts @@0@@ where a formula was
    | (?P<slashes>(?<!http)(?<!https)://|(?<![:/])//(?=[^\s/]))
    | (?P<xmpp>(?<=xmpp):)                  # GitHub links it
    """,
    re.MULTILINE | re.IGNORECASE | re.VERBOSE,
)
_TICKS = re.compile("`+")
_LINK_TARGET = re.compile(_TARGET, re.IGNORECASE)
_IMAGE = re.compile(rf"!\[(?P<alt>[^\[\]\n`<>$\\]{{0,300}})\]{_TARGET}", re.IGNORECASE)
_INLINED_IMAGE = re.compile(
    r"!\[(?P<alt>[^\[\]\n`<>$\\]{0,300})\]\([ \t]*<?data:[\w+/=;,:%. -]*>?[ \t]*\)", re.IGNORECASE
)
_REFERENCED_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\]\[[^\[\]\n]{0,300}\]")
_AUTOLINK = re.compile(rf"<({_URL})>", re.IGNORECASE)
_MAIL = re.compile(r"<([\w.+-]{1,64}@[\w.-]{1,200})>", re.ASCII)

_DISPLAY = re.compile(r"\$\$[^$`]{1,5000}\$\$(?!\$)")
_DISPLAY_ON_ITS_OWN = re.compile(r"\$\$[ \t]*\n.*\n\$\$", re.DOTALL)
# As pandoc: "$5 and $10" is no formula. https://pandoc.org/MANUAL.html#extension-tex_math_dollars
_INLINE = re.compile(r"\$(?!\s)[^$`\n]{1,500}(?<![\s\\])\$(?![\d$])")
_BRACKETED = re.compile(r"\\\\(?:\[(?:(?!\\\\[\[(])[^$`\n]){1,200}?\\\\\]|\((?:(?!\\\\[\[(])[^$`\n]){1,200}?\\\\\))")
_ENVIRONMENT = re.compile(r"\\begin\{([a-z]{0,30}\*?)\}", re.IGNORECASE)
_MAX_ENVIRONMENT = 5000

# In a formula: means something to a renderer that knows no formulas.
_ELSEWHERE_MORE = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)|\](?=[(:\[])|:(?=//)|/(?=/)|(?<=xmpp):", re.IGNORECASE)

# In code: harmful if a renderer took the code for text.
_HARMFUL = re.compile(rf"<[A-Za-z/!?]|!\[|\][(:\[]|(?<!http)(?<!https)://|xmpp:|\\{_MACROS}", re.IGNORECASE)
# In code: opens a formula for Jupyter and nbconvert, which look for formulas before they look for code.
_FORMULA = re.compile(r"\$\$|\\\\[\[(]|\\begin\{")
_EMPHASIS = re.compile(r"(?<!\S)\*+(?!\s)|(?<=\S)\*+|(?<!\w)_+(?!\s)|(?<=\S)_+(?!\w)")
_URL_WORD = re.compile(r"(?:://|www\.)[^ \t\n]*", re.IGNORECASE)


def prose(run: str) -> str:
    """Make a run of lines harmless.

    Args:
        run: Lines without a blank one among them and without fenced code. Inline contexts of every
            renderer lie within such a run.

    Returns:
        Markdown that shows the same text.
    """
    pieces = [piece for piece in _pieces(_Run(run)) if piece]
    _close_brackets(pieces)
    unsound = _unsound(pieces)
    out: list[str] = []
    emphasis = _Emphasis()
    for piece in pieces:
        last = out[-1] if out else ""
        if isinstance(piece, str):
            if last.endswith("!") and piece.startswith("["):
                out[-1] = f"{last[:-1]}&#33;"
            after_code = last.endswith("`") and piece.startswith("{")  # pandoc: `<b>`{=html} is HTML
            shown = f"&#123;{piece[1:]}" if after_code else piece
            emphasis.read(piece)
        else:
            torn_by = unsound and unsound | emphasis.open
            emphasis.read("`")
            shown = _literal(f"`{piece.in_cell(torn_by)}`") if torn_by & set(piece.text) else piece.source
            if last.endswith("\\\\"):
                out[-1] = f"{last[:-2]}&#92;"
            elif last.endswith("}") or (unsound and last.endswith("~")):
                # MyST runs {eval}`…` in the kernel; marked before 18 takes "~`" for two signs of text.
                out[-1] = f"{last[:-1]}{_entity(last[-1])}"
            if piece.follows_url and shown.startswith("`"):
                # GitHub's autolinks end at white space and "<": they would swallow the code's first tick.
                shown = f" {shown}"
        out.append(shown)
    return "".join(out)


def _close_brackets(pieces: list[str | _Code]) -> None:
    # A label that begins here would end, for marked and mistune, at the next "]:", be it in a fence far below.
    for index in reversed(range(len(pieces))):
        piece = pieces[index]
        # What begins with these is an escape or a formula.
        if isinstance(piece, str) and piece[0] not in "\\$" and (last := max(map(piece.rfind, "[]"))) >= 0:
            if piece[last] == "[":
                pieces[index] = f"{piece[:last]}{_entity('[')}{piece[last + 1 :]}"
            return


def _unsound(pieces: list[str | _Code]) -> set[str]:
    r"""Signs that may tear a code span apart, if there is a span that must not be torn.

    Strikethrough, tables, formulas and the like are looked for without regard to code by one renderer
    or another (marked: `~~a `~~ <img>``; GitHub: `|` in a table), and when it looks for the end of an
    emphasis, marked takes `\`` for an escaped tick.
    """
    if not any(isinstance(piece, _Code) and _HARMFUL.search(piece.text) for piece in pieces):
        return set()
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    signs = {"`"} | {sign for sign in "!$+=^|~" if sign in text}
    if ":-" in text or "-:" in text:  # a table of one column needs no "|"
        signs.add("|")
    if "[" in text:
        signs.update("[]")
    if any(sign in text for sign in "*_~"):
        signs.add("\\")
    return signs


class _Emphasis:
    """Which signs of emphasis may be open. mistune 2 looks for their end without regard to code."""

    def __init__(self) -> None:
        self._line: Counter[str] = Counter()
        self._earlier: set[str] = set()
        self._last = ""

    def read(self, text: str) -> None:
        first, *rest = (self._last + text).split("\n")
        self._line.update(_EMPHASIS.findall(first))
        for line in rest:
            # The paragraph may have begun on any line, so a line that leaves one open counts for all that follow.
            self._earlier |= self.open
            self._line = Counter(_EMPHASIS.findall(line))
        self._last = "x" if text[-1] in "*_" else text[-1]  # no delimiter is counted twice

    @property
    def open(self) -> set[str]:
        return self._earlier | {delimiter[0] for delimiter, count in self._line.items() if count % 2}


class _Code:
    """A code span in the form that every renderer reads alike: one line, one or two ticks."""

    def __init__(self, mark: str, text: str, *, follows_url: bool) -> None:
        self.source = f"{mark}{text}{mark}"
        self.text = text
        self.follows_url = follows_url

    def in_cell(self, signs: set[str]) -> str:
        """The text as a table's cell has it, where "|" is written with a backslash."""
        return self.text.replace("\\|", "|") if "|" in signs else self.text


class _Run:
    """The lines, and what has to be looked up in them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.ticks: dict[int, list[int]] = {}
        for row in _TICKS.finditer(text):
            self.ticks.setdefault(len(row[0]), []).append(row.start())
        words = [word.span() for word in _URL_WORD.finditer(text)]
        self._url_starts = [start for start, _ in words]
        self._url_ends = [end for _, end in words]

    def is_in_url(self, position: int) -> bool:
        """Whether a URL comes before this position without white space between them."""
        index = bisect_left(self._url_starts, position)
        return index > 0 and position <= self._url_ends[index - 1]

    def starts_line(self, position: int) -> bool:
        return position == 0 or self.text[position - 1] == "\n"

    def ends_line(self, position: int) -> bool:
        return position == len(self.text) or self.text[position] == "\n"

    def follows_backslash(self, position: int) -> bool:
        return position > 0 and self.text[position - 1] == "\\"


def _pieces(run: _Run) -> Iterator[str | _Code]:
    position = 0
    while token := _TOKEN.search(run.text, position):
        yield run.text[position : token.start()]
        if token.lastgroup == "ticks":
            piece, position = _code(run, token.start(), len(token[0]))
            yield piece
        else:
            text, position = _HARMLESS[token.lastgroup or ""](run, token)
            yield text
    yield run.text[position:]


def _code(run: _Run, start: int, length: int) -> tuple[str | _Code, int]:
    same = run.ticks[length]
    index = bisect_left(same, start + 1)
    if index == len(same) or run.text.find("\n", start, same[index]) >= 0:
        return "&#96;" * length, start + length
    text, end = run.text[start + length : same[index]], same[index] + length
    if _FORMULA.search(text) or "``" in text:
        return _literal(f"`{text}`"), end
    mark = "``" if "`" in text else "`"
    return _Code(mark, text, follows_url=run.is_in_url(start)), end


def _definition(_run: _Run, token: re.Match[str]) -> tuple[str, int]:
    return f"[{token['label']}]: {_safe_url(token['defined'])}", token.end()


def _bracketed(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    if not run.is_in_url(token.start()) and (formula := _BRACKETED.match(run.text, token.start())):
        return _math(formula[0]), formula.end()
    return f"\\\\{_entity(run.text[token.end()])}", token.end() + 1


def _close(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    if target := _LINK_TARGET.match(run.text, token.end()):
        return f"]({_target_url(target)})", target.end()
    return f"]{_entity(run.text[token.end()])}", token.end() + 1


def _environment(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    start = token.start()
    opened = None if run.is_in_url(start) else _ENVIRONMENT.match(run.text, start)
    closing = f"\\end{{{opened[1]}}}" if opened else ""
    if opened and (close := run.text.find(closing, opened.end(), start + _MAX_ENVIRONMENT)) >= 0:
        body = run.text[opened.end() : close]
        if not re.search(r"[`$]", body) and opened[0] not in body and _is_balanced(body):
            end = close + len(closing)
            source = run.text[start:end]
            own = run.starts_line(start) and "|" not in source.partition("\n")[0]
            return _math(source if own else _on_one_line(source)), end
    return f"&#92;{token[0][1:]}", token.end()


def _dollars(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    start, is_display = token.start(), token[0] == "$$"
    if token[0] in {"$", "$$"} and not run.follows_backslash(start) and not run.is_in_url(start):
        formula = (_DISPLAY if is_display else _INLINE).match(run.text, start)
        if formula and _is_balanced(formula[0]) and (is_display or not _FORMULA.search(formula[0])):
            source = formula[0]
            # On one line, unless each end has a line of its own: otherwise nbconvert may take the end for a beginning.
            own = run.starts_line(start) and _DISPLAY_ON_ITS_OWN.fullmatch(source) and run.ends_line(formula.end())
            return _math(source if own else _on_one_line(source)), formula.end()
    return "&#36;" * len(token[0]), token.end()


def _math(source: str) -> str:
    # White space means nothing in a formula, and keeps it from being anything else where formulas are unknown.
    source = _ELSEWHERE_MORE.sub(r"\g<0> ", source)
    source = re.sub(r"^([ \t]*)\[", r"\1\\lbrack ", source, flags=re.MULTILINE)
    return re.sub(rf"\\(?={_MACROS})", "\\\\\u200b", source, flags=re.IGNORECASE)


def _is_balanced(formula: str) -> bool:
    # JupyterLab counts braces, and looks further for the end of a formula while one is open.
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", formula):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _on_one_line(formula: str) -> str:
    return re.sub(r"\s*\n\s*", " ", formula)


def _escaped(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    start = token.start()
    sign, after = run.text[start + 1], run.text[start + 2 : start + 3]
    follows_backslash = run.follows_backslash(start)
    if sign == "`":
        end = next(_TICKS.finditer(run.text, start + 1)).end()
        return _entity(sign) * (end - start - 1), end
    if sign == "<" or (sign == "!" and after == "[") or (sign in "[(" and follows_backslash):
        return _entity(sign), start + 2
    if sign == "]" and after and after in "(:":
        return f"\\]{_entity(after)}", start + 3
    return f"\\{sign}", start + 2


def _angle(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    start = token.start()
    if link := _AUTOLINK.match(run.text, start):
        url = _safe_url(link[1])
        return f"[{re.sub('[&_~]', lambda sign: _entity(sign[0]), url)}]({url})", link.end()
    if mail := _MAIL.match(run.text, start):
        return mail[1], mail.end()
    return "&lt;", start + 1


def _bang(run: _Run, token: re.Match[str]) -> tuple[str, int]:
    if image := _IMAGE.match(run.text, token.start()):
        return f"[{image['alt'] or 'image'}]({_target_url(image)})", image.end()
    if image := _INLINED_IMAGE.match(run.text, token.start()):
        return f"&#91;image{': ' if image['alt'] else ''}{image['alt']}&#93;", image.end()
    return ("" if _REFERENCED_IMAGE.match(run.text, token.start()) else "&#33;"), token.end()


def _target_url(target: re.Match[str]) -> str:
    return _safe_url(target["angled"] or target["bare"])


def _safe_url(url: str) -> str:
    # Percent-encoded: what could end the target, and what a formula or a table cell could begin with.
    return quote(url, safe="/:?#@&=+,;%.~_-").replace("@@", "%40%40")


def _entity(sign: str) -> str:
    return "&lt;" if sign == "<" else f"&#{ord(sign)};"


def _literal(text: str) -> str:
    shown = re.sub(r"[!-/:-@\[-`{-~]", lambda sign: _entity(sign[0]), text)
    return shown.replace(_entity("@") * 2, f"{_entity('@')}\u200b{_entity('@')}")


_HARMLESS: dict[str, Callable[[_Run, re.Match[str]], tuple[str, int]]] = {
    "definition": _definition,
    "colons": lambda _, token: (f"{token[0][:-1]}&#58;", token.end()),
    "macro": lambda _, token: ("\\\u200b", token.end()),
    "environment": _environment,
    "bracketed": _bracketed,
    "tildes": lambda _, token: (_entity("~") * len(token[0]), token.end()),
    "escape": _escaped,
    "dollars": _dollars,
    "angle": _angle,
    "bang": _bang,
    "close": _close,
    "at": lambda _, token: (f"{token[0]}\u200b", token.end()),
    "slashes": lambda _, token: ("&#58;/&#47;" if token[0].startswith(":") else "/&#47;", token.end()),
    "xmpp": lambda _, token: ("&#58;", token.end()),
}
"""By the token's name: the harmless form of what starts there, and where it ends."""
