"""What Google tells in the details of an error, besides its status.

Source: https://google.aip.dev/193, https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from convoscope_jupyter.providers._decoding import as_list, as_object, as_text

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def reason_of(error: Mapping[str, object]) -> str:
    """The one word that says most: `API_KEY_INVALID`, say, which comes under the status of any bad request.

    Args:
        error: The object under `error`.

    Returns:
        The reason, `insufficient_quota` for a limit that only another day lifts, or an empty text.
    """
    found = ""
    for kind, detail in _details(error):
        if kind == "QuotaFailure":
            violations = map(as_object, as_list(detail.get("violations")))
            if any("PerDay" in as_text(violation.get("quotaId")) for violation in violations):
                return "insufficient_quota"
        elif kind == "ErrorInfo":
            found = as_text(detail.get("reason"))
    return found


def delay_s(error: Mapping[str, object]) -> float | None:
    """How long Google asks to wait, in seconds; `None` when it does not say.

    Args:
        error: The object under `error`.
    """
    delays = (as_text(detail.get("retryDelay")) for kind, detail in _details(error) if kind == "RetryInfo")
    found = _DURATION.fullmatch(next(delays, ""))
    return float(found[1]) if found else None


def _details(error: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for detail in map(as_object, as_list(error.get("details"))):
        yield as_text(detail.get("@type")).rpartition(".")[2], detail
