"""The Chat Completions format, sent and read."""

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
from convoscope_jupyter.providers._openai_chat import ChatDecoder, chat_body
from convoscope_jupyter.providers._reading import read_answer
from convoscope_jupyter.providers._sse import ServerSentEvent
from tests.support.loopback import DONE, chat_event, chat_events, event
from tests.support.reading import PEER, Read, as_stream, read

IMAGE = ImagePart(media_type="image/png", data_base64="aWNvbg==")


async def read_events(*events: bytes) -> Read:
    return await read(read_answer(as_stream(list(events)), ChatDecoder(PEER, request_id="req_1")))


async def read_whole(payload: object) -> Read:
    return await read_events(json.dumps(payload).encode())


# --- what is sent ---------------------------------------------------------------------------------------------------


def body_for(*messages: Message, official: bool = False, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a request
    return chat_body(ChatRequest(provider="p", model="m", messages=messages, **more), official=official)


def test_a_request_asks_for_a_stream_with_usage() -> None:
    assert {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    } == body_for(Message.user("hi"))


def test_system_text_comes_first_and_settings_go_along() -> None:
    body = body_for(Message.user("hi"), system="Be brief.", temperature=0.0, max_output_tokens=7)

    assert {"role": "system", "content": "Be brief."} == body["messages"][0]
    assert (0.0, 7) == (body["temperature"], body["max_tokens"])


def test_openai_itself_wants_another_name_for_the_bound() -> None:
    body = body_for(Message.user("hi"), max_output_tokens=7, official=True)

    assert 7 == body["max_completion_tokens"]
    assert "max_tokens" not in body


def test_images_go_as_data_urls_and_reasoning_stays_here() -> None:
    question = Message(role="user", parts=(TextPart(text="What is it?"), IMAGE, ReasoningPart(text="hm")))
    answer = Message.assistant("An icon.", reasoning="I see an icon.")
    body = body_for(question, answer)

    assert [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWNvbg=="}},
            ],
        },
        {"role": "assistant", "content": "An icon."},
    ] == body["messages"]


def test_an_answer_that_was_only_reasoning_is_left_out() -> None:
    body = body_for(Message.user("hi"), Message.assistant("", reasoning="hm"), Message.user("so?"))

    assert ["hi", "so?"] == [message["content"] for message in body["messages"]]


# --- what comes back ------------------------------------------------------------------------------------------------


async def test_an_answer_with_all_it_can_have() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }

    assert Read(
        text="Hello",
        reasoning="hm",
        finish_reason="stop",
        raw_finish_reason="stop",
        usage=Usage(input_tokens=9, output_tokens=5, cached_input_tokens=4, reasoning_tokens=2),
        response_id="chatcmpl-1",
        response_model="model-2026-01-01",
        request_id="req_1",
    ) == await read_events(chat_event({"reasoning_content": "hm"}), *chat_events("Hel", "lo", usage=usage))


@pytest.mark.parametrize(
    "raw, expected",
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_call"),
        ("function_call", "tool_call"),
        ("insufficient_system_resource", "error"),
    ],
)
async def test_finish_reasons(raw: str, expected: str) -> None:
    answer = await read_events(*chat_events("Hi", finish=raw))

    assert (expected, raw) == (answer.finish_reason, answer.raw_finish_reason)


@pytest.mark.parametrize(
    "delta, text, reasoning",
    [
        ({"content": "a", "reasoning": "b"}, "a", "b"),
        ({"content": "a", "reasoning_content": "b", "reasoning": "b"}, "a", "b"),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "b"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            "a",
            "b",
        ),
        ({"content": None, "reasoning": None}, "", ""),
        ({"content": 5, "reasoning": {}}, "", ""),
        ({"tool_calls": [{"function": {"arguments": "{}"}}]}, "", ""),
    ],
    ids=["reasoning", "both names", "parts", "null", "wrong types", "tool call"],
)
async def test_where_text_and_reasoning_may_be(delta: dict[str, object], text: str, reasoning: str) -> None:
    answer = await read_events(chat_event(delta))

    assert (text, reasoning) == (answer.text, answer.reasoning)


