"""What a program that traces is told: real spans of the real SDK, kept in memory."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import convoscope_jupyter
from convoscope_jupyter import errors
from convoscope_jupyter.messages import Attempt, ErrorKind, ModelRef, TextDelta, TurnFinished, Usage
from convoscope_jupyter.providers import OpenAICompatible
from convoscope_jupyter.providers._base import Started
from convoscope_jupyter.session import Session
from convoscope_jupyter.telemetry import attributes_of, record_attempt
from tests.support.loopback import Loopback, chat_stream, error_reply
from tests.support.scripted import OK, Scripted
from tests.support.sessions import Gate, session_of

ATTEMPT = Attempt(
    model=ModelRef(provider="p", name="m"),
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    duration_s=1.5,
)


class Spans:
    """The spans that the program's exporter got."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self.exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def only(self) -> ReadableSpan:
        (span,) = self.all
        return span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    provider = TracerProvider()
    # The API lets a program set its provider once, and this is many programs.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield Spans(provider)
    provider.shutdown()


def record(attempt: Attempt, **more: str) -> None:
    record_attempt(attempt, index=0, turn_id="turn-1", conversation_id="conversation-1", **more)  # type: ignore[arg-type]  # words of a test


# --- through a session ----------------------------------------------------------------------------------------------


def test_every_attempt_of_a_fallback_is_one_span(spans: Spans) -> None:
    provider = Scripted(bad=[[errors.RateLimited("no", provider="p", model="bad", status_code=429)]], m=[OK])
    session = Session("p:bad, p:m", providers={"p": provider}, store=":memory:")
    turn = session.ask("Hi")

    failed, answered = spans.all
    assert ("chat bad", "chat m") == (failed.name, answered.name)
    assert (SpanKind.CLIENT, SpanKind.CLIENT) == (failed.kind, answered.kind)
    assert (StatusCode.ERROR, StatusCode.UNSET) == (failed.status.status_code, answered.status.status_code)
    assert turn.response is not None
    for span, attempt in zip(spans.all, turn.response.attempts, strict=True):
        assert span.start_time is not None
        assert span.end_time is not None
        assert attempt.started_at.timestamp() == pytest.approx(span.start_time / 1e9, abs=1e-5)
        assert attempt.duration_s == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-5)
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p",
        "gen_ai.conversation.id": session.conversation.id,
        "gen_ai.request.model": "bad",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("error",),
        "error.type": "rate_limited",
    } == failed.attributes


def test_a_span_tells_what_was_asked_for_and_what_came(spans: Spans) -> None:
    session, provider = session_of(list(OK), temperature=0.5, max_output_tokens=9)
    provider.host = "127.0.0.1:11434"
    turn = session.ask("Hi")

    assert turn.response is not None
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p",
        "gen_ai.conversation.id": session.conversation.id,
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.response.model": "good-2026",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": turn.response.attempts[0].time_to_first_chunk_s,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": 11434,
    } == spans.only.attributes


def test_a_span_is_a_child_of_the_span_in_which_was_asked(spans: Spans) -> None:
    session, _ = session_of()
    tracer = trace.get_tracer("the program")
    with tracer.start_as_current_span("outer") as outer:
        session.ask("Hi")
        list(session.stream("Again"))
    session.ask("Outside")

    first, second, _, outside = spans.all
    for span in (first, second):
        assert span.parent is not None
        assert outer.get_span_context().span_id == span.parent.span_id
        assert span.context is not None
        assert outer.get_span_context().trace_id == span.context.trace_id
    assert outside.parent is None


async def test_tasks_that_ask_at_once_have_spans_of_their_own(spans: Spans) -> None:
    tracer = trace.get_tracer("the program")

    async def ask(name: str) -> int:
        session, _ = session_of()
        with tracer.start_as_current_span(name) as outer:
            await session.ask_async("Hi")
            return outer.get_span_context().span_id

    outer_ids = await asyncio.gather(ask("one"), ask("two"))

    inner = [span for span in spans.all if span.name == "chat m"]
    assert sorted(outer_ids) == sorted(span.parent.span_id for span in inner if span.parent is not None)


def test_spans_name_the_server_that_was_asked_and_hold_no_word_and_no_key(spans: Spans) -> None:
    async def ask() -> int:
        async with Loopback(
            error_reply(500, message="secret-question sk-canary-1234567890abcd"), chat_stream("secret", "-answer")
        ) as server:
            provider = OpenAICompatible(base_url=server.base_url, api_key="sk-canary-1234567890abcd")
            session = Session("own:bad, own:model", providers={"own": provider}, store=":memory:", system="secret-rule")
            await session.ask_async("secret-question")
            return server.port

    port = asyncio.run(ask())

    assert 2 == len(spans.all)
    for span in spans.all:
        assert span.attributes is not None
        assert ("127.0.0.1", port) == (span.attributes["server.address"], span.attributes["server.port"])
        assert not re.search("secret-|canary|answer", span.to_json())


def test_an_answer_that_breaks_off_is_an_error_without_words(spans: Spans) -> None:
    session, _ = session_of([TextDelta(text="Half"), errors.ConnectionFailed("a word of the user's")])
    with pytest.raises(errors.AnswerInterrupted):
        session.ask("Hi")

    span = spans.only
    assert (StatusCode.ERROR, None) == (span.status.status_code, span.status.description)
    assert span.attributes is not None
    assert "interrupted" == span.attributes["error.type"]
    assert () == span.events


