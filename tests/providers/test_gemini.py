"""Gemini's format, written and read."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.errors import ProtocolError, ProviderError
from convoscope_jupyter.messages import ImagePart, Message, ReasoningPart, TextPart, Usage
from convoscope_jupyter.providers import ChatRequest, Chunk, Finished, Started
from convoscope_jupyter.providers._decoding import as_object
from convoscope_jupyter.providers._gemini import Endpoint, GeminiDecoder, gemini_body, model_ids
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import ServerSentEvent
from tests.support.gemini_wire import error_object, gemini_events, response
from tests.support.loopback import event
from tests.support.reading import PEER, Read, as_stream, read
from tests.support.wires import PIXEL, Answer

IMAGE = ImagePart(media_type="image/png", data_base64=PIXEL)
END = response(finishReason="STOP")


def body_of(*messages: Message, system: str | None = None, **settings: float) -> dict[str, object]:
    return gemini_body(ChatRequest(provider="google", model="m", messages=messages, system=system, **settings))  # type: ignore[arg-type]  # one of them is a whole number


async def read_events(*payloads: object) -> Read:
    return await read(read_answer(as_stream([event(payload) for payload in payloads]), GeminiDecoder(PEER)))


# --- writing --------------------------------------------------------------------------------------------------------


def test_the_least_that_can_be_asked() -> None:
    assert {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]} == body_of(Message.user("hi"))


def test_zero_is_a_temperature() -> None:
    assert {"temperature": 0.0} == body_of(Message.user("hi"), temperature=0.0)["generationConfig"]


def test_what_is_empty_is_left_out() -> None:
    thought = Message(role="assistant", parts=(ReasoningPart(text="Hm."),))
    empty = Message(role="user", parts=(TextPart(text=""), IMAGE))
    body = body_of(Message.user("hi"), thought, Message.assistant(""), empty, system=" ")

    image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    assert {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "user", "parts": [image]}]} == body


@pytest.mark.parametrize(
    "url, endpoint",
    [
        ("https://a.example", ("https://a.example", "v1beta")),
        ("https://a.example/v1", ("https://a.example", "v1")),
        ("https://a.example/v1beta", ("https://a.example", "v1beta")),
        ("https://a.example/gw/v1alpha", ("https://a.example/gw", "v1alpha")),
        ("https://a.example/v1beta2", ("https://a.example", "v1beta2")),
        ("https://a.example/v1/gw", ("https://a.example/v1/gw", "v1beta")),
        ("https://a.example/dev1", ("https://a.example/dev1", "v1beta")),
    ],
)
def test_an_address_may_say_the_version(url: str, endpoint: tuple[str, str]) -> None:
    assert endpoint == Endpoint.of(url)


# --- reading --------------------------------------------------------------------------------------------------------


async def test_thoughts_are_no_text() -> None:
    both = response({"text": "Hm.", "thought": True}, {"text": "Hello", "thought": False})
    answer = await read_events(both, END)

    assert ("Hm.", "Hello") == (answer.reasoning, answer.text)


async def test_only_the_first_candidate_is_read() -> None:
    other = {"index": 1, "content": {"parts": [{"text": "no"}]}, "finishReason": "MAX_TOKENS"}
    first = {"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}
    answer = await read_events({"candidates": [other, first]}, {"candidates": [other]})

    assert ("yes", "stop") == (answer.text, answer.finish_reason)


async def test_what_comes_with_or_after_the_finish_reason_counts() -> None:
    with_end = response({"text": "b"}, finishReason="STOP")
    answer = await read_events(response({"text": "a"}), with_end, {"usageMetadata": {"promptTokenCount": 3}})

    assert ("ab", "stop", 3) == (answer.text, answer.finish_reason, answer.usage.input_tokens)


async def test_a_finish_reason_with_every_piece_of_text_is_no_end() -> None:
    answer = await read_events(*(response({"text": text}, finishReason="STOP") for text in "abc"))

    assert ("abc", "stop") == (answer.text, answer.finish_reason)


async def test_ids_may_come_late_and_the_start_is_told_once() -> None:
    unnamed = {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}
    feedback: dict[str, object] = {"promptFeedback": {"safetyRatings": []}}
    answer = await read_events(feedback, {"responseId": "r", "usageMetadata": {}}, unnamed, END)

    assert ("r", None, "a") == (answer.response_id, answer.response_model, answer.text)


@pytest.mark.parametrize(
    "raw, reason, word",
    [
        ("STOP", "stop", "STOP"),
        ("MAX_TOKENS", "length", "MAX_TOKENS"),
        ("SAFETY", "content_filter", "SAFETY"),
        ("RECITATION", "content_filter", "RECITATION"),
        ("BLOCKLIST", "content_filter", "BLOCKLIST"),
        ("PROHIBITED_CONTENT", "content_filter", "PROHIBITED_CONTENT"),
        ("SPII", "content_filter", "SPII"),
        ("IMAGE_SAFETY", "content_filter", "IMAGE_SAFETY"),
        ("MALFORMED_FUNCTION_CALL", "error", "MALFORMED_FUNCTION_CALL"),
        ("UNEXPECTED_TOOL_CALL", "error", "UNEXPECTED_TOOL_CALL"),
        ("LANGUAGE", "error", "LANGUAGE"),
        ("OTHER", "error", "OTHER"),
        ("OF_TOMORROW", "error", "OF_TOMORROW"),
        (1, "stop", "STOP"),
        (8, "content_filter", "PROHIBITED_CONTENT"),
        (10, "error", "MALFORMED_FUNCTION_CALL"),
        (99, "error", "99"),
        (-1, "error", "-1"),
        ("FINISH_REASON_UNSPECIFIED", None, None),
        (0, None, None),
        (None, None, None),
        ("", None, None),
    ],
)
async def test_why_the_model_stopped(raw: object, reason: str | None, word: str | None) -> None:
    answer = await read_events(response({"text": "a"}), response(finishReason=raw))

    assert (reason, word) == (answer.finish_reason, answer.raw_finish_reason)


@pytest.mark.parametrize("raw, reason", [("STOP", "tool_call"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")])
async def test_a_call_is_an_end_of_its_own_unless_the_answer_was_cut(raw: str, reason: str) -> None:
    answer = await read_events(
        response({"functionCall": {"name": "look", "args": {}}}), response({"text": ""}, finishReason=raw)
    )

    assert reason == answer.finish_reason


async def test_code_that_was_run_is_not_shown() -> None:
    code = response({"executableCode": {"code": "1+1"}}, {"codeExecutionResult": {"output": "2"}}, {"text": "Two."})
    answer = await read_events(code, END)

    assert ("Two.", "stop") == (answer.text, answer.finish_reason)


@pytest.mark.parametrize(
    "raw, word",
    [("SAFETY", "SAFETY"), ("PROHIBITED_CONTENT", "PROHIBITED_CONTENT"), (3, "BLOCKLIST"), ("NEW", "NEW")],
)
async def test_a_blocked_prompt_is_a_filtered_one(raw: object, word: str) -> None:
    feedback = {"blockReason": raw, "blockReasonMessage": "Not this."}
    error = (await read_events({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 3}})).error

    assert error is not None
    assert "content_filtered" == error.kind
    assert f"the prompt was blocked ({word}). Not this." in error.message


@pytest.mark.parametrize(
    "reported, usage",
    [
        ({}, Usage()),
        ({"promptTokenCount": 3}, Usage(input_tokens=3)),
        ({"promptTokenCount": 3, "candidatesTokenCount": 2}, Usage(input_tokens=3, output_tokens=2)),
        ({"thoughtsTokenCount": 5}, Usage(output_tokens=5, reasoning_tokens=5)),
        (
            {
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 30,
                "cachedContentTokenCount": 80,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 7,
                "totalTokenCount": 157,
            },
            Usage(input_tokens=130, output_tokens=27, cached_input_tokens=80, reasoning_tokens=7),
        ),
        ({"promptTokenCount": "3", "candidatesTokenCount": -1}, Usage()),
    ],
)
async def test_tokens_are_counted(reported: dict[str, object], usage: Usage) -> None:
    assert usage == (await read_events(response({"text": "a"}), response(usage=reported, finishReason="STOP"))).usage


async def test_counts_grow_and_are_not_forgotten() -> None:
    first = response({"text": "a"}, usage={"promptTokenCount": 3, "thoughtsTokenCount": 5})
    last = response(usage={"promptTokenCount": 3, "candidatesTokenCount": 2}, finishReason="STOP")

    assert Usage(input_tokens=3, output_tokens=7, reasoning_tokens=5) == (await read_events(first, last)).usage


async def test_an_error_after_the_end_does_not_undo_it() -> None:
    answer = await read_events(response({"text": "a"}), END, error_object(500, "INTERNAL"))

    assert ("a", "stop", None) == (answer.text, answer.finish_reason, answer.error)


@pytest.mark.parametrize(
    "last", [b"event: error\ndata: nonsense\n\n", b'data: {"error": "nonsense"}\n\n', b"data: nonsense\n\n"]
)
async def test_odd_errors_are_errors(last: bytes) -> None:
    body = [*gemini_events(Answer(finish=None)), last]
    answer = await read(read_answer(as_stream(body), GeminiDecoder(PEER)))

    assert "Hello" == answer.text
    assert answer.error_kind in {"server_error", "protocol_error"}


async def test_an_answer_that_is_one_object() -> None:
    body = json.dumps(response({"text": "Hello"}, finishReason="STOP")).encode()
    answer = await read(read_answer(as_stream([body]), GeminiDecoder(PEER)))

    assert ("Hello", "stop") == (answer.text, answer.finish_reason)


@pytest.mark.parametrize(
    "body, kind",
    [
        (error_object(429, "RESOURCE_EXHAUSTED"), "rate_limited"),
        ({"error": {"message": "no"}}, "protocol_error"),
        ({"choices": []}, "protocol_error"),
    ],
)
async def test_an_object_that_is_no_answer(body: object, kind: str) -> None:
    answer = await read(read_answer(as_stream([json.dumps(body).encode()]), GeminiDecoder(PEER)))

    assert (kind, None) == (answer.error_kind, answer.finish_reason)


async def test_events_of_another_format_are_no_answer() -> None:
    assert "protocol_error" == (await read_events({"choices": [{"delta": {"content": "a"}}]})).error_kind


NAMES = (
    "candidates content parts text thought functionCall index finishReason promptFeedback blockReason usageMetadata "
    "promptTokenCount responseId error details"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=4),
    max_leaves=12,
)


@given(payloads=st.lists(JSON, max_size=4))
def test_whatever_json_comes_gives_chunks_or_one_of_our_errors(payloads: list[object]) -> None:
    decoder = GeminiDecoder(PEER)
    chunks: list[Chunk] = []
    with contextlib.suppress(ProviderError):
        for payload in payloads:
            chunks += decoder.decode(ServerSentEvent("message", json.dumps(payload)))
        chunks += decoder.close()

    assert [] == [chunk for chunk in chunks[1:] if isinstance(chunk, Started)]
    assert [] == [chunk for chunk in chunks[:-1] if isinstance(chunk, Finished)]
    assert () == decoder.decode(ServerSentEvent("message", "{}")) or not decoder.done


@given(payload=JSON)
def test_whatever_json_comes_as_a_whole_gives_chunks_or_one_of_our_errors(payload: object) -> None:
    decoder = GeminiDecoder(PEER)
    with contextlib.suppress(ProviderError):
        decoder.decode_whole(as_object(payload))
        assert decoder.recognised


# --- models ---------------------------------------------------------------------------------------------------------


def test_models_that_chat_are_listed() -> None:
    chats = {"supportedGenerationMethods": ["generateContent"]}
    models = [
        {"name": "models/b", **chats},
        {"name": "tunedModels/a", **chats},
        {"name": "models/c", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/d"},
        {"name": 7, **chats},
        None,
    ]

    assert ["b", "tunedModels/a"] == model_ids({"models": models})


@pytest.mark.parametrize("payload", [{}, [], None, {"data": []}])
def test_what_is_no_list_of_models(payload: object) -> None:
    with pytest.raises(ProtocolError):
        model_ids(payload)
