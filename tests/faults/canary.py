"""A key that is planted in one test, and found again in whatever form it shows."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from urllib.parse import quote

_WINDOW = 12
_STRIDE = 4
"""Any 15 characters of a key in a row hold one of its windows, and are a leak."""


class Canary:
    """A key that no other test has. It holds signs that URLs and JSON write in another way, and prints as nothing."""

    def __init__(self) -> None:
        self._core = uuid.uuid4().hex
        self.key = f'cv/{self._core}+"Zz9'

    def __repr__(self) -> str:
        return "Canary()"

    @property
    def quoted(self) -> str:
        """The key as a careless server quotes it: plain, as a header, in a URL, in base64."""
        in_base64 = base64.b64encode(self.key.encode()).decode()
        url = f"https://api.example/v1/models?key={quote(self.key, safe='')}&alt=sse"
        return f"{self.key}, Bearer {self.key}, {url}, {in_base64} "

    @property
    def quoted_in_json(self) -> str:
        """The same inside a JSON string."""
        return json.dumps(self.quoted)[1:-1]

    def seen_in(self, places: Mapping[str, str | bytes]) -> list[str]:
        """The places that show any part of the key."""
        traces = [trace.encode() for trace in self._traces()]
        found = {name: text if isinstance(text, bytes) else text.encode() for name, text in places.items()}
        return [name for name, text in found.items() if any(trace in text for trace in traces)]

    def _traces(self) -> Iterator[str]:
        # The letters and digits in the middle are the same plain, in JSON and in a URL.
        yield from _windows(self._core)
        for before in range(3):  # base64 depends on how many bytes stand before
            encoded = base64.b64encode(b"\0" * before + self.key.encode()).decode()
            yield from _windows(encoded[4:-4])


def _windows(text: str) -> Iterator[str]:
    yield from (text[start : start + _WINDOW] for start in range(0, len(text) - _WINDOW + 1, _STRIDE))
