"""The key type, and masking of secrets in any text that leaves the kernel's memory."""

from __future__ import annotations

import re
from typing import NoReturn

MAX_ERROR_CHARACTERS = 300
_MASK = "…"
_LONG_ENOUGH_TO_HINT = 12

# Shapes of keys, not lists of keys: a provider's error text may quote one that we never held.
_SHAPES = (
    re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]{6,}"),
    re.compile(r"(?i)([?&](?:key|api_key|apikey|access_token|token)=)[^&\s\"']+"),
    re.compile(
        r"(?i)(\"?(?:x-)?(?:api[-_]?key|authorization|x-goog-api-key)\"?\s*[:=]\s*\"?)(?!bearer\b|basic\b)[^\s\"',;]{6,}"
    ),
    re.compile(r"\b(sk|rk|pk|gsk|xai|hf|ghp|gho|ghs|github_pat|glpat|AIza|ya29)[-_.]?[A-Za-z0-9_\-*.]{12,}"),
    re.compile(r"\b(xox[abprs])-[A-Za-z0-9-]{10,}"),
    re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(eyJ)[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+)?"),
)
_TAG = re.compile(
    r"<(?:script|style)\b.*?</(?:script|style)>|<!--.*?-->|</?[A-Za-z!][^>]{0,500}>", re.DOTALL | re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Secret:
    """A key that shows only its last four characters, however it is printed.

    `repr`, `str`, `format` and `%` all show the mask; pickling, copying to JSON and hashing by
    value are refused. `reveal()` is the only way to the text, so a search for it finds every use.

    Args:
        text: The key. Surrounding white space is dropped.

    Example:
        >>> f"{Secret('sk-live-1234567890abcd')}"
        '…abcd'
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def reveal(self) -> str:
        """The key itself, for the request that needs it."""
        return self._text

    @property
    def last4(self) -> str:
        """The last four characters; fewer of a short key, so that most of it stays hidden."""
        return self._text[-4:] if len(self._text) >= _LONG_ENOUGH_TO_HINT else ""

    def __repr__(self) -> str:
        return f"{_MASK}{self.last4}"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        message = "a key is never pickled or copied into a file; set it again where it is needed"
        raise TypeError(message)


def redact(text: str, *secrets: Secret | None) -> str:
    """Mask every key in a text: the given ones exactly, all others by their shape.

    Args:
        text: Any text, such as a provider's error message.
        secrets: Keys in use; `None` is skipped.

    Returns:
        The text with each key replaced by a mask that keeps at most its kind.

    Example:
        >>> redact("Incorrect API key provided: sk-abcdefghijklmnop")
        'Incorrect API key provided: sk…'
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), repr(secret))
    for shape in _SHAPES:
        text = shape.sub(lambda found: f"{found[1]}{_MASK}", text)
    return text


def safe_error_text(text: str, *secrets: Secret | None) -> str:
    """A provider's words made fit to show and store: redacted, without markup, at most 300 characters.

    Args:
        text: What the provider sent; it may be hostile, an HTML page, or five kilobytes long.
        secrets: Keys in use.

    Returns:
        One line of text.
    """
    # Bounded before the patterns run: their cost must not grow with what a server sends. A key cut
    # at the bound is still masked by its shape, and an exact one is replaced before the cut.
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), repr(secret))
    clean = _CONTROL.sub(" ", _TAG.sub(" ", text[:20_000]))
    line = " ".join(redact(clean, *secrets).split())
    return line if len(line) <= MAX_ERROR_CHARACTERS else line[: MAX_ERROR_CHARACTERS - 1].rstrip() + "…"
