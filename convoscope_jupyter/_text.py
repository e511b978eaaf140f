"""Text as UTF-8 can hold it. Python's own may hold half a character, as JavaScript's and JSON's escapes may."""

from __future__ import annotations


def clean(text: str) -> str:
    r"""Text as UTF-8 can hold it: split surrogate pairs joined, lone surrogates replaced by U+FFFD.

    Args:
        text: Any text. What needs no change comes back as it is.

    Example:
        >>> clean("\ud83d\ude00 \ud83d!") == "\U0001f600 \ufffd!"
        True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
