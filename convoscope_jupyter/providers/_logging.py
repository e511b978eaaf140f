"""Keeps keys and conversations out of what the libraries log of our requests.

They log more than we would. httpcore2 writes the head of every answer at DEBUG, in which a server may repeat the key.
httpx2 writes the server's own words after the status at INFO. Anthropic's SDK writes the whole request at DEBUG, and
tracebacks.

Loggers are shared by the whole program, so little is changed: a key of ours is masked in all that these loggers write;
what Anthropic's SDK says of a request is cut to its constant words, if the request is one of ours.
"""

from __future__ import annotations

import functools
import logging
import re
import threading

from convoscope_jupyter import _loop
from convoscope_jupyter.redaction import Secret, redact

# A filter counts for its own logger only, not for those below it, so each one is named.
_MASKED = (
    "openai._base_client",
    "httpx2",
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.http2",
    "httpcore2.proxy",
    "httpcore2.socks",
    "google_genai._api_client",
)
_CUT = ("anthropic._base_client", "anthropic._response")

_PLACEHOLDER = re.compile(r"%[a-z]")

MAX_KEYS = 32
"""How many keys are looked for in every line: those used last. A kernel has a few; a program that makes a key for each
request would otherwise log ever more slowly."""

_keys: dict[Secret, None] = {}
"""In the order of their last use. Replaced, never changed: other threads log meanwhile."""

_changing = threading.Lock()


def keep_out_of_logs(key: Secret | None) -> None:
    """Mask a key, and leave out what is asked, in what the libraries log from now on.

    Args:
        key: About to be sent; `None` when there is none. It is masked until `MAX_KEYS` others were used after it.
    """
    global _keys  # noqa: PLW0603 - replaced as a whole
    _install()
    if key is None or key is next(reversed(_keys), None):
        return
    with _changing:
        others = [other for other in _keys if other != key]
        _keys = dict.fromkeys([*others, key][-MAX_KEYS:])


def forget_keys() -> None:
    """Mask none of the keys any more: for tests."""
    global _keys  # noqa: PLW0603 - replaced as a whole
    with _changing:
        _keys = {}


@functools.cache
def _install() -> None:
    for name in _MASKED:
        logging.getLogger(name).addFilter(_mask)
    for name in _CUT:
        logging.getLogger(name).addFilter(_cut)


def _mask(record: logging.LogRecord) -> bool:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        return False  # its arguments do not fit; what is raised here would end the request
    record.msg, record.args = redact(message, *_keys), ()
    return True


def _cut(record: logging.LogRecord) -> bool:
    if not _loop.is_loop_thread():  # a request of the program's own
        return _mask(record)
    record.msg, record.args = _PLACEHOLDER.sub("…", str(record.msg)), ()
    record.exc_info = record.exc_text = None  # a handler may print the variables of every frame
    return True
