"""An answer in a cell's output while it arrives: drawn anew as Markdown, or printed as it comes."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher

from convoscope_jupyter.context import display_safe, host_markdown
from convoscope_jupyter.hosts._shell import Shell
from convoscope_jupyter.messages import Response, Turn, new_id

REDRAW_EVERY_S = 0.2


class CellOutput(Protocol):
    """Where an answer is shown."""

    def add(self, text: str) -> None:
        """Take the next piece of visible text."""
        ...

    def finish(self, turn: Turn) -> None:
        """Show the turn as it was stored, with its receipt."""
        ...


def cell_output(shell: Shell) -> CellOutput:
    """The way to show an answer that this shell's front end has.

    Args:
        shell: The shell whose cell asks.

    Returns:
        An output that is drawn anew where there are displays, else one that is printed.
    """
    # The publisher of a terminal and of a plain shell is IPython's own, which prints `text/plain` for every update.
    # A kernel's, and the one of `%%capture`, is a class of their own.
    if type(shell.display_pub) is DisplayPublisher:
        return PrintedOutput()
    return DrawnOutput(functools.partial(_publish, shell), is_watched=_is_watched(shell))


def _is_watched(shell: Shell) -> bool:
    # nbclient, papermill and nbval say that a cell can ask nobody, so nobody watches an answer arrive. They get it in
    # one piece, also because nbval knows no updates of displays: it would compare the first words with a whole answer.
    # `%%capture` keeps every update as an output of its own.
    if isinstance(shell.display_pub, CapturingDisplayPublisher):
        return False
    get_parent: Callable[[], dict[str, Any]] | None = getattr(shell, "get_parent", None)  # a kernel's shell has it
    request = get_parent() if get_parent is not None else {}
    return bool(request.get("content", {}).get("allow_stdin", True))


def should_redraw(drawn_characters: int, characters: int, since_last_s: float) -> bool:
    """Whether the answer is drawn again: when it grew by a tenth and 200 ms passed; its first text at once.

    Each drawing sends the whole text; growth by a tenth keeps all of them together at eleven times its length.

    Args:
        drawn_characters: Length of what is shown; 0 when nothing is.
        characters: Length of what has come.
        since_last_s: Time since the last drawing.

    Returns:
        True to draw.

    Example:
        >>> should_redraw(100, 110, 0.2), should_redraw(100, 109, 60.0), should_redraw(100, 1000, 0.1)
        (True, False, False)
    """
    if drawn_characters == 0:
        return characters > 0
    return 10 * characters >= 11 * drawn_characters and since_last_s >= REDRAW_EVERY_S


_Bundle = dict[str, object]
_Publish = Callable[[_Bundle, _Bundle, str, bool], None]
"""Takes data and metadata by MIME type, the display's id, and whether it is there already."""


def _publish(shell: Shell, data: _Bundle, metadata: _Bundle, display_id: str, update: bool) -> None:  # noqa: FBT001 - `_Publish`
    shell.display_pub.publish(data, metadata, transient={"display_id": display_id}, update=update)


class DrawnOutput:
    """One display, drawn as a whole each time.

    Args:
        publish: Sends a drawing to the front end.
        is_watched: False draws only the whole answer.
        clock_s: A monotonic clock.
    """

    def __init__(
        self, publish: _Publish, *, is_watched: bool = True, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._publish = publish
        self._is_watched = is_watched
        self._clock_s = clock_s
        self._display_id = new_id()
        self._pieces: list[str] = []
        self._characters = 0
        self._drawn_characters = 0
        self._drawn_at_s = clock_s()
        self._begun = False
        self._there = False

    def add(self, text: str) -> None:
        """Take the next piece, and draw when it is time to.

        Args:
            text: Visible text.
        """
        self._pieces.append(text)
        self._characters += len(text)
        if not self._is_watched:
            return
        if should_redraw(self._drawn_characters, self._characters, self._clock_s() - self._drawn_at_s):
            so_far = "".join(self._pieces)
            self._draw(host_markdown(so_far), display_safe(so_far), {})
            self._drawn_characters = self._characters
            self._drawn_at_s = self._clock_s()

    def finish(self, turn: Turn) -> None:
        """Draw the stored answer and its receipt. The exact text goes into the output's metadata.

        Args:
            turn: The turn as it was stored.
        """
        if (response := _to_show(turn)) is None:
            return
        text, receipt = response.text, response.receipt
        # The answer's open fences are closed before the receipt follows, and then the whole is looked at once more.
        markdown = host_markdown(f"{host_markdown(text)}\n\n*{receipt}*" if text else f"*{receipt}*")
        plain = display_safe(f"{text}\n\n{receipt}" if text else receipt)
        self._draw(markdown, plain, {"convoscope": {"text": text}})

    def _draw(self, markdown: str, plain: str, metadata: _Bundle) -> None:
        if self._begun and not self._there:
            # An interrupt came while the display was made. Whether or not it is there, the answer is seen once.
            self._publish({"text/markdown": "", "text/plain": ""}, {}, self._display_id, True)  # noqa: FBT003 - `_Publish`
            self._display_id = new_id()
        self._begun = True
        self._publish({"text/markdown": markdown, "text/plain": plain}, metadata, self._display_id, self._there)
        self._there = True


class PrintedOutput:
    """Text printed as it comes, harmless to a terminal."""

    def __init__(self) -> None:
        self._held = ""
        self._at_line_start = True

    def add(self, text: str) -> None:
        """Print the next piece.

        Args:
            text: Visible text.
        """
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""  # the first half of a line end, perhaps
        self._print(text.removesuffix("\r"))

    def finish(self, turn: Turn) -> None:
        """Print the receipt under the text.

        Args:
            turn: The turn as it was stored.
        """
        self._print(self._held)
        if (response := _to_show(turn)) is not None:
            gap = "" if not response.text else "\n" if self._at_line_start else "\n\n"
            self._print(f"{gap}{response.receipt}\n")

    def _print(self, text: str) -> None:
        if not text:
            return
        safe = display_safe(text)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        sys.stdout.write(safe.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
        self._at_line_start = safe.endswith("\n")


def _to_show(turn: Turn) -> Response | None:
    # Where no model said anything, the error that follows says all there is.
    response = turn.response
    return None if response is None or (response.status == "failed" and not response.text) else response
