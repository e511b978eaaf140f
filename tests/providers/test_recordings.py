"""Recorded answers of real providers, read by the decoders and through the adapter, cut at random places.

The recordings are not part of this repository. `CONVOSCOPE_REPLAY` names their folder (`cases.json`, `bodies/`), and
`CONVOSCOPE_REPLAY_SERVER` a server that replays them byte for byte. What is expected comes with the recordings, in the
providers' own terms; the functions `expected_…` say how we map it:

- text: visible text of choice 0; a refusal's text counts as text
- finish reason: ours, see `EXPECTED_FINISH`; none where the provider never gave one
- usage: as reported; Anthropic's input includes what was read from and written to its cache, Gemini's what tools gave
  the model to read, and Gemini's output its thoughts

None of the recordings is out of scope. Those of Gemini that were not asked for as a stream, or asked of Vertex, are
replayed as the answer to a request for a stream: the body's format is the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter.messages import Message, Usage
from convoscope_jupyter.providers import Anthropic, ChatRequest, Google, OpenAICompatible, Provider
from convoscope_jupyter.providers._anthropic_messages import MessagesDecoder
from convoscope_jupyter.providers._decoding import Decoder
from convoscope_jupyter.providers._errors import from_response
from convoscope_jupyter.providers._gemini import GeminiDecoder
from convoscope_jupyter.providers._json_array import as_events
from convoscope_jupyter.providers._openai_chat import ChatDecoder
from convoscope_jupyter.providers._openai_responses import ResponsesDecoder
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import SseDecoder
from tests.support.every_wire import over
from tests.support.gemini_wire import FORMER_GOOGLE
from tests.support.reading import PEER, Read, as_stream, random_pieces, read
from tests.support.wires import Wire

FOLDER = Path(os.environ.get("CONVOSCOPE_REPLAY", "absent"))
SERVER = Path(os.environ.get("CONVOSCOPE_REPLAY_SERVER", "absent"))

pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(
        not (FOLDER / "cases.json").is_file(),
        reason="CONVOSCOPE_REPLAY does not name a folder with recorded answers; they are not part of the repository",
    ),
]

Case = Mapping[str, Any]

DECODERS: dict[str, Callable[..., Decoder]] = {
    "openai-chat": ChatDecoder,
    "openai-responses": ResponsesDecoder,
    "anthropic-messages": MessagesDecoder,
    "gemini-generate": GeminiDecoder,
}
"""By the recordings' name of the API."""
ADAPTERS: dict[str, Callable[[str], Provider]] = {
    "openai-chat": lambda url: OpenAICompatible(base_url=f"{url}/v1", wire="chat"),
    "openai-responses": lambda url: OpenAICompatible(base_url=f"{url}/v1", wire="responses"),
    "anthropic-messages": lambda url: Anthropic(base_url=url),
    "gemini-generate": lambda url: Google(base_url=url),
}
"""By the same name: makes the provider that asks a server of that API."""
EXPECTED_FINISH = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "max_output_tokens": "length",
    "completed": "stop",
    "STOP": "stop",
    1: "stop",  # to who asked for numbers
    None: None,
}
EXPECTED_ERRORS = {
    "ane400-02": "invalid_request",
    "gee400-02": "invalid_request",
    "gee404-01": "model_not_found",
    "gee404-02": "model_not_found",
    "ane401-01": "authentication",
    "oce400-03": "invalid_request",
    "oce400-04": "invalid_request",
    "oce400-05": "invalid_request",
    "oce404-02": "model_not_found",
    "oce404-03": "model_not_found",
    "oce404-04": "model_not_found",
    "oce429-01": "rate_limited",
    "ocs-32": "invalid_request",  # an error event in the middle of the reasoning
    "ore400-01": "model_not_found",  # told with status 400
    "ore400-02": "model_not_found",
    "ore400-03": "invalid_request",
}


