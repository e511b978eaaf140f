"""Text as UTF-8 can hold it, and figures as people read them.

Python's own text may hold half a character, as JavaScript's and JSON's escapes may.
"""

from __future__ import annotations

from decimal import Decimal

_CENT = Decimal("0.01")
_SMALLEST = Decimal("0.0001")
_LARGE = 10**9


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


def dollars(amount: Decimal) -> str:
    """A sum of money in figures: cents, or four places where it is no whole number of them.

    Args:
        amount: US dollars, finite.

    Example:
        >>> dollars(Decimal("0.5")), dollars(Decimal("0.49823")), dollars(Decimal("0.00003"))
        ('$0.50', '$0.4982', 'under $0.0001')
    """
    if amount >= _LARGE:
        return f"${amount:.2e}"
    if 0 < amount < _SMALLEST:
        return f"under ${_SMALLEST}"
    places = 2 if amount == amount.quantize(_CENT) else 4
    return f"${amount:,.{places}f}"
