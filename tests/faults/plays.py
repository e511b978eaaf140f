"""What servers do, for each fault: one reply, made for a wire format."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from convoscope_jupyter.messages import FinishReason
from tests.faults.canary import Canary
from tests.support import anthropic_wire, gemini_wire, loopback
from tests.support.loopback import HANG, SSE, Pause, Reply, Step, Until, event, json_reply
from tests.support.wires import KEY, Answer, Refusal, Wire

TEXTS = ("Hel", "lo")
TEXT = "".join(TEXTS)
"""What every server says before it fails, if it says anything."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a play is given."""

    wire: Wire
    canary: Canary
    seen: asyncio.Event
    """The user has seen `TEXT`."""


Play: TypeAlias = Callable[[Stage], Reply]


def echoing(reply: Reply, canary: Canary) -> Reply:
    """The same reply of a careless server, which quotes the key in its head and in every message about an error."""

    def careless(step: Step) -> Step:
        if not isinstance(step, bytes):
            return step
        step = step.replace(KEY.encode(), canary.quoted_in_json.encode())
        return step.replace(b'"message": "', f'"message": "{canary.quoted_in_json}'.encode())

    headers = {"x-request-id": canary.key, "request-id": canary.key, "x-echo": canary.quoted, **reply.headers}
    return replace(reply, steps=[careless(step) for step in reply.steps], headers=headers)


# --- the head -------------------------------------------------------------------------------------------------------


def before_the_head(*steps: Step) -> Play:
    """These steps, and no answer."""
    return lambda _: Reply(before=steps)


def refusal(kind: Refusal, **headers: str) -> Play:
    """A refusal as the API words it."""

    def play(stage: Stage) -> Reply:
        reply = stage.wire.refusals[kind]
        return replace(reply, headers={**reply.headers, **{name.replace("_", "-"): headers[name] for name in headers}})

    return play


