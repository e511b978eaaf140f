"""The faults F01 to F51, frozen: what happens on the wire, and what must come of it.

Whatever happens, what was said is kept, nothing is said twice, no key shows, and the next question is answered
(`checks.py`). The policy is the routing guide's: a model is asked again only while nobody else is ready, the next one
is asked only before the first text, and never after a filter or a bad request.

Every fault names the wire formats it can happen on: all of them, but for those left out with a reason. Google's former
SDK is not among them: it shares the reader and the errors of today's, and the contract's tests cover the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from convoscope_jupyter.messages import ErrorKind, FinishReason, ResponseStatus
from convoscope_jupyter.routing import TimeLimits
from tests.faults import plays
from tests.faults.places import Place
from tests.faults.plays import TEXT, Play
from tests.support.anthropic_wire import ANTHROPIC
from tests.support.gemini_wire import GOOGLE
from tests.support.loopback import DROP, HANG, HTML, JSON, RESET, Reply
from tests.support.openai_wire import OPENAI_CHAT, OPENAI_RESPONSES
from tests.support.wires import Wire

WIRES: tuple[Wire, ...] = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GOOGLE)

Phase = Literal[
    "before the connection",
    "status codes",
    "before the first text",
    "mid-stream",
    "odd bytes",
    "ends",
    "stops and deaths",
    "store",
]

PATIENT = TimeLimits(connect_s=10.0, first_text_s=10.0, idle_s=10.0, total_s=20.0)
"""Clocks that no fault is meant to reach. If one does, it is told as such and its test fails."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row. Where `kind` is `None` it is no fault: the answer is whole."""

    id: str
    happens: str
    """On the wire, in the name of the test."""
    phase: Phase
    play: Play | None = None
    """What the server does; `None` where no request arrives, or a test of its own plays it."""
    place: Place | None = None
    kind: ErrorKind | None = None
    retries: int = 0
    """When nobody else is ready."""
    next_asked: bool = False
    says: tuple[str, ...] = ()
    """Words that the user sees."""
    text: str | None = ""
    """What was said before, to the character; `None` where it is not the server who decides how much that is."""
    repeats: str = ""
    """What is said again and again after `TEXT`, where `text` is `None`."""
    finish: FinishReason | None = None
    retry_after_s: float | None = None
    limits: TimeLimits = PATIENT
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Names of wires, with the reason why it cannot happen there."""

    @property
    def name(self) -> str:
        return f"{self.id} {self.happens}"

    @property
    def wires(self) -> tuple[Wire, ...]:
        return tuple(wire for wire in WIRES if wire.name not in self.left_out)

    @property
    def status(self) -> ResponseStatus:
        """Of the answer, when nobody else is ready."""
        if self.kind is None:
            return "complete"
        return "interrupted" if self.kind == "interrupted" else "failed"


_FIRST_TEXT = TimeLimits(connect_s=10.0, first_text_s=0.1, idle_s=10.0, total_s=20.0)
_IDLE = TimeLimits(connect_s=10.0, first_text_s=10.0, idle_s=0.15, total_s=20.0)
_ALL_OF_IT = TimeLimits(connect_s=10.0, first_text_s=10.0, idle_s=10.0, total_s=0.3)
_SHORT = TimeLimits(connect_s=10.0, first_text_s=10.0, idle_s=10.0, total_s=20.0, max_characters=1_003)
_CONNECT = TimeLimits(connect_s=0.1, first_text_s=10.0, idle_s=10.0, total_s=20.0)

_RETRY = "Retry, or choose another model."
_GO_ON = "Continue it, or retry."

_NO_ORDER = {"google": "its events are pieces of text and nothing else, so there is no order that could be wrong"}
_NO_MARKER = {
    "google": "its end is told by a field, which servers are known to send with every piece; what follows is more text"
}


def _unreachable(id_: str, happens: str, place: Place, *says: str, retries: int = 0) -> Fault:
    return Fault(
        id=id_,
        happens=happens,
        phase="before the connection",
        place=place,
        kind="connection_failed",
        retries=retries,
        next_asked=True,
        says=says,
    )


def _status(
    id_: str,
    happens: str,
    play: Play,
    kind: ErrorKind,
    *says: str,
    retries: int = 0,
    next_asked: bool = True,
    retry_after_s: float | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Fault:
    return Fault(
        id=id_,
        happens=happens,
        phase="status codes",
        play=play,
        kind=kind,
        retries=retries,
        next_asked=next_asked,
        says=says,
        retry_after_s=retry_after_s,
        left_out=left_out or {},
    )


def _before_text(
    id_: str, happens: str, play: Play, kind: ErrorKind, *says: str, retries: int, limits: TimeLimits = PATIENT
) -> Fault:
    return Fault(
        id=id_,
        happens=happens,
        phase="before the first text",
        play=play,
        kind=kind,
        retries=retries,
        next_asked=True,
        says=says,
        limits=limits,
    )


def _broken_off(id_: str, happens: str, play: Play, *says: str, limits: TimeLimits = PATIENT) -> Fault:
    return Fault(
        id=id_,
        happens=happens,
        phase="mid-stream",
        play=play,
        kind="interrupted",
        says=says,
        text=TEXT,
        limits=limits,
    )


def _endless(
    happens: str,
    repeats: str,
    *says: str,
    text: str | None = None,
    pause_s: float = 0.0,
    limits: TimeLimits = PATIENT,
) -> Fault:
    return Fault(
        id="F36",
        happens=happens,
        phase="mid-stream",
        play=plays.endless(repeats, pause_s=pause_s),
        kind="interrupted",
        says=says,
        text=text,
        repeats=repeats,
        limits=limits,
    )


def _no_fault(
    id_: str, happens: str, play: Play, *, text: str = TEXT, left_out: Mapping[str, str] | None = None
) -> Fault:
    return Fault(
        id=id_, happens=happens, phase="odd bytes", play=play, text=text, finish="stop", left_out=left_out or {}
    )


BEFORE_THE_CONNECTION = (
    _unreachable("F01", "DNS", "a name that nobody knows", "Cannot find nowhere.invalid. Check the network"),
    _unreachable("F02", "refused", "nobody listens", "Nothing answers at", "Start the server", retries=2),
    _unreachable(
        "F03",
        "TLS self-signed",
        "a certificate that nobody vouches for",
        "No secure connection",
        "self-signed",
        "SSL_CERT_FILE",
    ),
    _unreachable("F03", "TLS expired", "a certificate of the past", "certificate has expired", "this machine's clock"),
    _unreachable("F03", "TLS of another", "a certificate for another name", "No secure connection", "mismatch"),
    _unreachable("F03", "no TLS", "no TLS", "No secure connection", "http:// in base_url"),
    Fault(
        id="F03",
        happens="TLS timeout",
        phase="before the connection",
        place="a handshake without an answer",
        kind="timed_out",  # the clock of connecting, which may run out once more
        retries=1,
        next_asked=True,
        says=("accepted no connection within 0.1 s", "Check the network"),
        limits=_CONNECT,
    ),
    _unreachable("F04", "accepted and closed", "closes at once", "dropped the connection", _RETRY, retries=2),
    Fault(
        id="F04",
        happens="closed after the request",
        phase="before the connection",
        play=plays.before_the_head(DROP),
        kind="connection_failed",
        retries=2,
        next_asked=True,
        says=("dropped the connection before it answered", _RETRY),
    ),
)

STATUS_CODES = (
    _status("F05", "400", plays.refusal("invalid_request"), "invalid_request", "refused the request (400).", "It says:",
            next_asked=False),
    _status("F06", "401", plays.refusal("authentication"), "authentication", "rejected the key.", "api_key"),
    _status("F07", "403", plays.refusal("permission_denied"), "permission_denied", "does not let this key use model"),
    _status("F08", "404", plays.refusal("model_not_found"), "model_not_found", "has no model 'model'"),
    _status("F09", "408", plays.status(408), "server_error", "has trouble (408).", _RETRY, retries=2),
    _status("F10", "409", plays.status(409), "server_error", "has trouble (409).", _RETRY, retries=2),
    _status("F11", "413", plays.status(413), "context_too_long", "too long for model (413). Shorten it",
            next_asked=False),
    _status("F11", "too long", plays.refusal("context_too_long"), "context_too_long", "too long for model",
            "Shorten it", next_asked=False),
    _status("F12", "422", plays.status(422), "invalid_request", "refused the request (422).", next_asked=False),
    _status("F13", "429 for a moment", plays.in_a_moment, "rate_limited", "too many requests", "It asks to wait",
            retries=1),
    _status("F14", "429 until a date",
            plays.refusal("rate_limited", Date="Sun, 22 Nov 2026 12:00:00 GMT",
                          Retry_After="Sun, 22 Nov 2026 12:00:30 GMT"),
            "rate_limited", "It asks to wait 30 s.", retry_after_s=30.0),
    _status("F15", "429 for a day", plays.refusal("rate_limited", Retry_After="86400"), "rate_limited",
            "It asks to wait 86400 s.", retry_after_s=86400.0),
    _status("F15", "429 for less than nothing", plays.refusal("rate_limited", Retry_After="-1"), "rate_limited",
            "Wait a little."),
    _status("F15", "429 for no number", plays.refusal("rate_limited", Retry_After="NaN"), "rate_limited",
            "Wait a little."),
    _status("F15", "429 until yesterday", plays.refusal("rate_limited", Retry_After="Sun, 22 Nov 2020 12:00:00 GMT"),
            "rate_limited", "Wait a little."),
    _status("F16", "quota", plays.refusal("insufficient_quota"), "insufficient_quota", "out of credit", "billing"),
    _status("F17", "500", plays.status(500), "server_error", "has trouble (500).", _RETRY, retries=2),
    _status("F18", "502", plays.status(502), "server_error", "has trouble (502).", _RETRY, retries=2),
    _status("F19", "503", plays.status(503), "overloaded", "is overloaded (503).", _RETRY, retries=2),
    _status("F20", "504", plays.status(504), "server_error", "has trouble (504).", _RETRY, retries=2),
    _status("F21", "529", plays.status(529), "overloaded", "is overloaded (529).", _RETRY, retries=2),
    _status("F46", "502 page", plays.page(502, size=5000), "server_error", "(502).", "A proxy or login page", _RETRY,
            retries=2),
)  # fmt: skip

BEFORE_THE_FIRST_TEXT = (
    _before_text("F22", "slow head", plays.before_the_head(HANG), "timed_out", "no text within 0.1 s", _RETRY,
                 retries=1, limits=_FIRST_TEXT),
    _before_text("F23", "slow text", plays.opening_then(HANG), "timed_out", "no text within 0.1 s", _RETRY, retries=1,
                 limits=_FIRST_TEXT),
    _before_text("F24", "comments", plays.alive_and_silent(lambda _: b": keep-alive\n\n"), "timed_out",
                 "no text within 0.1 s", _RETRY, retries=1, limits=_FIRST_TEXT),
    _before_text("F24", "silent events", plays.alive_and_silent(plays.silent_event), "timed_out",
                 "no text within 0.1 s", _RETRY, retries=1, limits=_FIRST_TEXT),
    _before_text("F26", "drop", plays.opening_then(DROP), "connection_failed", "dropped the connection", _RETRY,
                 retries=2),
    _before_text("F26", "reset", plays.opening_then(RESET), "connection_failed", "dropped the connection", _RETRY,
                 retries=2),
    _before_text("F30", "broken JSON", plays.opening_then(plays.BROKEN_JSON), "protocol_error", "garbled text", _RETRY,
                 retries=1),
    _before_text("F37", "empty", lambda _: Reply(), "protocol_error", "sent an empty answer", _RETRY, retries=1),
    _before_text("F37", "nothing after the opening", plays.opening_then(), "protocol_error", "sent an empty answer",
                 _RETRY, retries=1),
    _before_text("F38", "an end and no text", plays.ended("stop"), "protocol_error", "returned nothing", _RETRY,
                 retries=1),
    _before_text("F41", "error event", plays.error_event("server_error", after_text=False), "server_error",
                 "has trouble", _RETRY, retries=2),
    _before_text("F41", "overload event", plays.error_event("overloaded", after_text=False), "overloaded",
                 "is overloaded", _RETRY, retries=2),
    _before_text("F45", "page", plays.page(200), "protocol_error", "A proxy or login page answered instead of", "Check",
                 retries=1),
    _before_text("F47", "a rejected key inside 200", plays.refusal_inside_200("authentication"), "authentication",
                 "rejected the key.", "api_key", retries=0),
    _before_text("F47", "an overload inside 200", plays.overloaded_inside_200, "overloaded", "is overloaded", _RETRY,
                 retries=2),
    _before_text("F47", "an error without a code inside 200", plays.wordless_inside_200, "protocol_error",
                 "answered with an error instead of text", retries=1),
)  # fmt: skip

MID_STREAM = (
    _broken_off("F25", "stall", plays.text_then(HANG), "stopped sending text for 0.15 s", limits=_IDLE),
    _broken_off("F25", "stall with comments", plays.alive_and_silent(lambda _: b": keep-alive\n\n", after_text=True),
                "stopped sending text for 0.15 s", limits=_IDLE),
    _broken_off("F25", "stall with silent events", plays.alive_and_silent(plays.silent_event, after_text=True),
                "stopped sending text for 0.15 s", limits=_IDLE),
    _broken_off("F27", "drop", plays.text_then(DROP), "dropped the connection in the middle of the answer", _GO_ON),
    _broken_off("F28", "reset", plays.text_seen_then(RESET), "dropped the connection in the middle", _GO_ON),
    _broken_off("F29", "clean end", plays.text_then(), "ended without a finish marker", "Continue it, or retry."),
    _broken_off("F30", "broken JSON", plays.text_then(plays.BROKEN_JSON), "garbled text"),
    _broken_off("F34", "no last blank line", plays.without_its_last_blank_line(None),
                "without a finish marker", _GO_ON),
    _broken_off("F35", "a piece of 20 MB", plays.a_huge_piece, "a single event of more than 1,000,000 bytes"),
    _endless("too many characters", "0123456789", "cut at 1,003 characters", "Ask for less",
             text=(TEXT + "0123456789" * 100)[:1_003], limits=_SHORT),
    _endless("a million characters", "0123456789" * 2_000, "cut at 1,000,000 characters", "Ask for less",
             text=(TEXT + "0123456789" * 100_000)[:1_000_000]),
    _endless("too long a time", "0123456789 ", "took longer than 0.3 s", pause_s=0.02, limits=_ALL_OF_IT),
    _broken_off("F41", "error event", plays.error_event("server_error", after_text=True), "has trouble"),
    _broken_off("F41", "overload event", plays.error_event("overloaded", after_text=True), "is overloaded"),
)  # fmt: skip

ODD_BYTES = (
    _no_fault("F31", "a byte that is no character", plays.not_utf_8, text="Hel\N{REPLACEMENT CHARACTER}lo"),
    _no_fault("F32", "one byte at a time", plays.one_byte_at_a_time, text=f"{plays.EMOJI_TEXT}Ende"),
    _no_fault("F33", "CRLF", plays.line_ends(b"\r\n")),
    _no_fault("F33", "CR", plays.line_ends(b"\r")),
    _no_fault("F33", "each in turn", plays.line_ends(b"\n", b"\r\n", b"\r")),
    _no_fault("F34", "an end without its blank line", plays.without_its_last_blank_line("stop")),
    _no_fault("F42", "a second answer behind the end", plays.a_second_answer_behind, left_out=_NO_MARKER),
    _no_fault("F42", "the end twice and an error", plays.an_error_behind),
    _no_fault("F43", "text before the opening", plays.text_first, left_out=_NO_ORDER),
    _no_fault("F44", "events as JSON", plays.under(JSON)),
    _no_fault("F44", "events as HTML", plays.under(HTML)),
    _no_fault("F44", "events as plain text", plays.under("text/plain")),
)

_BY_STATUS = "it refuses a question with a status, or ends the answer: the rows beside this one"
_IN_ITS_ANSWER = "it tells a refused question in an answer without an error: the row `blocked`"

ENDS = (
    Fault(id="F39", happens="refused question", phase="ends", play=plays.refusal("content_filtered"),
          kind="content_filtered", says=("refused for its content policy", "Rephrase"),
          left_out={"google": _IN_ITS_ANSWER}),
    Fault(id="F39", happens="blocked", phase="ends", play=plays.blocked_prompt, kind="content_filtered",
          says=("refused for its content policy", "Rephrase"),
          left_out=dict.fromkeys((OPENAI_CHAT.name, OPENAI_RESPONSES.name, ANTHROPIC.name), _BY_STATUS)),
    Fault(id="F39", happens="filtered after text", phase="ends", play=plays.ended("content_filter", *plays.TEXTS),
          text=TEXT, finish="content_filter"),
    Fault(id="F39", happens="filtered before text", phase="ends", play=plays.ended("content_filter"),
          finish="content_filter"),
    Fault(id="F40", happens="length", phase="ends", play=plays.ended("length", *plays.TEXTS), text=TEXT,
          finish="length"),
    Fault(id="F50", happens="all fail", phase="ends", play=plays.status(500), kind="server_error", retries=2,
          next_asked=True, says=("has trouble (500).", _RETRY)),
)  # fmt: skip

STOPS_AND_DEATHS = (
    Fault(id="F48", happens="stop before the head", phase="stops and deaths", play=plays.before_the_head(HANG),
          kind="cancelled"),
    Fault(id="F48", happens="stop before the text", phase="stops and deaths", play=plays.opening_then(HANG),
          kind="cancelled"),
    Fault(id="F48", happens="stop mid-stream", phase="stops and deaths", play=plays.text_then(HANG), kind="cancelled",
          text=TEXT),
    Fault(id="F49", happens="kernel killed", phase="stops and deaths", play=plays.endless("word ", pause_s=0.03),
          kind="interrupted", text=None, repeats="word "),
)  # fmt: skip

_LONG = "x" * 200_000

STORE = (
    Fault(id="F51", happens="store locked", phase="store", play=plays.whole_once_seen(), text=TEXT, finish="stop"),
    Fault(id="F51", happens="disk full", phase="store", play=plays.whole_once_seen(_LONG), text=TEXT + _LONG,
          finish="stop"),
)  # fmt: skip

TABLE: tuple[Fault, ...] = (
    *BEFORE_THE_CONNECTION,
    *STATUS_CODES,
    *BEFORE_THE_FIRST_TEXT,
    *MID_STREAM,
    *ODD_BYTES,
    *ENDS,
    *STOPS_AND_DEATHS,
    *STORE,
)