def rng(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - cuts, not keys


def cases(*apis: str, kinds: tuple[str, ...]) -> list[Any]:
    if not (FOLDER / "cases.json").is_file():
        return [pytest.param({}, id="absent")]
    every = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
    return [pytest.param(c, id=c["id"]) for c in every if c["api"] in apis and c["kind"] in kinds]


def body_of(case: Case) -> bytes:
    return (FOLDER / str(case["body"])).read_bytes()


def expected_finish(case: Case) -> str | None:
    expect = case["expect"]
    if case["api"] == "gemini-generate" and expect["tool_calls"]:
        return "tool_call"  # Gemini itself has no word for it
    if case["api"] != "openai-responses":
        return EXPECTED_FINISH[expect["finish"]]
    if expect["incomplete"]:
        return EXPECTED_FINISH[expect["incomplete"]["reason"]]
    # A search for tools is a call like any other, though the recording's list of calls leaves it out.
    called = expect["tool_calls"] or case["id"] == "ors-06"
    return "tool_call" if called and not expect["text"] else EXPECTED_FINISH[expect["finish"]]


def expected_usage(case: Case) -> Usage:
    raw = case["expect"].get("usage_raw") or {}
    if case["api"] == "openai-chat":
        return Usage(
            input_tokens=raw.get("prompt_tokens"),
            output_tokens=raw.get("completion_tokens"),
            cached_input_tokens=raw.get("prompt_tokens_details", {}).get("cached_tokens"),
            reasoning_tokens=raw.get("completion_tokens_details", {}).get("reasoning_tokens"),
        )
    if case["api"] == "openai-responses":
        return Usage(
            input_tokens=raw["input_tokens"],
            output_tokens=raw["output_tokens"],
            cached_input_tokens=raw["input_tokens_details"]["cached_tokens"],
            reasoning_tokens=raw["output_tokens_details"]["reasoning_tokens"],
        )
    if case["api"] == "gemini-generate":
        return Usage(
            input_tokens=raw["promptTokenCount"] + raw.get("toolUsePromptTokenCount", 0),
            output_tokens=raw["candidatesTokenCount"] + raw.get("thoughtsTokenCount", 0),
            cached_input_tokens=raw.get("cachedContentTokenCount"),
            reasoning_tokens=raw.get("thoughtsTokenCount"),
        )
    in_cache = (raw.get("cache_read_input_tokens") or 0) + (raw.get("cache_creation_input_tokens") or 0)
    return Usage(
        input_tokens=raw["input_tokens"] + in_cache,
        output_tokens=raw["output_tokens"],
        cached_input_tokens=raw.get("cache_read_input_tokens"),
        reasoning_tokens=(raw.get("output_tokens_details") or {}).get("thinking_tokens"),
    )


def check(case: Case, answer: Read) -> None:
    expect = case["expect"]

    assert expect["text"] == answer.text
    assert expect["reasoning"] == answer.reasoning
    assert expected_finish(case) == answer.finish_reason
    assert (expected_usage(case) if answer.finish_reason else Usage()) == answer.usage
    assert expect["model"] == answer.response_model
    assert answer.response_id
    assert EXPECTED_ERRORS.get(case["id"]) == answer.error_kind


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", cases(*DECODERS, kinds=("sse",)))
async def test_a_recorded_stream_is_read_whole_however_it_is_cut(case: Case, seed: int) -> None:
    pieces = random_pieces(body_of(case), rng(f"{case['id']} {seed}"), largest=(3, 500)[seed])

    check(case, await read(read_answer(as_stream(pieces), DECODERS[case["api"]](PEER))))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", cases("gemini-generate", kinds=("jsonarr",)))
async def test_a_recorded_array_is_read_whole_however_it_is_cut(case: Case, seed: int) -> None:
    pieces = random_pieces(body_of(case), rng(f"{case['id']} {seed}"), largest=(3, 500)[seed])

    check(case, await read(read_answer(as_events(as_stream(pieces)), GeminiDecoder(PEER))))


@pytest.mark.parametrize("case", cases(*DECODERS, kinds=("json",)))
async def test_a_recorded_json_answer_is_read_whole(case: Case) -> None:
    pieces = random_pieces(body_of(case), rng(case["id"]), largest=100)

    check(case, await read(read_answer(as_stream(pieces), DECODERS[case["api"]](PEER))))


@pytest.mark.parametrize("case", cases(*DECODERS, kinds=("error",)))
def test_a_recorded_error_is_told_by_its_kind(case: Case) -> None:
    error = from_response(PEER, status=case["status"], headers=case["headers"], body=body_of(case))

    assert EXPECTED_ERRORS[case["id"]] == error.kind
    assert case["status"] == error.status_code


@pytest.mark.parametrize("case", cases("anthropic-messages", kinds=("sse",)))
def test_every_recorded_anthropic_event_is_json_however_the_stream_is_cut(case: Case) -> None:
    decoder = SseDecoder()
    pieces = random_pieces(body_of(case), rng(case["id"]), largest=20)
    events = [event for piece in pieces for event in decoder.feed(piece)] + list(decoder.close())

    assert case["events"] == len(events)
    assert all(event.name == json.loads(event.data)["type"] for event in events)


@pytest.fixture(scope="module")
def replay() -> Iterator[str]:
    """Root of a running replay server."""
    if not SERVER.is_file():
        pytest.skip("CONVOSCOPE_REPLAY_SERVER does not name a server that replays the recordings")
    command = [sys.executable, str(SERVER), "--data", str(FOLDER), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def through_the_adapter(replay: str, case: Case, options: str) -> tuple[Provider, ChatRequest]:
    provider = ADAPTERS[case["api"]](f"{replay}/case/{case['id']}~{options}")
    return provider, ChatRequest(provider="replay", model="any", messages=(Message.user("hi"),))


@pytest.mark.asyncio(loop_scope="module")  # one loop, so that connections are reused as they are in a kernel
@pytest.mark.parametrize("options", ["chunk=rand~nl=crlf", "chunk=event~comment=1~bom=1"])
@pytest.mark.parametrize("case", cases(*ADAPTERS, kinds=("sse", "json", "jsonarr")))
async def test_a_recording_replayed_over_the_network_is_read_whole(replay: str, case: Case, options: str) -> None:
    provider, request = through_the_adapter(replay, case, options)

    check(case, await read(provider.stream(request)))


@over(FORMER_GOOGLE)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", cases("gemini-generate", kinds=("sse", "json", "jsonarr")))
async def test_a_recording_is_read_whole_over_googles_former_sdk(replay: str, case: Case, wire: Wire) -> None:
    _, request = through_the_adapter(replay, case, "chunk=rand")
    provider = wire.provider(f"{replay}/case/{case['id']}~chunk=rand", None)

    check(case, await read(provider.stream(request)))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", cases(*ADAPTERS, kinds=("error",)))
async def test_a_recorded_error_replayed_over_the_network_is_told_by_its_kind(replay: str, case: Case) -> None:
    provider, request = through_the_adapter(replay, case, "chunk=rand")
    answer = await read(provider.stream(request))

    assert EXPECTED_ERRORS[case["id"]] == answer.error_kind


@pytest.mark.parametrize("case", cases(*ADAPTERS, kinds=("error",)))
def test_a_recorded_error_met_through_the_public_api_is_raised_and_stored(
    replay: str, case: Case, tmp_path: Path
) -> None:
    provider, _ = through_the_adapter(replay, case, "chunk=rand")
    session = cv.Session("replay:any", providers={"replay": provider}, store=tmp_path / "store.sqlite3")
    session.route = dataclasses.replace(session.route, retry=cv.RetryPolicy(max_total_s=0))  # asked once is enough
    with pytest.raises(cv.RouteExhausted) as raised:
        session.ask("hi")
    stored = cv.open_store(tmp_path / "store.sqlite3").get(session.conversation.id)
    assert stored is not None
    response = stored.turns[0].responses[0]

    assert [EXPECTED_ERRORS[case["id"]]] == [error.kind for error in raised.value.exceptions]
    assert [EXPECTED_ERRORS[case["id"]]] == [attempt.error_kind for attempt in response.attempts]
    assert ("failed", "", None, Usage()) == (response.status, response.text, response.finish_reason, response.usage)
    assert case["status"] == response.attempts[0].status_code


@pytest.mark.parametrize("case", cases(*ADAPTERS, kinds=("sse", "json", "jsonarr")))
def test_a_recording_asked_through_the_public_api_is_the_stored_answer(replay: str, case: Case, tmp_path: Path) -> None:
    provider, _ = through_the_adapter(replay, case, "chunk=rand")
    session = cv.Session("replay:any", providers={"replay": provider}, store=tmp_path / "store.sqlite3")
    with contextlib.suppress(cv.RouteExhausted):
        session.ask("hi")
    stored = cv.open_store(tmp_path / "store.sqlite3").get(session.conversation.id)
    assert stored is not None
    response = stored.turns[0].responses[0]

    assert case["expect"]["text"] == response.text
    assert case["expect"]["reasoning"] == response.message.reasoning
    assert EXPECTED_ERRORS.get(case["id"]) == response.attempts[0].error_kind
    assert expected_finish(case) == response.finish_reason
    assert (expected_usage(case) if response.finish_reason else Usage()) == response.usage
    assert case["expect"]["model"] == response.attempts[0].response_model
