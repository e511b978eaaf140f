"""Text made fit for where it goes (the host's Markdown renderer, a terminal), and pictures made fit to be sent."""

from __future__ import annotations

import re

from convoscope_jupyter._host_markdown import host_markdown
from convoscope_jupyter.context._images import image_part

__all__ = ["display_safe", "host_markdown", "image_part"]

# Direction overrides, invisible separators and tag characters: text that reads otherwise than it looks. Joiners,
# which emoji and many scripts need, are no harm. https://www.unicode.org/reports/tr36/
_HIDDEN = re.compile(
    r"[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def display_safe(text: str) -> str:
    r"""Text that can be printed: no control character reaches the terminal, no hidden one stays hidden.

    Args:
        text: Text from anywhere. Line ends of other systems become newlines.

    Returns:
        The text, with control characters but newline and tab as their pictures (ESC as ␛) and with
        direction marks, tag characters and the like as ⟨U+202E⟩.

    Example:
        >>> display_safe("a\x1b[2Jb")
        'a␛[2Jb'
    """
    text = _CONTROL.sub(lambda sign: _picture(ord(sign[0])), text.replace("\r\n", "\n"))
    return _HIDDEN.sub(lambda sign: f"⟨U+{ord(sign[0]):04X}⟩", text)


def _picture(code: int) -> str:
    # https://www.unicode.org/charts/PDF/U2400.pdf has none for what is above 0x7F
    if code < 0x20:  # noqa: PLR2004 - the first printable character
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"  # noqa: PLR2004 - DEL
