"""What the head of an answer tells beside its status: the request's id, and how long to wait."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from datetime import UTC

from convoscope_jupyter.redaction import Secret, safe_error_text


def request_id_of(headers: Mapping[str, str], key: Secret | None = None) -> str | None:
    """The provider's id of the request: OpenAI's header, Anthropic's, Azure's.

    Args:
        headers: Of the answer; looked up by lower-case names.
        key: Masked where a header quotes it.
    """
    names = ("x-request-id", "request-id", "apim-request-id")
    found = next((headers[name] for name in names if headers.get(name)), None)
    return safe_error_text(found, key) if found else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to wait, in seconds; `None` when it does not say, or says nonsense.

    Args:
        headers: `retry-after-ms`, or `retry-after` in seconds or as a date. A date is measured against the answer's
            own `date`, so that a wrong clock on this machine does not matter.

    Source:
        https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    in_ms = _number(headers.get("retry-after-ms"))
    if in_ms is not None:
        return in_ms / 1000
    text = headers.get("retry-after")
    in_s = _number(text)
    if in_s is not None or text is None:
        return in_s
    until = _seconds_since_epoch(text)
    now = _seconds_since_epoch(headers.get("date", ""))
    if until is None:
        return None
    if now is None:
        now = time.time()
    return until - now if until >= now else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_since_epoch(text: str) -> float | None:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    # Without an offset, which HTTP does not allow, UTC is meant.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
