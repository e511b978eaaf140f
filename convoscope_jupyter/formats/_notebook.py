"""`.ipynb`: cells for people to read, and the whole document in the notebook's metadata."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Literal, cast

import nbformat

from convoscope_jupyter._text import clean
from convoscope_jupyter.context import host_markdown
from convoscope_jupyter.errors import ImportFormatError
from convoscope_jupyter.formats import _document, _fences, _reading
from convoscope_jupyter.messages import Conversation, ImagePart, Response, Turn, Usage

Role = Literal["title", "prompt", "answer", "provenance"]
"""What a cell holds, in its metadata: `{"convoscope": {"turn_id": …, "role": …}}`."""

_KEY: Final = "convoscope"
_NAMESPACE: Final = uuid.UUID("0b5c3f6e-3c0e-5b0a-8a5e-7f6b1f3c2d10")
_OLDEST: Final = 4


def dump(conversation: Conversation) -> str:
    """Text of a `.ipynb` file of format 4.5."""
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            _KEY: _document.document(conversation),
        },
        "cells": list(_cells(conversation)),
    }
    text: str = nbformat.writes(nbformat.from_dict(notebook))  # pyright: ignore[reportUnknownMemberType]  # typed in part
    return clean(text) + "\n"


def load(text: str | bytes, *, name: str) -> Conversation:
    """See `formats.load`. The cells are not looked at."""
    value = _reading.json_value(text, name=name)
    if not isinstance(value, dict) or "nbformat" not in value:
        raise ImportFormatError(
            "is JSON, but not a notebook. Choose a notebook that session.export() wrote; "
            "the name of a conversation in JSON has to end in .json.",
            path=name,
        )
    notebook = cast("dict[str, object]", value)
    major = notebook["nbformat"]
    if not isinstance(major, int) or major < _OLDEST:
        raise ImportFormatError(
            "is a notebook of a format before 4, which Convoscope never wrote. Choose one that session.export() wrote.",
            path=name,
        )
    metadata = notebook.get("metadata")
    document = cast("dict[str, object]", metadata).get(_KEY) if isinstance(metadata, dict) else None
    if not _document.is_one(document):
        raise ImportFormatError(
            "is a notebook, but not one exported by Convoscope, or its metadata was removed since. "
            "Choose a file that session.export() wrote.",
            path=name,
        )
    return _document.conversation(document, name=name)


def _cells(conversation: Conversation) -> Iterator[dict[str, Any]]:
    title = " ".join(conversation.title.split())
    if title:
        yield _cell(f"# {title}", conversation.id, "title")
    for turn in conversation.path():
        yield _cell(_asked(turn), turn.id, "prompt", turn_id=turn.id)
        for number, piece in enumerate(_fences.pieces(turn.text)):
            yield _cell(piece.text, f"{turn.id} {number}", "answer", turn_id=turn.id, is_code=piece.is_code)
        yield _cell(f"*{_provenance(turn)}*", turn.id, "provenance", turn_id=turn.id)


def _cell(source: str, place: str, role: Role, *, turn_id: str | None = None, is_code: bool = False) -> dict[str, Any]:
    ours = {"turn_id": turn_id, "role": role} if turn_id is not None else {"role": role}
    cell = {
        "id": str(uuid.uuid5(_NAMESPACE, clean(f"{role} {place}"))),  # the same at every export
        "metadata": {_KEY: ours},
    }
    if is_code:
        return cell | {"cell_type": "code", "source": source, "execution_count": None, "outputs": []}
    # Each cell is a document of its own for who renders it, so each is made harmless as a whole.
    return cell | {"cell_type": "markdown", "source": host_markdown(source)}


def _asked(turn: Turn) -> str:
    paragraphs = ["**You**" if turn.continues is None else "**You**, to go on with the answer above"]
    if turn.prompt.text:
        paragraphs.append(turn.prompt.text)
    if images := [part for part in turn.prompt.parts if isinstance(part, ImagePart)]:
        each = "; ".join(f"{image.media_type}, {_kilobytes(image)} kB" for image in images)
        count = f"1 image ({each}) was" if len(images) == 1 else f"{len(images)} images ({each}) were"
        paragraphs.append(f"*{count} sent with this message.*")
    return "\n\n".join(paragraphs)


def _kilobytes(image: ImagePart) -> int:
    return max(1, round(len(image.data_base64) * 3 / 4 / 1000))


def _provenance(turn: Turn) -> str:
    response = turn.response
    if response is None:
        return "Not answered yet."
    sentences = [response.receipt]
    if attempt := response.answering_attempt:
        if attempt.response_model and attempt.response_model != attempt.model.name:
            sentences.append(f"The provider calls it {attempt.response_model}.")
        sentences += _tokens_and_cost(response, attempt.usage)
    if len(turn.responses) > 1:
        sentences.append(f"Chosen among {len(turn.responses)} answers.")
    return " ".join(" ".join(sentences).split())  # one line, whatever a provider calls its model


def _tokens_and_cost(response: Response, usage: Usage) -> Iterator[str]:
    counts = [
        f"{count:,} token{'' if count == 1 else 's'} {verb}"
        for count, verb in ((usage.input_tokens, "read"), (usage.output_tokens, "written"))
        if count is not None
    ]
    if counts:
        yield f"{', '.join(counts)}."
    cost = response.cost
    if cost.known_usd:
        sources = dict.fromkeys(a.price_source for a in response.attempts if a.cost_usd and a.price_source)
        source = f" by {' and '.join(sources)}" if sources else ""
        attempts = f"{cost.unpriced_attempts} attempt{'' if cost.unpriced_attempts == 1 else 's'} of unknown cost"
        yield f"{_dollars(cost.known_usd)}{source}{f', without {attempts}' if cost.unpriced_attempts else ''}."


def _dollars(cost: Decimal) -> str:
    """Two figures that matter, as the chat shows them."""
    if cost < Decimal("0.0001"):
        return "Under $0.0001"
    if cost < 1:
        return f"${cost:.4f}" if cost < Decimal("0.01") else f"${cost:.3f}"
    return f"${cost:.2f}"