async def test_a_refusal_is_text_and_ends_as_filtered() -> None:
    answer = await read_events(chat_event({"refusal": "I cannot help with that."}), *chat_events())

    assert "I cannot help with that." == answer.text
    assert ("content_filter", "stop") == (answer.finish_reason, answer.raw_finish_reason)


async def test_only_choice_0_is_read() -> None:
    two = event(
        {"id": "1", "choices": [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "A"}}]}
    )
    other = event({"id": "1", "choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]})
    answer = await read_events(two, other, *chat_events("a"))

    assert "Aa" == answer.text


async def test_a_message_instead_of_a_delta_is_read_but_not_besides_one() -> None:
    instead = event({"id": "1", "choices": [{"index": 0, "message": {"content": "A"}}]})
    besides = event({"id": "1", "choices": [{"index": 0, "delta": {}, "message": {"content": "A"}}]})

    assert "A" == (await read_events(instead, besides)).text


async def test_azures_first_chunk_about_the_filter_gives_nothing() -> None:
    about_the_filter = event({"id": "", "model": "", "choices": [], "prompt_filter_results": [{}]})
    answer = await read_events(about_the_filter, *chat_events("Hi"))

    assert ("Hi", "chatcmpl-1") == (answer.text, answer.response_id)


async def test_deepseeks_count_of_cached_tokens() -> None:
    answer = await read_events(*chat_events("Hi", usage={"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}))

    assert Usage(input_tokens=9, cached_input_tokens=8) == answer.usage


async def test_an_emoji_that_escapes_cut_in_two_is_whole() -> None:
    halves = [event({"choices": [{"index": 0, "delta": {"content": half}}]}) for half in ("\ud83d", "\ude00")]

    assert "😀" == (await read_events(*halves, *chat_events())).text


async def test_without_a_finish_reason_an_answer_has_no_end() -> None:
    answer = await read_events(*chat_events("Hi", finish=None), DONE)

    assert ("Hi", None, None) == (answer.text, answer.finish_reason, answer.error)


async def test_without_done_a_finish_reason_is_enough() -> None:
    answer = await read_events(chat_event({"content": "Hi"}), chat_event(finish_reason="stop"))

    assert ("Hi", "stop") == (answer.text, answer.finish_reason)


@pytest.mark.parametrize(
    "after",
    [
        chat_event({"content": "more"}, finish_reason="length"),
        event({"error": {"message": "Token limit reached", "code": 400}}),
        event({"message": "boom"}, name="error"),
        b"data: {broken\n\n",
        b"data: {broken",
        b"data: " + b"x" * 1_100_000 + b"\n\n",
    ],
    ids=["text", "error", "error event", "broken", "cut short", "too large"],
)
async def test_nothing_undoes_the_first_end(after: bytes) -> None:
    answer = await read_events(chat_event({"content": "Hi"}), chat_event(finish_reason="stop"), after)

    assert ("Hi", "stop", None) == (answer.text, answer.finish_reason, answer.error)


async def test_usage_in_an_error_after_the_end_counts() -> None:
    late = event({"error": {"message": "Token limit reached"}, "usage": {"prompt_tokens": 4}})
    answer = await read_events(chat_event(finish_reason="length"), late)

    assert (4, "length") == (answer.usage.input_tokens, answer.finish_reason)


@pytest.mark.parametrize(
    "failing, kind, message",
    [
        (event({"error": {"message": "boom"}}), "server_error", "boom"),
        (event({"error": "boom"}), "server_error", "boom"),
        (event({"object": "error", "message": "boom", "code": 503}), "overloaded", "boom"),
        (event({"message": "boom"}, name="error"), "server_error", "boom"),
        (b"event: error\ndata: boom\n\n", "server_error", "boom"),
        (event({"error": {"code": "rate_limit_exceeded"}}), "rate_limited", "too many requests"),
        (event({"error": {"code": 429, "message": "boom"}}), "rate_limited", "boom"),
        (event({"error": {"type": "invalid_request_error", "message": "boom"}}), "invalid_request", "boom"),
        (b"data: {broken\n\n", "protocol_error", "broken JSON"),
    ],
    ids=["object", "text", "vllm", "named event", "plain text", "code", "status", "vague type", "broken"],
)
async def test_an_error_in_the_stream_is_told_by_its_kind(failing: bytes, kind: str, message: str) -> None:
    answer = await read_events(chat_event({"content": "Hi"}), failing, chat_event({"content": "!"}))

    assert ("Hi", kind) == (answer.text, answer.error_kind)
    assert message in str(answer.error)


@pytest.mark.parametrize(
    "ignored",
    [
        event({"type": "execute", "code": "rm -rf /", "choices": [{"delta": {"content": "X"}}]}, name="execute"),
        b"event: ping\ndata: not json\n\n",
        event([1, 2]),
        event(None),
        event({"choices": "X", "error": None, "usage": None}),
        event({"choices": [None, "X", {"index": 0, "delta": "X"}]}),
        b": comment\n\n",
    ],
    ids=["unknown name", "ping", "list", "null", "no choices", "odd choices", "comment"],
)
async def test_what_is_not_known_is_ignored(ignored: bytes) -> None:
    answer = await read_events(ignored, *chat_events("Hi"))

    assert ("Hi", "stop") == (answer.text, answer.finish_reason)


def test_after_done_nothing_is_read() -> None:
    decoder = ChatDecoder(PEER)
    decoder.decode(ServerSentEvent("message", "[DONE]"))

    assert decoder.done
    assert () == decoder.decode(ServerSentEvent("message", '{"choices": [{"delta": {"content": "X"}}]}'))


# --- a whole answer at once -----------------------------------------------------------------------------------------


def completion(message: object, **choice: object) -> dict[str, object]:
    whole = {"index": 0, "message": message, "finish_reason": "stop", **choice}
    return {"id": "chatcmpl-1", "model": "m-1", "choices": [whole], "usage": {"prompt_tokens": 3}}


async def test_an_answer_that_is_not_streamed_is_read() -> None:
    assert Read(
        text="Hi",
        reasoning="hm",
        finish_reason="stop",
        raw_finish_reason="stop",
        usage=Usage(input_tokens=3),
        response_id="chatcmpl-1",
        response_model="m-1",
        request_id="req_1",
    ) == await read_whole(completion({"content": "Hi", "reasoning_content": "hm"}))


async def test_azures_filtered_answer_has_no_message() -> None:
    answer = await read_whole({"choices": [{"index": 0, "finish_reason": "content_filter"}], "id": "1"})

    assert ("", "content_filter", None) == (answer.text, answer.finish_reason, answer.error)


@pytest.mark.parametrize(
    "payload, kind",
    [
        ({"error": {"code": "invalid_api_key", "message": "no"}}, "authentication"),
        ({"error": {"code": 429, "message": "no"}}, "rate_limited"),
        ({"error": {"message": "no"}}, "protocol_error"),
        ([{"error": {"code": 400, "message": "no"}}], "invalid_request"),
        ({"detail": "Not Found"}, "protocol_error"),
        ({"hello": "world"}, "protocol_error"),
        ([], "protocol_error"),
        ({"choices": []}, "protocol_error"),
    ],
    ids=["code", "status", "nothing", "in a list", "detail", "no answer", "empty list", "no choice"],
)
async def test_json_that_is_no_answer_is_an_error(payload: object, kind: str) -> None:
    assert kind == (await read_whole(payload)).error_kind


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("ab😀", max_size=3), st.sampled_from(["stop", ""])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "usage", "error", "index", "finish_reason", "id"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(payloads=st.lists(JSON, max_size=4))
def test_no_json_makes_the_decoder_crash(payloads: list[object]) -> None:
    decoder = ChatDecoder(PEER)
    chunks: list[Chunk] = []
    with contextlib.suppress(ProviderError):
        for payload in payloads:
            chunks += decoder.decode(ServerSentEvent("message", json.dumps(payload)))
        chunks += decoder.close()
        chunks += ChatDecoder(PEER).decode_whole(as_object(payloads[0] if payloads else None))
    assert all(isinstance(chunk, get_args(Chunk)) for chunk in chunks)
