"""What Google tells in the details of an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from convoscope_jupyter.providers._errors import from_response
from convoscope_jupyter.providers._google_errors import delay_s, reason_of
from tests.support.gemini_wire import error_info, error_object, quota_failure, retry_info
from tests.support.reading import PEER

PER_DAY = quota_failure("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
PER_MINUTE = quota_failure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")


@pytest.mark.parametrize(
    "details, reason",
    [
        ([error_info("API_KEY_INVALID")], "API_KEY_INVALID"),
        ([PER_DAY, error_info("RATE_LIMIT_EXCEEDED")], "insufficient_quota"),
        ([error_info("RATE_LIMIT_EXCEEDED"), PER_MINUTE, PER_DAY], "insufficient_quota"),
        ([PER_MINUTE], ""),
        ([], ""),
        (None, ""),
        ("nonsense", ""),
        ([None, 1, {"@type": 3}, {"reason": "untyped"}, {"@type": "x.ErrorInfo", "reason": 7}], ""),
    ],
)
def test_the_reason(details: object, reason: str) -> None:
    assert reason == reason_of({"details": details})


@pytest.mark.parametrize(
    "delay, seconds",
    [
        ("20s", 20.0),
        ("0.5s", 0.5),
        ("38.123456789s", 38.123456789),
        ("0s", 0.0),
        ("-3s", None),
        ("20", None),
        ("9" * 50 + "s", None),
        ("", None),
        (7, None),
    ],
)
def test_the_delay(delay: Any, seconds: float | None) -> None:  # noqa: ANN401 - whatever a server sends
    assert seconds == delay_s({"details": [error_info("x"), retry_info(delay)]})


@pytest.mark.parametrize(
    "status, word, message, details, kind, wait_s",
    [
        (400, "INVALID_ARGUMENT", "API key expired.", [error_info("API_KEY_INVALID")], "authentication", None),
        (401, "UNAUTHENTICATED", "no", [], "authentication", None),
        (400, "FAILED_PRECONDITION", "User location is not supported.", [], "permission_denied", None),
        (429, "RESOURCE_EXHAUSTED", "no", [PER_DAY, retry_info("3600s")], "insufficient_quota", 3600.0),
        (429, "RESOURCE_EXHAUSTED", "no", [PER_MINUTE, retry_info("20s")], "rate_limited", 20.0),
        (429, "RESOURCE_EXHAUSTED", "no", [], "rate_limited", None),
        (504, "DEADLINE_EXCEEDED", "no", [], "server_error", None),
        (503, "UNAVAILABLE", "no", [retry_info("5s")], "overloaded", 5.0),
        (499, "CANCELLED", "no", [], "invalid_request", None),
    ],
)
def test_an_error_is_told_by_its_kind(  # noqa: PLR0917 - a row of the table
    status: int,
    word: str,
    message: str,
    details: list[Mapping[str, object]],
    kind: str,
    wait_s: float | None,
) -> None:
    body = json.dumps(error_object(status, word, message, details)).encode()
    error = from_response(PEER, status=status, headers={}, body=body)

    assert (kind, status, wait_s) == (error.kind, error.status_code, error.retry_after_s)
    assert (wait_s is not None and kind == "rate_limited") == ("It asks to wait 20 s." in error.message)


def test_a_header_counts_before_the_details() -> None:
    body = json.dumps(error_object(429, "RESOURCE_EXHAUSTED", "no", [retry_info("20s")])).encode()
    error = from_response(PEER, status=429, headers={"retry-after": "7"}, body=body)

    assert 7.0 == error.retry_after_s
