"""The environment and the `.env` of the working directory."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convoscope_jupyter.redaction import Secret

# As the providers' own SDKs name them.
KEY_NAMES: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
BASE_URL_NAMES: Mapping[str, str] = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
}
PLACE = "./.env"

# Closed: the folder may come from a stranger, who shall not say where conversations are kept (CONVOSCOPE_STORE).
_TAKEN = {
    *(name for names in KEY_NAMES.values() for name in names),
    *BASE_URL_NAMES.values(),
    *("CONVOSCOPE_CASSETTE", "CONVOSCOPE_MODE", "CONVOSCOPE_ROUTE"),
    *("DEFAULT_LLM_PROVIDER", "DEFAULT_TEMPERATURE", "MAX_CONVERSATION_HISTORY"),
}
_MAX_BYTES = 65_536

# An allow-list, not a parser: what parsers disagree about (user names, backslashes, odd digits, a query) is not
# loopback here. LibreChat CVE-2026-31943, Open WebUI CVE-2026-45400.
_LOOPBACK = re.compile(
    r"https?://(?:localhost|127(?:\.(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])){3}|\[::1\])(?::\d{1,5})?(?:/[\w.~%/-]*)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class DotEnv:
    """What a `.env` says, so far as it counts."""

    values: Mapping[str, Secret]
    """All of them hidden, because some are keys."""
    note: str | None = None
    """Why the file, or a part of it, does not count."""


_NONE = DotEnv({})
_seen: tuple[tuple[object, ...], DotEnv] | None = None


def is_loopback(url: str) -> bool:
    """Whether a URL surely means this machine: `localhost`, 127.0.0.0/8 or `[::1]`, in plain notation.

    Args:
        url: Any text.

    Returns:
        False for everything that two parsers might read differently, even if it may be loopback.

    Example:
        >>> is_loopback("http://127.0.0.1:11434/v1"), is_loopback("http://127.0.0.1.evil.example/")
        (True, False)
    """
    return _LOOPBACK.fullmatch(url) is not None


def unquoted(text: str) -> Secret | None:
    """A value without the quotes that `docker run --env-file` and Windows' `set` keep; `None` when it is blank."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return Secret(text) or None


def environment(name: str) -> Secret | None:
    """An environment variable; `None` when it is not set or blank."""
    return unquoted(os.environ.get(name, ""))


def dotenv() -> DotEnv:
    """What `.env` in the working directory says now; read again when it is another file than the last time."""
    global _seen  # noqa: PLW0603 - one process, one working directory
    try:
        path = Path.cwd() / ".env"
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):  # a virtual environment is often called that
            return _NONE
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            return DotEnv({}, f"{PLACE} is ignored: it is not a file.")
        stamp = (path, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        seen = _seen
        if seen is None or seen[0] != stamp:
            seen = _seen = (stamp, _read(path))
    except (FileNotFoundError, NotADirectoryError):
        return _NONE
    except OSError as error:
        return DotEnv({}, f"{PLACE} is ignored: it cannot be read ({error.strerror}).")
    return seen[1]


def _read(path: Path) -> DotEnv:
    with path.open("rb") as file:
        raw = file.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        return DotEnv({}, f"{PLACE} is ignored: it is larger than 64 KiB.")
    try:
        text = raw.decode("utf-8-sig")  # Windows' editors write a byte order mark
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return DotEnv({}, f"{PLACE} is ignored: it is not text in UTF-8.")
    from dotenv import dotenv_values  # noqa: PLC0415 - loaded on use: importing the package stays cheap

    # Without interpolation: a stranger's ${AWS_SECRET_ACCESS_KEY} shall not become a part of a setting.
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    values = {name: secret for name, value in found.items() if name in _TAKEN and value and (secret := unquoted(value))}
    far = [name for name in BASE_URL_NAMES.values() if name in values and not is_loopback(values[name].reveal())]
    for name in far:
        del values[name]
    return DotEnv(
        values,
        f"{' and '.join(far)} in {PLACE} is ignored: there, only an address on this machine counts." if far else None,
    )
