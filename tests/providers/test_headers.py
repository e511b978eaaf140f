"""What the heads of answers tell."""

from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.providers._headers import request_id_of, retry_after_s
from convoscope_jupyter.redaction import Secret

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    "headers, expected",
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "20"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:30 GMT", "date": DATE}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Sun, 99 Nov 2026 99:99:99 GMT"}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert expected == retry_after_s(headers)


def test_a_date_without_the_servers_clock_is_measured_against_ours() -> None:
    wait_s = retry_after_s({"retry-after": email.utils.formatdate(time.time() + 60, usegmt=True)})

    assert wait_s is not None
    assert 30 < wait_s <= 60


@given(text=st.text())
def test_no_retry_after_makes_us_crash(text: str) -> None:
    wait_s = retry_after_s({"retry-after": text, "retry-after-ms": text, "date": text})

    assert wait_s is None or wait_s >= 0


def test_the_request_id_is_found_whatever_its_name() -> None:
    assert ["a", "b", "c", None] == [
        request_id_of(headers)
        for headers in ({"x-request-id": "a"}, {"request-id": "b"}, {"apim-request-id": "c"}, {"x-request-id": ""})
    ]


def test_a_key_in_a_request_id_is_masked() -> None:
    assert "no-known-shape" not in (
        request_id_of({"x-request-id": "of no-known-shape"}, Secret("no-known-shape")) or ""
    )
