"""The demo provider."""

from __future__ import annotations

import asyncio

import pytest

from convoscope_jupyter.messages import ImagePart, Message, TextDelta, TextPart, Usage
from convoscope_jupyter.providers import ChatRequest, Demo, suggested_models
from convoscope_jupyter.providers._demo import _MODELS
from tests.support.reading import Read, read

IMAGE = ImagePart(media_type="image/png", data_base64="aWNvbg==")


async def play(model: str, message: Message | None = None) -> Read:
    request = ChatRequest(provider="demo", model=model, messages=(message or Message.user("hi"),))
    return await read(Demo(pace_s=0).stream(request))


async def test_the_tour_says_that_it_is_no_model() -> None:
    answer = await play("tour")

    assert ("stop", "stop", Usage()) == (answer.finish_reason, answer.raw_finish_reason, answer.usage)
    assert "It is not a model" in answer.text
    assert "tour (demo, not a model)" == answer.response_model
    assert all(sign in answer.text for sign in ("# ", "- **", "|:--|", "```python", "]("))


@pytest.mark.parametrize("text", ["hi", "  two\n\nlines  ", " ", "😀 and more"])
async def test_echo_says_exactly_what_was_said(text: str) -> None:
    assert text == (await play("echo", Message.user(text))).text


@pytest.mark.parametrize("images, text", [(1, "(1 image and no text)"), (2, "(2 images and no text)")])
async def test_echo_of_images(images: int, text: str) -> None:
    assert text == (await play("echo", Message(role="user", parts=(IMAGE,) * images))).text


async def test_echo_of_text_with_an_image() -> None:
    assert "hi" == (await play("echo", Message(role="user", parts=(TextPart(text="hi"), IMAGE)))).text


@pytest.mark.parametrize(
    "model, kind, status, wait_s",
    [
        ("fail-401", "authentication", 401, None),
        ("fail-429", "rate_limited", 429, 20.0),
        ("fail-500", "server_error", 500, None),
        ("fail-connect", "connection_failed", None, None),
        ("fail-filter", "content_filtered", 400, None),
    ],
)
async def test_a_failing_model_fails_before_any_text(
    model: str, kind: str, status: int | None, wait_s: float | None
) -> None:
    answer = await play(model)

    assert answer.error is not None
    assert ("", kind) == (answer.text, answer.error_kind)
    assert (status, wait_s) == (answer.error.status_code, answer.error.retry_after_s)
    assert str(answer.error).startswith(f"demo:{model}: This demo model ")


async def test_the_model_that_breaks_off() -> None:
    answer = await play("drop-midway")

    assert ("interrupted", None) == (answer.error_kind, answer.finish_reason)
    assert answer.text


@pytest.mark.parametrize(
    "model, has_text, finish_reason",
    [
        ("slow", True, "stop"),
        ("long", True, "stop"),
        ("no-finish", True, None),
        ("empty", False, "stop"),
        ("length", True, "length"),
        ("hostile", True, "stop"),
    ],
)
async def test_how_an_answer_may_end(model: str, finish_reason: str | None, *, has_text: bool) -> None:
    answer = await play(model)

    assert (has_text, finish_reason, None) == (bool(answer.text), answer.finish_reason, answer.error)


async def test_reasoning_comes_before_the_answer() -> None:
    answer = await play("reasoning")

    assert "391" in answer.text
    assert "340" in answer.reasoning


async def test_slow_takes_twenty_seconds_at_the_default_pace() -> None:
    words = (await play("slow")).text.split()

    assert 20.0 == pytest.approx(len(words) * 0.012 * 100 / 12)


async def test_the_pace_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    await read(Demo(pace_s=0.5).stream(ChatRequest(provider="d", model="echo", messages=(Message.user("a b c"),))))

    assert [0.5, 0.5, 0.5] == pauses


async def test_hang_says_nothing_and_can_be_stopped() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(play("hang"), 0.01)


async def test_an_answer_can_be_stopped_at_any_word() -> None:
    stream = Demo(pace_s=0).stream(ChatRequest(provider="demo", model="long", messages=(Message.user("hi"),)))
    async for chunk in stream:
        if isinstance(chunk, TextDelta):
            break
    await stream.aclose()

    assert [] == [chunk async for chunk in stream]


@pytest.mark.parametrize(
    "model, hint",
    [("tuor", "Did you mean tour?"), ("fail-42", "Did you mean fail-429"), ("gpt-5", "It has tour, echo,")],
)
async def test_an_unknown_model_gets_near_names(model: str, hint: str) -> None:
    answer = await play(model)

    assert "model_not_found" == answer.error_kind
    assert hint in str(answer.error)


def test_it_is_ready_and_offline() -> None:
    demo = Demo()
    demo.load()
    status = demo.status("demo")

    assert (True, True, None, None) == (status.ready, status.offline, status.host, status.remedy)
    assert not demo.is_local


def test_every_suggested_model_exists() -> None:
    assert set(suggested_models("demo")) <= set(_MODELS)


async def test_its_models_are_its_scripts() -> None:
    assert sorted(_MODELS) == list(await Demo().list_models("demo"))
