"""Conversations as text of files and back. Values in, text out: nothing is opened, executed or fetched.

`.json` is `{"format": "convoscope", "version": 1, "conversation": {…}}` with every field of every
value. `.ipynb` shows the newest path as cells and carries the same document in its metadata, so both
come back as they were, whatever somebody did to the cells. What a file cannot hold is changed on the
way out: half a surrogate pair becomes U+FFFD, a cost that is no number becomes unknown, and times
become UTC.

Both are hostile on the way in, so reading is strict. Wrong types, ids that are not fit for a file's
name, two turns of one id, a turn that is its own ancestor and a field that version 1 does not have
are refused; reading on without such a field would lose it at the next export, so a new field means a
new version. Mended are times without a zone (read as UTC), a byte order mark, and a `chosen` that
names no response (the first one). A parent that is not in the file is left as it is: the turn begins
a path.

Also read: a list of `{"user": "…", "ai": "…"}` in `.json`, which an earlier app of this name wrote.
"""

from __future__ import annotations

from typing import Final

from convoscope_jupyter.errors import UnknownFormat
from convoscope_jupyter.messages import Conversation

__all__ = ["MAX_BYTES", "SUFFIXES", "dump", "load"]

SUFFIXES: Final = (".ipynb", ".json")
"""What can be written and read."""

MAX_BYTES: Final = 200_000_000
"""Larger files are refused: a conversation of text has a few kilobytes, each image at most a few megabytes."""


def dump(conversation: Conversation, suffix: str) -> str:
    """Write a conversation as the text of a file. The same conversation gives the same text.

    Args:
        conversation: All of it is written: every sibling, every answer of a comparison, every attempt.
        suffix: One of `SUFFIXES`, in any case.

    Returns:
        The text, ending in a newline. Write it as UTF-8.

    Raises:
        UnknownFormat: The suffix is another.

    Example:
        >>> from convoscope_jupyter.messages import Conversation, utc_now
        >>> now = utc_now()
        >>> chat = Conversation(id="5ab1ed00-0000-4000-8000-000000000000", created_at=now, updated_at=now)
        >>> load(dump(chat, ".ipynb"), name="chat.ipynb") == chat
        True
    """
    # The formats are imported on use: importing the package stays cheap.
    if suffix.lower() == ".ipynb":
        from convoscope_jupyter.formats import _notebook  # noqa: PLC0415 - see above

        return _notebook.dump(conversation)
    if suffix.lower() == ".json":
        from convoscope_jupyter.formats import _document  # noqa: PLC0415 - see above

        return _document.dump(conversation)
    raise UnknownFormat(suffix, SUFFIXES)


def load(text: str | bytes, *, name: str) -> Conversation:
    """Read a conversation from the text of a file. Nothing of it is executed, fetched or opened, whoever wrote it.

    Args:
        text: What the file holds, at most 200 MB; bytes are UTF-8.
        name: The file's name or path; its suffix says what the text is, and errors name it.

    Returns:
        The conversation under its own id. One of the earlier app is given ids made from its content,
        so that importing it twice gives the same, the file's name as its title, and 1970-01-01 for
        each time that is not written in it.

    Raises:
        UnknownFormat: The suffix is none of `SUFFIXES`.
        ImportFormatError: The text is not a conversation, is damaged, or is of a newer version.
    """
    if name.lower().endswith(".ipynb"):
        from convoscope_jupyter.formats import _notebook  # noqa: PLC0415 - see `dump`

        return _notebook.load(text, name=name)
    if name.lower().endswith(".json"):
        from convoscope_jupyter.formats import _json  # noqa: PLC0415 - see `dump`

        return _json.load(text, name=name)
    raise UnknownFormat(name, SUFFIXES)