_ANTHROPIC_WORDS = {
    408: "timeout_error",
    413: "request_too_large",
    504: "timeout_error",
    529: "overloaded_error",
}
_GOOGLE_WORDS = {
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


def status(code: int) -> Play:
    """An error with a status, in the shape that the API gives to all its errors."""
    said = f"The server says {code}."
    ours = code >= 500

    def play(stage: Stage) -> Reply:
        match stage.wire.name:
            case "anthropic":
                word = _ANTHROPIC_WORDS.get(code, "api_error" if ours else "invalid_request_error")
                return anthropic_wire.error_reply(code, word, said)
            case "google":
                return gemini_wire.error_reply(
                    code, _GOOGLE_WORDS.get(code, "INTERNAL" if ours else "INVALID_ARGUMENT"), said
                )
            case _:
                return loopback.error_reply(
                    code, kind="server_error" if ours else "invalid_request_error", message=said
                )

    return play


def in_a_moment(stage: Stage) -> Reply:
    """A full limit, with the shortest time to wait that the API can tell, in the way in which it tells it."""
    reply = stage.wire.refusals["rate_limited"]
    match stage.wire.name:
        case "anthropic":
            return replace(reply, headers={"Retry-After": "1"})
        case "google":
            details = [gemini_wire.quota_failure("GenerateRequestsPerMinute"), gemini_wire.retry_info("0.05s")]
            return gemini_wire.error_reply(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", details)
        case _:
            return replace(reply, headers={"retry-after-ms": "50"})


def page(code: int, *, size: int = 0) -> Play:
    """A web page of a proxy, which quotes the key."""

    def play(stage: Stage) -> Reply:
        filling = "<div class='x'>Please log in</div>\n" * (size // 35)
        html = (
            f"<!DOCTYPE html><html><head><title>Login</title></head><body>{stage.canary.quoted}{filling}</body></html>"
        )
        return loopback.page_reply(html, status=code)

    return play


# --- the body -------------------------------------------------------------------------------------------------------


def opening(wire: Wire) -> list[bytes]:
    """What an API sends before the first text."""
    return wire.events(Answer(texts=(), finish=None)) or [event(gemini_wire.response({"text": ""}))]


def silent_event(wire: Wire) -> bytes:
    """An event without text, which shows that the server lives and says nothing."""
    return anthropic_wire.typed("ping") if wire.name == "anthropic" else opening(wire)[0]


def said(wire: Wire, text: str) -> bytes:
    """The event with a piece of text."""
    return wire.events(Answer(texts=(text,), finish=None))[-1]


def body(make: Callable[[Stage], Sequence[Step]]) -> Play:
    """An answer that begins well, with this body."""
    return lambda stage: replace(stage.wire.stream(), steps=make(stage))


def opening_then(*steps: Step) -> Play:
    """The answer opens, and before any text there are these steps."""
    return body(lambda stage: [*opening(stage.wire), *steps])


def text_then(*steps: Step) -> Play:
    """`TEXT`, and then these steps instead of its end."""
    return lambda stage: stage.wire.unfinished(*steps, texts=TEXTS)


def text_seen_then(*steps: Step) -> Play:
    """The same, once the user has seen the text: a reset takes with it what was not read yet."""
    return lambda stage: stage.wire.unfinished(Until(stage.seen), *steps, texts=TEXTS)


def alive_and_silent(make: Callable[[Wire], bytes], *, after_text: bool = False) -> Play:
    """Signs of life in place of text, until the client leaves."""

    def steps(stage: Stage) -> Sequence[Step]:
        before = stage.wire.events(Answer(texts=TEXTS, finish=None)) if after_text else []
        return [*before, *[part for _ in range(500) for part in (make(stage.wire), Pause(0.02))], HANG]

    return body(steps)


def endless(text: str, *, pause_s: float = 0.0, pieces: int = 300) -> Play:
    """Once the user has seen `TEXT`, the same piece of text for ever, as far as anybody reads."""

    def steps(stage: Stage) -> Sequence[Step]:
        piece = said(stage.wire, text)
        step: list[Step] = [piece, Pause(pause_s)] if pause_s else [piece]
        return [*stage.wire.events(Answer(texts=TEXTS, finish=None)), Until(stage.seen), *step * pieces, HANG]

    return body(steps)


_HUGE = 20_000_000


def a_huge_piece(stage: Stage) -> Reply:
    """After `TEXT`, one event with 20 MB of text."""
    start, end = said(stage.wire, "@").split(b"@")
    return stage.wire.unfinished(start, *[b"x" * 1_000_000] * (_HUGE // 1_000_000), end, HANG, texts=TEXTS)


BROKEN_JSON = b'data: {"type": "broken", "text": "Hel\n\n'


def error_event(kind: Literal["server_error", "overloaded"], *, after_text: bool) -> Play:
    """An error in the middle of a stream that began well."""

    def steps(stage: Stage) -> Sequence[Step]:
        before = stage.wire.events(Answer(texts=TEXTS, finish=None)) if after_text else []
        return [*before, stage.wire.error_events[kind]]

    return body(steps)


def refusal_inside_200(kind: Refusal) -> Play:
    """The body of a refusal, under a status that says that all is well."""
    return lambda stage: replace(stage.wire.refusals[kind], status=200)


def overloaded_inside_200(stage: Stage) -> Reply:
    """The same for an error whose code tells what its status does not."""
    match stage.wire.name:
        case "openai-chat" | "openai-responses":
            return loopback.error_reply(200, code="overloaded", message="Overloaded.")
        case _:
            return replace(stage.wire.refusals["overloaded"], status=200)


def wordless_inside_200(_: Stage) -> Reply:
    """An error object that says nothing that could be known, where an answer should be."""
    return json_reply({"error": {"message": "no"}})


def ended(finish: FinishReason, *texts: str) -> Play:
    """An answer that ends for this reason."""
    return lambda stage: stage.wire.stream(Answer(texts=texts, finish=finish))


def whole_once_seen(*more: str) -> Play:
    """A good answer, whose second half waits until the user has seen the first."""

    def steps(stage: Stage) -> Sequence[Step]:
        events = stage.wire.events(Answer(texts=(*TEXTS, *more)))
        half = 1 + max(number for number, piece in enumerate(events) if b'"lo"' in piece)
        return [*events[:half], Until(stage.seen), *events[half:]]

    return body(steps)


def blocked_prompt(_: Stage) -> Reply:
    """Gemini's way of refusing a question."""
    feedback = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    return Reply(steps=[event(feedback)], content_type=SSE)


# --- odd, and no fault ------------------------------------------------------------------------------------------------

EMOJI_TEXT = "Grüße 👩🏽‍🔬, 世界!\n"


def one_byte_at_a_time(stage: Stage) -> Reply:
    """Every byte in a piece of its own, with characters that take several."""
    escaped = b"".join(stage.wire.events(Answer(texts=(EMOJI_TEXT, "Ende"))))
    plain = unescaped(escaped)
    assert "世".encode() in plain
    return replace(stage.wire.stream(), steps=[plain]).cut([1] * len(plain))


def unescaped(body: bytes) -> bytes:
    """JSON whose characters are not escaped, so that they can be cut."""
    return re.sub(rb"(?:\\u[0-9a-f]{4})+", lambda escaped: json.loads(b'"%b"' % escaped[0]).encode(), body)


def line_ends(*ends: bytes) -> Play:
    """Lines that end in turn in each of these."""

    def steps(stage: Stage) -> Sequence[Step]:
        events = stage.wire.events(Answer(texts=TEXTS))
        return [piece.replace(b"\n", ends[number % len(ends)]) for number, piece in enumerate(events)]

    return body(steps)


def not_utf_8(stage: Stage) -> Reply:
    """A byte that is no character, in the middle of the text."""
    events = stage.wire.events(Answer(texts=("Hel", "@lo")))
    return replace(stage.wire.stream(), steps=[piece.replace(b"@", b"\xff") for piece in events])


def without_its_last_blank_line(finish: FinishReason | None) -> Play:
    """A server that forgets the end of its last event."""

    def steps(stage: Stage) -> Sequence[Step]:
        *events, last = stage.wire.events(Answer(texts=TEXTS, finish=finish))
        return [*events, last.rstrip(b"\n")]

    return body(steps)


def text_first(stage: Stage) -> Reply:
    """The first piece of text before the event that should open the answer."""
    events = stage.wire.events(Answer(texts=TEXTS))
    first = next(number for number, piece in enumerate(events) if b'"Hel"' in piece)
    return replace(stage.wire.stream(), steps=[events[first], *events[:first], *events[first + 1 :]])


def a_second_answer_behind(stage: Stage) -> Reply:
    """Another answer, with another end, behind the end of the first."""
    events = stage.wire.events(Answer(texts=TEXTS))
    again = stage.wire.events(Answer(texts=("Again",), finish="length"))
    return replace(stage.wire.stream(), steps=[*events, *again])


def an_error_behind(stage: Stage) -> Reply:
    """The end twice, and behind it an error."""
    events = stage.wire.events(Answer(texts=TEXTS))
    return replace(stage.wire.stream(), steps=[*events, events[-1], stage.wire.error_events["server_error"]])


def under(content_type: str) -> Play:
    """A good answer under another content type."""
    return lambda stage: replace(stage.wire.stream(Answer(texts=TEXTS)), content_type=content_type)
