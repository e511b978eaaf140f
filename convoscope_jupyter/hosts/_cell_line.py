"""What stands behind `%%convo` on its line: a route, then options."""

from __future__ import annotations

import difflib
import itertools
import keyword
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from IPython.core.error import UsageError


class LineNotUnderstood(UsageError):
    """A magic's line, or the question below it, is not what the magic takes. Nothing was sent."""

    def _render_traceback_(self) -> list[str]:
        # IPython prints its own UsageError to stderr only, so that papermill stops and does not say why.
        return [f"UsageError: {self}"]


OPTIONS = ("--max-cost", "--out", "--session", "--system")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLine:
    """A `%%convo` line that was understood. `None`: not given."""

    route: str | None = None
    system: str | None = None
    """Instructions from this question on; empty takes them away."""
    out: str | None = None
    """Variable that gets the turn."""
    session: str | None = None
    """Name of the session; `None` for the kernel's default one."""
    max_cost: str | None = None
    """US dollars that the session may cost, from this question on."""


def read_cell_line(line: str) -> CellLine:
    """Read what stands behind `%%convo`.

    Args:
        line: The rest of the line: a route, which may hold blanks after its commas, then options.

    Returns:
        What it says.

    Raises:
        LineNotUnderstood: One sentence that says what is wrong and what to write.

    Example:
        >>> read_cell_line('demo:fail-429, demo:tour --system "Be brief" --out turn').route
        'demo:fail-429, demo:tour'
    """
    words = _words(line)
    first_option = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
    options = _options(words[first_option:])
    out = options.get("--out")
    if out is not None and (not out.isidentifier() or keyword.iskeyword(out)):
        raise LineNotUnderstood(f"--out {_shown(out)} cannot be a variable's name. Write a name such as --out turn.")
    session = options.get("--session")
    if session is not None and not session.strip():
        raise LineNotUnderstood("--session needs a name. Write one such as --session review, or leave the option out.")
    return CellLine(
        route=_route(words[:first_option]),
        system=options.get("--system"),
        out=out,
        session=session.strip() if session is not None else None,
        max_cost=options.get("--max-cost"),
    )


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # its only complaints
        raise LineNotUnderstood(
            'a quotation mark on the %%convo line is not closed. Put text with blanks in "…", and \\" for one inside.'
        ) from None


def _route(words: Sequence[str]) -> str | None:
    for before, word in itertools.pairwise(words):
        if not before.endswith(",") and not word.startswith(","):
            raise LineNotUnderstood(
                f"{_shown(word)} is neither an option nor a part of the route. "
                "Put commas between models, and the question on the lines below."
            )
    return " ".join(words) or None


def _options(words: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, joined, value = rest.pop(0).partition("=")
        if not name.startswith("-"):
            raise LineNotUnderstood(
                f"{_shown(name)} belongs to no option. "
                'Write the route before the options, and text with blanks in quotation marks: --system "Be brief".'
            )
        if name not in OPTIONS:
            raise LineNotUnderstood(f"there is no option {_shown(name)}. {_meant(name)}")
        if name in options:
            raise LineNotUnderstood(f"{name} is given twice. Leave one of them out.")
        if not joined:
            if not rest or rest[0].partition("=")[0] in OPTIONS:
                raise LineNotUnderstood(f"{name} needs a value. Write {_EXAMPLES[name]}.")
            value = rest.pop(0)
        options[name] = value
    return options


_EXAMPLES = {
    "--max-cost": "--max-cost 0.50",
    "--out": "--out turn",
    "--session": "--session review",
    "--system": '--system "Be brief"',
}


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name, OPTIONS, n=1)
    return f"Did you mean {near[0]}?" if near else f"The options are {', '.join(OPTIONS)}."


def _shown(word: str) -> str:
    # repr: what a variable put on the line may hold anything
    return repr(word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "…")
