"""The search for planted keys finds them: a check that could not fail would show nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.faults.canary import Canary


@pytest.mark.parametrize(
    "write",
    [
        lambda key: key,
        lambda key: json.dumps(f"key {key}"),
        quote,
        lambda key: base64.b64encode(key.encode()).decode(),
        lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
        lambda key: base64.b64encode(f"key: {key}".encode()).decode(),
        lambda key: key[:20],
        lambda key: key[20:],
    ],
    ids=["plain", "JSON", "URL", "base64", "base64 one on", "base64 two on", "its beginning", "its end"],
)
def test_a_key_is_found_however_it_is_written(write: Callable[[str], str]) -> None:
    canary = Canary()

    assert ["there"] == canary.seen_in({"there": f"before {write(canary.key)} after", "here": "nothing"})


def test_a_mask_with_the_last_four_characters_is_no_leak() -> None:
    canary = Canary()

    assert [] == canary.seen_in({"mask": f"…{canary.key[-4:]}"})
