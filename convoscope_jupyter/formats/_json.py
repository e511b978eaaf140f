"""`.json`: our own document, or the list that an earlier app of this name wrote."""

from __future__ import annotations

from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.formats import _document, _predecessor, _reading
from convoscope_jupyter.messages import Conversation


def load(text: str | bytes, *, name: str) -> Conversation:
    """See `formats.load`."""
    value = _reading.json_value(text, name=name)
    if _document.is_one(value):
        return _document.conversation(value, name=name)
    if _predecessor.is_one(value):
        return _predecessor.conversation(value, name=name)
    raise ImportFormatError(
        'is JSON, but not a conversation of Convoscope (no "format": "convoscope"). '
        "Choose a file that session.export() wrote; a notebook's name has to end in .ipynb.",
        path=name,
    )
