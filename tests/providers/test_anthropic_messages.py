"""Anthropic's Messages format, written and read."""

from __future__ import annotations

import contextlib
import json
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from convoscope_jupyter.errors import ProviderError
from convoscope_jupyter.messages import ImagePart, Message, ReasoningPart, TextPart, Usage
from convoscope_jupyter.providers import ChatRequest, Chunk
from convoscope_jupyter.providers._anthropic_messages import MessagesDecoder, messages_body
from convoscope_jupyter.providers._decoding import as_object
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import ServerSentEvent
from tests.support.anthropic_wire import delta, typed
from tests.support.loopback import event
from tests.support.reading import PEER, Read, as_stream, read
from tests.support.wires import PIXEL

IMAGE = ImagePart(media_type="image/png", data_base64=PIXEL)
IMAGE_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def body_of(*messages: Message, system: str | None = None, model: str = "claude-sonnet-5-5") -> dict[str, object]:
    return messages_body(ChatRequest(provider="anthropic", model=model, messages=messages, system=system))


def test_the_least_that_can_be_asked() -> None:
    assert {
        "model": "claude-sonnet-5-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    } == body_of(Message.user("hi"))


@pytest.mark.parametrize(
    "model, bound",
    [
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-sonnet-20241022", 8_192),
        ("claude-3-7-sonnet-20250219", 32_000),
        ("claude-2.1", 4_096),
        ("claude-instant-1.2", 4_096),
        ("claude-opus-4-20250514", 32_000),
        ("claude-haiku-5-5", 32_000),
        ("anthropic/claude-3-opus", 4_096),
        ("claude-of-tomorrow", 32_000),
        ("llama-4", 8_192),
    ],
)
def test_a_bound_that_nobody_chose_is_one_that_the_model_accepts(model: str, bound: int) -> None:
    assert bound == body_of(Message.user("hi"), model=model)["max_tokens"]


def test_what_the_api_refuses_as_empty_is_left_out() -> None:
    thought = Message(role="assistant", parts=(ReasoningPart(text="Hm."),))
    blank = Message(role="user", parts=(TextPart(text=" \n"), IMAGE))
    body = body_of(Message.user("hi"), thought, Message.assistant(" \n"), blank, system=" ")

    assert [{"role": "user", "content": "hi"}, {"role": "user", "content": [IMAGE_BLOCK]}] == body["messages"]
    assert "system" not in body


def test_text_and_images_keep_their_order() -> None:
    parts = (IMAGE, TextPart(text="Before or"), ReasoningPart(text="Hm."), TextPart(text=" after?"), IMAGE)

    assert [
        {
            "role": "user",
            "content": [
                IMAGE_BLOCK,
                {"type": "text", "text": "Before or"},
                {"type": "text", "text": " after?"},
                IMAGE_BLOCK,
            ],
        }
    ] == body_of(Message(role="user", parts=parts))["messages"]


async def read_events(*events: bytes) -> Read:
    return await read(read_answer(as_stream(list(events)), MessagesDecoder(PEER, request_id="req_1")))


async def read_whole(payload: object) -> Read:
    return await read_events(json.dumps(payload).encode())


USAGE = {"input_tokens": 9, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 1}
START = typed("message_start", message={"id": "msg_1", "model": "claude-1", "usage": USAGE})
TEXT = delta(type="text_delta", text="Hi")
STOP = typed("message_stop")


def end(reason: str | None, **usage: object) -> bytes:
    return typed("message_delta", delta={"stop_reason": reason}, usage=usage)


async def test_an_answer_with_all_it_can_have() -> None:
    assert Read(
        text="Hello",
        reasoning="hm",
        finish_reason="stop",
        raw_finish_reason="end_turn",
        usage=Usage(input_tokens=15, output_tokens=7, cached_input_tokens=4, reasoning_tokens=3),
        response_id="msg_1",
        response_model="claude-1",
        request_id="req_1",
    ) == await read_events(
        START,
        typed("ping"),
        typed("content_block_start", content_block={"type": "thinking", "thinking": "h"}),
        delta(type="thinking_delta", thinking="m"),
        delta(type="signature_delta", signature="X"),
        typed("content_block_stop"),
        typed("content_block_start", content_block={"type": "text", "text": "Hel"}),
        delta(type="text_delta", text="lo"),
        delta(type="citations_delta", citation={}),
        end("end_turn", output_tokens=7, input_tokens=None, output_tokens_details={"thinking_tokens": 3}),
        STOP,
    )


@pytest.mark.parametrize(
    "raw, expected",
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_call"),
        ("pause_turn", "tool_call"),
        ("something_new", "error"),
    ],
)
async def test_stop_reasons(raw: str, expected: str) -> None:
    answer = await read_events(START, TEXT, end(raw), STOP)

    assert (expected, raw) == (answer.finish_reason, answer.raw_finish_reason)


