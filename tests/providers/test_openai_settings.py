"""The providers `OpenAI` and `OpenAICompatible`: keys, addresses, status, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from convoscope_jupyter import config
from convoscope_jupyter.errors import ConnectionFailed, InvalidSetting
from convoscope_jupyter.messages import Message
from convoscope_jupyter.providers import ChatRequest, OpenAI, OpenAICompatible, ProviderStatus
from convoscope_jupyter.redaction import Secret
from tests.support.loopback import HANG, Loopback, Reply, chat_events, chat_stream
from tests.support.reading import read

ROOT = Path(__file__).parents[2]
KEY = "sk-canary-abcdefghijkl0123456789"
REQUEST = ChatRequest(provider="server", model="model", messages=(Message.user("hi"),))


# --- keys -----------------------------------------------------------------------------------------------------------


async def test_without_a_key_openai_is_not_asked() -> None:
    answer = await read(OpenAI().stream(replace(REQUEST, provider="openai")))

    assert "missing_credentials" == answer.error_kind
    assert 'No key for OpenAI. Set OPENAI_API_KEY, or cv.set_key("openai"), and retry.' in str(answer.error)


async def test_a_key_counts_from_the_moment_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(chat_stream("Hi")) as server:
        provider = OpenAI(base_url=server.base_url)
        await read(provider.stream(REQUEST))
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        await read(provider.stream(REQUEST))

    assert ["Bearer none", f"Bearer {KEY}"] == [request.headers["authorization"] for request in server.requests]


async def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loopback(chat_stream("Hi")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        answer = await read(OpenAI(api_key=KEY).stream(REQUEST))

    assert "Hi" == answer.text
    assert "/v1/chat/completions" == server.requests[0].path


async def test_what_the_environment_says_about_openai_goes_only_to_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: token\nnonsense\nAuthorization: Bearer other")
    async with Loopback(chat_stream("Hi")) as server:
        await read(OpenAICompatible(base_url=server.base_url).stream(replace(REQUEST, provider="openai")))
        monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
        await read(OpenAI(base_url=server.base_url).stream(REQUEST))

    stranger, own = (request.headers for request in server.requests)
    assert "Bearer none" == stranger["authorization"]
    assert not {"openai-organization", "openai-project", "x-gateway"} & stranger.keys()
    assert (f"Bearer {KEY}", "org-1", "proj-1") == (
        own["authorization"],
        own["openai-organization"],
        own["openai-project"],
    )


async def test_a_key_set_for_a_servers_name_is_sent_to_it() -> None:
    config.set_key("server", KEY)
    try:
        async with Loopback(chat_stream("Hi")) as server:
            await read(OpenAICompatible(base_url=server.base_url).stream(REQUEST))
    finally:
        config.forget_key("server")

    assert f"Bearer {KEY}" == server.requests[0].headers["authorization"]


@pytest.mark.parametrize("key", ["two words", "schlüssel", "line\nbreak"])
def test_a_key_that_cannot_be_one_is_refused_unseen(key: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        OpenAI(api_key=key)

    assert key not in str(caught.value)


async def test_a_key_in_the_environment_that_cannot_be_one_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "two words")
    answer = await read(OpenAI().stream(REQUEST))

    assert "authentication" == answer.error_kind
    assert "OPENAI_API_KEY holds white space" in str(answer.error)
    assert "two words" not in str(answer.error)


# --- settings and status --------------------------------------------------------------------------------------------


def test_an_unknown_wire_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="must be 'auto', 'chat' or 'responses'"):
        OpenAI(wire="grpc")  # type: ignore[arg-type]  # what it is about


def test_an_address_without_tls_elsewhere_is_refused_unless_allowed() -> None:
    for provider in (OpenAI, OpenAICompatible):
        with pytest.raises(InvalidSetting):
            provider(base_url="http://server.example/v1")
        assert not provider(base_url="http://server.example/v1", allow_http=True).is_local


async def test_an_address_in_the_environment_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://server.example/v1")
    provider = OpenAI(api_key=KEY)
    error = (await read(provider.stream(REQUEST))).error

    assert isinstance(error, ConnectionFailed)
    assert "http:// to server.example would send the key and the conversation unprotected" in error.message
    assert not error.retryable
    assert not provider.is_local
    assert provider.status("openai").remedy == error.message


def test_the_status_says_what_is_missing() -> None:
    assert ProviderStatus(
        name="openai",
        ready=False,
        key_source=None,
        host=None,
        remedy='Set OPENAI_API_KEY, or cv.set_key("openai"), and retry.',
    ) == OpenAI().status("openai")


@pytest.mark.parametrize(
    "provider, expected",
    [
        (OpenAI(api_key=KEY), ProviderStatus(name="x", ready=True, key_source="your code", host=None, remedy=None)),
        (
            OpenAICompatible(base_url="http://127.0.0.1:11434/v1"),
            ProviderStatus(name="x", ready=True, key_source=None, host="127.0.0.1:11434", remedy=None),
        ),
        (
            OpenAICompatible(base_url="https://server.example/v1", api_key=Secret(KEY)),
            ProviderStatus(name="x", ready=True, key_source="your code", host="server.example", remedy=None),
        ),
    ],
    ids=["openai", "local", "elsewhere"],
)
def test_the_status_says_where_questions_go(provider: OpenAI | OpenAICompatible, expected: ProviderStatus) -> None:
    assert expected == provider.status("x")


def test_the_status_says_which_key_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert "OPENAI_API_KEY" == OpenAI().status("openai").key_source


def test_the_status_says_that_a_key_cannot_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "two words")
    status = OpenAI().status("openai")

    assert not status.ready
    assert "holds white space" in (status.remedy or "")


@pytest.mark.parametrize("url, is_local", [("http://localhost:1/v1", True), ("https://server.example/v1", False)])
def test_a_server_on_this_machine_is_local(url: str, *, is_local: bool) -> None:
    assert is_local == OpenAICompatible(base_url=url).is_local


@pytest.mark.parametrize(
    "url, wire, path",
    [
        ("https://api.openai.com/v1", "auto", "responses"),
        ("https://api.openai.com/v1", "chat", "chat"),
        ("https://server.example/v1", "auto", "chat"),
        ("https://server.example/v1", "responses", "responses"),
    ],
)
def test_responses_are_spoken_with_openai_itself(
    url: str, wire: Literal["auto", "chat", "responses"], path: str
) -> None:
    provider = OpenAI(api_key=KEY, base_url=url, wire=wire)

    assert (path == "responses") == provider._speaks_responses(provider._destination("openai"))


def test_nothing_is_left_open_when_the_loop_ends(recwarn: pytest.WarningsRecorder) -> None:
    async def answer_and_abandon() -> None:
        async with Loopback(chat_stream("Hi"), Reply(steps=[*chat_events("Hi", finish=None), HANG])) as server:
            provider = OpenAICompatible(base_url=server.base_url)
            await read(provider.stream(REQUEST))
            await anext(provider.stream(REQUEST))

    asyncio.run(answer_and_abandon())
    gc.collect()

    assert [] == [str(warning.message) for warning in recwarn]
