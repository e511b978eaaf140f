"""The Responses format, sent and read."""

from __future__ import annotations

import contextlib
import json
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.errors import ProviderError
from convoscope_jupyter.messages import ImagePart, Message, ReasoningPart, TextPart, Usage
from convoscope_jupyter.providers import ChatRequest, Chunk
from convoscope_jupyter.providers._decoding import as_object
from convoscope_jupyter.providers._openai_responses import ResponsesDecoder, responses_body
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import ServerSentEvent
from tests.support.loopback import DONE, event, response_object, responses_events
from tests.support.reading import PEER, Read, as_stream, read


async def read_events(*events: bytes) -> Read:
    return await read(read_answer(as_stream(list(events)), ResponsesDecoder(PEER, request_id="req_1")))


async def read_whole(payload: object) -> Read:
    return await read_events(json.dumps(payload).encode())


def typed(kind: str, **more: object) -> bytes:
    return event({"type": kind, **more}, name=kind)


# --- what is sent ---------------------------------------------------------------------------------------------------


def body_for(*messages: Message, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a request
    return responses_body(ChatRequest(provider="p", model="m", messages=messages, **more))


def test_nothing_is_stored_and_the_history_goes_along() -> None:
    assert {
        "model": "m",
        "input": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "so?"},
        ],
        "stream": True,
        "store": False,
    } == body_for(Message.user("hi"), Message.assistant("Hello.", reasoning="hm"), Message.user("so?"))


def test_system_text_and_settings_go_along() -> None:
    body = body_for(Message.user("hi"), system="Be brief.", temperature=0.0, max_output_tokens=7)

    assert ("Be brief.", 0.0, 7) == (body["instructions"], body["temperature"], body["max_output_tokens"])


def test_images_go_as_data_urls() -> None:
    image = ImagePart(media_type="image/png", data_base64="aWNvbg==")
    body = body_for(
        Message(role="user", parts=(TextPart(text="What is it?"), image, ReasoningPart(text="hm"))),
        Message.assistant(""),
    )

    assert [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": "data:image/png;base64,aWNvbg=="},
            ],
        }
    ] == body["input"]


# --- what comes back ------------------------------------------------------------------------------------------------


async def test_an_answer_with_all_it_can_have() -> None:
    usage = {
        "input_tokens": 9,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    created, *rest = responses_events("Hel", "lo", usage=usage)
    thinking = [
        typed("response.reasoning_summary_text.delta", delta="h"),
        typed("response.reasoning_text.delta", delta="m"),
    ]

    assert Read(
        text="Hello",
        reasoning="hm",
        finish_reason="stop",
        raw_finish_reason="completed",
        usage=Usage(input_tokens=9, output_tokens=5, cached_input_tokens=4, reasoning_tokens=2),
        response_id="resp_1",
        response_model="model-2026-01-01",
        request_id="req_1",
    ) == await read_events(created, *thinking, *rest)


@pytest.mark.parametrize(
    "reason, expected",
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("something_new", "error")],
)
async def test_an_incomplete_response_says_why(reason: str, expected: str) -> None:
    response = response_object("Hi", status="incomplete", incomplete_details={"reason": reason})
    answer = await read_events(
        typed("response.output_text.delta", delta="Hi"), typed("response.incomplete", response=response)
    )

    assert ("Hi", expected, reason) == (answer.text, answer.finish_reason, answer.raw_finish_reason)


async def test_an_incomplete_response_without_a_reason_is_no_natural_end() -> None:
    answer = await read_events(typed("response.incomplete", response={"id": "resp_1"}))

    assert ("error", "incomplete") == (answer.finish_reason, answer.raw_finish_reason)


async def test_a_refusal_is_text_and_ends_as_filtered() -> None:
    answer = await read_events(
        typed("response.refusal.delta", delta="I cannot."), typed("response.completed", response=response_object(""))
    )

    assert ("I cannot.", "content_filter", "completed") == (answer.text, answer.finish_reason, answer.raw_finish_reason)


@pytest.mark.parametrize("kind", ["function_call", "web_search_call", "mcp_call"])
async def test_only_calls_and_no_text_is_a_tool_call(kind: str) -> None:
    response = response_object("", output=[{"type": "reasoning"}, {"type": kind}])

    assert "tool_call" == (await read_events(typed("response.completed", response=response))).finish_reason


async def test_text_besides_a_call_is_an_answer() -> None:
    *said, _ = responses_events("Hi")
    response = response_object("Hi", output=[{"type": "mcp_call"}, {"type": "message"}])

    assert "stop" == (await read_events(*said, typed("response.completed", response=response))).finish_reason


async def test_text_that_comes_only_with_the_end_is_kept() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "content": None}
    response = response_object("Hi")
    response["output"] = [thought, *response["output"]]  # type: ignore[misc]  # a list, as written above
    answer = await read_events(typed("response.completed", response=response))

    assert ("Hi", "hm", "stop") == (answer.text, answer.reasoning, answer.finish_reason)


async def test_reasoning_that_was_streamed_is_not_repeated_by_the_end() -> None:
    response = response_object(
        "", output=[{"type": "reasoning", "summary": [{"text": "hm"}]}, {"type": "function_call"}]
    )
    answer = await read_events(
        typed("response.reasoning_summary_text.delta", delta="hm"), typed("response.completed", response=response)
    )

    assert "hm" == answer.reasoning


