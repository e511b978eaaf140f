"""The key type, and masking of secrets in any text that leaves the kernel's memory."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import re
import traceback
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

MAX_ERROR_CHARACTERS = 300
_MASK = "…"
_PEPPER = os.urandom(32)
_LONG_ENOUGH_TO_HINT = 12
_LONG_ENOUGH_TO_MASK = 8

# Shapes of keys, not lists of keys: a provider's error text may quote one that we never held. Each
# masks what follows its first group. They are narrow enough to leave prose and code alone
# ("basic introduction", "sklearn.linear_model", "max_tokens=4096"), because exports pass through them too.
_VALUE = r"(?=[^\s\"',;]{0,200}\d|[A-Za-z0-9+/=-]{20})[A-Za-z0-9_\-./+=~*]{8,}+(?![(\[])"
_SHAPES = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # PEM, to its end or, when that was cut off, to the end of the text
        (r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----).*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
        # the password in a URL: postgresql://user:password@host/db
        (r"\b([a-z][a-z0-9+.-]{1,20}://[^\s:/@\"']{0,100}:)(?![{$<%])[^\s/\"'<>]{1,200}(?=@)", re.IGNORECASE),
        (r"\b(hooks\.slack\.com/services/)[A-Za-z0-9/]{16,}", 0),
        (r"([?&](?:key|api_?key|access_token|token|sig|signature|client_secret)=)[^&\s\"'<>]{6,}", re.IGNORECASE),
        (r"\b(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+)(?![{$<%])[^\s\"',;]{4,}", re.IGNORECASE),
        (r"\b((?i:bearer)\s+)(?=[^\s\"',;]{0,200}(?:\d|[a-z][A-Z]))[A-Za-z0-9._~+/=-]{8,}", 0),
        (r"\b([Bb]asic\s+)(?=[A-Za-z0-9+/]{0,99}[A-Z0-9][a-z0-9]{0,99}[A-Z])[A-Za-z0-9+/]{12,}={0,2}(?![\w.-])", 0),
        # api_key=…, "x-api-key": "…", AZURE_OPENAI_API_KEY=…, JUPYTERHUB_API_TOKEN=…, AccountKey=…, password: …
        (
            r"((?:(?:api|access|account|shared_?access|secret|secret_?access|subscription)[-_ ]?key|x-goog-api-key"
            r"|(?:api|auth|access|hub)[-_]?token|client[-_]?secret|password|passwd|pwd|authorization)[\"']?\s*[:=]\s*[\"']?)"
            + _VALUE,
            re.IGNORECASE,
        ),
        # OpenAI, Anthropic, OpenRouter, DeepSeek and others
        (r"\b(sk)-(?=[A-Za-z0-9_*.-]{0,200}[0-9A-Z*]|[a-z]{12})[A-Za-z0-9_*.-]{16,}", 0),
        (r"\b([srp]k_(?:live|test)_|whsec_)[A-Za-z0-9]{10,}", 0),  # Stripe
        (r"\b(gh[opusr]_|hf_|gsk_|xai-|pplx-|nvapi-|r8_|npm_|dop_v1_)[A-Za-z0-9]{20,}", 0),  # GitHub, Hugging Face, …
        (r"\b(github_pat_|glpat-)[A-Za-z0-9_-]{16,}", 0),
        (r"\b(AIza|ya29\.)[A-Za-z0-9_-]{12,}", 0),  # Google
        (r"\b(xox[abeoprs]-|xapp-)[A-Za-z0-9-]{10,}", 0),  # Slack
        (r"\b(AKIA|ASIA)[A-Z0-9]{16}\b", 0),  # AWS
        (r"()\b[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{20,30}", 0),  # Azure
        (r"\b(eyJ)[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?", 0),  # JWT
    )
)
# What is opened and not closed goes to the end: looking for each one's close again would take quadratic time.
_TAG = re.compile(
    r"<(script|style)\b.*?(?:</\1>|\Z)|<!--.*?(?:-->|\Z)|</?[A-Za-z!][^<>]{0,500}>", re.DOTALL | re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Secret:
    """A key that shows only its last four characters, however it is printed.

    `repr`, `str`, `format` and `%` all show the mask; pickling and JSON are refused. `reveal()` is
    the only way to the text, so a search for it finds every use.

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

    @property
    def fingerprint(self) -> str:
        """Tells this key from another for as long as the process lives, and nothing else about it."""
        return hashlib.blake2b(self._text.encode(), key=_PEPPER, digest_size=16).hexdigest()

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

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        message = "a key is never pickled or copied into a file; set it again where it is needed"
        raise TypeError(message)

    def __reduce__(self) -> NoReturn:
        self.__getstate__()


def redact(text: str, *secrets: Secret | None) -> str:
    """Mask every key in a text: the given ones exactly, all others by their shape.

    Args:
        text: Any text, such as a provider's error message.
        secrets: Keys in use; `None` is skipped, and so are keys of less than eight characters, such as
            the "ollama" and "EMPTY" that servers without keys are given: masking them would garble the text.

    Returns:
        The text with each key replaced by a mask that keeps at most its kind.

    Example:
        >>> redact("Incorrect API key provided: sk-abcdefghijklmnop")
        'Incorrect API key provided: sk…'
    """
    text = mask(text, *secrets)
    for shape in _SHAPES:
        text = shape.sub(lambda found: f"{found[1]}{_MASK}", text)
    return text


def mask(text: str, *secrets: Secret | None) -> str:
    """Mask the given keys only, for a name that has to stay exact otherwise.

    Args:
        text: Any text, such as a model's id.
        secrets: Keys in use, as in `redact`.

    Example:
        >>> mask("model-my-own-key-1234", Secret("my-own-key-1234"))
        'model-…1234'
    """
    held = {secret for secret in secrets if secret is not None and len(secret.reveal()) >= _LONG_ENOUGH_TO_MASK}
    for secret in sorted(held, key=lambda secret: len(secret.reveal()), reverse=True):
        for form in _forms(secret):
            text = text.replace(form, repr(secret))
    return text


@functools.lru_cache(maxsize=32)  # a kernel has a few keys, and masks them in every line that is logged
def _forms(secret: Secret) -> tuple[str, ...]:
    """The ways in which a key is written into URLs, JSON and Basic authentication."""
    text = secret.reveal()
    return (text, quote(text, safe=""), json.dumps(text)[1:-1], base64.b64encode(text.encode()).decode().rstrip("="))


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
    clean = _CONTROL.sub(" ", _TAG.sub(" ", mask(text, *secrets)[:20_000]))
    line = " ".join(redact(clean, *secrets).split())
    return line if len(line) <= MAX_ERROR_CHARACTERS else line[: MAX_ERROR_CHARACTERS - 1].rstrip() + "…"


def place_of(error: BaseException) -> str:
    """What an unexpected exception is and where it was raised, for logs: without its words, which may be anybody's.

    Args:
        error: Any, with its traceback.

    Returns:
        Its class, and the functions that it passed through, outermost first.

    Example:
        >>> place_of(ValueError("a word of the user's"))
        'ValueError'
    """
    frames = [
        f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return " > ".join([type(error).__name__, *frames])