def test_what_a_person_stops_is_marked_and_is_no_error(spans: Spans) -> None:
    gate = Gate()
    session, _ = session_of([Started(), TextDelta(text="Half"), gate.event])
    for event in session.stream("Hi"):
        if isinstance(event, TextDelta):
            session.cancel()
        if isinstance(event, TurnFinished):
            assert "Half" == event.turn.text

    span = spans.only
    assert span.attributes is not None
    assert (StatusCode.UNSET, "cancelled") == (span.status.status_code, span.attributes["error.type"])
    assert ("error",) == span.attributes["gen_ai.response.finish_reasons"]


def test_an_exporter_that_fails_does_not_harm_the_answer(spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError(span.name)

    spans.provider.add_span_processor(Broken())
    session, _ = session_of()

    assert "Hello" == session.ask("Hi").text
    assert any(message.endswith("not traced (RuntimeError)") for message in caplog.messages)


# --- one attempt ----------------------------------------------------------------------------------------------------


def test_who_was_not_asked_has_no_span(spans: Spans) -> None:
    record(replace(ATTEMPT, held_back=True, error_kind="overloaded"))

    assert () == spans.all


@pytest.mark.parametrize(
    "name, expected", [("openai", "openai"), ("anthropic", "anthropic"), ("google", "gcp.gemini"), ("ollama", "ollama")]
)
def test_providers_have_the_names_of_the_conventions(name: str, expected: str) -> None:
    attempt = replace(ATTEMPT, model=ModelRef(provider=name, name="m"))

    assert expected == attributes_of(attempt, "c", None, None)["gen_ai.provider.name"]


@pytest.mark.parametrize(
    "host, address, port",
    [
        (None, None, None),
        ("llm.example.org", "llm.example.org", None),
        ("llm.example.org:8443", "llm.example.org", 8443),
        ("[::1]:8080", "::1", 8080),
        ("[::1]", "::1", None),
    ],
)
def test_a_server_is_told_as_far_as_it_is_known(host: str | None, address: str | None, port: int | None) -> None:
    attributes = attributes_of(ATTEMPT, "c", None, host)

    assert (address, port) == (attributes.get("server.address"), attributes.get("server.port"))


def test_cached_and_reasoning_tokens_are_told_and_none_is_not_passed_off_as_zero() -> None:
    attributes = attributes_of(
        replace(ATTEMPT, usage=Usage(cached_input_tokens=0, reasoning_tokens=7)), "c", None, None
    )

    assert 0 == attributes["gen_ai.usage.cache_read.input_tokens"]
    assert 7 == attributes["gen_ai.usage.reasoning.output_tokens"]
    assert "gen_ai.usage.input_tokens" not in attributes
    assert None not in attributes.values()


@pytest.mark.parametrize(
    "kind, held_back, level",
    [
        (None, False, logging.INFO),
        ("cancelled", False, logging.INFO),
        ("rate_limited", False, logging.WARNING),
        ("rate_limited", True, logging.DEBUG),
    ],
)
def test_an_attempt_is_one_line_as_loud_as_it_is_worth(
    kind: ErrorKind | None, *, held_back: bool, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="convoscope_jupyter")
    record(replace(ATTEMPT, error_kind=kind, held_back=held_back))

    (line,) = caplog.records
    assert level == line.levelno
    assert line.getMessage().startswith("attempt 0 of turn turn-1: p:m ")
    assert (kind or "ok") in line.getMessage()


def test_a_line_holds_what_a_provider_can_be_asked_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="convoscope_jupyter")
    usage = Usage(input_tokens=3)
    record(replace(ATTEMPT, error_kind="server_error", status_code=503, request_id="req_1", usage=usage))

    assert [
        "attempt 0 of turn turn-1: p:m server_error in 1.500 s, status 503, request req_1, tokens 3 in, None out"
    ] == caplog.messages


# --- without OpenTelemetry, or without a place for spans ------------------------------------------------------------


def run(code: str) -> str:
    script = f"import sys\nimport convoscope_jupyter as cv\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    return done.stdout.strip()


ASK = "print(cv.Session('demo:fail-429, demo:echo', store=':memory:').ask('Hi').text)\n"


def test_neither_importing_the_package_nor_asking_loads_opentelemetry() -> None:
    assert "Hi\nFalse" == run(f"{ASK}print(any(name.startswith('opentelemetry') for name in sys.modules))")


def test_it_works_where_opentelemetry_is_not_installed() -> None:
    assert "Hi" == run(f"sys.modules['opentelemetry'] = None\n{ASK}")


def test_without_a_tracer_provider_nothing_is_recorded() -> None:
    code = f"from opentelemetry import trace\n{ASK}print(type(trace.get_tracer_provider()).__name__)"

    assert "Hi\nProxyTracerProvider" == run(code)


def test_names_of_the_conventions_stand_in_one_file_only() -> None:
    package = Path(convoscope_jupyter.__file__).parent
    # As they are written in code: prose may speak of them in backticks.
    files = {path.name for path in package.rglob("*.py") if re.search(r"[\"']gen_ai\.", path.read_text("utf-8"))}

    assert {"telemetry.py"} == files
