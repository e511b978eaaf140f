"""Text of a file to a JSON value, whatever the text is."""

from __future__ import annotations

import json
import re

from convoscope_jupyter._text import clean
from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.formats import MAX_BYTES

_UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def json_value(text: str | bytes, *, name: str) -> object:
    """Parse JSON that anybody may have written.

    Args:
        text: What the file holds.
        name: The file's name, for errors.

    Returns:
        Dicts, lists, text that UTF-8 can hold, numbers, True, False and None.

    Raises:
        ImportFormatError: The text is not JSON, too large, or nested too deeply.
    """
    if len(text) > MAX_BYTES:
        raise ImportFormatError(
            f"has more than {MAX_BYTES // 1_000_000} MB, which is as much as is read. "
            "Remove large images, or export a shorter conversation.",
            path=name,
        )
    decoded = (_decoded(text, name=name) if isinstance(text, bytes) else text).removeprefix("\ufeff")
    if not decoded.strip():
        raise ImportFormatError("is empty. Export the conversation again.", path=name)
    try:
        value: object = json.loads(decoded)
        if _SURROGATE.search(decoded):
            value = json.loads(clean(json.dumps(value, ensure_ascii=False)))
    except json.JSONDecodeError as error:
        at_the_end = not decoded[error.pos :].strip() or error.msg.startswith("Unterminated")
        what = "breaks off: it is not complete JSON" if at_the_end else "is not JSON"
        raise ImportFormatError(
            f"{what}. Export the conversation again, or take an undamaged copy.", path=name, line=error.lineno
        ) from None
    except RecursionError:
        raise ImportFormatError(
            "is nested too deeply to be a conversation. Export the conversation again.", path=name
        ) from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise ImportFormatError("holds a number that is too long. Export the conversation again.", path=name) from None
    return value


def _decoded(text: bytes, *, name: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        other = " but UTF-16 or UTF-32" if text.startswith(_UTF16_OR_32) else ""
        line = None if other else text.count(b"\n", 0, error.start) + 1
        raise ImportFormatError(f"is not UTF-8 text{other}. Save it as UTF-8.", path=name, line=line) from None