async def test_the_end_is_known_even_if_its_last_event_is_lost() -> None:
    assert "stop" == (await read_events(START, TEXT, end("end_turn"))).finish_reason


@pytest.mark.parametrize("rest", [[], [end(None)], [end(None), STOP]], ids=["cut", "no reason", "no reason, stopped"])
async def test_without_a_stop_reason_an_answer_has_no_end(rest: list[bytes]) -> None:
    answer = await read_events(START, TEXT, *rest)

    assert ("Hi", None, None) == (answer.text, answer.finish_reason, answer.error)


@pytest.mark.parametrize(
    "after", [typed("error", error={"type": "api_error"}), TEXT, b"data: {\n\n"], ids=["error", "text", "broken"]
)
async def test_nothing_undoes_the_first_end(after: bytes) -> None:
    answer = await read_events(START, TEXT, end("end_turn"), after, STOP, after)

    assert ("Hi", "stop", None) == (answer.text, answer.finish_reason, answer.error)


async def test_a_block_before_the_beginning_is_kept() -> None:
    answer = await read_events(TEXT, START, end("end_turn"), STOP)

    assert ("Hi", 15) == (answer.text, answer.usage.input_tokens)


async def test_unknown_usage_is_unknown() -> None:
    answer = await read_events(typed("message_start", message={}), TEXT, end("end_turn"), STOP)

    assert Usage() == answer.usage


@pytest.mark.parametrize(
    "failing, kind",
    [
        (typed("error", error={"type": "overloaded_error", "message": "boom"}), "overloaded"),
        (event({"type": "error", "error": {"type": "rate_limit_error", "message": "boom"}}), "rate_limited"),
        (typed("error", error={"type": "api_error", "message": "boom"}), "server_error"),
        (
            typed("error", error={"type": "invalid_request_error", "message": "prompt is too long: boom"}),
            "context_too_long",
        ),
        (b"event: error\ndata: boom\n\n", "server_error"),
        (b"event: message_delta\ndata: {broken\n\n", "protocol_error"),
    ],
    ids=["overloaded", "without a name", "vague", "too long", "plain text", "broken"],
)
async def test_an_error_in_the_stream_is_told_by_its_kind(failing: bytes, kind: str) -> None:
    answer = await read_events(START, TEXT, failing)

    assert ("Hi", kind) == (answer.text, answer.error_kind)


async def test_an_answer_that_is_not_streamed_is_read() -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}, {"type": "tool_use"}]
    whole = {"type": "message", "id": "m", "model": "c", "content": blocks, "stop_reason": "end_turn", "usage": USAGE}
    answer = await read_whole(whole)

    assert ("Hi", "hm", "stop", 15) == (answer.text, answer.reasoning, answer.finish_reason, answer.usage.input_tokens)


@pytest.mark.parametrize(
    "payload, kind",
    [
        ({"type": "error", "error": {"type": "authentication_error", "message": "no"}}, "authentication"),
        ({"type": "error", "error": {"message": "no"}}, "protocol_error"),
        ({"hello": "world"}, "protocol_error"),
    ],
    ids=["type", "nothing", "no answer"],
)
async def test_json_that_is_no_answer_is_an_error(payload: object, kind: str) -> None:
    assert kind == (await read_whole(payload)).error_kind


def test_after_the_end_nothing_is_read() -> None:
    decoder = MessagesDecoder(PEER)
    decoder.decode(ServerSentEvent("message_stop", '{"type": "message_stop"}'))

    assert decoder.done
    assert () == decoder.decode(ServerSentEvent("error", "boom"))


async def test_half_an_emoji_at_the_end_is_replaced() -> None:
    assert "Hi\ufffd" == (await read_events(START, TEXT, delta(type="text_delta", text="\ud83d"))).text


KINDS = [
    "message_start",
    "content_block_delta",
    "content_block_start",
    "message_delta",
    "message_stop",
    "message",
    "text",
]
JSON = st.recursive(
    st.one_of(st.none(), st.integers(-5, 5), st.text("ab😀", max_size=3), st.sampled_from(KINDS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "message", "delta", "content_block", "content", "text", "usage", "stop_reason"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(payloads=st.lists(JSON, max_size=4))
def test_no_json_makes_the_decoder_crash(payloads: list[object]) -> None:
    decoder = MessagesDecoder(PEER)
    chunks: list[Chunk] = []
    with contextlib.suppress(ProviderError):
        for payload in payloads:
            chunks += decoder.decode(ServerSentEvent("message", json.dumps(payload)))
        chunks += decoder.close()
        chunks += MessagesDecoder(PEER).decode_whole(
            {**as_object(payloads[0] if payloads else None), "type": "message"}
        )
    assert all(isinstance(chunk, get_args(Chunk)) for chunk in chunks)