async def test_without_its_end_an_answer_has_no_finish_reason() -> None:
    *said, _ = responses_events("Hi")
    answer = await read_events(*said, DONE)

    assert ("Hi", None, None) == (answer.text, answer.finish_reason, answer.error)


async def test_what_comes_after_the_end_is_not_read() -> None:
    decoder = ResponsesDecoder(PEER)
    end = {"type": "response.completed", "response": response_object("Hi")}
    decoder.decode(ServerSentEvent("message", json.dumps(end)))

    assert decoder.ended
    assert () == decoder.decode(ServerSentEvent("error", "boom"))


async def test_a_delta_before_the_beginning_is_kept() -> None:
    created, delta, completed = responses_events("Hi")

    assert "Hi" == (await read_events(delta, created, completed)).text


@pytest.mark.parametrize(
    "failing, kind, message",
    [
        (typed("error", code="server_error", message="boom"), "server_error", "boom"),
        (event({"type": "error", "code": "rate_limit_exceeded", "message": "boom"}), "rate_limited", "boom"),
        (event({"type": "error", "error": {"type": "overloaded_error", "message": "boom"}}), "overloaded", "boom"),
        (event({"error": {"message": "boom", "code": 503}}), "overloaded", "boom"),
        (
            typed("response.failed", response={"error": {"code": "invalid_prompt", "message": "boom"}}),
            "content_filtered",
            "boom",
        ),
        (
            typed("response.failed", response={"error": {"code": "server_error", "message": "boom"}}),
            "server_error",
            "boom",
        ),
        (typed("response.failed", response={"error": None}), "server_error", "has trouble"),
        (b"data: {broken\n\n", "protocol_error", "broken JSON"),
    ],
    ids=["event", "type only", "nested", "a gateway's", "filtered", "failed", "failed without a word", "broken"],
)
async def test_an_error_in_the_stream_is_told_by_its_kind(failing: bytes, kind: str, message: str) -> None:
    created, delta, _ = responses_events("Hi")
    answer = await read_events(created, delta, failing)

    assert ("Hi", kind, None) == (answer.text, answer.error_kind, answer.finish_reason)
    assert message in str(answer.error)


@pytest.mark.parametrize(
    "ignored",
    [
        typed("execute", code="rm -rf /", delta="X"),
        typed("response.function_call_arguments.delta", delta="X"),
        typed("response.output_text.done", text="X"),
        event([1]),
        event({"delta": "X"}),
    ],
    ids=["unknown", "arguments", "done", "list", "no type"],
)
async def test_what_is_not_known_is_ignored(ignored: bytes) -> None:
    answer = await read_events(ignored, *responses_events("Hi"))

    assert ("Hi", "stop") == (answer.text, answer.finish_reason)


# --- a whole answer at once -----------------------------------------------------------------------------------------


async def test_an_answer_that_is_not_streamed_is_read() -> None:
    assert Read(
        text="Hi",
        finish_reason="stop",
        raw_finish_reason="completed",
        usage=Usage(input_tokens=3),
        response_id="resp_1",
        response_model="model-2026-01-01",
        request_id="req_1",
    ) == await read_whole(response_object("Hi", usage={"input_tokens": 3}))


async def test_a_refusal_that_is_not_streamed_ends_as_filtered() -> None:
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    answer = await read_whole(response_object("", output=[refusal]))

    assert ("I cannot.", "content_filter") == (answer.text, answer.finish_reason)


@pytest.mark.parametrize(
    "payload, kind",
    [
        ({"error": {"code": "invalid_api_key", "message": "no"}}, "authentication"),
        ({"error": {"message": "no"}}, "protocol_error"),
        (response_object("", status="failed", error={"code": "rate_limit_exceeded"}), "rate_limited"),
        ({"object": "response", "status": "queued"}, "protocol_error"),
        ({"hello": "world"}, "protocol_error"),
    ],
    ids=["code", "nothing", "failed", "queued", "no answer"],
)
async def test_json_that_is_no_answer_is_an_error(payload: object, kind: str) -> None:
    assert kind == (await read_whole(payload)).error_kind


KINDS = [
    "response.created",
    "response.output_text.delta",
    "response.completed",
    "response.incomplete",
    "response.failed",
]
JSON = st.recursive(
    st.one_of(
        st.none(), st.integers(-5, 5), st.text("ab😀", max_size=3), st.sampled_from([*KINDS, "message", "reasoning"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "response", "delta", "output", "content", "summary", "usage", "error", "status"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(payloads=st.lists(JSON, max_size=4))
def test_no_json_makes_the_decoder_crash(payloads: list[object]) -> None:
    decoder = ResponsesDecoder(PEER)
    chunks: list[Chunk] = []
    with contextlib.suppress(ProviderError):
        for payload in payloads:
            chunks += decoder.decode(ServerSentEvent("message", json.dumps(payload)))
        chunks += decoder.close()
        chunks += ResponsesDecoder(PEER).decode_whole(
            {**as_object(payloads[0] if payloads else None), "object": "response"}
        )
    assert all(isinstance(chunk, get_args(Chunk)) for chunk in chunks)
