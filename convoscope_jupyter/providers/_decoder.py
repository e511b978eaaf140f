"""What the decoders of all wire formats do alike: begin once, end once, tell errors."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

from convoscope_jupyter.errors import ProviderError, ServerError
from convoscope_jupyter.messages import FinishReason, Usage
from convoscope_jupyter.providers._base import Chunk, Finished, Started
from convoscope_jupyter.providers._decoding import JsonObject, Speech, as_text
from convoscope_jupyter.providers._errors import Kind, Peer, ReportedError, from_report
from convoscope_jupyter.redaction import MAX_ERROR_CHARACTERS, mask


class AnswerDecoder(abc.ABC):
    """The common part of a `Decoder`. Make one per answer.

    Args:
        peer: Whom was asked, for errors.
        request_id: Of the HTTP answer.
    """

    finish_reasons: ClassVar[Mapping[str, FinishReason]]
    """Ours by the provider's own word. What is not in it is told in that word, and not passed off as a natural end."""

    def __init__(self, peer: Peer, *, request_id: str | None = None) -> None:
        self.done = False
        self.recognised = False
        self._peer = peer
        self._request_id = request_id
        self._started = False
        self._raw_finish_reason = ""
        self._speech = Speech()

    @property
    def ended(self) -> bool:
        """A finish reason has come."""
        return bool(self._raw_finish_reason)

    def close(self) -> Sequence[Chunk]:
        """The rest, with `Finished` if a finish reason has come."""
        self.done = True
        chunks = self._speech.rest()
        if self.ended:
            chunks.append(
                Finished(
                    finish_reason=self._finish_reason(),
                    raw_finish_reason=self._harmless(self._raw_finish_reason),
                    usage=self._usage_so_far(),
                )
            )
        return chunks

    def _finish_reason(self) -> FinishReason:
        return self.finish_reasons.get(self._raw_finish_reason, "error")

    @abc.abstractmethod
    def _usage_so_far(self) -> Usage:
        """The counts as they were last told."""

    def _begin(self, response_id: str, response_model: str) -> list[Chunk]:
        """`Started`, the first time."""
        if self._started:
            return []
        self._started = True
        return [
            Started(
                response_id=self._harmless(response_id) or None,
                response_model=self._harmless(response_model) or None,
                request_id=self._request_id,
            )
        ]

    def _begin_with(self, answer: JsonObject) -> list[Chunk]:
        """`Started`, the first time, from an object with `id` and `model`."""
        return [] if self._started else self._begin(as_text(answer.get("id")), as_text(answer.get("model")))

    def _harmless(self, word: str) -> str:
        # These words are stored and shown, and a server may repeat the key anywhere.
        return mask(word, self._peer.key)[:MAX_ERROR_CHARACTERS]

    def _failure(self, reported: ReportedError, *, default: Kind = ServerError) -> ProviderError:
        return from_report(self._peer, reported, request_id=self._request_id, default=default)
